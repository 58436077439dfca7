"""The gallery: what papers say that optimizers do, measured beside the published number.

A phenomenon is a file here. Its docstring teaches it and names its source; `numbers()` measures it and
returns rows of what was found beside what was published; `draw(plt)` makes its picture.

    python -m examples.gallery                 all phenomena, and the page runs/gallery/index.html
"""

from examples.book import Book

GALLERY = Book(
    "examples.gallery",
    "A gallery of optimization",
    "What papers say that optimizers do. Each of the {} numbers was measured just before this page was "
    "written. It stands beside the published one, or beside the one that follows from what was published.",
    "published",
    (
        "micrograd", "quadratic_rates", "heavy_ball_cycle", "edge_of_stability", "adaptive_edge",
        "adam_can_fail", "newton_habits", "basins", "saddles", "cg_and_forcing", "hessian_outliers",
        "grokking",
    ),
)  # fmt: skip
