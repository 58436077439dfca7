"""The names that users of other libraries look for in `models` and on modules, and what to write here.

`minigrad/habits.py` says how such a table reads.
"""

from __future__ import annotations

__all__ = ["HISTORY", "MODULE", "PACKAGE", "SEQUENTIAL"]

PACKAGE = r"""
DataLoader: `fit` takes arrays and makes the batches, write fit(model, optimizer, loss, (x, y), epochs=10)
TensorDataset: `fit` takes arrays and makes the batches, write fit(model, optimizer, loss, (x, y), epochs=10)
Dataset: `fit` takes arrays and makes the batches, write fit(model, optimizer, loss, (x, y), epochs=10)
dataloader: `fit` takes arrays and makes the batches, write fit(model, optimizer, loss, (x, y), epochs=10)
ReLU relu: activations are plain functions, write minigrad.relu
Tanh tanh Activation: activations are plain functions, write np.tanh
Sigmoid sigmoid: activations are plain functions, write minigrad.sigmoid
Softplus: activations are plain functions, write minigrad.softplus
softmax: activations are plain functions, write minigrad.softmax
Softmax: cross_entropy takes logits; for probabilities write minigrad.softmax
LogSoftmax: cross_entropy takes logits; for their logarithms write minigrad.log_softmax
GELU: activations are plain functions, and PyTorch's is gelu(x, "none"): write models.activations.gelu
SiLU: activations are plain functions, write models.activations.silu
ELU: activations are plain functions, write models.activations.elu
LeakyReLU: activations are plain functions, write models.activations.leaky_relu
CrossEntropyLoss: losses are functions, write models.cross_entropy
NLLLoss: losses are functions, write models.nll_loss
KLDivLoss KLDivergence: losses are functions, write models.kl_div
HuberLoss SmoothL1Loss Huber huber smooth_l1_loss: losses are functions, write models.huber_loss
SparseCategoricalCrossentropy CategoricalCrossentropy: losses are functions, write models.cross_entropy
MSELoss MeanSquaredError mse: losses are functions, write models.mse_loss
BCEWithLogitsLoss BCELoss: losses are functions, write models.binary_cross_entropy_with_logits
BinaryCrossentropy binary_cross_entropy: losses are functions, write models.binary_cross_entropy_with_logits
HingeEmbeddingLoss: losses are functions, write models.hinge_loss
L1Loss MeanAbsoluteError mae: losses are functions, write models.l1_loss
Dense Lazy: the dense layer says both its sizes, write models.Linear(2, 3)
Identity: activations are plain functions, write models.activations.identity
Flatten Lambda: a layer may be any function, write lambda x: x.reshape(len(x), -1)
Conv1d Conv2d Conv2D ConvTranspose2d: a short class makes it, write class Layer(Module): ...
MaxPool2d MaxPooling2D AvgPool2d LSTM: a short class makes it, write class Layer(Module): ...
BatchNorm1d BatchNormalization: the features are the last axis, write models.BatchNorm(8)
LayerNormalization: it normalises the last axis, write models.LayerNorm(8)
BatchNorm2d GroupNorm: a short class makes it, write class Layer(Module): ...
GRU RNN SimpleRNN Transformer: a short class makes it, write class Layer(Module): ...
MultiheadAttention: a short class makes it, write class Layer(Module): ...
ModuleList: a list is enough: its modules are found; write self.layers = [Linear(2, 3), Linear(3, 1)]
ModuleDict: a dict is enough: its modules are found; write self.layers = {"a": Linear(2, 3)}
Parameter: write minigrad.Tensor(np.zeros(3), requires_grad=True)
Model Layer: write models.Module
Input: sizes are given to the layers, so leave it out
init: they are in a file of their own, write from models.initializers import he_normal
functional F: losses are here, and activations in minigrad, write minigrad.relu
nn: it is this package, write from models import Linear
utils: clipping is in optim, write optim.clip_grad_norm_(params, 1.0)
datasets moons: they are in a package of their own, write from models.datasets import moons
digits: they are in a package of their own, write from models.datasets import digits
iris: they are in a package of their own, write from models.datasets import iris
wine: they are in a package of their own, write from models.datasets import wine
circles: they are in a package of their own, write from models.datasets import circles
spirals: they are in a package of their own, write from models.datasets import spirals
blobs: they are in a package of their own, write from models.datasets import blobs
xor: they are in a package of their own, write from models.datasets import xor
train_test_split: they are in a package of their own, write from models.datasets import train_test_split
standardize: they are in a package of their own, write from models.datasets import standardize
one_hot: they are in a package of their own, write from models.datasets import one_hot
Adam: optimizers are in a package of their own, write from optim import Adam
SGD: optimizers are in a package of their own, write from optim import SGD
AdamW: optimizers are in a package of their own, write from optim import AdamW
Trainer train: write fit(model, optimizer, loss, (x, y), epochs=10)
compile: `fit` compiles by itself; for functions write minigrad.compile(f)
save: a model saves itself, write model.save("model.npz")
load load_model: a model loads itself, write model.load("model.npz")
ModelCheckpoint: `fit` has it, write checkpoint="run.mg"
lr_find lr_finder LRFinder LearningRateFinder: write find_lr(model, adam, cross_entropy, (X, y))
to_categorical: write from models.datasets import one_hot
"""

