"""Losses of pair learning. Each takes tensors and returns a scalar.

Masks, targets and weights have shape (B, 1, H, W), images (B, C, H, W). All values lie in [0, 1],
except logits. `drpl.train.config.LossWeights` holds the factor of each loss in the sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6
"""Smallest sum of weights that a weighted mean divides by."""


def fuse(source_a: Tensor, source_b: Tensor, decision: Tensor) -> Tensor:
    """Fuse a pair by a soft decision map M, as ``M * A + (1 - M) * B``."""
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
    """Find the source image nearer to the truth, and weigh each decision by its effect.

    Depth is not the target: beside a blurred foreground, the frame focused on the background may be
    further from the truth than the other frame. The source images are clean and registered; errors
    are averaged over squares of ``window`` pixels, odd.

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
    """Root mean squared error (B, 1, H, W) over channels and a square window."""
    squared = (image - truth).square().mean(dim=1, keepdim=True)
    inset = window // 2
    mean = F.avg_pool2d(squared, window, stride=1, padding=inset, count_include_pad=False)
    return mean.sqrt()


def mask_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of the binary cross-entropy of mask logits and their target."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * weight).sum() / weight.sum().clamp(min=EPSILON)


def coarse_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor, *, cell: int = 16
) -> Tensor:
    """Cross-entropy of coarse mask logits, with target and weight averaged over square cells.

    The logits have shape (B, 1, ceil(H / cell), ceil(W / cell)), as the picture may cut cells at
    its lower and right edges. Source: Lee et al., "Deeply-supervised nets", AISTATS 2015.
    """
    summed, weights = (F.avg_pool2d(v, cell, ceil_mode=True) for v in (target * weight, weight))
    return mask_cross_entropy(logits, summed / weights.clamp(min=EPSILON), weights)


def mask_l1(mask: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean absolute difference of a mask and its target (paper, eq. 5)."""
    return ((mask - target).abs() * weight).sum() / weight.sum().clamp(min=EPSILON)


def pair_complement(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    """Mean of ``(M_A + M_B - 1)^2``, 0 for complementary masks (paper, sec. III-C)."""
    return (mask_a + mask_b - 1.0).square().mean()


def gradient(fused: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of the forward differences of the fused image (paper, eq. 7).

    The paper's released trainer uses a Laplacian instead; see `laplacian`.
    """
    difference = fused - truth
    rows = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    cols = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    return rows + cols


def laplacian(fused: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of fused image and truth, each less its 4-neighbour Laplacian.

    This sharpening of each channel is that of the paper's released trainer.
    """
    difference = fused - truth
    kernel = difference.new_tensor([[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]])
    channels = difference.shape[1]
    weights = kernel.expand(channels, 1, 3, 3)
    return F.conv2d(difference, weights, padding=1, groups=channels).abs().mean()


def ssim(fused: Tensor, truth: Tensor, *, stride: int = 1) -> Tensor:
    """Loss ``1 - SSIM`` (11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03, unit dynamic range).

    A ``stride`` of k evaluates every k-th window in each direction: an estimate of the same mean at
    a fraction of the cost. Source: Wang et al., "Image quality assessment: from error visibility to
    structural similarity", IEEE TIP 13 (2004), doi:10.1109/TIP.2003.819861.
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
    """Matrix (size - 10, size) that averages along an axis with the Gaussian window of SSIM.

    On a CPU, a product of matrices is several times faster than a convolution of one channel.
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
    """Mean PSNR of the fused images below the selection ceiling, in units of 10 dB.

    The ceiling takes at each pixel the source image nearer to the truth. The loss is the mean over
    the batch of ``log10((mse + floor) / (mse_ceiling + floor))``. Like the mean PSNR that is
    reported, it gives easy and hard pictures the same weight.
    """
    mse = (fused - truth).square().mean(dim=(1, 2, 3))
    errors = [(source - truth).square().mean(dim=1) for source in (source_a, source_b)]
    ceiling = torch.minimum(*errors).mean(dim=(1, 2))
    return torch.log10((mse + floor) / (ceiling + floor)).mean()
