"""Files being written: hidden until they are whole, and cleared away after a kill.

A file is made under a hidden name beside its place, ``.TARGET-TOKEN.partial.tif``, where ``TARGET``
stands for the name that it will get. Its writer holds a lock on it for as long as it lives; the
system lets go of the lock when the writer dies, in whatever way. The next writer of the same target
removes what no one holds any more.
"""

from __future__ import annotations

import contextlib
import fcntl
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
    """Make an empty hidden file beside a target, and remove it in the end.

    What killed writers of the same target left behind is removed first.

    Parameters
    ----------
    path : Path
        Where the file shall be in the end; see `place`.

    Yields
    ------
    Path
        With the suffix of ``path``.

    Raises
    ------
    OSError
        If no file can be made there.
    """
    _clear_abandoned(path)
    partial, descriptor = _make(path)
    try:
        yield partial
    finally:
        # while it is still locked: later, another writer may have removed it
        partial.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def place(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Flush a file to the disk, give it its name, and flush the name.

    Parameters
    ----------
    partial : Path
        Of `partial_file`.
    path : Path
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    WriteError
        If a file is there and may not be replaced.
    OSError
        If the disk fails.
    """
    with partial.open("r+b") as stream:
        os.fsync(stream.fileno())
    if overwrite:
        partial.replace(path)
    else:
        _link(partial, path)
    # not every disk can flush a folder, and the file is there
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _link(partial: Path, path: Path) -> None:
    """Give the file its name unless another took it meanwhile."""
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise WriteError(f"{path}: exists already; give --overwrite or another name") from error
    except OSError:
        # no links on this disk
        partial.replace(path)


def _start(path: Path) -> str:
    """How partial files of a target are named: short, for its own name may be the longest."""
    return f".{sha256(os.fsencode(path.name)).hexdigest()[:8]}-"


def _make(path: Path) -> tuple[Path, int | None]:
    """A new file, and the descriptor that holds its lock, or None where there are no locks."""
    while True:
        partial = path.with_name(f"{_start(path)}{secrets.token_hex(4)}.partial{path.suffix}")
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        if sys.platform == "win32":
            # an open file could not be renamed there
            os.close(descriptor)
            return partial, None
        # another writer may have taken it for abandoned before it was locked
        if _lock(descriptor) is not False and partial.exists():
            return partial, descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Lock an open file for as long as it is open: whether it could be; None: no locks here."""
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
    """Remove partial files of a target whose writers are dead; where that cannot be told, none."""
    for partial in path.parent.glob(f"{_start(path)}*.partial{escape(path.suffix)}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(partial, os.O_RDWR)
            try:
                if _lock(descriptor):
                    partial.unlink()
            finally:
                os.close(descriptor)
