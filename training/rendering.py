"""Render: a colour map and any region of its plane, at any level, to RGB; pointwise.

A pixel of the result depends on its own gray value, its position and the map alone. So any region of any tiling equals
the crop of the whole, bit for bit.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from training.chroma_map import ChromaMap
from training.enlargement import grids_of_map, taps
from training.errors import PlaneError, SettingsError
from training.plane import ArrayLike, check_plane, row_bands


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


def render(
    chroma: ChromaMap,
    plane: ArrayLike,
    region: Region | None = None,
    bits: int | None = None,
    *,
    threads: int = 1,
) -> np.ndarray:
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
    threads : int
        How many work at it; the result does not depend on it.

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
    (top, bottom), columns = (_bounds(s, side) for s, side in zip((region.y, region.x), shape))
    bits = chroma.window.result_bits(np.dtype(plane.dtype)) if bits is None else bits
    if bits not in (8, 16):
        raise SettingsError(f"a result has 8 or 16 bits, not {bits}")
    rgb = np.empty((bottom - top, columns[1] - columns[0], 3), f"uint{bits}")
    render_rows = _row_renderer(chroma, plane, columns, bits)
    bands = row_bands(plane, top, bottom, columns[1] - columns[0])
    with ThreadPoolExecutor(threads) as pool:
        # list: errors are raised here
        list(pool.map(render_rows, bands, [rgb[start - top : stop - top] for start, stop in bands]))
    return rgb


def _row_renderer(
    chroma: ChromaMap, plane: ArrayLike, columns: tuple[int, int], bits: int
) -> Callable[[tuple[int, int], np.ndarray], None]:
    """What renders a band of rows, from the first to one past the last, into an array."""
    from training.kernels import render_band, tables  # numba takes most of a second to import

    height, width = plane.shape
    grid, table = grids_of_map(chroma), tables(bits)
    rows_of_grid, columns_of_grid = grid.mean.shape
    x, fine_x = (taps(*columns, width, columns_of_grid * factor, wraps=chroma.wraps) for factor in (1, 2))

    def render_rows(rows: tuple[int, int], rgb: np.ndarray) -> None:
        y, fine_y = (taps(*rows, height, rows_of_grid * factor, wraps=chroma.wraps) for factor in (1, 2))
        gray_code = chroma.window.apply(np.asarray(plane[slice(*rows), slice(*columns)]), bits)
        # for strided or read-only memory the kernel would be compiled again
        render_band(np.require(gray_code, requirements=["C", "W"]), grid, y, x, fine_y, fine_x, table, rgb)

    return render_rows


def _bounds(part: slice, side: int) -> tuple[int, int]:
    start, stop = part.start or 0, side if part.stop is None else part.stop
    if part.step not in (None, 1) or not 0 <= start <= stop <= side:
        raise PlaneError(f"the region {part} leaves its level of {side} pixels, or has a step")
    return int(start), int(stop)
