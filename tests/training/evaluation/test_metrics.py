import numpy as np
import pytest

from training.color import srgb_to_lab
from training.evaluation.metrics import (
    BEST_PSNR_DB,
    ciede2000,
    colourfulness,
    kid,
    palette_distance,
    palette_histogram,
    psnr_db,
    ssim,
)

# L*, a*, b* of two colours and their CIEDE2000: Sharma, Wu and Dalal 2005, table 1
SHARMA_PAIRS = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (40, 48, 3), np.uint8)


def test_psnr_of_an_error_of_one_code_is_20_log10_255(noise):
    other = np.where(noise < 255, noise + 1, noise - 1).astype(np.uint8)
    assert psnr_db(other, noise) == pytest.approx(48.1308, abs=1e-4)


def test_psnr_of_black_against_white_is_zero():
    assert psnr_db(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)) == 0


def test_psnr_of_equal_pictures_is_finite(noise):
    assert psnr_db(noise, noise) == BEST_PSNR_DB


def test_gray_has_no_colourfulness():
    assert colourfulness(np.repeat(np.arange(240, dtype=np.uint8).reshape(12, 20, 1), 3, axis=2)) == 0


def test_colourfulness_of_red_and_black_halves_is_as_by_hand():
    rgb8 = np.zeros((2, 2, 3), np.uint8)
    rgb8[0] = (255, 0, 0)
    # both opponents have equal mean and deviation: 127.5 and 63.75
    assert colourfulness(rgb8) == pytest.approx(1.3 * np.hypot(127.5, 63.75), rel=1e-6)


def test_ciede2000_gives_the_34_pairs_of_sharma():
    first, second, expected = SHARMA_PAIRS[:, :3], SHARMA_PAIRS[:, 3:6], SHARMA_PAIRS[:, 6]
    np.testing.assert_allclose(ciede2000(first, second), expected, atol=5e-5)
    np.testing.assert_allclose(ciede2000(second, first), expected, atol=5e-5)


def test_ciede2000_of_equal_pictures_is_zero(noise):
    lab = srgb_to_lab(noise / np.float32(255))
    assert not ciede2000(lab, lab).any()


def test_the_palette_counts_every_pixel_once_and_gray_in_the_middle():
    ab = np.array([[[0.0, 0.0], [4.9, -4.9]], [[-1e-5, 1e-5], [-86.0, 83.0]]])
    counts = palette_histogram(ab)
    assert counts.sum() == 4
    assert counts.reshape(25, 25)[12, 12] == 3
    assert counts.reshape(25, 25)[12 - 9, 12 + 8] == 1


@pytest.mark.parametrize(
    ("counts", "true_counts", "distance"),
    [([3, 1, 0], [6, 2, 0], 0.0), ([1, 0, 0], [0, 5, 5], 1.0), ([1, 0, 0], [1, 1, 0], 0.311278)],
)
def test_palette_distance_is_the_jensen_shannon_divergence_in_bits(counts, true_counts, distance):
    assert palette_distance(np.array(counts), np.array(true_counts)) == pytest.approx(distance, abs=1e-6)


def test_ssim_is_one_for_equal_pictures_and_less_for_others(noise):
    pytest.importorskip("torchmetrics")
    assert ssim(noise, noise) == pytest.approx(1)
    assert ssim(255 - noise, noise) < 0


def test_kid_is_the_unbiased_kernel_distance_by_hand():
    pytest.importorskip("torchmetrics")
    # k(x, y) = (x y + 1)^3 in one dimension: k(0, 1) + k(2, 3) - 2 mean(1, 1, 27, 64)
    assert kid(np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])) == pytest.approx(1 + 343 - 2 * 93 / 4)
