"""Enlarged parts of scenes, which look like pictures of many megapixels: soft, with wide blur."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from drpl.scenes.options import SceneOptions
from drpl.scenes.rendering import Scenes


def enlarge(scenes: Scenes, options: SceneOptions, rng: np.random.Generator) -> Scenes:
    """Enlarge a random part of some clean scenes to the size of the whole picture.

    Scenes are chosen with probability ``enlarged_share``; their factor is drawn log-uniformly
    between 1.2 and ``enlarged``. `Scenes.observed` becomes equal to `Scenes.frames`: degrade later.
    """
    count, (height, width) = len(scenes.truth), scenes.truth.shape[-2:]
    chosen = rng.random(count) < options.enlarged_share
    frames, truth = scenes.frames.clone(), scenes.truth.clone()
    index_map = scenes.index_map.clone()
    for number in np.flatnonzero(chosen):
        factor = math.exp(rng.uniform(math.log(1.2), math.log(options.enlarged)))
        rows, cols = (max(8, round(side / factor)) for side in (height, width))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - cols + 1))
        part = (..., slice(top, top + rows), slice(left, left + cols))
        frames[number] = _resized(frames[number][part], (height, width), "bicubic")
        truth[number] = _resized(truth[number : number + 1][part], (height, width), "bicubic")[0]
        indices = index_map[number][part][None, None].to(torch.float32)
        index_map[number] = _resized(indices, (height, width), "nearest")[0, 0].long()
    return replace(scenes, frames=frames, observed=frames, truth=truth, index_map=index_map)


def _resized(pictures: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resample pictures (N, C, H, W) to a size; clip interpolated colours to [0, 1]."""
    if mode == "nearest":
        return F.interpolate(pictures, size, mode=mode)
    return F.interpolate(pictures, size, mode=mode, align_corners=False).clamp(0.0, 1.0)
