"""Pair networks: two source images in, two decision masks out, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.arrays import as_frames
from drpl.core.frames import Pixels, Tensor, source_names
from drpl.core.luma import Levels, luma_plane, measure_levels
from drpl.core.masks import PairDecision
from drpl.core.options import TILE
from drpl.core.tiling import Tile, Window, cover, cover_evenly, mirrored
from drpl.decide.backend import Session
from drpl.errors import ModelError

Float = NDArray[np.floating[Any]]
BORDER = 32
"""Width, in pixels, of the mirrored border that keeps a network's own padding off the picture."""
CANVAS_MULTIPLE = 64
"""Multiple, in pixels, that the sides of a canvas are."""
LARGE = 4_000_000
"""Pixels above which a stage frees its memory before the next begins."""
STEP = 16
"""Pixels, along an axis, per encoded feature."""


class DecisionModel(Protocol):
    """A loaded network that decides pairs of any size."""

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, levels: Levels, tile: int, masks: PairDecision
    ) -> None:
        """Fill the masks (H, W) of a pair.

        The sources, (H, W) or (H, W, C), are alike in shape and dtype; alpha is ignored. The side
        of a ``tile`` is a multiple of 64 pixels.
        """

    def release(self) -> None:
        """Free the memory of earlier decisions."""


def decide_pair(
    model: DecisionModel,
    source_a: Any,
    source_b: Any,
    *,
    tile: int = TILE,
    mask_dtype: type[np.float16] | type[np.float32] = np.float16,
) -> PairDecision:
    """Decide which source each pixel should be taken from.

    Parameters
    ----------
    model : DecisionModel
        Loaded network; see `drpl.load_model`.
    source_a, source_b : array, shape (H, W) or (H, W, C)
        Alike in shape and dtype, as `drpl.fuse` takes them; alpha is ignored.
    tile : int
        Side of a tile in pixels, a multiple of 64. It changes the masks by rounding only (less
        than 1e-5).
    mask_dtype : type, optional
        ``np.float16`` by default, which halves the memory, or ``np.float32``.

    Returns
    -------
    PairDecision
        Masks of shape (H, W), in [0, 1].

    Raises
    ------
    StackError
        If the sources differ in shape or dtype, or are not images.
    ModelError
        If ``model`` is not a loaded network.

    Examples
    --------
    >>> import numpy as np, drpl
    >>> sharp = np.random.default_rng(0).integers(0, 255, (96, 128), dtype=np.uint8)
    >>> masks = drpl.decide_pair(drpl.load_model(), sharp, np.full_like(sharp, 128))
    >>> bool(masks.mask_a.mean() > 0.9)
    True
    """
    check_model(model)
    (source_a, source_b), _ = as_frames((source_a, source_b), source_names(2))
    shape = source_a.shape[:2]
    masks = PairDecision(np.empty(shape, mask_dtype), np.empty(shape, mask_dtype))
    levels = measure_levels((source_a, source_b))
    model.decide(source_a, source_b, levels=levels, tile=tile, masks=masks)
    return masks


def check_model(model: Any) -> DecisionModel:
    """Return a loaded network; raise ModelError for the id of a method, or anything else."""
    if callable(getattr(model, "decide", None)):
        loaded: DecisionModel = model
        return loaded
    method = str(model) if isinstance(model, (str, PathLike)) else "gff"
    raise ModelError(
        f"model is {str(model)!r:.60}; expected a network from drpl.load_model(). Choose a method "
        f'by its id: drpl.FusionOptions(method="{method}")'
    )


