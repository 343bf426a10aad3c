"""Pairs as folding a stack meets them: a composite of some frames, and the next frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from drpl.train.synthesis import Scenes

WINDOWS = (1, 3, 7, 15)
"""Sides in pixels of the windows in which a composite's frames are compared with the truth."""
IN_ORDER = 0.6
"""Share of scenes whose composite holds the first frames of the sweep; else any frames."""
FLAWED = 0.3
"""Share of scenes whose composite holds patches of a frame taken at random."""
PATCH = 32
Judge = Callable[[Tensor, Tensor], Tensor]
"""Tells of two observed pictures (B, C, H, W) where the second is better: bool (B, 1, H, W)."""


def fold_pairs(
    scenes: Scenes,
    generator: torch.Generator,
    *,
    judge: Judge | None = None,
    judged_share: float = 0.0,
) -> Scenes:
    """Turn stacks into pairs: a composite of some frames' pixels, and one frame more.

    The composite takes, at each pixel, the frame whose window is nearest to the truth; the windows
    vary, and some composites are flawed, as those of a network are. Others are what a network made
    of the frames, one by one: what is blurred in all of them becomes patchwork that looks like
    detail, and a network has to meet its own to tell it apart.

    Parameters
    ----------
    scenes : Scenes
        Stacks of three frames or more; pairs are given back as they are.
    generator : torch.Generator
        On the device of the scenes.
    judge : Judge, optional
        The network.
    judged_share : float
        Share of composites that it makes.

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
    if judge is not None:
        judged = torch.rand(batch, generator=generator, device=device) < judged_share
        chosen[judged] = _folded(scenes.observed[judged], order[judged], held[judged, 0], judge)
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


def _folded(observed: Tensor, order: Tensor, held: Tensor, judge: Judge) -> Tensor:
    """Index (B, 1, H, W) of what is left of the first ``held`` frames of an order, one by one."""
    batch, _, _, height, width = observed.shape
    chosen = order[:, :1, None, None].expand(batch, 1, height, width).clone()
    scenes = torch.arange(batch, device=observed.device)
    composite = observed[scenes, order[:, 0]]
    for place in range(1, int(held.max()) if batch else 0):
        going = scenes[held > place]
        fresh = order[going, place]
        frame = observed[going, fresh]
        better = judge(composite[going], frame)
        chosen[going] = torch.where(better, fresh[:, None, None, None], chosen[going])
        composite[going] = torch.where(better, frame, composite[going])
    return chosen
