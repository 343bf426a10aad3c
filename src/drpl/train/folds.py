"""Pairs as folding a stack meets them: a composite of some frames, and the next frame."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from drpl.scenes.rendering import Scenes

WINDOWS = (1, 3, 7, 15)
"""Sides in pixels of the windows in which a composite's frames are compared with the truth."""
IN_ORDER = 0.6
"""Share of scenes whose composite holds the first frames of the sweep; else any frames."""
FLAWED = 0.3
"""Share of scenes whose composite holds patches of a frame taken at random."""
PATCH = 32


def fold_pairs(scenes: Scenes, generator: torch.Generator) -> Scenes:
    """Turn stacks into pairs: a composite of some frames' pixels, and one frame more.

    The composite takes, at each pixel, the frame whose window is nearest to the truth; the windows
    vary, and some composites are flawed, as those of a network are.

    Parameters
    ----------
    scenes : Scenes
        Stacks of three frames or more; pairs are given back as they are.
    generator : torch.Generator
        On the device of the scenes.

    Returns
    -------
    Scenes
        Of two frames; the index map tells which is nearer to the truth.
    """
    batch, count = scenes.frames.shape[:2]
    if count == 2:
        return scenes
    device = scenes.frames.device
    in_order = torch.rand(batch, 1, generator=generator, device=device) < IN_ORDER
    shuffled = torch.rand(batch, count, generator=generator, device=device).argsort(dim=1)
    order = torch.where(in_order, torch.arange(count, device=device), shuffled)
    held = torch.randint(1, count, (batch, 1), generator=generator, device=device)
    fresh = order.gather(1, held)
    error = (scenes.frames - scenes.truth[:, None]).square().mean(dim=2)
    chosen = _composite(error, order.argsort(dim=1) < held, generator)
    index = torch.cat([chosen, fresh.view(-1, 1, 1, 1).expand_as(chosen)], dim=1)
    held_error, fresh_error = error.gather(1, index).unbind(dim=1)

    def pair(frames: Tensor) -> Tensor:
        channels = frames.shape[2]
        return frames.gather(1, index[:, :, None].expand(-1, -1, channels, -1, -1))

    return replace(
        scenes,
        frames=pair(scenes.frames),
        observed=pair(scenes.observed),
        index_map=(fresh_error < held_error).long(),
    )


def _composite(error: Tensor, member: Tensor, generator: torch.Generator) -> Tensor:
    """Index (B, 1, H, W) of the frame that each pixel of a composite is from."""
    batch, _, height, width = error.shape
    device = error.device
    window = WINDOWS[
        int(torch.randint(len(WINDOWS), (), generator=generator, device=device).item())
    ]
    smooth = F.avg_pool2d(error, window, stride=1, padding=window // 2, count_include_pad=False)
    outside = ~member[:, :, None, None]
    chosen = smooth.masked_fill(outside, torch.inf).argmin(dim=1, keepdim=True)
    drawn = torch.rand(member.shape, generator=generator, device=device)
    other = drawn.masked_fill(~member, -1.0).argmax(dim=1).view(-1, 1, 1, 1)
    cells = (max(2, height // PATCH), max(2, width // PATCH))
    noise = torch.rand((batch, 1, *cells), generator=generator, device=device)
    flawed = torch.rand((batch, 1, 1, 1), generator=generator, device=device) < FLAWED
    patches = F.interpolate(noise, (height, width), mode="bilinear", align_corners=False) > 0.75
    return torch.where(patches & flawed, other, chosen)
