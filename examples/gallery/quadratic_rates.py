"""Rates on quadratics: what momentum buys, √κ in place of κ.

On f = ½Σλᵢwᵢ² with 1 ≤ λ ≤ κ gradient descent multiplies each wᵢ by 1 − αλᵢ. The best α treats the two ends
alike:

    descent      w ← w − αg
                 α = 2/(κ + 1),   ρ = (κ − 1)/(κ + 1)
    heavy ball   w ← w − αg + β(w − w₋₁)
                 α = 4/(√κ + 1)²,   ρ = (√κ − 1)/(√κ + 1)

where the error shrinks by ρ in each step, and β = ρ². For κ = 100 a digit takes 115 steps by descent and 12
by the heavy ball. Its pair (w, w₋₁) is multiplied by a matrix whose eigenvalues are the roots of z² − (1 + β
− αλ)z + β. For the best α and β both are double roots at λ = 1 and κ, so the error is ρᵗ times a line in t:
the rate is measured from the later half of a long walk. A root leaves the unit circle through −1, where 2 +
2β = αλ: a heavy ball stands larger steps, up to twice.

Sources: B. Polyak 1964, Some methods of speeding up the convergence of iteration methods; G. Goh 2017, Why
momentum really works.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, walk

KAPPAS, BETAS = (10, 100), (0.0, 0.5, 0.9)


def errors(kappa: float, heavy: bool, steps: int) -> Any:
    """‖w‖ at each step, at the best α and β."""
    root = np.sqrt(kappa)
    beta = ((root - 1) / (root + 1)) ** 2 if heavy else 0.0
    lr = 4 / (root + 1) ** 2 if heavy else 2 / (kappa + 1)
    f = lambda w: 0.5 * np.sum(np.array([1.0, kappa]) * w**2)  # noqa: E731
    w = walk(optim.SGD, f, [1.0, 1.0], steps, lr=lr, momentum=beta)
    return np.hypot(w[:, 0], w[:, 1])  # whose squares would underflow


def rate(e: Any) -> float:
    half = len(e) // 2
    return float((e[-1] / e[half]) ** (1 / (len(e) - 1 - half)))


def stable(beta: float, steps: int = 1000) -> float:
    """The largest αλ at which the heavy ball comes closer to 0; all are tried at once, a coordinate each."""
    products = np.linspace(1.9, 4.1, 2201)
    f = lambda w: 0.5 * np.sum(products * w**2)  # noqa: E731
    with np.errstate(over="ignore", invalid="ignore"):
        end = walk(optim.SGD, f, np.ones(2201), steps, lr=1.0, momentum=beta)[-1]
    return float(products[np.abs(end) < 1].max())


def numbers() -> list[Row]:
    rows = []
    for k in KAPPAS:
        descent, heavy = (k - 1) / (k + 1), (np.sqrt(k) - 1) / (np.sqrt(k) + 1)
        found = rate(errors(k, False, 2000)), rate(errors(k, True, 900))
        rows.append(Row(f"κ = {k}: error after ÷ before, descent", found[0], descent, 1e-9, "Polyak 1964"))
        rows.append(Row(f"κ = {k}, heavy ball", found[1], heavy, 0.003 * heavy, "Polyak 1964"))
    return [*rows, *(Row(f"largest αλ, β = {b}", stable(b), 2 + 2 * b, 0.002, "Goh 2017") for b in BETAS)]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.6))
    for kappa, style in zip(KAPPAS, ("--", "-"), strict=True):
        lines = {f"descent, κ = {kappa}": errors(kappa, False, 300)}
        lines[f"heavy ball, κ = {kappa}"] = errors(kappa, True, 300)
        ax.set_prop_cycle(None)
        curves(ax, lines, style, xlabel="step", ylabel="‖w‖", yscale="log", ylim=(1e-12, 30))
    ax.set_title("the error, at the best rates")
    return fig
