"""Focal stacks whose frames are read one at a time, from memory or from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from drpl.core.frames import (
    Frame,
    Metadata,
    Pixels,
    beyond_white,
    check_alike,
    check_count,
    check_frame,
    full_scale,
)
from drpl.core.options import MAX_PIXELS
from drpl.io.formats import DECODERS
from drpl.io.pages import Source, find_pages
from drpl.io.profiles import profile_notice
from drpl.io.read import read_frame, read_header


class Stack(Protocol):
    """Focal stack whose frames can be read one at a time, in any order and repeatedly."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the frames in messages."""
        ...

    @property
    def like(self) -> Pixels:
        """Array with the shape and dtype of every frame; its values have no meaning."""
        ...

    @property
    def borrowed(self) -> bool:
        """True if the caller owns the arrays that `read` returns; they must not be changed."""
        ...

    @property
    def metadata(self) -> Mapping[int, Metadata]:
        """Metadata of the files read so far, by frame number."""
        ...

    @property
    def ranges(self) -> Mapping[int, tuple[float, float]]:
        """Lowest and highest value of the frames read so far, by frame number."""
        ...

    @property
    def decoder_bytes(self) -> float:
        """Memory that decoding a frame takes besides its pixels, in bytes per pixel."""
        ...

    def read(self, number: int) -> Pixels:
        """Return the pixels of a frame, shape (H, W) or (H, W, C), uint8, uint16 or float32."""
        ...


@dataclass(frozen=True)
class ArrayStack:
    """Focal stack in memory.

    Attributes
    ----------
    sources : sequence of ndarray
        Frames, alike in shape and dtype; not checked here.
    names : sequence of str
        Names of the frames in messages.
    borrowed : bool
        True if the caller owns the arrays, which must not be changed.
    decoder_bytes : float
        See `Stack`; nothing is decoded.
    """

    sources: Sequence[Pixels]
    names: Sequence[str]
    borrowed: bool = True
    decoder_bytes: float = 0.0

    @property
    def like(self) -> Pixels:
        """See `Stack`."""
        return self.sources[0]

    @property
    def metadata(self) -> Mapping[int, Metadata]:
        """See `Stack`."""
        return {}

    @cached_property
    def ranges(self) -> Mapping[int, tuple[float, float]]:
        """See `Stack`."""
        return {number: _range(pixels) for number, pixels in enumerate(self.sources)}

    def read(self, number: int) -> Pixels:
        """See `Stack`."""
        return self.sources[number]


class FileStack:
    """Focal stack in files; construction checks by their headers that the frames are alike.

    Parameters
    ----------
    paths : sequence of Path
        Files of a frame each, or TIFF files whose pages are frames.
    max_pixels : int
        Most pixels in a file; larger files are refused before they are decoded.
    checked : bool
        True if the frames are known to be alike, as those of a finished result; none is checked.

    Attributes
    ----------
    sources : list of Source
        File, and page of it, of each frame.
    metadata : dict of int to Metadata
        Metadata of the files read so far, by frame number.
    ranges : dict of int to pair of float
        Lowest and highest value of the files read so far, by frame number.
    notes : dict of int to tuple of str
        Conversions of the files read so far, by frame number; see `drpl.core.frames.Frame`.

    Raises
    ------
    StackError
        If there are fewer than two files, or they differ in size, channels or sample type.
    ReadError, BackendUnavailable
        If a file cannot be read; see `drpl.io.read.read_header`.
    """

    borrowed = False

    def __init__(
        self, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS, checked: bool = False
    ) -> None:
        self.sources = [
            source for path in paths for source in ([Source(path)] if checked else find_pages(path))
        ]
        self.names = [str(source) for source in self.sources]
        self.metadata: dict[int, Metadata] = {}
        self.notes: dict[int, tuple[str, ...]] = {}
        self.ranges: dict[int, tuple[float, float]] = {}
        self._max_pixels = max_pixels
        self._checked = checked
        if not checked:
            check_count(len(self.sources))
            for source in self.sources[1:]:
                check_alike(self.like, self._header(source), (self.names[0], str(source)))

    @property
    def paths(self) -> list[Path]:
        """Files of the frames, each once."""
        return list(dict.fromkeys(source.path for source in self.sources))

    @property
    def decoder_bytes(self) -> float:
        """See `Stack`."""
        return max(DECODERS.get(path.suffix.lower(), 0.0) for path in self.paths)

    @cached_property
    def like(self) -> Pixels:
        """See `Stack`."""
        return self._header(self.sources[0])

    def _header(self, source: Source) -> Pixels:
        """Read the header of a frame."""
        return read_header(source.path, page=source.page, max_pixels=self._max_pixels)

    def read(self, number: int) -> Pixels:
        """See `Stack`."""
        source, name = self.sources[number], self.names[number]
        frame: Frame = read_frame(source.path, page=source.page, max_pixels=self._max_pixels)
        if not self._checked:
            check_frame(frame.pixels, name)
            check_alike(self.like, frame.pixels, (self.names[0], name))
        self.metadata[number], self.notes[number] = frame.metadata, frame.notes
        if number not in self.ranges:
            self.ranges[number] = _range(frame.pixels)
        return np.ascontiguousarray(frame.pixels)


def _range(pixels: Pixels) -> tuple[float, float]:
    """Return the lowest and the highest value of a frame."""
    return float(pixels.min()), float(pixels.max())


def stack_notices(stack: Stack, value_range: float | None) -> list[str]:
    """Return notices on the frames read so far: values past black or white, unlike profiles."""
    found = [_range_notice(stack, value_range), profile_notice(stack.names, stack.metadata)]
    return [notice for notice in found if notice]


def _range_notice(stack: Stack, value_range: float | None) -> str:
    """Return a notice if frames read so far pass black or white, else an empty string.

    Whole numbers can only pass a ``value_range``.
    """
    if not stack.ranges or (value_range is None and stack.like.dtype.kind == "u"):
        return ""
    lows, highs = zip(*stack.ranges.values(), strict=True)
    return beyond_white(min(lows), max(highs), full_scale(stack.like, value_range))
