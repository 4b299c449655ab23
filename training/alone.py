"""One process at a time in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import TrainingError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextmanager
def alone_in(folder: Path, main: bool = True) -> Iterator[None]:
    """Keep others out of the folder of a run; the lock is gone with the process, however it ends.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    main : bool
        Whether this process is the one of its run that locks.

    Raises
    ------
    TrainingError
        If another run is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None or not main:
        yield
        return
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise TrainingError(f"another run is in {folder}: wait for it, or choose another name") from error
    try:
        yield
    finally:
        os.close(descriptor)
