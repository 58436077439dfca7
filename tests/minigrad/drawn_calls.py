"""Calls of each function of NumPy that has a rule, and of `minigrad.special`, drawn by Hypothesis: a kind of
signature says which shapes and options fit together, and a layout says how the arrays lie in memory.

`KINDS` is the table: a strategy of calls, and the functions of that kind. An argument of a call is a view of
a base array, and two arguments may be views of one base. The numbers of an array are distinct, so that no
function that compares them has a kink there, except where the layout repeats them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import special


class Layout(NamedTuple):
    """How an argument lies in memory: `view` of a base, whose shape is `shape` of the argument's."""

    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    view: Callable[[Any, tuple[int, ...]], Any]


DTYPES = [np.float64, np.float64, np.complex128, np.float32]
LAYOUTS = {
    "plain": Layout(lambda s: s, lambda x, s: x),
    "Fortran": Layout(lambda s: s[::-1], lambda x, s: np.transpose(x)),
    "backwards": Layout(lambda s: s, lambda x, s: x[(..., *(np.s_[::-1],) * len(s))]),
    "gaps": Layout(lambda s: tuple(2 * n for n in s), lambda x, s: x[(..., *(np.s_[::2],) * len(s))]),
    "stretched": Layout(lambda s: (*(1 for _ in s[:1]), *s[1:]), lambda x, s: np.broadcast_to(x, s)),
}  # fmt: skip


class Argument(NamedTuple):
    """An array that a call needs: its numbers, and how many last axes may not hold copies of each other."""

    values: Any
    core: int = 0


class Call(NamedTuple):
    """`function` of arguments: for each a base, by number, and the view of it. `oracle` has its values."""

    function: Callable[..., Any]
    bases: list[Any]
    places: list[int]
    views: list[Callable[[Any], Any]]
    repeats: bool
    text: str
    oracle: Callable[..., Any]

    def __repr__(self) -> str:
        return self.text

    def arguments(self, bases: Sequence[Any]) -> list[Any]:
        return [view(bases[i]) for i, view in zip(self.places, self.views, strict=True)]

    def __call__(self, *bases: Any) -> Any:
        return self.function(*self.arguments(bases))


def numbers(shape: tuple[int, ...], low: float, high: float, k: int = 0) -> Any:
    """Numbers at equal distances in [low, high), in an order without a pattern; others for each k."""
    n = int(np.prod(shape, dtype=int))
    order = np.random.default_rng(k).permutation(n)
    return (low + (high - low) * (order + 0.1 + 0.27 * k) / max(n, 1)).reshape(shape)


@st.composite
def calls(draw: Any, name: str, function: Any, dtypes: Sequence[Any] = DTYPES) -> Call:
    """A call of the function with arrays in drawn layouts."""
    kind = next(strategy for strategy, names in KINDS if name in names.split())
    wanted, after, options = draw(kind(name))
    dtype = draw(st.sampled_from(dtypes))
    arguments = [a if isinstance(a, Argument) else Argument(a) for a in wanted]
    bases: list[Any] = []
    places, views, texts, repeats = [], [], [], False
    for i, (values, core) in enumerate(arguments):
        values = np.asarray(values, dtype)
        if dtype is np.complex128:
            values = values + 0.3j * numbers(values.shape, -1.0, 1.0, i + 2)
        if i and values.shape == arguments[0].values.shape and draw(st.booleans()):
            places.append(0)
            views.append(views[0])
            texts.append("the same")
            continue
        names = [n for n in LAYOUTS if n != "stretched" or values.ndim > core]
        base, view, text = _laid(values, draw(st.sampled_from(names)), draw(st.booleans()))
        base.flags.writeable = draw(st.booleans())
        repeats |= "stretched" in text and values.shape[:1] > (1,)
        places.append(len(bases))
        bases.append(base)
        views.append(view)
        texts.append(f"{text} {dtype.__name__}{list(values.shape)}")
    called = CALLED.get(name, function)
    text = f"{name}: {', '.join(texts)}; {after} {options}"
    oracle = SCIPYS.get(name, called) if dtype is not np.complex128 else called
    function, known = (lambda *xs, f=f: f(*xs, *after, **options) for f in (called, oracle))
    return Call(function, bases, places, views, repeats, text, known)


