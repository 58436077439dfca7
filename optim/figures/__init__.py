"""Figures of what an optimizer does. Each function takes numbers and draws them on the Matplotlib axes
`ax=`, or on those of a new figure, and returns the axes. None shows a figure or changes Matplotlib's
settings.

Matplotlib is an extra: pip install -e ".[plot]".

Training
    learning_curves       losses against epochs or steps
    convergence           a minimization by its iterations
    update_ratios         ‖Δw‖/‖w‖ of every parameter over time
    coordinate            one weight: slope, averages, rate and step

Steps
    along_step            the loss along a step, the line and the parabola
    sharpness_over_time   sharpness against the threshold of stability
    stability_threshold   that threshold for an optimizer
    newton_cg             every iteration of CG, and every trial

Curvature
    spectrum              the density of the Hessian's eigenvalues, and the exact ones
    gradient_noise        signal and noise of the gradient, and the noise scale

Landscapes
    contours              level lines of a function, or of a loss on a plane
    trajectories          the paths of optimizers over them
    save_gif              the same in motion
    Plane                 two directions through a point in the space of weights
    random_plane          random directions, scaled like the filters
    pca_plane             the plane nearest to a path
    plane_through         along directions of your own, such as eigenvectors
    loss_at               a model's loss as a function of one vector

Sweeps
    sensitivity           the result against the learning rate
    performance_profiles  solvers compared over many problems
"""

from minigrad.extend import listed as _listed
from optim.figures.curvature import gradient_noise as gradient_noise
from optim.figures.curvature import spectrum as spectrum
from optim.figures.landscape import Plane as Plane
from optim.figures.landscape import contours as contours
from optim.figures.landscape import loss_at as loss_at
from optim.figures.landscape import pca_plane as pca_plane
from optim.figures.landscape import plane_through as plane_through
from optim.figures.landscape import random_plane as random_plane
from optim.figures.landscape import save_gif as save_gif
from optim.figures.landscape import trajectories as trajectories
from optim.figures.steps import along_step as along_step
from optim.figures.steps import newton_cg as newton_cg
from optim.figures.steps import sharpness_over_time as sharpness_over_time
from optim.figures.steps import stability_threshold as stability_threshold
from optim.figures.sweeps import performance_profiles as performance_profiles
from optim.figures.sweeps import sensitivity as sensitivity
from optim.figures.training import convergence as convergence
from optim.figures.training import coordinate as coordinate
from optim.figures.training import learning_curves as learning_curves
from optim.figures.training import update_ratios as update_ratios

__all__ = list(_listed(globals()))
