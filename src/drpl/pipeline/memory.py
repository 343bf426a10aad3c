"""How much memory fusing takes, and tiles and threads that keep it below a limit."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from drpl.classical.table import BASELINES
from drpl.core.frames import Pixels
from drpl.core.machine import share_heap, usable_cores
from drpl.core.options import TILE_MULTIPLE, FusionOptions
from drpl.decide.contenders import BLOCK
from drpl.errors import ConfigError
from drpl.models.cards import model_folder, read_card

log = logging.getLogger(__name__)
BASE_MB = 200.0
"""Python, libraries, and what a network holds besides its tiles."""
TILE_MB = {"staged": 90.0, "whole": 1100.0}
"""For each megapixel of the tiles that are decided at a time, by the kind of network."""
SLAB_MAPS = 3
"""Bytes for each pixel of a slab's index map, at most, and of its doubt."""
BASELINE_MB, MAPS = 130.0, 8
"""Python and libraries of a baseline; bytes for each pixel of index map, confidence, coverage."""
CONTEXT = 64
"""Pixels that a tile is larger by than what it decides."""
MARGIN = 1.08


def estimate_mb(options: FusionOptions, like: Pixels, count: int, *, slabs: bool = False) -> float:
    """Peak memory of fusing files of a kind, in megabytes.

    Parameters
    ----------
    options : FusionOptions
        With ``threads`` above 0.
    like : ndarray
        A frame, or a stand-in of its shape and dtype.
    count : int
        How many.
    slabs : bool
        Whether runs of frames are fused apart, and these with each other.

    Notes
    -----
    Four frames are held (result, newest, and the next before and after its warp), at the scale of
    decisions a fifth, with masks and features; index map, confidence, coverage; two bytes for a
    block of each frame. A slab has maps of its own besides. A baseline has three frames, and what
    its table entry says. The constants were fitted to measured peaks of 1, 6 and 24 megapixels
    (``drpl fuse --json --scale 1`` of four frames of 8 and 16 bits; those of baselines: three).
    """
    pixels = like.shape[0] * like.shape[1]
    sample = like.nbytes / pixels
    shrink = (options.scale or 1) ** 2
    if options.model in BASELINES:
        method = BASELINES[options.model].held(sample / like.dtype.itemsize)
        return float(MARGIN * (BASELINE_MB + pixels * (3 * sample + MAPS + method) / 1e6))
    maps = SLAB_MAPS if slabs else 0
    blocks = 2 * count / BLOCK**2
    planes = pixels * (4 * sample + 10 + maps + (sample + 6 + blocks) / shrink)
    staged = len(read_card(model_folder(options.model)).stages) > 1
    side = options.tile + CONTEXT
    tiles = min((options.threads if staged else 1) * side**2, 2 * pixels / shrink + side**2)
    network = TILE_MB["staged" if staged else "whole"] * tiles
    return float(MARGIN * (BASE_MB + (planes + network) / 1e6))


def within_memory(
    options: FusionOptions, like: Pixels, count: int, *, slabs: bool = False
) -> FusionOptions:
    """Options whose tiles, and if need be threads, are small enough for ``max_memory``.

    Parameters
    ----------
    options : FusionOptions
    like : ndarray
        A frame, or a stand-in of its shape and dtype.
    count : int
        How many.
    slabs : bool
        As of `estimate_mb`.

    Raises
    ------
    ConfigError
        If no tile is small enough.
    """
    options = replace(options, threads=options.threads or usable_cores())
    estimate = partial(estimate_mb, like=like, count=count, slabs=slabs)
    needed = estimate(options)
    if options.max_memory:
        share_heap()  # the limit counts what is held, not the room that many heaps would keep
        tiles = range(options.tile, TILE_MULTIPLE - 1, -TILE_MULTIPLE)
        tries = [
            replace(options, tile=tile, threads=threads)
            for threads in range(options.threads, 0, -1)
            for tile in tiles
            if tile >= 4 * TILE_MULTIPLE or (threads == 1 and tile == TILE_MULTIPLE)
        ]
        fitting = [tried for tried in tries if estimate(tried) <= options.max_memory]
        if not fitting:
            least = min(estimate(tried) for tried in tries)
            raise ConfigError(
                f"max_memory is {options.max_memory} MB; frames of {like.shape[1]}x{like.shape[0]} "
                f"{like.dtype} need at least {least:.0f} MB: allow more, or reduce the frames"
            )
        options = fitting[0]
        needed = estimate(options)
    log.info(
        "plan: frames of %dx%d %s, tiles of %d, %d threads, about %.0f MB",
        like.shape[1],
        like.shape[0],
        like.dtype,
        options.tile,
        options.threads,
        needed,
    )
    return options
