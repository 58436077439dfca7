"""The ways out of the graph: which values a Tensor gives away, and which changes a leaf accepts.

A value that leaves the graph carries no derivative, and while a function is captured it would be frozen into
the program. So every exit asks `leave_graph` first.

Python and NumPy take some exits by themselves: NumPy calls `float()` for `a[0] = x`, the math module for
`math.sin(x)`, and both would drop the gradient without a word. So `float()` and `np.asarray()` refuse a
Tensor through which derivatives flow and say what to write instead; `.item()` and `.numpy()`, which are
written on purpose, do not refuse.
"""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigrad.arraylike import RULES, defers
from minigrad.errors import entry
from minigrad.handed_out import HANDED, follow, hand_out
from minigrad.mode import Mode, current

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

    class Element(Tensor, np.object_):  # type: ignore[misc]  # pyright: ignore
        """What NumPy's stubs take for the elements of a Tensor, and so for the type of np.sum(x).

        np.sum(x) is a Tensor; as objects, the elements also let np.mean(x) and np.ones(2) * x be Any.
        """


__all__ = [
    "NO_OPERANDS",
    "Leaving",
    "leave_graph",
    "next_index",
    "numeric",
    "operand",
    "present",
    "require_plain",
    "touch",
    "with_operands",
]


FOLDER = os.path.dirname(os.path.abspath(__file__))

next_index = itertools.count(1).__next__  # atomic in CPython, hence safe between threads


def leave_graph(x: Any, how: str) -> None:
    """Raise if the value of x must not be looked at or changed; `how` names the attempt in the error.

    Raises:
        CaptureError: a function is being captured, or x was kept from a finished capture and so has no value.
    """
    if current.mode.capturing is not None:
        current.mode.capturing.forbid(x, how)
    if x.mode.capturing is not None and x.primal.__class__ is not np.ndarray:
        x.primal.item()  # raises: this is the placeholder that a finished capture leaves behind


def touch(leaf: Any) -> None:
    """`leaf.touch()` without the check for a capture."""
    leaf.index = next_index()
    if HANDED:
        follow(leaf)


def numeric(x: Any, call: str) -> NDArray[Any]:
    """`x` as a plain array of numbers, checked as every entrance checks its input. `call` is named in errors.

    Raises:
        TypeError: `x` holds something else, or means more than its numbers: a mask, a matrix product, zeros
            that are not stored.
    """
    given = x
    if x.__class__ is not np.ndarray:
        require_plain(x, call)
        try:
            x = np.asarray(x)
        except ValueError as error:
            if "inhomogeneous" not in str(error):
                raise
            raise ValueError(
                f"{call} needs rows of one length, got {given!r:.60}. Pad them, or make a list of arrays."
            ) from None
    if x.dtype.kind not in "biufc":
        if given is not x:
            _refuse_object(given, call)
        raise TypeError(
            f"{call} needs numbers, got an array of dtype {x.dtype}. Convert it to float first, as with "
            "np.asarray(x, float)."
        )
    return x  # type: ignore[no-any-return]


def require_plain(x: Any, call: str) -> None:
    """Raise TypeError if x, or an element of the list x, would lose its meaning as a plain array."""
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise TypeError(
            f"{call} takes plain arrays, got a {type(x).__name__}, whose mask or product would be lost. "
            "Convert it with np.asarray, or select with np.where."
        )
    if hasattr(x, "tocsr"):
        raise TypeError(
            f"{call} takes dense arrays, got a sparse {type(x).__name__}. Convert it with .toarray()."
        )
    if isinstance(x, list | tuple) and not set(map(type, x)) <= {float, int}:
        for item in x:
            require_plain(item, call)


