"""Fold: a stack met frame by frame; what is best so far takes the same memory however many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.compose.blend import BAND, compose_pyramid, mix, take, weights
from drpl.core.frames import Composite, Coverage, Maps, Pixels, Prepared, full_scale
from drpl.core.masks import PairDecision, clearness, decision_map
from drpl.core.options import FusionOptions
from drpl.core.strips import each_strip, enlarged_rows, reduced
from drpl.decide.clipped import Ceilings, prefer_unclipped
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
    """How frames are folded into a composite.

    Attributes
    ----------
    load : callable
        Gives the model that decides.
    options : FusionOptions
    count : int
        Frames of the stack.
    scale : int
        Pixels for each decision, along an axis.
    lap : callable
        Told the name of each step when it is over.
    borrowed : bool
        Whether frames are somebody else's, who wants them unchanged.
    observe : Observer, optional
    ceilings : Ceilings, optional
        See `drpl.decide.clipped`.
    preferred : int, optional
        See `drpl.decide.contenders`.
    """

    load: Callable[[], DecisionModel]
    options: FusionOptions
    count: int
    scale: int
    lap: Callable[[str], None]
    borrowed: bool = False
    observe: Observer | None = None
    ceilings: Ceilings | None = None
    preferred: int | None = None

    def fold(self, frames: Iterator[Prepared], *, last: int) -> tuple[Composite, PairDecision]:
        """Fold frames one by one.

        Parameters
        ----------
        frames : iterator of Prepared
        last : int
            Number of the last.

        Returns
        -------
        composite : Composite
        masks : PairDecision
            Of the last frame against those before.
        """
        model = self.load()
        self.lap("load")
        number, frame, covered, maps = next(frames)
        self.lap("read")
        options, scale = self.options, self.scale
        white = full_scale(frame, options.value_range)
        own = frame.copy() if self.borrowed else frame
        composite = start_composite(
            own, number, count=self.count, scale=scale, covered=covered, maps=maps
        )
        if self.observe is not None:
            self.observe(composite, NewFrame(own, composite.seen, number, covered, maps), None)
        masks = PairDecision(*(np.empty(composite.seen.shape[:2], np.float16) for _ in range(2)))
        contenders = None
        if self.count > 2 and maps is None:  # a part is the sharpest of its frames everywhere
            contenders = Contenders(self.count, white, self.preferred)
            contenders.meet(number, composite.seen, _thinned(covered, scale))
        for number, frame, covered, maps in frames:
            self.lap("read")
            new = NewFrame(frame, reduced(frame, scale), number, covered, maps)
            model.decide(composite.seen, new.seen, white=white, tile=options.tile, masks=masks)
            if contenders is not None:
                contenders.meet(number, new.seen, _thinned(covered, scale))
                owners = composite.index_map[::scale, ::scale]
                contenders.restrict(masks, owners, (composite.seen, new.seen))
            self._reject_clipped(masks, composite, new, white)
            if number == last:
                del model  # one loaded here gives its buffers back before the result is made
            self.lap("decide")
            mode = options.compose
            decision = merge_frame(
                composite, new, masks, mode=mode, white=white, last=number == last
            )
            self.lap("compose")
            if self.observe is not None:
                self.observe(composite, new, decision)
                self.lap("observe")
            # they would stay while the next frame is read or decided
            del decision, new, frame, covered, maps
        return composite, masks

    def _reject_clipped(
        self, masks: PairDecision, composite: Composite, new: NewFrame, white: float
    ) -> None:
        """Decide against clipped pixels of frames that were darkened."""
        if self.ceilings is None:
            return
        step, of_new = self.scale, composite.index_map.dtype.type(new.number)
        numbers = (
            np.broadcast_to(of_new, composite.index_map.shape) if new.maps is None else new.maps[0]
        )
        owners = (composite.index_map[::step, ::step], numbers[::step, ::step])
        prefer_unclipped(masks, (composite.seen, new.seen), self.ceilings, owners, white)
