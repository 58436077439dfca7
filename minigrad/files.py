"""Files that appear under their name only when they are complete: pictures, pages, tables, weights."""

from __future__ import annotations

import os
import shutil
import uuid
from os import PathLike
from pathlib import Path

__all__ = ["require_folder", "require_writable", "write_whole"]


def require_folder(call: str, folder: Path) -> None:
    """Make a folder, with those above it, unless it exists; ValueError where none can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"`{call}` must be a folder to write into, got {str(folder)!r} ({error.strerror}). Give another "
            "one."
        ) from None


def require_writable(call: str, path: str | PathLike[str]) -> Path:
    """The file that a path leads to; an OSError names the call if `write_whole` could not write there."""
    target = Path(os.path.realpath(path))
    said = f"`{call}`: {os.fspath(path)!r} cannot be written:"
    if not os.path.isdir(target.parent):
        raise FileNotFoundError(f"{said} there is no folder {target.parent}. Make it first.")
    if os.path.exists(target) and not os.path.isfile(target):  # a rename would replace a device by the file
        raise OSError(
            f"{said} it is a directory or device, not a file that can be replaced. Give the name of a file."
        )
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"{said} there is no right to write to {target.parent}. Give another folder.")
    return target


def write_whole(call: str, path: str | PathLike[str], body: bytes) -> None:
    """Write a file that appears under its name only when it is complete and on disk.

    Until then an older file of that name stays as it was. Links are followed, and the new file gets the
    permissions of the one it replaces.

    Raises:
        OSError: as `require_writable`, or the disk is full, or the name is too long.
    """
    target = require_writable(call, path)
    temporary = target.with_name(f".{uuid.uuid4().hex[:8]}.part")
    try:
        with temporary.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(
                f"`{call}`: {os.fspath(path)!r} cannot be written: {error.strerror or error}. Free space, or "
                "give another name."
            ) from error
        raise
