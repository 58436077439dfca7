"""NumPy for programs that fill arrays: `import minigrad.numpy as np`.

Every name is NumPy's. But arrays of floats that its functions make record assignment and may hold Tensors
(`minigrad/arrays.py`), so that `out = np.zeros(n); out[i] = f(x[i])` is differentiated. Arrays of integers
and truth values are plain ndarrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import *  # noqa: F403
    from numpy import __all__ as __all__
else:
    from types import ModuleType

    import numpy

    from minigrad.arrays import SEQUENCES, Array, holds_tensors, recorded, values_of
    from minigrad.errors import hide_our_frames
    from minigrad.leaving import present
    from minigrad.mode import current
    from minigrad.tensor import Tensor

    __all__ = numpy.__all__

    # Making arrays, of what NumPy itself would ask `__float__` or `__array__`

    def array(object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0, like=None):
        """np.array; a nested list may hold Tensors."""
        if isinstance(object, Array) and not copy and dtype in (None, object.dtype) and object.ndim >= ndmin:
            return object
        made = values_of(object, dtype)
        if not isinstance(made, Array):  # its elements are plain
            return recorded(numpy.array(made, dtype, ndmin=ndmin, order=order))
        return made.reshape((1,) * (ndmin - made.ndim) + made.shape)

    def asarray(a, dtype=None, order=None, **options):
        """np.asarray: an Array is not copied; other values are, because Arrays share no memory with them."""
        return array(a, dtype, copy=False)

    def copy(a, order="K", subok=False):
        """np.copy."""
        return array(a)

    def fromiter(iter, dtype, count=-1, *, like=None):
        """np.fromiter."""
        items = list(iter)
        return array(items if count < 0 else items[:count], dtype)

    def full(shape, fill_value, dtype=None, order="C", **options):
        """np.full; the value may be a Tensor."""
        fill_value = array(fill_value)
        out = empty(shape, dtype or fill_value.dtype, order)
        out[...] = fill_value
        return out

    def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, **options):
        """np.full_like; the value may be a Tensor."""
        out = empty_like(a, dtype, order, subok, shape)
        out[...] = fill_value
        return out

    def _like(make):
        def made(a, dtype=None, order="K", subok=True, shape=None, **options):
            a = asarray(a)
            return recorded(make(a.shape if shape is None else shape, a.dtype if dtype is None else dtype))

        made.__name__, made.__doc__ = f"{make.__name__}_like", f"np.{make.__name__}_like."
        return made

    zeros_like, ones_like, empty_like = map(_like, (numpy.zeros, numpy.ones, numpy.empty))
    asanyarray = ascontiguousarray = asfortranarray = asarray

    class _Kinds(type):
        def __instancecheck__(cls, x):
            return isinstance(x, numpy.ndarray | Array | Tensor)

    class ndarray(numpy.ndarray, metaclass=_Kinds):
        """np.ndarray, of which Arrays and Tensors count as instances."""

    class _Joining:
        """np.r_ and np.c_."""

        def __init__(self, plain, axis):
            self.plain, self.axis = plain, axis

        def __getitem__(self, key):
            key = tuple(map(present, key)) if isinstance(key, tuple) else (present(key),)
            if not holds_tensors(key):
                return recorded(self.plain[key])
            parts = [self.plain[x].ravel() if isinstance(x, slice) else array(x, ndmin=1) for x in key]
            if self.axis:
                parts = [x[:, None] if x.ndim == 1 else x for x in parts]
            return concatenate(parts, self.axis)

    r_, c_ = _Joining(numpy.r_, 0), _Joining(numpy.c_, -1)

    # Loops that NumPy writes for its users

    def ndenumerate(arr):
        """np.ndenumerate."""
        arr = asarray(arr)
        return ((place, arr[place]) for place in numpy.ndindex(arr.shape))

    def vectorize(pyfunc, **options):
        """np.vectorize: a call for each element, of whatever the broadcast arguments hold."""

        def called(*args):
            args = [asarray(a) for a in args]
            shape = numpy.broadcast_shapes(*[a.shape for a in args])
            args = [numpy.broadcast_to(a, shape) for a in args]
            return array([pyfunc(*[a[i] for a in args]) for i in numpy.ndindex(shape)]).reshape(shape)

        return called

    def apply_along_axis(func1d, axis, arr, *args, **kwargs):
        """np.apply_along_axis."""
        arr = numpy.moveaxis(asarray(arr), axis, -1)
        lead = arr.shape[:-1]
        made = array([func1d(arr[i], *args, **kwargs) for i in numpy.ndindex(lead)])
        made = made.reshape(lead + made.shape[1:])
        return numpy.moveaxis(made, -1, axis) if made.ndim > len(lead) else made

    # All other names

    class Function:
        """A function of NumPy; what it returns records assignment."""

        def __init__(self, f):
            self.__wrapped__ = f
            self.__name__, self.__doc__, self.__module__ = f.__name__, f.__doc__, "numpy"

        def __call__(self, *args, **kwargs):
            try:
                if self.__wrapped__ not in SEQUENCES:
                    args = [array(a) if holds_tensors(a) else a for a in args]
                made = self.__wrapped__(*args, **kwargs)
            except Exception as error:
                hide_our_frames(error)
                raise
            same = made.__class__ is numpy.ndarray and any(made is a for a in args)
            made = recorded(made.copy() if same else made)
            if current.mode.capturing is not None and made.__class__ is numpy.ndarray:
                current.mode.capturing.own[id(made)] = made
            return made

        def __getattr__(self, name):
            return _own(getattr(self.__wrapped__, name))

        def __repr__(self):
            return repr(self.__wrapped__)

    class Names:
        """A module inside NumPy, such as np.linalg."""

        def __init__(self, module):
            self.__wrapped__ = module

        def __getattr__(self, name):
            found = _own(getattr(self.__wrapped__, name))
            setattr(self, name, found)
            return found

        def __dir__(self):
            return dir(self.__wrapped__)

    def _own(x):
        if isinstance(x, ModuleType):
            return Names(x) if x in (numpy.linalg, numpy.fft, numpy.random) else x
        return Function(x) if callable(x) and not isinstance(x, type) else x

    def __getattr__(name):
        found = globals()[name] = _own(getattr(numpy, name))
        return found

    def __dir__():
        return dir(numpy)

    empty, concatenate = Function(numpy.empty), Function(numpy.concatenate)
