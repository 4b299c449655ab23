"""One page of a picture file, and what the readers of all formats share."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.errors import InputFileError
from training.formats import icc

Resolution = tuple[float, float, str]

MOST_SAMPLES = 2**33
SMALL_BYTES = 64 * 2**20
MOST_EXPANSION = 10_000  # zlib reaches 1032, LZW about 1400; beyond that a few bytes claim a picture

# TIFF and EXIF orientation: (exchange the axes first, step along Y, step along X)
_ORIENTATIONS = {
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a picture file, upright, its numbers as they are stored.

    Samples of fewer than 8 bits are spread over 0..255, RGB samples of 9 to 15 bits over 0..65535, palettes are
    resolved, CMYK and Lab are converted to sRGB. A colour page whose three channels are equal is a gray page.

    Attributes
    ----------
    pixels : ndarray, shape (Y, X) or (Y, X, 3)
        Gray or RGB, of any dtype.
    alpha : ndarray, shape (Y, X), optional
        Opacity, not premultiplied, over the whole range of its dtype.
    bits_stored
        Significant bits of the 16-bit numbers (of their gray, for RGB), or None where the file does not say.
    negative
        True where the file says that its greatest number is black (MinIsWhite).
    curve
        sRGB-encoded gray at equal steps of the windowed value from 0 to 1, from an embedded profile. None: as it is.
    profile
        Embedded ICC profile of RGB pixels that differs from sRGB.
    resolution
        Pixels per unit along X and Y, and "inch" or "centimeter".
    metadata
        Names as in `TAG_NAMES`, such as "artist" and "copyright".
    exif
        All of the EXIF of a JPEG or PNG but its orientation, as bytes without header.
    notes
        Sentences about what was assumed or left out.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    bits_stored: int | None = None
    negative: bool = False
    curve: tuple[float, ...] | None = None
    profile: bytes | None = None
    resolution: Resolution | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    exif: bytes | None = None
    notes: tuple[str, ...] = ()


# codes of TIFF and EXIF
TAG_NAMES = {
    269: "document_name",
    270: "description",
    271: "make",
    272: "model",
    285: "page_name",
    306: "datetime",
    315: "artist",
    33432: "copyright",
}


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """The array (Y, X, ...) turned and mirrored as a TIFF or EXIF orientation asks; unknown ones ask for nothing."""
    exchange, step_y, step_x = _ORIENTATIONS.get(orientation, (False, 1, 1))
    turned = np.swapaxes(array, 0, 1) if exchange else array
    return np.ascontiguousarray(turned[::step_y, ::step_x])


def upright_resolution(resolution: Resolution | None, orientation: int) -> Resolution | None:
    """The resolution with X and Y exchanged where the orientation exchanges the axes."""
    exchange = _ORIENTATIONS.get(orientation, (False,))[0]
    return (resolution[1], resolution[0], resolution[2]) if resolution and exchange else resolution


def spread_bits(samples: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned samples of `bits` bits spread over the whole range of uint8 (up to 8 bits) or uint16."""
    spread = 8 if bits <= 8 else 16
    if bits == spread:
        return samples
    codes = np.rint(np.arange(2**bits) * (2**spread - 1) / (2**bits - 1))
    return codes.astype(f"uint{spread}")[samples.astype(np.uint16) & (2**bits - 1)]


def channels_equal(rgb: np.ndarray) -> bool:
    """Whether the three channels of RGB (Y, X, 3) are the same everywhere; a few pixels answer for most pictures."""
    return all((part == part[..., :1]).all() for part in (rgb[::32, ::32], rgb))


def check_declared_size(where: str, height: int, width: int, samples: int, bits: int, bytes_on_disk: int) -> None:
    """Refuse a page that claims to be far larger than its file can make it, before any memory is taken."""
    declared = height * width * samples
    declared_bytes = declared * bits // 8
    impossible = declared_bytes > SMALL_BYTES and declared_bytes > MOST_EXPANSION * bytes_on_disk
    if declared <= 0:
        raise InputFileError(f"{where} holds no pixels ({width} x {height}): the file is damaged")
    if impossible or declared > MOST_SAMPLES:
        raise InputFileError(
            f"{where} claims {width} x {height} pixels of {samples} channels in a file of {bytes_on_disk} bytes: "
            "this looks like a decompression bomb and was not read"
        )


