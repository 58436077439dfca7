"""Models on top of minigrad: layers, losses, data sets and the training loop.

Data sets are in `models.datasets`, activations in `models.activations`, initializers in
`models.initializers`.

Layers and networks
    Module           the base of layers and networks; holds and finds their parameters
    Linear           the dense layer x·W + b
    Embedding        a table with a row for each of n things
    BatchNorm        normalises each feature over the batch
    LayerNorm        normalises each row
    RMSNorm          divides each row by its root mean square
    Dropout          zeroes elements at random while training
    Sequential       calls layers one after the other
    MLP              dense layers with an activation between them
    functional_call  a model as a function of its parameters

Losses and metrics
    mse_loss                          the mean of the squared differences
    l1_loss                           the mean of the absolute differences
    huber_loss                        squares near 0, absolute values beyond
    cross_entropy                     the loss of class numbers under logits
    nll_loss                          the same under logarithms of probabilities
    kl_div                            the divergence of two distributions
    binary_cross_entropy_with_logits  the loss of labels 0 and 1 under logits
    hinge_loss                        the margin loss of labels −1 and 1
    accuracy                          the share of rows that are classified rightly

Training
    fit            the training loop
    find_lr        tries growing learning rates, and puts the model back
    LRCurve        what `find_lr` returns
    evaluate       loss and metrics over data, without recording
    History        what `fit` returns: a row for each epoch
    EarlyStopping  a callback that stops when a column no longer improves
    FileError      a file is damaged or is none of ours
"""

from minigrad import __version__ as __version__
from minigrad.extend import listed as _listed
from minigrad.extend import missing as _missing
from models.files import FileError as FileError
from models.find_lr import LRCurve as LRCurve
from models.find_lr import find_lr as find_lr
from models.functional import functional_call as functional_call
from models.habits import PACKAGE as _HABITS
from models.layers import Dropout as Dropout
from models.layers import Embedding as Embedding
from models.layers import Linear as Linear
from models.layers import Sequential as Sequential
from models.losses import accuracy as accuracy
from models.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from models.losses import cross_entropy as cross_entropy
from models.losses import hinge_loss as hinge_loss
from models.losses import huber_loss as huber_loss
from models.losses import kl_div as kl_div
from models.losses import l1_loss as l1_loss
from models.losses import mse_loss as mse_loss
from models.losses import nll_loss as nll_loss
from models.mlp import MLP as MLP
from models.module import Module as Module
from models.norms import BatchNorm as BatchNorm
from models.norms import LayerNorm as LayerNorm
from models.norms import RMSNorm as RMSNorm
from models.training import EarlyStopping as EarlyStopping
from models.training import History as History
from models.training import evaluate as evaluate
from models.training import fit as fit

__all__ = list(_listed(globals()))

__getattr__ = _missing(__name__, __all__, _HABITS)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
