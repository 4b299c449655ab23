"""RGB pictures in zarr hierarchies (v2 and v3) and OME-Zarr images (0.4 and 0.5): each plane is one."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from training.errors import InputFileError
from training.formats.png import png_bytes

if TYPE_CHECKING:
    import zarr

LEAST_LEVEL_SIDE = 512  # pixels: of an OME-Zarr image the coarsest level of at least that is taken
LARGEST_PIXELS = 178_956_970  # of a plane; as Pillow refuses files
FLOAT_RANGE = (-0.5, 1.5)  # of a plane in 0..1 whose resampling overshot
OME_AXES = "tczyx"  # before version 0.3, which has no axes
RGB = ["FF0000", "00FF00", "0000FF"]
CHANNEL_NAMES = {"c", "channel"}
Axes = tuple[int, int, int]  # numbers of Y, X and channel


@dataclass(frozen=True, slots=True)
class ZarrPlane:
    """One RGB plane of an array.

    Attributes
    ----------
    array : Path
        Folder of the array.
    name : str
        Path in its source.
    index : tuple of (int or None)
        Place on each axis of the array; None for the three that make a picture.
    axes : tuple of three int
        Numbers of the axes Y, X and channel.
    """

    array: Path
    name: str
    index: tuple[int | None, ...]
    axes: Axes

    def read(self) -> bytes:
        """The plane as a PNG.

        Raises
        ------
        InputFileError
            If it is not there any more, or cannot be read.
        """
        try:
            array = _open_array(self.array)
            if array is None:
                raise InputFileError(f"{self.array} is no array any more: put it back")
            pixels = math.prod(array.shape[axis] for axis in self.axes[:2])
            if pixels > LARGEST_PIXELS:
                raise InputFileError(f"{self.array} has {pixels} pixels, more than {LARGEST_PIXELS}: use smaller ones")
            stored = np.asarray(array[tuple(slice(None) if place is None else place for place in self.index)])
        except InputFileError:
            raise
        except Exception as error:  # codecs raise whatever they like
            raise InputFileError(
                f"{self.array} cannot be read ({error}): check that it still is there, or copy it again"
            ) from error
        order = [sorted(self.axes).index(axis) for axis in self.axes]
        return png_bytes(_rgb8(stored.transpose(order)[..., :3], self.name))


def _rgb8(stored: np.ndarray, name: str) -> np.ndarray:
    """In 8 bits: uint8, uint16, or floats in 0..1."""
    if stored.dtype == np.uint8:
        return np.ascontiguousarray(stored)
    if stored.dtype.kind == "u":
        return ((stored.astype(np.uint32) + 128) // 257).astype(np.uint8)
    values = np.nan_to_num(stored.astype(np.float32))
    low, high = FLOAT_RANGE
    if values.min() < low or values.max() > high:
        raise InputFileError(f"{name} has values from {values.min():g} to {values.max():g}: floats must lie in 0..1")
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a group or an array."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def iter_zarr_pictures(store: Path, prefix: str = "") -> Iterator[ZarrPlane]:
    """The RGB planes of a hierarchy, in the order of the paths.

    Parameters
    ----------
    store : Path
        Folder of a group or an array.
    prefix : str
        Put before the paths in the hierarchy; an array that is the whole of it without one has the folder's name.

    Yields
    ------
    ZarrPlane
        Of plain arrays (..., Y, X, 3 or 4) and (..., 3, Y, X), unless the names of their axes say otherwise, and of
        OME-Zarr images. Each index of the other axes is a picture, named ``path#N`` where there are several.

    Raises
    ------
    InputFileError
        If metadata are damaged.
    """
    for found in _iter_arrays(store):
        path = found.node.relative_to(store).as_posix() if found.node != store else ""
        yield from _planes(found, "/".join(filter(None, (prefix, path))) or store.name)


class _RgbArray(NamedTuple):
    node: Path  # that pictures are named after: the array, or the OME-Zarr image that it is a level of
    array: Path
    shape: tuple[int, ...]
    axes: Axes


def _planes(found: _RgbArray, name: str) -> Iterator[ZarrPlane]:
    sides = [1 if axis in found.axes else side for axis, side in enumerate(found.shape)]
    for number, place in enumerate(np.ndindex(*sides)):
        index = tuple(None if axis in found.axes else step for axis, step in enumerate(place))
        yield ZarrPlane(found.array, f"{name}#{number}" if math.prod(sides) > 1 else name, index, found.axes)


def _iter_arrays(folder: Path) -> Iterator[_RgbArray]:
    kind = _node_type(folder)
    if kind == "array":
        array = _open_array(folder)
        if array is not None and (axes := _plain_axes(array.shape, _names(array))):
            yield _RgbArray(folder, folder, array.shape, axes)
    elif kind == "group" and (ome := _ome_metadata(folder)) is not None:
        if image := _ome_image(folder, ome):
            yield image
    else:
        with _reading(folder), os.scandir(folder) as entries:
            children = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        for child in children:
            yield from _iter_arrays(Path(child))


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputFileError(f"{folder}: the zarr metadata cannot be read ({error}): copy it again") from error


def _node_type(folder: Path) -> str | None:
    """Whether a folder is an "array" or a "group"; None for another one."""
    if (folder / "zarr.json").is_file():
        with _reading(folder):
            metadata = json.loads((folder / "zarr.json").read_bytes())
        return str(metadata.get("node_type")) if isinstance(metadata, dict) else None
    if (folder / ".zarray").is_file():
        return "array"
    return "group" if (folder / ".zgroup").is_file() else None


def _version(folder: Path) -> Literal[2, 3]:
    # stated, or zarr would warn where there are both
    return 3 if (folder / "zarr.json").is_file() else 2


def _open_array(folder: Path) -> "zarr.Array | None":
    """The array of a folder; None if it is none, or one that cannot hold pictures."""
    import zarr

    if _node_type(folder) != "array":
        return None
    with _reading(folder):
        try:
            array = zarr.open_array(folder, mode="r", zarr_format=_version(folder))
        except (json.JSONDecodeError, UnicodeDecodeError, OSError):
            raise
        except Exception:  # of dtypes and codecs that it does not know zarr raises this and that
            return None
    dtype = array.dtype
    return array if dtype.kind == "f" or (dtype.kind == "u" and dtype.itemsize <= 2) else None


def _ome_metadata(folder: Path) -> dict[str, Any] | None:
    """What a group says about itself as an OME-Zarr image; None if it is none."""
    import zarr

    with _reading(folder):
        # consolidated metadata may be older than the rest
        group = zarr.open_group(folder, mode="r", zarr_format=_version(folder), use_consolidated=False)
    attributes = group.attrs.asdict()
    ome = attributes.get("ome", attributes)  # 0.5 or 0.4
    return ome if isinstance(ome, dict) and "multiscales" in ome else None


def _names(array: "zarr.Array") -> Sequence[str | None]:
    """Names of the axes, in version 2 as xarray writes them."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list | tuple) or len(names) != array.ndim:
        return [None] * array.ndim
    return [name if isinstance(name, str) else None for name in names]


