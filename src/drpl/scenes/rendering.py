"""Batched rendering of focal stacks with known truth, on CPU or GPU.

A scene consists of a complete background and foreground layers, each with radiance in linear
light, a matte and a depth. `render` blurs every layer by the circle of confusion of its depth, a
foreground together with its matte (premultiplied), and composites the layers from back to front. A
defocused foreground therefore spreads over its background (defocus spread effect), and next to it
every frame may be wrong. The truth is composited from the same layers without blur.

`render_paper` follows the paper's recipe: one binary mask, Gaussian blur in gamma space, hard
edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 16
"""Smallest width in pixels of the border around the picture, where blur wraps around."""
BAND_RADIUS = 12
"""Half width in pixels of the band around focus boundaries, whose errors are reported apart."""


@dataclass(frozen=True)
class Layers:
    """Batch of layered scenes on canvases: pictures with a margin, in pixels, on each side.

    ``radiance`` (B, L, C, H, W) is linear light, >= 0; highlights may exceed 1. Layer 0 is the
    background. ``matte`` (B, L, H, W) is opacity in [0, 1]; 1 for the background. ``depth`` (B, L,
    H, W) is the position along the optical axis in a unit in which the circle of confusion grows
    linearly (dioptres, up to a factor); larger is nearer to the lens. In ``flat`` scenes every
    layer has a single depth, which makes rendering cheaper. ``kinds`` names the front matte of each
    scene, for tables; ``"depth"`` without foreground. Circles of confusion are clipped to a radius
    of ``margin``.
    """

    radiance: Tensor
    matte: Tensor
    depth: Tensor
    flat: bool
    kinds: tuple[str, ...]
    margin: int = MARGIN


@dataclass(frozen=True)
class Lens:
    """Focus, aperture and point spread function for a batch of scenes.

    ``focus`` (B, N) is the depth that each frame is focused at, ``aperture`` (B, N) the radius of
    the circle of confusion, in pixels, at a depth distance of 1. The point spread function has a
    ``shape`` (B,), 0 for a Gaussian, 1 for a disc, 5 or more for a polygon of that many aperture
    blades, and an ``angle`` (B,), the rotation of the polygon in radians.
    """

    focus: Tensor
    aperture: Tensor
    shape: Tensor
    angle: Tensor


@dataclass(frozen=True)
class Scenes:
    """Rendered scenes with their truth; pictures are sRGB-coded, in [0, 1].

    ``frames`` (B, N, C, H, W) are clean, registered source images; ``observed`` are the same as a
    camera records them, equal to ``frames`` before `degradation.degrade`. ``truth`` (B, C, H, W) is
    the all-in-focus image. ``index_map`` (B, H, W), int64, is the index of the frame in which the
    visible surface has the smallest circle of confusion. ``kinds`` are as in `Layers`; ``"paper"``
    for the paper's recipe.
    """

    frames: Tensor
    observed: Tensor
    truth: Tensor
    index_map: Tensor
    kinds: tuple[str, ...]

    @property
    def masks(self) -> Tensor:
        """Index map as one binary mask per frame, shape (B, N, 1, H, W)."""
        planes = F.one_hot(self.index_map, self.frames.shape[1]).movedim(-1, 1)
        return planes[:, :, None].to(self.frames.dtype)

    @property
    def band(self) -> Tensor:
        """Pixels within `BAND_RADIUS` of a focus boundary, bool, shape (B, H, W)."""
        return boundary_band(self.index_map)

    def to(self, device: torch.device) -> Scenes:
        """Return the scenes with all tensors on a device."""
        return on_device(self, device)


Batch = TypeVar("Batch", Layers, Lens, Scenes)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with all its tensors on a device."""
    moved: dict[str, Any] = {
        name: held.to(device) for name, held in vars(batch).items() if isinstance(held, Tensor)
    }
    return replace(batch, **moved)


def srgb_encode(linear: Tensor) -> Tensor:
    """Convert linear light, clipped to [0, 1], to sRGB code values in [0, 1] (IEC 61966-2-1)."""
    linear = linear.clamp(0.0, 1.0)
    return torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    )


