"""What becomes of each function of NumPy on a Tensor: a rule, a constant, or a refusal with its reason.

`python -m minigrad.coverage` writes docs/numpy.md from the rules and the tables here; a test fails while a
public function of NumPy is in none of them. The tables are read by people and by the error of `dispatch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad.arraylike import rule_of
from minigrad.refused import why_refused

__all__ = ["CONSTANT", "SPACES", "Status", "functions", "page", "status"]

SPACES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}

# Their results are whole numbers, truth values or texts, or do not change when the numbers move a little.
CONSTANT = """
all allclose any argmax argmin argpartition argsort argwhere around array_equal array_equiv bitwise_and
bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
can_cast ceil common_type count_nonzero diag_indices_from digitize einsum_path empty_like equal fix
flatnonzero floor floor_divide gcd greater greater_equal histogram histogram2d histogram_bin_edges
histogramdd invert isclose iscomplex iscomplexobj isfinite isin isinf isnan isnat isneginf isposinf
isreal isrealobj ix_ lcm left_shift less less_equal lexsort linalg.matrix_rank logical_and logical_not
logical_or logical_xor may_share_memory nanargmax nanargmin ndim nonzero not_equal ones_like
ravel_multi_index result_type right_shift rint round searchsorted shape shares_memory sign signbit size
spacing tril_indices_from triu_indices_from trunc unique_counts unique_inverse unravel_index zeros_like
"""


class Status(NamedTuple):
    """The standing of one function: "rule", "constant" or "refused" (with the reason), or "" if unknown."""

    name: str
    standing: str
    reason: str = ""


def functions() -> Iterator[tuple[str, Any]]:
    """(name without "np.", function) for the public functions of NumPy, those of `linalg` and `fft` too."""
    for space, module in SPACES.items():
        for name in sorted(module.__all__):
            f = getattr(module, name, None)
            if callable(f) and not isinstance(f, type) and not name.startswith("_"):
                yield f"{space}.{name}".removeprefix("np."), f


def status(name: str, function: Any) -> Status:
    if rule_of(function) is not None:
        return Status(name, "constant" if name in CONSTANT.split() else "rule")
    why = why_refused(name)
    return Status(name, "refused" if why else "", why)


_HEAD = """# Which functions of NumPy have derivatives

NumPy {version} has {total} public functions. On Tensors {rule} have a rule, {constant} give constants, and
{refused} are refused. A rule takes NumPy's arguments, works in both modes at every order, under `compile`,
and in pictures under the function's name. A refusal is an error that names the reason.

`minigrad.special` has the special functions ([Derivatives](derivatives.md#which-functions)), `minigrad.numpy`
makes arrays that hold Tensors and record assignment, and operators and the methods of arrays stand for the
function of the same meaning. `python -m minigrad.coverage` writes this page.
"""


def page() -> str:
    """The text of docs/numpy.md."""
    known = [status(name, f) for name, f in functions()]
    count = {s: sum(k.standing == s for k in known) for s in ("rule", "constant", "refused")}
    parts = [_HEAD.format(version=".".join(np.__version__.split(".")[:2]), total=len(known), **count)]
    for standing, title in (("rule", "With a rule"), ("constant", "Constants")):
        parts.append(f"## {title}\n")
        for space in SPACES:
            names = [f"np.{k.name}" for k in known if k.standing == standing and _space(k.name) == space]
            if names:
                parts.append(f"`{space}`: " + " ".join(f"`{n.rpartition('.')[2]}`" for n in names) + "\n")
    parts.append("## Refused\n\n| why | functions |\n| --- | --- |")
    for why in dict.fromkeys(k.reason for k in known if k.standing == "refused"):
        refused = " ".join(f"`{k.name}`" for k in known if k.reason == why)
        parts.append(f"| {why} | {refused} |")
    return "\n".join(parts) + "\n"


def _space(name: str) -> str:
    return f"np.{name}".rpartition(".")[0]


def main() -> None:
    path = Path(__file__).parent.parent / "docs" / "numpy.md"
    path.write_text(page(), encoding="utf-8")
    unknown = [name for name, f in functions() if not status(name, f).standing]
    print(f"{path} is written." + f" Unknown: {' '.join(unknown)}" * bool(unknown))


if __name__ == "__main__":
    main()
