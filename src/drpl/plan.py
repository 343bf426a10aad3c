"""What a first look at all frames settles: how they lie, how they are exposed, where detail is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align import Alignment, align_stack
from drpl.decide import luma_plane
from drpl.errors import AlignmentError
from drpl.exposure import Exposure, match_exposure
from drpl.stack import FusionOptions, Pixels, full_scale
from drpl.survey import OctaveDetail, decision_scale, measure_detail
from drpl.transforms import StackTransforms
from drpl.warp import identity, rescale, valid_area, warp

Plane = NDArray[np.float32]
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
    """

    shape: tuple[int, int]
    alignments: tuple[Alignment, ...]
    exposures: tuple[Exposure, ...]
    scale: int

    @property
    def used(self) -> list[int]:
        """Numbers of the frames that are not rejected."""
        return [n for n, a in enumerate(self.alignments) if a.status != "rejected"]

    @property
    def reference(self) -> int:
        """Number of the frame that the others are registered to."""
        return [alignment.status for alignment in self.alignments].index("reference")


def plan_stack(
    frames: Iterable[Pixels],
    options: FusionOptions,
    names: Sequence[str],
    *,
    known: StackTransforms | None = None,
) -> Plan:
    """Look at every frame once.

    Parameters
    ----------
    frames : iterable of ndarray
        Alike in shape and dtype; one is held at a time.
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
    planes = survey.working_planes(frames)
    if known is None and options.align:
        first = next(planes)
        alignments = align_stack(
            _chained(first, planes),
            scale=survey.full_by_working,
            reference=options.reference,
            model=options.motion,
            policy=options.unaligned,
        )
    else:
        for _ in planes:
            pass
        alignments = list(known.alignments) if known else _unmoved(count, options.reference)
    height, width = survey.shape
    scale = options.scale or decision_scale(survey.details, height, width)
    exposures = known.exposures if known else (Exposure(),) * count
    plan = Plan(survey.shape, tuple(alignments), exposures, scale)
    if len(plan.used) < 2:
        raise AlignmentError(
            f"no frame fits {names[plan.reference]}, the reference "
            f"({plan.alignments[plan.reference - 1].note}); choose another with --reference, take "
            "the frames as they are with --no-align, or keep them with --unaligned keep"
        )
    if known is None and options.exposure:
        plan = replace(plan, exposures=tuple(survey.exposures(plan)))
    return plan


def _chained(first: Plane, others: Iterator[Plane]) -> Iterator[Plane]:
    """All planes, the first already at hand."""
    yield first
    yield from others


def _unmoved(count: int, reference: int | None) -> list[Alignment]:
    """Alignments of frames that are taken as they lie."""
    middle = count // 2 if reference is None else reference
    return [
        Alignment(
            identity(),
            "identity",
            math.nan,
            math.nan,
            "reference" if number == middle else "aligned",
            "not registered, as asked for",
        )
        for number in range(count)
    ]


class _Survey:
    """What is kept of each frame: detail, a small picture, and, while it is needed, a plane."""

    def __init__(self, options: FusionOptions) -> None:
        self._options = options
        self.details: list[tuple[OctaveDetail, ...]] = []
        self.shape = (0, 0)
        self.full_by_working = (1.0, 1.0)
        self._small: list[Plane] = []

    def working_planes(self, frames: Iterable[Pixels]) -> Iterator[Plane]:
        """Luma of each frame at working size."""
        for pixels in frames:
            height, width = self.shape = (pixels.shape[0], pixels.shape[1])
            white = full_scale(pixels, self._options.value_range)
            luma = luma_plane(pixels, white)
            if not self._options.scale:
                self.details.append(measure_detail(luma))
            if self._options.exposure:
                self._small.append(_small_picture(pixels, white))
            fraction = min(1.0, math.sqrt(WORKING / (height * width)))
            size = (max(1, round(width * fraction)), max(1, round(height * fraction)))
            self.full_by_working = (width / size[0], height / size[1])
            if size != (width, height):
                luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)
            yield luma

    def exposures(self, plan: Plan) -> list[Exposure]:
        """What brings each frame that is used to the exposure of the reference."""
        wanted = self._small[plan.reference]
        shape = wanted.shape[:2]
        small_by_full = (shape[1] / plan.shape[1], shape[0] / plan.shape[0])
        found = [Exposure()] * len(plan.alignments)
        for number in plan.used:
            if number == plan.reference:
                continue
            transform = rescale(plan.alignments[number].transform, small_by_full)
            moved = warp(self._small[number], transform, shape, interpolation="linear").copy()
            moved[~valid_area(transform, shape)] = np.nan
            found[number] = match_exposure(wanted, moved)
        return found


def _small_picture(pixels: Pixels, white: float) -> Plane:
    """Colours, or grey, at a small size, white at 1."""
    colours = pixels
    if pixels.ndim == 3:
        colours = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., 0]
    height, width = pixels.shape[:2]
    fraction = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * fraction)), max(1, round(height * fraction)))
    # in steps, since OpenCV's mean over whole blocks keeps integers
    small = cv2.resize(np.ascontiguousarray(colours), size, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(white)
