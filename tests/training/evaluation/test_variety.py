import numpy as np
import pytest

from training.evaluation.metrics import BEST_PSNR_DB, ciede2000
from training.evaluation.variety import Nearness, best, nearness, pairwise_difference


@pytest.fixture
def labs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.stack([np.full((4, 5), 60.0), *rng.normal(0, 15, (2, 4, 5))], axis=-1) for _ in range(3)]


def test_equal_variants_have_no_variety(labs):
    assert pairwise_difference([labs[0]] * 3) == 0


def test_variety_is_the_mean_over_all_pairs(labs):
    pairs = [ciede2000(labs[i], labs[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert pairwise_difference(labs) == pytest.approx(np.mean(pairs))


def test_the_truth_is_as_near_as_can_be(labs):
    assert nearness(labs[0], labs[0]) == Nearness(0, BEST_PSNR_DB)


def test_the_best_has_the_least_difference_and_the_greatest_psnr():
    assert best([Nearness(3, 20), Nearness(5, 24), Nearness(4, 22)]) == Nearness(3, 24)
