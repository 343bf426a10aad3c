"""Table of classical methods, which share the protocol of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.plan import Plan
from drpl.align.prepare import RegisteredFrames
from drpl.classical.average import fuse_average
from drpl.classical.dct import fuse_dct
from drpl.classical.guided import fuse_guided
from drpl.classical.pyramid import fuse_laplacian
from drpl.classical.ranking import nearest
from drpl.classical.sift import fuse_dsift
from drpl.classical.views import Fusion, Images, View, Views, as_pixels, as_view
from drpl.classical.wavelet import fuse_wavelet
from drpl.compose.fold import Observer
from drpl.compose.method import Method, Needs
from drpl.compose.slabs import SlabOutput
from drpl.core.composite import Composite
from drpl.core.frames import Pixels, check_stack
from drpl.core.luma import measure_levels
from drpl.core.masks import PairDecision
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError

Composer = Callable[[Views], Images]
"""Function that fuses frames without deciding pixels."""
Decider = Callable[[Views], Fusion]
"""Function that decides which frame each pixel is taken from, and fuses."""
BASE_MB, MAPS = 120.0, 8
"""Megabytes of Python and the libraries; bytes per pixel of index map, confidence and coverage."""


@dataclass(frozen=True)
class ClassicalMethod:
    """A classical `drpl.compose.method.Method`, which fuses all frames at once.

    ``doi`` is empty for plain averaging. At most ``images`` float32 images (of all channels) and
    ``planes`` float32 planes are held, for any number of frames; ``passes`` over the frames do not
    count alignment. Give ``decide_all``, or ``compose_all``, which fuses without deciding; the
    index map then holds the frame nearest in value to each pixel.
    """

    id: str
    title: str
    doi: str
    images: float
    planes: float
    passes: int = 2
    decide_all: Decider | None = None
    compose_all: Composer | None = None

    @property
    def decides(self) -> bool:
        """True if the index map holds decisions, False if it holds the nearest frames."""
        return self.decide_all is not None

    def resolve(self, options: FusionOptions) -> FusionOptions:
        """See `Method`; every pixel is fused at full resolution."""
        self._refuse_if(options.compose != "select", f"compose {options.compose}")
        self._refuse_if(options.scale > 1, f"scale {options.scale}")
        return replace(options, scale=1)

    def extended(self, *, observe: Observer | None, slabs: SlabOutput | None) -> Method:
        """See `Method`."""
        self._refuse_if(slabs is not None, "slabs")
        self._refuse_if(observe is not None, "a sheet of decisions (debug)")
        return self

    def _refuse_if(self, given: bool, option: str) -> None:
        """Raise an error if an option is given that only networks support."""
        if given:
            raise ConfigError(
                f"method {self.id} fuses all frames at once; for {option}, choose a network (see "
                "`drpl methods`)"
            )

    def needs(self, options: FusionOptions, like: Pixels, count: int) -> Needs:
        """See `Method`; three frames are held, besides the images and planes in the table.

        The constants were fitted to measured peaks of 1, 6 and 24 megapixels (``drpl fuse --json``,
        three frames of 8 and 16 bits).
        """
        sample = like.nbytes / (like.shape[0] * like.shape[1])
        channels = sample / like.dtype.itemsize
        held = 4 * (self.images * channels + self.planes)
        return Needs(self.passes, 0, BASE_MB, 3 * sample + MAPS + held)

    def fuse(self, frames: RegisteredFrames, plan: Plan, options: FusionOptions) -> Composite:
        """See `Method`; masks are hard: all other frames (A) against the last frame (B)."""
        count, like = len(frames.stack.names), frames.stack.like
        fusion = self.fuse_views(_FrameViews(frames))
        fused = as_pixels(fusion.fused, like)
        numbers: NDArray[np.unsignedinteger[Any]] = np.asarray(
            plan.used, np.uint8 if count <= 256 else np.uint16
        )
        last = fusion.index_map == len(numbers) - 1
        masks = PairDecision(*(mask.astype(np.float16) for mask in (~last, last)))
        index_map, doubt = numbers[fusion.index_map], 255 - fusion.confidence
        frames.clock.lap("fuse")
        return Composite(fused, fused, index_map, doubt, None, 1, masks)

    def fuse_views(self, views: Views) -> Fusion:
        """Fuse two or more registered frames, alike in shape and white, in ``passes`` passes."""
        if self.decide_all is not None:
            return self.decide_all(views)
        fused = self._fused(views)
        return Fusion(fused, *nearest(views, fused))

    def fuse_arrays(self, sources: Sequence[Pixels]) -> Pixels:
        """Fuse registered frames in memory, without maps, to an image of their shape and dtype.

        Raises StackError if there are fewer than two sources, or they differ in shape or dtype.
        """
        check_stack(sources)
        levels = measure_levels(sources)
        fused = self._fused([as_view(pixels, levels) for pixels in sources])
        return as_pixels(fused, sources[0])

    def describe(self) -> dict[str, Any]:
        """See `Method`."""
        return {"id": self.id, "sha256": {}, "doi": self.doi, "decides": self.decides}

    def _fused(self, views: Views) -> Images:
        """Return the fused image alone."""
        if self.compose_all is not None:
            return self.compose_all(views)
        return self.fuse_views(views).fused


@dataclass(frozen=True)
class _FrameViews:
    """Registered frames as views, read again on each pass."""

    frames: RegisteredFrames

    def __iter__(self) -> Iterator[View]:
        """Iterate over the frames."""
        levels = self.frames.levels
        return (as_view(frame, levels, covered) for _, frame, covered, _ in self.frames)


_TABLE = (
    ClassicalMethod("average", "Plain averaging", "", images=4, planes=3, compose_all=fuse_average),
    ClassicalMethod(
        "laplacian-pyramid",
        "Laplacian pyramid, strongest 5x5 energy (Burt and Adelson 1983)",
        "10.1109/TCOM.1983.1095851",
        images=5,
        planes=2,
        compose_all=fuse_laplacian,
    ),
    ClassicalMethod(
        "wavelet",
        "Shift-invariant wavelets, strongest energy (Rockinger 1997; Starck et al. 2007)",
        "10.1109/TIP.2006.887733",
        images=12.5,
        planes=6,
        compose_all=fuse_wavelet,
    ),
    ClassicalMethod(
        "gff",
        "Guided-filter fusion (Li, Kang and Hu 2013)",
        "10.1109/TIP.2013.2244222",
        images=5.5,
        planes=27,
        decide_all=fuse_guided,
    ),
    ClassicalMethod(
        "dsift",
        "Dense SIFT with consistency verification (Liu, Liu and Wang 2015)",
        "10.1016/j.inffus.2014.05.004",
        images=4.5,
        planes=7.5,
        decide_all=fuse_dsift,
    ),
    ClassicalMethod(
        "dct",
        "DCT variance with consistency verification (Haghighat et al. 2011)",
        "10.1016/j.compeleceng.2011.04.016",
        images=4,
        planes=1.5,
        decide_all=fuse_dct,
    ),
)
CLASSICAL_METHODS = {method.id: method for method in _TABLE}
"""Classical methods by id."""
