"""Habits of torch, Keras and JAX, and the mistakes of a first hour: each row is run, and gives the right
result or an error of ours that names the call and what to write. No row ends in Python's own bare error.

A row is the code and a part of the error; RIGHT stands for code whose last line must be true.
"""

import ast
import pydoc
import re
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import numpy as np
import pytest

import minigrad
import minigrad.habits
import models
import models.habits
import optim
import optim.habits
from minigrad import Tensor, grad
from minigrad.drawing.drawing import Drawing
from minigrad.extend import Hint, table
from models.datasets import moons

RIGHT = None

TORCH = [
    ("x.size()", "`size` of a Tensor is a number, not a method: write x.shape."),
    ("x.size(0)", "write x.shape[0]."),
    ("x.size == 6 and (x * x.size).sum() == 6 * x.sum()", RIGHT),
    ("x.view(3, 2)", "a Tensor has no `view`: as in NumPy, write x.reshape("),
    ("x.view(-1)", "write x.reshape("),
    ("x.unsqueeze(0)", "a Tensor has no `unsqueeze`: as in NumPy, write x[:, None]"),
    ("x.squeeze(0)", "squeeze"),
    ("x.permute(1, 0)", "a Tensor has no `permute`: as in NumPy, write x.transpose(1, 0)"),
    ("x.t()", "a Tensor has no `t`: as in NumPy, write x.T"),
    ("x.numel()", "write x.size"),
    ("x.dim()", "write x.ndim"),
    ("x.tanh()", "functions are NumPy's, write np.tanh(x)"),
    ("x.exp()", "functions are NumPy's, write np.exp(x)"),
    ("x.log()", "write np.log(x)"),
    ("x.sqrt()", "write np.sqrt(x)"),
    ("x.abs()", "write np.abs(x)"),
    ("x.relu()", "write minigrad.relu(x)"),
    ("x.softmax(dim=1)", "write minigrad.softmax(x)"),
    ("x.sigmoid()", "write minigrad.sigmoid(x)"),
    ("x.pow(2)", "a Tensor has no `pow`: write x**2"),
    ("x.matmul(w)", "a Tensor has no `matmul`: write x @"),
    ("x.norm()", "write np.linalg.norm(x)"),
    ("x.cpu()", "a Tensor has no `cpu`: everything is computed on the CPU, so leave it out"),
    ("x.cuda()", "so leave it out"),
    ("x.to('cuda')", "write x.astype(np.float32)"),
    ("x.device", "a Tensor has no `device`"),
    ("x.float()", "a Tensor has no `float`: dtypes are NumPy's, write x.astype(np.float32)"),
    ("x.half()", "write x.astype(np.float16)"),
    ("x.type(int)", "write x.astype("),
    ("x.requires_grad_()", "write x.requires_grad = True"),
    ("x.retain_grad()", "`.grad` is kept by leaves only"),
    ("x.clone()", "so use x itself"),
    ("x.is_leaf", "write x.op is None"),
    ("x.grad_fn", "write x.op"),
    ("x.expand(3, 2, 3)", "write np.broadcast_to(x"),
    ("x.masked_fill(x > 0, 0)", "write np.where(x > 0, 0.0, x)"),
    ("x.clamp(0, 1)", "write x.clip(0, 1)"),
    ("x.add_(1)", "write x.assign(x.data + 1)"),
    ("x.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]", RIGHT),
    ("x.contiguous()", "leave it out"),
    ("x.flatten().shape == (6,)", RIGHT),
    ("x.flatten(start_dim=1)", "flatten() got an unexpected keyword argument 'start_dim': only all axes"),
    ("x.sum(dim=1)",
     "Tensor.sum() got an unexpected keyword argument 'dim': axes are called as in NumPy, write axis=0"),
    ("x.mean(1, keepdim=True)", "keepdims=True"),
    ("x.max(dim=1)", "write axis=0"),
    ("x.std(unbiased=True)", "write ddof=1"),
    ("x.sum().item() == 21.0", RIGHT),
    ("x.detach().numpy().shape == (2, 3)", RIGHT),
    ("x.sum().backward(retain_graph=True)", "backward() got an unexpected keyword argument 'retain_graph'"),
    ("x.zero_grad(set_to_none=True)", "gradients are forgotten anyway, so leave it out"),
    ("Tensor([1.0], device='cpu')", "Tensor() got an unexpected keyword argument 'device'"),
    ("Tensor([1.0], requires_grd=True)", "did you mean requires_grad?"),
    ("minigrad.softmax(x, dim=1)", "softmax() got an unexpected keyword argument 'dim'"),
    ("minigrad.relu(x, inplace=True)", "nothing is changed in place, so leave it out"),
    ("minigrad.nn.Linear(2, 3)", "module 'minigrad' has no attribute 'nn'"),
    ("from minigrad import nn", "cannot import name 'nn' from 'minigrad': layers and losses"),
    ("minigrad.tensor([1.0, 2.0])",
     "`minigrad.tensor` is a file of ours, not a function: write minigrad.Tensor(...)"),
    ("minigrad.randn(2, 3)", "write np.random.default_rng(0).standard_normal((2, 3))"),
    ("minigrad.zeros(3)", "write minigrad.Tensor(np.zeros((2, 3)))"),
    ("minigrad.ones(3)", "write minigrad.Tensor(np.ones((2, 3)))"),
    ("minigrad.arange(3)", "write minigrad.Tensor(np.arange(3.0))"),
    ("minigrad.cat([x, x])", "write np.concatenate([x, x])"),
    ("minigrad.stack([x, x])", "functions are NumPy's, write np.stack"),
    ("minigrad.exp(x)", "functions are NumPy's, write np.exp"),
    ("minigrad.manual_seed(0)", "rng=0"),
    ("minigrad.optim.Adam", "write import optim"),
    ("minigrad.autograd.grad(x.sum(), x)", "write minigrad.grad(f)"),
    ("grad(x.sum(), x)", "`grad(f)`"),
    ("models.DataLoader((X, y))", "write fit(model, optimizer, loss, (x, y), epochs=10)"),
    ("models.ReLU()", "activations are plain functions, write minigrad.relu"),
    ("models.Conv2d(1, 2, 3)", "a short class makes it, write class Layer(Module)"),
    ("models.CrossEntropyLoss()", "losses are functions, write models.cross_entropy"),
    ("models.MSELoss()", "write models.mse_loss"),
    ("from models import BCEWithLogitsLoss", "cannot import name 'BCEWithLogitsLoss' from 'models'"),
    ("models.ModuleList([])", "a list is enough"),
    ("models.Linear(in_features=2, out_features=3)", "write Linear(2, 3)"),
    ("model.cuda()", "a Module has no `cuda`: everything is computed on the CPU, so leave it out"),
    ("model.to('cpu')", "a Module has no `to`"),
    ("model.modules()", "write [m for _, m in model.named_modules()]"),
    ("model.children()", "a Module has no `children`"),
    ("model.apply(print)", "model.named_modules()"),
    ("model.requires_grad_(False)", "p.requires_grad = False"),
    ("model.zero_grad(set_to_none=True)",
     "Module.zero_grad() got an unexpected keyword argument 'set_to_none'"),
    ("model.train(mode=False).training is False", "write model.train(False)"),
    ("model.load_state_dict(model.state_dict(), strict=False)", "all names must fit, so leave it out"),
    ("models.cross_entropy(model(X), y, size_average=True)", "losses are means over the batch"),
    ("models.NLLLoss()", "write models.nll_loss"),
    ("models.SmoothL1Loss()", "write models.huber_loss"),
    ("optim.lr_scheduler.StepLR", "write optim.StepLR(optimizer, 10)"),
    ("from optim import lr_scheduler", "cannot import name 'lr_scheduler' from 'optim'"),
    ("optim.SGD(model)", "`SGD(params)` must hold Tensors"),
    ("optim.Adam(model.parameters)", "Pass model.named_parameters()"),
    ("optim.adam(model.parameters())",
     "`optim.adam` is a file of ours, not a function: write optim.Adam(...)"),
    ('models.MLP.load("net.npz")', "write object.load(path)"),
    ("(optim.Newton, optim.newton)[1](model.parameters())",  # loaded when it is first used
     "`optim.newton` is a file of ours, not a function: write optim.Newton(...)"),
    ("optim.Adam(model.parameters(), fused=True)", "so leave it out"),
    ("optim.SGD(model.parameters(), lr=0.1, betas=(0.9, 0.99))", "only Adam and its like have two memories"),
    ("optim.Adam(model.parameters(), momentum=0.9)", "write optim.SGD(params, momentum=0.9)"),
    ("adam.zero_grad(set_to_none=True)",
     "Optimizer.zero_grad() got an unexpected keyword argument 'set_to_none'"),
    ("adam.lr = 0.1", 'would change nothing: write optimizer.param_groups[0]["lr"] = 0.1'),
    ("adam.param_groups[0]['lr'] = 0.1; adam.param_groups[0]['lr'] == 0.1", RIGHT),
    ("adam.state", "write optimizer.state_dict()"),
    ("minigrad.grad(np.sum, X)", "write grad(f)(x)"),
    ("minigrad.hessian(np.sum, X)", "hessian(f) is a function: for the derivative at x write hessian(f)(x)"),
    ("minigrad.jacobian(np.sum, X)", "write jacobian(f)(x)"),
    ("minigrad.value_and_grad(np.sum, x)", "write value_and_grad(f)(x)"),
    ("optim.Momentum([x], momentum=0.9)", "it is beta, and the step has a factor 1 - beta that SGD's lacks"),
    ("optim.sharpness(lambda: 0, model)", "write sharpness(lambda: loss(model(x), y), model.parameters())"),
    ("optim.hessian_trace(lambda: 0, model)", "write hessian_trace(lambda: loss(model(x), y), model"),
    ("x.std(unbiased=False)", "the divisor is n, as for unbiased=False, unless you ask for n - 1"),
    ("x.requires_grad_(False)", "it is an attribute, True or False"),
    ("x.copy_(w)", "write x.assign(other)"),
    ("x.uniform_(-1, 1)", "write x.assign(rng.uniform(-1, 1, x.shape))"),
    ("x.normal_()", "write x.assign(rng.normal(0, 1, x.shape))"),
    ("x.fill_(2)", "write x.assign(np.full(x.shape, 1.0))"),
    ("x.topk(2)", "write np.sort(x)[..., -2:]"),
    ("minigrad.draw(model)", "write draw(model, np.ones((5, 2)))"),
    ("models.Sequential([models.Linear(2, 8)])", "Write the layers one by one, Sequential(*layers)"),
    ("models.Sequential(models.Linear(2, 8), 'relu')", "is given as the function, such as np.tanh"),
    ("models.Sequential(models.Linear(2, 8)).append(np.tanh)", "write net.layers.append(Linear(2, 3))"),
    ("models.nn.utils.clip_grad_norm_(model.parameters(), 1.0)", "it is this package"),
    ("models.utils", "write optim.clip_grad_norm_(params, 1.0)"),
    ("minigrad.utils", "write optim.clip_grad_norm_(params, 1.0)"),
    ("minigrad.func.grad", "write minigrad.grad(f)"),
    ("minigrad.nn.functional.relu(x)", "minigrad.relu is here"),
    ("minigrad.functional.relu(x)", "activations are here, write minigrad.relu(x)"),
    ("minigrad.autograd.functional.hessian", "transforms, as minigrad.hessian(f), are in this package"),
    ("models.BatchNorm1d(8)", "write models.BatchNorm(8)"),
    ("models.GroupNorm(8)", "a short class makes it"),
    ("models.GELU()", 'gelu(x, "none")'),
    ("model.register_buffer('mean', np.zeros(2))", "write self.running_mean = np.zeros(3)"),
    ("model.buffers()", "for _, array in model.named_buffers()"),
    ("minigrad.randperm(5)", "make rng = np.random.default_rng(0) once, before the loop"),
    ("minigrad.draw(x).render('a')", "a Drawing has no `render`: write drawing.show()"),
    ("minigrad.draw(x).savefig('a.svg')", 'write drawing.save("picture.svg")'),
    ("model.load_state_dict({n: p.T for n, p in model.state_dict().items()})", "Transpose it: pass w.T"),
    ("model.layers[0].weight = np.ones((2, 4))", "write weight.assign(array)"),
    ("with minigrad.no_grad():\n    y = x * 2\ny.requires_grad is False", RIGHT),
    ("with minigrad.no_grad: pass", "`with no_grad:` lacks the parentheses: write `with no_grad():`."),
    ("with minigrad.trace_source: pass", "write `with trace_source():`."),
    ("@minigrad.no_grad\ndef f(): pass", "`no_grad()` takes no arguments, got <function f at "),
    ("@minigrad.no_grad()\ndef f(): return x * 2\nf().requires_grad is False", RIGHT),
    ("import minigrad.nn", "No module named 'minigrad.nn': layers and losses are in a package of their own"),
    ("import minigrad.nn as nn", "write from models import Linear."),
    ("import minigrad.nn.functional as F", "minigrad.relu is here: write from models import Linear."),
    ("from minigrad.nn import Linear", "No module named 'minigrad.nn': layers and losses"),
    ("import minigrad.optim as optim", "No module named 'minigrad.optim': optimizers are in a package"),
    ("from minigrad.optim import Adam", "in a package of their own, write import optim."),
    ("from minigrad.models import MLP", "it is a package of its own, write import models."),
    ("from models.nn import Linear", "No module named 'models.nn': it is this package"),
    ("from optim.lr_scheduler import StepLR", "write optim.StepLR(optimizer, 10)."),
    ("import minigrad.numpy as mnp\nmnp.pi == np.pi", RIGHT),
]  # fmt: skip

