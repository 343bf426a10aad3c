"""Scenes rendered with known truth, from photos that no shipped model was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from drpl.bench.moved import STACK_FRAMES, move_frames
from drpl.bench.scenes import SEED, BenchScene, MadeScene, registered
from drpl.scenes.batches import SceneBatches
from drpl.scenes.degradation import DegradationOptions
from drpl.scenes.photos import Photo, find_photos, load_photos, split_photos
from drpl.train.config import TrainOptions

RENDERED = {"pairs": 2, "stacks": STACK_FRAMES, "moved": STACK_FRAMES}
"""Frames of each kind of scene; moved ones breathe, shift, change exposure, and are aligned."""


@dataclass(frozen=True)
class RenderedScene(MadeScene):
    """A scene to be rendered.

    Attributes
    ----------
    photos : Path
        Folder that the shipped models were trained on; its validation share is used.
    rendered : str
        One of `RENDERED`.
    index : int
        Same index and seed, same scene, however many there are.
    size : int
        Side in pixels.
    degraded : bool
        Whether frames have shift, exposure change, noise and JPEG; else they are clean.
    seed : int
    """

    photos: Path
    rendered: str
    index: int
    size: int
    degraded: bool
    seed: int = SEED

    @property
    def data_set(self) -> str:
        """See `SceneEntry`."""
        return f"rendered {self.rendered}"

    @property
    def name(self) -> str:
        """See `SceneEntry`."""
        return f"{self.rendered}_{self.index:03d}"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneEntry`."""
        return _held_out(self.photos)

    def load(self) -> BenchScene:
        """Render it; on one thread, so that it is the same wherever that is done."""
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
    """Render scenes from the photos that training keeps out.

    Parameters
    ----------
    photos : Path
        Folder that the shipped models were trained on; its validation share is used.
    count, size : int
        Number of scenes, and their side in pixels.
    degradation : DegradationOptions or None
        None gives clean, registered frames.
    frames : int
        Of each scene.
    seed : int
        Same seed, same scenes.
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
    """One scene as 8-bit pictures."""
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
    """Photos that training keeps out."""
    return tuple(split_photos(find_photos(photos), TrainOptions().validation_share)[1])


@lru_cache(maxsize=1)
def _photos(photos: Path) -> list[Photo]:
    """Pixels of the photos that training keeps out."""
    return load_photos(_held_out(photos))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch add up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
