import numpy as np
import pytest

from training.color import bin_centres
from training.doubt import LEVEL, expected_error

SHAPE, COARSE = (16, 24), (4, 6)
MIDDLE = np.full(SHAPE, 50, np.float32)


def certain(colour) -> np.ndarray:
    """All probability on one colour."""
    chances = np.zeros((len(bin_centres()), *COARSE))
    chances[np.square(bin_centres() - colour).sum(axis=1).argmin()] = 1
    return chances


def even(colour) -> np.ndarray:
    return np.broadcast_to(np.float32(colour)[:, None, None], (2, *SHAPE))


def test_it_is_the_geometric_mean_of_what_is_stated_and_what_is_implied():
    error = expected_error(np.full(SHAPE, 4, np.float32), certain((10, 30)), even((0, 20)), MIDDLE)
    np.testing.assert_allclose(error, LEVEL * np.sqrt(4 * 10), rtol=1e-5)


def test_a_certain_colour_that_was_predicted_has_no_error():
    assert not expected_error(np.full(SHAPE, 4, np.float32), certain((10, 20)), even((10, 20)), MIDDLE).any()


@pytest.mark.parametrize("lightness", [0, 100])
def test_in_black_and_white_there_is_less_room_for_error(lightness):
    stated, light = np.full(SHAPE, 4, np.float32), np.full(SHAPE, lightness, np.float32)
    error = expected_error(stated, certain((10, 30)), even((0, 20)), light)
    np.testing.assert_allclose(error, LEVEL * 0.3 * np.sqrt(4 * 10), rtol=1e-5)


def test_doubt_lies_where_the_distribution_is_wide():
    chances = certain((0, 0))
    chances[:, :, 3:] = 1 / len(bin_centres())
    error = expected_error(np.full(SHAPE, 4, np.float32), chances, even((0, 0)), MIDDLE)
    assert (error[:, 20:] > 10).all()
    assert (error[:, :8] < 1).all()
