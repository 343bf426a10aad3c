"""Reuse of rendered scenes in several batches: on a CPU, rendering takes much of the time."""

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
    """Batches that mix scenes of several rendered batches and use each scene ``uses`` times.

    Each use again rotates, mirrors, enlarges and degrades the scene, and folds stacks. ``uses``
    divides the batch size, and scenes are square. Batch ``i`` depends on the seed and ``i`` only:
    it needs rendered batches up to ``i // uses + SPACING * (uses - 1)``, and a resumed run renders
    the scenes of its next batches again. Every worker keeps its own ``SPACING * (uses - 1) + 1``
    rendered batches (0.9 GB for 4 uses of 16 grey pairs of 192x192 pixels). Use one worker, since
    several would render the same scenes. Source: Choi et al., "Faster neural network training with
    data echoing", arXiv:1907.05550 (2019).
    """

    def __init__(self, rendered: SceneBatches, uses: int) -> None:
        self._rendered = rendered
        self._uses = uses
        self._kept: dict[int, Scenes] = {}

    def __getitem__(self, index: int) -> Scenes:
        """Return batch ``index``."""
        uses, batch = self._uses, self._rendered.batch
        newest = index // uses + SPACING * (uses - 1)
        parts = []
        for use in range(uses):
            slots = [slot for slot in range(batch) if (slot + use - index) % uses == 0]
            parts.append(_selected(self._clean(newest - use * SPACING), slots))
        for oldest in [key for key in self._kept if key < newest - SPACING * (uses - 1)]:
            del self._kept[oldest]
        rng = np.random.default_rng([self._rendered.seed, index, uses])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        counts = sorted({part.frames.shape[1] for part in parts})
        groups = [_joined([p for p in parts if p.frames.shape[1] == count]) for count in counts]
        return _joined([self._varied(group, rng, generator) for group in groups])

    def _varied(
        self, scenes: Scenes, rng: np.random.Generator, generator: torch.Generator
    ) -> Scenes:
        """Rotate, mirror, enlarge and degrade scenes; fold stacks to pairs."""
        scenes = _reoriented(scenes, rng)
        scenes = enlarge(scenes, self._rendered.options, rng)
        if self._rendered.degradation is not None:
            scenes = degrade(scenes, self._rendered.degradation, generator)
        return fold_pairs(scenes, generator)

    def _clean(self, index: int) -> Scenes:
        """Batch ``index`` as rendered, kept until all of its scenes are used up."""
        if index not in self._kept:
            drawn = replace(self._rendered.draw(index), degradation=None, enlarging=None)
            self._kept[index] = drawn.render()
        return self._kept[index]


def _selected(scenes: Scenes, slots: list[int]) -> Scenes:
    """Scenes at some places of a batch."""
    frames = scenes.frames[slots]
    kinds = tuple(scenes.kinds[slot] for slot in slots)
    return Scenes(frames, frames, scenes.truth[slots], scenes.index_map[slots], kinds)


def _joined(parts: list[Scenes]) -> Scenes:
    """Join batches to one."""
    frames, observed, truth, index_map = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("frames", "observed", "truth", "index_map")
    )
    return Scenes(frames, observed, truth, index_map, sum((part.kinds for part in parts), ()))


def _reoriented(scenes: Scenes, rng: np.random.Generator) -> Scenes:
    """Rotate each scene by a random multiple of 90 degrees and mirror half of them, at random."""
    turns, mirrored = rng.integers(4, size=len(scenes.truth)), rng.random(len(scenes.truth)) < 0.5

    def reorient(pictures: Tensor) -> Tensor:
        changed = [
            torch.rot90(picture.flip(-1) if flip else picture, int(quarters), (-2, -1))
            for picture, quarters, flip in zip(pictures, turns, mirrored, strict=True)
        ]
        return torch.stack(changed)

    frames = reorient(scenes.frames)
    return replace(
        scenes,
        frames=frames,
        observed=frames,
        truth=reorient(scenes.truth),
        index_map=reorient(scenes.index_map),
    )
