"""Folders of all-in-focus photos and of mask files: find, split by source picture, decode."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.errors import ConfigError, ReadError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
Photo = NDArray[np.uint8]


def find_photos(folder: Path, what: str = "all-in-focus photos") -> list[Path]:
    """List the pictures, with a suffix of `PHOTO_SUFFIXES`, in a folder and its subfolders, sorted.

    Raise ReadError if the folder does not exist or holds no picture; ``what`` names those expected.
    """
    if not folder.is_dir():
        raise ReadError(f"{folder}: no such folder; expected one with {what}")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES)
    if not found:
        raise ReadError(f"{folder}: holds no {what}; expected files {', '.join(PHOTO_SUFFIXES)}")
    return found


def split_photos(photos: Sequence[Path], share: float) -> tuple[list[Path], list[Path]]:
    """Split photos into training and validation by source picture.

    Several files may be cut from one picture. A ``manifest.csv`` in one of the three folders above
    a file names its source picture (columns ``file, origin, path``); without one, the file name
    less ``_cropN`` does. The split depends on these names alone, so adding photos moves no photo
    from one part to the other. An expected ``share`` of source pictures, in (0, 1), goes to
    validation. Raise ConfigError if either part would be empty.
    """
    manifests: dict[Path, dict[str, str]] = {}
    training: list[Path] = []
    validation: list[Path] = []
    for photo in photos:
        digest = hashlib.sha256(_source_picture(photo, manifests).encode()).digest()
        chosen = int.from_bytes(digest[:4], "big") < share * 2**32
        (validation if chosen else training).append(photo)
    if not training or not validation:
        raise ConfigError(
            f"{len(photos)} photos cannot be split into training and validation with a validation "
            f"share of {share}; give more photos or another validation_share"
        )
    return training, validation


def _source_picture(photo: Path, manifests: dict[Path, dict[str, str]]) -> str:
    """Name of the picture that a photo was cut from."""
    for folder in list(photo.resolve().parents)[:3]:
        path = folder / "manifest.csv"
        if path not in manifests:
            manifests[path] = _read_manifest(path)
        name = photo.resolve().relative_to(folder).as_posix()
        if name in manifests[path]:
            return manifests[path][name]
    return re.sub(r"_crop\d+$", "", photo.stem)


def _read_manifest(path: Path) -> dict[str, str]:
    """Source picture of each file in a manifest; empty if there is no manifest."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        if not {"file", "origin", "path"} <= set(rows.fieldnames or ()):
            return {}
        return {
            row["file"]: re.sub(r"_crop\d+", "", f"{row['origin']}/{row['path']}") for row in rows
        }


def load_photos(paths: Sequence[Path]) -> list[Photo]:
    """Decode photos to RGB (H, W, 3); raise ReadError if a file cannot be decoded."""
    decoded = (_decoded(path, cv2.IMREAD_COLOR, "photo") for path in paths)
    return [np.ascontiguousarray(photo[..., ::-1]) for photo in decoded]


def load_masks(folder: Path) -> list[Photo]:
    """Decode the mask files (h, w) in a folder and its subfolders; objects are bright (above 127).

    Raise ReadError if the folder holds no mask file or one cannot be decoded.
    """
    return [_decoded(path, cv2.IMREAD_GRAYSCALE, "mask") for path in find_photos(folder, "masks")]


def _decoded(path: Path, colours: int, what: str) -> Photo:
    """Decode a file by OpenCV, which gives colours as BGR."""
    decoded = cv2.imread(str(path), colours)
    if decoded is None:
        raise ReadError(f"{path}: cannot be decoded; expected a {what}, replace or remove it")
    return np.asarray(decoded, np.uint8)
