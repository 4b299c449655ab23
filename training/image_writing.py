"""Picture files out: TIFF, PNG and JPEG with their provenance, put in place whole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from training import __version__
from training.atomic import check_free, put_whole
from training.errors import SettingsError
from training.formats.exif import parse
from training.formats.icc import srgb_profile
from training.formats.page import TAG_NAMES, Page, Resolution

_CLASSIC_TIFF_BYTES = 2**32 - 2**25
_MOST_EXIF_IN_JPEG = 65533  # bytes that one segment holds
_MOST_XMP_IN_JPEG = 65502  # bytes that one segment holds
PROGRAM = f"napari-colorize {__version__}"
TAG_CODES = {name: code for code, name in TAG_NAMES.items()}


@dataclass(frozen=True, slots=True)
class OutputPage:
    """One page to be written.

    Attributes
    ----------
    pixels : ndarray, shape (Y, X) or (Y, X, 3)
        Gray or sRGB, uint8 or uint16; in TIFF gray of any type.
    alpha : ndarray, shape (Y, X), optional
        Opacity over the whole range of its dtype.
    resolution
        Pixels per unit along X and Y, and "inch" or "centimeter".
    metadata
        Names as in `training.formats.page.TAG_NAMES`; others are left out.
    exif
        EXIF without header, for PNG and JPEG.
    xmp
        XMP packet of this page, instead of the file's.
    min_is_white
        Of gray: 0 is white. Only TIFF can say so.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    resolution: Resolution | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    exif: bytes | None = None
    xmp: bytes | None = None
    min_is_white: bool = False

    @classmethod
    def like(cls, page: Page, pixels: np.ndarray, *, xmp: bytes | None = None, min_is_white: bool = False) -> Self:
        """Other pixels with what a page that was read tells of itself."""
        return cls(pixels, page.alpha, page.resolution, page.metadata, page.exif, xmp, min_is_white)


def check_target(path: Path, pages: int, *, overwrite: bool) -> None:
    """Refuse a result that could not be written, before the work for it is done.

    Raises
    ------
    SettingsError
        If there is no such format, or it holds only one page.
    OutputExistsError
        If the file exists and `overwrite` is False.
    """
    if _writer(path) is not _write_tiff and pages > 1:
        raise SettingsError(f"{path} would hold {pages} pages, and its format holds one: write TIFF (.tif)")
    check_free(path, overwrite=overwrite)


def is_reversible(path: Path) -> bool:
    """Whether a file of this name holds exactly the numbers that are written to it."""
    return _writer(path) is not _write_jpeg


def write_pages(
    path: str | Path,
    pages: Iterable[OutputPage],
    xmp: bytes | None,
    overwrite: bool = False,
    *,
    expected_bytes: int | None = None,
) -> None:
    """Write a picture file: exactly the given numbers for TIFF and PNG, a preview for JPEG.

    Parameters
    ----------
    path
        Its suffix names the format: .tif, .tiff, .png, .jpg, .jpeg.
    pages
        At least one; TIFF takes any number, and takes them one by one.
    xmp
        XMP packet of all pages (see `training.provenance`); None only for what is not inferred, such as gray.
    overwrite
        Replace a file that exists.
    expected_bytes
        Of all pages that are made one by one; beyond 4 GB a TIFF becomes a BigTIFF, and so it does without this.

    Raises
    ------
    SettingsError
        If there is no such format, or it holds only one page.
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If it cannot be written. What was there before is still there.
    """
    path = Path(path)
    write = _writer(path)
    with put_whole(path, overwrite=overwrite) as temporary:
        if write is _write_tiff:
            _write_tiff(temporary, pages, xmp, expected_bytes)
        else:
            write(temporary, pages, xmp)


def _writer(path: Path) -> Callable[..., None]:
    write = WRITTEN_SUFFIXES.get(path.suffix.lower())
    if write is None:
        raise SettingsError(f"{path} names no format that is written: let it end in .tif, .png or .jpg")
    return write


