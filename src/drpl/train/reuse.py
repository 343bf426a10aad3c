"""Scenes that appear in several batches: on a CPU, rendering takes much of training's time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from drpl.scenes.batches import SceneBatches
from drpl.scenes.degradation import degrade
from drpl.scenes.enlarging import enlarge
from drpl.scenes.rendering import Scenes
from drpl.train.folds import fold_pairs

SPACING = 24
"""Rendered batches between two uses of a scene."""


class ReusedScenes(Dataset[Scenes]):
    """Batches that mix scenes of several rendered batches, each scene used ``uses`` times.

    Every use turns, mirrors, enlarges and degrades the scene and folds stacks anew. Batch
    ``i`` depends on the seed and on ``i`` only, so a run that resumes renders the scenes again that
    its next batches need. Each worker keeps ``SPACING * (uses - 1) + 1`` rendered batches of its
    own (0.9 GB at 4 uses of 16 grey pairs of 192x192): give one, since several render the same
    scenes.

    Parameters
    ----------
    rendered : SceneBatches
        Square scenes; their degradation is applied at each use. As many batches can be had as it
        has, less those in which its first scenes are still to be used.
    uses : int
        A divisor of the batch size.

    References
    ----------
    Choi et al., "Faster neural network training with data echoing", arXiv:1907.05550 (2019).
    """

    def __init__(self, rendered: SceneBatches, uses: int) -> None:
        self._rendered = rendered
        self._uses = uses
        self._kept: dict[int, Scenes] = {}

    def __getitem__(self, index: int) -> Scenes:
        """Batch ``index``."""
        uses, batch = self._uses, self._rendered.batch
        newest = index // uses + SPACING * (uses - 1)
        parts = []
        for use in range(uses):
            slots = [slot for slot in range(batch) if (slot + use - index) % uses == 0]
            parts.append(_picked(self._clean(newest - use * SPACING), slots))
        for oldest in [key for key in self._kept if key < newest - SPACING * (uses - 1)]:
            del self._kept[oldest]
        rng = np.random.default_rng([self._rendered.seed, index, uses])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        counts = sorted({part.frames.shape[1] for part in parts})
        groups = [_joined([p for p in parts if p.frames.shape[1] == count]) for count in counts]
        return _joined([self._met(_turned(group, rng), rng, generator) for group in groups])

    def _met(self, scenes: Scenes, rng: np.random.Generator, generator: torch.Generator) -> Scenes:
        """Scenes of one number of frames, enlarged, degraded and, if they are stacks, folded."""
        scenes = enlarge(scenes, self._rendered.options, rng)
        if self._rendered.degradation is not None:
            scenes = degrade(scenes, self._rendered.degradation, generator)
        return fold_pairs(scenes, generator)

    def _clean(self, index: int) -> Scenes:
        """A rendered batch, kept until it has been used up."""
        if index not in self._kept:
            drawn = replace(self._rendered.draw(index), degradation=None, enlarging=None)
            self._kept[index] = drawn.render()
        return self._kept[index]


def _picked(scenes: Scenes, slots: list[int]) -> Scenes:
    """Some scenes of a batch."""
    frames = scenes.frames[slots]
    kinds = tuple(scenes.kinds[slot] for slot in slots)
    return Scenes(frames, frames, scenes.truth[slots], scenes.index_map[slots], kinds)


def _joined(parts: list[Scenes]) -> Scenes:
    """One batch of several."""
    frames, observed, truth, index_map = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("frames", "observed", "truth", "index_map")
    )
    return Scenes(frames, observed, truth, index_map, sum((part.kinds for part in parts), ()))


def _turned(scenes: Scenes, rng: np.random.Generator) -> Scenes:
    """Each scene in one of the eight positions of a square."""
    turns, mirrored = rng.integers(4, size=len(scenes.truth)), rng.random(len(scenes.truth)) < 0.5

    def turn(pictures: Tensor) -> Tensor:
        moved = [
            torch.rot90(picture.flip(-1) if flip else picture, int(quarters), (-2, -1))
            for picture, quarters, flip in zip(pictures, turns, mirrored, strict=True)
        ]
        return torch.stack(moved)

    frames = turn(scenes.frames)
    return replace(
        scenes,
        frames=frames,
        observed=frames,
        truth=turn(scenes.truth),
        index_map=turn(scenes.index_map),
    )
