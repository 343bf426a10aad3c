"""Image quality metrics, with and without truth; useful without the rest of drpl.

With truth they are called ``metric(fused, truth)``, inside or outside a band
``metric(fused, truth, band)``, without truth ``metric(fused, source_a, source_b, ...)``. `METRICS`
lists them all with symbol, direction, range and source.

Scores without truth follow the truth only loosely: copying pixels hard raises several of them even
where the wrong ones are copied. Choose by truth where there is one.

Images are (H, W) or (H, W, C) arrays of uint8, uint16 or float32 (white at 1, or at
``value_range``). What cannot be compared raises `drpl.errors.MetricError`.
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
