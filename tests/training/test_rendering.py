import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from training.chroma_map import ChromaMap
from training.color import gray
from training.errors import PlaneError, SettingsError
from training.rendering import Region
from training.window import Window, choose_window

SHAPE = (61, 83)
WHOLE = (slice(None), slice(None))
FULL = Window(0, 255)


def a_map(shape=SHAPE, window=FULL, chroma=80) -> ChromaMap:
    rng = np.random.default_rng(5)
    ab = rng.integers(-chroma, chroma + 1, (2, 16, 22)).astype(np.int8)
    return ChromaMap(ab, np.zeros((16, 22), np.uint8), np.zeros((32, 44), np.uint8), shape, window)


def noise(dtype, shape=SHAPE) -> np.ndarray:
    rng = np.random.default_rng(6)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0.5, 0.4, shape).astype(dtype)
    if dtype == bool:
        return rng.random(shape) < 0.5
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


@st.composite
def parts(draw, side: int) -> slice:
    start = draw(st.integers(0, side))
    return slice(start, draw(st.integers(start, side)))


def area_means(array: np.ndarray, factor: int) -> np.ndarray:
    height, width = array.shape[0] // factor, array.shape[1] // factor
    return array.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))


# -- regions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(y=parts(SHAPE[0]), x=parts(SHAPE[1]))
def test_a_region_is_the_crop_of_the_whole(dtype, y, x):
    plane, chroma = noise(dtype), a_map(window=Window(0, np.iinfo(dtype).max))
    np.testing.assert_array_equal(chroma.render(plane, Region(y, x)), chroma.render(plane)[y, x])


@settings(max_examples=25)
@given(rows=st.integers(9, 70), columns=st.integers(9, 90))
def test_tiles_of_any_size_make_up_the_whole(rows, columns):
    plane, chroma = noise(np.uint8), a_map()
    tiled = np.zeros((*SHAPE, 3), np.uint8)
    for top in range(0, SHAPE[0], rows):
        for left in range(0, SHAPE[1], columns):
            y, x = slice(top, min(top + rows, SHAPE[0])), slice(left, min(left + columns, SHAPE[1]))
            tiled[y, x] = chroma.render(plane, Region(y, x))
    np.testing.assert_array_equal(tiled, chroma.render(plane))


@settings(max_examples=25)
@given(band_pixels=st.integers(1, 3000))
def test_the_size_of_bands_and_the_threads_change_no_bit(band_pixels):
    plane, chroma = noise(np.uint8), a_map()
    whole = chroma.render(plane)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.plane.BAND_PIXELS", band_pixels)
        np.testing.assert_array_equal(chroma.render(plane), whole)
        np.testing.assert_array_equal(chroma.render(plane, threads=3), whole)


@pytest.mark.parametrize("chunks", [(7, 13), (61, 5), (64, 64)])
@settings(max_examples=25)
@given(y=parts(SHAPE[0]), x=parts(SHAPE[1]))
def test_a_zarr_array_gives_what_a_numpy_array_gives(chunks, y, x):
    plane, chroma = noise(np.uint8), a_map()
    stored = zarr.create_array(zarr.storage.MemoryStore(), data=plane, chunks=chunks)
    np.testing.assert_array_equal(chroma.render(stored, Region(y, x)), chroma.render(plane)[y, x])


def test_a_tile_of_a_wide_plane_is_read_at_once():
    class Witness:
        shape, dtype, reads = (10**5, 10**6), np.dtype(np.uint16), 0

        def __getitem__(self, key):
            self.reads += 1
            return np.zeros([part.stop - part.start for part in key], np.uint16)

    plane = Witness()
    a_map(plane.shape, Window(0, 4095)).render(plane, Region(slice(500, 1012), slice(90_000, 90_512)))
    assert plane.reads == 1


def test_only_the_region_is_read():
    class Witness:
        shape, dtype, keys = (10**5, 10**5), np.dtype(np.uint8), []

        def __getitem__(self, key):
            self.keys.append(key)
            return np.zeros([part.stop - part.start for part in key], np.uint8)

    plane = Witness()
    a_map(plane.shape).render(plane, Region(slice(500, 520), slice(90_000, 90_030)))
    assert plane.keys == [(slice(500, 520), slice(90_000, 90_030))]