KERAS_AND_JAX = [
    ("models.LayerNormalization()", "write models.LayerNorm(8)"),
    ("models.BatchNormalization()", "write models.BatchNorm(8)"),
    ("models.Dense(10)", "write models.Linear(2, 3)"),
    ("models.Linear(2, 3, use_bias=False)", "write bias=False"),
    ("models.Linear(units=3)", "write Linear(2, 3)"),
    ("models.Model()", "write models.Module"),
    ("models.Sequential([models.Linear(2, 3)])", "`Sequential(...)`"),
    ("model.compile(optimizer=adam)", "write fit(model, optimizer, loss, (x, y), epochs=10)"),
    ("model.fit(X, y)", "a Module has no `fit`: it is a function, write fit(model"),
    ("model.predict(X)", "a model is called, write model(x)"),
    ("model.trainable_variables", "write model.parameters()"),
    ("model.get_weights()", "write model.state_dict()"),
    ("adam.minimize(lambda: x.sum())", "write optimizer.step(lambda"),
    ("adam.apply_gradients([])", "gradients are read from the parameters, write optimizer.step()"),
    ("optim.Adam(model.parameters(), learning_rate=0.1)", "the learning rate is called lr, write lr=0.01"),
    ("optim.Adam(model.parameters(), beta_1=0.9)", "write betas=(0.9, 0.999)"),
    ("optim.Adam(model.parameters(), epsilon=1e-7)", "write eps=1e-8"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, validation_data=(X, y))", "write validation=(x, y)"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, verbose=0)", "write progress=False"),
    ("minigrad.GradientTape()", "write minigrad.grad(f)"),
    ("x.assign_add(x)", "write x.assign(x.data + 1)"),
    ("minigrad.jit(np.sin)", "write minigrad.compile(f)"),
    ("minigrad.jacfwd(np.sin)", "one function serves both modes, write minigrad.jacobian(f)"),
    ("from minigrad import jit", "cannot import name 'jit' from 'minigrad': write minigrad.compile(f)"),
    ("minigrad.random.PRNGKey(0)", "random numbers come from a NumPy generator"),
    ("x.at[0].set(1.0)", "write minigrad.index_set(x, 0, 1.0)"),
    ("x[0] = 1.0", "minigrad.index_set(x, index, value)"),
    ("x.block_until_ready()", "values are computed at once, so leave it out"),
    ("adam.init(model.parameters())", "state is held by the optimizer"),
    ("adam.update({}, None)", "state is held by the optimizer"),
    ("minigrad.stop_gradient(x)", "write x.detach()"),
    ("grad(lambda a: a.sum(), argnum=0)", "write argnums=0"),
    ("history.history['loss']", 'write history["train_loss"]'),
    ("history.loss", 'write history["train_loss"]'),
    ("history.epochs", "write len(history)"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, max_norm=1.0)", "write clip_norm=1.0"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, early_stopping=True)",
     "write callbacks=[models.EarlyStopping()]"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, lr=0.1)", "the optimizer has it"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, metrics={'a': accuracy})", "validation=(x, y)"),
    ("minigrad.value_and_grad(lambda a: (a * a).sum())(np.ones(2))[0] == 2.0", RIGHT),
]  # fmt: skip