@dataclass(frozen=True)
class PairNetwork:
    """One graph from an RGB pair to its masks, like the paper's network; pads with zeros.

    Inputs ``source_a`` and ``source_b``, shape (1, 3, H, W), are in [0, 1]; outputs ``mask_a`` and
    ``mask_b``, one channel each, depend on ``contexts[0]`` pixels around a tile.
    """

    staged: ClassVar[bool] = False
    masks: Session
    contexts: tuple[int, ...]

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, levels: Levels, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`."""
        height, width = source_a.shape[:2]
        for part in cover(height, width, tile=tile, context=self.contexts[0]):
            pair = (_rgb(source[part.read], levels) for source in (source_a, source_b))
            outputs = self.masks.run(dict(zip(("source_a", "source_b"), pair, strict=True)))
            for mask, output in zip((masks.mask_a, masks.mask_b), outputs, strict=True):
                mask[part.write] = output[0, 0][part.crop]

    def release(self) -> None:
        """See `DecisionModel`."""
        self.masks.release()


@dataclass(frozen=True)
class StagedNetwork:
    """Three graphs on luma: encode tiles, compare once at 1/16, decode tiles.

    The stages are exported from `drpl.train.networks.DRPLFast`. The picture lies on a canvas with a
    mirrored border. Only the encoded features, ``channels`` at 1/16 of the resolution, are held for
    all of the canvas. ``contexts`` are the pixels around a tile that each stage depends on; the
    trunk's is not used. Each of ``threads`` computes one tile at a time.
    """

    staged: ClassVar[bool] = True
    encode: Session
    trunk: Session
    decode: Session
    contexts: tuple[int, ...]
    channels: int
    threads: int

    def decide(
        self, source_a: Pixels, source_b: Pixels, *, levels: Levels, tile: int, masks: PairDecision
    ) -> None:
        """See `DecisionModel`."""
        canvas = _Canvas(*source_a.shape[:2])
        features = [self._encode(source, canvas, levels, tile) for source in (source_a, source_b)]
        names = ("features_a", "features_b")
        large = canvas.height * canvas.width > LARGE
        if large:
            self.encode.release()
        contexts = self.trunk.run(dict(zip(names, features, strict=True)))
        del features
        if large:
            contexts = [context.copy() for context in contexts]
            self.trunk.release()

        def decode(part: Tile) -> None:
            rows, cols = part.scaled(STEP).read
            inputs = {
                "source_a": canvas.luma(source_a, part.read, levels),
                "source_b": canvas.luma(source_b, part.read, levels),
                "context_a": np.ascontiguousarray(contexts[0][..., rows, cols]),
                "context_b": np.ascontiguousarray(contexts[1][..., rows, cols]),
            }
            for mask, output in zip(
                (masks.mask_a, masks.mask_b), self.decode.run(inputs), strict=True
            ):
                canvas.write(mask, part.write, output[0, 0][part.crop])

        self._each_tile(decode, canvas, canvas.picture, tile, self.contexts[2])

    def release(self) -> None:
        """See `DecisionModel`."""
        for stage in (self.encode, self.trunk, self.decode):
            stage.release()

    def _encode(self, source: Pixels, canvas: _Canvas, levels: Levels, tile: int) -> Tensor:
        """Return the features of one frame, at 1/16."""
        shape = (1, self.channels, canvas.height // STEP, canvas.width // STEP)
        features = np.empty(shape, np.float32)

        def encode(part: Tile) -> None:
            small = part.scaled(STEP)
            (encoded,) = self.encode.run({"source": canvas.luma(source, part.read, levels)})
            features[(..., *small.write)] = encoded[(..., *small.crop)]

        self._each_tile(encode, canvas, canvas.whole, tile, self.contexts[0])
        return features

    def _each_tile(
        self,
        work: Callable[[Tile], None],
        canvas: _Canvas,
        region: Window,
        tile: int,
        context: int,
    ) -> None:
        """Work on the tiles of a region of the canvas, one per thread at a time."""
        parts = cover_evenly(
            region,
            canvas.height,
            canvas.width,
            tile=tile,
            context=context,
            multiple=STEP,
            at_least=self.threads,
        )
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(work, parts):
                pass


class _Canvas:
    """A picture with its mirrored border, padded to multiples of `CANVAS_MULTIPLE`."""

    def __init__(self, height: int, width: int) -> None:
        self._size = (height, width)
        self.height, self.width = (
            side + 2 * BORDER + -(side + 2 * BORDER) % CANVAS_MULTIPLE for side in (height, width)
        )

    @property
    def whole(self) -> Window:
        """Rows and columns of the whole canvas."""
        return slice(0, self.height), slice(0, self.width)

    @property
    def picture(self) -> Window:
        """Smallest window of whole steps that contains the picture."""
        height, width = (BORDER + side + -side % STEP for side in self._size)
        return slice(BORDER, height), slice(BORDER, width)

    def luma(self, source: Pixels, window: Window, levels: Levels) -> Tensor:
        """Return the luma (1, 1, h, w), in [0, 1], of a window of the canvas."""
        rows, cols = (
            _Span(span.start - BORDER, span.stop - BORDER, side)
            for span, side in zip(window, self._size, strict=True)
        )
        if not (rows.mirrors_once and cols.mirrors_once):
            indices = rows.indices()[:, None], cols.indices()
            return luma_plane(source[indices], levels)[None, None]
        plane = luma_plane(source[rows.inside, cols.inside], levels)
        margins = (rows.before, rows.after, cols.before, cols.after)
        if any(margins):
            bordered = cv2.copyMakeBorder(plane, *margins, cv2.BORDER_REFLECT)
            plane = bordered.astype(np.float32, copy=False)
        return plane[None, None]

    def write(self, mask: Float, window: Window, values: Tensor) -> None:
        """Write a window of the canvas into a mask, cutting off the border."""
        spans = []
        for span, side in zip(window, self._size, strict=True):
            start, stop = max(0, span.start - BORDER), min(side, span.stop - BORDER)
            spans.append((slice(start, stop), start + BORDER - span.start))
        (rows, top), (cols, left) = spans
        height, width = rows.stop - rows.start, cols.stop - cols.start
        if height > 0 and width > 0:
            mask[rows, cols] = values[top : top + height, left : left + width]


class _Span:
    """A span along one axis of a picture that may extend beyond its ends."""

    def __init__(self, start: int, stop: int, side: int) -> None:
        self._bounds = (start, stop, side)
        self.inside = slice(max(0, start), min(side, stop))
        self.before, self.after = self.inside.start - start, stop - self.inside.stop

    @property
    def mirrors_once(self) -> bool:
        """True if the parts beyond the ends mirror pixels of the span itself."""
        return max(self.before, self.after) <= self.inside.stop - self.inside.start

    def indices(self) -> NDArray[np.intp]:
        """Return the index of each position, mirrored as often as needed."""
        return mirrored(*self._bounds)


def _rgb(pixels: Pixels, levels: Levels) -> Tensor:
    """Return the colours (1, 3, H, W), black at 0 and white at 1; grey is repeated."""
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        planes = pixels[..., :3].transpose(2, 0, 1)
    else:
        plane = pixels if pixels.ndim == 2 else pixels[..., 0]
        planes = np.broadcast_to(plane, (3, *plane.shape))
    colours = np.array(planes, np.float32, order="C")[None]
    colours -= np.float32(levels.black)
    colours *= np.float32(1 / levels.span)
    return colours
