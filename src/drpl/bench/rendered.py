"""Scenes rendered with known truth, from the photos that training holds out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from drpl.bench.moved import STACK_FRAMES, move_frames
from drpl.bench.scenes import BenchScene, SyntheticScene, registered
from drpl.bench.settings import SEED
from drpl.scenes.batches import SceneBatches
from drpl.scenes.degradation import DegradationOptions
from drpl.scenes.photos import Photo, find_photos, load_photos, split_photos
from drpl.train.config import TrainOptions

RENDERED = {"pairs": 2, "stacks": STACK_FRAMES, "moved": STACK_FRAMES}
"""Number of frames by kind of scene. Moved stacks are registered and exposed alike by drpl."""


@dataclass(frozen=True)
class RenderedScene(SyntheticScene):
    """Parameters of a rendered scene, which index and seed alone determine.

    ``photos`` is the folder that the shipped models were trained on; only its validation share is
    used. ``rendered`` is a key of `RENDERED`, ``size`` the side in pixels. Degraded frames have
    shift, exposure change, noise and JPEG coding; others are clean.
    """

    photos: Path
    rendered: str
    index: int
    size: int
    degraded: bool
    seed: int = SEED

    @property
    def data_set(self) -> str:
        """See `SceneSpec`."""
        return f"rendered {self.rendered}"

    @property
    def name(self) -> str:
        """See `SceneSpec`."""
        return f"{self.rendered}_{self.index:03d}"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneSpec`."""
        return _held_out(self.photos)

    def load(self) -> BenchScene:
        """Render the scene on one thread, so that its pixels do not depend on the machine."""
        degradation = DegradationOptions() if self.degraded else None
        scene = _render(
            self.photos,
            self.index,
            size=self.size,
            degradation=degradation,
            frames=RENDERED[self.rendered],
            seed=self.seed,
        )
        if self.rendered != "moved":
            return scene
        moved, _ = move_frames(scene.frames, self.seed + self.index)
        return registered(replace(scene, frames=moved, inner=True))


def bench_scenes(
    photos: Path,
    count: int,
    *,
    size: int,
    degradation: DegradationOptions | None,
    frames: int = 2,
    seed: int = SEED,
) -> Iterator[BenchScene]:
    """Render scenes from the photos that training holds out, ``size`` pixels wide and high.

    ``photos`` is the folder that the shipped models were trained on; only its validation share is
    used. Without ``degradation``, frames are clean and registered. The seed and the number of a
    scene determine it.
    """
    for index in range(count):
        yield _render(photos, index, size=size, degradation=degradation, frames=frames, seed=seed)


def _render(
    photos: Path,
    index: int,
    *,
    size: int,
    degradation: DegradationOptions | None,
    frames: int,
    seed: int,
) -> BenchScene:
    """Render one scene to 8 bits."""
    scenes = replace(TrainOptions().scenes, size=size, channels=3, frames=frames, paper_share=0.0)
    dataset = SceneBatches(
        _photos(photos),
        scenes,
        batch=1,
        seed=seed,
        length=index + 1,
        degradation=degradation,
        rendered=False,
    )
    with _one_thread():
        scene = dataset.draw(index).render()
    pictures = np.rint(scene.observed[0].permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    truth = np.rint(scene.truth[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    return BenchScene(list(pictures), truth, scene.band[0].numpy(), scene.kinds[0])


@lru_cache(maxsize=1)
def _held_out(photos: Path) -> tuple[Path, ...]:
    """Return the paths of the photos that training holds out."""
    return tuple(split_photos(find_photos(photos), TrainOptions().validation_share)[1])


@lru_cache(maxsize=1)
def _photos(photos: Path) -> list[Photo]:
    """Load the photos that training holds out."""
    return load_photos(_held_out(photos))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run PyTorch on one thread, so that it adds in a fixed order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