FIRST_HOUR = [
    # shapes
    ("x @ x", "matmul((2, 3) float64, (2, 3) float64)"),
    ("x + np.ones(2)", "add((2, 3) float64, (2,) float64)"),
    ("x.reshape(4, 2)", "reshape"),
    ("model(np.ones((4, 3)))", "linear((4, 3) float64, (2, 4) float64"),
    ("mse_loss(np.ones((4, 1)), np.ones(4))", "mse_loss needs both of one shape"),
    ("x[5]", "getitem"),
    ("np.concatenate([x, np.ones(3)])", "concatenate"),
    ("Tensor([[1.0, 2.0], [3.0]])", "Tensor(data) needs rows of one length"),
    ("x + [[1.0, 2.0], [3.0]]", "add needs rows of one length"),
    ("w.assign([[1.0, 2.0], [3.0]])", "assign needs rows of one length"),
    ("model([[1.0, 2.0], [3.0]])", "linear needs rows of one length"),
    ("fit(model, adam, cross_entropy, ([[1.0, 2.0], [3.0]], [0, 1]), epochs=1)",
     "`fit(train=...)` needs rows of one length"),
    ("Tensor('abc')", "Tensor(data) needs numbers"),
    ("Tensor(None)", "Tensor(data) needs numbers"),
    ("Tensor([1, 2], requires_grad=True).dtype.kind == 'f'", "needs floating point numbers"),
    ("Tensor(3, requires_grad=True).dtype == np.float64", RIGHT),
    ("Tensor(Frame([[1.0, 2.0]])).shape == (1, 2)", RIGHT),
    ("Tensor({'a': 1.0})", "Tensor(data) needs numbers"),
    # backward
    ("x.backward()", "backward() without a gradient needs a scalar"),
    ("Tensor([1.0]).sum().backward()", "this one is a constant"),
    ("float((x * 2).sum())", "use .item() if that is meant"),
    ("import math; math.sin(x.sum())", "NumPy's functions instead of the math module's"),
    ("np.asarray(x * 2)", "use .numpy() if that is meant"),
    ("a = np.zeros(3); a[0] = x.sum()", "import minigrad.numpy as np"),
    ("x.sum().backward(); x.sum().backward(); x.grad[0, 0] == 2.0", RIGHT),
    ("h = x * 2; h.sum().backward(); x.grad[0, 0] == 2.0", RIGHT),
    ("x -= 0.1", "`p -= ...` would change a leaf"),
    ("if x > 0: pass", "the truth of a Tensor of shape (2, 3) is ambiguous"),
    ("for i in x.sum(): pass", "iteration over a 0-d Tensor"),
    ("len(x.sum())", "len() of a 0-d Tensor"),
    ("x.sum(1, True)", "write Tensor.sum(axis, keepdims=..."),
    ("x.sum", RIGHT),
    ("np.array_equal(np.einsum('ij->i', x), x.sum(1))", RIGHT),
    ("np.cumsum(x).shape == (6,)", RIGHT),
    ("x.item()", "item() needs a Tensor of one element"),
    ("grad(lambda a: a * 2)(np.ones(3))", "scalar"),
    ("grad(np.ones(3))", "`grad(f)`"),
    ("grad(lambda a: a.sum())(np.ones(3, int))", "floating"),
    ("grad(lambda a: 3.0)(np.ones(3))", "needs f to return a Tensor"),
    ("minigrad.hvp(lambda a: a.sum())",
     "hvp() missing 2 required positional arguments: 'x' and 'v'; write hvp(f, x, v)"),
    ("minigrad.compile(lambda a: a.sum() if a.sum() > 0 else a)(np.ones(2))", "np.where for a choice"),
    ("minigrad.Tensro([1.0])", "did you mean Tensor?"),
    ("from minigrad import value_and_grads", "did you mean value_and_grad?"),
    ("from minigrad import draw; callable(draw)", RIGHT),
    # steps
    ("adam.step() is None", RIGHT),
    ("adam.step(x.sum())", "`Adam.step(closure)`"),
    ("adam.step(lambda: 1.0)", "`Adam.step(closure)`"),
    ("optim.Adam(model.parameters(), lr=-0.1)", "`Adam(lr=...)` must be a finite number ≥ 0, got -0.1"),
    ("optim.Adam(model.parameters(), lr='0.1')", "`Adam(lr=...)` must be a finite number"),
    ("optim.Adam(model.parameters(), lr_=0.1)", "did you mean lr?"),
    ("optim.Adam(model.parameters(), weigth_decay=0.1)", "did you mean weight_decay?"),
    ("optim.Adam([{'params': model.parameters(), 'weigth_decay': 0.1}])", "did you mean weight_decay?"),
    ("optim.Adam([])", "`Adam(params)` must not be empty"),
    ("optim.Adam()", "Adam() missing 1 required positional argument: 'params'; write Adam(params, lr"),
    ("optim.Adam(x)", "Use a list"),
    ("optim.Adam([x * 2])", "is the result of an operation, not a leaf"),
    ("optim.Adam([np.ones(3)])", "must hold Tensors"),
    ("optim.Adm(model.parameters())", "did you mean Adam?"),
    ("optim.RMSProp(model.parameters())", "did you mean RMSprop?"),
    ("optim.Newton(model.parameters()).step()", "closure"),
    ("optim.StepLR(0.1, 10)", "StepLR"),
    ("optim.StepLR(adam)", "StepLR() missing 1 required positional argument: 'step_size'"),
    ("optim.minimize(lambda a: a.sum())", "minimize() missing 1 required positional argument: 'x0'"),
    ("optim.minimize(lambda a: (a * a).sum(), np.ones(2), method='bfgs')", "method"),
    ("optim.clip_grad_norm_(model.parameters())", "'max_norm'"),
    ("optim.NewtonCG(model.parameters()).explain('w')",
     "has no `explain`: its step follows no rule of elements"),
    ("optim.LBFGS(model.parameters()).preview()", "write optimizer.last_step."),
    ("optim.Newton(model.parameters()).keep_last_step", "the last step is always kept"),
    ("adam.counts", "a first-order optimizer has no `counts`"),
    ("adam.last_gradient", "gradients are read from the parameters"),
    ("optim.minimize(np.sum, np.ones(2), method='BFGS')", 'write method="lbfgs"'),
    ("optim.minimize(np.sum, np.ones(2), method='L-BFGS-B')", 'write method="lbfgs"'),
    ("optim.minimize(np.sum, np.ones(2), method='sgd')", 'it is gradient descent, write method="gd"'),
    ("optim.minimize(np.sum, np.ones(2), method='newton_cg')", "did you mean newton-cg?"),
    # data
    ("X, y = data", "write X, y = data.X, data.y"),
    ("len(data)", "write X, y = data.X, data.y"),
    ("data[0]", "write X, y = data.X, data.y"),
    ("for row in data: pass", "batches(data.X, data.y, batch_size=32)"),
    ("bool(data)", RIGHT),
    ("data.target", "a Dataset has no `target`: its inputs are data.X, its classes or values data.y"),
    ("models.datasets.batches((X, y), batch_size=8)", "write batches(X, y, batch_size=...)"),
    ("models.datasets.batches(data, batch_size=8)", "of a Dataset pass X and y"),
    ("models.datasets.train_test_split(X, y, test_size=0.2)",
     "write train_test_split((x, y), test_size=0.2)"),
    ("model.save('nowhere/model.npz')", "'nowhere/model.npz' cannot be written: there is no folder"),
    # models, losses and training
    ("models.MLP(2, 4, 2)", "write MLP(sizes, activation)"),
    ("models.MLP((2, 4, 2), 'Relu')", "`MLP(activation=...)` must be one of"),
    ("models.MLP([2])", "at least an input and an output size"),
    ("models.MLP((2, 4, 2), seed=0)", "write rng=0"),
    ("models.Linear(2)",
     "Linear() missing 1 required positional argument: 'n_out'; write Linear(n_in, n_out)"),
    ("models.Linear(2, 0)", "`Linear(n_out=...)` must be a whole number of at least 1"),
    ("models.Dropout(1.5)", "`Dropout(p=...)` must be in [0, 1)"),
    ("models.Dropot(0.5)", "did you mean Dropout?"),
    ("class Net(models.Module): pass\nNet()(x)", "Net defines no forward(self, ...)"),
    ("cross_entropy(model(X), np.eye(3)[y])", "cross_entropy needs logits (n, k) and labels (n,)"),
    ("cross_entropy(model(X), y * 1.0)", "cross_entropy needs integer labels"),
    ("cross_entropy(model(X), y + 5)", "label"),
    ("cross_entropy(y, model(X))", "cross_entropy needs logits (n, k)"),
    ("hinge_loss(np.ones(2), np.zeros(2))", "hinge_loss needs labels of −1 and 1"),
    ("binary_cross_entropy_with_logits(np.ones(2), -np.ones(2))", "needs targets in [0, 1]"),
    ("accuracy(model(X), np.array(['a'] * len(X)))", "accuracy needs numbers"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=0)",
     "`fit(epochs=...)` must be a whole number of at least 1"),
    ("fit(model, adam, cross_entropy, (X, y))",
     "fit() missing 1 required keyword-only argument: 'epochs'; write fit(model, optimizer"),
    ("fit(model, adam, cross_entropy, X, y, epochs=1)",
     "write fit(model, optimizer, loss, train, epochs=...)"),
    ("fit(model, adam, cross_entropy, X, epochs=1)", "`fit(train=...)` must be a pair of arrays (x, y)"),
    ("fit(model, adam, cross_entropy, (X, y[:-1]), epochs=1)", "equally many rows"),
    ("fit(model, optim.Adam, cross_entropy, (X, y), epochs=1)", "got the class Adam"),
    ("fit(model, adam, 'cross_entropy', (X, y), epochs=1)", "`fit(loss=...)` needs a function"),
    ("fit(model, adam, cross_entropy, (X, y), epoch=1)", "did you mean epochs?"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, batchsize=8)", "did you mean batch_size?"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, shuffle=True)", "so leave it out"),
    ("fit(model, optim.Adam(models.MLP((2, 2)).parameters()), cross_entropy, (X, y), epochs=1)",
     "Was it made for another model"),
    ("fit(model, adam, cross_entropy, (X, y), epochs=1, callbacks=print)",
     "`fit(callbacks=...)` must be a list"),
    ("len(fit(model, adam, cross_entropy, (list(map(list, X)), y), epochs=1, progress=False)) == 1", RIGHT),
    ("len(fit(model, adam, cross_entropy, (Frame(X), y), epochs=1, progress=False)) == 1", RIGHT),
    ("k = 3.0\nlen(fit(model, adam, lambda p, t: k * cross_entropy(p, t), (X, y), epochs=1, progress=False))",
     RIGHT),
    ("model.load_state_dict({})", "the names differ"),
    ("model.load('missing.npz')", "missing.npz"),
    ("models.EarlyStopping(patience=0)", "`EarlyStopping(patience=...)` must be a whole number"),
    ("models.EarlyStopping(monitor='val_loss')",
     "EarlyStopping() got an unexpected keyword argument 'monitor'"),
]  # fmt: skip