def test_open_ends_are_the_borders():
    plane, chroma = noise(np.uint8), a_map()
    part = chroma.render(plane, Region(slice(50, None), slice(None, 9)))
    np.testing.assert_array_equal(part, chroma.render(plane)[50:, :9])


def test_bounds_may_be_numpy_integers():
    plane, chroma = noise(np.uint8), a_map()
    part = chroma.render(plane, Region(slice(np.int64(3), np.int64(9)), slice(np.int64(0), np.int64(5))))
    np.testing.assert_array_equal(part, chroma.render(plane)[3:9, :5])


@pytest.mark.parametrize("part", [slice(0, 62), slice(-1, 5), slice(9, 3), slice(0, 9, 2), slice(9, 0, -1)])
def test_a_region_that_leaves_the_level_is_refused(part):
    with pytest.raises(PlaneError, match="leaves its level of 61 pixels"):
        a_map().render(noise(np.uint8), Region(part, slice(None)))


@pytest.mark.parametrize("shape", [(83, 61), (61, 84), (1, 1), (61, 83, 3)])
def test_another_plane_than_that_of_the_map_is_refused(shape):
    with pytest.raises(PlaneError, match="shape"):
        a_map().render(np.zeros(shape, np.uint8))


def test_a_level_larger_than_the_plane_is_refused():
    with pytest.raises(PlaneError, match=r"\(122, 166\)"):
        a_map().render(np.zeros((122, 166), np.uint8), Region(*WHOLE, level=1))


# -- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4])
def test_a_coarser_level_looks_like_the_finest_from_afar(factor):
    y, x = np.mgrid[:256, :352]
    plane = np.rint(128 + 60 * np.sin(y / 40) * np.cos(x / 50)).astype(np.uint8)
    level = np.rint(area_means(plane, factor)[..., 0]).astype(np.uint8)
    chroma = a_map(plane.shape, chroma=15)
    from_afar = area_means(chroma.render(plane), factor)
    difference = np.abs(chroma.render(level, Region(*WHOLE, level=factor // 2)) - from_afar)
    assert difference.max() < 4
    assert difference.mean() < 0.5


# -- the gray comes back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_gray_of_a_full_range_result_is_the_plane(dtype):
    plane = noise(dtype)
    rgb = a_map(window=choose_window([plane])).render(plane)
    assert rgb.dtype == dtype
    np.testing.assert_array_equal(gray(rgb), plane)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.int16, np.int32, np.float32, np.float64, bool])
def test_the_gray_of_a_result_is_the_windowed_gray(dtype, bits):
    plane = noise(dtype)
    for window in (choose_window([plane]), choose_window([plane], negative=True), Window(30, 200, (0.0, 0.4, 1.0))):
        rgb = a_map(window=window).render(plane, bits=bits)
        np.testing.assert_array_equal(gray(rgb), window.apply(plane, bits))


def test_nan_is_black_in_the_result():
    plane = noise(np.float32)
    plane[3, 4] = np.nan
    rgb = a_map(window=Window(0, 1)).render(plane)
    assert gray(rgb)[3, 4] == 0
    assert rgb[3, 4].max() < 20  # of 65,535


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (bool, 8), (np.uint16, 16), (np.float32, 16)])
def test_a_result_is_as_deep_as_its_plane(dtype, bits):
    assert a_map().render(noise(dtype)).dtype == f"uint{bits}"


@pytest.mark.parametrize("bits", [12, 32, -8, "8"])
def test_other_depths_than_8_and_16_bit_are_refused(bits):
    with pytest.raises(SettingsError, match="8 or 16"):
        a_map().render(noise(np.uint8), bits=bits)


def test_a_result_without_chroma_is_plain_gray():
    plane = noise(np.uint8)
    rgb = a_map().with_saturation(0).render(plane)
    np.testing.assert_array_equal(rgb, np.repeat(plane[..., None], 3, axis=-1))


def test_more_saturation_is_more_colour():
    plane = noise(np.uint8)
    spreads = [np.ptp(a_map().with_saturation(s).render(plane).astype(int), axis=-1).mean() for s in (0.2, 0.5, 1.0)]
    assert spreads == sorted(spreads)


@given(st.integers(1, 40), st.integers(1, 40))
def test_planes_of_any_size_can_be_rendered(height, width):
    plane = noise(np.uint8, (height, width))
    np.testing.assert_array_equal(gray(a_map(plane.shape).render(plane)), plane)