def _laid(values: Any, name: str, recorded: bool) -> tuple[Any, Any, str]:
    """A base and the view of it that has these values; the view is recorded, or is taken before."""
    layout, shape = LAYOUTS[name], values.shape
    base = np.full(layout.shape(shape), 0.4, values.dtype)
    if name == "stretched":
        base[...] = values[:1] if values.size else 0.4
    else:
        layout.view(base, shape)[...] = values
    if recorded:
        return base, lambda x: layout.view(x, shape), f"recorded {name}"
    return layout.view(base, shape), lambda x: x, name


# How a function is called whose arrays are not its first arguments


def _joining(f: Any) -> Callable[..., Any]:
    return lambda *xs, **options: f(xs, **options)


CALLED: dict[str, Callable[..., Any]] = {
    "concatenate": _joining(np.concatenate),
    "concat": _joining(np.concat),
    "stack": _joining(np.stack),
    "hstack": _joining(np.hstack),
    "vstack": _joining(np.vstack),
    "dstack": _joining(np.dstack),
    "column_stack": _joining(np.column_stack),
    "linalg.multi_dot": _joining(np.linalg.multi_dot),
    "block": lambda a, b: np.block([[a, b], [b, a]]),
    "apply_along_axis": lambda x, axis: np.apply_along_axis(np.cumsum, axis, x),
    "apply_over_axes": lambda x, axes: np.apply_over_axes(np.sum, x, axes),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x > 1], [np.square, np.exp, np.negative]),
    "select": lambda a, b: np.select([a < 0, b > 0.5], [a, b], 0.25),
    "where": lambda a, b: np.where(a > b, a, b),
    "choose": lambda a, b: np.choose(np.arange(a.size).reshape(a.shape) % 2, [a, b]),
    "compress": lambda x, condition, axis: np.compress(condition, x, axis),
    "extract": lambda x: np.extract(x > 0, x),
    "bincount": lambda w: np.bincount(np.arange(w.size) % 3, w),
    "full": lambda x: np.full((2, *x.shape), x, like=x),
    "full_like": lambda a, b: np.full_like(a, b),
    "interp": lambda x, f: np.interp(x, np.arange(f.size) - 1.0, f),
    "einsum": lambda a, b: np.einsum("...ij,...jk->...ik", a, b),
    "linalg.lstsq": lambda a, b: np.linalg.lstsq(a, b)[0],
    # projections, because the vectors are free to turn
    "linalg.eigh": lambda a: _projected(np.linalg.eigh(a + a.mT.conj())),
    "linalg.eigvalsh": lambda a: np.linalg.eigvalsh(a + a.mT.conj()),
    "linalg.cholesky": lambda a: np.linalg.cholesky(np.matmul(a, a.mT.conj())),
    "linalg.eig": lambda a: _projected(np.linalg.eig(a)),
    "linalg.svd": lambda a, **options: _projected([np.linalg.svd(a, **options)[i] for i in (1, 0, 2)]),
    "unique_values": lambda x: np.sort(np.unique_values(x)),  # they are in no order
    "special.polygamma": lambda x, n: special.polygamma(n, x),
}


# minigrad.special takes real numbers only, SciPy complex ones too
SCIPYS = {f"special.{name}": getattr(scipy.special, name) for name in special.__all__}
SCIPYS["special.polygamma"] = lambda x, n: scipy.special.polygamma(n, x).astype(x.dtype)


def _projected(result: Any) -> Any:
    values, *vectors = result
    return values, *map(np.abs, vectors)


# Kinds: for the name of a function a strategy of its arrays, of what follows them, and of keywords

