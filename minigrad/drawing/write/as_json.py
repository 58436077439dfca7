"""A picture as plain JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from minigrad.drawing.picture import Cluster, Edge, Node, Picture, Visit

__all__ = ["from_dict", "to_dict"]

FORMAT = 1


def to_dict(picture: Picture) -> dict[str, Any]:
    """Nested dicts, lists, texts and numbers. Fields of nodes that have their default value are left out.

    >>> from_dict(to_dict(Picture("a", [Node(0, "x")]))) == Picture("a", [Node(0, "x")])
    True
    """
    blank = asdict(Node(0, ""))
    nodes = [_filled(asdict(n), blank) for n in picture.nodes]
    return {
        "format": FORMAT,
        "title": picture.title,
        "total": picture.total,
        "direction": picture.direction,
        "show": list(picture.show),
        "notes": list(picture.notes),
        "nodes": nodes,
        "edges": [[e.source, e.target, e.label, e.position] for e in picture.edges],
        "clusters": [
            {"label": c.label, "parent": c.parent, "nodes": list(c.nodes)} for c in picture.clusters
        ],
        "visits": [_visit(v) for v in picture.visits],
    }


def from_dict(data: Mapping[str, Any]) -> Picture:
    """The Picture of which `to_dict` made this data.

    Raises:
        ValueError: the data is of another format.
    """
    if data.get("format") != FORMAT:
        raise ValueError(f"a picture of format {FORMAT} is needed, got {data.get('format')!r}.")
    return Picture(
        title=data["title"],
        nodes=[_node(n) for n in data["nodes"]],
        edges=[Edge(*e) for e in data["edges"]],
        clusters=[Cluster(c["label"], c["parent"], tuple(c["nodes"])) for c in data["clusters"]],
        visits=[
            Visit(v["node"], v["gradient"], _tuples(v["arrivals"]), _tuples(v.get("within", ())))
            for v in data["visits"]
        ],
        notes=list(data["notes"]),
        show=tuple(data["show"]),
        direction=data["direction"],
        total=data["total"],
    )


def _visit(v: Visit) -> dict[str, Any]:
    fields = {"node": v.node, "gradient": v.gradient, "arrivals": [list(a) for a in v.arrivals]}
    return fields | ({"within": [list(w) for w in v.within]} if v.within else {})


def _tuples(rows: Any) -> Any:
    return tuple(tuple(row) for row in rows)


def _filled(fields: Mapping[str, Any], blank: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: _plain(v) for k, v in fields.items() if k in ("id", "label") or v != blank[k]}
    if "held" in kept:
        kept["held"] = [_filled(leaf, blank) for leaf in kept["held"]]
    return kept


def _node(fields: Mapping[str, Any]) -> Node:
    tuples = ("shape", "arguments", "members", "stated")
    plain: dict[str, Any] = {k: tuple(v) if k in tuples else v for k, v in fields.items() if k != "held"}
    return Node(**plain, held=tuple(map(_node, fields.get("held", ()))))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
