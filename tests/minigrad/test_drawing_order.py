"""The order in the ranks of a layout: no crossing that a better one avoids, which integer programming can
prove."""

import random
from itertools import combinations, pairwise, permutations, product

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from examples.draw_graphs import PICTURES
from minigrad.drawing import Edge, Node, Picture
from minigrad.drawing.graph.fold import with_clusters
from minigrad.drawing.layout import arranging
from minigrad.drawing.layout.arranging import arranged
from minigrad.drawing.layout.frames import Frames
from minigrad.drawing.layout.ordering import crossings, ordered

CROSSED = {"neuron": 0, "network": 0, "curvature": 6, "adam": 0, "cg": 8}  # the README's pictures


def seen(drawn):
    """The crossings that a reader sees: pairs of lines, drawn as one where several edges share them, that
    truly cross."""
    lines = {(a, b) for route in drawn.routes for a, b in pairwise(route.points) if a != b}
    return sum(cross(a, b, c, d) for (a, b), (c, d) in combinations(sorted(lines), 2))


def cross(a, b, c, d):
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def fewest(rank, links, frames):
    """The fewest crossings that any order has which keeps frames together, and the best bound from below that
    was proved.

    Integers: for two vertices of a rank, or two frames, or a vertex and a frame, whether the first is on the
    left. A pair of links crosses by at least the difference of the integers of their upper and of their lower
    ends."""
    number = {}

    def left(a, b):
        """(which integer, whether it is turned round): a is left of b."""
        around = [(*frames.around(v), -1 - v) for v in (a, b)]
        depth = next(k for k in range(99) if around[0][k] != around[1][k])
        one, other = (line[depth] for line in around)
        everywhere = one >= 0 and other >= 0  # two frames
        key = min(one, other), max(one, other), -1 if everywhere else rank[a]
        return number.setdefault(key, len(number)), one > other

    levels = [[v for v in range(len(rank)) if rank[v] == r] for r in range(max(rank) + 1)]
    rows, low, high = [], [], []

    def limit(terms, least, most):
        """least ≤ the weighted sum of these (weight, a, b) ≤ most, besides further columns given as (weight,
        column)."""
        row, constant = {}, 0
        for weight, *ends in terms:
            column, turned = left(*ends) if len(ends) == 2 else (ends[0], False)
            row[column] = row.get(column, 0) + (-weight if turned else weight)
            constant += weight * turned
        rows.append(row)
        low.append(least - constant)
        high.append(most - constant)

    for level in levels:
        for a, b, c in combinations(level, 3):
            limit([(1, a, b), (1, b, c), (-1, a, c)], 0, 1)
        for a, b in combinations(level, 2):
            left(a, b)
    integers = columns = len(number)
    for (a, b), (c, d) in combinations(links, 2):
        if rank[a] == rank[c] and a != c and b != d:
            limit([(1, a, c), (-1, b, d), (-1, columns)], -np.inf, 0)
            limit([(-1, a, c), (1, b, d), (-1, columns)], -np.inf, 0)
            columns += 1
    if columns == integers:
        return 0, 0
    entries = [(value, i, j) for i, row in enumerate(rows) for j, value in row.items()]
    values, i, j = zip(*entries, strict=True)
    cost = np.repeat([0.0, 1.0], [integers, columns - integers])
    found = milp(
        cost,
        integrality=1 - cost,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(csr_array((values, (i, j)), shape=(len(rows), columns)), low, high),
    )
    assert found.success
    return round(found.fun), int(np.ceil(found.mip_dual_bound - 1e-6))


@pytest.fixture
def asked(monkeypatch):
    """What the layout asked of the ordering, and what it was given."""
    calls = []

    def watched(rank, links, frames, *rest):
        calls.append((rank, links, frames, ordered(rank, links, frames, *rest)))
        return calls[-1][-1]

    monkeypatch.setattr(arranging, "ordered", watched)
    return calls


def crossed(rank, links, order):
    position, down = [0.0] * len(rank), [[] for _ in rank]
    for a, b in links:
        down[a].append(b)
    for level in order:
        for k, v in enumerate(level):
            position[v] = k
    return crossings(order, down, position)