ROWS = {"torch": TORCH, "keras_jax": KERAS_AND_JAX, "first_hour": FIRST_HOUR}


class Frame:
    """What pandas gives: an object that turns into an array when it is asked."""

    def __init__(self, rows):
        self.rows = np.asarray(rows)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)

    def __len__(self):
        return len(self.rows)


def everything():
    data = moons(16, noise=0.1, rng=0)
    model = models.MLP((2, 4, 2), rng=0)
    x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    names = {name: getattr(models, name) for name in models.__all__}
    return names | {
        "np": np, "minigrad": minigrad, "models": models, "optim": optim, "Tensor": Tensor, "grad": grad,
        "x": x, "w": Tensor(np.ones((3, 2))), "X": data.X, "y": data.y, "model": model, "Frame": Frame,
        "adam": optim.Adam(model.parameters()), "data": data, "history": models.History(),
    }  # fmt: skip


def value_of(code, names):
    """Run the code and return what its last line is, if that is an expression."""
    tree = ast.parse(code)
    if isinstance(tree.body[-1], ast.Expr):
        last = compile(ast.Expression(tree.body.pop().value), "<row>", "eval")
        exec(compile(tree, "<row>", "exec"), names)
        return eval(last, names)
    return exec(compile(tree, "<row>", "exec"), names)


