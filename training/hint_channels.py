"""Hints as the network sees them: channels of mask, a* and b* on the grid of the small lightness."""

from collections.abc import Sequence

import numpy as np

from training.color import srgb_to_lab
from training.errors import PlaneError
from training.hints import Hint

RADIUS = 1  # pixels of the small lightness: a hint is a square of 3 x 3


def hint_channels(hints: Sequence[Hint], shape: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Mask, a* and b* of the hints of a plane on a small grid.

    Parameters
    ----------
    hints : sequence of Hint
        At pixels of the plane.
    shape, grid : tuple of two int
        Of the plane and of its small lightness.

    Returns
    -------
    ndarray of float32, shape (3, y, x)
        Mask 0 or 1, a* and b*.

    Raises
    ------
    PlaneError
        If a hint lies outside the plane.
    """
    channels = np.zeros((3, *grid), np.float32)
    for hint in hints:
        if not (-0.5 <= hint.y <= shape[0] - 0.5 and -0.5 <= hint.x <= shape[1] - 0.5):
            raise PlaneError(f"the hint at y {hint.y:g}, x {hint.x:g} lies outside the plane of shape {shape}")
        y, x = ((p + 0.5) * cells / side - 0.5 for p, cells, side in zip((hint.y, hint.x), grid, shape))
        place_hint(channels, y, x, srgb_to_lab(np.array(hint.rgb) / 255)[1:])
    return channels


def place_hint(channels: np.ndarray, y: float, x: float, ab: np.ndarray) -> None:
    """Write a colour at a place of the grid into the channels."""
    row, column = (int(np.clip(round(p), 0, side - 1)) for p, side in zip((y, x), channels.shape[1:]))
    square = np.s_[max(0, row - RADIUS) : row + RADIUS + 1, max(0, column - RADIUS) : column + RADIUS + 1]
    channels[0][square] = 1
    channels[1:, *square] = np.asarray(ab)[:, None, None]


def cells_with_hints(channels: np.ndarray, stride: int) -> np.ndarray:
    """Which cells of a coarser grid hold a hint: bool, shape (ceil(y / stride), ceil(x / stride))."""
    rows, columns = (-(-side // stride) for side in channels.shape[1:])
    cells = np.zeros((rows, columns), bool)
    y, x = np.nonzero(channels[0])
    cells[y // stride, x // stride] = True
    return cells