def _write_tiff(path: Path, pages: Iterable[OutputPage], xmp: bytes | None, expected_bytes: int | None) -> None:
    from tifffile import TiffWriter

    if expected_bytes is None and isinstance(pages, list | tuple):
        expected_bytes = sum(page.pixels.nbytes * 4 // 3 for page in pages)
    # offsets of 32 bits may be too short; of pages that are made one by one nobody knows
    large = expected_bytes is None or expected_bytes > _CLASSIC_TIFF_BYTES
    with TiffWriter(path, bigtiff=large) as tif:
        for page in pages:
            tif.write(_samples(page), **_tiff_settings(page, page.xmp or xmp))


def _tiff_settings(page: OutputPage, xmp: bytes | None) -> dict[str, Any]:
    color = page.pixels.ndim == 3
    texts = {TAG_CODES[name]: text for name, text in page.metadata.items() if name in TAG_CODES}
    tags: list[tuple] = [(code, "s", 0, text.encode(), True) for code, text in texts.items()]
    if xmp:
        tags.append((700, "B", len(xmp), xmp, True))
    settings: dict[str, Any] = {
        # guessed from the shape otherwise
        "photometric": "rgb" if color else "miniswhite" if page.min_is_white else "minisblack",
        "metadata": None,  # else a shape in JSON becomes the description
        "compression": "zlib",
        "predictor": True,
        "extrasamples": ["unassalpha"] if page.alpha is not None else None,
        "iccprofile": srgb_profile() if color else None,
        "software": PROGRAM,
        "extratags": tags,
        "maxworkers": 1,
    }
    if page.resolution:
        settings |= {"resolution": page.resolution[:2], "resolutionunit": page.resolution[2]}
    return settings


def _write_png(path: Path, pages: Iterable[OutputPage], xmp: bytes | None) -> None:
    from training.formats.png import encode

    page = _only(pages, "PNG")
    data = encode(
        _samples(page), xmp=page.xmp or xmp, resolution=page.resolution, metadata=page.metadata, exif=page.exif
    )
    path.write_bytes(data)


def _write_jpeg(path: Path, pages: Iterable[OutputPage], xmp: bytes | None) -> None:
    from PIL import Image

    page = _only(pages, "JPEG")
    xmp = page.xmp or xmp
    if xmp and len(xmp) > _MOST_XMP_IN_JPEG:
        raise SettingsError(f"the provenance of {len(xmp)} bytes is too long for JPEG: write TIFF (.tif) or PNG (.png)")
    pixels = to_8_bit(page.pixels)
    exif = parse(page.exif)
    exif.update({TAG_CODES[name]: text.encode() for name, text in page.metadata.items() if name in TAG_CODES})
    Image.fromarray(pixels).save(
        path,
        "JPEG",
        quality=95,
        subsampling=0,
        dpi=_dots_per_inch(page.resolution),
        icc_profile=srgb_profile() if pixels.ndim == 3 else None,
        xmp=xmp,
        exif=exif if len(exif.tobytes()) < _MOST_EXIF_IN_JPEG else None,
    )


def _only(pages: Iterable[OutputPage], format_name: str) -> OutputPage:
    first, *others = pages
    if others:
        raise SettingsError(f"{format_name} holds one page, not {1 + len(others)}: write TIFF (.tif)")
    if first.min_is_white or first.pixels.dtype not in (np.uint8, np.uint16):
        raise SettingsError(
            f"{format_name} cannot hold numbers of {first.pixels.dtype} or whose 0 is white: write TIFF"
        )
    return first


def _samples(page: OutputPage) -> np.ndarray:
    """Pixels and opacity in one array (Y, X, channels)."""
    if page.alpha is None:
        return page.pixels
    alpha = to_8_bit(page.alpha) if page.pixels.dtype == np.uint8 else _to_16_bit(page.alpha)
    return np.dstack([page.pixels, alpha])


def to_8_bit(array: np.ndarray) -> np.ndarray:
    """Numbers of 8 or 16 bit as 8 bit."""
    return array if array.dtype == np.uint8 else np.rint(array / np.float32(257)).astype(np.uint8)


def _to_16_bit(array: np.ndarray) -> np.ndarray:
    return array if array.dtype == np.uint16 else array.astype(np.uint16) * np.uint16(257)


def _dots_per_inch(resolution: Resolution | None) -> tuple[float, float]:
    if resolution is None:
        return (0, 0)
    factor = 2.54 if resolution[2] == "centimeter" else 1
    return resolution[0] * factor, resolution[1] * factor


WRITTEN_SUFFIXES: dict[str, Callable[..., None]] = {
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".png": _write_png,
    ".jpg": _write_jpeg,
    ".jpeg": _write_jpeg,
}