PYTHONS_OWN = re.compile(r"object has no attribute|keyword argument '\w+'$|object is not|\) missing [^;]+$")


def text_of(error):
    """The text of an error and of what caused it."""
    cause = error.__cause__ or error.__context__
    return str(error) if cause is None else f"{error} / {text_of(cause)}"


@pytest.mark.parametrize(
    ("code", "wanted"),
    [pytest.param(*row, id=f"{kind}-{row[0]:.60}") for kind, rows in ROWS.items() for row in rows],
)
def test_a_habit_meets_the_right_result_or_what_to_write(code, wanted):
    if wanted is RIGHT:
        assert value_of(code, everything())
        return
    with pytest.raises(Exception) as caught:  # its text is compared below
        value_of(code, everything())
    text = text_of(caught.value)
    assert wanted in text
    assert not PYTHONS_OWN.search(str(caught.value)), text


def test_the_table_is_long_enough():
    assert len(TORCH) >= 60
    assert len(KERAS_AND_JAX) >= 20
    assert len({code for rows in ROWS.values() for code, _ in rows}) >= 147


TABLES = {
    "Tensor": minigrad.habits.TENSOR, "minigrad": minigrad.habits.PACKAGE,
    "keywords": minigrad.habits.KEYWORDS,
    "Drawing": minigrad.habits.DRAWING, "Sequential": models.habits.SEQUENTIAL,
    "History": models.habits.HISTORY, "method": optim.habits.METHOD,
    "models": models.habits.PACKAGE,
    "Module": models.habits.MODULE, "optim": optim.habits.PACKAGE, "Optimizer": optim.habits.OPTIMIZER,
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_what_a_hint_says_to_write_runs(kind, tmp_path, monkeypatch):
    """In a program that has an x, a model, an optimizer and so on."""
    monkeypatch.chdir(tmp_path)
    failed = []
    for name, remedy in table(TABLES[kind]).items():
        _, written, code = remedy.rpartition("write ")
        if not written:
            assert remedy.endswith("leave it out"), f"{name}: {remedy}"
            continue
        try:
            with np.errstate(invalid="ignore"):
                value_of(code, of_a_program(kind, code))
        except Exception as error:
            failed.append(f"{name}: {code}: {error}")
    assert failed == []


class FakeDrawing(Drawing):
    """One that opens no browser."""

    def __init__(self):
        super().__init__(minigrad.draw(Tensor(1.0) * 2.0).full)

    def show(self):
        return self.html


def of_a_program(kind, code):
    names, p = everything(), Tensor([1.0], requires_grad=True)
    if "model.npz" in code:
        names["model"].save("model.npz")
    if kind not in ("Tensor", "minigrad"):
        names["x"] = names["X"]
    loss = (p * p).sum() if re.search(r"loss.backward|\* loss$", code) else models.cross_entropy
    return names | {
        "f": lambda a: np.sum(a * a), "other": Tensor(np.ones((2, 3))), "loss": loss,
        "optimizer": names["adam"],
        "self": models.Module(), "kept": np.arange(4), "logits": np.zeros((16, 2)), "k": 2,
        "labels": np.zeros(16, int),
        "state": names["model"].state_dict(), "params": [p], "x0": np.ones(2),
        "rng": np.random.default_rng(0), "drawing": FakeDrawing(), "net": models.Sequential(),
        "train_test_split": models.datasets.train_test_split,
        "history": models.History([{"epoch": 1, "train_loss": 1.0, "val_loss": 1.0}]),
        "targets": np.ones((16, 2)) / 2, "log_softmax": minigrad.log_softmax,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "habits"),
    [
        (Tensor, minigrad.habits.TENSOR),
        (models.Module, models.habits.MODULE),
        (optim.Optimizer, optim.habits.OPTIMIZER + optim.habits.SETTINGS),
    ],
)
def test_hints_are_no_attributes(cls, habits):
    """They hide none that exists, hasattr denies them, and nothing is looked up more slowly for them."""
    names = table(habits).keys()
    assert len(names) > 10
    everywhere = [c for sub in [cls, *cls.__subclasses__()] for c in sub.__mro__]
    everywhere = [c for c in everywhere if c.__module__.split(".")[0] in ("minigrad", "models", "optim")]
    assert [n for c in everywhere for n in names if not isinstance(vars(c).get(n, HINT), Hint)] == []
    assert not any(hasattr(cls, name) for name in names)
    assert not any("__getattr__" in vars(c) for c in cls.__mro__)


