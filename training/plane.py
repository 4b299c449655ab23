"""A plane: one gray picture as an array (Y, X), in memory or not, and how it is read."""

import itertools
import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from training.errors import PlaneError

MOST_PIXELS = 1 << 37  # beyond, 16-bit sums leave the 53 bits that float64 adds exactly
BAND_PIXELS = 1 << 21  # read at a time, where chunks do not ask for more


class ArrayLike(Protocol):
    """What a plane must offer: NumPy, zarr and dask arrays do."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def __getitem__(self, key: Any, /) -> Any: ...


def check_plane(plane: ArrayLike) -> tuple[int, int]:
    """Shape of a plane; `PlaneError` unless it is one gray plane (Y, X) with at least one pixel."""
    if not hasattr(plane, "shape"):
        raise PlaneError(f"expected one plane (Y, X) as an array, got a {type(plane).__name__}")
    if len(plane.shape) != 2:
        raise PlaneError(
            f"expected one plane (Y, X), got an array of shape {tuple(plane.shape)}: index the others first"
        )
    if 0 in plane.shape:
        raise PlaneError(f"the plane is empty: its shape is {tuple(plane.shape)}")
    if math.prod(plane.shape) > MOST_PIXELS:
        raise PlaneError(f"a plane of shape {tuple(plane.shape)} has more than the {MOST_PIXELS} supported pixels")
    if np.dtype(plane.dtype).kind not in "buif":
        raise PlaneError(f"values of type {plane.dtype} are no gray: expected integers, floats or booleans")
    height, width = plane.shape
    return int(height), int(width)


def row_bands(
    plane: ArrayLike, start: int = 0, stop: int | None = None, columns: int | None = None
) -> list[tuple[int, int]]:
    """First and one past the last row of bands that cover the rows start..stop of a plane.

    A band of so many columns (all, by default) has about two million pixels; it ends where a chunk ends, so that each
    chunk is read once.
    """
    height, width = plane.shape
    width = width if columns is None else columns
    stop = height if stop is None else stop
    chunk = _chunk_rows(plane)
    step = max(chunk, BAND_PIXELS // max(1, width) // chunk * chunk)
    edges = [start, *range((start // chunk) * chunk + step, stop, step), stop]
    return [pair for pair in itertools.pairwise(edges) if pair[0] < pair[1]]


class RowBands:
    """A plane as bands of rows, read when they are iterated over."""

    def __init__(self, plane: ArrayLike) -> None:
        self.plane = plane

    def __iter__(self) -> Iterator[np.ndarray]:
        return (np.asarray(self.plane[start:stop]) for start, stop in row_bands(self.plane))

    def count_nan(self) -> int:
        """Pixels that are NaN (and shown black)."""
        if np.dtype(self.plane.dtype).kind != "f":
            return 0
        return sum(int(np.isnan(band).sum()) for band in self)


def _chunk_rows(plane: ArrayLike) -> int:
    """Rows of a chunk: of zarr's (rows, columns), of dask's ((rows, rows, ...), ...); 1 in memory."""
    rows = (getattr(plane, "chunks", None) or (1,))[0]
    return max(1, rows[0] if isinstance(rows, tuple) else rows)
