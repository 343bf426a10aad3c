"""Entries of the ranking: our models and the classical methods, beside bounds from the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.bench.scenes import BenchScene, Bytes
from drpl.classical.table import CLASSICAL_METHODS, ClassicalMethod
from drpl.core.frames import source_names
from drpl.core.options import COMPOSE_MODES, ComposeMode, FusionOptions
from drpl.decide.networks import DecisionModel
from drpl.io.stacks import ArrayStack
from drpl.models.cards import load_model
from drpl.models.methods import network_method
from drpl.pipeline.fuse import fuse_stack

Entry = Callable[[BenchScene], Bytes]
"""Fuses a scene: a model with a compose mode, or a classical method."""
SOURCE = "source A"
CEILING = "selection ceiling"
CEILINGS = {f"{CEILING} 7x7": 7, f"{CEILING} 3x3": 3, CEILING: 1}
"""Side in pixels of the square in which frames are compared with the truth, by name."""
SCALE_CEILING = f"{CEILING} per scale"
REFERENCES = (SOURCE, *CEILINGS, SCALE_CEILING)
"""Rows shown beside the entries where a truth exists; never ranked."""


def own_entries(
    models: Sequence[str], modes: Sequence[str], *, exposure: bool = False
) -> dict[str, Entry]:
    """Load each model with each compose mode, on one thread each; return entries by `own_name`.

    The entries do not estimate alignment: scenes come registered, alike for every entry. Where a
    scene knows its frames before registration, they are warped here by the known transforms, so
    that clipped pixels are still recognised. With ``exposure``, exposure is matched first, as
    `drpl.fuse` does by default. Raise ModelError if a model is unknown or damaged.
    """
    entries = {}
    for name in models:
        model = load_model(name, threads=1)
        for mode in modes:
            entries[own_name(name, mode)] = _learned(
                model,
                FusionOptions(compose=cast(ComposeMode, mode), align=False, exposure=exposure),
            )
    return entries


def own_name(model: str, mode: str) -> str:
    """Return the name in reports of a model with a compose mode."""
    return f"{model} {mode}"


def model_of(entry: str) -> str:
    """Return the model of one of our entries by name; any other name is returned unchanged."""
    model, _, mode = entry.rpartition(" ")
    return model if mode in COMPOSE_MODES else entry


def _learned(model: DecisionModel, options: FusionOptions) -> Entry:
    """Return the entry of a model with its options."""
    method = network_method(model)

    def fuse_scene(scene: BenchScene) -> Bytes:
        stack, known = scene.original or (
            ArrayStack(scene.frames, source_names(len(scene.frames))),
            None,
        )
        return np.asarray(fuse_stack(stack, options, method=method, known=known).fused, np.uint8)

    return fuse_scene


def classical_entries() -> dict[str, Entry]:
    """Return the classical methods by id."""
    return {name: _classical(method) for name, method in CLASSICAL_METHODS.items()}


def _classical(method: ClassicalMethod) -> Entry:
    """Return the entry of a classical method."""
    return lambda scene: np.asarray(method.fuse_arrays(scene.frames), np.uint8)


def references(frames: list[Bytes], truth: Bytes) -> dict[str, Bytes]:
    """Return the first frame and the ceilings of a scene, in the order of `REFERENCES`."""
    found = {SOURCE: frames[0]}
    for name, window in CEILINGS.items():
        found[name] = selection_ceiling(frames, truth, window=window)
    return found | {SCALE_CEILING: scale_ceiling(frames, truth)}


def selection_ceiling(frames: list[Bytes], truth: Bytes, *, window: int = 1) -> Bytes:
    """Select at each pixel the frame nearest to the truth; images are (H, W) or (H, W, C).

    Squared differences are averaged over a square with sides of ``window`` pixels.
    """
    stack = _with_channels(frames)
    errors = np.square(stack - _with_channels([truth])).sum(axis=-1)
    nearest = np.stack([cv2.blur(error, (window, window)) for error in errors]).argmin(axis=0)
    picked = np.take_along_axis(stack, nearest[None, ..., None], axis=0)[0]
    return np.asarray(picked.reshape(truth.shape), np.uint8)


def scale_ceiling(frames: list[Bytes], truth: Bytes, *, levels: int = 3) -> Bytes:
    """Select each Laplacian pyramid coefficient from the frame nearest to the truth's.

    Images are (H, W) or (H, W, C); pyramids have ``levels`` of detail besides the base.
    """
    pyramids = [_laplacian_pyramid(image, levels) for image in _with_channels([*frames, truth])]
    picked = []
    for *of_frames, of_truth in zip(*pyramids, strict=True):
        errors = [np.square(detail - of_truth).sum(axis=-1) for detail in of_frames]
        nearest = np.argmin(errors, axis=0)[None, ..., None]
        picked.append(np.take_along_axis(np.stack(of_frames), nearest, axis=0)[0])
    fused = picked[-1]
    for detail in reversed(picked[:-1]):
        fused = detail + _enlarged(fused, detail)
    return np.asarray(np.rint(np.clip(fused, 0, 255)), np.uint8).reshape(truth.shape)


def _with_channels(images: Sequence[Bytes]) -> NDArray[np.float32]:
    """Stack images to float32 (N, H, W, C), with C = 1 for grey."""
    stack = np.stack(images).astype(np.float32)
    return stack if stack.ndim == 4 else stack[..., None]


def _laplacian_pyramid(image: NDArray[np.float32], levels: int) -> list[NDArray[np.float32]]:
    """Return the detail levels from fine to coarse, then the base."""
    bands = []
    for _ in range(levels):
        smaller = np.asarray(cv2.pyrDown(image), np.float32)
        smaller = smaller.reshape(*smaller.shape[:2], -1)
        bands.append(image - _enlarged(smaller, image))
        image = smaller
    return [*bands, image]


def _enlarged(smaller: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge a pyramid level to the size of the next finer one."""
    size = (like.shape[1], like.shape[0])
    return np.asarray(cv2.pyrUp(smaller, dstsize=size), np.float32).reshape(like.shape)
