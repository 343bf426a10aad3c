"""Tiles: written once, read with their context."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from drpl.core.tiling import cover, cover_evenly, mirrored

sides = st.integers(1, 200)


@given(sides, sides, st.integers(1, 80), st.integers(0, 40))
def test_tiles_write_every_pixel_once(height, width, tile, context):
    written = np.zeros((height, width), int)
    canvas = np.arange(height * width).reshape(height, width)
    for part in cover(height, width, tile=tile, context=context):
        written[part.write] += 1
        assert np.array_equal(canvas[part.read][part.crop], canvas[part.write])
    assert (written == 1).all()


@given(sides, sides, st.integers(1, 80), st.integers(0, 40))
def test_tiles_read_their_context_or_reach_the_edge(height, width, tile, context):
    for part in cover(height, width, tile=tile, context=context):
        for read, write, side in zip(part.read, part.write, (height, width), strict=True):
            assert write.start - read.start == context or read.start == 0
            assert read.stop - write.stop == context or read.stop == side


def test_a_tile_is_scaled_in_all_its_windows():
    tile = next(iter(cover(128, 256, tile=64, context=16)))
    small = tile.scaled(16)
    assert small.write == (slice(0, 4), slice(0, 4))
    assert small.read == (slice(0, 5), slice(0, 5))


@given(st.integers(1, 50), st.integers(-120, 0), st.integers(1, 170))
def test_mirrored_indices_pad_symmetrically(length, start, stop):
    axis = np.arange(length)
    padded = np.pad(axis, (-start, max(0, stop - length)), mode="symmetric")
    assert np.array_equal(mirrored(start, stop, length), padded[: stop - start])


steps = st.integers(0, 12).map(lambda n: 16 * n)


@given(st.integers(1, 300), st.integers(1, 300), steps, steps, steps, st.integers(1, 5))
@example(1, 1, 0, 16, 0, 2)
def test_even_tiles_cover_a_region_once(height, width, border, tile, context, at_least):
    """All have one size, start at multiples, and read their context or reach the edge."""
    sides = [side + -side % 16 + 2 * border for side in (height, width)]
    region = (slice(border, border + height), slice(border, border + width))
    tile = max(tile, 16)
    parts = cover_evenly(region, *sides, tile=tile, context=context, multiple=16, at_least=at_least)
    written = np.zeros(sides, int)
    canvas = np.arange(written.size).reshape(sides)
    for part in parts:
        written[part.write] += 1
        assert np.array_equal(canvas[part.read][part.crop], canvas[part.write])
        for read, write, side in zip(part.read, part.write, sides, strict=True):
            assert read.start % 16 == 0
            assert read.stop % 16 == 0
            assert write.stop - write.start <= tile
            assert read.start <= max(0, write.start - context)
            assert read.stop >= min(side, write.stop + context)
    assert (written[region] == 1).all()
    assert written.sum() == height * width
    assert (
        len({(p.read[0].stop - p.read[0].start, p.read[1].stop - p.read[1].start) for p in parts})
        == 1
    )


def test_a_small_region_is_divided_unless_tiles_fall_below_their_context():
    region = (slice(32, 560), slice(32, 560))
    parts = cover_evenly(region, 640, 640, tile=1024, context=48, multiple=16, at_least=2)
    assert [part.write[0] for part in parts] == [slice(32, 304), slice(304, 560)]
    parts = cover_evenly(region, 640, 640, tile=1024, context=480, multiple=16, at_least=2)
    assert len(parts) == 1
