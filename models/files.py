"""Trees of arrays, numbers and texts in one file: a zip of .npy arrays and a JSON text, whole or not at all.

The files contain no pickle, so reading one never runs code that its author put there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.extend import write_whole

__all__ = ["FileError", "is_tree", "load_tree", "save_tree"]

_FORMAT = "minigrad-tree-1"


class FileError(ValueError):
    """A file is truncated, damaged, or was not written by `save_tree`."""


def save_tree(path: str | PathLike[str], tree: Any, call: str = "save_tree(path, tree)") -> None:
    """Write nested dicts and lists of arrays, numbers, texts, bools and None.

    The file appears under its name only when it is complete and on disk; until then an older file of that
    name stays as it was. Links are followed, and the new file gets the permissions of the one it replaces.

    Raises:
        TypeError: the tree holds something else, or a dict key that is not a text; nothing is written.
        OSError: the path is a directory or device, or its folder cannot be written to.
    """
    arrays: list[Any] = []
    text = json.dumps({"format": _FORMAT, "tree": _plain(tree, arrays, "tree")})
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("tree.json", text)
        for i, array in enumerate(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(f"{i}.npy", buffer.getvalue())
    body = blob.getvalue()
    # A file that was cut or changed at any byte no longer matches the digest at its end.
    write_whole(call, path, body + hashlib.sha256(body).digest())


def is_tree(raw: bytes) -> bool:
    """Whether the bytes of a file are those of a tree, undamaged."""
    return hashlib.sha256(raw[:-32]).digest() == raw[-32:]


def load_tree(path: str | PathLike[str]) -> Any:
    """Read what `save_tree` wrote.

    Raises:
        FileError: the file is truncated, damaged or of another kind. A missing file is a FileNotFoundError.
    """
    raw = Path(path).read_bytes()
    if not is_tree(raw):
        raise FileError(
            f"{os.fspath(path)!r} is truncated, damaged, or was not written by minigrad ({len(raw)} bytes)."
        )
    with zipfile.ZipFile(io.BytesIO(raw[:-32])) as archive:
        content = json.loads(archive.read("tree.json"))
        if content.get("format") != _FORMAT:
            raise FileError(
                f"{os.fspath(path)!r} has format {content.get('format')!r}, this version reads {_FORMAT!r}."
            )

        def array(i: int) -> Any:
            return np.lib.format.read_array(io.BytesIO(archive.read(f"{i}.npy")), allow_pickle=False)

        return _rich(content["tree"], array)


def _plain(x: Any, arrays: list[Any], path: str) -> Any:
    if isinstance(x, dict):
        for key in x:
            if not isinstance(key, str):
                raise TypeError(f"save_tree: dict keys must be texts, got {key!r} at {path}.")
        return {"dict": {key: _plain(value, arrays, f"{path}[{key!r}]") for key, value in x.items()}}
    if isinstance(x, list | tuple):
        return {"list": [_plain(value, arrays, f"{path}[{i}]") for i, value in enumerate(x)]}
    if isinstance(x, np.ndarray | np.generic):
        if x.dtype.hasobject:
            raise TypeError(f"save_tree: an array of Python objects cannot be saved, at {path}.")
        arrays.append(np.asarray(x))
        return {"array": len(arrays) - 1}
    if x is None or isinstance(x, bool | int | float | str):
        return x
    raise TypeError(
        f"save_tree: {type(x).__name__} cannot be saved, at {path}; use arrays, numbers, texts, lists and "
        "dicts."
    )


def _rich(x: Any, array: Any) -> Any:
    if not isinstance(x, dict):
        return x
    ((kind, content),) = x.items()
    if kind == "dict":
        return {key: _rich(value, array) for key, value in content.items()}
    return [_rich(value, array) for value in content] if kind == "list" else array(content)
