import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import xyz2lab

from training.color import (
    LUMINANCE_WEIGHTS,
    RGB_TO_XYZ,
    gray,
    lab_to_linear_rgb,
    lightness_of_gray,
    srgb_decode,
    srgb_encode,
    srgb_to_lab,
)
from training.errors import PlaneError
from training.reversible import code_edges, fit_to_gamut, reversible_rgb

DEPTHS = {8: np.uint8, 16: np.uint16}
EDGES = {
    8: "3b4515304836280daa031e5734784a46a5a01afe89a9ed36fa1e3ee618f39b47",
    16: "e015334eeca622e181294e588299df81394dffd52277a271924bbcd019e1888b",
}

unit_colours = arrays(np.float32, (20, 3), elements=st.floats(0, 1, width=32))
depths = st.sampled_from(list(DEPTHS))


def random_wishes(bits: int, count: int, chroma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gray codes, black and white among them often, with a* and b* of up to `chroma`."""
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 2**bits, count).astype(DEPTHS[bits])
    codes[::50], codes[1::50] = 0, 2**bits - 1
    a, b = rng.uniform(-chroma, chroma, (2, count)).astype(np.float32)
    return codes, a, b


def lab_of_linear(linear: np.ndarray) -> np.ndarray:
    return xyz2lab(linear @ RGB_TO_XYZ.T, illuminant="D65", observer="2")


@pytest.mark.parametrize("bits", DEPTHS)
def test_the_table_of_edges_is_the_same_on_every_machine(bits):
    assert hashlib.sha256(code_edges(bits).tobytes()).hexdigest() == EDGES[bits]


# -- reversible colour -----------------------------------------------------------------------------------------------


@given(bits=depths, data=st.data())
def test_the_gray_of_a_reversible_colour_is_the_given_one(bits, data):
    codes = data.draw(arrays(DEPTHS[bits], 50))
    chroma = arrays(np.float32, 50, elements=st.floats(-200, 200, width=32))
    rgb = reversible_rgb(codes, data.draw(chroma), data.draw(chroma))
    assert rgb.dtype == codes.dtype
    np.testing.assert_array_equal(gray(rgb), codes)


@pytest.mark.parametrize("chroma", [5, 60, 16000])
@pytest.mark.parametrize("bits", DEPTHS)
def test_the_gray_of_half_a_million_colours_is_kept(bits, chroma):
    codes, a, b = random_wishes(bits, 500_000, chroma)
    np.testing.assert_array_equal(gray(reversible_rgb(codes, a, b)), codes)


def test_the_gray_is_kept_at_every_8_bit_code_in_every_direction():
    codes, a, b = np.meshgrid(np.arange(256), np.arange(-108, 109, 9), np.arange(-108, 109, 9), indexing="ij")
    codes = codes.astype(np.uint8)
    rgb = reversible_rgb(codes, a.astype(np.float32), b.astype(np.float32))
    np.testing.assert_array_equal(gray(rgb), codes)


@pytest.mark.parametrize("bits", DEPTHS)
def test_the_luminance_keeps_a_margin_to_the_neighbouring_codes(bits):
    """So that anybody's float64 formula rounds to the same code."""
    codes, a, b = random_wishes(bits, 300_000, 60)
    maximum = 2**bits - 1
    luminance = srgb_decode(reversible_rgb(codes, a, b) / maximum) @ LUMINANCE_WEIGHTS
    fractional = np.where(luminance <= 0.0031308, luminance * 12.92, 1.055 * luminance ** (1 / 2.4) - 0.055) * maximum
    assert np.abs(fractional - codes).max() <= 0.48


@pytest.mark.parametrize("bits", DEPTHS)
def test_without_chroma_the_result_is_plain_gray(bits):
    codes = np.arange(2**bits).astype(DEPTHS[bits])
    zero = np.zeros(2**bits, np.float32)
    np.testing.assert_array_equal(reversible_rgb(codes, zero, zero), np.stack([codes] * 3, axis=-1))


@pytest.mark.parametrize("bits", DEPTHS)
def test_a_mended_colour_is_a_single_step_from_the_nearest(bits):
    codes, a, b = random_wishes(bits, 200_000, 60)
    nearest = srgb_encode(np.clip(fit_to_gamut(lightness_of_gray(bits)[codes], a, b), 0, 1)) * (2**bits - 1)
    distance = np.abs(reversible_rgb(codes, a, b) - nearest).max(axis=-1)
    # of 65,536 grays some of the darkest ten have no such neighbour and stay plain
    assert distance[codes > 10].max() < 1.51


@pytest.mark.parametrize("bits", DEPTHS)
def test_few_colours_are_not_the_nearest(bits):
    codes, a, b = random_wishes(bits, 200_000, 60)
    nearest = srgb_encode(np.clip(fit_to_gamut(lightness_of_gray(bits)[codes], a, b), 0, 1)) * (2**bits - 1)
    distance = np.abs(reversible_rgb(codes, a, b) - nearest).max(axis=-1)
    assert (distance > 0.51).mean() < 0.005


def test_reversible_colour_refuses_other_types():
    zero = np.zeros(3, np.float32)
    with pytest.raises(PlaneError, match="float32"):
        reversible_rgb(zero, zero, zero)


# -- gamut -----------------------------------------------------------------------------------------------------------


@given(lightness=st.floats(0, 100, width=32), hue=st.floats(0, 6.25, width=32), chroma=st.floats(0, 200, width=32))
def test_gamut_mapping_keeps_lightness_and_hue_and_never_raises_chroma(lightness, hue, chroma):
    L = np.float32([lightness])
    a, b = np.float32([chroma * np.cos(hue)]), np.float32([chroma * np.sin(hue)])
    linear = fit_to_gamut(L, a, b)
    assert linear.min() >= -2e-6
    assert linear.max() <= 1 + 2e-6
    mapped_l, mapped_a, mapped_b = lab_of_linear(np.clip(linear.astype(np.float64), 0, None))[0]
    assert mapped_l == pytest.approx(lightness, abs=0.01)
    mapped = np.hypot(mapped_a, mapped_b)
    assert mapped <= chroma + 0.02
    assert abs(mapped_a * np.sin(hue) - mapped_b * np.cos(hue)) < 0.02  # distance from the line of the hue


def test_gamut_mapping_takes_no_more_chroma_than_it_must():
    L, a, b = np.float32([50, 80, 30]), np.float32([90, -90, 20]), np.float32([-20, 30, 90])
    mapped = lab_of_linear(np.clip(fit_to_gamut(L, a, b), 0, 1).astype(np.float64))
    slightly_more = mapped[:, 1:] * 1.005
    assert (np.abs(lab_to_linear_rgb(L, *slightly_more.T.astype(np.float32)) - 0.5).max(axis=1) > 0.5).all()


@given(unit_colours)
def test_colours_in_the_gamut_are_not_changed(rgb):
    L, a, b = np.moveaxis(srgb_to_lab(rgb * np.float32(0.98) + np.float32(0.01)), -1, 0)
    np.testing.assert_array_equal(fit_to_gamut(L, a, b), lab_to_linear_rgb(L, a, b))
