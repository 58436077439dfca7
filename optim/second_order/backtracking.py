"""Backtracking along a direction until f falls by a tenth of a model's prediction: for capped CG and for
Levenberg–Marquardt."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.method import Settings
from optim.second_order.records import TrialRow
from optim.second_order.results import StepInfo
from optim.second_order.trial import MAX_REJECTIONS, Trial, refusal, tried

__all__ = ["Backtracked", "backtrack"]


class Backtracked(NamedTuple):
    """The evaluation at the end (`here` if every trial was refused), the report, and ρ of the first trial."""

    there: Evaluation
    info: StepInfo
    first_rho: float


def backtrack(
    objective: Objective,
    here: Evaluation,
    p: Vector,
    length: float,
    model: Callable[[float], float],
    settings: Settings,
    hoped: float | None = None,
) -> Backtracked:
    """Halve the step a·p until f has fallen by a tenth of the prediction.

    Args:
        length: ‖p‖; the first a is 1, or less where ‖a·p‖ would exceed max_radius.
        model: a ↦ the decrease of f that the model predicts.
        hoped: the prediction that decides how a failure is called; by default that of the first trial.
    """
    a = min(1.0, settings.max_radius / length)
    hoped = model(a) if hoped is None else hoped
    first_rho, rows = math.nan, list[TrialRow]()
    for refused in range(MAX_REJECTIONS):
        predicted = model(a)
        trial = tried(objective, here, a * p, predicted, settings.noise, settings.strict_monotone)
        rows.append(trial.row(a * length, predicted))
        first_rho = first_rho if refused else trial.rho
        if trial.there is not None:
            taken = a * length
            info = _report(trial, rows, refused, accepted=True, radius=taken, step_norm=taken)
            return Backtracked(trial.there, info, first_rho)
        if not trial.moved:
            break
        a *= 0.5
    status = refusal(hoped, here, settings.noise)
    return Backtracked(here, _report(trial, rows, refused + 1, status=status, radius=0.0), first_rho)


def _report(trial: Trial, rows: list[TrialRow], rejections: int, **more: Any) -> StepInfo:
    _, predicted, actual, rho, _ = rows[-1]
    return StepInfo(
        rho=rho, predicted=predicted, actual=actual, rejections=rejections, noise=trial.noise,
        trial_rows=tuple(rows), **more,
    )  # fmt: skip
