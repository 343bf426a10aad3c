"""Fusion by a pair network, which folds frames into a composite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from drpl.align.plan import Plan
from drpl.align.prepare import RegisteredFrames
from drpl.compose.fold import Folding, Observer
from drpl.compose.method import Needs
from drpl.compose.slabs import SlabOutput, fold_slabs
from drpl.core.composite import Composite
from drpl.core.frames import Pixels
from drpl.core.options import TILE_MULTIPLE, FusionOptions
from drpl.decide.consistency import PAIR_WEIGHT, STACK_WEIGHT, VerifiedModel
from drpl.decide.contenders import BLOCK
from drpl.decide.networks import DecisionModel
from drpl.decide.two_scales import TwoScaleModel

BASE_MB = 185.0
"""Megabytes of Python, the libraries, and a network without its tiles."""
STAGED_MB, WHOLE_MB = 90.0, 1100.0
"""Megabytes per megapixel of concurrent tiles, for networks of three stages and of one."""
PYRAMID_MB, PYRAMID_TILE = 100.0, 1024
"""Megabytes for the pyramids of a tile, and its side in pixels, context included."""
SLAB_MAPS = 3
"""Bytes per pixel, at most, of a slab's index map and doubt."""
CONTEXT = 64
"""Pixels, along an axis, that a tile reads beyond those it decides."""


@dataclass(frozen=True)
class NetworkMethod:
    """A `drpl.compose.method.Method` that decides pairs by a network.

    ``load`` loads the network for a number of threads; it is called once per scale. A ``staged``
    network runs one tile per thread; else each tile uses all cores. ``sha256`` holds the hash of
    each file by name. Without ``slabs``, all frames are in one fold.
    """

    id: str
    load: Callable[[int], DecisionModel]
    staged: bool = True
    sha256: Mapping[str, str] = field(default_factory=dict)
    observe: Observer | None = None
    slabs: SlabOutput | None = None

    def resolve(self, options: FusionOptions) -> FusionOptions:
        """See `Method`; networks follow every option."""
        return options

    def needs(self, options: FusionOptions, like: Pixels, count: int) -> Needs:
        """See `Method`.

        Memory holds four frames (the result, the newest, and the next before and after its warp); a
        fifth at the scale of decisions, with masks and features; index map, confidence and
        coverage; and two bytes per block and frame. Blending of pyramids adds two frames, masks and
        a tile, a slab its maps. The constants were fitted
        to measured peaks of 1, 6 and 24 megapixels (``drpl fuse --json --scale 1``, four frames of
        8 and 16 bits).
        """
        pixels = like.shape[0] * like.shape[1]
        sample = like.nbytes / pixels
        shrink = (options.scale or 1) ** 2
        maps = 10 + (SLAB_MAPS if self.slabs is not None else 0)
        blocks = 2 * count / BLOCK**2
        side = options.tile + CONTEXT
        tiles = min(
            (options.threads if self.staged else 1) * side**2, 2 * pixels / shrink + side**2
        )
        fixed = BASE_MB + (STAGED_MB if self.staged else WHOLE_MB) * tiles / 1e6
        each = 4 * sample + maps + (sample + 6 + blocks) / shrink
        if options.compose == "pyramid":
            fixed += PYRAMID_MB * min(1.0, pixels / PYRAMID_TILE**2)
            each += 2 * sample + 8
        return Needs(1, TILE_MULTIPLE, fixed, each)

    def extended(self, *, observe: Observer | None, slabs: SlabOutput | None) -> NetworkMethod:
        """See `Method`."""
        return replace(self, observe=observe, slabs=slabs)

    def fuse(self, frames: RegisteredFrames, plan: Plan, options: FusionOptions) -> Composite:
        """See `Method`."""
        model = partial(self._model, options.threads, len(frames.stack.names))
        folding = Folding(model, frames, self.observe)
        if self.slabs is not None:
            return fold_slabs(folding, self.slabs)
        return folding.fold(iter(frames), last=plan.used[-1])

    def _model(self, threads: int, count: int) -> DecisionModel:
        """Load the network at two scales, with consistency verification."""
        model = TwoScaleModel(self.load(threads), self.load(threads))
        return VerifiedModel(model, PAIR_WEIGHT if count == 2 else STACK_WEIGHT)

    def describe(self) -> dict[str, Any]:
        """See `Method`."""
        return {"id": self.id, "sha256": dict(self.sha256)}
