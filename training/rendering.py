"""Render: a colour map and any region of its plane, at any level, to RGB; pointwise.

A pixel of the result depends on its own gray value, its position and the map alone. So any region of any tiling equals
the crop of the whole, bit for bit.
"""

from dataclasses import dataclass

import numpy as np

from training.chroma_map import AB_STEP, ChromaMap
from training.color import reversible_rgb
from training.errors import PlaneError, SettingsError
from training.small_lightness import ArrayLike, check_plane

BAND_PIXELS = 1 << 18  # rendered at a time: temporaries stay in the cache


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of one level of a plane.

    Attributes
    ----------
    y, x : slice
        Pixels of that level, step 1; an open end is the level's border.
    level : int
        0 is the finest. Pixel i of a level of Hl rows lies at (i + 0.5) * H0 / Hl - 0.5 of level 0.
    """

    y: slice
    x: slice
    level: int = 0


def render(chroma: ChromaMap, plane: ArrayLike, region: Region | None = None, bits: int | None = None) -> np.ndarray:
    """Colour a plane, or a region of it.

    Parameters
    ----------
    chroma : ChromaMap
        The plane's colours.
    plane : array-like, shape (Y, X)
        Stored values of the whole level that `region` names; only the region is read.
    region : Region, optional
        What to render; by default all of level 0.
    bits : {8, 16}, optional
        Depth of the result; by default the plane's, see `Window.result_bits`.

    Returns
    -------
    ndarray of uint8 or uint16, shape (y, x, 3)
        sRGB; ``gray`` of it is the windowed plane, bit for bit.

    Raises
    ------
    PlaneError
        If the plane is not the one (or a level of the one) that the map was made for, or the region leaves it.
    SettingsError
        If `bits` is neither 8 nor 16.
    """
    shape = check_plane(plane)
    region = region or Region(slice(None), slice(None))
    if region.level == 0 and shape != chroma.shape:
        raise PlaneError(f"the map was made for a plane of shape {chroma.shape}, this one has {shape}")
    if any(side > whole for side, whole in zip(shape, chroma.shape)):
        raise PlaneError(f"a level of shape {shape} is larger than the map's plane of shape {chroma.shape}")
    (top, bottom), (left, right) = (_bounds(s, side) for s, side in zip((region.y, region.x), shape))
    bits = chroma.window.result_bits(np.dtype(plane.dtype)) if bits is None else bits
    if bits not in (8, 16):
        raise SettingsError(f"a result has 8 or 16 bits, not {bits}")
    rgb = np.empty((bottom - top, right - left, 3), f"uint{bits}")
    band = max(1, BAND_PIXELS // max(1, right - left))
    for start in range(top, bottom, band):
        stop = min(start + band, bottom)
        gray_code = chroma.window.apply(np.asarray(plane[start:stop, left:right]), bits)
        a, b = enlarge(chroma.ab, shape, (start, stop), (left, right))
        rgb[start - top : stop - top] = reversible_rgb(gray_code, a, b)
    return rgb


def _bounds(part: slice, side: int) -> tuple[int, int]:
    start, stop = part.start or 0, side if part.stop is None else part.stop
    if part.step not in (None, 1) or not 0 <= start <= stop <= side:
        raise PlaneError(f"the region {part} leaves its level of {side} pixels, or has a step")
    return int(start), int(stop)


def enlarge(
    grid: np.ndarray, shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Values of the map's grids at the pixels of a rectangle, by cubic convolution.

    Parameters
    ----------
    grid : ndarray of int16, shape (C, y, x)
        Of the map, in steps of 0.5.
    shape : tuple of two int
        Of the level that the rectangle lies in.
    rows, columns : tuple of two int
        First and one past the last pixel.

    Returns
    -------
    tuple of C ndarrays of float32, shape (rows, columns)
        a* and b*.

    References
    ----------
    .. [1] Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP 1981, equation 15.
    """
    near_y, weight_y = _cubic(*rows, shape[0], grid.shape[1])
    near_x, weight_x = _cubic(*columns, shape[1], grid.shape[2])
    values = grid.astype(np.float32) * np.float32(AB_STEP)
    along_y = sum(weight_y[:, k, None] * values[:, near_y[:, k], :] for k in range(4))
    return tuple(sum(weight_x[None, :, k] * plane[:, near_x[:, k]] for k in range(4)) for plane in along_y)


def _cubic(start: int, stop: int, side: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours and weights, both (pixels, 4), of pixels start..stop of a side laid over so many cells."""
    position = (np.arange(start, stop) + 0.5) * cells / side - 0.5
    first = np.floor(position).astype(np.int64)
    t = position - first
    weights = [
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    ]
    near = np.clip(first[:, None] + np.arange(-1, 3), 0, cells - 1)
    return near, np.stack(weights, axis=1).astype(np.float32)
