"""Pyramids of OME-Zarr 0.5: shapes, exact means, sharded arrays and their metadata."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from training.hashes import HASHED_SIDE

Shape = tuple[int, int]

CHUNK = 512  # unit of reading
SHARD = HASHED_SIDE  # unit of writing: whole blocks are hashed as they are written
SMALLEST_SIDE = 512  # levels end when the short side is below
BAND_PIXELS = 1 << 22  # of level 0, reduced at a time


def level_shapes(shape: Shape) -> list[Shape]:
    """Shapes (Y, X) of the levels of a page, fine to coarse: halved until the short side is below 512."""
    shapes = [shape]
    while min(shapes[-1]) >= SMALLEST_SIDE:
        shapes.append((shapes[-1][0] // 2, shapes[-1][1] // 2))
    return shapes


def reduced(plane: np.ndarray, shape: Shape) -> np.ndarray:
    """Means of a plane over the cells of a coarser grid, rounded to its dtype.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Level 0, so that no level is rounded twice.
    shape : tuple of two int
        Of the result. Every pixel belongs to one cell, and cells differ by at most a pixel in size.

    Returns
    -------
    ndarray of the same dtype
        The means are exact: sums are integers, or float64 for floats.
    """
    rows, columns = (np.arange(cells + 1) * side // cells for cells, side in zip(shape, plane.shape))
    result = np.empty(shape, plane.dtype)
    step = max(1, BAND_PIXELS // plane.shape[1] * shape[0] // plane.shape[0])
    for first in range(0, shape[0], step):
        borders = rows[first : first + step + 1]
        means = _means(plane[borders[0] : borders[-1]], borders - borders[0], columns)
        result[first : first + step] = means if plane.dtype.kind == "f" else np.rint(means)
    return result


def _means(band: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    wide = np.float64 if band.dtype.kind == "f" else np.int64
    sums = np.add.reduceat(np.add.reduceat(band, rows[:-1], axis=0, dtype=wide), columns[:-1], axis=1)
    return sums / np.outer(np.diff(rows), np.diff(columns))


def create_level(root: zarr.Group, name: str, shape: Shape, dtype: np.dtype, channels: int | None = None) -> zarr.Array:
    """Make the empty array of a level, (Y, X) or (C, Y, X); shards of whole chunks, channels together in a chunk."""
    chunks = [min(CHUNK, side) for side in shape]
    shards = [min(SHARD, math.ceil(side / chunk) * chunk) for side, chunk in zip(shape, chunks)]
    front, axes = ((channels,), ("c", "y", "x")) if channels else ((), ("y", "x"))
    return root.create_array(
        name,
        shape=(*front, *shape),
        dtype=dtype,
        chunks=(*front, *chunks),
        shards=(*front, *shards) if shards != chunks else None,
        compressors=ZstdCodec(level=1),
        dimension_names=axes,
        overwrite=True,
    )


def shard_rows(array: zarr.Array) -> Iterator[slice]:
    """Slices of Y that hold whole rows of shards."""
    rows, step = array.shape[-2], (array.shards or array.chunks)[-2]
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def multiscales(name: str, shapes: Sequence[Shape], *, channels: bool = False) -> dict[str, Any]:
    """The attribute ``ome`` of an image; level 0 has pixels of size 1, centres at integers.

    Parameters
    ----------
    name : str
        Of the image.
    shapes : sequence of (Y, X)
        Of its levels.
    channels : bool
        With an axis c in front.
    """
    front = [1.0] if channels else []
    axes = [{"name": "c", "type": "channel"}] if channels else []
    datasets = []
    for level, shape in enumerate(shapes):
        scale = [side0 / side for side0, side in zip(shapes[0], shape)]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [*front, *scale]}]
        if level:
            shift = [0.0] * len(front) + [(factor - 1) / 2 for factor in scale]
            transforms.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    axes += [{"name": axis, "type": "space"} for axis in "yx"]
    return {"version": "0.5", "multiscales": [{"name": name, "axes": axes, "datasets": datasets}]}


def rgb_display(bits: int) -> dict[str, Any]:
    """The attribute ``omero`` of an sRGB image: red, green and blue over their whole range."""
    window = {"min": 0, "max": 2**bits - 1, "start": 0, "end": 2**bits - 1}
    colors = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
    channels = [{"label": label, "color": color, "window": window, "active": True} for label, color in colors.items()]
    return {"channels": channels, "rdefs": {"model": "color"}}
