"""Picture files in: pages of TIFF, PNG, JPEG and JPEG 2000, as their numbers are stored.

A file is known by its first bytes, not by its name. Nothing is half read: a page is whole, or an error says why not.
"""

from collections.abc import Iterator
from pathlib import Path

from training.errors import InputFileError
from training.formats.page import Page, reading

_SIGNATURES = {
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"\0\0\0\x0cjP  ": "jpeg2000",
    b"\xff\x4f\xff\x51": "jpeg2000",
}


def file_format(path: str | Path) -> str:
    """Format of a picture file by its first bytes: "tiff", "png", "jpeg" or "jpeg2000".

    Raises
    ------
    InputFileError
        If there is no such file, or it is of no format that is read.
    """
    head = _first_bytes(Path(path))
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name
    raise InputFileError(
        f"{path} is {'empty' if not head else 'no picture that can be read'}: "
        "TIFF, PNG, JPEG and JPEG 2000 files are; save it as one of these"
    )


def _first_bytes(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would wait for ever
        raise InputFileError(f"{path} is no file: name the picture files, one by one or with a pattern")
    try:
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError as error:
        raise InputFileError(f"{path} does not exist: check the name") from error
    except OSError as error:
        raise InputFileError(f"{path} cannot be opened ({error.strerror}): check its permissions") from error


def iter_pages(path: str | Path, start: int = 0, stop: int | None = None) -> Iterator[Page]:
    """The pages of a picture file, from page `start` to before page `stop`, each decoded when it is asked for.

    Parameters
    ----------
    path
        TIFF, PNG, JPEG or JPEG 2000. Only TIFF has more than one page; its thumbnails and masks are no pages.
    start, stop
        As in a slice.

    Yields
    ------
    Page
        Upright, its numbers as they are stored.

    Raises
    ------
    InputFileError
        If the file or a page cannot be read whole.
    """
    path = Path(path)
    name = file_format(path)
    if name == "tiff":
        from training.formats import tiff

        yield from tiff.iter_pages(path, start, stop)
    elif 0 in range(1)[start:stop]:
        with reading(f"{path}"):
            page = _read_single(path, name)
        yield page


def _read_single(path: Path, name: str) -> Page:
    if name == "png":
        from training.formats.png import read_page
    elif name == "jpeg":
        from training.formats.jpeg import read_page
    else:
        from training.formats.jpeg2000 import read_page
    return read_page(path, f"{path}")


def read_pages(path: str | Path) -> list[Page]:
    """All pages of a picture file at once; see `iter_pages`."""
    return list(iter_pages(path))


def read_page(path: str | Path, number: int = 0) -> Page:
    """One page of a picture file, counted from 0; see `iter_pages`."""
    for page in iter_pages(path, number, number + 1):
        return page
    raise InputFileError(f"{path} has no page {number + 1}: it has {page_count(path)}")


def page_count(path: str | Path) -> int:
    """Number of pages of a picture file; no pixel is decoded."""
    path = Path(path)
    if file_format(path) != "tiff":
        return 1
    from training.formats import tiff

    return tiff.page_count(path)
