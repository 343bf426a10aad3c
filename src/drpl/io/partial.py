"""Partial files: hidden while they are written, and removed if their writer was killed.

A file is written beside its target as ``.TARGET-TOKEN.partial.tif``, where ``TARGET`` is a hash of
the target's name. The writer locks the partial file; the operating system releases the lock when
the writer ends, however it ends. The next writer of the same target removes unlocked partial files.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from glob import escape
from hashlib import sha256
from pathlib import Path

from drpl.errors import WriteError

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Create an empty hidden file beside a target, and remove it on exit.

    Partial files that killed writers of the same target left behind are removed first.

    Parameters
    ----------
    path : Path
        Target that the file will be moved to; see `place`.

    Yields
    ------
    Path
        Partial file, with the suffix of ``path``.

    Raises
    ------
    OSError
        If no file can be created beside the target.
    """
    _clear_abandoned(path)
    partial, descriptor = _create(path)
    try:
        yield partial
    finally:
        # unlink before unlocking: an unlocked file may be removed by another writer
        partial.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def place(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Flush a partial file to disk, rename it to its target, and flush the folder.

    Parameters
    ----------
    partial : Path
        File from `partial_file`.
    path : Path
        Target of the same suffix in the same folder.
    overwrite : bool
        True if an existing target may be replaced.

    Raises
    ------
    WriteError
        If the target exists and may not be replaced.
    OSError
        If the disk fails.
    """
    with partial.open("r+b") as stream:
        os.fsync(stream.fileno())
    if overwrite:
        partial.replace(path)
    else:
        _link(partial, path)
    # the file is in place, and some file systems cannot flush a folder
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _link(partial: Path, path: Path) -> None:
    """Rename a partial file to its target, unless the target exists by now."""
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise WriteError(f"{path}: exists already; give --overwrite or another name") from error
    except OSError:
        # the file system has no hard links
        partial.replace(path)


def _prefix(path: Path) -> str:
    """Return the start of a target's partial names; short, as the target's may be the longest."""
    return f".{sha256(os.fsencode(path.name)).hexdigest()[:8]}-"


def _create(path: Path) -> tuple[Path, int | None]:
    """Create a partial file; return it and the descriptor that holds its lock, None on Windows."""
    while True:
        partial = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}.partial{path.suffix}")
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        if sys.platform == "win32":
            # Windows cannot rename an open file
            os.close(descriptor)
            return partial, None
        # another writer may have removed the file as abandoned before it was locked
        if _lock(descriptor) is not False and partial.exists():
            return partial, descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Lock a file until it is closed; False if another holds the lock, None without locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _clear_abandoned(path: Path) -> None:
    """Remove a target's partial files whose writers are gone; none where files have no locks."""
    for partial in path.parent.glob(f"{_prefix(path)}*.partial{escape(path.suffix)}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(partial, os.O_RDWR)
            try:
                if _lock(descriptor):
                    partial.unlink()
            finally:
                os.close(descriptor)
