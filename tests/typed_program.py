"""A program such as users write; `make check` types it against the installed package."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import drpl


def fuse_arrays(frames: list[NDArray[np.uint8]]) -> drpl.FusionResult:
    """Fuse frames in memory by a network that is loaded once."""
    options = drpl.FusionOptions(compose="pyramid", align=False, threads=1)
    return drpl.fuse(frames, options, model=drpl.load_model("drpl-fast", threads=1))


def fuse_folder(folder: Path, output: Path) -> float:
    """Fuse files and return the share of the picture that is taken from the first frame."""
    outputs = drpl.Outputs(output, maps=output.parent / "maps", overwrite=True)
    result, report = drpl.fuse_files([folder], outputs, drpl.FusionOptions(method="gff"))
    seconds: dict[str, float] = report["seconds"]
    assert sum(seconds.values()) >= 0
    return result.coverage()[0]


def decide(source_a: NDArray[np.uint8], source_b: NDArray[np.uint8]) -> float:
    """Decide a pair and return the mean of its first mask."""
    masks = drpl.decide_pair(drpl.load_model(), source_a, source_b)
    return float(masks.mask_a.mean())


def methods() -> tuple[str, ...]:
    """List what fuses."""
    return (*drpl.available_models(), *drpl.available_methods(), drpl.__version__)
