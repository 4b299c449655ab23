"""Keeping to hints: what the network made of them is corrected where they lie, and around them along the like of them.

The network is told of hints and follows them, but not to the end. What it missed is laid over the places that lie near
a hint and look as the hint's place does: a bilateral filter [1]_ of the misses, on the grid of the colours.

References
----------
.. [1] Tomasi and Manduchi, "Bilateral filtering for gray and color images", ICCV 1998; as the joint filter of
   Petschnigg et al., "Digital photography with flash and no-flash image pairs", SIGGRAPH 2004, equation 6.
"""

import numpy as np

from training.enlargement import halved
from training.grid_colour import GridColour

# chosen on 48 photographs with 1 to 50 hints of true colour
REACH = 24.0  # cells
LIKE_LIGHTNESS = 10.0  # L*
LIKE_COLOUR = 10.0  # of a*, b* as predicted
RESISTANCE = 0.5  # weight of what the network said, where a full hint weighs 1
LEAST_ERROR = 0.5  # of what was expected, at a hint
CELLS_AT_ONCE = 256


def keep_to_hints(colour: GridColour, lightness: np.ndarray, channels: np.ndarray, *, wraps: bool) -> GridColour:
    """Correct a*, b* towards the hints, and expect less error there.

    Parameters
    ----------
    colour : GridColour
        What the network gave.
    lightness : ndarray of uint8, shape (y, x)
        Small lightness.
    channels : ndarray of float32, shape (3, y, x)
        Mask, a*, b* of the hints, see `training.hint_channels`.
    wraps : bool
        Whether the plane tiles.
    """
    share = halved(channels[0])
    rows, columns = np.nonzero(share)
    if not len(rows):
        return colour
    height, width = colour.ab.shape[1:]
    light = halved(lightness.astype(np.float32) / np.float32(2.55))
    asked = np.stack([halved(part)[rows, columns] for part in channels[1:]]) / share[rows, columns]
    missed = asked - colour.ab[:, rows, columns]
    weight, sums = np.zeros((height, width), np.float32), np.zeros_like(colour.ab)
    y, x = np.indices((height, width), np.float32, sparse=True)
    for start in range(0, len(rows), CELLS_AT_ONCE):
        row, column = (part[start : start + CELLS_AT_ONCE, None, None] for part in (rows, columns))
        squares = (
            np.square(_distance(y - row, height, wraps) / REACH)
            + np.square(_distance(x - column, width, wraps) / REACH)
            + np.square((light - light[row, column]) / LIKE_LIGHTNESS)
            + np.square((colour.ab[0] - colour.ab[0, row, column]) / LIKE_COLOUR)
            + np.square((colour.ab[1] - colour.ab[1, row, column]) / LIKE_COLOUR)
        )
        each = np.exp(-squares / 2) * share[row, column]
        weight += each.sum(axis=0)
        sums += np.einsum("nyx,cn->cyx", each, missed[:, start : start + CELLS_AT_ONCE])
    trust = weight / (weight + RESISTANCE)
    return GridColour(
        ab=colour.ab + sums / (weight + RESISTANCE),
        error=colour.error * (1 - (1 - LEAST_ERROR) * trust),
        probabilities=colour.probabilities,
    )


def _distance(difference: np.ndarray, side: int, wraps: bool) -> np.ndarray:
    away = np.abs(difference)
    return np.minimum(away, side - away) if wraps else away
