import numpy as np
import pytest
from scipy.stats import spearmanr

from training.evaluation.uncertainty import ab_error, mean_of_surest, spearman

VALUES = np.random.default_rng(0).normal(size=(6, 7))


def test_ab_error_is_the_mean_of_both():
    ab = np.array([[[10]], [[-3]]], np.int8)
    assert ab_error(ab, np.array([[[4.0]], [[1.0]]])) == pytest.approx(5)


def test_ab_error_of_distant_colours_does_not_wrap():
    assert ab_error(np.full((2, 1, 1), -128, np.int8), np.full((2, 1, 1), 100, np.int8)) == pytest.approx(228)


def test_spearman_of_a_rising_function_is_one():
    assert spearman(VALUES, np.exp(VALUES)) == pytest.approx(1)


def test_spearman_of_a_falling_function_is_minus_one():
    assert spearman(VALUES, -(VALUES**3)) == pytest.approx(-1)


def test_spearman_with_ties_is_that_of_scipy():
    tied = np.rint(VALUES + np.random.default_rng(1).normal(size=VALUES.shape))
    assert spearman(VALUES, tied) == pytest.approx(spearmanr(VALUES.ravel(), tied.ravel()).statistic)


def test_who_is_equally_sure_everywhere_knows_nothing():
    assert spearman(np.full(VALUES.shape, 7), VALUES) == 0


def test_the_surest_cells_come_first():
    assert mean_of_surest(np.array([3, 1, 2, 4]), np.array([30.0, 10.0, 20.0, 40.0]), (0.25, 0.5, 1)) == [10, 15, 25]


def test_cells_of_equal_doubt_count_with_their_mean():
    doubt, difference = np.array([1, 1, 1, 2]), np.array([0.0, 3.0, 6.0, 11.0])
    assert mean_of_surest(doubt, difference, (0.25, 0.5, 1)) == pytest.approx([3, 3, 5])


def test_of_all_cells_the_mean_is_that_of_the_set():
    doubt = np.random.default_rng(1).integers(0, 4, VALUES.shape)
    assert mean_of_surest(doubt, VALUES, (1.0,)) == pytest.approx([VALUES.mean()])
