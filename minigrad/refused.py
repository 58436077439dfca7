"""The functions of NumPy that have no rule on purpose, and why. docs/numpy.md lists them too."""

from __future__ import annotations

__all__ = ["REFUSED", "why_refused"]

_WRITES = (
    "it writes into its first argument, and a Tensor never changes; take an array of "
    "`import minigrad.numpy as np`, or write"
)
# the reason: the names
REFUSED = """
{writes} np.where(np.eye(*x.shape, dtype=bool), value, x): fill_diagonal
{writes} minigrad.index_set(x, index, values): put_along_axis
{writes} minigrad.index_set(x.ravel(), index, values).reshape(x.shape): put
{writes} minigrad.index_set(x, mask, values): place
{writes} np.where(mask, values, x): putmask
{writes} np.where(where, src, dst), or np.broadcast_to(src, shape) to fill an array: copyto
roots move infinitely fast where two meet; take np.roots(p.numpy()) and one Newton step r - \
np.polyval(p, r) / np.polyval(np.polyder(p), r), which has the derivative: roots
write np.linalg.lstsq(np.vander(x, degree + 1), y)[0]: polyfit
a quotient's length depends on values; for products write np.convolve: polydiv
it makes an array from a size or a text, and takes no Tensor: arange bartlett blackman diag_indices \
empty eye frombuffer from_dlpack fromfile fromfunction fromiter fromregex fromstring hamming hanning \
identity indices kaiser mask_indices ones tri tril_indices triu_indices zeros fft.fftfreq fft.rfftfreq \
bmat asmatrix
it reads or writes files: genfromtxt load loadtxt save savetxt savez savez_compressed
it makes a text of its argument; write it of .numpy(): array2string array_repr array_str base_repr \
binary_repr format_float_positional format_float_scientific
it is about types, memory and settings, not about numbers: get_include get_printoptions getbufsize \
geterr geterrcall info isdtype isfortran issubdtype min_scalar_type mintypecode nested_iters \
printoptions promote_types require set_printoptions setbufsize seterr seterrcall show_config \
show_runtime test typename frompyfunc isscalar iterable
it works with dates: busday_count busday_offset datetime_as_string datetime_data is_busday
it works with whole numbers or bits; call it on .numpy(): packbits unpackbits
it works with positions in an array; call it on .numpy(): broadcast_shapes
it makes a set, whose size depends on the values; call it on .numpy(): setxor1d
an array of NumPy's own cannot hold Tensors; take `import minigrad.numpy as np`: array asanyarray \
asarray asarray_chkfinite ascontiguousarray asfortranarray
write np.vstack: row_stack
write np.sort(x.astype(complex)): sort_complex
""".replace("{writes}", _WRITES)


def _names(table: str) -> dict[str, str]:
    """Each name of a table with its reason."""
    lines = [line.rpartition(": ") for line in table.strip().splitlines()]
    return {name: reason for reason, _, names in lines for name in names.split()}


def why_refused(name: str) -> str:
    """Why a function has no rule; "" where nothing is known."""
    return _names(REFUSED).get(name.removeprefix("np."), "")
