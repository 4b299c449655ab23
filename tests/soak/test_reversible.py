"""The promise of reversible colour on very many pixels."""

import numpy as np
import pytest

from training.color import gray, srgb_to_lab
from training.evaluation.metrics import ciede2000
from training.reversible import reversible_rgb

pytestmark = pytest.mark.soak
SIDE = np.arange(-128, 128, 2, dtype=np.float32)


@pytest.mark.parametrize("code", range(256))
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


@pytest.mark.parametrize("red", range(256))
def test_every_8_bit_colour_as_a_wish_gives_its_gray_and_nearly_itself(red):
    """All 2**24 colours, 65,536 at a time; black ones lose their hue with their gray, the purest yellow some chroma."""
    green, blue = np.meshgrid(np.arange(256), np.arange(256))
    rgb = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
    codes, lab = gray(rgb), srgb_to_lab(rgb / 255)
    result = reversible_rgb(codes, lab[..., 1], lab[..., 2])
    assert np.array_equal(gray(result), codes)
    some = np.s_[::3, ::5]
    difference = ciede2000(srgb_to_lab(result / 255)[some], lab[some])[codes[some] > 20]
    assert difference.mean() < 0.4
    assert np.percentile(difference, 95) < 1
