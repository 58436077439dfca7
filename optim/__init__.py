"""Optimizers of first and second order, learning-rate schedules, gradient clipping, and curvature for
study. Figures of what they do are in `optim.figures`.

First order
    SGD         walks against the gradient, with momentum if asked for
    Momentum    walks against the average of the gradients
    RMSprop     divides by the root of the running mean square
    Adagrad     divides by the root of the sum of squares
    Adam        momentum divided by the recent size of the gradient
    AdamW       Adam with decay that is not divided
    NAdam       Adam with Nesterov's look-ahead
    Lion        moves each weight by lr against a sign
    FirstOrder  the base of those with an update rule, also of your own
    Optimizer   the base of all optimizers

Second order
    Newton                Newton's method with the whole Hessian
    NewtonCG              Newton's method by Hessian-vector products
    LBFGS                 quasi-Newton steps from the last few gradients
    minimize              finds a minimum of a function of an array
    OptimizeResult        what `minimize` returns
    SingularHessianError  the Newton direction does not exist

Curvature
    sharpness                 the largest eigenvalues of the Hessian
    preconditioned_sharpness  the same as an adaptive optimizer sees them
    eigenpairs                eigenvalues at the ends, their eigenvectors, the gradient's overlap
    hessian_spectrum          all eigenvalues, or their density
    hessian_trace             their sum, estimated
    hessian_diagonal          the diagonal, estimated
    per_sample_gradients      the gradient of each sample, by one sweep
    gradient_noise            how much they differ, and the batch size that this asks for
    cg                        solves Hx = b by conjugate gradients
    lanczos                   the Lanczos process

Sweeps
    sweep                trains at every combination of some settings
    open_sweep           reads a sweep from its folder
    Sweep                the runs of a sweep, and what they say
    performance_profile  compares solvers over many problems

Learning rates
    LRSchedule                   the base of all schedules
    StepLR                       multiplies the rate every few epochs
    MultiStepLR                  multiplies it at given epochs
    LambdaLR                     multiplies it by a function of the epoch
    LinearLR                     warm-up
    CosineAnnealingLR            falls along half a cosine
    CosineAnnealingWarmRestarts  falls along half a cosine, again and again
    OneCycleLR                   rises and falls once
    ReduceLROnPlateau            falls when a metric no longer improves
    SequentialLR                 one schedule after the other

Recording
    record     keeps every step of an optimizer in a folder
    open_run   opens the folder again
    Run        the steps: all that each of them computed
    AlongStep  the loss along a step

The lab
    lab  a page in which optimizers run on a loss, forwards and backwards
    Lab  what it returns: saved as one file, or shown in a notebook

Gradients
    clip_grad_norm_   limits their joint norm
    clip_grad_value_  limits each element
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from minigrad import __version__ as __version__
from minigrad.extend import listed as _listed
from minigrad.extend import missing as _missing
from optim.adagrad import Adagrad as Adagrad
from optim.adam import Adam as Adam
from optim.adamw import AdamW as AdamW
from optim.base.first_order import FirstOrder as FirstOrder
from optim.base.optimizer import Optimizer as Optimizer
from optim.clip import clip_grad_norm_ as clip_grad_norm_
from optim.clip import clip_grad_value_ as clip_grad_value_
from optim.habits import PACKAGE as _HABITS
from optim.lion import Lion as Lion
from optim.momentum import Momentum as Momentum
from optim.nadam import NAdam as NAdam
from optim.rmsprop import RMSprop as RMSprop
from optim.schedules import CosineAnnealingLR as CosineAnnealingLR
from optim.schedules import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from optim.schedules import LambdaLR as LambdaLR
from optim.schedules import LinearLR as LinearLR
from optim.schedules import LRSchedule as LRSchedule
from optim.schedules import MultiStepLR as MultiStepLR
from optim.schedules import OneCycleLR as OneCycleLR
from optim.schedules import ReduceLROnPlateau as ReduceLROnPlateau
from optim.schedules import SequentialLR as SequentialLR
from optim.schedules import StepLR as StepLR
from optim.sgd import SGD as SGD

if _TYPE_CHECKING:
    from optim.curvature.estimates import hessian_diagonal as hessian_diagonal
    from optim.curvature.estimates import hessian_trace as hessian_trace
    from optim.curvature.extremes import eigenpairs as eigenpairs
    from optim.curvature.extremes import preconditioned_sharpness as preconditioned_sharpness
    from optim.curvature.extremes import sharpness as sharpness
    from optim.curvature.noise import gradient_noise as gradient_noise
    from optim.curvature.noise import per_sample_gradients as per_sample_gradients
    from optim.curvature.spectrum import hessian_spectrum as hessian_spectrum
    from optim.laboratory.lab import Lab as Lab
    from optim.laboratory.lab import lab as lab
    from optim.lbfgs import LBFGS as LBFGS
    from optim.minimizing import minimize as minimize
    from optim.newton import Newton as Newton
    from optim.newton_cg import NewtonCG as NewtonCG
    from optim.recording.again import AlongStep as AlongStep
    from optim.recording.opening import open_run as open_run
    from optim.recording.opening import record as record
    from optim.recording.run import Run as Run
    from optim.second_order.cg import cg as cg
    from optim.second_order.eigen_directions import SingularHessianError as SingularHessianError
    from optim.second_order.lanczos import lanczos as lanczos
    from optim.second_order.results import OptimizeResult as OptimizeResult
    from optim.sweeping.profiles import performance_profile as performance_profile
    from optim.sweeping.results import Sweep as Sweep
    from optim.sweeping.results import open_sweep as open_sweep
    from optim.sweeping.running import sweep as sweep

# The files that are loaded when one of their names is first used, because many programs need none of them.
_LATER = {
    "lbfgs": ("LBFGS",),
    "laboratory.lab": ("Lab", "lab"),
    "minimizing": ("minimize",),
    "newton": ("Newton",),
    "newton_cg": ("NewtonCG",),
    "second_order.cg": ("cg",),
    "second_order.eigen_directions": ("SingularHessianError",),
    "second_order.lanczos": ("lanczos",),
    "second_order.results": ("OptimizeResult",),
    "curvature.estimates": ("hessian_diagonal", "hessian_trace"),
    "curvature.extremes": ("eigenpairs", "preconditioned_sharpness", "sharpness"),
    "curvature.noise": ("gradient_noise", "per_sample_gradients"),
    "curvature.spectrum": ("hessian_spectrum",),
    "recording.again": ("AlongStep",),
    "recording.opening": ("open_run", "record"),
    "recording.run": ("Run",),
    "sweeping.profiles": ("performance_profile",),
    "sweeping.results": ("Sweep", "open_sweep"),
    "sweeping.running": ("sweep",),
}

__all__ = list(_listed(globals(), _LATER))

__getattr__ = _missing(__name__, __all__, _HABITS, _LATER | {"figures": ("figures",)})


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
