"""Targets: what was made of an archive, as colour maps or as RGB images, and what made it."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import zarr

from archive_batch.catalogue import page_path
from archive_batch.gray_pages import open_array, open_gray
from archive_batch.plan import Identity
from archive_batch.pyramid import create_level, multiscales, rgb_display
from archive_batch.stores import Location, make_root, mark, open_root
from training.chroma_map import ChromaMap
from training.errors import InputFileError, SettingsError
from training.hashes import pixel_blocks, sha256_block, sha256_of_blocks
from training.rendering import Region

__all__ = ["load_map", "make_target", "open_gray", "open_rgb", "target_identity", "write_map", "write_rgb"]

PROVENANCE = "provenance"
MAP = "map"
_MAP_GROUP = {"chroma": "", "rgb": "/chroma"}  # under the page


def make_target(location: Location, identity: Identity) -> zarr.Group:
    """Open a target for writing, a new one if there is none.

    Raises
    ------
    SettingsError
        If it is of another identity.
    """
    root = make_root(location, "target", {"identity": asdict(identity)})
    found = target_identity(root)
    if (found.mode, found.model_sha256, found.settings) != (identity.mode, identity.model_sha256, identity.settings):
        raise SettingsError(
            f"{location} was made with {found}, not with {identity}: name another target, or ask for the same"
        )
    return root


def target_identity(root: zarr.Group) -> Identity:
    """The identity of an open target."""
    return Identity(**mark(root)["identity"])


def open_rgb(target: Location, page_id: str, level: int = 0) -> zarr.Array:
    """A level of a coloured page of a target of mode rgb: sRGB, uint8 or uint16, (3, Y, X); read when it is indexed.

    Raises
    ------
    InputFileError
        If the target has no such page, or its mode is another.
    """
    root = open_root(target, "target")
    if (mode := target_identity(root).mode) != "rgb":
        raise InputFileError(f"{target} holds colour maps (mode {mode}), no pixels: render them from the archive")
    return open_array(root, f"{page_path(page_id)}/{level}")


def load_map(target: Location, page_id: str) -> ChromaMap:
    """The colour map of a page of a target of either mode.

    Raises
    ------
    InputFileError
        If the target has no such page.
    MapFileError
        If the map is damaged.
    """
    root = open_root(target, "target")
    found = root.get(f"{page_path(page_id)}{_MAP_GROUP[target_identity(root).mode]}/{MAP}")
    if not isinstance(found, zarr.Array):
        raise InputFileError(f"{target} has no page {page_id}: archive-batch status tells what became of it")
    return ChromaMap.from_bytes(np.asarray(found[...]).tobytes())


def write_map(root: zarr.Group, path: str, chroma: ChromaMap, provenance: dict[str, Any] | None = None) -> str:
    """Write a colour map, the bytes of its file as an array in a group; its content hash comes back."""
    data = np.frombuffer(chroma.to_bytes(), np.uint8)
    root.create_group(path, overwrite=True, attributes={PROVENANCE: provenance} if provenance else {})
    # they are compressed already
    root.create_array(f"{path}/{MAP}", data=data, chunks=data.shape, compressors=None)
    return chroma.content_sha256()


def write_rgb(
    root: zarr.Group, path: str, name: str, chroma: ChromaMap, gray_levels: Sequence[zarr.Array]
) -> list[str]:
    """Render a page, level by level from its map, as an OME-Zarr image.

    Parameters
    ----------
    root : zarr.Group
        Of the target.
    path, name : str
        Where the image lies and what it is called.
    chroma : ChromaMap
        Colours of the page.
    gray_levels : sequence of zarr.Array
        Of the archive, stored values.

    Returns
    -------
    list of str
        SHA-256 of each level's pixels (Y, X, 3), as `training.provenance.sha256_pixels` gives it.
    """
    shapes = [(int(level.shape[0]), int(level.shape[1])) for level in gray_levels]
    bits = chroma.window.result_bits(np.dtype(gray_levels[0].dtype))
    ome = {**multiscales(name, shapes, channels=True), "omero": rgb_display(bits)}
    root.create_group(path, overwrite=True, attributes={"ome": ome})
    return [_write_rgb_level(root, path, chroma, level, gray, bits) for level, gray in enumerate(gray_levels)]


def _write_rgb_level(root: zarr.Group, path: str, chroma: ChromaMap, level: int, gray: zarr.Array, bits: int) -> str:
    """Block by block, so that a page of any size takes the memory of a shard."""
    height, width = gray.shape
    array = create_level(root, f"{path}/{level}", (height, width), np.dtype(f"uint{bits}"), channels=3)

    def write(block: tuple[slice, slice]) -> bytes:
        y, x = (slice(part.start, min(part.stop, side)) for part, side in zip(block, gray.shape))
        rgb = chroma.render(gray, Region(y, x, level), bits)
        array[:, y, x] = np.moveaxis(rgb, -1, 0)
        return sha256_block(rgb)

    return sha256_of_blocks(array.dtype, (height, width, 3), map(write, pixel_blocks((height, width))))


def add_provenance(root: zarr.Group, path: str, provenance: dict[str, Any]) -> None:
    """Write what made an image into its attributes."""
    group = root[path]
    group.attrs[PROVENANCE] = provenance


def combined_sha256(digests: Sequence[str]) -> str:
    """SHA-256 of several in their order."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
