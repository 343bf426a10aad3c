"""Repeatable batches of scenes rendered from all-in-focus photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from drpl.scenes.degradation import DegradationOptions, degrade
from drpl.scenes.enlarging import enlarge
from drpl.scenes.mattes import MATTE_KINDS, draw_matte
from drpl.scenes.options import SceneOptions
from drpl.scenes.photos import Photo
from drpl.scenes.rendering import (
    MARGIN,
    Layers,
    Lens,
    Scenes,
    on_device,
    render,
    render_paper,
    srgb_decode,
)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SOLID_KINDS = ("blob", "polygon", "ellipse", "half_plane", "silhouette")
SOLID_SHARE = 2.0
"""Frequency of each solid kind of matte relative to a fine or porous kind."""
FLAT_LAYERS = (0.0, 0.55, 0.25, 0.12, 0.08)
SLANTED_LAYERS = (0.25, 0.45, 0.25, 0.05, 0.0)
"""Shares of batches with 0, 1, ... foreground layers; slanted layers take four times as long."""


def cut_photo(
    rng: np.random.Generator, photo: Photo, size: int, channels: int
) -> NDArray[np.float32]:
    """Cut a random square from a photo, scale it down by up to two, flip it, vary its tones.

    The photo is RGB, (H, W, 3); one smaller than ``size`` is enlarged. Returns gamma-coded values
    (channels, size, size) in [0, 1]; one channel is luma or a random mixture of the colours.
    """
    largest = min(photo.shape[:2])
    side = min(int(size * rng.uniform(1.0, 2.0)), largest)
    top = int(rng.integers(photo.shape[0] - side + 1))
    left = int(rng.integers(photo.shape[1] - side + 1))
    square: NDArray[Any] = photo[top : top + side, left : left + side]
    if channels == 1:
        weights = LUMA if rng.random() < 0.5 else rng.dirichlet((1, 1, 1)).astype(np.float32)
        square = cv2.transform(square, weights[None])
    method = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    square = cv2.resize(square, (size, size), interpolation=method)
    if rng.random() < 0.5:
        square = square[:, ::-1]
    values = np.ascontiguousarray(square).reshape(size, size, channels).transpose(2, 0, 1)
    coded = values.astype(np.float32) / np.float32(255)
    if rng.random() < 0.3:
        coded = coded ** np.float32(rng.uniform(0.7, 1.4)) * np.float32(rng.uniform(0.4, 1.0))
    return np.ascontiguousarray(coded)


def _smooth_field(rng: np.random.Generator, size: int, cells: int) -> NDArray[np.float32]:
    """Random smooth field (size, size), roughly within [-1, 1]."""
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _slope(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Plane (size, size) of random direction: 0 at the centre, about -0.5 to 0.5 at the edges."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = (np.arange(size, dtype=np.float32) / size) - np.float32(0.5)
    across, down = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return np.asarray(across * axis[None] + down * axis[:, None], np.float32)


@dataclass(frozen=True)
class Drawn:
    """Batch of scenes drawn on the CPU, to be rendered on any device.

    ``scene`` holds photos, masks and levels for the paper's recipe, else layers and lens. ``seed``
    is that of enlarging and degradation, each of which None skips.
    """

    scene: tuple[Layers, Lens] | tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    degradation: DegradationOptions | None
    seed: int
    enlarging: SceneOptions | None

    def render(self, device: torch.device | str = "cpu") -> Scenes:
        """Render, enlarge and degrade the scenes on a device."""
        device = torch.device(device)
        if len(self.scene) == 3:
            photos, masks, levels = (tensor.to(device) for tensor in self.scene)
            scenes = render_paper(photos, masks, levels)
        else:
            layers, lens = self.scene
            scenes = render(on_device(layers, device), on_device(lens, device))
        if self.enlarging is not None:
            scenes = enlarge(scenes, self.enlarging, np.random.default_rng(self.seed))
        if self.degradation is None:
            return scenes
        generator = torch.Generator(device).manual_seed(self.seed)
        return degrade(scenes, self.degradation, generator)


@dataclass(eq=False, repr=False)
class SceneBatches(Dataset[Scenes | Drawn]):
    """Repeatable sequence of batches of scenes, rendered on demand.

    ``photos`` are all-in-focus, RGB (H, W, 3); ``silhouettes`` are mask files (h, w) to use as
    mattes besides the procedural ones. Batch ``i`` of ``length`` holds ``batch`` scenes and depends
    on ``seed`` and ``i`` only. Without ``degradation`` the observed frames stay clean. If not
    ``rendered``, items are `Drawn`, to be rendered on another device.
    """

    photos: Sequence[Photo]
    options: SceneOptions
    _: KW_ONLY
    batch: int
    seed: int
    length: int
    degradation: DegradationOptions | None = None
    silhouettes: Sequence[Photo] = ()
    rendered: bool = True

    @property
    def _margin(self) -> int:
        """Width in pixels of the border around the picture that blur reaches into."""
        return max(MARGIN, math.ceil(self.options.radius[1]))

    def __len__(self) -> int:
        """Number of batches."""
        return self.length

    def __getitem__(self, index: int) -> Scenes | Drawn:
        """Draw batch ``index`` and, if ``rendered``, render it."""
        drawn = self.draw(index)
        return drawn.render() if self.rendered else drawn

    def draw(self, index: int) -> Drawn:
        """Draw the scenes of batch ``index``."""
        rng = np.random.default_rng([self.seed, index])
        options = self.options
        count = options.frames
        if options.stack_share > 0 and rng.random() < options.stack_share:
            count = options.stack_frames
        paper = options.recipe == "paper" or (rng.random() < options.paper_share and count == 2)
        scene = self._draw_paper(rng) if paper else self._draw_layered(rng, count)
        return Drawn(scene, self.degradation, int(rng.integers(2**31)), options)

    def _photo(self, rng: np.random.Generator, size: int) -> NDArray[np.float32]:
        """Random square (C, size, size) of a random photo, gamma-coded."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        return cut_photo(rng, photo, size, self.options.channels)

    def _draw_paper(
        self, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw photos, masks and blur levels for `render_paper`."""
        size = self.options.size
        photos = np.stack([self._photo(rng, size) for _ in range(self.batch)])
        masks = np.stack(
            [
                draw_matte(rng, size, size, silhouettes=self.silhouettes) > 0.5
                for _ in range(self.batch)
            ]
        )
        masks ^= rng.random((self.batch, 1, 1)) < 0.5
        levels = torch.from_numpy(rng.integers(1, 4, self.batch))
        return torch.from_numpy(photos), torch.from_numpy(masks), levels

    def _draw_layered(self, rng: np.random.Generator, count: int) -> tuple[Layers, Lens]:
        """Draw layers and lens for `render`; all scenes of a batch have equally many layers."""
        options = self.options
        flat = rng.random() < options.flat_share
        shares = np.array(FLAT_LAYERS if flat else SLANTED_LAYERS)[: options.max_layers + 1]
        foregrounds = int(rng.choice(len(shares), p=shares / shares.sum()))
        drawn = [self._draw_scene(rng, count, foregrounds, flat) for _ in range(self.batch)]
        radiance, matte, depth, focus, kinds = zip(*drawn, strict=True)
        coded = torch.from_numpy(np.stack(radiance))
        layers = Layers(
            self._highlights(rng, srgb_decode(coded)),
            torch.from_numpy(np.stack(matte)),
            torch.from_numpy(np.stack(depth)),
            flat,
            tuple(kinds),
            self._margin,
        )
        return layers, self._draw_lens(rng, torch.from_numpy(np.stack(focus)))

    def _highlights(self, rng: np.random.Generator, linear: torch.Tensor) -> torch.Tensor:
        """Raise near-white radiance above white in some scenes: highlights blur to discs."""
        gain = np.where(
            rng.random(len(linear)) < self.options.highlight_share,
            rng.uniform(1.0, 8.0, len(linear)),
            0.0,
        ).astype(np.float32)
        excess = (linear - 0.7).clamp(min=0.0)
        return linear + torch.from_numpy(gain).view(-1, 1, 1, 1, 1) * excess

    def _draw_scene(
        self, rng: np.random.Generator, count: int, foregrounds: int, flat: bool
    ) -> tuple[
        NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], str
    ]:
        """Draw one scene: textures (L, C, S, S), mattes and depths (L, S, S), focus (N,), kind."""
        size = self.options.size + 2 * self._margin
        gaps = rng.uniform(0.3, 1.0, foregrounds)
        distances = np.concatenate([[0.0], np.cumsum(gaps) / max(gaps.sum(), 1e-6)])
        radiance, mattes, depths = [], [np.ones((size, size), np.float32)], []
        kind = "depth"
        for distance in distances:
            radiance.append(self._texture(rng, size))
            depths.append(self._depth(rng, size, float(distance), foregrounds, flat))
        for _ in range(foregrounds):
            kind, matte = self._matte(rng, size)
            mattes.append(matte)
        focus = self._draw_focus(rng, count, distances, depths)
        return np.stack(radiance), np.stack(mattes), np.stack(depths), focus, kind

    def _texture(self, rng: np.random.Generator, size: int) -> NDArray[np.float32]:
        """Part of a photo or, now and then, a surface nearly without texture, such as sky."""
        texture = self._photo(rng, size)
        if rng.random() >= self.options.smooth_share:
            return texture
        cells = int(rng.integers(2, 6))
        small = [cv2.resize(channel, (cells, cells)) for channel in texture]
        smooth = [cv2.resize(cell, (size, size), interpolation=cv2.INTER_CUBIC) for cell in small]
        return np.asarray(np.clip(np.stack(smooth), 0.0, 1.0), np.float32)

    def _matte(self, rng: np.random.Generator, size: int) -> tuple[str, NDArray[np.float32]]:
        """Kind and matte of one foreground layer."""
        kinds = MATTE_KINDS if self.silhouettes else MATTE_KINDS[:-1]
        shares = np.array([SOLID_SHARE if kind in SOLID_KINDS else 1.0 for kind in kinds])
        kind = str(rng.choice(kinds, p=shares / shares.sum()))
        return kind, draw_matte(rng, size, size, kind=kind, silhouettes=self.silhouettes)

    def _depth(
        self, rng: np.random.Generator, size: int, distance: float, foregrounds: int, flat: bool
    ) -> NDArray[np.float32]:
        """Depth (S, S) of one layer: flat, slanted, or a smooth field."""
        depth = np.full((size, size), distance, np.float32)
        if flat:
            return depth
        reach = 1.0 if foregrounds == 0 else float(rng.uniform(0.0, 0.5))
        depth += np.float32(reach * rng.uniform(0.5, 1.5)) * _slope(rng, size)
        if rng.random() < 0.5:
            field = _smooth_field(rng, size, int(rng.integers(3, 6)))
            depth += np.float32(0.5 * reach * rng.random()) * field
        return depth

    def _draw_focus(
        self,
        rng: np.random.Generator,
        count: int,
        distances: NDArray[np.float64],
        depths: Sequence[NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """Depth (N,) that each frame is focused at."""
        low = float(min(depth.min() for depth in depths))
        high = float(max(depth.max() for depth in depths))
        if count > 2 or len(distances) == 1:
            focus = np.linspace(low, high, count) if count > 2 else rng.uniform(low, high, 2)
            focus = focus + rng.normal(0.0, 0.02, count)
        else:
            focus = rng.choice(distances, 2, replace=False) + rng.normal(0.0, 0.02, 2)
        if rng.random() < self.options.both_defocused_share:
            focus = focus + rng.choice((-1, 1)) * rng.uniform(0.05, 0.35)
        return (focus[::-1] if rng.random() < 0.5 else focus).astype(np.float32)

    def _draw_lens(self, rng: np.random.Generator, focus: torch.Tensor) -> Lens:
        """Draw aperture and point spread function of each scene."""
        batch, frames = focus.shape
        low, high = np.log(self.options.radius[0] + 1e-6), np.log(self.options.radius[1])
        aperture = np.exp(rng.uniform(low, high, (batch, 1))).repeat(frames, axis=1)
        sharp = rng.random(batch) < self.options.one_sharp_share
        aperture[sharp, rng.integers(frames, size=int(sharp.sum()))] = 0.0
        shape = rng.choice((0, 1, 1, 5, 6, 7, 8, 9), batch)
        return Lens(
            focus,
            torch.from_numpy(aperture.astype(np.float32)),
            torch.from_numpy(shape),
            torch.from_numpy(rng.uniform(0, 2 * np.pi, batch).astype(np.float32)),
        )
