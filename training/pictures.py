"""The road of a picture file: from gray to colour, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from training.color import gray
from training.console import usable_cores
from training.errors import InputFileError, SettingsError
from training.formats.page import Page
from training.gray_page import gray_plane, plane_kind
from training.hints import Hint, hints_of_plane
from training.image_writing import OutputPage, check_target, is_reversible, write_pages
from training.images import iter_pages, page_count
from training.provenance import provenance_record, sha256_file, sha256_pixels, xmp_packet
from training.window import PlaneKind, Window

if TYPE_CHECKING:
    from training.prediction import Colorizer

Channel = Literal["red", "green", "blue"]
LOSSLESS_SUFFIXES = {".tif": ".tif", ".tiff": ".tiff", ".png": ".png"}
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
    """

    window: tuple[float, float] | None = None
    negative: bool = False
    channel: Channel | None = None
    bits: Literal[8, 16] | None = None
    hints: tuple[Hint, ...] = field(default=())
    seed: int | None = None
    saturation: float = 1.0


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
class _Planes:
    """Some planes of a file, read when they are iterated over."""

    pages: GrayPages
    indices: list[int]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.pages[index].plane for index in self.indices)


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
        lo, hi = options.window if not options.negative else options.window[::-1]
        return Window(lo, hi, kind.curve, "as asked for")
    return kind.choose_window(_Planes(pages, [index for index, other in enumerate(kinds) if other == kind]))


def colorize_file(
    colorizer: "Colorizer", source: Path, target: Path, options: Options, *, overwrite: bool
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
    overwrite : bool
        Replace a target that exists.

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
    check_target(target, len(pages), overwrite=overwrite)
    _check_hints(options.hints, source, len(pages))
    plans = plan_pages(pages, options)
    road = _Road(colorizer, pages, options, sha256_file(source), reversible=is_reversible(target))
    results = (road.colorize(index, plan.window) for index, plan in enumerate(plans))
    write_pages(target, results, None, overwrite, expected_bytes=sum(plan.result_bytes for plan in plans))
    return list(dict.fromkeys(road.notes))


class _Road:
    """The pages of one file through the model, and what was noticed on the way."""

    def __init__(
        self, colorizer: "Colorizer", pages: GrayPages, options: Options, digest: str, *, reversible: bool
    ) -> None:
        self.colorizer, self.pages, self.options, self.digest = colorizer, pages, options, digest
        self.reversible = reversible
        self.notes: list[str] = []

    def colorize(self, index: int, window: Window) -> OutputPage:
        """One page, with its provenance."""
        source, options = self.pages[index], self.options
        hints = hints_of_plane(options.hints, index)
        chroma = self.colorizer.predict(source.plane, hints, options.seed, window).with_saturation(options.saturation)
        rgb = chroma.render(source.plane, bits=options.bits, threads=usable_cores())
        notes = [source.note, window.note, *source.page.notes, None if self.reversible else JPEG_NOTE]
        if nan_pixels := chroma.record.get("nan_pixels"):
            notes.append(f"{nan_pixels} pixels are no numbers (NaN): black")
        kept = [note for note in notes if note]
        self.notes += kept
        record = provenance_record(
            chroma.record,
            source=self.pages.path,
            source_sha256=self.digest,
            page=index,
            window=window.to_dict(),
            result_sha256=sha256_pixels(rgb) if self.reversible else None,
            notes=kept,
        )
        page = source.page
        return OutputPage(rgb, page.alpha, page.resolution, page.metadata, xmp_packet(record))


def _check_hints(hints: Sequence[Hint], source: Path, pages: int) -> None:
    for hint in hints:
        if hint.plane and not (len(hint.plane) == 1 and 0 <= hint.plane[0] < pages):
            raise SettingsError(f"a hint belongs to page {list(hint.plane)}, but {source} has {pages} pages (from 0)")


def gray_file(source: Path, target: Path, *, overwrite: bool) -> None:
    """Take the colour off again: write the gray of a coloured file, page by page.

    Parameters
    ----------
    source, target : Path
        A result of `colorize_file` (or any 8- or 16-bit sRGB file), and where its gray goes.
    overwrite : bool
        Replace a target that exists.

    Raises
    ------
    ColorizeError
        If the source is not 8 or 16 bit or cannot be read, or the target not be written.
    """
    count = page_count(source)
    check_target(target, count, overwrite=overwrite)
    pages = (
        OutputPage(_gray_of(page, source), page.alpha, page.resolution, page.metadata) for page in iter_pages(source)
    )
    write_pages(target, list(pages) if count == 1 else pages, None, overwrite)


def _gray_of(page: Page, source: Path) -> np.ndarray:
    if page.pixels.ndim == 2:  # gray already, but perhaps negative, or of another curve
        window = plane_kind(page, page.pixels).choose_window([page.pixels])
        return window.apply(page.pixels, window.result_bits(page.pixels.dtype))
    if page.pixels.dtype not in (np.uint8, np.uint16):
        raise InputFileError(f"{source}: its colours are {page.pixels.dtype}; those of 8 and 16 bit have a gray")
    return gray(page.pixels)


def targets(sources: Sequence[Path], out: Path | None, ending: str) -> list[Path]:
    """Where the results go: `out` itself for one source, a folder for more; beside the source without it.

    Parameters
    ----------
    sources : sequence of Path
        Input files.
    out : Path, optional
        File for one source, else a folder.
    ending : str
        Added to the stem: ``colour`` or ``gray``.

    Raises
    ------
    SettingsError
        If two sources would become one file, or a folder is needed and `out` is a file.
    """
    if out is not None and len(sources) == 1 and not out.is_dir():
        return [out]
    if out is not None and out.exists() and not out.is_dir():
        raise SettingsError(f"{out} is a file: for several pictures -o names a folder")
    names = [f"{source.stem}-{ending}{LOSSLESS_SUFFIXES.get(source.suffix.lower(), '.png')}" for source in sources]
    results = [(out or source.parent) / name for source, name in zip(sources, names)]
    first: dict[Path, Path] = {}
    for source, result in zip(sources, results):
        if other := first.get(result):
            raise SettingsError(f"{other} and {source} would both become {result}: colorize them one at a time with -o")
        first[result] = source
    return results
