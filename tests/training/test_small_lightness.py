import tracemalloc

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from training.errors import PlaneError
from training.plane import check_plane
from training.small_lightness import LONGEST_ASPECT, area_means, small_lightness, small_shape
from training.window import Window, choose_window

FULL = {np.uint8: Window(0, 255), np.uint16: Window(0, 65535)}
sides = st.integers(1, 90)
shapes = st.tuples(sides, sides)
grids = st.tuples(st.integers(1, 60), st.integers(1, 60))


def noise(shape, dtype=np.uint16, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def reference_weights(side: int, cells: int) -> np.ndarray:
    """Share of each pixel in each cell, (cells, pixels): overlap of intervals; linear where the grid is finer."""
    if cells > side:
        positions = np.clip((np.arange(cells) + 0.5) * side / cells - 0.5, 0, side - 1)
        return np.clip(1 - np.abs(positions[:, None] - np.arange(side)), 0, None)
    edges = np.linspace(0, side, cells + 1)
    first, last = np.arange(side), np.arange(1, side + 1)
    overlap = np.minimum(edges[1:, None], last) - np.maximum(edges[:-1, None], first)
    return np.clip(overlap, 0, None) * cells / side


# -- shape -----------------------------------------------------------------------------------------------------------


@given(
    shape=st.tuples(st.integers(1, 200_000), st.integers(1, 200_000)), working_size=st.sampled_from([32, 128, 160, 256])
)
def test_the_small_shape_is_even_and_bounded(shape, working_size):
    small = small_shape(shape, working_size)
    assert all(side % 2 == 0 and side >= 2 for side in small)
    assert min(small) <= working_size
    assert max(small) <= LONGEST_ASPECT * working_size


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((3000, 4000), (128, 170)),
        ((4000, 3000), (170, 128)),
        ((500, 500), (128, 128)),
        ((50, 100), (128, 256)),
        ((1, 1), (128, 128)),
        ((1, 20000), (2, 512)),
        ((100, 1000), (52, 512)),
    ],
)
def test_the_short_side_is_the_working_size_unless_the_plane_is_very_long(shape, small):
    assert small_shape(shape, 128) == small


@given(shape=shapes, factor=st.integers(2, 9))
def test_the_small_shape_does_not_grow_with_the_picture(shape, factor):
    larger = tuple(side * factor for side in shape)
    assert small_shape(larger, 128) == small_shape(shape, 128)


# -- area means ------------------------------------------------------------------------------------------------------


@given(shape=shapes, grid=grids, dtype=st.sampled_from([np.uint8, np.uint16]))
def test_area_means_agree_with_dense_overlap_weights(shape, grid, dtype):
    plane = noise(shape, dtype)
    expected = reference_weights(shape[0], grid[0]) @ plane @ reference_weights(shape[1], grid[1]).T
    np.testing.assert_allclose(area_means(plane, grid), expected, rtol=1e-9)


