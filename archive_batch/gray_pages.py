"""The gray pages of an archive: OME-Zarr images, written once by ingest, read by everybody else."""

import numpy as np
import zarr

from archive_batch.catalogue import CataloguePage, page_path
from archive_batch.pyramid import create_level, level_shapes, multiscales, reduced, shard_rows
from archive_batch.stores import Location, open_root
from training.errors import InputFileError


def write_page(root: zarr.Group, page: CataloguePage, plane: np.ndarray) -> None:
    """Write a page: level 0 as it is, the others exact means of it."""
    shapes = level_shapes(page.shape)
    root.create_group(page.path, overwrite=True, attributes={"ome": multiscales(page.id, shapes)})
    for level, shape in enumerate(shapes):
        array = create_level(root, f"{page.path}/{level}", shape, np.dtype(page.dtype))
        pixels = reduced(plane, shape) if level else plane
        for rows in shard_rows(array):
            array[rows] = pixels[rows]


def gray_levels(root: zarr.Group, page: CataloguePage) -> list[zarr.Array]:
    """The levels of a page, fine to coarse."""
    levels = range(len(level_shapes(page.shape)))
    return [open_array(root, f"{page.path}/{level}") for level in levels]


def open_gray(archive: Location, page_id: str, level: int = 0) -> zarr.Array:
    """A level of a page of an archive, stored values, (Y, X); read when it is indexed.

    Raises
    ------
    InputFileError
        If the archive has no such page, or the page no such level.
    """
    return open_array(open_root(archive, "archive"), f"{page_path(page_id)}/{level}")


def open_array(root: zarr.Group, path: str) -> zarr.Array:
    """An array of a hierarchy by its path.

    Raises
    ------
    InputFileError
        If there is none.
    """
    found = root.get(path)
    if not isinstance(found, zarr.Array):
        raise InputFileError(f"{root.store_path} holds no array {path}: it was removed, or never written")
    return found