def srgb_decode(coded: Tensor) -> Tensor:
    """Convert sRGB code values in [0, 1] to linear light (IEC 61966-2-1)."""
    return torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def defocus_kernels(
    radius: Tensor, shape: Tensor, angle: Tensor, *, largest: int = MARGIN
) -> Tensor:
    """Compute point spread functions, each with a sum of 1.

    ``radius`` (B,), of the circle of confusion, is in [0, ``largest``] pixels. A radius of 0 gives
    a unit impulse; for ``shape`` and ``angle`` see `Lens`. The kernels have sides of 2 *
    ``largest`` + 5. Discs and polygons have anti-aliased rims.
    """
    reach = largest + 2
    axis = torch.arange(-reach, reach + 1, device=radius.device, dtype=radius.dtype)
    rows, cols = torch.meshgrid(axis, axis, indexing="ij")
    distance = torch.hypot(rows, cols)
    radius, shape, angle = (value.view(-1, 1, 1) for value in (radius, shape, angle))
    blades = shape.clamp(min=3).to(radius.dtype)
    sector = 2 * torch.pi / blades
    turn = torch.remainder(torch.atan2(rows, cols) - angle, sector) - sector / 2
    # equal area: the polygon blurs as much as the disc of the same radius
    apothem = radius * torch.sqrt(torch.pi / (blades * torch.tan(torch.pi / blades)))
    polygon = (apothem + 0.5 - distance * torch.cos(turn)).clamp(0.0, 1.0)
    disc = (radius + 0.5 - distance).clamp(0.0, 1.0)
    sigma = (radius / 2.0).clamp(min=0.05)
    gaussian = torch.exp(-0.5 * (distance / sigma) ** 2)
    kernel = torch.where(shape == 0, gaussian, torch.where(shape == 1, disc, polygon))
    normalised: Tensor = kernel / kernel.sum(dim=(-2, -1), keepdim=True)
    return normalised


