"""Frames as the reference would have them: read, exposed alike, warped; one ahead of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from drpl.align.exposure import apply_exposure
from drpl.align.geometry import valid_area, warp
from drpl.align.plan import Plan, plan_stack
from drpl.align.transforms import StackTransforms
from drpl.core.frames import Pixels, Prepared, full_scale
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress
from drpl.core.tiling import Window
from drpl.io.stacks import Stack

Item = TypeVar("Item")


def plan_alignment(
    stack: Stack,
    options: FusionOptions,
    *,
    known: StackTransforms | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Plan a stack from a look at each of its frames; see `drpl.align.plan.plan_stack`."""

    def look(numbers: Sequence[int]) -> Iterator[Pixels]:
        looks = _ahead([partial(stack.read, number) for number in numbers])
        return _told(looks, "look", len(numbers), progress)

    return plan_stack(look, options, stack.names, known=known)


def prepared_frames(
    stack: Stack,
    plan: Plan,
    options: FusionOptions,
    *,
    stage: str,
    numbers: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Iterator[Prepared]:
    """The frames that a plan uses, in turn.

    Parameters
    ----------
    stack : Stack
    plan : Plan
    options : FusionOptions
    stage : str
        What ``progress`` is told.
    numbers : sequence of int, optional
        Frames to prepare, in place of all that are used.
    progress : callable, optional

    Yields
    ------
    Prepared
        The next is made while the one before is used. Arrays may be the stack's own.
    """
    prepare = partial(prepared_frame, stack, plan, options)
    works = [partial(prepare, number) for number in numbers or plan.used]
    return _told(_ahead(works), stage, len(works), progress)


def prepared_frame(
    stack: Stack,
    geometry: Plan | StackTransforms,
    options: FusionOptions,
    number: int,
    *,
    window: Window | None = None,
) -> Prepared:
    """A frame as it is fused: read, exposed alike, warped.

    Parameters
    ----------
    stack : Stack
    geometry : Plan or StackTransforms
        How the frames geometry and are exposed.
    options : FusionOptions
        Only ``value_range`` counts.
    number : int
        Of the frame.
    window : tuple of two slices, optional
        Rows and columns of the reference frame to give; by default all.

    Raises
    ------
    ReadError, StackError, AlignmentError
    """
    pixels = stack.read(number)
    white = full_scale(pixels, options.value_range)
    pixels = apply_exposure(pixels, geometry.exposures[number], white=white)
    transform = geometry.alignments[number].transform
    warped = warp(pixels, transform, geometry.shape)
    covered = None if warped is pixels else valid_area(transform, geometry.shape)
    if window is not None:
        warped, covered = warped[window], None if covered is None else covered[window]
    return Prepared(number, warped, covered)


def _ahead(works: Sequence[Callable[[], Item]]) -> Iterator[Item]:
    """What pieces of work give, in turn; the next is done while the one before is used."""
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(works[0])
        for work in works[1:]:
            ready = following.result()
            following = worker.submit(work)
            yield ready
        yield following.result()


def _told(
    items: Iterable[Item], stage: str, count: int, progress: Progress | None
) -> Iterator[Item]:
    """The same items; how many are done is told."""
    for done, item in enumerate(items):
        if progress is not None:
            progress(stage, done, count)
        yield item
    if progress is not None:
        progress(stage, count, count)
