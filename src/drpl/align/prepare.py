"""Registered frames: read, matched in exposure and warped, one frame ahead of their use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from drpl.align.exposure import apply_exposure
from drpl.align.geometry import valid_area, warp
from drpl.align.plan import Plan, plan_stack, unused_bits
from drpl.align.sensor import clean_frame
from drpl.align.transforms import StackTransforms
from drpl.core.composite import Prepared
from drpl.core.coverage import extended, opaque
from drpl.core.frames import Pixels, Plane, full_scale
from drpl.core.luma import Levels
from drpl.core.options import FusionOptions
from drpl.core.progress import Clock, Progress
from drpl.core.tiling import Window
from drpl.io.stacks import Stack

Item = TypeVar("Item")
ALMOST_ALL = 0.99
"""Share of an interpolated pixel that is covered if all that shows of it is."""


def plan_alignment(
    stack: Stack,
    options: FusionOptions,
    *,
    known: StackTransforms | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Plan a stack from a pass over its frames; see `drpl.align.plan.plan_stack`."""

    def read(numbers: Sequence[int], use: Callable[[Pixels], Plane]) -> Iterator[Plane]:
        planes = _prefetched([partial(_used, stack, number, use) for number in numbers])
        return _reported(planes, "look", len(numbers), progress)

    return plan_stack(read, options, stack.names, known=known)


def _used(stack: Stack, number: int, use: Callable[[Pixels], Plane]) -> Plane:
    """Return what a function makes of a frame."""
    return use(stack.read(number))


@dataclass(frozen=True)
class RegisteredFrames:
    """Frames of a stack, registered by its plan and read again on each pass.

    The ``clock`` records the time of each step.
    """

    stack: Stack
    plan: Plan
    options: FusionOptions
    clock: Clock = field(default_factory=Clock)
    progress: Progress | None = None

    def __iter__(self) -> Iterator[Prepared]:
        """Iterate over the frames that the plan uses, in focus order."""
        return self.read(self.plan.used)

    @property
    def white(self) -> float:
        """Value of white in the frames that `read` yields; the unit of offsets of exposure."""
        return full_scale(self.stack.like, self.options.value_range) * (1 << self.headroom)

    @property
    def headroom(self) -> int:
        """Upper bits that no sample of uint16 uses.

        Frames are fused shifted up by them, so that resampling and blending round as finely as in
        frames of full range.
        """
        return unused_bits(self.stack.like, self.plan.levels.peak)

    @property
    def levels(self) -> Levels:
        """Levels of the frames that `read` yields."""
        return self.plan.levels.scaled(2**self.headroom)

    def restore(self, fused: Pixels) -> None:
        """Shift samples fused from the frames that `read` yields down, in place, and round them."""
        headroom = self.headroom
        if headroom:
            half, most = fused.dtype.type(2 ** (headroom - 1)), fused.dtype.type(2**16 - 1)
            np.minimum(fused, most - half, out=fused)
            fused += half
            fused >>= fused.dtype.type(headroom)

    def read(self, numbers: Sequence[int], *, stage: str = "fuse") -> Iterator[Prepared]:
        """Read frames one by one, to fuse them; each is prepared while the one before is used.

        Samples are shifted up by `headroom`; `restore` shifts them down.
        Their arrays may belong to the caller of the stack; see `drpl.io.stacks.Stack.borrowed`. The
        ``stage`` is named to ``progress``.
        """
        headroom = self.headroom
        works = [
            partial(prepared_frame, self.stack, self.plan, self.options, number, headroom=headroom)
            for number in numbers
        ]
        return _reported(_prefetched(works), stage, len(works), self.progress)

    def frame(self, number: int, *, window: Window | None = None) -> Prepared:
        """Read one frame as it is stored; see `prepared_frame`."""
        return prepared_frame(self.stack, self.plan, self.options, number, window=window)


def prepared_frame(
    stack: Stack,
    geometry: Plan | StackTransforms,
    options: FusionOptions,
    number: int,
    *,
    window: Window | None = None,
    headroom: int = 0,
) -> Prepared:
    """Read a frame, match its exposure and warp it onto the reference frame or a window of it.

    Defects of the sensor are filled first, and samples of uint16 shifted up by ``headroom`` bits.
    Transparent places are not covered.
    Of the options, only ``value_range`` is used. Raise ReadError or StackError if the frame cannot
    be read or does not match the stack, AlignmentError if it cannot be warped or its exposure is
    for another number of colours.
    """
    pixels = clean_frame(stack.read(number), geometry.sensor, in_place=not stack.borrowed)
    white = full_scale(pixels, options.value_range)
    if headroom:
        pixels = np.left_shift(pixels, pixels.dtype.type(headroom))
    pixels = apply_exposure(pixels, geometry.exposures[number], white=white * 2**headroom)
    shown = opaque(pixels)
    if shown is not None:
        pixels = extended(pixels, shown)
    transform = geometry.alignments[number].transform
    warped = warp(pixels, transform, geometry.shape)
    covered = None if warped is pixels else valid_area(transform, geometry.shape)
    if shown is not None:
        share = warp(shown.astype(np.float32), transform, geometry.shape, interpolation="linear")
        covered = (share > ALMOST_ALL) & (True if covered is None else covered)
    if window is not None:
        warped, covered = warped[window], None if covered is None else covered[window]
    return Prepared(number, warped, covered)


def _prefetched(works: Sequence[Callable[[], Item]]) -> Iterator[Item]:
    """Yield results in order; a thread prepares the next while the current one is used."""
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(works[0])
        for work in works[1:]:
            ready = following.result()
            following = worker.submit(work)
            yield ready
        yield following.result()


def _reported(
    items: Iterable[Item], stage: str, count: int, progress: Progress | None
) -> Iterator[Item]:
    """Yield items and report how many are done."""
    for done, item in enumerate(items):
        if progress is not None:
            progress(stage, done, count)
        yield item
    if progress is not None:
        progress(stage, count, count)
