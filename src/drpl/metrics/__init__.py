"""Image quality metrics."""

from drpl.metrics.reference import psnr, ssim

__all__ = ["psnr", "ssim"]
