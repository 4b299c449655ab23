"""The way back: from a coloured file to its gray, or to the very numbers that its source held.

The gray of a result is the windowed gray of its source. Where the window maps the numbers of the source one to one,
they can be told from it; the record of the result says which numbers there were and which window they went through.
"""

from pathlib import Path

import numpy as np

from training.color import gray
from training.errors import InputFileError
from training.formats.page import Page
from training.gray_page import plane_kind
from training.hashes import sha256_pixels
from training.image_writing import OutputPage, check_target, write_pages
from training.images import iter_pages, page_count
from training.records import find_record
from training.stored_numbers import StoredNumbers
from training.window import Window

MOST_NUMBERS = 1 << 20  # that are looked at one by one


def gray_file(source: Path, target: Path, *, original: bool = False, overwrite: bool) -> list[str]:
    """Take the colour off again: write the gray of a coloured file, page by page.

    Parameters
    ----------
    source, target : Path
        A result of `colorize_file` (or any 8- or 16-bit sRGB file), and where its gray goes.
    original : bool
        Write the numbers of the file that was colorized instead of the windowed gray.
    overwrite : bool
        Replace a target that exists.

    Returns
    -------
    list of str
        Sentences about what was noticed: how many numbers could not be told for sure.

    Raises
    ------
    ColorizeError
        If the source is not 8 or 16 bit, cannot be read or (for `original`) has no record, or the target cannot be
        written.
    """
    count = page_count(source)
    check_target(target, count, overwrite=overwrite)
    notes: list[str] = []
    pages = (
        _original_page(page, source, index, notes) if original else OutputPage.like(page, gray_of(page, source))
        for index, page in enumerate(iter_pages(source))
    )
    write_pages(target, list(pages) if count == 1 else pages, None, overwrite)
    return notes


def gray_of(page: Page, source: Path) -> np.ndarray:
    """The gray of a page of a coloured file, uint8 or uint16.

    Raises
    ------
    InputFileError
        If its colours are neither 8 nor 16 bit.
    """
    if page.pixels.ndim == 2:  # gray already, but perhaps negative, or of another curve
        window = plane_kind(page, page.pixels).choose_window([page.pixels])
        return window.apply(page.pixels, window.result_bits(page.pixels.dtype))
    if page.pixels.dtype not in (np.uint8, np.uint16):
        raise InputFileError(f"{source}: its colours are {page.pixels.dtype}; those of 8 and 16 bit have a gray")
    return gray(page.pixels)


def _original_page(page: Page, source: Path, index: int, notes: list[str]) -> OutputPage:
    record = find_record(source, index)
    if record is None or record.stored is None or record.window is None:
        raise InputFileError(
            f"{source}: page {index} has no record of the numbers that were colorized; without --original it becomes "
            "the gray that it shows"
        )
    if record.pixels_sha256 != sha256_pixels(rgb_of(page)):
        raise InputFileError(
            f"{source}: the pixels of page {index} are not those that its record tells of (edited, or saved as JPEG), "
            "so its numbers cannot be told; without --original it becomes the gray that it shows"
        )
    if record.stored.colour:
        notes.append("its source was in colour: what is written is the gray that was made of it")
    numbers, unsure = original_numbers(gray_of(page, source), record.window, record.stored)
    if unsure:
        notes.append(f"{unsure} of {numbers.size} pixels may have had other numbers: the window makes some equal")
    return OutputPage.like(page, numbers, min_is_white=record.stored.min_is_white)


def rgb_of(page: Page) -> np.ndarray:
    """RGB of a page (Y, X, 3); one whose three channels are equal is read as gray."""
    return page.pixels if page.pixels.ndim == 3 else np.repeat(page.pixels[..., None], 3, axis=2)


def original_numbers(gray_code: np.ndarray, window: Window, stored: StoredNumbers) -> tuple[np.ndarray, int]:
    """The numbers that became a gray.

    Parameters
    ----------
    gray_code : ndarray of uint8 or uint16, shape (Y, X)
        Windowed gray.
    window : Window
        That it went through.
    stored : StoredNumbers
        As the record of the result tells them.

    Returns
    -------
    numbers : ndarray of the stored dtype, shape (Y, X)
        Where several numbers become one gray, the middle one; of floats and of very many integers a near one.
    unsure : int
        How many pixels that concerns.
    """
    dtype = np.dtype(stored.dtype)
    bits = gray_code.dtype.itemsize * 8
    if dtype.kind != "f" and int(stored.most) - int(stored.least) < MOST_NUMBERS:
        candidates = np.arange(int(stored.least), int(stored.most) + 1).astype(dtype)
        told = True
    else:  # too many to look at each: those that lie evenly over the window are near
        candidates = np.linspace(window.lo, window.hi, 2**bits).astype(dtype)
        told = False
    codes = window.apply(candidates, bits)
    order = np.argsort(codes, kind="stable")
    first, last = (np.searchsorted(codes[order], np.arange(2**bits), side=side) for side in ("left", "right"))
    middle = candidates[order[np.clip((first + last) // 2, 0, len(order) - 1)]]
    unsure = (last - first != 1) | (not told)
    return middle[gray_code], int(np.count_nonzero(unsure[gray_code]))
