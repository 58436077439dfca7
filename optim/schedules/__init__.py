"""Schedules: how the learning rate of an optimizer changes from step to step, or from epoch to epoch.

A schedule sets `group["lr"]` when it is made and at each `schedule.step()`, to be called after
`optimizer.step()`. Those that follow a formula start from `group["initial_lr"]`, the rate the group had when
the first schedule was put on it. As in torch, `StepLR`, `MultiStepLR`, `CosineAnnealingLR` and `LinearLR`
multiply the present rate, so they can be combined (warm-up, then cosine) and an edit by hand stays. To
resume, make the schedule anew and call `load_state_dict`; it sets the rates too.

Names: `epoch` counts calls of `step()`, whatever they stand for.
"""

from optim.schedules.base import LRSchedule as LRSchedule
from optim.schedules.formulas import CosineAnnealingLR as CosineAnnealingLR
from optim.schedules.formulas import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from optim.schedules.formulas import LambdaLR as LambdaLR
from optim.schedules.formulas import LinearLR as LinearLR
from optim.schedules.formulas import MultiStepLR as MultiStepLR
from optim.schedules.formulas import StepLR as StepLR
from optim.schedules.one_cycle import OneCycleLR as OneCycleLR
from optim.schedules.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from optim.schedules.sequential import SequentialLR as SequentialLR
