"""The names that users of other libraries look for in `optim` and on optimizers, and what to write here.

`minigrad/habits.py` says how such a table reads.
"""

from __future__ import annotations

__all__ = ["METHOD", "OPTIMIZER", "PACKAGE", "SETTINGS"]

PACKAGE = r"""
lr_scheduler: schedules are in this package, write optim.StepLR(optimizer, 10)
ExponentialLR exponential_decay ExponentialDecay: write optim.StepLR(optimizer, 1, gamma=0.9)
PolynomialLR: write optim.LambdaLR(optimizer, lambda epoch: (1 - epoch / 100) ** 2)
ConstantLR: the rate stays as it is, so leave it out
cosine_decay_schedule CosineDecay: write optim.CosineAnnealingLR(optimizer, 100)
warmup: write optim.LinearLR(optimizer)
Adadelta Adamax RAdam SparseAdam Adafactor Ftrl: it is not here, write optim.Adam(params)
ASGD Rprop GradientDescent: it is not here, write optim.SGD(params, lr=0.01)
apply_updates: a step changes the parameters itself, write optimizer.step()
chain: `fit` clips, write models.fit(model, optimizer, loss, (x, y), epochs=10, clip_norm=1.0)
clip_by_global_norm clip clip_grad_norm: write optim.clip_grad_norm_(params, 1.0)
swa_utils: it is not here, so leave it out
GradientTransformation: a rule of your own is short, write class Mine(optim.FirstOrder): ...
fmin minimise: write optim.minimize(f, x0)
newton: write optim.Newton(params)
"""

OPTIMIZER = r"""
minimize: a step finds the gradients by itself, write optimizer.step(lambda: loss(model(x), y))
apply_gradients apply: gradients are read from the parameters, write optimizer.step()
init update: state is held by the optimizer, write optimizer.step()
state: write optimizer.state_dict()
get_config: write optimizer.param_groups[0].options
params parameters: write optimizer.param_groups[0]["params"]
get_last_lr get_lr: write optimizer.param_groups[0]["lr"]
clear_grad zero_grads: write optimizer.zero_grad()
backward: write loss.backward()
compile: the step is compiled already, so leave it out
schedule: write optim.StepLR(optimizer, 10)
fit: write models.fit(model, optimizer, loss, (x, y), epochs=10)
"""

SETTINGS = r"""
lr learning_rate: write optimizer.param_groups[0]["lr"]
"""
"""Names that would be set without effect; `optim.base.optimizer` refuses that."""

METHOD = r"""
sgd: on a whole function it is gradient descent, write method="gd"
bfgs l-bfgs-b l-bfgs: write method="lbfgs"
cg nelder-mead powell: it is not here, write method="lbfgs"
trust-ncg trust-krylov trust-exact: write method="newton-cg"
"""
