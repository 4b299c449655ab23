"""Files that are there whole or not at all."""

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import ColorizeError, OutputError, OutputExistsError

ADVICE = {
    errno.ENOSPC: "the disk is full: make room and run it again",
    errno.EDQUOT: "your share of the disk is used up: make room and run it again",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EACCES: "you have no permission to write there: choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOTDIR: "a file stands where a folder should be: choose another folder",
    errno.EEXIST: "a file stands where a folder should be: choose another folder",
    errno.EISDIR: "a folder has that name: choose another name",
    errno.ENAMETOOLONG: "the name is too long: choose another name",
}


@contextmanager
def put_whole(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary name beside `path`, moved to `path` when the block ends, removed when it fails.

    Parameters
    ----------
    path
        Name of the result. Folders that are missing are made.
    overwrite
        Replace what has that name.

    Yields
    ------
    Path
        Name to write to.

    Raises
    ------
    OutputExistsError
        If something has that name and `overwrite` is False.
    OutputError
        If it cannot be written. What was there before is still there.
    """
    check_free(path, overwrite=overwrite)
    temporary = path.with_name(f".{secrets.token_hex(6)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except ColorizeError:
        raise
    except OSError as error:
        reason = ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise OutputError(f"{path} cannot be written: {reason}") from error
    finally:
        with suppress(OSError):  # moved, or never made
            temporary.unlink()


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise `OutputExistsError` if something has that name and overwriting was not asked for."""
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists already: choose another name, or ask for overwriting (--overwrite)")