MODULE = r"""
cuda cpu device: everything is computed on the CPU, so leave it out
to: all is computed on the CPU, and the dtype is given at the start: write MLP((2, 8, 1), dtype=np.float32)
float: a model has its dtype from the start, write MLP((2, 8, 1), dtype=np.float32)
double: a model has its dtype from the start, write MLP((2, 8, 1), dtype=np.float64)
half: a model has its dtype from the start, write MLP((2, 8, 1), dtype=np.float16)
modules: write [m for _, m in model.named_modules()]
children: write vars(model).values()
named_children: write model.named_modules()[1:]
apply: write for _, m in model.named_modules(): ...
requires_grad_: write for p in model.parameters(): p.requires_grad = False
weights trainable_weights variables trainable_variables trainable_parameters: write model.parameters()
get_weights: write model.state_dict()
set_weights: write model.load_state_dict(state)
get_parameter: write dict(model.named_parameters())["layers.0.weight"]
register_buffer: an attribute is enough, write self.running_mean = np.zeros(3)
buffers: write [array for _, array in model.named_buffers()]
register_parameter: an attribute is enough, write self.scale = Tensor([1.0], requires_grad=True)
add_module register_module: an attribute is enough, write self.layer = Linear(2, 3)
compile: `fit` takes optimizer and loss, write fit(model, optimizer, loss, (x, y), epochs=10)
fit: it is a function, write fit(model, optimizer, loss, (x, y), epochs=10)
evaluate: it is a function, write evaluate(model, loss, (x, y))
predict: a model is called, write model(x)
predict_proba: write minigrad.softmax(model(x))
score: write accuracy(model(x), y)
init build: parameters are made with the model, write model(x)
save_weights: write model.save("model.npz")
load_weights: write model.load("model.npz")
count_params num_parameters: write sum(p.size for p in model.parameters())
share_memory: leave it out
grad: each parameter has its own, write [p.grad for p in model.parameters()]
backward: write loss.backward()
register_forward_hook: call the layers yourself to see their outputs; write h = model.layers[0](x)
"""

SEQUENTIAL = r"""
append add: the layers are a list, write net.layers.append(Linear(2, 3))
extend: the layers are a list, write net.layers.extend([Linear(2, 3)])
insert: the layers are a list, write net.layers.insert(0, Linear(2, 3))
"""

HISTORY = r"""
history: the columns are items, write history["train_loss"]
loss losses train_loss: the columns are items, write history["train_loss"]
val_loss: the columns are items, write history["val_loss"]
epoch: the columns are items, write history["epoch"]
epochs: write len(history)
"""
