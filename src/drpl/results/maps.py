"""Maps of a result as pictures: which frame, how clear, how deep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision
from drpl.io.write import write_image
from drpl.results.result import FusionResult

INDEX_MAP, CONFIDENCE, DEPTH = "index_map.png", "confidence.png", "depth.png"
HEIGHT = "height_um.tif"
MASKS = ("mask_a.png", "mask_b.png")


def map_paths(
    folder: str | Path | None, *, count: int, z_step: float | None = None
) -> dict[str, Path]:
    """Where the maps of a stack go, by their names; none without a folder.

    Parameters
    ----------
    folder : str, Path or None
    count : int
        Frames of the stack.
    z_step : float, optional
        Micrometres between frames.
    """
    if folder is None:
        return {}
    names = [INDEX_MAP, CONFIDENCE, DEPTH]
    names += [HEIGHT] if z_step is not None else []
    names += MASKS if count == 2 else ()
    return {name: Path(folder) / name for name in names}


def write_maps(
    paths: dict[str, Path],
    result: FusionResult,
    *,
    inputs: Sequence[Path],
    overwrite: bool,
    z_step: float | None = None,
) -> None:
    """Write the maps of a result.

    ``index_map.png`` holds the number of the frame (8 or 16 bits), ``confidence.png`` 255 where the
    decision is clear, ``depth.png`` the place of the frame in the order of focus, stretched from
    black (first frame) to white (last), ``height_um.tif`` (with ``z_step``) micrometres above the
    focus of the first frame, as float, and ``mask_a.png``, ``mask_b.png`` the network's masks of a
    pair.

    Raises
    ------
    WriteError
    """
    for name, path in paths.items():
        picture = _map(name, result, z_step)
        write_image(path, picture, inputs=inputs, overwrite=overwrite)


def _map(name: str, result: FusionResult, z_step: float | None) -> Pixels:
    """One map."""
    if name == INDEX_MAP:
        return result.index_map
    if name == CONFIDENCE:
        return result.confidence
    places = np.argsort(result.plan.focus_order)
    if name == HEIGHT:
        heights: NDArray[np.float32] = places.astype(np.float32) * np.float32(z_step)
        return np.asarray(heights[result.index_map], np.float32)
    if name == DEPTH:
        greys = np.rint(np.linspace(0, 255, len(places))[places]).astype(np.uint8)
        return np.asarray(greys[result.index_map], np.uint8)
    return _mask(result, second=name == MASKS[1])


def _mask(result: FusionResult, *, second: bool) -> NDArray[np.uint8]:
    """A decision mask of a pair, as the result shows it."""
    masks = cast(PairDecision, result.masks)  # only pairs are asked for it
    small = masks.mask_b if second else masks.mask_a
    picture = np.rint(np.asarray(small, np.float32) * 255).astype(np.uint8)
    scale = result.plan.scale
    size = (picture.shape[1] * scale, picture.shape[0] * scale)
    if scale > 1:
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(picture[result.window])
