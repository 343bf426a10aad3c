"""The table of classical methods, each behind the interface of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drpl.classical.average import fuse_average
from drpl.classical.dct import fuse_dct
from drpl.classical.guided import fuse_guided
from drpl.classical.pyramid import fuse_laplacian
from drpl.classical.ranking import nearest
from drpl.classical.sift import fuse_dsift
from drpl.classical.views import Coverage, Fusion, Images, View, Views
from drpl.classical.wavelet import fuse_wavelet
from drpl.core.frames import Pixels, check_stack, full_scale
from drpl.core.masks import PairDecision

Composer = Callable[[Views], Images]
"""Joins coefficients: there is no decision to be shown."""
Decider = Callable[[Views], Fusion]


@dataclass(frozen=True)
class Baseline:
    """A classical method.

    It is a `DecisionModel` too, so that whatever takes a model takes a baseline;
    `drpl.fuse` lets it fuse all frames together instead of pairs.

    Attributes
    ----------
    id, title : str
    doi : str
        Of the paper; empty for what needs none.
    images, planes : float
        Float32 images of the frames' channels, and float32 planes, that the method holds at most,
        whatever the number of frames.
    decide_all : callable, optional
        Fuses by deciding which frame each pixel is from.
    compose_all : callable, optional
        Fuses otherwise; a pixel then counts as from the frame that it is nearest to.
    """

    id: str
    title: str
    doi: str
    images: float
    planes: float
    decide_all: Decider | None = None
    compose_all: Composer | None = None

    @property
    def decides(self) -> bool:
        """Whether the index map is what the method decided."""
        return self.decide_all is not None

    def held(self, channels: float) -> float:
        """Bytes for each pixel of a frame that the method holds at most."""
        return 4 * (self.images * channels + self.planes)

    def fuse(self, views: Views) -> Fusion:
        """Fuse registered frames.

        Parameters
        ----------
        views : Views
            Two or more, alike in shape and white. They are gone through once or twice, and once
            more for the index map of a method that does not decide.

        Returns
        -------
        Fusion
        """
        if self.decide_all is not None:
            return self.decide_all(views)
        fused = self._fused(views)
        return Fusion(fused, *nearest(views, fused))

    def fuse_arrays(self, sources: Sequence[Pixels], *, value_range: float | None = None) -> Pixels:
        """Fuse registered frames in memory, without maps.

        Parameters
        ----------
        sources : sequence of ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        value_range : float, optional
            Value of white in float32 images, by default 1.

        Returns
        -------
        ndarray
            Shape and dtype of the sources.

        Raises
        ------
        StackError
            If the sources are not a stack.
        """
        check_stack(sources)
        white = full_scale(sources[0], value_range)
        fused = self._fused([as_view(pixels, white) for pixels in sources])
        return as_pixels(fused, sources[0], white)

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, white: float, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`; the masks are hard, and ``tile`` is not looked at."""
        fusion = self.fuse([as_view(pixels, white) for pixels in (source_a, source_b)])
        masks.mask_a[:] = fusion.index_map == 0
        masks.mask_b[:] = fusion.index_map == 1

    def release(self) -> None:
        """See `drpl.decide.networks.DecisionModel`; nothing is kept."""

    def _fused(self, views: Views) -> Images:
        """The fused image only."""
        if self.compose_all is not None:
            return self.compose_all(views)
        return self.fuse(views).fused


def as_view(pixels: Pixels, white: float, covered: Coverage | None = None) -> View:
    """A registered frame (H, W) or (H, W, C) of any dtype as methods see it."""
    image = pixels if pixels.ndim == 3 else pixels[..., None]
    return View(np.ascontiguousarray(image, np.float32), white, covered)


def as_pixels(fused: Images, like: Pixels, white: float) -> Pixels:
    """A fused image in shape and dtype of a source; integers are rounded, within [0, white]."""
    if like.dtype.kind == "u":
        fused = np.rint(np.clip(fused, 0, np.float32(white)))
    return fused.reshape(like.shape).astype(like.dtype)


_TABLE = (
    Baseline("average", "Plain averaging", "", 4, 3, compose_all=fuse_average),
    Baseline(
        "laplacian-pyramid",
        "Laplacian pyramid, strongest 5x5 energy (Burt and Adelson 1983)",
        "10.1109/TCOM.1983.1095851",
        5,
        2,
        compose_all=fuse_laplacian,
    ),
    Baseline(
        "wavelet",
        "Shift-invariant wavelets, strongest energy (Rockinger 1997; Starck et al. 2007)",
        "10.1109/TIP.2006.887733",
        12.5,
        6,
        compose_all=fuse_wavelet,
    ),
    Baseline(
        "gff",
        "Guided-filter fusion (Li, Kang and Hu 2013)",
        "10.1109/TIP.2013.2244222",
        5.5,
        27,
        decide_all=fuse_guided,
    ),
    Baseline(
        "dsift",
        "Dense SIFT with consistency verification (Liu, Liu and Wang 2015)",
        "10.1016/j.inffus.2014.05.004",
        4.5,
        7.5,
        decide_all=fuse_dsift,
    ),
    Baseline(
        "dct",
        "DCT variance with consistency verification (Haghighat et al. 2011)",
        "10.1016/j.compeleceng.2011.04.016",
        4,
        1.5,
        decide_all=fuse_dct,
    ),
)
BASELINES = {baseline.id: baseline for baseline in _TABLE}
"""Classical methods by id."""


def available_baselines() -> tuple[str, ...]:
    """Ids of the baselines, which `drpl.load_model` and ``--model`` take like those of models.

    Examples
    --------
    >>> import drpl
    >>> "gff" in drpl.available_baselines()
    True
    """
    return tuple(BASELINES)