MODES = ["edge", "wrap", "reflect", "constant"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
WITH_AXES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
LOW_HIGH = {
    "-0.9 0.9": "acos arccos arcsin asin arctanh atanh special.erfinv",
    "0.1 0.9": "special.logit special.ndtri",
    "0.1 1.9": "special.erfcinv",
    "1.2 3": "acosh arccosh",
    "0.3 2": """
        log log10 log1p log2 sqrt cbrt reciprocal divide true_divide divmod fmod mod remainder hypot pow power
        float_power arctan2 atan2 geomspace special.gamma special.gammaln special.digamma special.polygamma
        special.beta special.betaln special.entr special.xlogy special.xlog1py special.rel_entr
        special.kl_div special.boxcox special.huber special.pseudo_huber""",
    "-1.2 1.2": "tan",
}
_RANGES = {n: tuple(map(float, k.split())) for k, names in LOW_HIGH.items() for n in names.split()}


def array(name: str, shape: tuple[int, ...], k: int = 0) -> Any:
    """Numbers where the function is smooth."""
    low, high = _RANGES.get(name, (-2.0, 2.0))
    return numbers(shape, low, high, k)


def axis_of(draw: Any, ndim: int, none: bool = True) -> Any:
    return draw(st.sampled_from([None] * none + [*range(-ndim, ndim)]))


def axes_of(draw: Any, ndim: int) -> Any:
    if not ndim or draw(st.booleans()):
        return axis_of(draw, ndim) if ndim else None
    return draw(hnp.valid_tuple_axes(ndim))


@st.composite
def one(draw: Any, name: str) -> Any:
    return [array(name, draw(SHAPES))], (), {}


@st.composite
def one_with_axes(draw: Any, name: str) -> Any:
    """At least as many axes as the function wants."""
    least = {"dsplit": 3, "fliplr": 2, "matrix_transpose": 2, "rot90": 2, "diagonal": 2, "trace": 2}
    n = 2 if name.startswith("linalg") else least.get(name, 1)
    shape = draw(hnp.array_shapes(min_dims=n, max_dims=3, min_side=0, max_side=4))
    return [array(name, shape)], (), {}


@st.composite
def vector(draw: Any, name: str) -> Any:
    return [array(name, (draw(st.integers(0, 5)),))], (), {}


@st.composite
def two(draw: Any, name: str) -> Any:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    first, second = shapes.input_shapes
    return [array(name, first), array(name, second, 1)], (), {}


@st.composite
def two_alike(draw: Any, name: str) -> Any:
    """Two arrays of one shape, with the words of the function."""
    shape = draw(WITH_AXES)
    options: dict[str, Any] = {}
    if name in ("concatenate", "concat", "stack", "append"):
        options["axis"] = axis_of(draw, len(shape), none=name != "stack")
    return [array(name, shape), array(name, shape, 1)], (), options


@st.composite
def reduction(draw: Any, name: str) -> Any:
    shape = draw(SHAPES)
    after = (draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),) if "quantile" in name else ()
    after = (draw(st.sampled_from([0, 37.5, 100])),) if "percentile" in name else after
    options = {"axis": axes_of(draw, len(shape))}
    if draw(st.booleans()):
        options["keepdims"] = draw(st.booleans())
    if name in ("var", "std", "nanvar", "nanstd") and draw(st.booleans()):
        options["ddof"] = 1
    return [array(name, shape)], after, options


@st.composite
def norms(draw: Any, name: str) -> Any:
    shape = draw(WITH_AXES)
    options = {"keepdims": draw(st.booleans())}
    if name == "linalg.matrix_norm":
        shape = (*shape, draw(st.integers(1, 3)))
        options["ord"] = draw(st.sampled_from(["fro", "nuc", 1, -1, 2, np.inf]))
    else:
        options["axis"] = axis_of(draw, len(shape), none=name != "linalg.norm")
        options["ord"] = draw(st.sampled_from([1, 2, 3, np.inf, -np.inf]))
    return [Argument(array(name, shape), 2)], (), options


