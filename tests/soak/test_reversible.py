"""The promise of reversible colour on very many pixels."""

import numpy as np
import pytest

from training.color import gray
from training.reversible import reversible_rgb

pytestmark = pytest.mark.soak
SIDE = np.arange(-128, 128, 2, dtype=np.float32)


@pytest.mark.parametrize("code", range(0, 256, 5))
def test_every_8_bit_gray_comes_back_over_a_fine_grid_of_chroma(code):
    a, b = np.meshgrid(SIDE, SIDE)
    codes = np.full(a.shape, code, np.uint8)
    assert np.array_equal(gray(reversible_rgb(codes, a, b)), codes)


@pytest.mark.parametrize("seed", range(20))
def test_16_bit_grays_come_back_at_random_chroma(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 65536, 1_000_000, dtype=np.uint16)
    a, b = rng.uniform(-128, 128, (2, len(codes))).astype(np.float32)
    assert np.array_equal(gray(reversible_rgb(codes, a, b)), codes)
