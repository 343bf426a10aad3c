"""Fold of a stack, frame by frame, into a composite whose size does not grow with the stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drpl.align.prepare import RegisteredFrames
from drpl.compose.blend import compose_pyramid, mix, take, weights
from drpl.core.composite import Composite, Coverage, Maps, Prepared
from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision, clearness, decision_map
from drpl.core.strips import each_strip, enlarged_rows, reduced
from drpl.decide.clipped import Ceilings, clipped_ceilings, prefer_unclipped
from drpl.decide.contenders import Contenders
from drpl.decide.networks import DecisionModel


def start_composite(
    frame: Pixels,
    number: int,
    *,
    count: int,
    scale: int = 1,
    covered: Coverage | None = None,
    maps: Maps | None = None,
) -> Composite:
    """Return the composite of a single frame, or slab, whose arrays it owns and may change.

    ``number`` is below ``count``, the number of frames in the stack. A decision covers ``scale``
    pixels along an axis. The frame shows the scene where ``covered`` (H, W) is True, everywhere by
    default. A slab's ``maps`` stand in place of ``number``.
    """
    if maps is None:
        shape, dtype = frame.shape[:2], np.uint8 if count <= 256 else np.uint16
        zeros = np.zeros(shape, dtype)  # they take no memory until written to
        maps = (np.full_like(zeros, number) if number else zeros), np.zeros(shape, np.uint8)
    return Composite(reduced(frame, scale), frame, *maps, covered, scale)


def _subsampled(covered: Coverage | None, scale: int) -> Coverage | None:
    """Return coverage at the scale of decisions."""
    return None if covered is None else covered[::scale, ::scale]


@dataclass(frozen=True)
class NewFrame:
    """A registered frame, or a slab with its ``maps``, to compare with the composite.

    ``seen`` is the frame reduced to the scale of decisions. It shows the scene where ``covered``
    (H, W) is True; None if it does everywhere.
    """

    frame: Pixels
    seen: Pixels
    number: int
    covered: Coverage | None = None
    maps: Maps | None = None


def merge_frame(
    composite: Composite,
    new: NewFrame,
    masks: PairDecision,
    *,
    mode: str,
    white: float,
    last: bool = False,
) -> Decision:
    """Merge into the composite, in place, the pixels of a new frame that are better.

    The masks compare `Composite.seen` (A) and `NewFrame.seen` (B); the decision returned holds
    them, not a copy. ``mode`` is ``"select"`` or ``"pyramid"``; see `drpl.FusionOptions`. With the
    ``last`` frame, `Composite.seen` is not updated.
    """
    frame, covered = new.frame, new.covered
    height, width = frame.shape[:2]
    decision = Decision(masks, (height, width), composite.scale, composite.covered, covered)
    if composite.fused is composite.seen and not last:
        composite.fused = composite.fused.copy()
    if mode == "pyramid":
        soft = decision(slice(0, height))
        full = PairDecision(soft, 1 - soft)
        composite.fused = compose_pyramid(composite.fused, frame, full, white=white)

    def merge(rows: slice) -> None:
        soft, blended = weights(decision, height, rows)
        better = soft < 0.5
        if mode != "pyramid":
            mix(composite.fused[rows], frame[rows], soft, blended)
        if composite.scale == 1 and not last:
            take(composite.seen[rows], frame[rows], better)
        _take_maps(composite, new, rows, soft)

    each_strip(merge, height)
    if composite.scale > 1 and not last:
        take(composite.seen, new.seen, decision.small() < 0.5)
    if composite.covered is not None:
        composite.covered = None if covered is None else composite.covered | covered
    return decision


def _take_maps(composite: Composite, new: NewFrame, rows: slice, soft: NDArray[np.float32]) -> None:
    """Update some rows of the index map and of doubt."""
    better = soft < 0.5
    index, doubt = composite.index_map[rows], composite.doubt[rows]
    unclear = new_doubt = 255 - clearness(soft)
    if new.maps is None:
        index[better] = new.number
    else:
        numbers, slab_doubt = (plane[rows] for plane in new.maps)
        unclear[index == numbers] = 0  # both sides show the same frame
        new_doubt = np.maximum(unclear, slab_doubt)
        np.copyto(index, numbers, where=better)
    np.maximum(doubt, unclear, out=doubt, where=~better)
    np.copyto(doubt, new_doubt, where=better)


@dataclass(frozen=True)
class Decision:
    """Soft decision map of composite (1) and new frame (0), evaluated by rows.

    Masks of the composite (A) and the frame (B) are at the scale of decisions; ``shape`` is the
    height and width of the picture. Where only one of the two shows the scene, that one wins.
    """

    masks: PairDecision
    shape: tuple[int, int]
    scale: int
    composite_covered: Coverage | None
    frame_covered: Coverage | None

    def __call__(self, rows: slice) -> NDArray[np.float32]:
        """Return some rows of the decision map, at full resolution."""
        return self._within_coverage(self._enlarged(rows), rows, 1)

    def small(self) -> NDArray[np.float32]:
        """Return the whole decision map at the scale of decisions."""
        return self._within_coverage(decision_map(self.masks), slice(None), self.scale)

    def _enlarged(self, rows: slice) -> NDArray[np.float32]:
        """Return some rows of the decision map, bilinearly enlarged."""
        if self.scale == 1:
            return decision_map(self.masks, rows)
        reach = slice(max(0, rows.start // self.scale - 1), -(-rows.stop // self.scale) + 1)
        small = decision_map(self.masks, reach)
        above = reach.start * self.scale
        local = slice(rows.start - above, rows.stop - above)
        return enlarged_rows(small, local, self.scale, self.shape[1])

    def _within_coverage(
        self, soft: NDArray[np.float32], rows: slice, step: int
    ) -> NDArray[np.float32]:
        """Decide, in place, for the side that shows the scene where only one does."""
        steps = (slice(None, None, step), slice(None, None, step))
        shown = None if self.frame_covered is None else self.frame_covered[rows][steps]
        if shown is not None:
            soft[~shown] = 1
        if self.composite_covered is not None:
            missing = ~self.composite_covered[rows][steps]
            soft[missing if shown is None else missing & shown] = 0
        return soft


Observer = Callable[[Composite, NewFrame, Decision | None], None]
"""Callback that receives the composite, the frame and the decision after each merge; the decision
is None for the first frame, which is taken whole."""


@dataclass(frozen=True)
class Folding:
    """Fold of frames, one by one, into a composite; ``load`` returns the model that decides."""

    load: Callable[[], DecisionModel]
    frames: RegisteredFrames
    observe: Observer | None = None

    def fold(self, frames: Iterator[Prepared], *, last: int) -> Composite:
        """Fold frames, or fused slabs, up to number ``last``.

        The composite's ``masks`` compare the last frame with the composite of all before it. Raises
        ReadError, StackError, AlignmentError or ModelError.
        """
        lap, options, scale = self.frames.clock.lap, self.frames.options, self.frames.plan.scale
        model = self.load()
        lap("load")
        number, frame, covered, maps = next(frames)
        lap("read")
        white, levels = self.frames.white, self.frames.levels
        own = frame.copy() if self.frames.stack.borrowed else frame
        count = len(self.frames.stack.names)
        composite = start_composite(
            own, number, count=count, scale=scale, covered=covered, maps=maps
        )
        if self.observe is not None:
            self.observe(composite, NewFrame(own, composite.seen, number, covered, maps), None)
        masks = PairDecision(*(np.empty(composite.seen.shape[:2], np.float16) for _ in range(2)))
        contenders = None
        if count > 2 and maps is None:  # a slab has the detail of its sharpest frames
            contenders = Contenders(count, levels, self.frames.plan.untouched)
            contenders.add(number, composite.seen, _subsampled(covered, scale))
        for number, frame, covered, maps in frames:
            lap("read")
            new = NewFrame(frame, reduced(frame, scale), number, covered, maps)
            model.decide(composite.seen, new.seen, levels=levels, tile=options.tile, masks=masks)
            self._correct(masks, composite, new, contenders)
            if number == last:
                del model  # free the buffers of a model loaded here before composing
            lap("decide")
            decision = merge_frame(
                composite, new, masks, mode=options.compose, white=white, last=number == last
            )
            lap("compose")
            if self.observe is not None:
                self.observe(composite, new, decision)
                lap("observe")
            # otherwise they stay in memory while the next frame is read and decided
            del decision, new, frame, covered, maps
        composite.masks = masks
        return composite

    def _correct(
        self,
        masks: PairDecision,
        composite: Composite,
        new: NewFrame,
        contenders: Contenders | None,
    ) -> None:
        """Overrule the network's masks, in place, where detail or clipping leaves no doubt."""
        step = composite.scale
        owners = composite.index_map[::step, ::step]
        sources = (composite.seen, new.seen)
        if contenders is not None:
            contenders.add(new.number, new.seen, _subsampled(new.covered, step))
            contenders.correct(masks, owners, sources)
        if self._ceilings is None:
            return
        number = composite.index_map.dtype.type(new.number)
        numbers = (
            np.broadcast_to(number, composite.index_map.shape) if new.maps is None else new.maps[0]
        )
        both = (owners, numbers[::step, ::step])
        prefer_unclipped(masks, sources, self._ceilings, both, self.frames.levels.peak)

    @cached_property
    def _ceilings(self) -> Ceilings | None:
        """Values of clipped pixels after exposure matching."""
        frames = self.frames
        return clipped_ceilings(
            frames.plan.exposures,
            frames.stack.like,
            peak=frames.levels.peak,
            white=frames.white,
        )
