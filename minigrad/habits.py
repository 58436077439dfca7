"""The names that users of other libraries write out of habit, and what to write here: plain text.

A line holds some names, a colon, and their remedy. It completes the sentence "x has no `name`: …", and ends
with the code to write or says what to leave out. `hints.py` puts those of `TENSOR` on the class; `instead`
finds the one for a package or a call.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["DRAWING", "KEYWORDS", "PACKAGE", "TENSOR", "instead", "table"]


def table(text: str) -> dict[str, str]:
    """The remedy for each name.

    >>> table("cpu cuda: leave it out")
    {'cpu': 'leave it out', 'cuda': 'leave it out'}
    """
    rows = [line.partition(": ") for line in text.strip().splitlines()]
    return {name: remedy for names, _, remedy in rows for name in names.split()}


def instead(name: str, known: Iterable[str], habits: str = "") -> str:
    """What to write instead of `name`: its remedy, or the known name that it may be a slip of; else "".

    >>> instead("weigth_decay", ["lr", "weight_decay"])
    'did you mean weight_decay?'
    """
    if remedy := table(habits).get(name):
        return remedy
    known = list(known)
    if "_" in name and name.rstrip("_") in known:
        return f"did you mean {name.rstrip('_')}?"
    import difflib  # takes as long to import as a few of our files, and is needed for an error only

    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    return f"did you mean {lower[close[0]]}?" if close else ""


TENSOR = r"""
view: as in NumPy, write x.reshape(2, -1)
view_as reshape_as: as in NumPy, write x.reshape(other.shape)
unsqueeze: as in NumPy, write x[:, None]
permute: as in NumPy, write x.transpose(1, 0)
t: as in NumPy, write x.T
H: as in NumPy, write np.conj(x).T
expand: as in NumPy, write np.broadcast_to(x, (3, *x.shape))
expand_as: as in NumPy, write np.broadcast_to(x, other.shape)
numel nelement: as in NumPy, write x.size
dim ndimension: as in NumPy, write x.ndim
get_shape: as in NumPy, write x.shape
contiguous: there are no strides to care for, so leave it out
index_select: as in NumPy, write x[:, [0, 1]]
select: as in NumPy, write x[:, 0]
narrow: as in NumPy, write x[:, 0:2]
chunk: as in NumPy, write x[:, :1], x[:, 1:]
unbind: as in NumPy, write list(x)
gather: as in NumPy, write np.take_along_axis(x, np.array([[0], [1]]), 1)
masked_fill: as in NumPy, write np.where(x > 0, 0.0, x)
masked_select: as in NumPy, write x[x.data > 0]
scatter_add: as indexed assignment, write minigrad.index_add(x, 0, 1.0)
at: as indexed assignment, write minigrad.index_set(x, 0, 1.0)
sin: functions are NumPy's, write np.sin(x)
cos: functions are NumPy's, write np.cos(x)
tan: functions are NumPy's, write np.tan(x)
sinh: functions are NumPy's, write np.sinh(x)
cosh: functions are NumPy's, write np.cosh(x)
tanh: functions are NumPy's, write np.tanh(x)
exp: functions are NumPy's, write np.exp(x)
expm1: functions are NumPy's, write np.expm1(x)
log: functions are NumPy's, write np.log(x)
log1p: functions are NumPy's, write np.log1p(x)
log2: functions are NumPy's, write np.log2(x)
log10: functions are NumPy's, write np.log10(x)
sqrt: functions are NumPy's, write np.sqrt(x)
square: functions are NumPy's, write np.square(x)
sign: functions are NumPy's, write np.sign(x)
floor: functions are NumPy's, write np.floor(x)
ceil: functions are NumPy's, write np.ceil(x)
isnan: functions are NumPy's, write np.isnan(x)
isfinite: functions are NumPy's, write np.isfinite(x)
sort partition: nothing is sorted in place, write np.sort(x)
ptp: as in NumPy, write x.max() - x.min()
resize: nothing is changed in place, write np.resize(x, (3, 2))
put itemset: as indexed assignment, write minigrad.index_set(x, 0, 1.0)
flat: as in NumPy, write x.ravel()
tobytes tofile dump dumps byteswap: write x.numpy().tobytes()
topk: functions are NumPy\'s, write np.sort(x)[..., -2:]
reciprocal: functions are NumPy's, write np.reciprocal(x)
relu: functions are NumPy's, write minigrad.relu(x)
sigmoid: functions are NumPy's, write minigrad.sigmoid(x)
softplus: functions are NumPy's, write minigrad.softplus(x)
softmax: functions are NumPy's, write minigrad.softmax(x)
log_softmax: functions are NumPy's, write minigrad.log_softmax(x)
logsumexp: functions are NumPy's, write minigrad.logsumexp(x)
abs: functions are NumPy's, write np.abs(x)
arctan atan: functions are NumPy's, write np.arctan(x)
asin: functions are NumPy's, write np.arcsin(x)
acos: functions are NumPy's, write np.arccos(x)
neg: write -x
pow: write x**2
norm: functions are NumPy's, write np.linalg.norm(x)
maximum clamp_min: functions are NumPy's, write np.maximum(x, 0)
minimum: functions are NumPy's, write np.minimum(x, 0)
clamp: as in NumPy, write x.clip(0, 1)
rsqrt: functions are NumPy's, write 1 / np.sqrt(x)
amax: as in NumPy, write x.max(axis=0)
amin: as in NumPy, write x.min(axis=0)
where: functions are NumPy's, write np.where(x > 0, x, 0)
outer: functions are NumPy's, write np.outer(x, x)
allclose: functions are NumPy's, write np.allclose(x, x)
matmul mm bmm mv: write x @ x.T
add: write x + 1
sub: write x - 1
mul multiply: write x * 2
div divide: write x / 2
eq: write x == 0
ne: write x != 0
gt: write x > 0
lt: write x < 0
ge: write x >= 0
le: write x <= 0
cpu cuda device is_cuda pin_memory: everything is computed on the CPU, so leave it out
to: everything is computed on the CPU, and dtypes are NumPy's: write x.astype(np.float32)
type float: dtypes are NumPy's, write x.astype(np.float32)
type_as: dtypes are NumPy's, write x.astype(other.dtype)
double: dtypes are NumPy's, write x.astype(np.float64)
half: dtypes are NumPy's, write x.astype(np.float16)
long: dtypes are NumPy's, write x.detach().astype(np.int64)
int: dtypes are NumPy's, write x.detach().astype(np.int32)
bool: as in NumPy, write x != 0
values eval array: write x.numpy()
clone: a recorded value never changes, so use x itself; for a leaf of its own write Tensor(x.numpy())
block_until_ready: values are computed at once, so leave it out
requires_grad_: it is an attribute, True or False: write x.requires_grad = True
stop_gradient detach_: write x.detach()
retain_grad: `.grad` is kept by leaves only; for the slope at x write minigrad.grad(f)(x)
register_hook: the slope at x is found by minigrad.grad; write minigrad.grad(f)(x)
is_leaf: write x.op is None
grad_fn gradient_function: write x.op
new_zeros: write Tensor(np.zeros((2, 3)))
new_tensor: write Tensor([1.0, 2.0])
zero_: only leaves are changed in place, outside the graph; write x.assign(x.data * 0)
copy_: only leaves are changed in place, outside the graph; write x.assign(other)
mul_: only leaves are changed in place, outside the graph; write x.assign(x.data * 2)
normal_: only leaves are changed in place, outside the graph; write x.assign(rng.normal(0, 1, x.shape))
uniform_: only leaves are changed in place, outside the graph; write x.assign(rng.uniform(-1, 1, x.shape))
add_ assign_add: only leaves are changed in place, outside the graph; write x.assign(x.data + 1)
sub_ assign_sub: only leaves are changed in place, outside the graph; write x.assign(x.data - 1)
div_: only leaves are changed in place, outside the graph; write x.assign(x.data / 2)
clamp_: only leaves are changed in place, outside the graph; write x.assign(x.data.clip(0, 1))
fill fill_: only leaves are changed in place, outside the graph; write x.assign(np.full(x.shape, 1.0))
"""

PACKAGE = r"""
Linear: layers and losses are in a package of their own, write from models import Linear
nn: layers and losses are in a package of their own, minigrad.relu is here: write from models import Linear
F functional: losses are in models, and activations are here, write minigrad.relu(x)
utils: clipping is in optim, write optim.clip_grad_norm_(params, 1.0)
func: transforms are in this package, write minigrad.grad(f)
cross_entropy: layers and losses are in a package of their own, write from models import cross_entropy
Module: layers and losses are in a package of their own, write from models import Module
Dropout: layers and losses are in a package of their own, write from models import Dropout
Sequential: layers and losses are in a package of their own, write from models import Sequential
MLP: layers and losses are in a package of their own, write from models import MLP
fit: layers and losses are in a package of their own, write from models import fit
mse_loss: layers and losses are in a package of their own, write from models import mse_loss
accuracy: layers and losses are in a package of their own, write from models import accuracy
optim optimizers optimizer: optimizers are in a package of their own, write import optim
SGD: optimizers are in a package of their own, write from optim import SGD
Adam: optimizers are in a package of their own, write from optim import Adam
AdamW: optimizers are in a package of their own, write from optim import AdamW
minimize: optimizers are in a package of their own, write from optim import minimize
LBFGS: optimizers are in a package of their own, write from optim import LBFGS
models: it is a package of its own, write import models
data: `fit` takes arrays, write from models.datasets import moons
datasets: they are in a package of their own, write from models.datasets import moons
array as_tensor: write minigrad.Tensor([1.0, 2.0])
from_numpy: write minigrad.Tensor(np.ones(3))
Variable variable: write minigrad.Tensor(1.0, requires_grad=True)
Parameter: write minigrad.Tensor(np.zeros(3), requires_grad=True)
zeros: arrays are made by NumPy, write minigrad.Tensor(np.zeros((2, 3)))
ones: arrays are made by NumPy, write minigrad.Tensor(np.ones((2, 3)))
arange: arrays are made by NumPy, write minigrad.Tensor(np.arange(3.0))
eye: arrays are made by NumPy, write minigrad.Tensor(np.eye(3))
linspace: arrays are made by NumPy, write minigrad.Tensor(np.linspace(0, 1, 5))
randn: random numbers come from a NumPy generator, write np.random.default_rng(0).standard_normal((2, 3))
normal: random numbers come from a NumPy generator, write np.random.default_rng(0).standard_normal((2, 3))
random: random numbers come from a NumPy generator, write np.random.default_rng(0).standard_normal((2, 3))
rand: random numbers come from a NumPy generator, write np.random.default_rng(0).random((2, 3))
randint: random numbers come from a NumPy generator, write np.random.default_rng(0).integers(0, 10, 5)
randperm: make rng = np.random.default_rng(0) once, before the loop, and in it write rng.permutation(5)
manual_seed seed PRNGKey set_seed: each model has a seed of its own, write models.MLP((2, 8, 1), rng=0)
cat concat: functions are NumPy's, write np.concatenate([x, x])
clamp: functions are NumPy's, write np.clip(x, 0, 1)
mm bmm: write x @ x.T
pow: functions are NumPy's, write np.power(x, 2)
norm: functions are NumPy's, write np.linalg.norm(x)
one_hot: write from models.datasets import one_hot
gelu: activations are in a file of models, write from models.activations import gelu
silu: activations are in a file of models, write from models.activations import silu
elu: activations are in a file of models, write from models.activations import elu
leaky_relu: activations are in a file of models, write from models.activations import leaky_relu
autograd: transforms, as minigrad.hessian(f), are in this package, write minigrad.grad(f)
GradientTape: write minigrad.grad(f)
backward: write loss.backward()
jit function script: write minigrad.compile(f)
jacfwd jacrev: one function serves both modes, write minigrad.jacobian(f)
stop_gradient: write x.detach()
tree_map: write from minigrad.extend import tree_map
enable_grad: operations are recorded unless no_grad() says otherwise, so leave it out
inference_mode set_grad_enabled: write minigrad.no_grad()
custom_vjp custom_jvp: write minigrad.elementwise(np.sin, lambda y, x: np.cos(x))
make_jaxpr make_dot draw_dot: write minigrad.draw(x)
save: a model saves itself, write model.save("model.npz")
load: a model loads itself, write model.load("model.npz")
device cuda set_device set_default_device: everything is computed on the CPU, so leave it out
set_default_dtype: each model has its dtype, write models.MLP((2, 8, 1), dtype=np.float32)
float: dtypes are NumPy's, write np.float32
double: dtypes are NumPy's, write np.float64
half: dtypes are NumPy's, write np.float16
"""

KEYWORDS = r"""
dim dims: axes are called as in NumPy, write axis=0
keepdim: axes are called as in NumPy, write keepdims=True
start_dim end_dim: only all axes are joined; for some write x.reshape(len(x), -1)
unbiased correction: the divisor is n, as for unbiased=False, unless you ask for n - 1: write ddof=1
retain_graph: a graph lives as long as its output and is pulled back as often as you like, so leave it out
inputs: for the slope at some inputs only write minigrad.grad(f)
set_to_none: gradients are forgotten anyway, so leave it out
non_blocking: everything is computed at once, so leave it out
device: everything is computed on the CPU, so leave it out
inplace: nothing is changed in place, so leave it out
out: the result is a new Tensor, so leave it out
size_average: losses are means over the batch, so leave it out
from_logits: the losses take logits, so leave it out
learning_rate alpha step_size lr_rate eta init_lr: the learning rate is called lr, write lr=0.01
beta beta1 beta2 beta_1 beta_2 b1 b2: both memories come as a pair, write betas=(0.9, 0.999)
betas: only Adam and its like have two memories, write optim.Adam(params, betas=(0.9, 0.999))
epsilon: write eps=1e-8
Momentum.momentum: it is beta, and the step has a factor 1 - beta that SGD's lacks: write beta=0.9
momentum: it is an option of SGD, Momentum and RMSprop, write optim.SGD(params, momentum=0.9)
decay: for L2 write weight_decay=0.01, and for a falling rate write optim.StepLR(optimizer, 10)
l2: write weight_decay=0.01
clipnorm max_grad_norm fit.max_norm: `fit` clips, write clip_norm=1.0
fit.early_stopping fit.patience: it is a callback, write callbacks=[models.EarlyStopping()]
fit.lr fit.learning_rate: the optimizer has it, write optimizer=optim.Adam(params, lr=0.01)
train_test_split.test_size: x and y are one argument, write train_test_split((x, y), test_size=0.2)
clipvalue: write optim.clip_grad_value_(params, 1.0)
foreach fused: all parameters are stepped as one vector anyway, so leave it out
in_features out_features units input_dim input_shape: sizes are called n_in and n_out, write Linear(2, 3)
use_bias: write bias=False
kernel_initializer: write init="he_normal"
hidden_sizes layers: all sizes are one tuple, write MLP((2, 16, 16, 1))
act nonlinearity: write activation="tanh"
rate: write p=0.5
seed random_state key generator: a seed or a Generator is called rng, write rng=0
validation_data valid val: write validation=(x, y)
validation_split: split the rows first, write models.datasets.train_test_split((x, y))
verbose: write progress=False
scheduler: write schedule=optim.StepLR(optimizer, 10)
bs: write batch_size=32
n_epochs num_epochs nb_epoch max_epochs: write epochs=10
shuffle: each epoch visits all rows in a new random order, so leave it out
drop_last: all rows are visited, so leave it out
num_workers: batches are slices of arrays, so leave it out
loss_fn criterion: write loss=mse_loss
data: write train=(x, y)
strict: all names must fit, so leave it out
recurse: parameters are found at every depth, so leave it out
train.mode: write model.train(False)
argnum: write argnums=0
static_argnums: numbers are followed by themselves, so leave it out
"""

DRAWING = r"""
render view: write drawing.show()
savefig write write_png to_file: write drawing.save("picture.svg")
"""
