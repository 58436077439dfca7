"""Losses: each is the mean over the batch, a scalar, and finite for logits of any size. Also `accuracy`."""

from models.losses.classification import accuracy as accuracy
from models.losses.classification import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from models.losses.classification import cross_entropy as cross_entropy
from models.losses.classification import kl_div as kl_div
from models.losses.classification import nll_loss as nll_loss
from models.losses.regression import hinge_loss as hinge_loss
from models.losses.regression import huber_loss as huber_loss
from models.losses.regression import l1_loss as l1_loss
from models.losses.regression import mse_loss as mse_loss
