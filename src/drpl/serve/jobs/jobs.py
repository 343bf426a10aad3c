"""Jobs: the frames to fuse, how to fuse them, and the outcome; safe file names."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Literal

State = Literal["draft", "queued", "running", "done", "failed", "cancelled"]
JOB_ID = r"[0-9a-f]{32}"
"""Pattern of the id of a job."""
PENDING = ("queued", "running")
"""States of a job that was started and has not ended."""
ENDED = ("done", "failed", "cancelled")
"""States of a job that has ended."""
LONGEST_NAME = 150
"""Most bytes in a file name."""
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
"""Names that Windows reserves for devices."""


@dataclass(frozen=True)
class Frame:
    """Frame of a job.

    Attributes
    ----------
    n : int
        Number in the job; never used again, even if the frame is removed.
    name : str
        Name of its file; see `safe_name`.
    width, height : int
        Size in pixels, upright.
    bytes : int
        Size of the file.
    dtype : str
        Sample type: ``"uint8"``, ``"uint16"`` or ``"float32"``.
    channels : int
        Number of channels, with transparency.
    """

    n: int
    name: str
    width: int
    height: int
    bytes: int
    dtype: str
    channels: int


@dataclass
class Progress:
    """Progress of a running job.

    Attributes
    ----------
    stage : str
        Stage of the work, such as ``"fuse"``.
    done, of : int
        Number of steps done in this stage, and their total.
    eta_s : float or None
        Estimated seconds until the last frame is fused; None if unknown.
    """

    stage: str
    done: int
    of: int
    eta_s: float | None = None


@dataclass
class Job:
    """Stack to fuse; every field but ``frames`` and ``progress`` is kept in one row of the journal.

    Attributes
    ----------
    id : str
        Random id; see `JOB_ID`.
    name : str
        Name to show.
    created, queued, ended : float
        Times in seconds since 1970; 0 if not reached yet.
    begun : int
        Number of runs since the job was last queued by a client.
    state : State
    order : list of int
        Numbers of the frames to fuse, in the order of the stack.
    reference : int or None
        Number of the reference frame; None to choose it by focus.
    preset : str or None
        One of `drpl.core.options.PRESETS`.
    options : dict
        Options that the client chose, by field of `drpl.core.options.FusionOptions`.
    error : str or None
        Reason of a failure.
    width, height : int
        Size of the result in pixels; 0 before there is one.
    retouched : bool
        True if strokes are painted over the result.
    linked : bool
        True if the frames are files of the operator's folder, which take no room in the store.
    held : int
        Bytes of the result.
    numbered : int
        Number of frames that the job ever had.
    uploaded : int
        Bytes of the frames.
    frames : dict of int to Frame
        Frames by number.
    progress : Progress or None
        Progress while the job runs.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    name: str = ""
    created: float = field(default_factory=time.time)
    queued: float = 0.0
    ended: float = 0.0
    begun: int = 0
    state: State = "draft"
    order: list[int] = field(default_factory=list)
    reference: int | None = None
    preset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    width: int = 0
    height: int = 0
    retouched: bool = False
    linked: bool = False
    held: int = 0
    numbered: int = 0
    uploaded: int = 0
    frames: dict[int, Frame] = field(default_factory=dict)
    progress: Progress | None = None

    def row(self) -> dict[str, Any]:
        """Return the fields that the journal keeps."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)[:-2]}

    @property
    def bytes(self) -> int:
        """Bytes that the job takes in the store."""
        return self.held + (0 if self.linked else self.uploaded)

    def next_frame(self) -> int:
        """Return a number that no frame of the job has or had."""
        self.numbered += 1
        return self.numbered - 1

    def view(self, place: int | None, *, short: bool = False) -> dict[str, Any]:
        """Return the JSON object that clients receive.

        Parameters
        ----------
        place : int or None
            Place in the queue, from 1; None if the job is not queued.
        short : bool
            True to leave out frames and order, for lists.
        """
        names = "id name state created reference preset options error width height retouched"
        return {
            **{name: getattr(self, name) for name in names.split()},
            "frames": [] if short else [asdict(frame) for frame in self.frames.values()],
            "count": len(self.frames),
            "first_frame": next(iter(self.frames), None),
            "order": [] if short else self.order,
            "progress": asdict(self.progress) if self.progress is not None else None,
            "place": place,
        }


def safe_name(name: str) -> str:
    """Return the last part of a client's file name, made valid for every file system."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    name = re.sub(r'[<>:"|?*]', "_", name).lstrip(". ").rstrip(". ")
    name = name or "frame"
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix[:20].rstrip()
    if stem.split(".")[0].casefold() in RESERVED:
        stem = f"_{stem}"
    room = LONGEST_NAME - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + suffix


def free_name(name: str, taken: set[str]) -> str:
    """Return a name that differs from all others, even if case is ignored."""
    known = {other.casefold() for other in taken}
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    found, count = name, 1
    while found.casefold() in known:
        count += 1
        found = f"{stem}-{count}{suffix}"
    return found
