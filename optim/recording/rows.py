"""Rows of one shape and dtype, numbered from 0, in memory-mapped .npy files that are allocated before they
are filled.

A row is one copy, and what is copied belongs to the system: it outlives the process, killed or not. Which
rows are complete is not known here. Each file is called by the number of its first row, and a file hides the
rows of those before it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

__all__ = ["RowReader", "RowWriter", "drop_rows"]

SMALLEST, LARGEST = 1 << 16, 1 << 23  # bytes of a file; each one is four times as large as that before
PIECE = 1 << 18  # bytes that are written at once
POPULATE_WRITE = 23  # Linux's MADV_POPULATE_WRITE, which `mmap` has no name for


class RowWriter:
    """Rows to be filled, in order: row i is that of the last call or the next one."""

    def __init__(self, folder: Path, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._folder, self._name, self._shape, self._dtype = folder, name, shape, np.dtype(dtype)
        self.row_bytes = int(np.prod(shape)) * self._dtype.itemsize
        self._bytes = SMALLEST
        self._first = self._end = -1
        self._rows: NDArray[Any] = np.empty((0, *shape), dtype)

    def row(self, i: int) -> NDArray[Any]:
        """Row i, all zeros at first."""
        if not self._first <= i < self._end:
            self._make(i)
        found: NDArray[Any] = self._rows[i - self._first]
        return found

    def put(self, i: int, values: NDArray[Any]) -> None:
        """Fill row i."""
        if not self._first <= i < self._end:
            self._make(i)
        self._rows[i - self._first] = values

    def place(self, i: int) -> tuple[memoryview, int]:
        """The memory that holds row i, and the byte where it begins: `struct` writes numbers there one after
        the other, which takes a third of the time of items of a row."""
        if not self._first <= i < self._end:
            self._make(i)
        return self._memory, (i - self._first) * self.row_bytes

    def _make(self, first: int) -> None:
        n = max(1, self._bytes // max(self.row_bytes, 1))
        self._bytes = min(4 * self._bytes, LARGEST)
        path = _path(self._folder, self._name, first)
        part = path.with_suffix(".part")  # a file that has its name is whole
        rows = open_memmap(part, "w+", self._dtype, (n, *self._shape))
        _fill(part, rows.offset)
        _populate(rows)
        os.replace(part, path)
        self._first, self._end = first, first + n
        self._rows = rows.view(np.ndarray)  # whose items are found more quickly
        self._memory = self._rows.reshape(-1).view(np.uint8).data


class RowReader:
    """Reads rows. A file that is being written to may be read at the same time."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files: dict[int, NDArray[Any]] = {}

    def forget(self) -> None:
        """Files were removed."""
        self._files.clear()

    def row(self, i: int) -> NDArray[Any]:
        found = self.find(i)
        assert found is not None
        return found

    def find(self, i: int) -> NDArray[Any] | None:
        """Row i, or None if no file has it."""
        firsts = _firsts(self._folder, self._name)
        at = bisect_right(firsts, i) - 1
        if at < 0 or i - firsts[at] >= len(rows := self._file(firsts[at])):
            return None
        found: NDArray[Any] = rows[i - firsts[at]]
        return found

    def stretches(self, start: int) -> Iterator[NDArray[Any]]:
        """The rows from `start` on, file by file, with those that are allocated only."""
        firsts = _firsts(self._folder, self._name)
        for first, end in zip(firsts, [*firsts, None][1:], strict=True):
            rows = self._file(first) if end is None or end > start else None
            if rows is not None and first + len(rows) > start:
                yield rows[max(start - first, 0) : None if end is None else end - first]

    def _file(self, first: int) -> NDArray[Any]:
        if first not in self._files:
            rows = np.load(_path(self._folder, self._name, first), mmap_mode="r")
            self._files[first] = rows.view(np.ndarray)
        return self._files[first]


def _fill(path: Path, start: int) -> None:
    """Write zeros from this byte on. A full disk is an error here, and no crash at a later copy; and a page
    that is first written by a copy into memory costs the system seven times as much as one written so."""
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        zeros = bytes(min(PIECE, size))
        file.seek(start)
        for end in range(PIECE, size + PIECE, PIECE):
            start += file.write(zeros[: min(end, size) - start])


def _populate(rows: np.memmap[Any, Any]) -> None:
    """Let the system enter all pages into its table at once, where it can: one by one, as rows are copied,
    they take a fifth of the time of a row of 26 kB."""
    memory = rows.base
    with suppress(AttributeError, OSError):  # other systems; a Linux before 5.14
        memory.madvise(POPULATE_WRITE)  # type: ignore[union-attr]


def drop_rows(folder: Path, name: str, kept: int) -> None:
    """Keep the first `kept` rows: remove the files that begin later, and fill the rest of theirs with 0."""
    for first in _firsts(folder, name):
        path = _path(folder, name, first)
        if first >= kept:
            path.unlink()
        else:
            np.load(path, mmap_mode="r+")[kept - first :] = 0


def _path(folder: Path, name: str, first: int) -> Path:
    return folder / f"{name}-{first:09d}.npy"


def _firsts(folder: Path, name: str) -> list[int]:
    return sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob(f"{name}-*.npy"))
