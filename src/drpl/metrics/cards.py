"""Table of all metrics, for benchmarks and reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.errors import MetricError
from drpl.metrics.boundary import psnr_band, psnr_outside
from drpl.metrics.edges import q_abf, q_m
from drpl.metrics.information import en, q_mi, q_ncie
from drpl.metrics.perception import q_cb, q_cv
from drpl.metrics.phase import q_p
from drpl.metrics.reference import gmsd, ms_ssim, psnr, ssim
from drpl.metrics.statistics import ag, ei, sd, sf
from drpl.metrics.structure import q_c, q_e, q_s, q_w, q_y

Needs = Literal["truth", "band", "sources", "pair", "nothing"]
Direction = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class MetricCard:
    """Description of a metric.

    Attributes
    ----------
    name : str
        Name in code.
    symbol : str
        Symbol in the literature.
    better : "higher" or "lower"
        Direction of better scores.
    lowest, highest : float
        Range of the scores for two sources; infinite without a bound.
    needs : "truth", "band", "sources", "pair" or "nothing"
        Arguments besides the fused image: the truth, the truth and a band, two or more sources,
        exactly two sources, or none.
    reference : str
        Authors, year and DOI; the function's docstring has the full reference.
    function : callable
        Metric, called as ``function(fused, truth)``, ``function(fused, truth, band)`` or
        ``function(fused, *sources)``; returns a float.
    """

    name: str
    symbol: str
    better: Direction
    lowest: float
    highest: float
    needs: Needs
    reference: str
    function: Callable[..., float]

    def lacks(self, *, sources: int, truth: bool, band: bool) -> str:
        """Return why the metric cannot be computed from the given arguments, or an empty string.

        Parameters
        ----------
        sources : int
            Number of source images.
        truth, band : bool
            True if a truth or a band is available.
        """
        if self.needs in ("truth", "band") and not truth:
            return "needs a truth"
        if self.needs == "band" and not band:
            return "needs the focus-boundary band, which rendered scenes have"
        if self.needs in ("sources", "pair") and sources < 2:
            return "needs two source images or more"
        if self.needs == "pair" and sources > 2:
            return "is defined for two source images"
        return ""

    def score(
        self,
        fused: Pixels,
        *,
        sources: Sequence[Pixels] = (),
        truth: Pixels | None = None,
        band: NDArray[np.bool_] | None = None,
    ) -> float:
        """Score a fused image; arguments that the metric does not need are ignored.

        Parameters
        ----------
        fused, truth : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
            Images of equal shape and dtype.
        sources : sequence of ndarray
            Source images, of the shape and dtype of the fused image.
        band : ndarray of bool, shape (H, W)
            Focus-boundary band; see `drpl.metrics.boundary.boundary_band`.

        Returns
        -------
        float

        Raises
        ------
        MetricError
            If an argument that the metric needs is missing, or the images cannot be compared.
        """
        lacks = self.lacks(sources=len(sources), truth=truth is not None, band=band is not None)
        if lacks:
            raise MetricError(f"{self.name} {lacks}")
        arguments = {"truth": (truth,), "band": (truth, band), "nothing": ()}
        return self.function(fused, *arguments.get(self.needs, sources))


PIELLA = "Piella and Heijmans 2003, doi:10.1109/ICIP.2003.1247209"
CARDS = (
    MetricCard("psnr", "PSNR", "higher", -math.inf, math.inf, "truth", "mean squared error", psnr),
    MetricCard(
        "ssim", "SSIM", "higher", -1, 1, "truth", "Wang 2004, doi:10.1109/TIP.2003.819861", ssim
    ),
    MetricCard(
        "ms_ssim",
        "MS-SSIM",
        "higher",
        0,
        1,
        "truth",
        "Wang 2003, doi:10.1109/ACSSC.2003.1292216",
        ms_ssim,
    ),
    MetricCard(
        "gmsd", "GMSD", "lower", 0, 0.5, "truth", "Xue 2014, doi:10.1109/TIP.2013.2293423", gmsd
    ),
    MetricCard(
        "psnr_band",
        "PSNR in the band",
        "higher",
        -math.inf,
        math.inf,
        "band",
        "mean squared error",
        psnr_band,
    ),
    MetricCard(
        "psnr_outside",
        "PSNR outside",
        "higher",
        -math.inf,
        math.inf,
        "band",
        "mean squared error",
        psnr_outside,
    ),
    MetricCard(
        "q_mi", "Q_MI", "higher", 0, 2, "sources", "Hossny 2008, doi:10.1049/el:20081754", q_mi
    ),
    MetricCard(
        "q_ncie",
        "Q_NCIE",
        "higher",
        1 - math.log(3, 256),
        1,
        "sources",
        "Wang 2008, doi:10.1016/B978-0-12-372529-5.00017-2",
        q_ncie,
    ),
    MetricCard(
        "q_abf",
        "Q^AB/F",
        "higher",
        0,
        1,
        "sources",
        "Xydeas and Petrovic 2000, doi:10.1049/el:20000267",
        q_abf,
    ),
    MetricCard(
        "q_m",
        "Q_M",
        "higher",
        0,
        3,
        "sources",
        "Wang and Liu 2008, doi:10.1109/ICOSP.2008.4697288",
        q_m,
    ),
    MetricCard("q_p", "Q_P", "higher", -1, 1, "sources", "Zhao, Laganiere and Liu 2007", q_p),
    MetricCard("q_s", "Q_S", "higher", -1, 1, "sources", PIELLA, q_s),
    MetricCard("q_w", "Q_W", "higher", -1, 1, "sources", PIELLA, q_w),
    MetricCard("q_e", "Q_E", "higher", -1, 1, "sources", PIELLA, q_e),
    MetricCard("q_c", "Q_C", "higher", -1, 1, "pair", "Cvejic 2005", q_c),
    MetricCard(
        "q_y", "Q_Y", "higher", -1, 1, "pair", "Yang 2008, doi:10.1016/j.inffus.2006.09.001", q_y
    ),
    MetricCard(
        "q_cv",
        "Q_CV",
        "lower",
        0,
        math.inf,
        "sources",
        "Chen and Varshney 2007, doi:10.1016/j.inffus.2005.10.001",
        q_cv,
    ),
    MetricCard(
        "q_cb",
        "Q_CB",
        "higher",
        0,
        1,
        "sources",
        "Chen and Blum 2009, doi:10.1016/j.imavis.2007.12.002",
        q_cb,
    ),
    MetricCard("en", "EN", "higher", 0, 8, "nothing", "Roberts 2008, doi:10.1117/1.2945910", en),
    MetricCard(
        "ag",
        "AG",
        "higher",
        0,
        255,
        "nothing",
        "Cui 2015, doi:10.1016/j.optcom.2014.12.032",
        ag,
    ),
    MetricCard(
        "ei", "EI", "higher", 0, 1020 * math.sqrt(2), "nothing", "Rajalingam and Priya 2018", ei
    ),
    MetricCard(
        "sd", "SD", "higher", 0, 127.5, "nothing", "Liu 2012, doi:10.1109/TPAMI.2011.109", sd
    ),
    MetricCard(
        "sf",
        "SF",
        "higher",
        0,
        255 * math.sqrt(2),
        "nothing",
        "Eskicioglu and Fisher 1995, doi:10.1109/26.477498",
        sf,
    ),
)
METRICS = {card.name: card for card in CARDS}
"""Metrics by name."""