@st.composite
def along(draw: Any, name: str) -> Any:
    """An axis, and what the function wants besides it."""
    shape = draw(WITH_AXES)
    ndim, axis = len(shape), axis_of(draw, len(shape), none=False)
    n, options = shape[axis], {"axis": axis}
    if name in ("cumsum", "cumprod", "nancumsum", "nancumprod", "flip", "repeat", "sort", "roll", "take"):
        options["axis"] = draw(st.sampled_from([axis, None]))
    size = n if options["axis"] is not None else int(np.prod(shape))
    whole = st.integers(-3, 3)
    after: dict[str, Any] = {
        "roll": lambda: (draw(whole),),
        "repeat": lambda: (draw(st.integers(0, 3)),),
        "take": lambda: (draw(st.lists(st.integers(-size, size - 1), max_size=4)) if size else [],),
        "take_along_axis": lambda: (np.argsort(array(name, shape), axis),),
        "partition": lambda: (draw(st.integers(0, n - 1)) if n else 0,),
        "delete": lambda: (draw(st.integers(0, n - 1)) if n else [],),
        "insert": lambda: (draw(st.integers(0, n)), 0.5),
        "split": lambda: (draw(st.sampled_from([1, [1], [0, 2]])),),
        "array_split": lambda: (draw(st.integers(1, 3)),),
        "compress": lambda: ([draw(st.booleans()) for _ in range(n)],),
        "diff": lambda: (draw(st.integers(0, 2)),),
        "rollaxis": lambda: (axis, draw(st.integers(0, ndim))),
        "swapaxes": lambda: (axis, axis_of(draw, ndim, none=False)),
        "moveaxis": lambda: (axis, axis_of(draw, ndim, none=False)),
        "expand_dims": lambda: (draw(st.integers(-ndim - 1, ndim)),),
    }  # fmt: skip
    if name in ("rollaxis", "swapaxes", "moveaxis", "expand_dims"):
        options = {}
    if name == "gradient":
        options["edge_order"] = draw(st.integers(1, 2))
    return [array(name, shape)], after.get(name, tuple)(), options


@st.composite
def several_axes(draw: Any, name: str) -> Any:
    shape = draw(WITH_AXES)
    ndim = len(shape)
    size, order = int(np.prod(shape)), draw(st.sampled_from("CF"))  # others ask how x lies in memory
    after: Any = {
        "transpose": lambda: (draw(st.permutations(range(ndim))),),
        "permute_dims": lambda: (draw(st.permutations(range(ndim))),),
        "reshape": lambda: (draw(st.sampled_from([(size,), (1, size), shape[::-1]])), order),
        "ravel": lambda: (order,),
        "resize": lambda: (draw(st.sampled_from([(3,), (2, 2), (0,), (2, *shape)])),),
        "broadcast_to": lambda: ((draw(st.integers(0, 2)), *shape),),
        "tile": lambda: (draw(st.sampled_from([0, 2, (2, 1), (1, 2, 1, 2)])),),
        "pad": lambda: (draw(st.integers(0, 3)), draw(st.sampled_from(MODES))),
        "squeeze": tuple,
        "apply_over_axes": lambda: (draw(hnp.valid_tuple_axes(ndim, min_size=1)),),
        "astype": lambda: (draw(st.sampled_from([np.float64, np.complex128])),),
        "vander": lambda: (draw(st.integers(0, 4)),),
        "fft.fftshift": lambda: (axes_of(draw, ndim),),
        "fft.ifftshift": lambda: (axes_of(draw, ndim),),
    }  # fmt: skip
    return [array(name, shape[:1] if name == "vander" else shape)], after[name](), {}


@st.composite
def products(draw: Any, name: str) -> Any:
    """Two arrays whose summed axes have one length."""
    n, m, k = (draw(st.integers(0, 3)) for _ in range(3))
    stack = draw(st.sampled_from([(), (1,), (2,), (2, 3), (0,)]))
    other = draw(st.sampled_from([(), stack, tuple(1 for _ in stack)]))
    name = name.removeprefix("linalg.")
    shapes: Any = {
        "matmul": [
            ((*stack, n, m), (*other, m, k)), ((m,), (*stack, m, k)), ((*stack, n, m), (m,)), ((m,), (m,)),
        ],
        "einsum": [((*stack, n, m), (*other, m, k))],
        "dot": [((*stack, n, m), (*other, m, k)), ((*stack, m), (m,)), ((), stack), ((m,), (m,))],
        "inner": [((*stack, m), (*other, m)), ((), stack)],
        "vdot": [((*stack, m), (*stack, m))],
        "vecdot": [((*stack, m), (*other, m))],
        "matvec": [((*stack, n, m), (*other, m))],
        "vecmat": [((*other, n), (*stack, n, m))],
        "tensordot": [((*stack, n, m), (n, m, k)), ((n, m), (n, m))],
        "outer": [((n, m), (k,)), ((n,), (m,))],
        "kron": [((n, m), (k,)), ((n,), (m, k)), ((*stack, n), (*other, m))],
        "cross": [((*stack, 3), (*other, 3))],
    }  # fmt: skip
    first, second = draw(st.sampled_from(shapes[name]))
    if name == "outer" and draw(st.booleans()):
        first = second
    return [array(name, first), array(name, second, 1)], (), {}


