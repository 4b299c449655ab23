"""What is taken in: the picture files among the inputs, each with the path that becomes its id."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.errors import InputFileError, SettingsError
from training.images import file_format

PICTURE_SUFFIXES = {".tif", ".tiff", ".jpg", ".jpeg", ".png", ".jp2", ".j2k"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to take in.

    Attributes
    ----------
    path : Path
        Where it lies.
    id : str
        Its path from the ingest root: the folder that was named, or its own folder.
    """

    path: Path
    id: str


def find_files(inputs: Iterable[Path]) -> tuple[list[SourceFile], list[Path]]:
    """The picture files of inputs, and the other files in their folders.

    Parameters
    ----------
    inputs
        Files, and folders that are searched whole: hidden files and zarr hierarchies are passed over.

    Returns
    -------
    pictures : list of SourceFile
        Sorted within a folder. Files that were named, and those with the suffix of a picture, whatever is in them;
        of the rest those whose first bytes are a picture's.
    others : list of Path
        Files in the folders that are no pictures, and links to folders.

    Raises
    ------
    InputFileError
        If an input does not exist.
    SettingsError
        If two files would become one page, or one lies under the id of another.
    """
    pictures: dict[Path, SourceFile] = {}
    others: list[Path] = []
    for given in inputs:
        if not given.exists():
            raise InputFileError(f"{given} does not exist: check the name")
        for path in _walk(given) if given.is_dir() else [given]:
            if path == given or is_picture(path):
                file = SourceFile(path, path.relative_to(given if path != given else given.parent).as_posix())
                # once, though it was named twice; but a link is a page of its own
                pictures.setdefault(path.parent.resolve() / path.name, file)
            else:
                others.append(path)
    _check_unique(pictures.values())
    check_nesting(file.id for file in pictures.values())
    return list(pictures.values()), others


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InputFileError(f"{error.filename} cannot be read ({error.strerror}): check its permissions") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        if {"zarr.json", ".zgroup", ".zarray"} & {*files}:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [name for name in folders if os.path.islink(os.path.join(parent, name))]  # not followed, but told of
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def is_picture(path: Path) -> bool:
    """Whether a file should be one by its suffix, or is one by its first bytes."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return True
    try:
        return bool(file_format(path))
    except InputFileError:
        return False


def _check_unique(files: Iterable[SourceFile]) -> None:
    by_id: dict[str, Path] = {}
    for file in files:
        if (other := by_id.setdefault(file.id, file.path)) != file.path:
            raise SettingsError(
                f"{other} and {file.path} would both become the page {file.id}: "
                "name the folder that holds both, or take them into two archives"
            )


def check_nesting(ids: Iterable[str]) -> None:
    """Refuse ids of which one would lie inside the image of another.

    Raises
    ------
    SettingsError
        Naming the two.
    """
    ids = set(ids)
    for inner in ids:
        if outer := ids & {folder.as_posix() for folder in PurePosixPath(inner).parents}:
            raise SettingsError(
                f"{outer.pop()} is a picture, and a folder of the picture {inner}: name the folder that holds both"
            )
