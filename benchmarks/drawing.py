"""The cost of drawing: our layout beside Graphviz' `dot` on graphs of 100 to 10,000 boxes, and all of `draw`.

The graphs look like recorded programs: each box has one or two inputs among the last twelve. Our time is that
of the function call `arranged`. dot cannot be timed without its output, so its time is that of the program
from DOT text to SVG, minus the time that it takes for a graph of one box. At 10,000 boxes dot needs minutes
and is left out.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import machine, report
from minigrad import Tensor, draw
from minigrad.drawing import Edge, Node, Picture
from minigrad.drawing.graph.fold import with_clusters
from minigrad.drawing.layout.arranging import arranged
from minigrad.drawing.write.dot import dot
from minigrad.drawing.write.svg import svg

SIZES = (100, 1_000, 5_000, 10_000)
DOT_MOST = 5_000  # boxes
LIMIT = 120  # seconds for one run of dot


def graph(n: int, modules: int = 0) -> Picture:
    """A graph of n boxes, the same each time. `modules` is the number of frames that the boxes lie in."""
    rng = random.Random(n)
    nodes = [
        Node(i, "multiply", module=f"Net.layers.{i * modules // n}" if modules else "", shape=(64, 32))
        for i in range(n)
    ]
    edges = [
        Edge(rng.randrange(max(0, i - 12), i), i, "", p)
        for i in range(1, n)
        for p in range(rng.randrange(1, 3))
    ]
    return with_clusters(Picture("", nodes, edges, direction="down", total=n))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawing", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="rounds (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="1 round, not stored")
    options = parser.parse_args()
    rounds = 1 if options.quick else max(1, options.repeat)
    here, before = machine.describe(), report.load("drawing")
    print(machine.line(here))
    busy = machine.Busy()
    result: dict[str, Any] = {"machine": here, "layout ms": {}, "framed ms": {}, "svg ms": {}, "dot ms": {}}
    dot_ms(graph(1), 1)  # not measured: the first run reads the program from the disk
    start = dot_ms(graph(1), 5)
    print(f"{'boxes':>8} {'layout':>10} {'in frames':>10} {'SVG text':>10} {'dot':>10}")
    for n in SIZES:
        plain, framed = graph(n), graph(n, modules=max(2, n // 50))
        layout = arranged(plain)
        found = {
            "layout ms": ms(lambda p=plain: arranged(p), rounds),  # type: ignore[misc]  # the default binds this loop's graph
            "framed ms": ms(lambda p=framed: arranged(p), rounds),  # type: ignore[misc]
            "svg ms": ms(lambda p=plain, where=layout: svg(p, where), rounds),  # type: ignore[misc]
            "dot ms": dot_ms(plain, 1 if n > 500 else rounds, start or 0.0) if n <= DOT_MOST else None,
        }
        for key, value in found.items():
            result[key][str(n)] = value
        old = before.get("layout ms", {}).get(str(n))
        print(
            f"{n:>8,}"
            + "".join(f"{'–' if v is None else f'{v:,.0f} ms':>11}" for v in found.values())
            + f"  {report.change(found['layout ms'] or 0.0, old)}"
        )
    result["chain s"] = {
        str(n): chain_seconds(n) for n in ((10_000,) if options.quick else (10_000, 1_000_000))
    }
    for n, seconds in result["chain s"].items():
        print(f"draw and SVG of a chain of {int(n):,} operations: {seconds:.2f} s")
    if not busy.report() and not options.quick:
        report.save(report.RESULTS / "drawing.json", result)


def ms(work: Any, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(1e3 * (perf_counter() - start))
    return median(times)


def dot_ms(picture: Picture, rounds: int, start: float = 0.0) -> float | None:
    """Milliseconds that the program dot takes beyond `start`; None if it is missing or takes too long."""
    if shutil.which("dot") is None:
        return None
    text = dot(picture).encode()
    try:
        run = partial(subprocess.run, ["dot", "-Tsvg"], input=text, capture_output=True, timeout=LIMIT)
        return max(0.0, ms(partial(run, check=True), rounds) - start)
    except subprocess.TimeoutExpired:
        return None


def chain_seconds(n: int) -> float:
    y = Tensor(np.ones(3), requires_grad=True)
    for _ in range(n // 2):
        y = y * 0.999 + 0.001
    start = perf_counter()
    assert draw(y).svg
    return perf_counter() - start


if __name__ == "__main__":
    main()
