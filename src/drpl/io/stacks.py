"""Stacks whose frames are read one at a time, from memory or from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from drpl.core.frames import Frame, Metadata, Pixels, check_alike, check_count, check_frame
from drpl.io.read import read_frame, read_header


class Stack(Protocol):
    """Frames that are read one at a time, as often as needed."""

    @property
    def names(self) -> Sequence[str]:
        """What messages call the frames."""
        ...

    @property
    def like(self) -> Pixels:
        """A frame, or a stand-in of its shape and dtype."""
        ...

    @property
    def borrowed(self) -> bool:
        """Whether arrays stay the property of somebody else, who wants them unchanged."""
        ...

    @property
    def metadata(self) -> Mapping[int, Metadata]:
        """What files of frames that were read say besides pixels, by number."""
        ...

    def read(self, number: int) -> Pixels:
        """Pixels of a frame."""
        ...


@dataclass(frozen=True)
class ArrayStack:
    """Frames in memory."""

    sources: Sequence[Pixels]
    names: Sequence[str]
    borrowed: bool = True

    @property
    def like(self) -> Pixels:
        """See `Stack`."""
        return self.sources[0]

    @property
    def metadata(self) -> Mapping[int, Metadata]:
        """See `Stack`."""
        return {}

    def read(self, number: int) -> Pixels:
        """See `Stack`."""
        return self.sources[number]


class FileStack:
    """Frames in files, checked by their headers to be alike.

    Parameters
    ----------
    paths : sequence of Path

    Raises
    ------
    StackError, ReadError
        If there are fewer than two, they differ, or one is not an image.
    """

    borrowed = False

    def __init__(self, paths: Sequence[Path], *, max_pixels: int) -> None:
        check_count(len(paths))
        self.paths = list(paths)
        self.names = [str(path) for path in paths]
        self.metadata: dict[int, Metadata] = {}
        self.notes: dict[int, tuple[str, ...]] = {}
        self._max_pixels = max_pixels
        headers = [read_header(path, max_pixels=max_pixels) for path in self.paths]
        self.like = headers[0]
        for name, header in zip(self.names, headers, strict=True):
            check_alike(self.like, header, (self.names[0], name))

    def read(self, number: int) -> Pixels:
        """See `Stack`."""
        frame: Frame = read_frame(self.paths[number], max_pixels=self._max_pixels)
        check_frame(frame.pixels, frame.name)
        check_alike(self.like, frame.pixels, (self.names[0], frame.name))
        self.metadata[number], self.notes[number] = frame.metadata, frame.notes
        return np.ascontiguousarray(frame.pixels)
