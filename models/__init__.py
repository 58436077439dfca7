"""Models on top of minigrad: layers, losses, data sets and the training loop."""

from models.files import FileError as FileError
from models.layers import Dropout as Dropout
from models.layers import Linear as Linear
from models.layers import Sequential as Sequential
from models.losses import accuracy as accuracy
from models.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from models.losses import cross_entropy as cross_entropy
from models.losses import hinge_loss as hinge_loss
from models.losses import mse_loss as mse_loss
from models.mlp import MLP as MLP
from models.module import Module as Module
from models.training import EarlyStopping as EarlyStopping
from models.training import History as History
from models.training import evaluate as evaluate
from models.training import fit as fit
