"""Small tasks on the files of a job, run by a process of their own in a folder of the job."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from drpl.core.frames import Frame, full_scale
from drpl.core.progress import Progress
from drpl.errors import ReadError
from drpl.io.bmp import is_bmp
from drpl.io.formats import RAW_SUFFIXES, WRITABLE
from drpl.io.provenance import FUSED_BY
from drpl.io.raw import read_raw
from drpl.io.read import read_frame, read_header
from drpl.io.saving import Saving
from drpl.io.write import write_image
from drpl.results.maps import CONFIDENCE, DEPTH, INDEX_MAP
from drpl.results.stored import FUSED, MAPS
from drpl.serve.work.layers import (
    as_shown,
    open_index,
    open_map,
    pixels_shown,
    read_profile,
    write_layer,
)
from drpl.serve.work.retouching import (
    open_result,
    recover_result,
    retouch_result,
    write_retouched,
)

THUMBNAIL = 320
"""Longer side of a thumbnail in pixels."""


def write_result_layers(result: Path, progress: Progress) -> None:
    """Cut the fused image and the maps of a result into tiles."""
    progress("layers", 0, 4)
    write_layer(as_shown(open_map(result / FUSED)), result / "layers" / "fused")
    progress("layers", 1, 4)
    maps = result / MAPS
    write_layer(open_index(maps / INDEX_MAP), result / "layers" / "index", exact=True, nearest=True)
    progress("layers", 2, 4)
    write_layer(open_map(maps / CONFIDENCE), result / "layers" / "confidence", exact=True)
    progress("layers", 3, 4)
    write_layer(open_map(maps / DEPTH), result / "layers" / "depth", exact=True)
    progress("layers", 4, 4)


def inspect_frame(name: str, max_pixels: int, thumbnail: str | None = None) -> dict[str, Any]:
    """Read the header of a frame, and write a thumbnail if a file is named for it.

    Returns ``width`` and ``height`` in pixels, ``dtype``, ``channels`` and ``bytes``, the file's
    size. Raise ReadError if the file is not an image, is damaged or too large; a frame of too many
    pixels is refused before it is decoded.
    """
    like = read_header(name, max_pixels=max_pixels)
    if thumbnail is not None:
        write_thumbnail(name, thumbnail, max_pixels)
    return {
        "width": like.shape[1],
        "height": like.shape[0],
        "dtype": like.dtype.name,
        "channels": 1 if like.ndim == 2 else like.shape[2],
        "bytes": Path(name).stat().st_size,
    }


def inspect_frames(names: list[str], max_pixels: int) -> list[dict[str, Any]]:
    """Read the headers of frames; see `inspect_frame`."""
    return [inspect_frame(name, max_pixels) for name in names]


def write_thumbnail(name: str, target: str, max_pixels: int) -> None:
    """Write a small JPEG of a frame, at most `THUMBNAIL` pixels wide and high."""
    Path(target).parent.mkdir(exist_ok=True)
    try:
        if Path(name).suffix.lower() in RAW_SUFFIXES:
            frame = read_raw(Path(name), max_pixels=max_pixels, half=True)
            small = _thumbnail(frame)
        elif is_bmp(Path(name)):
            small = _thumbnail(read_frame(name, max_pixels=max_pixels))
        else:
            options = {"height": THUMBNAIL, "size": "down", "fail_on": "error"}
            small = as_shown(pyvips.Image.thumbnail(name, THUMBNAIL, **options))
        small.jpegsave(target, Q=85, keep="none")
    except pyvips.Error as error:
        reason = str(error.detail).strip().splitlines()[0] if error.detail else "no detail"
        raise ReadError(f"{name}: is damaged or cut short ({reason}); copy it again") from error


def _thumbnail(frame: Frame) -> Any:
    """Return a small picture of a frame."""
    image = pixels_shown(frame.pixels, frame.metadata.icc)
    return image.thumbnail_image(THUMBNAIL, height=THUMBNAIL, size="down")


def write_frame_layer(number: int, max_pixels: int) -> None:
    """Cut a frame into tiles, registered, exposed and cropped as it was fused."""
    stored, stack = open_result(max_pixels)
    frame = stored.frame(stack, number).frame
    image = pixels_shown(frame, read_profile(stored.folder / FUSED))  # profile it was fused in
    write_layer(image, stored.folder / "layers" / f"frame-{number}")


def convert(source: str, target: str, max_pixels: int) -> None:
    """Write a result in another format, at the largest bit depth that the format holds."""
    frame = read_frame(source, max_pixels=max_pixels)
    pixels, path = frame.pixels, Path(target)
    white = full_scale(pixels, None)
    if not WRITABLE[path.suffix].alpha:
        pixels = _opaque(pixels, white)
    saved = Saving().convert(path, pixels, white)
    write_image(path, saved, metadata=frame.metadata, software=FUSED_BY, overwrite=True)


def _opaque(pixels: Any, white: float) -> Any:
    """Return pixels without transparency, on white."""
    if pixels.ndim == 2 or pixels.shape[2] not in (2, 4):
        return pixels
    alpha = pixels[..., -1:].astype(np.float32) / white
    return (pixels[..., :-1] * alpha + white * (1 - alpha)).astype(pixels.dtype)


def pack(source: str, target: str) -> None:
    """Pack the files of a folder into a ZIP archive."""
    partial = Path(target).with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(Path(source).iterdir()):
            archive.write(path, path.name)
    partial.replace(target)


def draw_demo() -> list[str]:
    """Write the frames of the drawn scene and return their file names."""
    from drpl.scenes.drawn import draw_pair

    names = ["leaves.png", "poster.png"]
    for name, pixels in zip(names, draw_pair(), strict=False):
        write_image(name, pixels)
    return names


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        inspect_frame,
        inspect_frames,
        write_thumbnail,
        draw_demo,
        write_frame_layer,
        retouch_result,
        recover_result,
        write_retouched,
        convert,
        pack,
    )
}
"""Tasks by name; arguments and return values are JSON types."""
