"""The visible path from source images to the fused one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drpl.compose import compose, index_and_confidence
from drpl.decide import DecisionModel, decide_pair
from drpl.errors import WriteError
from drpl.models import load_model
from drpl.read import read_frame
from drpl.stack import FusionOptions, FusionResult, Pixels, check_pair, full_scale
from drpl.write import check_output, write_image

MAP_NAMES = ("mask_a.png", "mask_b.png", "index_map.png", "confidence.png")


def fuse(
    sources: Sequence[Pixels],
    options: FusionOptions | None = None,
    *,
    model: DecisionModel | None = None,
    names: Sequence[str] = ("source A", "source B"),
) -> FusionResult:
    """Fuse two images of one scene, each focused elsewhere, into one that is sharp everywhere.

    Parameters
    ----------
    sources : sequence of two ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Registered, alike in shape and dtype. Integer images span their dtype.
    options : FusionOptions, optional
    model : DecisionModel, optional
        A loaded model, to be used instead of loading ``options.model``.
    names : sequence of str
        What error messages call the sources.

    Returns
    -------
    FusionResult
        The fused image has the shape and dtype of the sources.

    Raises
    ------
    StackError
        If the sources are not a pair.
    ModelError
        If the model is unknown or damaged.

    Examples
    --------
    >>> import numpy as np, drpl
    >>> texture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    >>> result = drpl.fuse([texture, texture])
    >>> bool((result.fused == texture).all())
    True
    """
    options = options or FusionOptions()
    check_pair(sources, names)
    source_a, source_b = sources
    clock = _Clock()
    model = model or load_model(options.model, threads=options.threads)
    clock.lap("load")
    white = full_scale(source_a, options.value_range)
    masks = decide_pair(
        model, source_a, source_b, tile=options.tile, value_range=options.value_range
    )
    del model  # one that was loaded here gives its buffers back before the result takes memory
    clock.lap("decide")
    fused = compose(source_a, source_b, masks, mode=options.compose, white=white)
    index_map, confidence = index_and_confidence(masks)
    clock.lap("compose")
    return FusionResult(
        fused, masks.mask_a, masks.mask_b, index_map, confidence, seconds=clock.seconds
    )


def fuse_files(
    paths: Sequence[str | Path],
    output: str | Path,
    options: FusionOptions | None = None,
    *,
    maps: str | Path | None = None,
    overwrite: bool = False,
) -> FusionResult:
    """Read two files, fuse them, write the result with the first one's profile and metadata.

    Parameters
    ----------
    paths : sequence of two paths
    output : str or Path
        The suffix decides the format; it must hold the sources' depth and transparency.
    options : FusionOptions, optional
    maps : str or Path, optional
        Folder, made if need be, for `MAP_NAMES`: the two masks, the index map (black where the
        pixel is from the first source, white from the second) and the confidence map.
    overwrite : bool
        Whether existing files may be replaced; an input never is.

    Returns
    -------
    FusionResult

    Raises
    ------
    ReadError, StackError, ModelError, WriteError
    """
    output = Path(output)
    clock = _Clock()
    frames = [read_frame(path) for path in paths]
    clock.lap("read")
    names = [frame.name for frame in frames]
    check_pair([frame.pixels for frame in frames], names)
    inputs = [Path(path) for path in paths]
    check_output(output, inputs=inputs, overwrite=overwrite, like=frames[0].pixels)
    map_files = [Path(maps) / name for name in MAP_NAMES] if maps is not None else []
    for path in map_files if maps is not None and Path(maps).exists() else []:
        check_output(path, inputs=[*inputs, output], overwrite=overwrite)
    result = fuse([frame.pixels for frame in frames], options, names=names)
    clock.lap("fuse")
    if maps is not None:
        make_folder(Path(maps))
    write_image(
        output, result.fused, metadata=frames[0].metadata, inputs=inputs, overwrite=overwrite
    )
    _write_maps(map_files, result, inputs=[*inputs, output], overwrite=overwrite)
    clock.lap("write")
    result.seconds.update(read=clock.seconds["read"], write=clock.seconds["write"])
    return result


def _write_maps(
    paths: Sequence[Path], result: FusionResult, *, inputs: Sequence[Path], overwrite: bool
) -> None:
    """Write masks, index map and confidence map as 8-bit pictures."""
    if not paths:
        return
    mask_a, mask_b = (
        np.rint(mask.astype(np.float32) * 255).astype(np.uint8)
        for mask in (result.mask_a, result.mask_b)
    )
    pictures = (mask_a, mask_b, result.index_map * np.uint8(255), result.confidence)
    for path, picture in zip(paths, pictures, strict=True):
        write_image(path, picture, inputs=inputs, overwrite=overwrite)


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises
    ------
    WriteError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made a folder ({error.strerror})") from error


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Name the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
