import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2lab, xyz2lab

from training import color
from training.color import (
    gray,
    lab_to_srgb,
    lightness8,
    lightness_of_gray,
    srgb_decode,
    srgb_encode,
    srgb_to_lab,
)
from training.errors import PlaneError

DEPTHS = {8: np.uint8, 16: np.uint16}
WEIGHTS = np.array([0.2126729, 0.7151522, 0.0721750]) / (0.2126729 + 0.7151522 + 0.0721750)

# CIE Lab (D65, 2 degrees) of sRGB, as Bruce Lindbloom's calculator gives it
PUBLISHED = [
    ((255, 0, 0), (53.2408, 80.0925, 67.2032)),
    ((0, 255, 0), (87.7347, -86.1827, 83.1793)),
    ((0, 0, 255), (32.2970, 79.1875, -107.8602)),
    ((0, 255, 255), (91.1132, -48.0875, -14.1312)),
    ((255, 0, 255), (60.3242, 98.2343, -60.8249)),
    ((255, 255, 0), (97.1393, -21.5537, 94.4780)),
    ((255, 255, 255), (100, 0, 0)),
    ((119, 119, 119), (50.0344, 0, 0)),
    ((0, 0, 0), (0, 0, 0)),
]

TABLES = {
    "luminance_weights": "0107ce60442c63b82c2f8c108f3ba18f549b8253d7d83ef0ae2cfbfe38b06e84",
    "gray_at_lightness8_edges": "41cda6fcfbd0052839c4085885271ed787ecda53b32dffdd5da6cbeeb03d0fbf",
    "linear_table 8": "e8f338e1e3e943a81b8ecfab7612e044aa623f01ddda602b308a87b8418b297c",
    "linear_table 16": "5cb862eed981df91f1326fc69d5550e74209e734fb57bcd7ee1677b099b37b36",
    "luminance_bounds 8": "e13fe5862b3582ad0227841292ef8a411629bf744a719bdb0648985441bfcd1d",
    "luminance_bounds 16": "11788530953c3d7dcca7e63b8a6c336f7548abb76c98325f6c7f580a6e092781",
    "lightness_of_gray 8": "3403f6125850033f66a61c6247e21fac5ab0c4344241a5ee07f21b347b722e99",
    "lightness_of_gray 16": "45119b03ee3965a63b77c60d49728e1b572890ac2fd19c24cc4423adfe0dbfe9",
}

unit_colours = arrays(np.float32, (20, 3), elements=st.floats(0, 1, width=32))
depths = st.sampled_from(list(DEPTHS))


# -- sRGB and CIE Lab ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rgb8", "lab"), PUBLISHED)
def test_published_colours_have_their_published_lab(rgb8, lab):
    np.testing.assert_allclose(srgb_to_lab(np.array(rgb8) / 255), lab, atol=2e-4)


@given(unit_colours)
def test_lab_agrees_with_scikit_image_from_the_same_xyz(rgb):
    xyz = srgb_decode(rgb.astype(np.float64)) @ color.RGB_TO_XYZ.T
    np.testing.assert_allclose(srgb_to_lab(rgb), xyz2lab(xyz, illuminant="D65", observer="2"), atol=1e-3)


@given(unit_colours)
def test_lab_agrees_with_scikit_image_up_to_its_white(rgb):
    """scikit-image rounds the matrix to XYZ otherwise: its white is (100, -0.0025, 0.0047), not neutral."""
    np.testing.assert_allclose(srgb_to_lab(rgb), rgb2lab(rgb.astype(np.float64)), atol=6e-3)


@given(unit_colours)
def test_lab_and_back_is_the_same_colour(rgb):
    np.testing.assert_allclose(lab_to_srgb(srgb_to_lab(rgb)), rgb, atol=1e-4)


@given(st.floats(0, 1))
def test_encoding_inverts_decoding(value):
    assert srgb_encode(srgb_decode(value)) == pytest.approx(value, abs=1e-6)


def test_grays_are_neutral():
    grays = np.repeat(np.linspace(0, 1, 1001)[:, None], 3, axis=1)
    assert np.abs(srgb_to_lab(grays)[:, 1:]).max() < 1e-3


def test_colours_outside_the_gamut_are_clipped():
    rgb = lab_to_srgb(np.array([[50, 120, 0], [50, -120, 0], [101, 0, 0], [-1, 0, 0]]))
    assert rgb.min() == 0
    assert rgb.max() == pytest.approx(1, abs=1e-6)


# -- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_same_bytes_on_every_machine(name):
    function, *bits = name.split()
    table = getattr(color, function)(*map(int, bits))
    assert hashlib.sha256(table.tobytes()).hexdigest() == TABLES[name]


def test_the_luminance_weights_are_those_of_the_standard_to_seven_digits():
    np.testing.assert_allclose(color.LUMINANCE_WEIGHTS, WEIGHTS, rtol=1e-12)
    assert color.luminance_weights().sum() == 2**color.WEIGHT_BITS


@pytest.mark.parametrize("bits", DEPTHS)
def test_lightness_of_gray_codes_agrees_with_lab(bits):
    grays = np.repeat(np.arange(2**bits)[:, None] / (2**bits - 1), 3, axis=1)
    np.testing.assert_allclose(lightness_of_gray(bits), srgb_to_lab(grays)[:, 0], atol=1e-4)


@given(st.floats(0, 1))
def test_lightness8_is_the_rounded_lightness(value):
    lightness = rgb2lab(np.full(3, value))[0] * 2.55
    assert abs(int(lightness8(value)) - lightness) <= 0.5 + 1e-5


def test_lightness8_rises_from_0_to_255_and_uses_every_step():
    np.testing.assert_array_equal(np.unique(lightness8(np.linspace(0, 1, 20001))), np.arange(256))
    assert (np.diff(lightness8(np.linspace(0, 1, 20001)).astype(int)) >= 0).all()


# -- gray ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", DEPTHS)
def test_gray_of_a_gray_picture_is_the_picture(bits):
    codes = np.arange(2**bits).astype(DEPTHS[bits])
    np.testing.assert_array_equal(gray(np.stack([codes] * 3, axis=-1)), codes)


def test_gray_leaves_alpha_out():
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    np.testing.assert_array_equal(gray(rgba), gray(rgba[..., :3]))


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 3, 4, 3), (0, 3), (0, 5, 3)])
def test_gray_takes_any_leading_axes(shape):
    rgb = np.full(shape, 9, np.uint8)
    assert gray(rgb).shape == shape[:-1]
    assert (gray(rgb) == 9).all()


def test_gray_of_a_large_picture_does_not_depend_on_how_it_is_cut():
    rgb = np.random.default_rng(1).integers(0, 2**16, (700, 1600, 3), np.uint16)
    np.testing.assert_array_equal(gray(rgb)[333:, 100:], gray(rgb[333:, 100:]))


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int16, np.uint32, bool, complex])
def test_gray_refuses_other_types_than_8_and_16_bit(dtype):
    with pytest.raises(PlaneError, match=np.dtype(dtype).name):
        gray(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize("shape", [(), (2,), (5, 5), (3, 5, 5)])
def test_gray_refuses_what_has_no_colour_axis_at_the_end(shape):
    with pytest.raises(PlaneError, match="channel last"):
        gray(np.zeros(shape, np.uint8))
