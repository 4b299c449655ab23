import numpy as np
import pytest
import torch

from training.color import bin_centres, srgb_to_lab
from training.evaluation.grid_truth import halved_ab, small_lab, small_rgb8, true_bins, with_lightness
from training.losses import nearest_bin
from training.network import AB_SCALE

ORANGE = np.array([230, 120, 40], np.uint8)


@pytest.mark.parametrize("shape", [(96, 128), (16, 20)])
def test_small_lab_of_one_colour_is_that_colour(shape):
    lab = small_lab(np.broadcast_to(ORANGE, (*shape, 3)), (32, 42))
    assert lab.shape == (32, 42, 3)
    np.testing.assert_allclose(lab, np.broadcast_to(srgb_to_lab(ORANGE / 255), lab.shape), atol=1e-3)


def test_halved_ab_is_the_mean_of_four_pixels():
    lab = np.random.default_rng(0).normal(0, 30, (8, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(halved_ab(lab)[0, 1, 2], lab[2:4, 4:6, 1].mean(), rtol=1e-5)


def test_colours_at_the_lightness_of_their_cells_make_the_small_picture():
    lightness = np.full((6, 8), round(float(srgb_to_lab(ORANGE / 255)[0]) * 2.55), np.uint8)
    ab = np.broadcast_to(srgb_to_lab(ORANGE / 255)[1:, None, None], (2, 3, 4))
    rgb8 = small_rgb8(with_lightness(ab, lightness))
    assert rgb8.shape == (3, 4, 3)
    assert np.abs(rgb8.astype(int) - ORANGE).max() <= 1


def test_true_bins_are_those_of_training_where_the_cells_are_whole():
    ab = np.random.default_rng(0).uniform(-60, 60, (2, 16, 24)).astype(np.float32)
    expected = nearest_bin(torch.from_numpy(ab / np.float32(AB_SCALE))[None, :, 2::4, 2::4])[0].numpy()
    np.testing.assert_array_equal(true_bins(ab), expected)


def test_a_cell_that_the_border_cuts_has_a_true_bin():
    ab = np.zeros((2, 17, 18), np.float32)
    ab[0, -1], ab[1, -1] = 50, 20
    bins = true_bins(ab)
    assert bins.shape == (5, 5)
    np.testing.assert_array_equal(bin_centres()[bins[-1]], np.tile([50, 20], (5, 1)))
