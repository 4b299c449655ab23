"""How sure a colour is: the expected error, from all that the network says and from the room that there is.

The network states an error itself, and its distribution of colours implies another one; each knows something that the
other does not, so their geometric mean is taken. And where it is nearly black or white, no colour fits into the gamut
that could be far off.
"""

import numpy as np
from PIL import Image

from training.color import bin_centres

# of 240 photographs, mean Spearman correlation with the true error within each: stated 0.36, implied 0.38, mean of
# both 0.39, with the room for colour 0.40
LEAST_ROOM = 0.3  # of the error, where it is black or white
LEVEL = 1.28  # so that the mean over those photographs is that of the true error (0.78 of it without)


def expected_error(stated: np.ndarray, probabilities: np.ndarray, ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Expected absolute error of a* and b*.

    Parameters
    ----------
    stated : ndarray of float32, shape (y, x)
        By the network.
    probabilities : ndarray of float, shape (bins, v, u)
        Of the colours of `bin_centres`, on a coarser grid.
    ab : ndarray of float32, shape (2, y, x)
        Predicted a* and b*.
    lightness : ndarray of float32, shape (y, x)
        L*, 0 to 100.

    Returns
    -------
    ndarray of float32, shape (y, x)
        In units of a*, b*.
    """
    coarse = np.stack([_resized(part, probabilities.shape[1:], Image.Resampling.BOX) for part in ab])
    distances = np.abs(bin_centres()[:, :, None, None] - coarse).mean(axis=1)
    implied = _resized((probabilities * distances).sum(axis=0), stated.shape, Image.Resampling.BILINEAR)
    room = np.sqrt(np.clip(np.minimum(lightness, 100 - lightness), 0, 50) / 50)
    return (LEVEL * np.sqrt(stated * implied) * (LEAST_ROOM + (1 - LEAST_ROOM) * room)).astype(np.float32)


def _resized(plane: np.ndarray, shape: tuple[int, ...], resampling: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((shape[1], shape[0]), resampling))
