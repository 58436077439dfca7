"""The summary, measured: what each optimizer costs and adapts to, where it wins, where it fails.

What is kept between steps follows from the rule: nothing for plain descent, m for momentum, v for
RMSprop, both for Adam, ten pairs for L-BFGS. In a step Newton holds matrices of n rows, Newton-CG the
vectors of its path. A step costs one gradient at first order. Newton runs the closure twice and takes a
product for each of n columns: 2 + 2n gradients.

On a parabola of two variables one such step is all: 2 + 4 = 6 gradients, in whatever valley and however
it lies. A rule that divides each slope by its own size equals out slopes of any size, but not a turned
valley. What needs a line search or the curvature fails under noise: it believes its one batch.

The numbers under the problems are gradients until solved, of at most 500, at the best of four rates. The
best within a factor of two wins.
"""

from typing import Any

from examples.lecture.measurements import NAMES, PROBLEMS, facts, needed, summary
from examples.shared import Row

KEPT = {"SGD": 0, "Momentum": 1, "RMSprop": 1, "Adagrad": 1, "Adam": 2, "AdamW": 2, "NAdam": 2, "Lion": 1,
        "LBFGS": 20, "NewtonCG": 0, "Newton": 0}  # fmt: skip
EVENED = ("RMSprop", "Adagrad", "Adam", "AdamW", "NAdam", "Lion", "Newton")


def numbers() -> list[Row]:
    narrow, turned = (
        {k: needed(k)[f"{way} valley"] for k in ("NewtonCG", "Newton")} for way in ("narrow", "turned")
    )
    return [
        *(Row(f"{k}: vectors kept", facts(k).kept, KEPT[k]) for k in NAMES),
        *(Row(f"{k}: gradients a step", facts(k).cost, 1) for k in ("SGD", "Adam", "Lion")),
        Row("Newton: gradients a step, n = 300", facts("Newton").cost, 602),
        Row("SGD: log₁₀ of its largest ÷ smallest step", facts("SGD").digits, 6, 1e-3),
        *(Row(f"{k}: log₁₀ of the same", facts(k).digits, 0, 1e-3) for k in EVENED),
        Row("Newton: gradients, narrow valley", narrow["Newton"], 6),
        Row("Newton: gradients, turned valley", turned["Newton"], 6),
        Row("NewtonCG: turned − narrow valley", turned["NewtonCG"] - narrow["NewtonCG"], 0),
    ]


def report() -> list[dict[str, str]]:
    """The table, for the page."""
    return summary()


def draw(plt: Any) -> Any:
    fig, axes = plt.subplots(1, len(PROBLEMS), figsize=(10, 3.6), sharey=True)
    for ax, title in zip(axes, PROBLEMS, strict=True):
        for i, name in enumerate(NAMES):
            spent = min(needed(name)[title], 1000)
            text, colour, marker = ("fails", "C1", "x") if spent == 1000 else (f"{spent:.0f}", "C0", "o")
            ax.plot(spent, i, marker, color=colour)
            ax.annotate(text, (spent, i), (6, -3), textcoords="offset points", fontsize=8)
        ax.set(title=title, xscale="log", xlim=(0.5, 9000), yticks=range(len(NAMES)), yticklabels=NAMES)
    axes[0].invert_yaxis()
    fig.supxlabel("gradients until solved, at the best of four rates", fontsize=9)
    return fig