@given(shape=shapes, grid=grids, band_values=st.integers(1, 2000))
def test_the_size_of_bands_changes_no_bit(shape, grid, band_values):
    plane = noise(shape)
    whole = area_means(plane, grid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.plane.BAND_PIXELS", band_values)
        np.testing.assert_array_equal(area_means(plane, grid), whole)


@given(shape=shapes, grid=grids, value=st.integers(0, 65535))
def test_a_constant_plane_has_constant_means(shape, grid, value):
    assert (area_means(np.full(shape, value, np.uint16), grid) == value).all()


@given(shape=shapes, grid=grids)
def test_area_means_turn_with_the_plane(shape, grid):
    plane = noise(shape)
    np.testing.assert_allclose(area_means(plane.T, grid[::-1]), area_means(plane, grid).T, rtol=1e-12)


def test_whole_factors_give_plain_means():
    plane = noise((60, 80))
    expected = plane.reshape(12, 5, 20, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(area_means(plane, (12, 20)), expected, rtol=1e-12)


def test_the_brightest_large_plane_has_exact_means():
    assert (area_means(np.full((3000, 5000), 65535, np.uint16), (128, 213)) == 65535).all()


# -- small lightness -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool, np.float32, np.int16])
@pytest.mark.parametrize("chunks", [(7, 13), (1, 97), (101, 3)])
def test_chunks_change_no_bit(dtype, chunks):
    plane = (
        (noise((101, 97), np.uint8) > 100).astype(dtype) if dtype == bool else noise((101, 97), np.uint8).astype(dtype)
    )
    stored = zarr.create_array(zarr.storage.MemoryStore(), data=plane, chunks=chunks)
    window = choose_window([plane])
    np.testing.assert_array_equal(small_lightness(stored, window, 32), small_lightness(plane, window, 32))


@given(shape=shapes, band_values=st.integers(1, 500))
def test_the_size_of_bands_changes_no_bit_of_floats(shape, band_values):
    plane = noise(shape).astype(np.float32) / 65535
    whole = small_lightness(plane, Window(0, 1), 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.plane.BAND_PIXELS", band_values)
        np.testing.assert_array_equal(small_lightness(plane, Window(0, 1), 32), whole)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_is_the_lightness_of_the_area_means(dtype):
    plane = noise((300, 400), dtype)
    means = reference_weights(300, 64) @ plane @ reference_weights(400, 86).T / np.iinfo(dtype).max
    lightness = rgb2lab(np.repeat(means[..., None], 3, axis=-1))[..., 0] * 2.55
    result = small_lightness(plane, FULL[dtype], 64)
    assert result.dtype == np.uint8
    assert np.abs(result - lightness).max() <= 0.51


def test_floats_agree_with_the_integers_they_were_made_from():
    plane = noise((200, 300))
    from_floats = small_lightness(plane / 65535, Window(0, 1), 64)
    np.testing.assert_array_equal(from_floats, small_lightness(plane, FULL[np.uint16], 64))


def test_byte_order_changes_no_bit():
    plane, window = noise((90, 70)), Window(3, 40000, (0.0, 0.3, 1.0))
    swapped = small_lightness(plane.astype(">u2"), window, 32)
    np.testing.assert_array_equal(swapped, small_lightness(plane, window, 32))


def test_a_negative_is_seen_as_its_positive():
    plane = noise((120, 90), np.uint8)
    positive = small_lightness(255 - plane, Window(0, 255), 32)
    np.testing.assert_array_equal(small_lightness(plane, Window(255, 0), 32), positive)


@given(shape=shapes, value=st.integers(0, 255))
def test_a_constant_plane_stays_constant(shape, value):
    result = small_lightness(np.full(shape, value, np.uint8), Window(0, 255), 32)
    assert len(np.unique(result)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 20000), (20000, 1), (2, 3), (33, 31)])
def test_odd_shapes_have_an_even_small_lightness(shape):
    assert small_lightness(noise(shape), FULL[np.uint16], 32).shape == small_shape(shape, 32)


def test_nan_counts_as_black():
    plane = np.ones((64, 64), np.float32)
    plane[:32] = np.nan
    result = small_lightness(plane, Window(0, 1), 32)
    assert (result[:16] == 0).all()
    assert (result[16:] == 255).all()


def test_a_mean_picture_keeps_its_small_lightness_when_enlarged():
    plane = noise((64, 64), np.uint8)
    enlarged = plane.repeat(5, axis=0).repeat(5, axis=1)
    np.testing.assert_array_equal(
        small_lightness(enlarged, Window(0, 255), 32), small_lightness(plane, Window(0, 255), 32)
    )


# -- what is no plane ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plane", "sentence"),
    [
        (np.zeros((4, 4, 3), np.uint8), r"shape \(4, 4, 3\).*index the others first"),
        (np.zeros(7, np.uint8), r"shape \(7,\)"),
        (np.zeros((), np.uint8), r"shape \(\)"),
        (np.zeros((0, 5), np.uint8), "empty"),
        (np.zeros((5, 0), np.float32), "empty"),
        (np.zeros((2, 2), complex), "complex128 are no gray"),
        (np.array([["a", "b"]]), "no gray"),
        (np.zeros((2, 2), "datetime64[s]"), "no gray"),
        (np.zeros((2, 2), object), "no gray"),
        (np.broadcast_to(np.uint8(0), (2**19, 2**19)), "more than the 137438953472"),
        ("plane.tif", "expected one plane"),
        (None, "expected one plane"),
    ],
)
def test_what_is_no_plane_is_refused_with_a_sentence(plane, sentence):
    with pytest.raises(PlaneError, match=sentence):
        check_plane(plane)


def test_a_wide_plane_takes_the_memory_of_a_row_of_chunks():
    class Wide:
        shape, dtype, chunks = (1024, 100_000), np.dtype(np.uint16), (512, 512)

        def __getitem__(self, rows):
            return np.full((rows.stop - rows.start, 100_000), 700, np.uint16)

    tracemalloc.start()
    small_lightness(Wide(), Window(0, 65535), 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 512 * 100_000 * 2 + 120e6
