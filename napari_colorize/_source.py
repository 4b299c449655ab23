"""What of a layer can be coloured: its gray planes, fine to coarse."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.errors import PlaneError
from training.plane import ArrayLike

if TYPE_CHECKING:
    from napari.layers import Layer

Index = tuple[int, ...]
LARGEST_RESULT_BYTES = 4 << 30  # results are held in memory


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The gray planes of a layer.

    Attributes
    ----------
    name : str
        Of the layer.
    levels : tuple of array-likes, each of shape (..., Y, X)
        Fine to coarse; the axes before Y and X, the stack, are the same in each.
    """

    name: str
    levels: tuple[ArrayLike, ...]

    @property
    def stack(self) -> Index:
        """Shape of the axes before Y and X; empty for a single plane."""
        return tuple(map(int, self.levels[0].shape[:-2]))

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.levels[0].dtype)

    def plane(self, index: Index) -> list[np.ndarray]:
        """The levels of one plane, in memory, in the machine's byte order."""
        return [self._read(level, index) for level in self.levels]

    def _read(self, level: ArrayLike, index: Index) -> np.ndarray:
        try:
            plane = np.asarray(level[(*index, slice(None), slice(None))])
        except Exception as error:  # whatever stands behind a lazy array
            raise PlaneError(f"plane {list(index)} cannot be read ({error})") from error
        return plane.astype(plane.dtype.newbyteorder("="), copy=False)

    def nearest_first(self, first: Index) -> list[Index]:
        """Indices of all planes, by their distance from the given one."""
        return sorted(np.ndindex(self.stack), key=lambda index: math.dist(index, first))

    def clip(self, position: Sequence[float]) -> Index:
        """Index of the plane nearest to a position in pixels of the layer."""
        return tuple(int(np.clip(round(p), 0, side - 1)) for p, side in zip(position, self.stack))


class FinestPlanes:
    """All planes of a source at its finest level, read anew each time that they are iterated over."""

    def __init__(self, source: Source) -> None:
        self._finest = Source(source.name, source.levels[:1])

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in np.ndindex(self._finest.stack):
            yield self._finest.plane(index)[0]


def source_of(layer: "Layer") -> Source:
    """The gray planes of a layer.

    Raises
    ------
    PlaneError
        If the layer holds no gray planes, or its result would not fit into memory.
    """
    from napari.layers import Image

    if not isinstance(layer, Image):
        kind = type(layer).__name__
        raise PlaneError(f"{layer.name} is a layer of kind {kind}: only gray image layers can be coloured")
    if layer.rgb:
        raise PlaneError(
            f"{layer.name} is in colour already. If it is a colour scan of a gray picture, add its gray as a layer, "
            f"in napari's console: viewer.add_image(napari_colorize.gray(viewer.layers[{layer.name!r}].data))"
        )
    levels = tuple(layer.data) if layer.multiscale else (layer.data,)
    _check(layer.name, tuple(levels[0].shape), np.dtype(levels[0].dtype))
    same_stack = itertools.takewhile(lambda level: level.shape[:-2] == levels[0].shape[:-2], levels)
    return _that_fits(Source(layer.name, tuple(same_stack)))


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) < 2:
        raise PlaneError(f"{name} has fewer than two axes: its shape is {shape}")
    if 0 in shape:
        raise PlaneError(f"{name} is empty: its shape is {shape}")
    if dtype.kind not in "buif":
        raise PlaneError(f"{name} holds values of type {dtype}, which are no gray: integers, floats or booleans are")


def _that_fits(source: Source) -> Source:
    size = 3 * sum(math.prod(level.shape) for level in source.levels)
    if size > LARGEST_RESULT_BYTES:
        raise PlaneError(
            f"{source.name} in colour would take {size / 2**30:.1f} GB of memory, and {LARGEST_RESULT_BYTES >> 30} GB "
            "are the most: crop it, or colour it on disk with the command line `colorize` or `archive-batch`"
        )
    return source
