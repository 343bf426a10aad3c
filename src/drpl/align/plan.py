"""What a first look at all frames settles: how they lie, how they are exposed, where detail is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.chain import Alignment, align_chain, chain_frames
from drpl.align.detail import OctaveDetail, decision_scale, measure_detail
from drpl.align.exposure import Exposure, match_exposure
from drpl.align.geometry import common_area, identity, is_identity, rescale, valid_area, warp
from drpl.align.order import focus_order, focus_profile, in_sequence
from drpl.align.transforms import StackTransforms
from drpl.core.frames import Pixels, full_scale
from drpl.core.luma import luma_plane
from drpl.core.options import FusionOptions
from drpl.core.tiling import Window
from drpl.errors import AlignmentError

Plane = NDArray[np.float32]
Look = Callable[[Sequence[int]], Iterable[Pixels]]
"""Gives the frames of some numbers in turn; one is held at a time."""
WORKING = 600_000
"""Pixels, at most, of the planes that frames are registered by."""
SMALL = 192
"""Pixels of the longer side of the pictures that exposure is matched by."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the frames of a stack are to be taken.

    Attributes
    ----------
    shape : tuple of two ints
        Height and width of every frame, in pixels.
    alignments : tuple of Alignment
    exposures : tuple of Exposure
        One of each per frame.
    scale : int
        Pixels for each decision, along an axis.
    order : tuple of int
        Numbers of all frames, in the order of their focus; the end with more detail comes first.
    """

    shape: tuple[int, int]
    alignments: tuple[Alignment, ...]
    exposures: tuple[Exposure, ...]
    scale: int
    order: tuple[int, ...]

    @property
    def used(self) -> list[int]:
        """Numbers of the frames that are not rejected, in order."""
        return [n for n in self.order if self.alignments[n].status != "rejected"]

    @property
    def focus_order(self) -> tuple[int, ...]:
        """All frames in the order of their focus, from the end that was given first."""
        backwards = self.order[::-1]
        places = range(len(self.order))
        return max(self.order, backwards, key=lambda order: np.dot(places, order))

    @property
    def reference(self) -> int:
        """Number of the frame that the others are registered to."""
        return [alignment.status for alignment in self.alignments].index("reference")

    @property
    def untouched(self) -> int | None:
        """The reference, if other frames are resampled or exposed anew; else none is special."""
        for number in self.used:
            transform, exposure = self.alignments[number].transform, self.exposures[number]
            if not (is_identity(transform) and exposure.is_identity):
                return self.reference
        return None

    def window(self, *, crop: bool) -> Window:
        """Rows and columns of the reference frame that a result shows: all, or what all show."""
        if crop:
            return common_area([self.alignments[n].transform for n in self.used], self.shape)
        return slice(0, self.shape[0]), slice(0, self.shape[1])


def plan_stack(
    look: Look,
    options: FusionOptions,
    names: Sequence[str],
    *,
    known: StackTransforms | None = None,
) -> Plan:
    """Look at every frame once; twice, if they turn out to be shuffled.

    Parameters
    ----------
    look : Look
        Gives frames that are alike in shape and dtype.
    options : FusionOptions
    names : sequence of str
        What messages call the frames.
    known : StackTransforms, optional
        Alignment and exposure to take instead of looking for them.

    Raises
    ------
    AlignmentError
        If no frame fits the reference frame, or the reference is none of the frames.
    """
    count = len(names)
    if options.reference is not None and options.reference >= count:
        raise AlignmentError(
            f"reference is {options.reference}; expected the number of a frame, 0 to {count - 1}"
        )
    survey = _Survey(options)
    if known is None and options.align:
        alignments, order = _aligned(survey, look, count)
    else:
        for pixels in look(range(count)):
            survey.note(pixels)
        order = focus_order(survey.profiles)
        middle = order[count // 2] if options.reference is None else options.reference
        alignments = list(known.alignments) if known else _unmoved(count, middle)
    height, width = survey.shape
    scale = options.scale or decision_scale(survey.details, height, width)
    exposures = known.exposures if known else (Exposure(),) * count
    plan = Plan(survey.shape, tuple(alignments), exposures, scale, tuple(order))
    if len(plan.used) < 2:
        raise AlignmentError(
            f"no frame fits {names[plan.reference]}, the reference "
            f"({plan.alignments[plan.reference - 1].note}); choose another reference, fuse "
            "without alignment (no-align), or keep frames that do not fit (unaligned keep)"
        )
    if known is None and options.exposure:
        plan = replace(plan, exposures=tuple(survey.exposures(plan)))
    return plan


def _aligned(survey: _Survey, look: Look, count: int) -> tuple[list[Alignment], list[int]]:
    """Alignments of all frames, and their order."""
    options = survey.options
    planes = (survey.note(pixels) for pixels in look(range(count)))
    chain = chain_frames(enumerate(planes), motion=options.motion)
    order = focus_order(survey.profiles)
    if not in_sequence(order):  # neighbours in focus fit each other best
        planes = (survey.working_plane(pixels) for pixels in look(order))
        chain = chain_frames(zip(order, planes, strict=True), motion=options.motion)
    alignments = align_chain(
        chain,
        scale=survey.full_by_working,
        reference=options.reference,
        middle=order[count // 2],
        unaligned=options.unaligned,
    )
    return alignments, order


def _unmoved(count: int, reference: int) -> list[Alignment]:
    """Alignments of frames that are taken as they lie."""
    return [
        Alignment(
            identity(),
            "identity",
            math.nan,
            math.nan,
            "reference" if number == reference else "aligned",
            "not registered, as asked for",
        )
        for number in range(count)
    ]


class _Survey:
    """What is kept of each frame: where detail is, and a small picture."""

    def __init__(self, options: FusionOptions) -> None:
        self.options = options
        self.details: list[tuple[OctaveDetail, ...]] = []
        self.profiles: list[Plane] = []
        self.shape = (0, 0)
        self.full_by_working = (1.0, 1.0)
        self._small: list[Pixels] = []
        self._white = 1.0

    def note(self, pixels: Pixels) -> Plane:
        """Note what is kept of a frame; its luma at working size."""
        self.shape = (pixels.shape[0], pixels.shape[1])
        white = full_scale(pixels, self.options.value_range)
        luma = luma_plane(pixels, white)
        if not self.options.scale:
            self.details.append(measure_detail(luma))
        if self.options.exposure:
            self._white = white
            self._small.append(_small_picture(pixels))
        plane = self._reduced(luma)
        self.profiles.append(focus_profile(plane))
        return plane

    def working_plane(self, pixels: Pixels) -> Plane:
        """Luma of a frame at working size."""
        return self._reduced(luma_plane(pixels, full_scale(pixels, self.options.value_range)))

    def _reduced(self, luma: Plane) -> Plane:
        """A plane at working size."""
        height, width = luma.shape
        fraction = min(1.0, math.sqrt(WORKING / (height * width)))
        size = (max(1, round(width * fraction)), max(1, round(height * fraction)))
        self.full_by_working = (width / size[0], height / size[1])
        if size == (width, height):
            return luma
        return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)

    def exposures(self, plan: Plan) -> list[Exposure]:
        """What brings each frame that is used to the exposure of the reference."""
        wanted = self._small_picture(plan.reference)
        shape = wanted.shape[:2]
        small_by_full = (shape[1] / plan.shape[1], shape[0] / plan.shape[0])
        found = [Exposure()] * len(plan.alignments)
        for number in plan.used:
            if number == plan.reference:
                continue
            transform = rescale(plan.alignments[number].transform, small_by_full)
            small = self._small_picture(number)
            moved = warp(small, transform, shape, interpolation="linear").copy()
            moved[~valid_area(transform, shape)] = np.nan
            found[number] = match_exposure(wanted, moved)
        return found

    def _small_picture(self, number: int) -> Plane:
        """Small picture of a frame, white at 1."""
        return self._small[number].astype(np.float32) / np.float32(self._white)


def _small_picture(pixels: Pixels) -> Pixels:
    """Colours, or grey, at a small size, in the dtype of the frame: one is kept of each."""
    colours = pixels
    if pixels.ndim == 3:
        colours = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., 0]
    height, width = pixels.shape[:2]
    fraction = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * fraction)), max(1, round(height * fraction)))
    # in steps, since OpenCV's mean over whole blocks keeps integers
    return cv2.resize(np.ascontiguousarray(colours), size, interpolation=cv2.INTER_AREA)