@pytest.mark.parametrize("package", [minigrad, models, optim], ids=lambda package: package.__name__)
def test_no_hint_is_for_a_name_that_is_there(package):
    """When a name is added, what was said in its place goes."""
    habits = package.habits.PACKAGE
    assert table(habits).keys() & set(package.__all__) == set()


HINT = Hint("x", "x", "leave it out")


def test_dir_lists_no_hint_and_nothing_of_the_graph():
    names = everything()
    for x, habits in (
        (names["x"], minigrad.habits.TENSOR),
        (names["model"], models.habits.MODULE),
        (names["adam"], optim.habits.OPTIMIZER + optim.habits.SETTINGS),
    ):
        assert not set(dir(x)) & table(habits).keys()
    for x, habits in (
        (names["history"], models.habits.HISTORY),
        (models.Sequential(), models.habits.SEQUENTIAL),
        (FakeDrawing(), minigrad.habits.DRAWING),
    ):
        assert not set(dir(x)) & table(habits).keys()
        assert not any(hasattr(x, name) for name in table(habits))
    inside = "active args gradient index inputs live mode params primal touch watched"
    assert not set(dir(names["x"])) & set(inside.split())
    assert {"T", "data", "grad", "sum", "reshape", "backward", "requires_grad"} <= set(dir(names["x"]))
    assert {"parameters", "layers", "activation", "training"} <= set(dir(names["model"]))