def _transfer(kernels: Tensor, height: int, width: int) -> Tensor:
    """Spectra (B, H, W // 2 + 1) of kernels, centred on the origin of a periodic canvas."""
    size = kernels.shape[-1]
    canvas = F.pad(kernels, (0, width - size, 0, height - size))
    centred = torch.roll(canvas, (-(size // 2), -(size // 2)), dims=(-2, -1))
    return torch.as_tensor(torch.fft.rfft2(centred))


def _blur(spectrum: Tensor, radius: Tensor, lens: Lens, layers: Layers) -> Tensor:
    """Blur a canvas (B, C, H, W), given as its spectrum, by a radius (B, H, W) in pixels.

    For a varying radius, the canvas is blurred by four radii, spaced more densely where they are
    small. Each pixel is interpolated between the two radii that enclose its own.
    """
    size, steps = radius.shape[-2:], 1 if layers.flat else 4
    low = radius.amin(dim=(-2, -1))
    span = radius.amax(dim=(-2, -1)) - low
    total = spectrum.new_zeros((), dtype=radius.dtype)
    for step in range(steps):
        share = (step / max(steps - 1, 1)) ** 2
        radii = low + span * share
        kernels = defocus_kernels(radii, lens.shape, lens.angle, largest=layers.margin)
        product = spectrum * _transfer(kernels, *size)[:, None]
        # one axis at a time is a quarter faster on a CPU than irfft2
        columns = torch.fft.ifft(product, dim=-2)
        blurred = torch.as_tensor(torch.fft.irfft(columns, n=size[1], dim=-1))
        if steps == 1:
            return blurred
        share_of_span = (radius - low[:, None, None]) / span.clamp(min=1e-6)[:, None, None]
        position = share_of_span.clamp(min=0.0).sqrt() * (steps - 1)
        weight = (1.0 - (position - step).abs()).clamp(min=0.0)[:, None]
        total = total + weight * blurred
    return total


def blur_radius(layers: Layers, lens: Lens, layer: int, frame: int) -> Tensor:
    """Radius (B, H, W) in pixels of the circle of confusion of one layer in one frame."""
    aperture, focus = (v[:, frame, None, None] for v in (lens.aperture, lens.focus))
    return (aperture * (layers.depth[:, layer] - focus).abs()).clamp(max=layers.margin)


def render(layers: Layers, lens: Lens) -> Scenes:
    """Render a batch of layered scenes, without the margin of the canvas and not degraded."""
    truth = layers.radiance[:, 0] * layers.matte[:, 0, None]
    images = list(_frames(truth, 0, layers, lens))
    for layer in range(1, layers.matte.shape[1]):
        matte = layers.matte[:, layer, None]
        front = torch.cat([layers.radiance[:, layer] * matte, matte], dim=1)
        for frame, blurred in enumerate(_frames(front, layer, layers, lens)):
            images[frame] = _over(blurred, images[frame])
        truth = _over(front, truth)
    margin = layers.margin
    stack = torch.stack([_picture(image, margin) for image in images], dim=1)
    index_map = _cut(focused_frame(layers, lens), margin)
    return Scenes(stack, stack, _picture(truth, margin), index_map, layers.kinds)


def _frames(canvas: Tensor, layer: int, layers: Layers, lens: Lens) -> Iterator[Tensor]:
    """Blur the canvas of one layer as in each frame."""
    spectrum = torch.fft.rfft2(canvas)
    for frame in range(lens.focus.shape[1]):
        yield _blur(spectrum, blur_radius(layers, lens, layer, frame), lens, layers)


def _over(front: Tensor, behind: Tensor) -> Tensor:
    """Composite a premultiplied layer, with its matte as last channel, over the layers behind."""
    return front[:, :-1] + (1.0 - front[:, -1:]) * behind


def _cut(canvas: Tensor, margin: int) -> Tensor:
    """Cut off the margin."""
    return canvas[..., margin:-margin, margin:-margin]


def _picture(canvas: Tensor, margin: int) -> Tensor:
    """Convert a canvas in linear light to an sRGB-coded picture without margin."""
    return srgb_encode(_cut(canvas, margin))


def focused_frame(layers: Layers, lens: Lens) -> Tensor:
    """Index (B, H, W) of the frame with the smallest circle of confusion at the visible surface."""
    depth = layers.depth[:, 0]
    for layer in range(1, layers.depth.shape[1]):
        depth = torch.where(layers.matte[:, layer] > 0.5, layers.depth[:, layer], depth)
    nearest = torch.full_like(depth, torch.inf)
    index_map = torch.zeros_like(depth, dtype=torch.int64)
    for frame in range(lens.focus.shape[1]):
        focus, aperture = (v[:, frame, None, None] for v in (lens.focus, lens.aperture))
        radius = aperture * (depth - focus).abs()
        index_map.masked_fill_(radius < nearest, frame)
        nearest = torch.minimum(radius, nearest)
    return index_map


def boundary_band(index_map: Tensor, radius: int = BAND_RADIUS) -> Tensor:
    """Find pixels within a chessboard distance of a focus boundary, a change of the index map."""
    padded = F.pad(index_map[:, None].float(), (radius,) * 4, mode="replicate")
    extremes = torch.cat([padded, -padded], dim=1)
    size = 2 * radius + 1
    highest = F.max_pool2d(F.max_pool2d(extremes, (1, size), stride=1), (size, 1), stride=1)
    return highest[:, 0] != -highest[:, 1]


PAPER_SIGMA = 1.4
"""Standard deviation in pixels of the paper's Gaussian blur."""


def render_paper(photos: Tensor, masks: Tensor, levels: Tensor) -> Scenes:
    """Render pairs by the paper's recipe, not degraded.

    The truth is the all-in-focus photos (B, C, H, W) in [0, 1]. Source A is sharp inside the mask
    (B, H, W) and blurred outside; source B is the converse. The blur is a 7x7 Gaussian (sigma 1.4)
    in gamma space, applied as often as ``levels`` (B,) tells, one to three times. Edges are hard
    and there is no defocus spread.

    Reference: Li et al., IEEE TIP 29 (2020), doi:10.1109/TIP.2020.2976190, section IV-A.
    """
    axis = torch.arange(-3, 4, device=photos.device, dtype=photos.dtype)
    weights = torch.exp(-0.5 * (axis / PAPER_SIGMA) ** 2)
    weights = weights / weights.sum()
    channels = photos.shape[1]
    row = weights.view(1, 1, 1, 7).expand(channels, 1, 1, 7)
    column = weights.view(1, 1, 7, 1).expand(channels, 1, 7, 1)
    versions = [photos]
    for _ in range(3):
        padded = F.pad(versions[-1], (3, 3, 3, 3), mode="replicate")
        across = F.conv2d(padded, row, groups=channels)
        versions.append(F.conv2d(across, column, groups=channels))
    order = torch.arange(len(photos), device=photos.device)
    blurred = torch.stack(versions)[levels, order]
    inside = masks[:, None]
    pair = torch.stack(
        [torch.where(inside, photos, blurred), torch.where(inside, blurred, photos)], dim=1
    )
    return Scenes(pair, pair, photos, (~masks).long(), ("paper",) * len(photos))
