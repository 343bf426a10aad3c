"""Plan of a stack from a first pass over its frames: alignment, exposure, scale and order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from drpl.align.chain import Alignment, align_chain, chain_frames
from drpl.align.detail import OctaveDetail, decision_scale, measure_detail
from drpl.align.dust import DustSurvey
from drpl.align.exposure import Exposure, match_exposures
from drpl.align.geometry import common_area, identity, is_identity, rescale, valid_area, warp
from drpl.align.order import focus_order, focus_profile, in_sequence
from drpl.align.sensor import SensorDefects, SensorSurvey
from drpl.align.transforms import StackTransforms
from drpl.core.composite import Coverage
from drpl.core.coverage import extended, opaque
from drpl.core.frames import Pixels, Plane, Tensor, full_scale
from drpl.core.luma import HIGH, Levels, frame_levels, luma_plane, stack_levels
from drpl.core.options import FusionOptions
from drpl.core.tiling import Window
from drpl.errors import AlignmentError

ReadPlanes = Callable[[Sequence[int], Callable[[Pixels], Plane]], Iterable[Plane]]
"""Function that reads the frames of given numbers one by one, and yields the plane that another
function makes of each; the next is made while the last is used."""
WORKING_PIXELS = 600_000
"""Most pixels of the planes by which frames are aligned."""
THUMBNAIL_SIDE = 192
"""Longer side, in pixels, of the pictures by which exposure is matched."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Alignment, exposure, decision scale and order of the frames of a stack.

    All frames have the (H, W) ``shape``. ``scale`` is in pixels per decision along each axis.
    ``order`` holds the numbers of all frames in focus order; the end with more detail comes first.
    Decisions see sample values by ``levels``.
    """

    shape: tuple[int, int]
    alignments: tuple[Alignment, ...]
    exposures: tuple[Exposure, ...]
    scale: int
    order: tuple[int, ...]
    levels: Levels
    sensor: SensorDefects = field(default_factory=SensorDefects)

    @property
    def used(self) -> list[int]:
        """Numbers of the frames that are not rejected, in focus order."""
        return [n for n in self.order if self.alignments[n].status != "rejected"]

    @property
    def focus_order(self) -> tuple[int, ...]:
        """Numbers of all frames in focus order, in the direction closer to the given order."""
        backwards = self.order[::-1]
        places = range(len(self.order))
        return max(self.order, backwards, key=lambda order: np.dot(places, order))

    @property
    def reference(self) -> int:
        """Number of the reference frame."""
        return [alignment.status for alignment in self.alignments].index("reference")

    @property
    def untouched(self) -> int | None:
        """Number of the reference frame if others are resampled or change exposure, else None."""
        for number in self.used:
            transform, exposure = self.alignments[number].transform, self.exposures[number]
            if not (is_identity(transform) and exposure.is_identity):
                return self.reference
        return None

    def window(self, *, crop: bool) -> Window:
        """Return the rows and columns of the result: all, or those that every frame covers."""
        if crop:
            return common_area([self.alignments[n].transform for n in self.used], self.shape)
        return slice(0, self.shape[0]), slice(0, self.shape[1])

    def transforms(self, names: Sequence[str]) -> StackTransforms:
        """Return the transforms of the frames, to be stored under their names."""
        return StackTransforms(
            self.shape, tuple(names), self.alignments, self.exposures, self.sensor
        )


def plan_stack(
    read: ReadPlanes,
    options: FusionOptions,
    names: Sequence[str],
    *,
    known: StackTransforms | None = None,
) -> Plan:
    """Plan a stack from one pass over its frames, or two if they are shuffled.

    The frames that ``read`` reads are alike in shape and dtype; ``names`` serve for messages.
    ``known`` alignments and exposures are used instead of estimates. Raise AlignmentError if no
    frame fits the reference frame, or if the reference is not a frame of the stack.
    """
    count = len(names)
    if options.reference is not None and options.reference >= count:
        raise AlignmentError(
            f"reference is {options.reference}; expected the number of a frame, 0 to {count - 1}"
        )
    survey = _Survey(options)
    if known is None and options.align and options.clean_sensor:
        survey.sensor, survey.dust = SensorSurvey(count), DustSurvey(count)
    if known is None and options.align:
        alignments, order = _aligned(survey, read, count)
    else:
        for _ in read(range(count), survey.add):
            pass
        order = survey.focus_order()
        middle = order[count // 2] if options.reference is None else options.reference
        alignments = list(known.alignments) if known else _unmoved(count, middle)
    height, width = survey.shape
    scale = options.scale or decision_scale(survey.details, height, width)
    exposures = known.exposures if known else (Exposure(),) * count
    sensor = known.sensor if known and options.clean_sensor else SensorDefects()
    plan = Plan(
        survey.shape,
        tuple(alignments),
        exposures,
        scale,
        tuple(order),
        survey.levels,
        sensor,
    )
    if len(plan.used) < 2:
        raise AlignmentError(
            f"no frame fits {names[plan.reference]}, the reference "
            f"({plan.alignments[plan.reference - 1].note}); choose another reference, fuse "
            "without alignment (no-align), or keep frames that do not fit (unaligned keep)"
        )
    fitting = {
        number: alignment.transform
        for number, alignment in enumerate(alignments)
        if alignment.status not in ("rejected", "unaligned")
    }
    if survey.sensor is not None and survey.dust is not None:
        defects = survey.sensor.defects(fitting)
        plan = replace(plan, sensor=replace(defects, dust=survey.dust.spots(fitting)))
    if known is None and options.exposure:
        plan = replace(plan, exposures=tuple(survey.exposures(plan)))
    return plan


def _aligned(survey: _Survey, read: ReadPlanes, count: int) -> tuple[list[Alignment], list[int]]:
    """Align all frames; return their alignments and focus order."""
    options = survey.options
    chain = chain_frames(enumerate(read(range(count), survey.add)), motion=options.motion)
    order = survey.focus_order()
    if not in_sequence(order):  # neighbours in focus match best
        planes = read(order, survey.working_plane)
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
    """Return identity alignments for frames that are not to be moved."""
    return [
        Alignment(
            identity(),
            "identity",
            math.nan,
            math.nan,
            "reference" if number == reference else "aligned",
            "not registered: alignment is off",
        )
        for number in range(count)
    ]


class _Survey:
    """Detail, focus profile and thumbnail of each frame, kept from the first pass."""

    def __init__(self, options: FusionOptions) -> None:
        self.options = options
        self.details: list[tuple[OctaveDetail, ...]] = []
        self._profiles: list[Tensor] = []
        self.sensor: SensorSurvey | None = None
        self.dust: DustSurvey | None = None
        self.shape = (0, 0)
        self.full_by_working = (1.0, 1.0)
        self._levels: list[Levels] = []
        self._thumbnails: list[tuple[Pixels, int, Coverage | None]] = []
        self._white = 1.0

    def add(self, pixels: Pixels) -> Plane:
        """Measure a frame; return its luma at working size."""
        self.shape = (pixels.shape[0], pixels.shape[1])
        self._white = full_scale(pixels, self.options.value_range)
        peak = float(pixels.max())
        if self.sensor is not None:
            self.sensor.add(pixels)
        shown = opaque(pixels)
        luma = self._luma(pixels, shown)
        if self.dust is not None:
            self.dust.add(luma)
        if not self.options.scale:
            self.details.append(measure_detail(luma))
        if self.options.exposure:
            headroom = unused_bits(pixels, peak)
            self._thumbnails.append((_thumbnail(pixels, headroom), headroom, _small(shown)))
        plane = self._reduced(luma)
        self._levels.append(frame_levels(plane, peak / self._white))
        self._profiles.append(focus_profile(plane))
        return plane

    @property
    def levels(self) -> Levels:
        """Levels of the stack, in sample values."""
        return stack_levels(self._levels).scaled(self._white)

    def focus_order(self) -> list[int]:
        """Return the numbers of the frames in focus order."""
        unit = np.float32(self._white / self.levels.span)
        return focus_order([profile * unit for profile in self._profiles])

    def working_plane(self, pixels: Pixels) -> Plane:
        """Return the luma of a frame at working size."""
        return self._reduced(self._luma(pixels, opaque(pixels)))

    def _luma(self, pixels: Pixels, shown: Coverage | None) -> Plane:
        """Return the luma of a frame, continued where it is transparent."""
        luma = luma_plane(pixels, Levels(white=self._white))
        return luma if shown is None else extended(luma, shown)

    def _reduced(self, luma: Plane) -> Plane:
        """Reduce a plane to working size, without single bright pixels."""
        height, width = luma.shape
        fraction = min(1.0, math.sqrt(WORKING_PIXELS / (height * width)))
        size = (max(1, round(width * fraction)), max(1, round(height * fraction)))
        self.full_by_working = (width / size[0], height / size[1])
        if size != (width, height):
            luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)
        # hot pixels stay in place while the scene moves, and outshine dim frames
        return np.asarray(np.minimum(luma, cv2.medianBlur(luma, 3).max()), np.float32)

    def exposures(self, plan: Plan) -> list[Exposure]:
        """Match the exposure of each frame in use; see `drpl.align.exposure.match_exposures`."""
        used = plan.used
        top = float(max(np.percentile(self._thumbnail(number), HIGH) for number in used)) or 1.0
        found = [Exposure()] * len(plan.alignments)
        matched = match_exposures(
            lambda place: self._registered(used[place], plan) / np.float32(top),
            len(used),
            used.index(plan.reference),
            black=max(0.0, self.levels.black / self._white / top),
            fixed=self.options.reference is not None,
        )
        for number, exposure in zip(used, matched, strict=True):
            found[number] = exposure.scaled(top)
        return found

    def _registered(self, number: int, plan: Plan) -> Tensor:
        """Return the thumbnail of a frame, registered and NaN beyond its edges."""
        thumbnail = self._thumbnail(number)
        shape = thumbnail.shape[:2]
        scale = (shape[1] / plan.shape[1], shape[0] / plan.shape[0])
        transform = rescale(plan.alignments[number].transform, scale)
        moved = warp(thumbnail, transform, shape, interpolation="linear").copy()
        moved[~valid_area(transform, shape)] = np.nan
        shown = self._thumbnails[number][2]
        if shown is not None:
            whole = warp(shown.astype(np.float32), transform, shape, interpolation="linear")
            moved[whole < 1] = np.nan
        return moved

    def _thumbnail(self, number: int) -> Tensor:
        """Return the thumbnail of a frame as float32, white at 1."""
        pixels, headroom, _ = self._thumbnails[number]
        return pixels.astype(np.float32) / np.float32(self._white * 2**headroom)


def unused_bits(like: Pixels, peak: float) -> int:
    """Return the number of upper bits that samples up to a peak do not use; 0 unless uint16."""
    return 16 - round(peak).bit_length() if like.dtype == np.uint16 else 0


def _thumbnail(pixels: Pixels, headroom: int) -> Pixels:
    """Reduce a frame, without alpha and shifted up, to a thumbnail of its own dtype."""
    if headroom:
        pixels = np.left_shift(pixels, np.uint16(headroom))
    colours = pixels
    if pixels.ndim == 3:
        colours = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., 0]
    size = _thumbnail_size(pixels)
    return cv2.resize(np.ascontiguousarray(colours), size, interpolation=cv2.INTER_AREA)


def _small(shown: Coverage | None) -> Coverage | None:
    """Return the places of a thumbnail that are covered as a whole."""
    if shown is None:
        return None
    share = cv2.resize(
        shown.astype(np.float32), _thumbnail_size(shown), interpolation=cv2.INTER_AREA
    )
    return np.asarray(share > 1 - 1e-4)


def _thumbnail_size(pixels: Pixels) -> tuple[int, int]:
    """Return width and height of the thumbnail of a frame."""
    height, width = pixels.shape[:2]
    fraction = min(1.0, THUMBNAIL_SIDE / max(height, width))
    return max(1, round(width * fraction)), max(1, round(height * fraction))
