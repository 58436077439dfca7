"""The weights of a model in a file: our own format, and two that other programs read, by the suffix of the
path.

    .npz            NumPy's archive, one array for each name
    .safetensors    the format of the model hubs, by the package `safetensors`, which is optional
    others          a tree of `models.files`, whose digest finds every damage

A file is read by what is in it, so one of our own format may have any name.
"""

from __future__ import annotations

import importlib
import io
import os
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.extend import write_whole
from models.files import FileError, is_tree, load_tree, save_tree

__all__ = ["read_weights", "write_weights"]

MISSING = (
    '{} needs the package safetensors: in a checkout, pip install -e ".[weights]", elsewhere pip install '
    "safetensors. A path that ends in .npz needs no package."
)


def write_weights(path: str | PathLike[str], state: Mapping[str, Any], call: str) -> None:
    """Write arrays by name, whole or not at all."""
    suffix = Path(path).suffix.lower()
    arrays = {name: np.asarray(array, order="C") for name, array in state.items()}
    if suffix == ".safetensors":
        library = _safetensors(call)
        try:
            body = library.save(arrays)
        except Exception as error:
            kinds = sorted({str(array.dtype) for array in arrays.values()})
            raise TypeError(f"{call}: safetensors cannot hold {', '.join(kinds)} ({error}).") from error
        write_whole(call, path, bytes(body))
    elif suffix == ".npz":
        write_whole(call, path, _npz(arrays))
    else:
        save_tree(path, {"parameters": state}, call)


def read_weights(path: str | PathLike[str], call: str) -> Any:
    """The arrays by name.

    Raises:
        FileError: the file is damaged or of a kind that is not known.
    """
    raw, suffix = Path(path).read_bytes(), Path(path).suffix.lower()
    if is_tree(raw) or suffix not in (".npz", ".safetensors"):
        tree = load_tree(path)
        return tree["parameters"] if isinstance(tree, dict) and "parameters" in tree else tree
    if suffix == ".npz":
        read: Any = _of_npz
    else:
        read = _safetensors(call).load
    try:
        return read(raw)
    except Exception as error:  # the libraries raise many kinds, some of them their own
        raise FileError(
            f"{call}: {os.fspath(path)!r} is truncated, damaged, or no {suffix} file of arrays ({error})."
        ) from error


def _safetensors(call: str) -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise ImportError(MISSING.format(call)) from error


def _npz(arrays: Mapping[str, Any]) -> bytes:
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_STORED) as archive:  # np.savez takes no array called "file"
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return blob.getvalue()


def _of_npz(raw: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        return dict(archive)
