"""From the pages of a file to the gray planes that are colorized, one in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from training.color import gray
from training.errors import SettingsError
from training.formats.icc import rgb_to_srgb
from training.formats.page import Page, channels_equal
from training.images import iter_pages, page_count
from training.tint import tint
from training.window import PlaneKind, choose_window

Channel = Literal["red", "green", "blue"]
CHANNELS = get_args(Channel)

COLOR_NOTE = "is a colour photograph: only its luminance was used"
TINT_NOTE = "is tinted: only its luminance was used"
GRAY_CHANNEL_NOTE = "is gray: it has no {channel} channel of its own"


def gray_plane(page: Page, channel: str | None = None) -> tuple[np.ndarray, str | None]:
    """The gray plane of a page.

    Parameters
    ----------
    page
        Gray or RGB.
    channel
        "red", "green" or "blue": that channel of an RGB page instead of its gray.

    Returns
    -------
    plane : ndarray, shape (Y, X)
        Of a gray page its pixels. Of an RGB page the sRGB-encoded gray, uint16; of three equal channels or a named
        one that channel, as it is stored.
    note : str or None
        What a person should know, to follow the name of the file: "is a colour photograph: ...".

    Raises
    ------
    SettingsError
        If there is no such channel.
    """
    if channel is not None and channel not in CHANNELS:
        raise SettingsError(f"there is no channel {channel!r}: choose red, green or blue")
    pixels = page.pixels
    if pixels.ndim == 2:
        return pixels, GRAY_CHANNEL_NOTE.format(channel=channel) if channel else None
    if channel:
        return np.ascontiguousarray(pixels[..., CHANNELS.index(channel)]), None
    if channels_equal(pixels):
        return np.ascontiguousarray(pixels[..., 0]), None
    rgb16 = _srgb16(page)
    return gray(rgb16), {"color": COLOR_NOTE, "tinted": TINT_NOTE, "gray": None}[tint(rgb16)]


def _srgb16(page: Page) -> np.ndarray:
    """SRGB of an RGB page, uint16 of shape (Y, X, 3)."""
    rgb16 = _to_16_bit(page.pixels)
    return rgb_to_srgb(rgb16, page.profile) if page.profile else rgb16


def _to_16_bit(rgb: np.ndarray) -> np.ndarray:
    """RGB over 0..65535; other than 8 and 16 bit by one window for the three channels."""
    if rgb.dtype == np.uint8:
        return rgb.astype(np.uint16) * 257
    return rgb if rgb.dtype == np.uint16 else choose_window([rgb]).apply(rgb, 16)


def plane_kind(page: Page, plane: np.ndarray, *, inverted: bool = False) -> PlaneKind:
    """The kind of a page whose gray is `plane`; `inverted` changes dark and light against what the file says."""
    return PlaneKind(plane.dtype.newbyteorder("=").name, page.bits_stored, page.negative != inverted, page.curve)


@dataclass(frozen=True, slots=True)
class GrayPage:
    """A page of a file, its gray, and what a person should know about it."""

    page: Page
    plane: np.ndarray
    note: str | None


class GrayPages:
    """The pages of a file as gray, one in memory at a time; one after the other costs one walk through the file.

    Parameters
    ----------
    path : Path
        Picture file.
    channel : {"red", "green", "blue"}, optional
        Of RGB scans, instead of their gray.
    """

    def __init__(self, path: Path, channel: Channel | None = None) -> None:
        self.path, self.channel = path, channel
        self._count = page_count(path)
        self._following: Iterator[Page] = iter(())
        self._last: tuple[int, GrayPage] | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> GrayPage:
        if self._last is None or self._last[0] != index:
            if self._last is None or self._last[0] + 1 != index:
                self._following = iter_pages(self.path, index)
            self._last = None  # before the next one takes memory
            page = next(self._following)
            self._last = (index, GrayPage(page, *gray_plane(page, self.channel)))
        return self._last[1]


@dataclass(frozen=True)
class SomePlanes:
    """Some planes of a file, read when they are iterated over."""

    pages: GrayPages
    indices: list[int]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.pages[index].plane for index in self.indices)
