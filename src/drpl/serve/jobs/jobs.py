"""What a job is: frames that were given, how they are to be fused, what became of them."""

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
WAITING = ("queued", "running")
ENDED = ("done", "failed", "cancelled")
LONGEST_NAME = 150
"""Bytes of a file name."""
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
"""Names that Windows keeps for devices."""


@dataclass(frozen=True)
class Frame:
    """A frame of a job.

    Attributes
    ----------
    n : int
        Its number in the job; not used again when it is removed.
    name : str
        Safe, and the name of its file.
    width, height : int
        Pixels, upright.
    bytes : int
    dtype : str
    channels : int
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
    """How far a job is that runs.

    Attributes
    ----------
    stage : str
    done, of : int
    eta_s : float or None
        Seconds left, as far as that can be told.
    """

    stage: str
    done: int
    of: int
    eta_s: float | None = None


@dataclass
class Job:
    """A stack that is to be fused; all but ``frames`` and ``progress`` is one row of the journal.

    Attributes
    ----------
    id : str
        Random.
    name : str
    created, queued, ended : float
        Seconds since 1970; 0 where it has not come to that.
    begun : int
        How often it was begun without coming to an end.
    state : str
    order : list of int
        Numbers of the frames to fuse.
    reference : int or None
        Number of a frame.
    preset : str or None
    options : dict
        As they were given.
    error : str or None
    width, height : int
        Of the result, 0 before there is one.
    retouched : bool
    linked : bool
        Whether the frames belong to the operator's folder, and take no room in the store.
    held : int
        Bytes of the results.
    numbered : int
        Frames that it ever had.
    uploaded : int
        Bytes of its frames.
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
        """What the journal keeps of it, besides its frames."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)[:-2]}

    @property
    def bytes(self) -> int:
        """Room that it takes in the store."""
        return self.held + (0 if self.linked else self.uploaded)

    def next_frame(self) -> int:
        """A number that no frame of it has or had."""
        self.numbered += 1
        return self.numbered - 1

    def view(self, place: int | None, *, short: bool = False) -> dict[str, Any]:
        """What a client is shown.

        Parameters
        ----------
        place : int or None
            In the queue, from 1.
        short : bool
            Without the frames, for lists.
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
    """The last part of a client's file name, as every file system takes it."""
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
    """A name that differs from others, also where capitals do not count."""
    known = {other.casefold() for other in taken}
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    found, count = name, 1
    while found.casefold() in known:
        count += 1
        found = f"{stem}-{count}{suffix}"
    return found
