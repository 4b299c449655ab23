"""The gray window of a layer: what napari shows of its values, as a `Window`. Pure: numbers in, a window out."""

from collections.abc import Sequence

import numpy as np

from training.color import LUMINANCE_WEIGHTS
from training.window import Window

CURVE_SAMPLES = 256  # at every 8-bit value exactly; straight lines between


def is_touched(
    limits: Sequence[float], untouched_limits: Sequence[float], gamma: float = 1.0, inverted: bool = False
) -> bool:
    """Whether somebody has changed how a layer shows its values.

    Parameters
    ----------
    limits
        The contrast limits now.
    untouched_limits
        Those that napari chose when the layer was added.
    gamma
        Of the layer; 1 is untouched.
    inverted
        Whether the colormap runs from bright to dark.
    """
    return tuple(limits) != tuple(untouched_limits) or gamma != 1 or inverted


def is_inverted(colors: np.ndarray) -> bool:
    """Whether a colormap runs from bright to dark.

    Parameters
    ----------
    colors : ndarray of float, shape (N, 3) or (N, 4)
        Control points of the colormap, RGB(A) in [0, 1].
    """
    first, last = np.asarray(colors)[[0, -1], :3] @ LUMINANCE_WEIGHTS
    return bool(last < first)


def window_of_layer(limits: Sequence[float], gamma: float = 1.0, inverted: bool = False) -> Window:
    """The window that gives the gray that napari shows.

    Parameters
    ----------
    limits
        Contrast limits, the lower first.
    gamma
        Exponent on the values between the limits.
    inverted
        Whether the colormap runs from bright to dark.

    Returns
    -------
    Window
        With the gamma as its curve, and a note that says so.
    """
    low, high = map(float, limits)
    traits = {"as the layer shows it": True, f"gamma {gamma:g}": gamma != 1, "inverted": inverted}
    note = ", ".join(trait for trait, there in traits.items() if there)
    curve = None if gamma == 1 else _gamma_curve(gamma, inverted)
    return Window(high if inverted else low, low if inverted else high, curve, note)


def _gamma_curve(gamma: float, inverted: bool) -> tuple[float, ...]:
    steps = np.linspace(0, 1, CURVE_SAMPLES)
    # an inverted layer shows 1 - t**gamma, and the window's own value is already 1 - t
    curve = 1 - (1 - steps) ** gamma if inverted else steps**gamma
    return tuple(curve.round(9).tolist())


def describe(window: Window) -> str:
    """A window for the person at the screen, such as ``0 to 4095 (12 of 16 bits: all values are below 4096)``."""
    limits = f"{window.lo:g} to {window.hi:g}"
    return f"{limits} ({window.note})" if window.note and not window.note.startswith(limits) else window.note or limits
