"""Degradation of clean frames as in a camera: motion, exposure, noise, JPEG.

Every function takes a batch. A seeded generator makes the results repeatable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from drpl.scenes.rendering import Scenes

_JPEG_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation table for luminance (ITU-T T.81, table K.1)."""


@dataclass(frozen=True)
class DegradationOptions:
    """Probability and strength of each degradation.

    Probabilities apply to a scene as a whole; strengths are drawn for each frame. Strengths are
    standard deviations: ``shift`` (of the later frames relative to the first) in pixels, ``scale``
    of its relative change, ``rotation`` in radians, ``gain`` around 1, ``offset`` around 0 in units
    of the value range. ``noise`` is the largest standard deviation at mid grey, in the same units.
    JPEG has a quality drawn between 60 and 97.
    """

    shift_chance: float = 0.4
    shift: float = 0.5
    scale: float = 0.001
    rotation: float = 0.0005
    exposure_chance: float = 0.5
    gain: float = 0.02
    offset: float = 0.005
    noise_chance: float = 0.5
    noise: float = 0.02
    jpeg_chance: float = 0.35


def degrade(scenes: Scenes, options: DegradationOptions, generator: torch.Generator) -> Scenes:
    """Degrade the observed frames of clean scenes; leave the clean frames and the truth unchanged.

    The observed frames are in [0, 1], rounded to multiples of 1/255. The ``generator`` is on the
    device of the scenes.
    """
    frames = scenes.frames
    batch, count = frames.shape[:2]
    device = frames.device

    def chosen(chance: float) -> Tensor:
        drawn = torch.rand(batch, 1, generator=generator, device=device) < chance
        return drawn.to(frames.dtype).expand(batch, count)

    def normal() -> Tensor:
        return torch.randn(batch, count, generator=generator, device=device)

    moved = chosen(options.shift_chance)
    moved = torch.cat([torch.zeros_like(moved[:, :1]), moved[:, 1:]], dim=1)
    flat = frames.flatten(0, 1)
    if bool(moved.any()):
        motion = [
            (moved * normal() * amount).flatten()
            for amount in (options.shift, options.shift, options.scale, options.rotation)
        ]
        flat = _move(flat, motion, moved.flatten() > 0)
    exposed = chosen(options.exposure_chance)
    gain = 1.0 + exposed * normal() * options.gain
    offset = exposed * normal() * options.offset
    flat = flat * gain.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
    level = chosen(options.noise_chance) * torch.rand(batch, 1, generator=generator, device=device)
    flat = _add_noise(flat, (level * options.noise).flatten(), generator)
    compressed = chosen(options.jpeg_chance).flatten() > 0
    if bool(compressed.any()):
        quality = 60 + 37 * torch.rand(batch, 1, generator=generator, device=device)
        quality = quality.expand(batch, count).flatten()
        flat = torch.where(compressed.view(-1, 1, 1, 1), jpeg(flat.clamp(0, 1), quality), flat)
    observed = (flat.clamp(0.0, 1.0) * 255.0).round() / 255.0
    return replace(scenes, observed=observed.view_as(frames))


def _move(frames: Tensor, motion: list[Tensor], moved: Tensor) -> Tensor:
    """Translate, scale and rotate the ``moved`` frames about their centre, bicubically.

    ``motion`` holds rows and columns in pixels, relative scale and angle in radians, each (B,).
    """
    rows, cols, scale, angle = motion
    height, width = frames.shape[-2:]
    along, aside = (1.0 + scale) * angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([along, -aside * height / width, 2 * cols / width], dim=1),
            torch.stack([aside * width / height, along, 2 * rows / height], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, list(frames.shape), align_corners=False)
    warped = F.grid_sample(
        frames, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return torch.where(moved.view(-1, 1, 1, 1), warped, frames)


def _add_noise(frames: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise whose variance grows with the signal.

    ``level`` (B,) is the standard deviation at mid grey.
    """
    if not bool((level > 0).any()):
        return frames
    deviation = (0.25 + 1.5 * frames.clamp(0.0, 1.0)).sqrt() * level.view(-1, 1, 1, 1)
    noise = torch.randn(frames.shape, generator=generator, device=frames.device)
    return frames + deviation * noise


def jpeg(frames: Tensor, quality: Tensor) -> Tensor:
    """Quantise 8x8 blocks of DCT coefficients of frames (B, C, H, W) in [0, 1] like baseline JPEG.

    ``quality``, shape (B,), is in 1..100, on the scale of the Independent JPEG Group. Colour is
    approximate: every channel is coded with the luminance table, without conversion to YCbCr and
    without chroma subsampling.

    Reference: ITU-T Recommendation T.81 (1992), sections A.3 and K.1.
    """
    height, width = frames.shape[-2:]
    padded = F.pad(frames, (0, -width % 8, 0, -height % 8), mode="replicate")
    batch, channels, rows, cols = padded.shape
    blocks = padded.view(batch, channels, rows // 8, 8, cols // 8, 8).transpose(3, 4) * 255 - 128
    basis = _dct_basis(frames.device)
    scale = torch.where(quality < 50, 5000.0 / quality, 200.0 - 2.0 * quality).view(-1, 1, 1)
    table = torch.tensor(_JPEG_LUMA, device=frames.device, dtype=frames.dtype)
    table = ((table * scale + 50.0) / 100.0).floor().clamp(1.0, 255.0)
    table = table.view(batch, 1, 1, 1, 8, 8)
    coefficients = ((basis @ blocks @ basis.T) / table).round() * table
    decoded = (basis.T @ coefficients @ basis).transpose(3, 4).reshape(padded.shape)
    return ((decoded + 128.0) / 255.0)[..., :height, :width].clamp(0.0, 1.0)


def _dct_basis(device: torch.device) -> Tensor:
    """Orthonormal 8-point DCT-II as a matrix with one basis vector per row."""
    index = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos(torch.pi * (2 * index[None] + 1) * index[:, None] / 16) / 2
    basis[0] /= 2**0.5
    return basis
