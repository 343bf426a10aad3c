"""Demonstration: a drawn scene in two focal planes, fused and compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.masks import PairDecision, decision_map
from drpl.core.options import FusionOptions
from drpl.io.write import check_output, make_folder, write_image
from drpl.metrics.reference import psnr
from drpl.pipeline.fuse import fuse
from drpl.results.result import FusionResult
from drpl.results.sheet import draw_label
from drpl.scenes.drawn import HEIGHT, WIDTH, Bytes, Image, draw_pair

FILES = (
    "source_a.png",
    "source_b.png",
    "mask_a.png",
    "mask_b.png",
    "fused.png",
    "truth.png",
    "contact_sheet.png",
)
"""Names of the pictures."""


@dataclass(frozen=True)
class Demo:
    """Result, and PSNR against the truth in dB: ``source A``, ``source B``, ``fused``."""

    result: FusionResult
    psnr: dict[str, float]


def run_demo(out: Path, options: FusionOptions, *, overwrite: bool = False) -> Demo:
    """Draw the scene, fuse it, and write `FILES` to a folder, created if missing.

    Raises
    ------
    WriteError
        If a file exists already, without ``overwrite``, or cannot be written.
    ModelError
        If the method is unknown or its files are damaged.
    """
    make_folder(out)
    for name in FILES:
        check_output(out / name, overwrite=overwrite)
    source_a, source_b, truth = draw_pair()
    result = fuse([source_a, source_b], options)
    masks = cast(PairDecision, result.masks)  # pairs have masks
    mask_a, mask_b = (_to_bytes(mask) for mask in (masks.mask_a, masks.mask_b))
    scores = {
        "source A": psnr(source_a, truth),
        "source B": psnr(source_b, truth),
        "fused": psnr(result.fused, truth),
    }
    pictures = (source_a, source_b, mask_a, mask_b, result.fused, truth)
    sheet = _contact_sheet(pictures, decision_map(masks), scores)
    for name, picture in zip(FILES, (*pictures, sheet), strict=True):
        write_image(out / name, picture, overwrite=overwrite)
    return Demo(result, scores)


def _to_bytes(mask: NDArray[Any]) -> Bytes:
    """Convert a mask in [0, 1] to uint8."""
    return np.rint(mask.astype(np.float32) * 255).astype(np.uint8)


def _contact_sheet(pictures: tuple[Bytes, ...], soft: Image, scores: dict[str, float]) -> Bytes:
    """Draw two rows of labelled pictures: sources and decision map; result, truth and error."""
    source_a, source_b, _, _, fused, truth = pictures
    error = np.abs(fused.astype(np.float32) - truth).max(axis=2)
    panels = (
        (f"source A: {scores['source A']:.1f} dB", source_a),
        (f"source B: {scores['source B']:.1f} dB", source_b),
        ("decision map: white from A, black from B", _rgb(soft * 255)),
        (f"fused: {scores['fused']:.1f} dB", fused),
        ("truth", truth),
        ("error of fused, 4 times", _rgb(np.minimum(error * 4, 255))),
    )
    labelled = [_labelled(text, picture) for text, picture in panels]
    return np.vstack([np.hstack(labelled[:3]), np.hstack(labelled[3:])])


def _rgb(plane: Image) -> Bytes:
    """Convert a grey plane in [0, 255] to RGB, uint8."""
    return np.repeat(np.rint(plane).astype(np.uint8)[..., None], 3, axis=2)


def _labelled(text: str, picture: Bytes) -> Bytes:
    """Draw a picture at half its size below a line of text."""
    small = cv2.resize(picture, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    return np.vstack([draw_label(text, WIDTH // 2), small.astype(np.uint8)])
