"""Why a topological order: a node may hand on its gradient only after all its users have paid in.

    b = a + a,   c = b + b,   so dc/da = 4

Walk back from c. Its two edges lead to b, so b is met twice. Who hands on at each meeting what b has *so
far*, gives a first 1 + 1 and then 2 + 2 more: 6. Who hands on only what came in at that meeting is right,
but walks each path: n doublings have 2ᵏ paths to the k-th box, 2ⁿ⁺¹ − 1 visits in all. Sorted so that all
users of a node come before it, each node is visited once: n + 1 visits. The order is free: a node is made
after its inputs, so minigrad numbers nodes as they are made and walks the numbers downwards.
"""

from typing import Any

from examples.shared import Row, curves
from minigrad import Tensor

N = 10


def handed_on(n: int, mode: str) -> tuple[float, int]:
    """d/da of n doublings and the visits: "so far", "each path" or "sorted". Box k has box k + 1 twice."""
    gradient, visits, waiting = [1.0] + [0.0] * n, 0, [(0, 1.0)]
    while waiting:
        k, arrived = waiting.pop()
        visits += 1
        for edge in range(2 if k < n else 0):
            gradient[k + 1] += arrived
            if mode != "sorted" or edge == 1:  # sorted: both edges have paid in
                waiting.append((k + 1, arrived if mode == "each path" else gradient[k + 1]))
    return gradient[n], visits


def by_minigrad(n: int) -> float:
    a = b = Tensor(1.0, requires_grad=True)
    for _ in range(n):
        b = b + b
    b.backward()
    return float(a.grad)


def numbers() -> list[Row]:
    return [
        Row("minigrad: dc/da", by_minigrad(2), 4),
        Row("sorted: dc/da", handed_on(2, "sorted")[0], 4),
        Row("handing on what came so far: dc/da", handed_on(2, "so far")[0], 6),
        Row(f"path by path: visits for {N} doublings", handed_on(N, "each path")[1], 2 ** (N + 1) - 1),
        Row(f"sorted: visits for {N} doublings", handed_on(N, "sorted")[1], N + 1),
        Row("minigrad: gradient of 60 doublings", by_minigrad(60), 2.0**60),
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.2))
    n = range(1, 13)
    lines = {mode: (n, [handed_on(k, mode)[1] for k in n]) for mode in ("each path", "sorted")}
    curves(ax, lines, "o-", title="visits of a walk back", xlabel="doublings", yscale="log")
    return fig
