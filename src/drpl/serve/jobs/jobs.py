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
    """Frame of a job."""

    n: int  # number in the job; never used again, even if the frame is removed
    name: str  # of its file; see `safe_name`
    width: int  # in pixels, upright
    height: int
    bytes: int  # size of the file
    dtype: str  # "uint8", "uint16" or "float32"
    channels: int  # with transparency


@dataclass
class Progress:
    """Progress of a running job."""

    stage: str  # of the work, such as "fuse"
    done: int  # steps in this stage
    of: int  # their total
    eta_s: float | None = None  # estimated seconds until the last frame is fused; None if unknown


@dataclass
class Job:
    """Stack to fuse; one row of the journal keeps all fields but ``frames`` and ``progress``."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    name: str = ""  # to show
    created: float = field(default_factory=time.time)  # in seconds since 1970, like the next two
    queued: float = 0.0  # 0 if not reached yet
    ended: float = 0.0
    begun: int = 0  # runs since a client last queued the job
    state: State = "draft"
    order: list[int] = field(default_factory=list)  # frames to fuse, in the order of the stack
    reference: int | None = None  # frame; None to choose it by focus
    preset: str | None = None  # one of `drpl.core.options.PRESETS`
    options: dict[str, Any] = field(default_factory=dict)  # chosen by the client
    error: str | None = None  # reason of a failure
    width: int = 0  # of the result, in pixels; 0 before there is one
    height: int = 0
    retouched: bool = False  # strokes are painted over the result
    linked: bool = False  # frames are files of the operator, which take no room in the store
    held: int = 0  # bytes of the result
    numbered: int = 0  # frames that the job ever had
    uploaded: int = 0  # bytes of the frames
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

        ``place`` is the place in the queue, from 1; None if the job is not queued. A short object,
        for lists, lacks frames and order.
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
