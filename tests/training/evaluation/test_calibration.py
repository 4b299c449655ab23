import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.calibration import (
    best_temperature,
    inside_smallest_set,
    log_likelihood,
    stored_probabilities,
    tempered,
)


def some_probabilities(bins: int = 12, cells: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(bins, 0.3), cells).T + 0.0


def drawn(probabilities: np.ndarray, seed: int = 1) -> np.ndarray:
    """True colours of cells, as often as the distribution says."""
    chance = np.random.default_rng(seed).random(probabilities.shape[1])
    return (np.cumsum(probabilities, axis=0) < chance).sum(axis=0).clip(max=len(probabilities) - 1)


@given(seed=st.integers(0, 1000), level=st.floats(0.01, 0.99))
def test_a_true_distribution_has_exactly_the_stated_coverage(seed, level):
    probabilities = some_probabilities(seed=seed)
    inside = [inside_smallest_set(probabilities, np.full(5, index), level) for index in range(12)]
    np.testing.assert_allclose((probabilities * inside).sum(axis=0), level, atol=1e-9)


def test_colours_drawn_from_the_distribution_lie_in_its_sets_as_often_as_stated():
    probabilities = some_probabilities(cells=20_000)
    for level in (0.5, 0.9):
        assert inside_smallest_set(probabilities, drawn(probabilities), level).mean() == pytest.approx(level, abs=0.01)


def test_the_likeliest_colour_is_inside_and_the_unlikeliest_outside():
    probabilities = np.array([[0.125], [0.625], [0.25]])
    assert [float(inside_smallest_set(probabilities, np.array([k]), 0.625)[0]) for k in range(3)] == [0, 1, 0]


def test_the_last_colour_of_a_set_is_inside_in_part():
    probabilities = np.array([[0.1], [0.5], [0.4]])
    assert inside_smallest_set(probabilities, np.array([2]), 0.6) == pytest.approx(0.25)


def test_a_colour_of_no_probability_is_outside():
    assert inside_smallest_set(np.array([[1.0], [0.0]]), np.array([1]), 0.9) == 0


def test_a_sharper_distribution_than_the_true_one_covers_less_than_stated():
    probabilities = some_probabilities(cells=5000) + 1e-9
    assert inside_smallest_set(tempered(probabilities, 0.5), drawn(probabilities), 0.9).mean() < 0.85


def test_stored_probabilities_sum_to_one_and_leave_nothing_out():
    distribution = np.random.default_rng(0).integers(0, 40, (20, 3, 4), np.uint8)
    probabilities = stored_probabilities(distribution)
    assert probabilities.min() > 0
    np.testing.assert_allclose(probabilities.sum(axis=0), 1)


def test_a_temperature_of_one_changes_nothing():
    probabilities = some_probabilities() + 1e-9
    probabilities /= probabilities.sum(axis=0)
    np.testing.assert_allclose(tempered(probabilities, 1), probabilities)


def test_a_high_temperature_makes_all_colours_equally_likely():
    np.testing.assert_allclose(tempered(some_probabilities() + 1e-9, 1e6), 1 / 12, rtol=1e-4)


def test_log_likelihood_is_the_mean_logarithm_of_the_true_colours():
    assert log_likelihood(np.array([[0.5, 0.2], [0.5, 0.8]]), np.array([0, 1])) == pytest.approx(np.log(0.4) / 2)


def test_the_temperature_by_which_a_distribution_was_spoilt_is_found():
    probabilities = some_probabilities(cells=20_000) + 1e-6
    probabilities /= probabilities.sum(axis=0)
    assert best_temperature(tempered(probabilities, 1 / 1.7), drawn(probabilities)) == pytest.approx(1.7, rel=0.03)
