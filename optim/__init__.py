"""First-order optimizers, learning-rate schedules and gradient clipping for minigrad parameters."""

from optim.adagrad import Adagrad as Adagrad
from optim.adam import Adam as Adam
from optim.adamw import AdamW as AdamW
from optim.clip import clip_grad_norm_ as clip_grad_norm_
from optim.clip import clip_grad_value_ as clip_grad_value_
from optim.lion import Lion as Lion
from optim.momentum import Momentum as Momentum
from optim.nadam import NAdam as NAdam
from optim.optimizer import Optimizer as Optimizer
from optim.rmsprop import RMSprop as RMSprop
from optim.schedules import CosineAnnealingLR as CosineAnnealingLR
from optim.schedules import LambdaLR as LambdaLR
from optim.schedules import LinearLR as LinearLR
from optim.schedules import LRSchedule as LRSchedule
from optim.schedules import OneCycleLR as OneCycleLR
from optim.schedules import ReduceLROnPlateau as ReduceLROnPlateau
from optim.schedules import StepLR as StepLR
from optim.sgd import SGD as SGD
