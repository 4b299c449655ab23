import numpy as np
import pytest
from napari.layers import Image

from napari_colorize._window import describe, is_inverted, is_touched, window_of_layer
from training.window import Window

RAMP = np.arange(256, dtype=np.uint8)


def shown_by_napari(raw: np.ndarray, limits: tuple[float, float], gamma: float, inverted: bool) -> np.ndarray:
    """Gray codes as napari's shaders make them: limits, gamma, then the colormap."""
    value = np.clip((raw.astype(float) - limits[0]) / (limits[1] - limits[0]), 0, 1) ** gamma
    return np.rint(255 * (1 - value if inverted else value))


def test_full_limits_leave_8_bit_values_as_they_are():
    assert (window_of_layer((0, 255)).apply(RAMP, 8) == RAMP).all()


@pytest.mark.parametrize("limits", [(0, 255), (20, 200)])
@pytest.mark.parametrize("gamma", [0.45, 1.0, 2.2])
@pytest.mark.parametrize("inverted", [False, True])
def test_the_window_gives_the_gray_that_napari_shows(limits, gamma, inverted):
    codes = window_of_layer(limits, gamma, inverted).apply(RAMP, 8).astype(int)
    tolerance = 1 if limits == (0, 255) else 3  # between its samples the curve is straight; steepest at 0
    assert abs(codes - shown_by_napari(RAMP, limits, gamma, inverted)).max() <= tolerance


def test_an_inverted_layer_is_a_negative():
    window = window_of_layer((10, 90), inverted=True)
    assert window.negative
    assert (window.lo, window.hi) == (90, 10)


@pytest.mark.parametrize(("name", "inverted"), [("gray", False), ("gray_r", True), ("magma", False), ("I Blue", True)])
def test_a_colormap_from_bright_to_dark_is_inverted(name, inverted):
    assert is_inverted(Image(np.zeros((2, 2)), colormap=name).colormap.colors) == inverted


def test_a_layer_is_touched_by_any_of_limits_gamma_and_inversion():
    assert not is_touched([0, 100], (0, 100))
    assert is_touched([1, 100], (0, 100))
    assert is_touched([0, 100], (0, 100), gamma=0.9)
    assert is_touched([0, 100], (0, 100), inverted=True)


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window(0, 255), "0 to 255"),
        (Window(0, 4095, note="12 of 16 bits"), "0 to 4095 (12 of 16 bits)"),
        (Window(3, 7, note="3 to 7: the 0.1 and 99.9 percentiles"), "3 to 7: the 0.1 and 99.9 percentiles"),
        (window_of_layer((5, 9), 0.8, True), "9 to 5 (as the layer shows it, gamma 0.8, inverted)"),
    ],
)
def test_a_window_is_described_in_words(window, text):
    assert describe(window) == text
