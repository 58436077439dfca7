"""Figures of what an optimizer does. Each function takes numbers and draws them on the Matplotlib axes
`ax=`, or on those of a new figure, and returns the axes. None shows a figure or changes Matplotlib's
settings.

Matplotlib is an extra: pip install -e ".[plot]".

Training
    learning_curves       losses against epochs or steps
    update_ratios         ‖Δw‖/‖w‖ of every parameter over time
    coordinate            one weight: slope, averages, rate and step

Steps
    along_step            the loss along a step, the line and the parabola
    sharpness_over_time   sharpness against the threshold of stability
    stability_threshold   that threshold for an optimizer
    newton_cg             every iteration of CG, and every trial

Sweeps
    sensitivity           the result against the learning rate
    performance_profiles  solvers compared over many problems
"""

from minigrad.extend import listed as _listed
from optim.figures.steps import along_step as along_step
from optim.figures.steps import newton_cg as newton_cg
from optim.figures.steps import sharpness_over_time as sharpness_over_time
from optim.figures.steps import stability_threshold as stability_threshold
from optim.figures.sweeps import performance_profiles as performance_profiles
from optim.figures.sweeps import sensitivity as sensitivity
from optim.figures.training import coordinate as coordinate
from optim.figures.training import learning_curves as learning_curves
from optim.figures.training import update_ratios as update_ratios

__all__ = list(_listed(globals()))