@st.composite
def matrices(draw: Any, name: str) -> Any:
    """Stacks of matrices with an inverse and with eigenvalues far from each other, and right sides."""
    n = draw(st.integers(0 if name in ("linalg.inv", "linalg.solve", "linalg.det") else 1, 4))
    stack = draw(st.sampled_from([(), (1,), (2,), (3, 2), (0,)]))
    square = 0.4 * array(name, (*stack, n, n)) + np.diag(1.0 + 2 * np.arange(n))
    arguments, after = [Argument(square, 2)], ()
    if name == "linalg.solve":
        right = (n,) if draw(st.booleans()) else (*stack, n, draw(st.integers(0, 3)))
        arguments.append(Argument(array(name, right, 1), 2))
    if name == "linalg.matrix_power":
        after = (draw(st.integers(-2, 4)),)
    return arguments, after, {}


@st.composite
def tall(draw: Any, name: str) -> Any:
    """Matrices of full rank, singular values far from each other."""
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    stack = draw(st.sampled_from([(), (1,), (2,), (0,)])) if name != "linalg.lstsq" else ()
    a = 0.3 * array(name, (*stack, n, m)) + np.eye(n, m) * (1.0 + np.arange(m))
    arguments = [Argument(a, 2)]
    if name == "linalg.lstsq":
        arguments.append(Argument(array(name, (n, 2) if draw(st.booleans()) else (n,), 1), 2))
    return arguments, (), {"full_matrices": False} if name == "linalg.svd" else {}


@st.composite
def tensor_equations(draw: Any, name: str) -> Any:
    n, m = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    a = (0.3 * array(name, (n * m, n * m)) + np.diag(1.0 + np.arange(n * m))).reshape(n, m, n, m)
    return (
        ([Argument(a, 4)] if name == "linalg.tensorinv" else [Argument(a, 4), array(name, (n, m), 1)]),
        (),
        {},
    )


@st.composite
def chains(draw: Any, name: str) -> Any:
    n, m, k, last = (draw(st.integers(1, 3)) for _ in range(4))
    return [Argument(array(name, s, i), 2) for i, s in enumerate([(n, m), (m, k), (k, last)])], (), {}


@st.composite
def transforms(draw: Any, name: str) -> Any:
    several = name.endswith(("2", "n"))
    shape = draw(
        hnp.array_shapes(min_dims=2 if name.endswith("2") else 1, max_dims=3, min_side=1, max_side=5)
    )
    options: dict[str, Any] = {"norm": draw(st.sampled_from([None, "ortho", "forward"]))}
    if not several:
        options["axis"] = axis_of(draw, len(shape), none=False)
        options["n"] = draw(st.sampled_from([None, 1, 2, 3, 6]))
    elif draw(st.booleans()):
        n = draw(st.integers(1, len(shape)))
        options["axes"] = tuple(draw(st.permutations(range(len(shape))))[:n])
    return [array(name, shape)], (), options


@st.composite
def sequences(draw: Any, name: str) -> Any:
    """Two vectors of any lengths, or a vector and places."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    second = draw(SHAPES) if name == "polyval" else (m,)
    places = numbers(draw(SHAPES), -1.9, 4.9)
    if name == "interp":
        return [places, array(name, (n,), 1)], (), {}
    after = (draw(st.sampled_from(["full", "same", "valid"])),) if name in ("convolve", "correlate") else ()
    return [array(name, (n,)), array(name, second, 1)], after, {}


@st.composite
def coefficients(draw: Any, name: str) -> Any:
    n = draw(st.integers(1, 5))
    after = (draw(st.integers(0, 2)),) if name != "poly" else ()
    return [array(name, (n,))], after, {}


@st.composite
def ranges(draw: Any, name: str) -> Any:
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3)
    ).input_shapes
    options = {"num": draw(st.integers(0, 4)), "endpoint": draw(st.booleans())}
    return [array(name, shapes[0]), array(name, shapes[1], 1)], (), options


@st.composite
def observations(draw: Any, name: str) -> Any:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=2, max_side=4))
    return [Argument(array(name, shape), 2)], (), {"rowvar": draw(st.booleans())}


@st.composite
def scaled(draw: Any, name: str) -> Any:
    """A power of two, bounds, or an order."""
    shape = draw(SHAPES)
    after: Any = {"ldexp": (np.array(-1),), "clip": (-0.7, 0.9)}.get(name, (draw(st.integers(0, 3)),))
    return [array(name, shape)], after, {}


@st.composite
def exponentials(draw: Any, name: str) -> Any:
    """Sums of exponentials of at least one element."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    options = {"axis": axes_of(draw, len(shape))}
    if name == "special.logsumexp":
        options["keepdims"] = draw(st.booleans())
    return [array(name, shape)], (), options


