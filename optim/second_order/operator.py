"""A symmetric product on arrays, or on trees of arrays, as a checked product on vectors.

`cg` and `lanczos` work on one float64 vector. The caller's product takes and returns what the caller has: an
array, a list with one array for each parameter, a dict. `Form` leads from one to the other and back.

Names: `v` a vector, `Hv` its image, `like` the array or tree that says what vectors look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import Packing, data_of, flatten, leaves_like, require_plain
from optim.second_order.trial import norm

__all__ = ["Form", "SymmetricProduct", "as_tree"]

Vector = NDArray[Any]
REAL = "fiub"
ASYMMETRIC = 1e-3  # a difference of uᵀHv and vᵀHu beyond this share of ‖H‖‖u‖‖v‖ is no rounding of float32


def as_tree(x: Any) -> Any:
    """x; an iterator as a list, and (name, array) pairs as a dict."""
    x = list(x) if isinstance(x, Iterator) else x
    pairs = (
        isinstance(x, list)
        and x != []
        and all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in x)
    )
    return dict(x) if pairs else x


class Form:
    """The structure, shapes and dtypes of an array or a tree of arrays; a list of numbers is an array.

    Args:
        what: begins an error about `like`, such as "`cg(hv, b)`: b".

    >>> form = Form([np.zeros((1, 2)), np.zeros(1)], "x")
    >>> form.n, form.tree(np.arange(3.0))
    (3, [array([[0., 1.]]), array([2.])])
    """

    def __init__(self, like: Any, what: str) -> None:
        like = as_tree(like)
        if isinstance(like, list) and like and set(map(type, like)) <= {float, int}:
            like = np.array(like, dtype=np.float64)
        leaves, self._build = flatten(like)
        require_plain(leaves, what)
        arrays = [np.asarray(data_of(leaf)) for leaf in leaves]
        for array in arrays:
            if array.dtype.kind not in REAL:
                raise TypeError(f"{what} must hold real numbers, got {array.dtype}.")
        self.like = self._build(arrays)
        self.packing = Packing([a if a.dtype.kind == "f" else a.astype(np.float64) for a in arrays])
        self.n = self.packing.n
        if not self.n:
            raise ValueError(f"{what} must hold at least one number, got {like!r:.60}.")

    def vector(self, tree: Any, what: str, lead: tuple[int, ...] = ()) -> Vector:
        """A tree of this form, its arrays with extra axes `lead`, as one new float64 vector (*lead, n)."""
        given = leaves_like(as_tree(tree), self.like, what)
        require_plain(given, what)
        arrays = [np.asarray(data_of(leaf)) for leaf in given]
        for array, shape in zip(arrays, self.packing.shapes, strict=True):
            if array.shape != lead + shape or array.dtype.kind not in REAL:
                kind = "" if array.dtype.kind in REAL else f"{array.dtype} of shape "
                raise ValueError(
                    f"{what} must be real numbers of shape {lead + shape}, got {kind}{array.shape}."
                )
        joined: Vector = self.packing.join(arrays, lead)
        return joined

    def tree(self, vector: Vector) -> Any:
        """A vector (*lead, n) in this form, with arrays of its own and in the dtypes of `like`."""
        return self._build(self.packing.split(vector))


class SymmetricProduct:
    """v ↦ Hv on float64 vectors, by a product on trees; every result is checked.

    The symmetry is looked at without a product of its own: uᵀHv must be vᵀHu for each two directions in a
    row, up to rounding.

    Args:
        call: the public function, for errors.
    """

    def __init__(self, call: str, hv: Callable[[Any], Any], form: Form) -> None:
        if not callable(hv):
            raise TypeError(
                f"`{call}(hv, ...)`: hv must be a function v ↦ Hv, got {hv!r:.60}. For a matrix pass lambda "
                "v: H @ v."
            )
        self.call, self.hv, self.form = call, hv, form
        rounding = max(float(np.finfo(dtype).eps) for dtype in form.packing.dtypes)
        self.tolerance = max(ASYMMETRIC, 30 * rounding)
        self.products = 0
        self._size = 0.0  # the largest ‖Hv‖/‖v‖ yet
        self._before: tuple[Vector, Vector] | None = None

    def __call__(self, v: Vector) -> Vector:
        Hv = self.form.vector(self.hv(self.form.tree(v)), f"`{self.call}(hv, ...)`: Hv")
        self.products += 1
        if not np.isfinite(Hv).all():
            raise FloatingPointError(
                f"`{self.call}(hv, ...)`: product {self.products} must be finite, got "
                f"{Hv[~np.isfinite(Hv)][0]}. Are the function and its gradient finite there?"
            )
        with np.errstate(all="ignore"):  # beyond the range of numbers nothing is said about the symmetry
            length = norm(v)
            unit, image = v / length, Hv / length
            self._size = max(self._size, norm(image))
            if self._before is not None:
                one, other = float(unit @ self._before[1]), float(self._before[0] @ image)
                if abs(one - other) > self.tolerance * self._size:
                    raise ValueError(
                        f"`{self.call}(hv, ...)`: hv must be symmetric, but uᵀHv = {other:.6g} and vᵀHu = "
                        f"{one:.6g} for two of its directions. Does it draw random numbers, or return the "
                        "arrays in another order?"
                    )
        self._before = unit, image
        return Hv
