"""True colour on the grids of a map: what the network could say at best, and what its parts are compared with."""

import numpy as np
import torch
from PIL import Image

from training.chroma_map import AB_STRIDE, DISTRIBUTION_STRIDE
from training.color import lab_to_srgb, srgb_to_lab
from training.enlargement import halved
from training.losses import nearest_bin
from training.network import AB_SCALE


def small_lab(rgb8: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """CIE Lab of a picture reduced to the shape of its small lightness, as training reduces its samples.

    Parameters
    ----------
    rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB.
    shape : tuple of two int
        Of the small lightness, (y, x).

    Returns
    -------
    ndarray of float32, shape (y, x, 3)
        CIE Lab.
    """
    resampling = Image.Resampling.BOX if min(rgb8.shape[:2]) >= min(shape) else Image.Resampling.BILINEAR
    small = Image.fromarray(rgb8).resize((shape[1], shape[0]), resampling)
    return srgb_to_lab(np.asarray(small) / np.float32(255))


def halved_ab(lab: np.ndarray) -> np.ndarray:
    """a* and b* of `small_lab` on the grid of a map's a*, b*: float32, shape (2, y / 2, x / 2)."""
    return halved(lab[..., 1:]).transpose(2, 0, 1)


def with_lightness(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """CIE Lab of colours on the grid of a map, each at the lightness of its cell, as far as sRGB has it.

    Parameters
    ----------
    ab : ndarray, shape (2, y / 2, x / 2)
        a* and b*.
    lightness : ndarray of uint8, shape (y, x)
        The small lightness.

    Returns
    -------
    ndarray of float32, shape (y / 2, x / 2, 3)
        L* is the mean of the cell's four pixels.
    """
    light = halved(lightness.astype(np.float32) / np.float32(2.55))
    return np.stack([light, *ab], axis=-1).astype(np.float32)


def small_rgb8(lab: np.ndarray) -> np.ndarray:
    """Colours of `with_lightness` as a small picture: uint8, shape (y / 2, x / 2, 3), sRGB."""
    return np.rint(lab_to_srgb(lab) * 255).astype(np.uint8)


def true_bins(ab: np.ndarray) -> np.ndarray:
    """The colour at one pixel of each cell of the distribution, as `training.losses.distribution_loss` picks it.

    Parameters
    ----------
    ab : ndarray, shape (2, y / 2, x / 2)
        True a* and b*, see `halved_ab`.

    Returns
    -------
    ndarray of int64, shape (ceil(y / 8), ceil(x / 8))
        Index of the nearest of `training.color.bin_centres`.
    """
    stride = DISTRIBUTION_STRIDE // AB_STRIDE
    # a cell that the border cuts may lack its centre: the last pixel stands for it
    rows, columns = (np.minimum(np.arange(0, side, stride) + stride // 2, side - 1) for side in ab.shape[1:])
    sampled = ab[:, rows[:, None], columns] / np.float32(AB_SCALE)
    return nearest_bin(torch.from_numpy(sampled)[None])[0].numpy()