KINDS: list[tuple[Callable[[str], Any], str]] = [
    (one, """
        abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh cbrt
        conj conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs frexp log log10 log1p log2 modf
        negative positive rad2deg radians reciprocal sin sinh sqrt square tan tanh angle atleast_1d
        atleast_2d atleast_3d copy i0 imag real real_if_close nan_to_num sinc piecewise extract full
        diagflat ediff1d unique unique_values unique_all trim_zeros
        special.expit special.logit special.log_expit special.erf special.erfc special.erfcx special.erfinv
        special.erfcinv special.ndtr special.ndtri special.log_ndtr special.gamma special.gammaln
        special.digamma special.i0 special.i1 special.i0e special.i1e special.j0 special.j1 special.entr
        special.exprel"""),
    (scaled, "ldexp clip special.polygamma"),
    (exponentials, "special.logsumexp special.softmax special.log_softmax"),
    (one_with_axes, """
        diag fliplr flipud rot90 tril triu matrix_transpose linalg.matrix_transpose diagonal trace
        linalg.diagonal linalg.trace"""),
    (vector, "bincount"),
    (two, """
        add arctan2 atan2 copysign divide divmod float_power fmax fmin fmod heaviside hypot logaddexp
        logaddexp2 maximum minimum mod multiply nextafter pow power remainder subtract true_divide
        broadcast_arrays meshgrid select where full_like
        special.beta special.betaln special.xlogy special.xlog1py special.rel_entr special.kl_div
        special.boxcox special.huber special.pseudo_huber"""),
    (two_alike, """
        concatenate concat stack hstack vstack dstack column_stack append block choose intersect1d
        setdiff1d union1d"""),
    (reduction, """
        sum prod max min amax amin mean std var ptp nansum nanprod nanmax nanmin nanmean nanstd nanvar
        median nanmedian quantile nanquantile percentile nanpercentile average"""),
    (norms, "linalg.norm linalg.vector_norm linalg.matrix_norm"),
    (along, """
        cumsum cumprod nancumsum nancumprod cumulative_sum cumulative_prod flip repeat sort roll take
        take_along_axis partition delete insert split array_split compress diff rollaxis swapaxes
        moveaxis expand_dims unwrap trapezoid gradient unstack apply_along_axis"""),
    (several_axes, """
        transpose permute_dims reshape ravel resize broadcast_to tile pad squeeze apply_over_axes astype
        vander fft.fftshift fft.ifftshift"""),
    (products, """
        matmul dot inner vdot vecdot matvec vecmat tensordot outer kron cross einsum linalg.matmul
        linalg.outer linalg.vecdot linalg.tensordot linalg.cross"""),
    (matrices, """
        linalg.solve linalg.inv linalg.det linalg.slogdet linalg.matrix_power linalg.eigh
        linalg.eigvalsh linalg.eig linalg.eigvals linalg.cholesky linalg.cond"""),
    (tall, "linalg.pinv linalg.lstsq linalg.svd linalg.svdvals linalg.qr"),
    (tensor_equations, "linalg.tensorsolve linalg.tensorinv"),
    (chains, "linalg.multi_dot"),
    (transforms, """
        fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fft2 fft.ifft2 fft.rfft2 fft.irfft2
        fft.fftn fft.ifftn fft.rfftn fft.irfftn"""),
    (sequences, "convolve correlate interp polyval polyadd polysub polymul"),
    (coefficients, "poly polyder polyint"),
    (ranges, "linspace logspace geomspace"),
    (observations, "cov corrcoef"),
]  # fmt: skip
