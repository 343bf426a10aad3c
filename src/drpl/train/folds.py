"""Pairs that occur when a stack is folded: a composite of some frames, and the next frame."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from drpl.scenes.rendering import Scenes

WINDOWS = (1, 3, 7, 15)
"""Sides in pixels of the windows in which a composite's frames are compared with the truth."""
IN_ORDER = 0.6
"""Share of scenes whose composite is made of the first frames of the stack; else of any frames."""
FLAWED = 0.3
"""Share of scenes whose composite has patches of a frame chosen at random."""
PATCH = 32
"""Approximate side of a patch in pixels."""


def fold_pairs(scenes: Scenes, generator: torch.Generator) -> Scenes:
    """Turn stacks into pairs of a composite of some frames and one further frame.

    At each pixel, the composite takes the frame that is nearest to the truth in a window. The size
    of the window varies, and some composites get wrong patches, like composites of a network. The
    index map of the pairs holds the frame nearer to the truth at each pixel. Scenes of two frames
    are returned unchanged. The generator is on the device of the scenes.
    """
    batch, count = scenes.frames.shape[:2]
    if count == 2:
        return scenes
    device = scenes.frames.device
    in_order = torch.rand(batch, 1, generator=generator, device=device) < IN_ORDER
    shuffled = torch.rand(batch, count, generator=generator, device=device).argsort(dim=1)
    order = torch.where(in_order, torch.arange(count, device=device), shuffled)
    folded = torch.randint(1, count, (batch, 1), generator=generator, device=device)
    next_frame = order.gather(1, folded)
    error = (scenes.frames - scenes.truth[:, None]).square().mean(dim=2)
    chosen = _composite(error, order.argsort(dim=1) < folded, generator)
    index = torch.cat([chosen, next_frame.view(-1, 1, 1, 1).expand_as(chosen)], dim=1)
    composite_error, next_error = error.gather(1, index).unbind(dim=1)

    def pair(frames: Tensor) -> Tensor:
        channels = frames.shape[2]
        return frames.gather(1, index[:, :, None].expand(-1, -1, channels, -1, -1))

    return replace(
        scenes,
        frames=pair(scenes.frames),
        observed=pair(scenes.observed),
        index_map=(next_error < composite_error).long(),
    )


def _composite(error: Tensor, member: Tensor, generator: torch.Generator) -> Tensor:
    """Index map (B, 1, H, W) of a composite of the frames for which ``member`` (B, N) is True."""
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