def _refuse_object(x: Any, call: str) -> None:
    """Raise TypeError if x is an object of a class that NumPy does not know."""
    if isinstance(x, list | tuple | str | bytes | np.generic | np.ndarray):
        return
    kind = type(x).__name__
    fields = hasattr(x, "__dataclass_fields__")
    got = f"the dataclass {kind}" if fields else f"{kind}: {x!r:.60}"
    instead = "its fields as a dict, as with vars(...)" if fields else "its numbers as arrays"
    raise TypeError(
        f"{call} needs numbers, got {got}. Pass {instead}; functions to differentiate take dicts, lists and "
        "tuples of arrays too."
    )


def present(x: Any) -> Any:
    """What x stands for: an array of `minigrad.numpy` for its present value, anything else for itself."""
    return x.__recorded__() if hasattr(x, "__recorded__") else x


def operand(call: str, x: Any) -> Any:
    """`x` as an operand of `call`: an array or number itself, a list as an array; anything else is
    refused."""
    if x.__class__ is np.ndarray or isinstance(x, list | tuple):
        return numeric(x, call)
    if isinstance(x, int):  # of a subclass: an IntEnum, a `Size`
        return int(x)
    require_plain(x, call)
    if isinstance(x, np.generic | np.ndarray) and not defers(x):
        numeric(np.asarray(x), call)
        return x
    raise TypeError(
        f"{call} takes Tensors, arrays and numbers, got {type(x).__name__}: {x!r:.60}. Convert it with "
        "np.asarray first."
    )


NO_OPERANDS: set[type] = {list}
"""What ops do not take as it is: lists, and the arrays of `minigrad.numpy` once that is imported."""


