"""The results of the last runs: small JSON files in `results/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def load(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}  # type: ignore[no-any-return]


def save(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def change(now: float, before: float | None) -> str:
    """The change since the last stored run, such as "+3%"; "" if there is none."""
    return "" if not before else f"{100 * (now / before - 1):+.0f}%"
