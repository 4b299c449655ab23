"""The gray of RGB pages, and telling colour photographs from tinted prints."""

import io
import tarfile

import imagecodecs
import numpy as np
import pytest
import skimage.data
from PIL import Image

from training.color import gray
from training.errors import SettingsError
from training.formats.icc import rgb_to_srgb
from training.formats.page import Page
from training.gray_page import COLOR_NOTE, TINT_NOTE, gray_plane
from training.tint import tint

RGB = np.random.default_rng(7).integers(0, 256, (20, 30, 3), dtype=np.uint8)

SEPIA = ((20, 10, 5), (150, 115, 80), (250, 235, 205))
CYANOTYPE = ((0, 20, 60), (40, 90, 150), (235, 245, 250))
SELENIUM = ((10, 10, 14), (125, 118, 125), (252, 248, 245))


def toned(gray8: np.ndarray, tones) -> np.ndarray:
    """A print whose colour is a function of its lightness, after JPEG."""
    channels = [np.interp(gray8, [0, 128, 255], column) for column in zip(*tones, strict=True)]
    file = io.BytesIO()
    Image.fromarray(np.stack(channels, -1).astype(np.uint8)).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file))


def stained(rgb8: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: rgb8.shape[0], : rgb8.shape[1]]
    stain = np.exp(-(((y / rgb8.shape[0] - 0.3) / 0.14) ** 2) - ((x / rgb8.shape[1] - 0.7) / 0.14) ** 2)
    grain = np.random.default_rng(1).normal(0, 4, rgb8.shape)
    return np.clip(rgb8 * (1 - stain[..., None] * (0.05, 0.12, 0.25)) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "retina"])
def test_colour_photographs_are_colour(name):
    assert tint(getattr(skimage.data, name)()) == "color"


@pytest.mark.parametrize("tones", [SEPIA, CYANOTYPE, SELENIUM], ids=["sepia", "cyanotype", "selenium"])
@pytest.mark.parametrize("name", ["camera", "page", "brick"])
def test_toned_prints_are_tinted_also_with_stains_and_grain(name, tones):
    print_ = toned(getattr(skimage.data, name)(), tones)
    assert {tint(print_), tint(stained(print_))} == {"tinted"}


def test_gray_with_noise_is_gray():
    noise = np.random.default_rng(1).integers(-2, 3, (512, 512, 3))
    assert tint(np.clip(skimage.data.camera()[..., None] + noise, 0, 255).astype(np.uint8)) == "gray"


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (3, 2, 3)])
def test_tiny_pictures_have_an_answer(shape):
    assert tint(np.full(shape, 90, np.uint8)) == "gray"


def test_sixteen_bits_give_the_same_answer():
    astronaut = skimage.data.astronaut()
    assert tint(astronaut * np.uint16(257)) == tint(astronaut)


def test_a_gray_page_gives_its_pixels():
    plane, note = gray_plane(Page(RGB[..., 0]))
    assert plane is not None
    np.testing.assert_array_equal(plane, RGB[..., 0])
    assert note is None


def test_an_rgb_page_gives_its_gray_at_16_bit():
    plane, note = gray_plane(Page(skimage.data.astronaut()))
    np.testing.assert_array_equal(plane, gray(skimage.data.astronaut() * np.uint16(257)))
    assert note == COLOR_NOTE


def test_a_tinted_page_is_said_to_be_tinted():
    assert gray_plane(Page(toned(skimage.data.camera(), SEPIA)))[1] == TINT_NOTE


@pytest.mark.parametrize(("channel", "index"), [("red", 0), ("green", 1), ("blue", 2)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_named_channel_is_given_as_it_is_stored(channel, index, dtype):
    plane, note = gray_plane(Page(RGB.astype(dtype)), channel)
    np.testing.assert_array_equal(plane, RGB[..., index])
    assert (plane.dtype, note) == (dtype, None)


def test_a_channel_of_a_gray_page_is_the_page_and_it_says_so():
    plane, note = gray_plane(Page(RGB[..., 0]), "red")
    np.testing.assert_array_equal(plane, RGB[..., 0])
    assert note == "is gray: it has no red channel of its own"


def test_an_unknown_channel_is_an_error():
    with pytest.raises(SettingsError, match="choose red, green or blue"):
        gray_plane(Page(RGB), "cyan")


def test_equal_channels_give_the_plain_channel():
    plane, note = gray_plane(Page(np.stack([RGB[..., 0]] * 3, -1)))
    np.testing.assert_array_equal(plane, RGB[..., 0])
    assert (plane.dtype, note) == (np.uint8, None)


def test_the_gray_of_another_colour_space_is_that_of_its_colours():
    profile = imagecodecs.cms_profile("adobergb")
    plane, _ = gray_plane(Page(RGB, profile=profile))
    np.testing.assert_array_equal(plane, gray(rgb_to_srgb(RGB * np.uint16(257), profile)))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-50, 900)])
def test_float_rgb_is_windowed(low, high):
    floats = low + (high - low) * RGB.astype(np.float32) / 255
    plane, _ = gray_plane(Page(floats))
    wanted = gray(RGB * np.uint16(257))
    assert np.corrcoef(plane.ravel(), wanted.ravel())[0, 1] > 0.999
    np.testing.assert_allclose(plane, wanted, atol=1 if (low, high) == (0, 1) else 400)


def test_of_many_photographs_few_are_taken_for_tinted(test_data):
    with tarfile.open(test_data / "train" / "shard-003.tar") as tar:
        members = [member for member in tar if member.name.endswith(".jpg")][::8]
        pictures = [Image.open(tar.extractfile(member)).convert("RGB") for member in members]
        found = [tint(np.asarray(picture)) for picture in pictures]
    assert len(found) > 60
    assert found.count("color") / len(found) > 0.93


def test_old_book_pages_are_tinted_and_coloured_plates_are_colour(test_data):
    names = ["lep_1555.007.jpg", "lep_lyra.036.jpg", "lep_wet-day.jpg", "lep_map1.jpg"]
    found = [tint(np.asarray(Image.open(test_data / "scans" / name))) for name in names]
    assert found == ["tinted", "tinted", "color", "color"]
