from fractions import Fraction
from itertools import pairwise

import numpy as np
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from archive_batch import pyramid
from archive_batch.pyramid import create_level, level_shapes, multiscales, reduced, shard_rows

SIDES = st.integers(1, 40)


@given(side=st.tuples(SIDES, SIDES), shape=st.tuples(SIDES, SIDES), seed=st.integers(0, 99), band=st.integers(1, 400))
def test_a_level_holds_the_exact_means_of_cells_whatever_is_reduced_at_a_time(side, shape, seed, band):
    shape = tuple(min(pair) for pair in zip(side, shape))
    plane = np.random.default_rng(seed).integers(0, 65536, side, np.uint16)
    rows, columns = ([cell * whole // cells for cell in range(cells + 1)] for cells, whole in zip(shape, side))
    expected = [
        [
            round(Fraction(int(cell.sum()), cell.size))
            for left, right in pairwise(columns)
            for cell in [plane[top:bottom, left:right]]
        ]
        for top, bottom in pairwise(rows)
    ]
    before, pyramid.BAND_PIXELS = pyramid.BAND_PIXELS, band
    try:
        assert reduced(plane, shape).tolist() == expected
    finally:
        pyramid.BAND_PIXELS = before


def test_floats_stay_floats():
    assert reduced(np.array([[0.25, 0.75], [1, 2]], np.float32), (1, 1)).tolist() == [[1.0]]


def test_levels_end_when_the_short_side_is_below_512():
    assert level_shapes((511, 9000)) == [(511, 9000)]
    assert level_shapes((1025, 4096)) == [(1025, 4096), (512, 2048), (256, 1024)]


@given(st.tuples(st.integers(1, 10**5), st.integers(1, 10**5)))
def test_shards_hold_whole_chunks_and_the_channels_stay_together(shape):
    root = zarr.create_group(MemoryStore())
    array = create_level(root, "0", shape, np.dtype(np.uint8), channels=3)
    assert array.chunks[0] == 3
    assert all(chunk <= 512 for chunk in array.chunks[1:])
    assert all(shard % chunk == 0 for shard, chunk in zip(array.shards or array.chunks, array.chunks))
    rows = list(shard_rows(array))
    assert [row.start for row in rows[1:]] == [row.stop for row in rows[:-1]]
    assert (rows[0].start, rows[-1].stop) == (0, shape[0])


def test_the_centre_of_a_coarse_pixel_lies_between_those_that_it_covers():
    coarse = multiscales("x", [(10, 8), (5, 4)], channels=True)["multiscales"][0]["datasets"][1]
    assert coarse["coordinateTransformations"] == [
        {"type": "scale", "scale": [1.0, 2.0, 2.0]},
        {"type": "translation", "translation": [0.0, 0.5, 0.5]},
    ]