def test_help_says_what_a_hint_is():
    shown = pydoc.plain(pydoc.render_doc(models.Module))
    assert re.search(r"cuda\n.*Not here: everything is computed on the CPU, so leave it out\.", shown)
    assert "Not here: write loss.backward()." in pydoc.plain(pydoc.render_doc(optim.Adam))


class Net(models.Module):
    device = "abacus"

    def __init__(self):
        self.norm, self.weights = models.Linear(2, 2, rng=0), Tensor([1.0], requires_grad=True)
        self.children = [models.Linear(2, 2, rng=1)]

    def predict(self, x):
        return self.norm(x) * self.weights

    forward = predict


@pytest.mark.parametrize("package", [minigrad, models, optim], ids=lambda package: package.__name__)
def test_importing_a_habit_says_what_to_write(package):
    """Whoever only asks whether the module is there is told that it is not, as Python's tools expect."""
    files = {file.name for file in iter_modules(package.__path__)}
    remedies = table(TABLES[package.__name__])
    assert len(remedies.keys() - files) >= 20
    for name in remedies.keys() - files:
        module = f"{package.__name__}.{name}"
        assert find_spec(module) is None
        with pytest.raises(ModuleNotFoundError) as caught:
            import_module(module)
        assert str(caught.value) == f"No module named '{module}': {remedies[name]}."
        assert caught.value.name == module