class _Quiet:
    """No warnings while any thread is inside; `warnings.catch_warnings` alone mixes threads up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._silence: warnings.catch_warnings | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._silence = warnings.catch_warnings(action="ignore")
                self._silence.__enter__()
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._silence:
                self._silence.__exit__(None, None, None)


_quiet = _Quiet()


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence, and keep what it warns and logs from the user."""
    own_thread = threading.get_ident()
    log = logging.getLogger("tifffile")

    def of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != own_thread

    log.addFilter(of_another_thread)
    try:
        with _quiet:
            yield
    except InputFileError:
        raise
    except MemoryError as error:
        raise InputFileError(f"{where} needs more memory than there is: close other programs, or split it") from error
    except Exception as error:  # decoders meet damaged files with errors of every kind, ZeroDivisionError included
        what = f"is damaged, cut off or of an unusual kind ({_reason(error)})"
        raise InputFileError(f"{where} {what}: {_ADVICE}") from error
    finally:
        log.removeFilter(of_another_thread)


_ADVICE = "restore it from a copy, or save it again as TIFF or PNG in the program that made it"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def page_label(path: Path, number: int, count: int) -> str:
    """How messages name a page: the file, and where it has several pages the page, counted from 1."""
    return f"{path}, page {number + 1} of {count}," if count > 1 else f"{path}"


def make_page(
    pixels: np.ndarray,
    *,
    alpha: np.ndarray | None = None,
    bits_stored: int | None = None,
    negative: bool = False,
    profile: bytes | None = None,
    orientation: int = 1,
    resolution: Resolution | None = None,
    metadata: dict[str, str] | None = None,
    exif: bytes | None = None,
    notes: tuple[str, ...] = (),
) -> Page:
    """A page from what a reader found: gray (Y, X), RGB (Y, X, 3) or CMYK (Y, X, 4), not yet upright."""
    pixels, profile, more_notes = _without_inks(pixels, profile)
    if pixels.ndim == 3:
        bits_stored = 16  # RGB is over its whole range, however dark it is
    if pixels.ndim == 3 and channels_equal(pixels):
        pixels = pixels[..., 0]
    curve, profile, profile_notes = _use_profile(pixels, profile)
    return Page(
        upright(pixels, orientation),
        None if alpha is None else upright(alpha, orientation),
        bits_stored,
        negative,
        curve,
        profile,
        upright_resolution(resolution, orientation),
        metadata or {},
        exif,
        (*notes, *more_notes, *profile_notes),
    )


def _without_inks(pixels: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, bytes | None, tuple[str, ...]]:
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        return pixels, profile, ()
    try:
        return icc.cmyk_to_srgb(pixels, profile), None, ()
    except Exception as error:  # a broken profile of the file: whatever the decoder says, the plain conversion works
        return icc.cmyk_to_srgb(pixels, None), None, (_ignored(error),)


def _use_profile(
    pixels: np.ndarray, profile: bytes | None
) -> tuple[tuple[float, ...] | None, bytes | None, tuple[str, ...]]:
    """The curve of a gray page, the profile that an RGB page needs, and notes."""
    if not profile:
        return None, None, ()
    try:
        space = icc.color_space(profile)
        if pixels.ndim == 2 and space in ("GRAY", "RGB"):
            return icc.gray_curve(profile), None, ()
        if pixels.ndim == 3 and space == "RGB":
            return None, profile if icc.differs_from_srgb(profile) else None, ()
        return None, None, (_ignored(f"it is for {space or 'nothing'}"),)
    except Exception as error:  # a broken profile of the file spoils no pixel
        return None, None, (_ignored(error),)


def _ignored(reason: object) -> str:
    return f"its colour profile was ignored ({reason}): the numbers were taken as sRGB"
