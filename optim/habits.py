"""The names that users of other libraries look for in `optim` and on optimizers, and what to write here.

`minigrad/habits.py` says how such a table reads.
"""

from __future__ import annotations

__all__ = ["EVALUATING", "METHOD", "OPTIMIZER", "PACKAGE", "RULED", "SETTINGS"]

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

EVALUATING = r"""
explain recorded rule preview: its step follows no rule of elements, write optimizer.last_step
keep_last_step: the last step is always kept, write optimizer.last_step
preconditioner second_moment rate divisor: it scales no coordinates, write optimizer.last_step
"""
"""What first-order optimizers alone have, met on one whose step evaluates the closure at several points."""

RULED = r"""
counts: each step takes one gradient, so count the steps
last_gradient: gradients are read from the parameters, write optimizer.param_groups[0]["params"][0].grad
"""
"""The reverse."""

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
