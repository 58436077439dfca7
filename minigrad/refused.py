"""The functions of NumPy that have no rule on purpose, and why. docs/numpy.md lists them too."""

from __future__ import annotations

__all__ = ["REFUSED", "why_refused"]

# the reason: the names
REFUSED = """
it writes into its argument, and a Tensor never changes; write minigrad.index_set, or assign to an array of \
minigrad.numpy: copyto fill_diagonal place put put_along_axis putmask
it makes an array from a size or a text, and takes no Tensor: arange bartlett blackman diag_indices empty \
eye frombuffer from_dlpack fromfile fromfunction fromiter fromregex fromstring hamming hanning \
identity indices kaiser mask_indices ones tri tril_indices tril_indices_from \
triu_indices triu_indices_from zeros ix_ fft.fftfreq fft.rfftfreq bmat asmatrix
it reads or writes files: genfromtxt load loadtxt save savetxt savez savez_compressed
it makes a text of its argument; write it of .numpy(): array2string array_repr array_str base_repr \
binary_repr format_float_positional format_float_scientific
it is about types, memory and settings, not about numbers: common_type get_include get_printoptions \
getbufsize geterr geterrcall info isdtype isfortran issubdtype may_share_memory min_scalar_type mintypecode \
nested_iters printoptions promote_types require set_printoptions setbufsize seterr seterrcall shares_memory \
show_config show_runtime test typename frompyfunc
it works with dates: busday_count busday_offset datetime_as_string datetime_data is_busday isnat
it works with whole numbers or bits; call it on .numpy(): bitwise_count bitwise_left_shift \
bitwise_right_shift gcd invert lcm left_shift packbits right_shift unpackbits
it works with positions in an array; call it on .numpy(): broadcast_shapes ravel_multi_index unravel_index
it makes a set, whose size depends on the values; call it on .numpy(): intersect1d setdiff1d setxor1d \
union1d unique unique_all unique_counts unique_inverse unique_values
"""


def _names(table: str) -> dict[str, str]:
    """Each name of a table with its reason."""
    lines = [line.rpartition(": ") for line in table.strip().splitlines()]
    return {name: reason for reason, _, names in lines for name in names.split()}


def why_refused(name: str) -> str:
    """Why a function has no rule; "" where nothing is known."""
    return _names(REFUSED).get(name.removeprefix("np."), "")
