"""Image quality metrics, with and without ground truth, usable without the rest of drpl.

Metrics with truth are called as ``metric(fused, truth)``, or as ``metric(fused, truth, band)`` for
a part of the image (bool, (H, W); see `boundary_band`). Metrics without truth are called as
``metric(fused, source_a, source_b, ...)`` with two sources or more; those "for pairs" take exactly
two, and those computed from the fused image alone ignore them. `METRICS` lists every metric with
its symbol, direction, range and reference.

Scores without truth follow the truth only loosely: several of them reward pixels copied from a
single source, even from the wrong one. Prefer metrics with truth where a truth exists.

Images are (H, W) or (H, W, C) arrays of uint8, uint16 or float32, equal in shape and dtype. White
in float32 images is 1, or ``value_range``. Metrics without truth reduce them to luma in 256 levels;
those with truth use Rec. 601 luma in full precision, PSNR all channels. Each metric returns a float
and raises `drpl.errors.MetricError` if there are too few or too many sources, or if images are
unsupported, too small or unlike each other, or do not fit the band.
"""

from drpl.metrics.boundary import boundary_band, psnr_band, psnr_outside
from drpl.metrics.cards import METRICS, MetricCard
from drpl.metrics.edges import q_abf, q_m
from drpl.metrics.information import en, q_mi, q_ncie
from drpl.metrics.perception import q_cb, q_cv
from drpl.metrics.phase import q_p
from drpl.metrics.reference import gmsd, ms_ssim, psnr, ssim
from drpl.metrics.statistics import ag, ei, sd, sf
from drpl.metrics.structure import q_c, q_e, q_s, q_w, q_y

__all__ = [
    "METRICS",
    "MetricCard",
    "ag",
    "boundary_band",
    "ei",
    "en",
    "gmsd",
    "ms_ssim",
    "psnr",
    "psnr_band",
    "psnr_outside",
    "q_abf",
    "q_c",
    "q_cb",
    "q_cv",
    "q_e",
    "q_m",
    "q_mi",
    "q_ncie",
    "q_p",
    "q_s",
    "q_w",
    "q_y",
    "sd",
    "sf",
    "ssim",
]