def test_python_answers_for_the_modules_that_are_nobodys_habit():
    for module in ("minigrad.tensr", "minigrad.nn_", "nn", "numpy.nn", "models.minigrad"):
        with pytest.raises(ModuleNotFoundError, match=f"^No module named '{module}'$"):
            exec(f"import {module}", {})


def test_attributes_of_users_win_over_hints():
    net = Net()
    assert net.device == "abacus"
    assert net.predict(np.ones((1, 2))).shape == (1, 2)
    names = ["norm.weight", "norm.bias", "weights", "children.0.weight", "children.0.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert {"device", "norm", "weights", "children", "predict"} <= set(dir(net))
    assert "cuda" not in dir(net)
    assert Net.predict is not None


def test_an_optimizer_of_ones_own_may_have_an_lr():
    class Mine(optim.SGD):
        def __init__(self, params):
            super().__init__(params, lr=0.5)
            self.lr = 0.5

    mine = Mine([Tensor([1.0], requires_grad=True)])
    assert mine.lr == 0.5
    assert "lr" in dir(mine)
    with pytest.raises(AttributeError, match="setting `lr` on SGD would change nothing"):
        optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5).lr = 0.1


def test_tracebacks_of_hints_end_in_the_users_line():
    rows = ["x.view(2)", "x.sum(dim=1)", "minigrad.nn", "from minigrad import nn", "adam.lr = 1.0"]
    rows += ["with minigrad.no_grad: pass", "minigrad.no_grad(x)", "import minigrad.nn"]
    for code in rows:
        try:
            value_of(code, everything())
        except (AttributeError, TypeError, ImportError) as error:
            last = error.__traceback__
            while last.tb_next is not None:
                last = last.tb_next
            assert last.tb_frame.f_code.co_filename in ("<row>", "<frozen importlib._bootstrap>"), code
        else:
            raise AssertionError(code)
