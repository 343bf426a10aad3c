"""Rendered scenes written to image files, for inspection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.io.write import check_output, make_folder, write_image
from drpl.scenes.batches import SceneBatches
from drpl.scenes.photos import find_photos, load_masks, load_photos
from drpl.scenes.rendering import Scenes
from drpl.train.config import TrainOptions, read_config

SHEET = "contact_sheet.png"
THUMBNAIL = 192


def write_scenes(
    photos: Path,
    out: Path,
    *,
    config: Path | None = None,
    scenes: int = 16,
    size: int = 384,
    frames: int = 2,
    masks: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Render scenes to folders ``scene_000``, ``scene_001``, ... and to one contact sheet.

    Each folder holds the observed frames as ``frame_0.png``, ..., and ``truth.png``,
    ``index_map.png`` and ``band.png``; the sheet, which is returned, has a row of them per scene.

    Parameters
    ----------
    photos, masks : Path
        Folder of all-in-focus photos, and of mask files to use as mattes besides the procedural
        ones.
    config : Path, optional
        Training configuration or recipe that sets scenes and degradation.
    scenes, size, frames : int
        Number of scenes, their height and width in pixels, and frames per scene.

    Raises
    ------
    ReadError
        If a folder holds no pictures or a picture cannot be decoded.
    ConfigError
        If the configuration is invalid.
    WriteError
        If a file exists and ``overwrite`` is False, or cannot be written.
    """
    options = read_config(config) if config else TrainOptions()
    dataset = SceneBatches(
        load_photos(find_photos(photos)),
        replace(options.scenes, size=size, frames=frames, stack_share=0.0, channels=3),
        batch=1,
        seed=seed,
        length=scenes,
        degradation=options.degradation,
        silhouettes=load_masks(masks) if masks else (),
        rendered=False,
    )
    make_folder(out)
    check_output(out / SHEET, overwrite=overwrite)
    rows = []
    for index in range(scenes):
        scene = dataset.draw(index).render()
        pictures = _pictures(scene)
        folder = out / f"scene_{index:03d}"
        make_folder(folder)
        for name, picture in pictures.items():
            write_image(folder / f"{name}.png", picture, overwrite=overwrite)
        rows.append(_row(f"{index:03d} {scene.kinds[0]}", pictures))
    write_image(out / SHEET, np.vstack(rows), overwrite=overwrite)
    return out / SHEET


def _pictures(scene: Scenes) -> dict[str, NDArray[np.uint8]]:
    """Pictures by name of a batch that holds one scene."""
    named: dict[str, Any] = {
        f"frame_{index}": frame.permute(1, 2, 0) for index, frame in enumerate(scene.observed[0])
    }
    named["truth"] = scene.truth[0].permute(1, 2, 0)
    named["index_map"] = scene.index_map[0] / max(1, scene.frames.shape[1] - 1)
    named["band"] = scene.band[0].float()
    return {
        name: np.rint(picture.numpy() * 255).astype(np.uint8) for name, picture in named.items()
    }


def _row(label: str, pictures: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Row of labelled thumbnails."""
    cells: list[NDArray[np.uint8]] = []
    for name, picture in pictures.items():
        small = cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        rgb = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=2)
        strip = np.full((20, THUMBNAIL, 3), 32, np.uint8)
        text = f"{label}: {name}" if not cells else name
        white = (240.0, 240.0, 240.0)
        cv2.putText(strip, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, white, 1, cv2.LINE_AA)
        cells.append(np.vstack([strip, rgb]).astype(np.uint8))
    return np.hstack(cells).astype(np.uint8)
