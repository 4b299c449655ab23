"""Zarr hierarchies as the batch tool uses them: marked roots, whole objects, and one writer at a time."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore

from training.atomic import ADVICE
from training.errors import ColorizeError, InputFileError, OutputError, OutputExistsError, SettingsError

Kind = Literal["archive", "target"]
Location = str | os.PathLike[str]
MARK = "napari_colorize"
FORMAT = 1
LOCK_NAME = ".lock"
_MAKES = {"archive": "archive-batch ingest", "target": "archive-batch run"}


def open_root(location: Location, kind: Kind) -> zarr.Group:
    """Open an archive or a target for reading.

    Raises
    ------
    InputFileError
        If there is none at this place.
    """
    path = _local(location)
    if not (path / "zarr.json").is_file():
        raise InputFileError(f"{location}: there is no {kind} here; {_MAKES[kind]} makes one")
    root = zarr.open_group(path, mode="r", zarr_format=3)
    _check_mark(root, location, kind)
    return root


def make_root(location: Location, kind: Kind, attributes: dict[str, Any]) -> zarr.Group:
    """Open an archive or a target for writing, a new one with these attributes.

    Raises
    ------
    OutputExistsError
        If something else lies at this place.
    """
    path = _local(location)
    if not (path / "zarr.json").exists():
        marks = {MARK: {"kind": kind, "format": FORMAT, **attributes}}
        return zarr.create_group(path, attributes=marks, zarr_format=3)
    root = zarr.open_group(path, mode="r+", zarr_format=3)
    _check_mark(root, location, kind)
    return root


def mark(root: zarr.Group) -> dict[str, Any]:
    """What a root says about itself: kind, format and, of a target, its identity."""
    found = root.attrs.get(MARK)
    return found if isinstance(found, dict) else {}


def _check_mark(root: zarr.Group, location: Location, kind: Kind) -> None:
    found = mark(root)
    if found.get("kind") != kind:
        what = (
            f"an {found['kind']}" if found.get("kind") == "archive" else found.get("kind") or "another zarr hierarchy"
        )
        raise InputFileError(f"{location} is {what}, not the {kind}: check the order of the arguments")
    if found.get("format") != FORMAT:
        raise InputFileError(f"{location}: its format {found.get('format')} is newer than this program: update it")


def _local(location: Location) -> Path:
    if "://" in str(location):
        raise SettingsError(f"{location}: archives and targets are folders in this version; copy it to a disk")
    return Path(location)


@contextmanager
def only_writer(location: Location) -> Iterator[None]:
    """Keep all others from writing to an archive or target; the lock is gone when its holder dies.

    Raises
    ------
    OutputError
        If another run holds it, or the place cannot be written to.
    """
    path = _local(location)
    _check_free_or_zarr(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with open(path / LOCK_NAME, "a") as file:
            if not _lock(file):
                raise OutputError(f"another run is writing to {location}: wait until it is finished, or stop it")
            yield
    except ColorizeError:
        raise
    except OSError as error:
        if error.errno not in ADVICE:
            raise  # of the network, say
        raise OutputError(f"{location} cannot be written: {ADVICE[error.errno]}") from error


def _check_free_or_zarr(path: Path) -> None:
    if path.is_file() or (path.is_dir() and not (path / "zarr.json").exists() and _visible(path)):
        raise OutputExistsError(
            f"{path} holds something else already: name a new folder, or one that was made by this tool"
        )


def _visible(folder: Path) -> bool:
    return any(not entry.name.startswith(".") for entry in folder.iterdir())


def _lock(file: IO[str]) -> bool:
    """Lock a file until it is closed; False where somebody else holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def put(store: Store, key: str, content: bytes) -> None:
    """Put an object whole."""
    sync(store.set(key, default_buffer_prototype().buffer.from_bytes(content)))


def get(store: Store, key: str) -> bytes | None:
    """An object whole, None where there is none."""
    found = sync(store.get(key, default_buffer_prototype()))
    return None if found is None else found.to_bytes()


def names(store: Store, prefix: str) -> list[str]:
    """Names directly under a prefix, sorted."""

    async def collect() -> list[str]:
        return [name async for name in store.list_dir(prefix)]

    return sorted(sync(collect()))


def object_lengths(store: Store, prefix: str) -> dict[str, int]:
    """Length in bytes of every object under a prefix, by its key without the prefix; empty where there is none."""

    async def collect() -> dict[str, int]:
        keys = [key async for key in store.list_prefix(f"{prefix}/") if not key.endswith(".partial")]
        return {key.removeprefix(f"{prefix}/"): await store.getsize(key) for key in sorted(keys)}

    return sync(collect())


def have_lengths(store: Store, prefix: str, lengths: Mapping[str, int]) -> bool:
    """Whether all objects are there; lengths are as `object_lengths` gives them."""
    return all(_length(store, f"{prefix}/{key}") == length for key, length in lengths.items())


def _length(store: Store, key: str) -> int | None:
    try:
        if isinstance(store, LocalStore):  # no thread for each: a hundred thousand pages have a million objects
            return os.stat(f"{store.root}/{key}").st_size
        return sync(store.getsize(key))
    except (FileNotFoundError, NotADirectoryError):
        return None
