"""What is scored: our models, baselines, and what the truth allows at best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.bench.scenes import BenchScene, Bytes
from drpl.classical.table import BASELINES, Baseline
from drpl.core.frames import source_names
from drpl.core.options import COMPOSE_MODES, ComposeMode, FusionOptions
from drpl.decide.networks import DecisionModel
from drpl.io.stacks import ArrayStack
from drpl.models.cards import load_model
from drpl.pipeline.fuse import fuse_stack

Method = Callable[[BenchScene], Bytes]
SOURCE = "source A"
CEILING = "selection ceiling"
CEILINGS = {f"{CEILING} 7x7": 7, f"{CEILING} 3x3": 3, CEILING: 1}
"""Side of the square in which the frames are compared with the truth, by name."""
SCALE_CEILING = f"{CEILING} per scale"
REFERENCES = (SOURCE, *CEILINGS, SCALE_CEILING)
"""What is shown beside the methods where there is a truth, and never ranked."""


def own_methods(
    models: Sequence[str], modes: Sequence[str], *, exposure: bool = False
) -> dict[str, Method]:
    """Every asked way to compose with every asked model, by name; one thread each.

    Frames are fused as they lie: who aligns does so before, for every method. Ours warp them
    themselves by what was found, and so know which pixels were clipped before.

    Parameters
    ----------
    models, modes : sequence of str
    exposure : bool
        Whether exposure is matched first, as `drpl.fuse` does by default.

    Raises
    ------
    ModelError
        If a model is unknown or damaged.
    """
    methods = {}
    for name in models:
        model = load_model(name, threads=1)
        for mode in modes:
            methods[own_name(name, mode)] = _learned(
                model,
                FusionOptions(compose=cast(ComposeMode, mode), align=False, exposure=exposure),
            )
    return methods


def own_name(model: str, mode: str) -> str:
    """What reports call a model and its way to compose."""
    return f"{model} {mode}"


def model_of(method: str) -> str:
    """Model of one of our methods; another method is its own."""
    model, _, mode = method.rpartition(" ")
    return model if mode in COMPOSE_MODES else method


def _learned(model: DecisionModel, options: FusionOptions) -> Method:
    """A model and how it fuses as a method."""

    def method(scene: BenchScene) -> Bytes:
        stack, known = scene.taken or (
            ArrayStack(scene.frames, source_names(len(scene.frames))),
            None,
        )
        return np.asarray(fuse_stack(stack, options, model=model, known=known).fused, np.uint8)

    return method


def baseline_methods() -> dict[str, Method]:
    """The classical methods by their ids."""
    return {name: _classical(baseline) for name, baseline in BASELINES.items()}


def _classical(baseline: Baseline) -> Method:
    """A baseline as a method."""

    def method(scene: BenchScene) -> Bytes:
        return np.asarray(baseline.fuse_arrays(scene.frames), np.uint8)

    return method


def references(frames: list[Bytes], truth: Bytes) -> dict[str, Bytes]:
    """The first frame, and what a selection reaches that knows the truth, by name."""
    found = {SOURCE: frames[0]}
    for name, window in CEILINGS.items():
        found[name] = selection_ceiling(frames, truth, window=window)
    return found | {SCALE_CEILING: scale_ceiling(frames, truth)}


def selection_ceiling(frames: list[Bytes], truth: Bytes, *, window: int = 1) -> Bytes:
    """Per pixel the frame nearest to the truth.

    By the sum of squared differences over the channels and a square of ``window`` pixels' side.
    """
    stack = _with_channels(frames)
    errors = np.square(stack - _with_channels([truth])).sum(axis=-1)
    nearest = np.stack([cv2.blur(error, (window, window)) for error in errors]).argmin(axis=0)
    picked = np.take_along_axis(stack, nearest[None, ..., None], axis=0)[0]
    return np.asarray(picked.reshape(truth.shape), np.uint8)


def scale_ceiling(frames: list[Bytes], truth: Bytes, *, levels: int = 3) -> Bytes:
    """Per coefficient of the Laplacian pyramids the frame nearest to the truth's coefficient."""
    details = [_laplacian_pyramid(image, levels) for image in _with_channels([*frames, truth])]
    picked = []
    for *of_frames, of_truth in zip(*details, strict=True):
        errors = [np.square(detail - of_truth).sum(axis=-1) for detail in of_frames]
        nearest = np.argmin(errors, axis=0)[None, ..., None]
        picked.append(np.take_along_axis(np.stack(of_frames), nearest, axis=0)[0])
    fused = picked[-1]
    for detail in reversed(picked[:-1]):
        fused = detail + _enlarged(fused, detail)
    return np.asarray(np.rint(np.clip(fused, 0, 255)), np.uint8).reshape(truth.shape)


def _with_channels(images: Sequence[Bytes]) -> NDArray[np.float32]:
    """Images (N, H, W, C), also if they are grey."""
    stack = np.stack(images).astype(np.float32)
    return stack if stack.ndim == 4 else stack[..., None]


def _laplacian_pyramid(image: NDArray[np.float32], levels: int) -> list[NDArray[np.float32]]:
    """Details from fine to coarse, and what is left."""
    bands = []
    for _ in range(levels):
        smaller = np.asarray(cv2.pyrDown(image), np.float32)
        smaller = smaller.reshape(*smaller.shape[:2], -1)
        bands.append(image - _enlarged(smaller, image))
        image = smaller
    return [*bands, image]


def _enlarged(smaller: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """A level of a pyramid in the size of the one below."""
    size = (like.shape[1], like.shape[0])
    return np.asarray(cv2.pyrUp(smaller, dstsize=size), np.float32).reshape(like.shape)
