import io

import numpy as np
import pytest
from PIL import Image

from training.color import gray, srgb_to_lab
from training.data import Pictures
from training.degradation import degraded
from training.errors import InputFileError
from training.evaluation.old_pictures import degraded_truths, plates, true_colour_on
from training.formats.png import png_bytes
from training.picture_sources import decode_rgb


@pytest.fixture
def rgb8() -> np.ndarray:
    """Smooth colours."""
    y, x = np.mgrid[:96, :128]
    return np.stack([60 + y, 200 - x, 90 + (x + y) // 4], axis=-1).astype(np.uint8)


def decoded(encoded: bytes) -> np.ndarray:
    return np.asarray(decode_rgb(encoded))


def test_true_colour_on_a_gray_has_that_gray(rgb8):
    gray8 = np.random.default_rng(0).integers(0, 256, rgb8.shape[:2], np.uint8)
    np.testing.assert_array_equal(gray(true_colour_on(gray8, rgb8)), gray8)


def test_true_colour_on_its_own_gray_keeps_the_picture(rgb8):
    assert np.abs(true_colour_on(gray(rgb8), rgb8).astype(int) - rgb8).max() <= 2


def test_the_gray_of_a_degraded_truth_is_the_degraded_gray(rgb8):
    truths = degraded_truths(Pictures(["a"], [png_bytes(rgb8)], {}), seed=3)
    value = degraded(rgb8, np.random.default_rng((3, 0)), unit=96 / 128)
    np.testing.assert_array_equal(gray(decoded(truths.encoded[0])), np.rint(value * 255).astype(np.uint8))


def test_the_colours_of_a_degraded_truth_are_the_true_ones(rgb8):
    truth = decoded(degraded_truths(Pictures(["a"], [png_bytes(rgb8)], {})).encoded[0])
    plane = gray(truth)
    within = (plane > 80) & (plane < 160)  # where sRGB has the colour
    difference = srgb_to_lab(truth / 255)[within, 1:] - srgb_to_lab(rgb8 / 255)[within, 1:]
    assert np.median(np.abs(difference)) < 0.5


def test_each_picture_is_degraded_in_its_own_way(rgb8):
    first, second = degraded_truths(Pictures(["a", "b"], [png_bytes(rgb8)] * 2, {})).encoded
    assert first != second


def test_a_plate_keeps_its_gray_and_takes_the_colours_of_its_composite(tmp_path, rgb8):
    write_plate(tmp_path, rgb8)
    found = plates(tmp_path)
    truth = decoded(found.encoded[0])
    assert found.names == ["church"]
    assert truth.shape == (96 - 2 * 6, 128 - 2 * 8, 3)
    assert np.abs(gray(truth).astype(int) - 140).max() <= 1
    assert np.ptp(srgb_to_lab(truth / 255)[..., 1]) > 10


def test_a_missing_plate_is_named(tmp_path, rgb8):
    write_plate(tmp_path, rgb8)
    (tmp_path / "church.jpg").unlink()
    with pytest.raises(InputFileError, match=r"church\.jpg"):
        plates(tmp_path)


def test_a_folder_without_plates_is_refused(tmp_path):
    with pytest.raises(InputFileError, match="reference_colour"):
        plates(tmp_path)


def write_plate(folder, rgb8: np.ndarray) -> None:
    (folder / "reference_colour").mkdir()
    buffer = io.BytesIO()
    Image.fromarray(rgb8).save(buffer, "JPEG", quality=95)
    (folder / "reference_colour" / "church_colour.jpg").write_bytes(buffer.getvalue())
    Image.fromarray(np.full((192, 256), 140, np.uint8)).save(folder / "church.jpg", quality=95)
