"""Table of all metrics, for benchmarks and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log, sqrt
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
    """Description of a metric: its name in code, its symbol in the literature, and how to call it.

    ``better`` is the direction of better scores, ``lowest`` and ``highest`` their range for two
    sources, infinite without a bound. ``needs`` lists the arguments besides the fused image: the
    truth, the truth and a band, two or more sources, exactly two sources (a pair), or none;
    ``function`` takes them in this order, sources one by one. ``reference`` gives authors, year
    and DOI; the function's docstring has the full reference.
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
        """Return why the metric cannot be computed, or an empty string if it can.

        ``sources`` is the number of source images; ``truth`` and ``band`` tell if there is one.
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

        Raise MetricError if one that it needs is missing, or the images cannot be compared.
        """
        lacks = self.lacks(sources=len(sources), truth=truth is not None, band=band is not None)
        if lacks:
            raise MetricError(f"{self.name} {lacks}")
        arguments = {"truth": (truth,), "band": (truth, band), "nothing": ()}
        return self.function(fused, *arguments.get(self.needs, sources))


MSE = "mean squared error"
WANG_2003 = "Wang 2003, doi:10.1109/ACSSC.2003.1292216"
WANG_2004 = "Wang 2004, doi:10.1109/TIP.2003.819861"
XUE = "Xue 2014, doi:10.1109/TIP.2013.2293423"
HOSSNY = "Hossny 2008, doi:10.1049/el:20081754"
WANG_2008 = "Wang 2008, doi:10.1016/B978-0-12-372529-5.00017-2"
XYDEAS = "Xydeas and Petrovic 2000, doi:10.1049/el:20000267"
WANG_LIU = "Wang and Liu 2008, doi:10.1109/ICOSP.2008.4697288"
PIELLA = "Piella and Heijmans 2003, doi:10.1109/ICIP.2003.1247209"
YANG = "Yang 2008, doi:10.1016/j.inffus.2006.09.001"
CHEN_VARSHNEY = "Chen and Varshney 2007, doi:10.1016/j.inffus.2005.10.001"
CHEN_BLUM = "Chen and Blum 2009, doi:10.1016/j.imavis.2007.12.002"
ROBERTS = "Roberts 2008, doi:10.1117/1.2945910"
CUI = "Cui 2015, doi:10.1016/j.optcom.2014.12.032"
LIU = "Liu 2012, doi:10.1109/TPAMI.2011.109"
ESKICIOGLU = "Eskicioglu and Fisher 1995, doi:10.1109/26.477498"
CARDS = (
    MetricCard("psnr", "PSNR", "higher", -inf, inf, "truth", MSE, psnr),
    MetricCard("ssim", "SSIM", "higher", -1, 1, "truth", WANG_2004, ssim),
    MetricCard("ms_ssim", "MS-SSIM", "higher", 0, 1, "truth", WANG_2003, ms_ssim),
    MetricCard("gmsd", "GMSD", "lower", 0, 0.5, "truth", XUE, gmsd),
    MetricCard("psnr_band", "PSNR in the band", "higher", -inf, inf, "band", MSE, psnr_band),
    MetricCard("psnr_outside", "PSNR outside", "higher", -inf, inf, "band", MSE, psnr_outside),
    MetricCard("q_mi", "Q_MI", "higher", 0, 2, "sources", HOSSNY, q_mi),
    MetricCard("q_ncie", "Q_NCIE", "higher", 1 - log(3, 256), 1, "sources", WANG_2008, q_ncie),
    MetricCard("q_abf", "Q^AB/F", "higher", 0, 1, "sources", XYDEAS, q_abf),
    MetricCard("q_m", "Q_M", "higher", 0, 3, "sources", WANG_LIU, q_m),
    MetricCard("q_p", "Q_P", "higher", -1, 1, "sources", "Zhao, Laganiere and Liu 2007", q_p),
    MetricCard("q_s", "Q_S", "higher", -1, 1, "sources", PIELLA, q_s),
    MetricCard("q_w", "Q_W", "higher", -1, 1, "sources", PIELLA, q_w),
    MetricCard("q_e", "Q_E", "higher", -1, 1, "sources", PIELLA, q_e),
    MetricCard("q_c", "Q_C", "higher", -1, 1, "pair", "Cvejic 2005", q_c),
    MetricCard("q_y", "Q_Y", "higher", -1, 1, "pair", YANG, q_y),
    MetricCard("q_cv", "Q_CV", "lower", 0, inf, "sources", CHEN_VARSHNEY, q_cv),
    MetricCard("q_cb", "Q_CB", "higher", 0, 1, "sources", CHEN_BLUM, q_cb),
    MetricCard("en", "EN", "higher", 0, 8, "nothing", ROBERTS, en),
    MetricCard("ag", "AG", "higher", 0, 255, "nothing", CUI, ag),
    MetricCard("ei", "EI", "higher", 0, 1020 * sqrt(2), "nothing", "Rajalingam and Priya 2018", ei),
    MetricCard("sd", "SD", "higher", 0, 127.5, "nothing", LIU, sd),
    MetricCard("sf", "SF", "higher", 0, 255 * sqrt(2), "nothing", ESKICIOGLU, sf),
)
METRICS = {card.name: card for card in CARDS}
"""Metrics by name."""