@pytest.mark.parametrize("name", PICTURES)
def test_no_picture_of_the_readme_has_a_crossing_that_a_better_order_avoids(name, asked):
    picture = PICTURES[name]().picture
    picture.direction = arranged(picture).direction
    asked.clear()
    drawn = arranged(picture)
    ((rank, links, frames, _),) = asked
    assert fewest(rank, links, frames) == (CROSSED[name], CROSSED[name])
    assert seen(drawn) == CROSSED[name]


def small_picture(seed):
    r = random.Random(seed)
    n = r.randrange(4, 13)
    modules = ["M.a", "M.b", "M.b.c", ""] if seed % 2 else [""]
    edges = [Edge(r.randrange(i), i) for i in range(1, n) for _ in range(r.choice((1, 1, 2)))]
    nodes = [Node(i, "v", module=modules[len(modules) * i // n]) for i in range(n)]
    return with_clusters(Picture("", nodes, edges, direction=r.choice(("right", "down"))))


def test_small_graphs_get_an_order_with_the_fewest_crossings(asked):
    for seed in range(60):
        drawn = arranged(small_picture(seed))
        rank, links, frames, order = asked.pop()
        least, bound = fewest(rank, links, frames)
        assert least == bound == crossed(rank, links, order) == seen(drawn), seed


def hidden(seed):
    """Ranks and links of a graph that has an order without crossings, hidden by shuffling each rank."""
    r = random.Random(seed)
    rank, links, last = [], [], []
    for k in range(12):
        here = [len(rank) + i for i in range(r.randrange(2, 10))]
        rank += [k] * len(here)
        r.shuffle(here)
        i = j = 0
        while i < len(last) and j < len(here):
            if r.random() < 0.8:
                links.append((last[i], here[j]))
            i, j = (i + 1, j) if r.random() < 0.5 else (i, j + 1)
        last = here
    return rank, links


def test_hidden_orders_without_crossings_are_found_or_nearly():
    left = 0
    for seed in range(30):
        rank, links = hidden(seed)
        n = len(rank)
        left += crossed(rank, links, ordered(rank, links, Frames([], [-1] * n, 0.0), n, [0] * n))
    assert left < 25  # in all; with one beginning 37


def test_the_fewest_crossings_are_those_of_the_best_of_all_orders():
    r = random.Random(0)
    for trial in range(20):
        rank = [0] * 4 + [1] * 4 + [2] * 3
        links = sorted(
            {(a, b) for a in range(8) for b in range(11) if rank[b] == rank[a] + 1 and r.random() < 0.5}
        )
        home = [r.choice((-1, -1, 0, 1)) if trial % 2 else -1 for _ in rank]
        frames = Frames([None, 0], home, 0.0)
        orders = product(permutations(range(4)), permutations(range(4, 8)), permutations(range(8, 11)))
        allowed = (order for order in orders if together(order, frames))
        assert fewest(rank, links, frames)[0] == min(crossed(rank, links, order) for order in allowed)


def together(order, frames):
    """Whether each frame's vertices stand side by side."""
    places = [[k for k, v in enumerate(level) if v in vs] for vs in frames.members for level in order]
    return all(at == list(range(at[0], at[0] + len(at))) for at in places if at)


def test_an_order_without_crossings_is_found_where_there_is_one():
    for seed in range(30):
        r = random.Random(seed)
        n = 30
        edges = [Edge(r.randrange(max(0, (i - 1) // 3), i), i) for i in range(1, n)]  # a tree has no crossing
        picture = Picture("", [Node(i, str(i)) for i in range(n)], edges, direction="down")
        assert seen(arranged(picture)) == 0, seed


def test_counting_crossings_agrees_with_trying_all_pairs():
    r = random.Random(0)
    for _ in range(50):
        top, bottom = list(range(8)), list(range(8, 16))
        down = [[r.choice(bottom) for _ in range(r.randrange(4))] for _ in top] + [[] for _ in bottom]
        position = [0.0] * 16
        for level in (top, bottom):
            for k, v in enumerate(r.sample(level, 8)):
                position[v] = k - 3.5
        top.sort(key=position.__getitem__)
        links = [(a, b) for a in top for b in down[a]]
        plain = sum(
            (position[a] - position[c]) * (position[b] - position[d]) < 0
            for i, (a, b) in enumerate(links)
            for c, d in links[:i]
        )
        assert crossings([top, bottom], down, position) == plain
