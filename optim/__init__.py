"""Optimizers of first and second order, learning-rate schedules, gradient clipping, and curvature for
study."""

from optim.adagrad import Adagrad as Adagrad
from optim.adam import Adam as Adam
from optim.adamw import AdamW as AdamW
from optim.base.first_order import FirstOrder as FirstOrder
from optim.base.optimizer import Optimizer as Optimizer
from optim.clip import clip_grad_norm_ as clip_grad_norm_
from optim.clip import clip_grad_value_ as clip_grad_value_
from optim.lbfgs import LBFGS as LBFGS
from optim.lion import Lion as Lion
from optim.minimize import minimize as minimize
from optim.momentum import Momentum as Momentum
from optim.nadam import NAdam as NAdam
from optim.newton import Newton as Newton
from optim.newton_cg import NewtonCG as NewtonCG
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
from optim.second_order.cg import cg as cg
from optim.second_order.eigen_directions import SingularHessianError as SingularHessianError
from optim.second_order.lanczos import lanczos as lanczos
from optim.second_order.results import OptimizeResult as OptimizeResult
from optim.sgd import SGD as SGD
from optim.spectrum import hessian_diagonal as hessian_diagonal
from optim.spectrum import hessian_spectrum as hessian_spectrum
from optim.spectrum import hessian_trace as hessian_trace
from optim.spectrum import preconditioned_sharpness as preconditioned_sharpness
from optim.spectrum import sharpness as sharpness
