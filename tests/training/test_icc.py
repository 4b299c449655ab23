"""ICC profiles: curves of gray, conversion to sRGB, the profile of results."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from training.color import srgb_decode, srgb_encode
from training.formats.icc import cmyk_to_srgb, differs_from_srgb, gray_curve, rgb_to_srgb, srgb_profile
from training.images import read_page
from training.window import choose_window

ADOBE_RGB = imagecodecs.cms_profile("adobergb")
VALUES = np.linspace(0, 1, 511)


def gray_profile(tone_curve: bytes, space: bytes = b"XYZ ") -> bytes:
    """A profile with nothing but a header, a tag table of one entry and a gray tone curve."""
    header = bytearray(128)
    header[12:24] = b"mntrGRAY" + space
    header[36:40] = b"acsp"
    return bytes(header) + struct.pack(">I4sII", 1, b"kTRC", 144, len(tone_curve)) + tone_curve


def parametric(kind: int, *values: float) -> bytes:
    return b"para" + struct.pack(f">IHH{len(values)}i", 0, kind, 0, *[round(value * 65536) for value in values])


def table(values: np.ndarray) -> bytes:
    return b"curv" + struct.pack(">II", 0, len(values)) + np.rint(values * 65535).astype(">u2").tobytes()


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_the_curve_of_a_gamma_has_the_same_luminance(gamma):
    curve = gray_curve(imagecodecs.cms_profile("gray", gamma=gamma))
    np.testing.assert_allclose(srgb_decode(np.array(curve)), VALUES**gamma, atol=2e-5)


def test_a_short_gamma_curve_is_read():
    curve = gray_curve(gray_profile(b"curv" + struct.pack(">IIH", 0, 1, round(2.2 * 256))))
    np.testing.assert_allclose(curve, srgb_encode(VALUES ** (563 / 256)), atol=1e-6)


def test_an_empty_curve_is_linear_light():
    curve = gray_curve(gray_profile(b"curv" + struct.pack(">II", 0, 0)))
    np.testing.assert_allclose(curve, srgb_encode(VALUES), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (0, (2.0,), VALUES**2),
        (1, (2.0, 1.25, -0.25), np.where(VALUES >= 0.2, (1.25 * VALUES - 0.25).clip(0) ** 2, 0)),
        (2, (2.0, 0.5, 0.25, 0.125), (0.5 * VALUES + 0.25) ** 2 + 0.125),
        (3, (2.0, 1.0, 0.0, 0.5, 0.5), np.where(VALUES >= 0.5, VALUES**2, 0.5 * VALUES)),
        (4, (2.0, 0.5, 0.5, 0.25, 0.5, 0.0, 0.0), np.where(VALUES >= 0.5, (0.5 * VALUES + 0.5) ** 2, 0.25 * VALUES)),
    ],
)
def test_each_kind_of_parametric_curve_is_read(kind, values, expected):
    curve = np.array(gray_curve(gray_profile(parametric(kind, *values))))
    np.testing.assert_allclose(srgb_decode(curve), expected, atol=1e-4)


def test_a_curve_for_lab_gives_lightness():
    curve = gray_curve(gray_profile(table(np.linspace(0, 1, 256)), b"Lab "))
    halfway = float(np.interp(0.5, VALUES, curve))
    assert srgb_decode(np.array(halfway)) == pytest.approx(0.1842, abs=1e-4)  # L* 50


@pytest.mark.parametrize(
    "profile",
    [gray_profile(table(srgb_decode(np.linspace(0, 1, 1024)))), srgb_profile(), imagecodecs.cms_profile("srgb")],
    ids=["table", "ours", "lcms"],
)
def test_srgb_needs_no_curve(profile):
    assert gray_curve(profile) is None


@pytest.mark.parametrize(
    "profile", [b"", bytes(200), gray_profile(b"mft2" + bytes(40)), gray_profile(table(VALUES[::-1]))]
)
def test_what_is_no_rising_curve_is_an_error(profile):
    with pytest.raises((ValueError, struct.error)):
        gray_curve(profile)


def test_gray_gamma_2_2_keeps_246_values_at_8_bit_and_all_at_16(tmp_path):
    data = np.arange(256, dtype=np.uint8).reshape(16, 16)
    profile = imagecodecs.cms_profile("gray", gamma=2.2)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", iccprofile=profile, metadata=None)
    page = read_page(tmp_path / "a.tif")
    window = choose_window([page.pixels], curve=page.curve)
    assert len(np.unique(window.apply(page.pixels, 8))) == 246
    assert len(np.unique(window.apply(page.pixels, 16))) == 256
    np.testing.assert_array_equal(page.pixels, data)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_rgb_is_converted_as_lcms_says_in_pillow(dtype):
    rgb8 = np.random.default_rng(3).integers(60, 200, (8, 8, 3), dtype=np.uint8)
    scale = 257 if dtype == "uint16" else 1
    converted = rgb_to_srgb((rgb8 * np.uint16(scale)).astype(dtype), ADOBE_RGB) / scale
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(data)) for data in (ADOBE_RGB, srgb_profile())]
    wanted = ImageCms.profileToProfile(Image.fromarray(rgb8), *profiles, renderingIntent=1)
    np.testing.assert_allclose(converted, np.asarray(wanted), atol=1)


def test_srgb_does_not_differ_from_srgb_and_adobe_rgb_does():
    assert not differs_from_srgb(srgb_profile())
    assert differs_from_srgb(ADOBE_RGB)


def test_the_srgb_profile_is_srgb_and_the_same_every_day():
    assert srgb_profile()[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_cmyk_without_a_profile_is_multiplied():
    assert cmyk_to_srgb(np.array([[[0, 255, 128, 51]]], np.uint8), None).tolist() == [[[204, 0, 102]]]


def test_an_rgb_page_keeps_its_numbers_and_its_profile(tmp_path):
    rgb = np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb", iccprofile=ADOBE_RGB, metadata=None)
    page = read_page(tmp_path / "a.tif")
    np.testing.assert_array_equal(page.pixels, rgb)
    assert (page.profile, page.curve) == (ADOBE_RGB, None)


def test_gray_in_an_rgb_file_gets_the_curve_of_its_profile(tmp_path):
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([gray] * 3, -1), photometric="rgb", iccprofile=ADOBE_RGB, metadata=None
    )
    page = read_page(tmp_path / "a.tif")
    np.testing.assert_array_equal(page.pixels, gray)
    np.testing.assert_allclose(srgb_decode(np.array(page.curve)), VALUES**2.19921875, atol=1e-4)


@pytest.mark.parametrize("profile", [b"nonsense", srgb_profile()[:200], imagecodecs.cms_profile("gray", gamma=1.8)])
def test_a_profile_that_does_not_fit_is_ignored_and_said_to_be(tmp_path, profile):
    rgb = np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb", iccprofile=profile, metadata=None)
    page = read_page(tmp_path / "a.tif")
    np.testing.assert_array_equal(page.pixels, rgb)
    assert page.profile is None
    assert page.notes[0].startswith("its colour profile was ignored (")
