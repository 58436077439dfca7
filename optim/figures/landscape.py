"""The paths of optimizers on functions of two numbers, and on planes through the weights of a network.

Names: `n` the number of weights, `path` (T, n) one point a row, `plane` an origin and two directions u, v,
`(a, b)` the place origin + a·u + b·v in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from minigrad import Tensor, no_grad
from minigrad.extend import axes, entry, is_dark, look, require_writable, write_whole
from optim.figures.style import GREY, Array, column, ink, legend

__all__ = [
    "Plane",
    "contours",
    "loss_at",
    "pca_plane",
    "plane_through",
    "random_plane",
    "save_gif",
    "trajectories",
]


@dataclass(frozen=True, eq=False)
class Plane:
    """Two orthogonal directions through a point in the space of n weights.

    origin: (n,).
    u, v: (n,), the directions; lengths are free, a and b count in them.
    labels: what the axes a and b say.
    """

    origin: Array
    u: Array
    v: Array
    labels: tuple[str, str] = ("a", "b")

    def point(self, a: float, b: float) -> Array:
        """origin + a·u + b·v."""
        return np.asarray(self.origin + a * self.u + b * self.v)

    def project(self, path: Any) -> tuple[Array, Array]:
        """The points of the plane nearest to those of a path (T, n).

        Returns:
            Their (a, b), (T, 2), and the distances of the path from the plane, (T,), in units of w.
        """
        away = np.asarray(path, dtype=np.float64) - self.origin
        ab = np.stack([away @ self.u / (self.u @ self.u), away @ self.v / (self.v @ self.v)], axis=1)
        return ab, np.linalg.norm(away - ab @ np.stack([self.u, self.v]), axis=1)


def plane_through(origin: Any, u: Any, v: Any, labels: tuple[str, str] = ("a", "b")) -> Plane:
    """The plane through a point along u and v, such as the eigenvectors of the largest eigenvalues.

    v is made orthogonal to u, and keeps its length.

    Raises:
        ValueError: a direction is 0 or not finite, or they are parallel.

    >>> plane_through(np.zeros(3), [2, 0, 0], [1, 1, 0]).v.round(3)
    array([0.   , 1.414, 0.   ])
    """
    call = "plane_through"
    at = column(call, "origin", origin)
    u, v = column(call, "u", u, len(at)), column(call, "v", v, len(at))
    uu, length = float(u @ u), float(np.linalg.norm(v))
    if not (0 < uu < math.inf and 0 < length < math.inf and np.isfinite(at).all()):
        raise ValueError(
            f"`{call}(origin, u, v)` must be finite, and u and v not 0, got {u!r:.40}, {v!r:.40}."
        )
    across = v - (u @ v) / uu * u
    rest = float(np.linalg.norm(across))
    if rest < 1e-8 * length:
        raise ValueError(f"`{call}(u, v)` must not be parallel. Give another v.")
    return Plane(at, u, across * (length / rest), labels)


@entry
def random_plane(parameters: Any, rng: Any = 0) -> Plane:
    """A plane through the present weights along two random directions, each scaled like the weights.

        d ~ N(0, I);   each filter dᵢ ← dᵢ·‖wᵢ‖/‖dᵢ‖;   biases 0

    A filter is what leads to one output: a column of a dense layer's W (n_in, n_out). Scaled so, slices of
    networks with other sizes of weights can be compared. The second direction is then made orthogonal to the
    first, which changes its filters' norms a little.

    Args:
        parameters: those of a model: Tensors, or pairs of a name and a Tensor.
        rng: a seed or a `numpy.random.Generator`.

    Reference: Li et al. 2018, Visualizing the loss landscape of neural nets, section 4.

    >>> plane = random_plane([Tensor([[3.0], [4.0]]), Tensor([7.0])])
    >>> round(float(np.linalg.norm(plane.u)), 12), plane.u[2].item()
    (5.0, 0.0)
    """
    weights = _tensors("random_plane", parameters)
    generator = np.random.default_rng(rng)
    first, second = (np.concatenate([_like(p.data, generator).ravel() for p in weights]) for _ in range(2))
    origin = np.concatenate([np.ravel(p.data) for p in weights]).astype(np.float64)
    if not first.any():
        raise ValueError("`random_plane(parameters)` needs a weight of two axes that is not 0.")
    return plane_through(origin, first, second, ("first random direction", "second random direction"))


def _like(w: Array, rng: np.random.Generator) -> Array:
    """A random direction whose filters have the norms of those of w."""
    d = rng.normal(size=w.shape)
    if w.ndim < 2:
        return np.zeros(w.shape)
    before = tuple(range(w.ndim - 1))
    norms = np.sqrt((d * d).sum(axis=before))
    return np.asarray(d * (np.sqrt((w * w).sum(axis=before)) / np.where(norms > 0, norms, 1)))


@entry
def pca_plane(path: Any) -> Plane:
    """The plane that lies nearest to a path, through its last point; the labels say how much it explains.

    The directions are the first two principal components of the points, seen from the last one, and have
    length 1. A path of an optimizer in many dimensions is explained well by two of them even where it is a
    random walk (Antognini and Sohl-Dickstein 2018), so look at the distances off the plane too.

    Args:
        path: (T, n), T ≥ 3, n ≥ 2, the weights after each step.

    Reference: Li et al. 2018, section 7.

    >>> plane = pca_plane([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [2.0, 1.0, 0.0]])
    >>> plane.labels
    ('1st component (87.3 % of the variance)', '2nd component (12.7 % of the variance)')
    """
    points = np.asarray(path, dtype=np.float64)
    if points.ndim != 2 or points.shape[0] < 3 or points.shape[1] < 2:
        raise ValueError(f"`pca_plane(path)` must have the shape (T ≥ 3, n ≥ 2), got {points.shape}.")
    away = points[:-1] - points[-1]
    _, sizes, rows = np.linalg.svd(away, full_matrices=False)
    if not sizes[1] > 1e-12 * sizes[0]:
        raise ValueError("`pca_plane(path)` must span a plane, and these points lie on a line.")
    share = 100 * sizes**2 / (sizes**2).sum()
    names = ("1st component", "2nd component")
    labels = tuple(f"{name} ({part:.3g} % of the variance)" for name, part in zip(names, share, strict=False))
    return Plane(points[-1], rows[0], rows[1], (labels[0], labels[1]))


@contextmanager
def loss_at(closure: Callable[[], Any], parameters: Any) -> Iterator[Callable[[Array], float]]:
    """The loss of a model as a function of one flat vector of all its weights, inside a `with`.

    Afterwards the weights are as they were, also if something raised.

    Args:
        closure: returns the loss, as for `optimizer.step`.
        parameters: those of the model: Tensors, or pairs of a name and a Tensor.

    >>> p = Tensor([3.0], requires_grad=True)
    >>> with loss_at(lambda: (p * p).sum(), [p]) as f:
    ...     f(np.array([2.0]))
    4.0
    >>> p.item()
    3.0
    """
    weights = _tensors("loss_at", parameters)
    before = [np.array(p.data) for p in weights]
    size = sum(w.size for w in before)

    def put(arrays: Sequence[Array]) -> None:
        for p, value in zip(weights, arrays, strict=True):
            p.assign(value)

    def f(flat: Array) -> float:
        if np.shape(flat) != (size,):
            raise ValueError(f"`loss_at(...)(w)`: w must have the shape ({size},), got {np.shape(flat)}.")
        parts = np.split(flat, np.cumsum([w.size for w in before])[:-1])
        put([part.reshape(w.shape).astype(w.dtype) for part, w in zip(parts, before, strict=True)])
        with no_grad(), np.errstate(all="ignore"):
            loss = closure()
        return float(loss.item() if isinstance(loss, Tensor) else loss)

    try:
        yield f
    finally:
        put(before)


def _tensors(call: str, parameters: Any) -> list[Tensor]:
    found = [p[1] if isinstance(p, tuple) else p for p in parameters]
    if not found or not all(isinstance(p, Tensor) for p in found):
        raise TypeError(f"`{call}(parameters)` must be the parameters of a model, got {found!r:.60}.")
    return found


# Drawing


@entry
def contours(
    f: Callable[[Array], Any], x: Any, y: Any, *, plane: Plane | None = None, levels: int = 18, ax: Any = None
) -> Any:
    """The level lines of a function of two numbers, or of a loss on a plane through its weights.

    The levels are spaced evenly in the logarithm of f − min f, so that a valley is seen as well as its walls.

    Args:
        f: f(point), a number: of (x, y), or with a plane of the n weights there.
        x, y: the two ends of each axis.
        plane: draw f on it, at 41 × 41 points; without it at 101 × 101.
        levels: how many, ≥ 2.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: the ends do not ascend, or f is finite nowhere.

    >>> from matplotlib.figure import Figure
    >>> ax = contours(lambda p: p[0] ** 2 + 9 * p[1] ** 2, (-3, 3), (-1, 1), ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_xlim() == (-3, 3)
    ('x', True)
    """
    call = "contours"
    (left, right), (low, high) = column(call, "x", x, 2), column(call, "y", y, 2)
    if not (left < right and low < high):
        raise ValueError(f"`{call}(f, x, y)`: each pair of ends must ascend, got {x!r:.40} and {y!r:.40}.")
    count = 101 if plane is None else 41
    X, Y = np.linspace(left, right, count), np.linspace(low, high, count)
    place = (lambda a, b: np.array([a, b])) if plane is None else plane.point
    with np.errstate(all="ignore"):
        Z = np.array([[float(f(place(a, b))) for a in X] for b in Y])
    finite = Z[np.isfinite(Z)]
    if not finite.size:
        raise ValueError(f"`{call}(f, x, y)`: f must be finite somewhere between the ends, got {Z[0, 0]}.")
    bottom, span = float(finite.min()), float(np.ptp(finite)) or 1.0
    heights = np.log10(np.where(np.isfinite(Z), (Z - bottom) / span, np.nan) + 1e-4)
    ax = axes(ax)
    shades = ax.contourf(
        X, Y, heights, levels=int(levels), cmap="Greys_r" if is_dark(ax) else "Greys", alpha=0.22
    )
    ax.contour(X, Y, heights, levels=shades.levels, colors=GREY, linewidths=0.6, linestyles="solid")
    labels = ("x", "y") if plane is None else plane.labels
    ax.set(xlabel=labels[0], ylabel=labels[1], xlim=(left, right), ylim=(low, high))
    ax.set_title(f"level lines of f, from {bottom:.4g} to {bottom + span:.4g}", fontsize=9)
    return ax


@entry
def trajectories(
    paths: Mapping[str, Any], *, plane: Plane | None = None, minimum: Any = None, ax: Any = None
) -> Any:
    """The paths of optimizers in two dimensions, from a square to a disc; draw them over `contours`.

    Args:
        paths: for each name its points, (T, 2), or with a plane (T, n). A path ends where it is no longer
            finite; the legend says so.
        plane: project the paths onto it; the legend says how far off it each lies at most.
        minimum: (2,), marked by a star.
        ax: the axes that `contours` returned; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: a path has another shape.

    >>> from matplotlib.figure import Figure
    >>> ax = trajectories({"Adam": [[2.0, 1.0], [1.0, 0.5]]}, minimum=(0, 0), ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Adam, 1 step', 'minimum']
    """
    drawn = _in_the_plane("trajectories", paths, plane)
    ax = axes(ax)
    for i, (label, points) in enumerate(drawn.items()):
        style = look(ax, i)
        (line,) = ax.plot(
            points[:, 0], points[:, 1], label=label, zorder=3, clip_on=True,
            **style | {"markersize": 4, "markevery": max(1, len(points) // 12)},
        )  # fmt: skip
        ends = {"color": line.get_color(), "markeredgecolor": ink(ax), "markersize": 8, "zorder": 4}
        ax.plot(*points[0], "s", **ends)
        ax.plot(*points[-1], "o", **ends)
    if minimum is not None:
        place = column("trajectories", "minimum", minimum, 2)
        ax.plot(*place, "*", color=ink(ax), markersize=13, linestyle="none", label="minimum", zorder=5)
    if not ax.get_xlabel():  # no contours below
        labels = ("x", "y") if plane is None else plane.labels
        ax.set(xlabel=labels[0], ylabel=labels[1])
        ax.grid(alpha=0.25)
    legend(ax)
    return ax


def _in_the_plane(call: str, paths: Any, plane: Plane | None) -> dict[str, Array]:
    """The finite beginnings of the paths in two dimensions, by their labels."""
    if not isinstance(paths, Mapping) or not paths:
        raise TypeError(f"`{call}(paths)` must be a dict of paths by name, got {paths!r:.60}.")
    size = 2 if plane is None else len(plane.origin)
    found = {}
    for name, path in paths.items():
        points = np.asarray(path, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != size or not len(points):
            raise ValueError(
                f"`{call}(paths)`: {name!r} must have the shape (T, {size}), got {points.shape}."
            )
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        kept = points[: bad[0]] if bad.size else points
        if not len(kept):
            raise ValueError(f"`{call}(paths)`: {name!r} must begin at a finite point, got {points[0]}.")
        steps = len(kept) - 1
        label = f"{name}, {steps} step{'' if steps == 1 else 's'}" + (", then not finite" if bad.size else "")
        if plane is not None:
            kept, off = plane.project(kept)
            label += f", ≤ {off.max():.2g} off the plane"
        found[label] = kept
    return found


@entry
def save_gif(
    file: str | PathLike[str],
    paths: Mapping[str, Any],
    background: Callable[[Any], Any],
    *,
    plane: Plane | None = None,
    frames: int = 60,
    fps: int = 20,
    size: tuple[float, float] = (5.6, 4.2),
) -> Path:
    """A GIF of optimizers on their way: all paths run at the same time, a step in each the same moment.

    Args:
        file: where to write it, ending in .gif.
        paths: as for `trajectories`.
        background: called with the axes once, to draw what lies below: `lambda ax: contours(f, x, y, ax=ax)`.
        plane: as for `trajectories`.
        frames: how many, ≥ 2; the last is held for a second.
        fps: frames a second, ≥ 1.
        size: of the picture, in inches of 100 pixels.

    Returns:
        The path of the file.

    Raises:
        ValueError: the name does not end in .gif, or a path has another shape.
        OSError: there is no such folder, or no file can be written there.
    """
    call, target = "save_gif", Path(file)
    if target.suffix != ".gif":
        raise ValueError(f"`{call}(file)` must end in .gif, got {str(file)!r}.")
    for name, value, least in (("frames", frames, 2), ("fps", fps, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"`{call}({name}=...)` must be a whole number ≥ {least}, got {value!r}.")
    require_writable(f"{call}(file)", target)
    drawn = _in_the_plane(call, paths, plane)
    try:
        from matplotlib.animation import PillowWriter
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('a figure needs Matplotlib: pip install -e ".[plot]"') from error
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    background(ax)
    lines = [ax.plot([], [], label=name, **look(ax, i, marker=False))[0] for i, name in enumerate(drawn)]
    heads = [
        ax.plot([], [], "o", color=line.get_color(), markeredgecolor=ink(ax), zorder=4)[0] for line in lines
    ]
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8)  # where no path comes
    figure.canvas.draw()
    figure.set_layout_engine("none")  # else the axes would move from frame to frame
    longest = max(map(len, drawn.values())) - 1
    writer = PillowWriter(fps=fps)
    with TemporaryDirectory() as folder:
        part = Path(folder, "paths.gif")
        with writer.saving(figure, str(part), dpi=100):
            for share in [*np.linspace(0, 1, frames), *[1.0] * fps]:
                step = round(share * longest)
                for line, head, points in zip(lines, heads, drawn.values(), strict=True):
                    line.set_data(points[: step + 1, 0], points[: step + 1, 1])
                    head.set_data(points[min(step, len(points) - 1)][:, None])
                writer.grab_frame()
        write_whole(f"{call}(file)", target, part.read_bytes())
    return target
