"""Fold: a stack met frame by frame; what is best so far takes the same memory however many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.prepare import RegisteredFrames
from drpl.compose.blend import BAND, compose_pyramid, mix, take, weights
from drpl.core.composite import Composite, Coverage, Maps, Prepared
from drpl.core.frames import Pixels, full_scale
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
    """The composite of one frame, of which it takes possession.

    Parameters
    ----------
    frame : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
    number : int
        Of the frame, below ``count``.
    count : int
        Frames of the stack.
    scale : int
        Of the decisions to come.
    covered : ndarray of bool, shape (H, W), optional
        Where the frame shows the scene.
    maps : Maps, optional
        Of a picture that was fused itself, taken possession of too; ``number`` then says nothing.
    """
    shape = frame.shape[:2]
    index_map, doubt = maps or _untouched(shape, number, count)
    return Composite(reduced(frame, scale), frame, index_map, doubt, covered, scale)


def _untouched(shape: Sequence[int], number: int, count: int) -> Maps:
    """Maps of one frame; zeros take no memory until they are written to."""
    dtype = np.uint8 if count <= 256 else np.uint16
    index_map: NDArray[Any] = np.full(shape, number, dtype) if number else np.zeros(shape, dtype)
    return index_map, np.zeros(shape, np.uint8)


def _thinned(covered: Coverage | None, scale: int) -> Coverage | None:
    """Coverage at the scale of decisions."""
    return None if covered is None else covered[::scale, ::scale]


@dataclass(frozen=True)
class NewFrame:
    """A frame that is compared with the composite.

    Attributes
    ----------
    frame : ndarray
        Registered with the composite, of its shape and dtype.
    seen : ndarray
        The same, `reduced` to the scale of decisions.
    number : int
        Of the frame.
    covered : ndarray of bool, shape (H, W), or None
        Where the frame shows the scene.
    maps : Maps or None
        Of a picture that was fused itself, in place of its number.
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
    """Take from one frame more what is better than the composite.

    Parameters
    ----------
    composite : Composite
        Changed in place.
    new : NewFrame
    masks : PairDecision
        Between `Composite.seen` (A) and `NewFrame.seen` (B).
    mode, white
        As of `drpl.compose.blend.compose`.
    last : bool
        Whether no frame follows: `Composite.seen` is then not kept up.

    Returns
    -------
    Decision
        What was taken; it looks at ``masks``.
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
        soft, blended = weights(decision, height, rows, BAND)
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
    """Note, in some rows, which frame each pixel is from now and how clear that is."""
    better = soft < 0.5
    index, kept = composite.index_map[rows], composite.doubt[rows]
    unclear = taken = 255 - clearness(soft)
    if new.maps is None:
        index[better] = new.number
    else:
        numbers, doubt = (plane[rows] for plane in new.maps)
        unclear[index == numbers] = 0  # one frame, whichever side it is taken from
        taken = np.maximum(unclear, doubt)
        np.copyto(index, numbers, where=better)
    np.maximum(kept, unclear, out=kept, where=~better)
    np.copyto(kept, taken, where=better)


@dataclass(frozen=True)
class Decision:
    """The soft decision between composite (1) and frame (0), at full resolution, row by row.

    Where only one of the two shows the scene, it is taken.
    """

    masks: PairDecision
    shape: tuple[int, int]
    scale: int
    before: Coverage | None
    new: Coverage | None

    def __call__(self, rows: slice) -> NDArray[np.float32]:
        """Decision map of some rows."""
        return self._bounded(self._enlarged(rows), rows, 1)

    def small(self) -> NDArray[np.float32]:
        """The whole decision map at the scale of decisions."""
        return self._bounded(decision_map(self.masks), slice(None), self.scale)

    def _enlarged(self, rows: slice) -> NDArray[np.float32]:
        """Rows of the decision map, bilinearly enlarged."""
        if self.scale == 1:
            return decision_map(self.masks, rows)
        reach = slice(max(0, rows.start // self.scale - 1), -(-rows.stop // self.scale) + 1)
        small = decision_map(self.masks, reach)
        above = reach.start * self.scale
        local = slice(rows.start - above, rows.stop - above)
        return enlarged_rows(small, local, self.scale, self.shape[1])

    def _bounded(self, soft: NDArray[np.float32], rows: slice, step: int) -> NDArray[np.float32]:
        """Decide for the side that shows the scene, where only one does."""
        steps = (slice(None, None, step), slice(None, None, step))
        if self.new is not None:
            soft[~self.new[rows][steps]] = 1
        if self.before is not None:
            missing = ~self.before[rows][steps]
            soft[missing if self.new is None else missing & self.new[rows][steps]] = 0
        return soft


Observer = Callable[[Composite, NewFrame, Decision | None], None]
"""Shown, after each frame, the composite, the frame, and what was taken; the first one whole."""


@dataclass(frozen=True)
class Folding:
    """Fold of frames into a composite, one by one.

    Attributes
    ----------
    load : callable
        Returns the model that decides.
    frames : RegisteredFrames
    observe : Observer, optional
    """

    load: Callable[[], DecisionModel]
    frames: RegisteredFrames
    observe: Observer | None = None

    def fold(self, frames: Iterator[Prepared], *, last: int) -> Composite:
        """Fold frames, or fused slabs.

        Parameters
        ----------
        frames : iterator of Prepared
        last : int
            Number of the last one.

        Returns
        -------
        Composite
            ``masks`` are those of the last frame against all before it.
        """
        lap, options, scale = self.frames.clock.lap, self.frames.options, self.frames.plan.scale
        model = self.load()
        lap("load")
        number, frame, covered, maps = next(frames)
        lap("read")
        white = full_scale(frame, options.value_range)
        own = frame.copy() if self.frames.stack.borrowed else frame
        count = len(self.frames.stack.names)
        composite = start_composite(
            own, number, count=count, scale=scale, covered=covered, maps=maps
        )
        if self.observe is not None:
            self.observe(composite, NewFrame(own, composite.seen, number, covered, maps), None)
        masks = PairDecision(*(np.empty(composite.seen.shape[:2], np.float16) for _ in range(2)))
        contenders = None
        if count > 2 and maps is None:  # a slab is the sharpest of its frames everywhere
            contenders = Contenders(count, white, self.frames.plan.untouched)
            contenders.meet(number, composite.seen, _thinned(covered, scale))
        for number, frame, covered, maps in frames:
            lap("read")
            new = NewFrame(frame, reduced(frame, scale), number, covered, maps)
            model.decide(composite.seen, new.seen, white=white, tile=options.tile, masks=masks)
            self._correct(masks, composite, new, contenders)
            if number == last:
                del model  # frees the buffers of a model loaded here before the result is made
            lap("decide")
            decision = merge_frame(
                composite, new, masks, mode=options.compose, white=white, last=number == last
            )
            lap("compose")
            if self.observe is not None:
                self.observe(composite, new, decision)
                lap("observe")
            # these would be held while the next frame is read or decided
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
        """Correct the network's masks, in place, where detail or clipping leaves no doubt."""
        step = composite.scale
        owners = composite.index_map[::step, ::step]
        sources = (composite.seen, new.seen)
        if contenders is not None:
            contenders.meet(new.number, new.seen, _thinned(new.covered, step))
            contenders.restrict(masks, owners, sources)
        if self._ceilings is None:
            return
        number = composite.index_map.dtype.type(new.number)
        numbers = (
            np.broadcast_to(number, composite.index_map.shape) if new.maps is None else new.maps[0]
        )
        both = (owners, numbers[::step, ::step])
        prefer_unclipped(masks, sources, self._ceilings, both, self.frames.white)

    @cached_property
    def _ceilings(self) -> Ceilings | None:
        """Values of clipped pixels once exposure is matched."""
        return clipped_ceilings(
            self.frames.plan.exposures, self.frames.stack.like, self.frames.white
        )
