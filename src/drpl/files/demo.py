"""The demonstration: a drawn scene, photographed twice, fused, compared with the truth."""

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


@dataclass(frozen=True)
class Demo:
    """What the demonstration did.

    Attributes
    ----------
    result : FusionResult
    psnr : dict
        PSNR in dB of each source and of the fused image against the truth.
    """

    result: FusionResult
    psnr: dict[str, float]


def run_demo(out: Path, options: FusionOptions, *, overwrite: bool = False) -> Demo:
    """Render the scene, fuse it, write pictures and a contact sheet.

    Parameters
    ----------
    out : Path
        Folder for `FILES`, made if need be.
    options : FusionOptions
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    WriteError
        If a file exists already or cannot be written.
    ModelError
        If the model is unknown.
    """
    make_folder(out)
    for name in FILES:
        check_output(out / name, overwrite=overwrite)
    source_a, source_b, truth = draw_pair()
    result = fuse([source_a, source_b], options)
    masks = cast(PairDecision, result.masks)  # a pair has them
    mask_a, mask_b = (_rounded(mask) for mask in (masks.mask_a, masks.mask_b))
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


def _rounded(mask: NDArray[Any]) -> Bytes:
    """A mask in [0, 1] as a picture."""
    return np.rint(mask.astype(np.float32) * 255).astype(np.uint8)


def _contact_sheet(pictures: tuple[Bytes, ...], soft: Image, scores: dict[str, float]) -> Bytes:
    """Two rows of three labelled pictures: sources and decision, then result, truth, error."""
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
    """A grey plane as RGB bytes."""
    return np.repeat(np.rint(plane).astype(np.uint8)[..., None], 3, axis=2)


def _labelled(text: str, picture: Bytes) -> Bytes:
    """A picture at half its size under a line of text."""
    small = cv2.resize(picture, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    strip = np.full((28, WIDTH // 2, 3), 32, np.uint8)
    white = (240.0, 240.0, 240.0)
    cv2.putText(strip, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, white, 1, cv2.LINE_AA)
    return np.vstack([strip, small.astype(np.uint8)])
