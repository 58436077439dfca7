"""The lecture: what each method of training does, as pictures and numbers.

A topic is a file here. Its docstring teaches and derives what is to be expected; `numbers()` measures it
and returns rows of what was found beside what was predicted; `draw(plt)` makes its picture. The order of
`LECTURE` is that of the lecture.

    python -m examples.lecture                 all topics, and the page runs/lecture/index.html
"""

from examples.book import Book

LECTURE = Book(
    "examples.lecture",
    "Optimizers at work",
    "What each method of training does. Each of the {} numbers was measured just before this page was "
    "written, and stands beside the number that the text derives.",
    "predicted",
    (
        "gradient_descent", "learning_rate", "narrow_valley", "plateau", "local_minima", "saddle",
        "momentum_as_average", "second_moment", "bias_correction", "adam", "newton_1d", "newton_nd",
        "summary", "rate_in_the_middle", "topological_order",
    ),
)  # fmt: skip