def _plain_axes(shape: tuple[int, ...], names: Sequence[str | None]) -> Axes | None:
    if len(shape) < 3 or 0 in shape:
        return None
    if all(names) or any(name in CHANNEL_NAMES for name in names):
        return _named_axes(shape, names)
    if shape[-1] in (3, 4):
        return len(shape) - 3, len(shape) - 2, len(shape) - 1
    return (len(shape) - 2, len(shape) - 1, len(shape) - 3) if shape[-3] == 3 else None


def _named_axes(shape: tuple[int, ...], names: Sequence[str | None]) -> Axes | None:
    """Axes Y, X and channel; Y and X are the last two others where they have no names."""
    channels = [axis for axis, name in enumerate(names) if name in CHANNEL_NAMES]
    if len(shape) < 3 or 0 in shape or len(channels) != 1 or shape[channels[0]] not in (3, 4):
        return None
    others = [axis for axis in range(len(shape)) if axis != channels[0]]
    y, x = (names.index("y"), names.index("x")) if {"y", "x"} <= {*names} else others[-2:]
    return y, x, channels[0]


def _ome_image(folder: Path, ome: dict[str, Any]) -> _RgbArray | None:
    """The level of an OME-Zarr image that is taken; None if it is not RGB."""
    try:
        image = ome["multiscales"][0]
        names = [str(axis["name"] if isinstance(axis, dict) else axis) for axis in image.get("axes", OME_AXES)]
        paths = [folder / dataset["path"] for dataset in image["datasets"]]
        colours = [str(channel.get("color")).upper() for channel in ome.get("omero", {}).get("channels", [])]
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    levels = [level for path in paths if (level := _ome_level(folder, path, names, colours))]
    enough = [level for level in levels if _short_side(level) >= LEAST_LEVEL_SIDE]
    return min(enough, key=_short_side) if enough else max(levels, key=_short_side, default=None)


def _ome_level(folder: Path, path: Path, names: list[str], colours: list[str]) -> _RgbArray | None:
    inside = path.resolve().is_relative_to(folder.resolve())
    array = _open_array(path) if inside else None
    if array is None or array.ndim != len(names) or not (axes := _named_axes(array.shape, names)):
        return None
    # other channels than red, green and blue are those of a microscope
    is_rgb = colours[:3] == RGB or (not colours and array.shape[axes[2]] == 3)
    return _RgbArray(folder, path, array.shape, axes) if is_rgb else None


def _short_side(level: _RgbArray) -> int:
    y, x, _ = level.axes
    return min(level.shape[y], level.shape[x])
