import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drpl.tiling import cover, mirrored

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


def test_scaled():
    tile = next(iter(cover(128, 256, tile=64, context=16)))
    small = tile.scaled(16)
    assert small.write == (slice(0, 4), slice(0, 4))
    assert small.read == (slice(0, 5), slice(0, 5))


@given(st.integers(1, 50), st.integers(-120, 0), st.integers(1, 170))
def test_mirrored_is_symmetric_padding(length, start, stop):
    axis = np.arange(length)
    padded = np.pad(axis, (-start, max(0, stop - length)), mode="symmetric")
    assert np.array_equal(mirrored(start, stop, length), padded[: stop - start])