def with_operands(op: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """`op` run by an array of `minigrad.numpy` among its inputs, or with lists as arrays."""
    for x in inputs:
        if hasattr(x, "__apply__"):
            return x.__apply__(op, inputs, params)
    return op(*[operand(op.name, x) if x.__class__ is list else x for x in inputs], **params)


def _in_place(ufunc: np.ufunc, sign: str) -> Callable[[Any, Any], Tensor]:
    """The method `self ∘= other`, which changes a live leaf; other Tensors are bound anew, as numbers are."""

    def method(self: Any, other: Any) -> Any:
        if self.op is not None or not self.active:
            return NotImplemented  # Python then binds the name to `self ∘ other`
        if current.mode.recording:
            who = f"the leaf {self.name!r}" if self.name else "a leaf"
            raise TypeError(
                f"`p {sign}= ...` would change {who} with requires_grad=True in place while operations are "
                f"recorded. To change it, write `with no_grad(): p {sign}= ...` or p.assign(array); for a "
                f"new Tensor write `y = p {sign} ...`."
            )
        self.assign(RULES[ufunc](self, other))
        return self

    return method


IMPORT = "import minigrad.numpy as np"


def _repeat_below(refusal: Exception) -> None:
    """Add the text of a refusal to the error that NumPy puts in its place, so that it comes last.

    In `a[0] = x` NumPy asks for `float(x)`, and on an error says no more than "setting an array element with
    a sequence". An error can be given a note where it arrives, in the frame that called NumPy. A debugger
    that follows the program keeps its place.
    """
    caller = sys._getframe(1)
    while caller.f_code.co_filename.startswith(FOLDER) and caller.f_back is not None:
        caller = caller.f_back
    if sys.gettrace() is not None or caller.f_trace is not None:
        return

    def follow(frame: Any, event: str, raised: Any) -> Any:
        if event != "exception":
            return follow
        sys.settrace(None)
        caller.f_trace = None
        if getattr(raised[1], "__cause__", None) is refusal:
            raised[1].add_note(str(refusal))

    caller.f_trace = follow
    sys.settrace(lambda *event: None)


class Leaving:
    """The exits of a Tensor: its values as arrays, numbers, text and copies. The subclass has the fields."""

    __slots__ = ("gradient",)  # behind `.grad`; only leaves have one

    primal: NDArray[Any]
    active: bool
    op: Any
    live: Sequence[int]
    gradient: Any
    name: str | None
    mode: Mode

    @property
    def data(self) -> NDArray[Any]:
        """The values: a leaf's own ndarray, or a read-only view of a result. Setting it calls `assign`.

        A graph recorded before its leaf's array is written to refuses to be pulled back. An optimizer moves
        its parameters into one vector; an array that was read before then follows the parameter, and can no
        longer be written to. While a function is captured, `.data` serves to assign arrays of modules, and
        is refused for anything else.
        """
        if current.mode.capturing is not None:
            return current.mode.capturing.value(self, ".data")  # type: ignore[no-any-return]  # a Tensor
        leave_graph(self, ".data")
        if self.op is None:
            if self.active or self.primal.ndim:  # a constant number is mostly a loss, read at each step
                hand_out(self)
            return self.primal
        view = self.primal.view()
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, value: Any) -> None:
        self.assign(value)

    @property
    def grad(self) -> Any:
        """The gradient that `backward` added up: an ndarray (a Tensor after `create_graph=True`), or None."""
        try:
            return self.gradient
        except AttributeError:
            if self.active:
                warnings.warn(
                    f".grad is kept by leaves only, and this is the result of an operation ({self.op}); take "
                    "the gradient with minigrad.grad of a function of it, or make a leaf of it by .detach().",
                    stacklevel=2,
                )
            return None

    @grad.setter
    def grad(self, value: Any) -> None:
        self.gradient = value

    @entry
    def assign(self, value: Any) -> None:
        """Overwrite a leaf's values in place, in its shape and dtype. Graphs recorded earlier become stale.

        Raises:
            ValueError: the shape differs, or this Tensor is the result of an operation.
            TypeError: the values cannot be cast to the leaf's dtype.
        """
        leave_graph(self, "assign()")
        if self.op is not None:
            raise ValueError(
                f"assign: this Tensor is the result of {self.op.name}, not a leaf; change the leaves it was "
                "made from, or use .detach() first."
            )
        if value is not self.primal:  # `p.data -= step` has already changed the array in place
            who = f" to {self.name!r}" if self.name else ""
            array = numeric(value.primal if isinstance(value, Leaving) else value, f"assign{who}")
            if array.shape != self.primal.shape:
                raise ValueError(f"assign{who} needs shape {self.primal.shape}, got {array.shape}.")
            if not np.can_cast(array.dtype, self.primal.dtype, "same_kind"):
                raise TypeError(
                    f"assign{who} needs dtype {self.primal.dtype}, got {array.dtype}. Convert it with astype."
                )
            self.primal[...] = array
        self.touch()

    __iadd__ = _in_place(np.add, "+")
    __isub__ = _in_place(np.subtract, "-")
    __imul__ = _in_place(np.multiply, "*")
    __itruediv__ = _in_place(np.divide, "/")
    __ipow__ = _in_place(np.power, "**")
    __imod__ = _in_place(np.remainder, "%")
    __ifloordiv__ = _in_place(np.floor_divide, "//")
    __imatmul__ = _in_place(np.matmul, "@")

    @entry
    def touch(self) -> None:
        """Declare that this leaf's array was written to: graphs recorded earlier are stale from now on.

        Raises:
            ValueError: this Tensor is the result of an operation.
        """
        leave_graph(self, "touch()")
        if self.op is not None:
            raise ValueError(
                f"touch: this Tensor is the result of {self.op.name}, not a leaf, and its values are "
                "read-only; touch the leaf that was changed."
            )
        touch(self)

    @entry
    def item(self, *index: Any) -> Any:
        """The value of a Tensor of one element, or of the element at `index`, as a Python number."""
        leave_graph(self, ".item()")
        if self.primal.size != 1 and not index:
            raise ValueError(
                f"item() needs a Tensor of one element, got shape {self.primal.shape}; write x.item(i)."
            )
        return self.primal.item(*index)

    @entry
    def tolist(self) -> Any:
        """The values as nested lists of Python numbers, outside the graph."""
        leave_graph(self, ".tolist()")
        return self.primal.tolist()

    @entry
    def numpy(self) -> NDArray[Any]:
        """A copy of the values, outside the graph."""
        if current.mode.capturing is not None:
            return current.mode.capturing.value(self, ".numpy()")  # type: ignore[no-any-return]  # a Tensor
        leave_graph(self, ".numpy()")
        return self.primal.copy()

    # Numbers and truth values, which Python and NumPy ask for by themselves

    @entry
    def __bool__(self) -> bool:
        if self.primal.size != 1:
            raise ValueError(
                f"the truth of a Tensor of shape {self.primal.shape} is ambiguous; use .any() or .all()."
            )
        leave_graph(self, "bool(), `if`, `while`, `and`, `or`, `max()`")
        return bool(self.primal)

    @entry
    def __float__(self) -> float:
        leave_graph(self, "float()")
        if self.active:  # NumPy asks for it in `a[0] = x`, the math module in `math.sin(x)`
            refusal = TypeError(
                "turning a recorded Tensor into a float would drop its gradient without a word; use .item() "
                "if that is meant, and NumPy's functions instead of the math module's, np.sin for math.sin. "
                f"To fill arrays, as in a[0] = x, write `{IMPORT}`."
            )
            _repeat_below(refusal)
            raise refusal
        return float(self.item())

    @entry
    def __int__(self) -> int:
        leave_graph(self, "int()")
        return int(float(self)) if self.primal.dtype.kind == "f" else int(self.item())

    @entry
    def __index__(self) -> int:
        if self.primal.dtype.kind not in "iu" or self.primal.ndim:
            raise TypeError("only an integer 0-d Tensor can be used as an index.")
        leave_graph(self, "range() and slices")
        return int(self.primal)

    @entry
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Element]:
        leave_graph(self, "np.asarray()")
        if self.active:
            raise TypeError(
                "turning a recorded Tensor into an ndarray would drop its gradient without a word; use "
                ".numpy() if that is meant, or the NumPy function itself (np.stack for a list of Tensors). "
                f"To make and fill arrays, as in np.array([x, y]) and a[:2] = x, write `{IMPORT}`."
            )
        return np.array(self.primal, dtype=dtype, copy=copy)

    @property
    def _data(self) -> Any:
        """np.ma reads this attribute of any operand; if it did not raise, np.ma would drop the gradient."""
        raise TypeError(
            "np.ma does not work on Tensors: it would drop their gradient without a word; select with "
            "np.where."
        )

    @entry
    def __reduce__(self) -> Any:
        """Copies and pickles are new leaves with an index, an array and a gradient of their own."""
        leave_graph(self, "copy() and pickle")
        if self.live:
            raise TypeError(
                "only leaves can be copied or pickled; use .detach() on the result of an operation."
            )
        plain = next(
            c for c in type(self).__mro__ if c.__module__ == "minigrad.tensor"
        )  # Tensor, even if self is of a subclass
        made = plain, (self.primal, self.active, self.name)
        if self.op is not None or self.grad is None:
            return made
        grad = self.grad.primal if isinstance(self.grad, Leaving) else self.grad
        return *made, (None, {"grad": np.array(grad)})

    @entry
    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "Tensors are not changed in place, because the graph would then be wrong. Write `x = "
            "minigrad.index_set(x, index, value)` (or index_add), or np.where(mask, value, x); to overwrite "
            "a parameter outside the graph use `p.assign(array)`. For programs that assign, write "
            f"`{IMPORT}`, and `y = np.array(x)` before `y[index] = value`."
        )

    # Text

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        x = self.primal
        if current.mode.capturing is not None or x.__class__ is not np.ndarray:  # there is no value to show
            return f"Tensor({x.dtype} {list(x.shape)}{name}, captured)"
        body = np.array2string(x, separator=", ", prefix="Tensor(")
        origin = f", op={self.op.name}" if self.op else ", requires_grad=True" if self.active else ""
        dtype = "" if x.dtype in (np.float64, np.int64, np.bool_) else f", dtype={x.dtype}"
        return f"Tensor({body}{dtype}{name}{origin})"

    @entry
    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)
