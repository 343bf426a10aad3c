"""Losses of pair learning: each a small function of tensors, a scalar out.

Masks and weights have shape (B, 1, H, W), images (B, C, H, W); everything lies in [0, 1] unless
it is called logits. `LossWeights` in the configuration says how they are added up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6


def fuse(source_a: Tensor, source_b: Tensor, decision: Tensor) -> Tensor:
    """Fused image ``M * A + (1 - M) * B`` by a soft decision map M."""
    return source_b + decision * (source_a - source_b)


def nearer_source(
    source_a: Tensor,
    source_b: Tensor,
    truth: Tensor,
    *,
    window: int = 5,
    scale: float = 0.04,
    floor: float = 0.02,
) -> tuple[Tensor, Tensor]:
    """Which source is nearer to the truth, and how much it matters.

    Depth is not the target: beside a blurred foreground the frame focused on the background may
    be further from the truth than the other one.

    Parameters
    ----------
    source_a, source_b, truth : Tensor, shape (B, C, H, W)
        Clean and registered.
    window : int
        Side in pixels of the square that errors are averaged over; odd.
    scale : float
        Difference of the root mean squared errors at which the weight reaches 1.
    floor : float
        Smallest weight.

    Returns
    -------
    target : Tensor, shape (B, 1, H, W)
        1 where source A has the smaller mean squared error in the window, else 0; 0.5 at a tie.
    weight : Tensor, shape (B, 1, H, W)
        ``clip(|rmse_A - rmse_B| / scale, floor, 1)``.
    """
    error_a, error_b = (_local_rmse(source, truth, window) for source in (source_a, source_b))
    target = (error_a < error_b).to(truth.dtype) + 0.5 * (error_a == error_b).to(truth.dtype)
    return target, ((error_a - error_b).abs() / scale).clamp(floor, 1.0)


def _local_rmse(image: Tensor, truth: Tensor, window: int) -> Tensor:
    """Root of the mean squared error over a square window and the channels."""
    squared = (image - truth).square().mean(dim=1, keepdim=True)
    inset = window // 2
    mean = F.avg_pool2d(squared, window, stride=1, padding=inset, count_include_pad=False)
    return mean.sqrt()


def mask_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of the binary cross entropy between mask logits and their target."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * weight).sum() / weight.sum().clamp(min=EPSILON)


def coarse_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor, *, cell: int = 16
) -> Tensor:
    """`mask_cross_entropy` of a coarser level: targets and weights are averaged over its cells.

    Parameters
    ----------
    logits : Tensor, shape (B, 1, ceil(H / cell), ceil(W / cell))
    target, weight : Tensor, shape (B, 1, H, W)
    cell : int
        Side of a cell in pixels; cells at the edges may be cut.

    References
    ----------
    Lee et al., "Deeply-supervised nets", AISTATS 2015.
    """
    summed, weights = (F.avg_pool2d(v, cell, ceil_mode=True) for v in (target * weight, weight))
    return mask_cross_entropy(logits, summed / weights.clamp(min=EPSILON), weights)


def mask_l1(mask: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean absolute difference of a mask and its target (paper, eq. 5)."""
    return ((mask - target).abs() * weight).sum() / weight.sum().clamp(min=EPSILON)


def pair_complement(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    """Mean of ``(M_A + M_B - 1)^2``: the masks of a pair are complements (paper, sec. III-C)."""
    return (mask_a + mask_b - 1.0).square().mean()


def gradient(fused: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of forward differences of fused image and truth (paper, eq. 7).

    The released trainer takes a Laplacian; see `laplacian`.
    """
    difference = fused - truth
    rows = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    cols = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    return rows + cols


def laplacian(fused: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the images sharpened by a 4-neighbour Laplacian.

    The operator is ``image - laplacian(image)``, as in the paper's released trainer, applied to
    each channel.
    """
    difference = fused - truth
    kernel = difference.new_tensor([[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]])
    channels = difference.shape[1]
    weights = kernel.expand(channels, 1, 3, 3)
    return F.conv2d(difference, weights, padding=1, groups=channels).abs().mean()


def ssim(fused: Tensor, truth: Tensor, *, stride: int = 1) -> Tensor:
    """``1 - SSIM`` (11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03, unit dynamic range).

    With a ``stride`` of k only every k-th window in each direction is looked at: the same mean but
    for sampling, at a fraction of the cost.

    References
    ----------
    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 13 (2004), doi:10.1109/TIP.2003.819861.
    """
    rows, columns = (_window_matrix(size, fused)[::stride] for size in fused.shape[-2:])

    def average(image: Tensor) -> Tensor:
        return rows @ image @ columns.T

    mean_f, mean_t = average(fused), average(truth)
    variance_f = average(fused * fused) - mean_f.square()
    variance_t = average(truth * truth) - mean_t.square()
    covariance = average(fused * truth) - mean_f * mean_t
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_f * mean_t + c1) * (2 * covariance + c2)
    denominator = (mean_f.square() + mean_t.square() + c1) * (variance_f + variance_t + c2)
    return 1.0 - (numerator / denominator).mean()


def _window_matrix(size: int, like: Tensor) -> Tensor:
    """Matrix (size - 10, size) that averages along an axis with SSIM's Gaussian window.

    A product of matrices is several times faster on a CPU than a convolution of one channel.
    """
    axis = torch.arange(-5, 6, device=like.device, dtype=like.dtype)
    window = torch.exp(-0.5 * (axis / 1.5) ** 2)
    window = window / window.sum()
    matrix = like.new_zeros(size - 10, size)
    for offset in range(11):
        matrix.diagonal(offset)[: size - 10] = window[offset]
    return matrix


def fused_charbonnier(fused: Tensor, truth: Tensor, *, softness: float = 1e-3) -> Tensor:
    """Charbonnier distance, mean of ``sqrt(d^2 + softness^2) - softness``, of fused and truth."""
    return ((fused - truth).square() + softness**2).sqrt().mean() - softness


def fused_log_error(
    fused: Tensor, source_a: Tensor, source_b: Tensor, truth: Tensor, *, floor: float = 3e-6
) -> Tensor:
    """How far the fused image stays behind the selection ceiling, in units of 10 dB.

    Mean over the batch of ``log10((mse + floor) / (mse_ceiling + floor))``: the mean PSNR is what
    is reported, and a picture that is easy counts in it as much as a hard one. The ceiling takes
    at each pixel the source nearer to the truth.
    """
    mse = (fused - truth).square().mean(dim=(1, 2, 3))
    errors = [(source - truth).square().mean(dim=1) for source in (source_a, source_b)]
    ceiling = torch.minimum(*errors).mean(dim=(1, 2))
    return torch.log10((mse + floor) / (ceiling + floor)).mean()
