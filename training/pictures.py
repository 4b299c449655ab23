"""The road of a picture file from gray to colour: by a model, or by the maps that were kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from training.atomic import check_free
from training.chroma_map import ChromaMap
from training.console import usable_cores
from training.domain import NOTES
from training.errors import MapFileError, PlaneError, SettingsError
from training.gray_page import Channel, GrayPages, SomePlanes, plane_kind
from training.hashes import sha256_file, sha256_pixels
from training.hints import Hint, hints_of_plane
from training.image_writing import OutputPage, check_target, is_reversible, write_pages
from training.provenance import provenance_record, xmp_packet
from training.records import checked_channel, checked_page
from training.result_names import map_files
from training.stored_numbers import StoredNumbers
from training.window import PlaneKind, Window

if TYPE_CHECKING:
    from training.prediction import Colorizer

JPEG_NOTE = "JPEG is not reversible: its gray is not quite the input's; TIFF and PNG keep it"


@dataclass(frozen=True, slots=True)
class Options:
    """How files are colorized.

    Attributes
    ----------
    window : tuple of two float, optional
        Stored values that become black and white; chosen by type and metadata otherwise.
    negative : bool
        Dark and light change places.
    channel : {"red", "green", "blue"}, optional
        Of RGB scans, instead of their gray.
    bits : {8, 16}, optional
        Depth of the result.
    hints : tuple of Hint
        Their plane is the page.
    seed : int, optional
        Draws a variant.
    saturation : float
        Factor on the model's own, and on hints.
    wraps : bool
        The pictures are tiles of textures.
    """

    window: tuple[float, float] | None = None
    negative: bool = False
    channel: Channel | None = None
    bits: Literal[8, 16] | None = None
    hints: tuple[Hint, ...] = field(default=())
    seed: int | None = None
    saturation: float = 1.0
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class PagePlan:
    """What is known of a page before it is colorized: its window, and the size of its result."""

    window: Window
    result_bytes: int


def plan_pages(pages: GrayPages, options: Options) -> list[PagePlan]:
    """The window of each page: the same for all pages of a kind, so that the pages of a file stay comparable."""
    kinds, pixels = [], []
    for index in range(len(pages)):
        kinds.append(plane_kind(pages[index].page, pages[index].plane, inverted=options.negative))
        pixels.append(pages[index].plane.size)
    windows = {kind: _window(pages, kinds, kind, options) for kind in set(kinds)}
    # four channels of 16 bit at the most
    return [PagePlan(windows[kind], count * 8) for kind, count in zip(kinds, pixels)]


def _window(pages: GrayPages, kinds: list[PlaneKind], kind: PlaneKind, options: Options) -> Window:
    if options.window is not None:
        if options.negative and options.window[0] > options.window[1]:
            raise SettingsError("a window from white to black is that of a negative already: leave --negative out")
        lo, hi = options.window if not options.negative else options.window[::-1]
        return Window(lo, hi, kind.curve, "the window that was asked for")
    return kind.choose_window(SomePlanes(pages, [index for index, other in enumerate(kinds) if other == kind]))


def colorize_file(
    colorizer: "Colorizer", source: Path, target: Path, options: Options, *, maps: bool = False, overwrite: bool
) -> list[str]:
    """Colorize a picture file, page by page.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    source, target : Path
        Picture files; the target's suffix names its format, .tif where there are several pages.
    options : Options
        How.
    maps : bool
        Whether the colour maps are written too, beside the target (see `training.result_names.map_files`).
    overwrite : bool
        Replace what exists.

    Returns
    -------
    list of str
        Sentences about what was noticed: the window where it was not obvious, colour in the source, NaN.

    Raises
    ------
    ColorizeError
        If the source cannot be read or the target not be written; what was there before is untouched.
    """
    pages = GrayPages(source, options.channel)
    files = map_files(target, len(pages)) if maps else []
    check_target(target, len(pages), overwrite=overwrite)
    for file in files:
        check_free(file, overwrite=overwrite)
    _check_hints(options.hints, source, len(pages))
    plans = plan_pages(pages, options)
    road = _Road(pages, sha256_file(source), reversible=is_reversible(target))
    chroma_maps: list[ChromaMap] = []

    def results() -> Iterator[OutputPage]:
        for index, plan in enumerate(plans):
            chroma = _predict(colorizer, road, index, plan.window, options)
            if maps:
                chroma_maps.append(chroma)
            yield road.page(index, chroma, _rendered(chroma, pages, index))

    write_pages(target, results(), None, overwrite, expected_bytes=sum(plan.result_bytes for plan in plans))
    for chroma, file in zip(chroma_maps, files):
        chroma.save(file, overwrite=overwrite)
    return road.notes_once()


def _predict(colorizer: "Colorizer", road: "_Road", index: int, window: Window, options: Options) -> ChromaMap:
    """The map of a page, with all that rendering the same file again needs."""
    plane = road.pages[index].plane
    hints = hints_of_plane(options.hints, index)
    chroma = colorizer.predict(plane, hints, options.seed, window, wraps=options.wraps)
    return chroma.with_saturation(options.saturation).with_record(
        page=index,
        channel=options.channel,
        bits=options.bits or window.result_bits(plane.dtype),
        source_sha256=road.digest,
    )


def _rendered(chroma: ChromaMap, pages: GrayPages, index: int) -> np.ndarray:
    return chroma.render(pages[index].plane, bits=chroma.record.get("bits"), threads=usable_cores())


@dataclass(frozen=True, slots=True)
class MapOfFile:
    """A colour map and the page of a file that it was made of.

    Attributes
    ----------
    file : Path
        Of the map.
    chroma : ChromaMap
        The map.
    page : int
        Counted from 0.
    pages : GrayPages
        Of the picture file.
    """

    file: Path
    chroma: ChromaMap
    page: int
    pages: GrayPages

    @classmethod
    def load(cls, file: Path, source: Path) -> Self:
        """The map of a page of a picture file.

        Raises
        ------
        ColorizeError
            If one of them cannot be read, or there is no such page.
        """
        chroma = ChromaMap.load(file)
        try:
            page = checked_page(chroma.record.get("page")) or 0
            channel = checked_channel(chroma.record.get("channel"))
        except TypeError as error:
            raise MapFileError(f"{file}: its record is damaged ({error})") from error
        pages = GrayPages(source, channel)
        if page >= len(pages):
            raise MapFileError(f"{file} is the map of page {page} (from 0), but {source} has {len(pages)}")
        return cls(file, chroma, page, pages)

    def render(self) -> np.ndarray:
        """The page in the colours of the map.

        Raises
        ------
        PlaneError
            If the page is not the one that the map was made of.
        """
        try:
            return _rendered(self.chroma, self.pages, self.page)
        except PlaneError as error:
            raise PlaneError(f"{self.pages.path} is not the picture of {self.file}: {error}") from error


def render_file(of_file: MapOfFile, target: Path, *, overwrite: bool) -> list[str]:
    """Colour a page of a picture file again, from its map.

    Parameters
    ----------
    of_file : MapOfFile
        The map and its page.
    target : Path
        Where the page goes; its suffix names the format.
    overwrite : bool
        Replace what exists.

    Returns
    -------
    list of str
        Sentences about what was noticed.

    Raises
    ------
    ColorizeError
        If the map is that of another picture, or the target cannot be written.
    """
    check_target(target, 1, overwrite=overwrite)
    road = _Road(of_file.pages, sha256_file(of_file.pages.path), reversible=is_reversible(target))
    if of_file.chroma.record.get("source_sha256") not in (None, road.digest):
        road.notes.append(f"is not the file that {of_file.file} was made of, its bytes differ: verify says so, too")
    write_pages(target, [road.page(of_file.page, of_file.chroma, of_file.render())], None, overwrite)
    return road.notes_once()


class _Road:
    """The pages of one file on their way to colour, and what was noticed."""

    def __init__(self, pages: GrayPages, digest: str, *, reversible: bool) -> None:
        self.pages, self.digest, self.reversible = pages, digest, reversible
        self.notes: list[str] = []

    def notes_once(self) -> list[str]:
        """What was noticed, without repetition."""
        return list(dict.fromkeys(self.notes))

    def page(self, index: int, chroma: ChromaMap, rgb: np.ndarray) -> OutputPage:
        """One rendered page, with its provenance."""
        source = self.pages[index]
        notes = [source.note, chroma.window.note, *source.page.notes, None if self.reversible else JPEG_NOTE]
        if nan_pixels := chroma.record.get("nan_pixels"):
            notes.append(f"{nan_pixels} pixels are no numbers (NaN): black")
        notes += [NOTES[flag] for flag in chroma.flags if flag in NOTES]
        kept = [note for note in notes if note]
        self.notes += kept
        record = provenance_record(
            chroma.record,
            source=self.pages.path,
            source_sha256=self.digest,
            page=index,
            stored=StoredNumbers.of(source.page, source.plane).to_dict(),
            window=chroma.window.to_dict(),
            result_sha256=sha256_pixels(rgb) if self.reversible else None,
            notes=kept,
        )
        return OutputPage.like(source.page, rgb, xmp=xmp_packet(record))


def _check_hints(hints: Sequence[Hint], source: Path, pages: int) -> None:
    for hint in hints:
        if hint.plane and not (len(hint.plane) == 1 and 0 <= hint.plane[0] < pages):
            raise SettingsError(f"a hint belongs to page {list(hint.plane)}, but {source} has {pages} pages (from 0)")
