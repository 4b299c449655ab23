"""Picture files through the colorizer and back: the whole road of one file."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from training.color import gray
from training.errors import InputFileError, SettingsError
from training.hints import Hint, hints_of_plane
from training.images import OutputPage, Page, gray_plane, page_count, read_page, write_pages
from training.provenance import provenance_record, sha256_file, sha256_pixels, xmp_packet
from training.window import PlaneKind, Window

if TYPE_CHECKING:
    from training.prediction import Colorizer

Channel = Literal["red", "green", "blue"]
LOSSLESS_SUFFIXES = {".tif": ".tif", ".tiff": ".tiff", ".png": ".png"}


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
        Factor on the model's own.
    """

    window: tuple[float, float] | None = None
    negative: bool = False
    channel: Channel | None = None
    bits: Literal[8, 16] | None = None
    hints: tuple[Hint, ...] = field(default=())
    seed: int | None = None
    saturation: float = 1.0


class FilePlanes:
    """The gray planes of a file, page by page; the page last read is kept."""

    def __init__(self, path: Path, channel: Channel | None = None) -> None:
        self.path, self.channel = path, channel
        self._count = page_count(path)
        self._last: tuple[int, Page] | None = None

    def __len__(self) -> int:
        return self._count

    def page(self, index: int) -> Page:
        """A page as it is stored."""
        if self._last is None or self._last[0] != index:
            self._last = None  # before the next one takes memory
            self._last = (index, read_page(self.path, index))
        return self._last[1]

    def plane(self, index: int) -> np.ndarray:
        """The gray of a page."""
        return gray_plane(self.page(index), self.channel)[0]

    def note(self, index: int) -> str | None:
        """What a person should know about a page: that it is a colour photograph, say."""
        return gray_plane(self.page(index), self.channel)[1]


def file_windows(planes: FilePlanes, options: Options) -> list[Window]:
    """The window of each page: the same for all pages of a kind, so that the pages of a file stay comparable."""
    kinds = [
        plane_kind(planes.page(index), planes.plane(index), inverted=options.negative) for index in range(len(planes))
    ]
    windows = {kind: _window(planes, kinds, kind, options) for kind in set(kinds)}
    return [windows[kind] for kind in kinds]


def plane_kind(page: Page, plane: np.ndarray, *, inverted: bool) -> PlaneKind:
    """The kind of a page whose gray is `plane`; `inverted` changes dark and light against what the file says."""
    # the gray of an RGB scan is full 16 bit, however dark it is
    bits_stored = page.bits_stored if page.pixels.ndim == 2 else 16
    return PlaneKind(plane.dtype.newbyteorder("=").name, bits_stored, page.negative != inverted, page.curve)


def _window(planes: FilePlanes, kinds: list[PlaneKind], kind: PlaneKind, options: Options) -> Window:
    if options.window is not None:
        lo, hi = options.window if not options.negative else options.window[::-1]
        return Window(lo, hi, kind.curve, "as asked for")
    return kind.choose_window(_Selection(planes, [index for index, other in enumerate(kinds) if other == kind]))


@dataclass(frozen=True)
class _Selection:
    """Some planes of a file, read when they are iterated over."""

    planes: FilePlanes
    indices: list[int]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.planes.plane(index) for index in self.indices)


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
    planes = FilePlanes(source, options.channel)
    _check_hints(options.hints, source, len(planes))
    windows = file_windows(planes, options)
    notes: list[str] = []
    digest = sha256_file(source)

    def pages() -> Iterator[OutputPage]:
        for index, window in enumerate(windows):
            yield _color_page(colorizer, planes, index, window, options, digest, notes)

    # a list of one lets the writer know that a file stays small
    write_pages(target, list(pages()) if len(planes) == 1 else pages(), None, overwrite)
    return list(dict.fromkeys(notes))


def _color_page(
    colorizer: "Colorizer",
    planes: FilePlanes,
    index: int,
    window: Window,
    options: Options,
    digest: str,
    notes: list[str],
) -> OutputPage:
    page, plane = planes.page(index), planes.plane(index)
    hints = hints_of_plane(options.hints, index)
    chroma = colorizer.predict(plane, hints, options.seed, window).with_saturation(options.saturation)
    rgb = chroma.render(plane, bits=options.bits, threads=os.cpu_count() or 1)
    page_notes = [note for note in (planes.note(index), window.note, *page.notes) if note]
    if nan_pixels := chroma.record.get("nan_pixels"):
        page_notes.append(f"{nan_pixels} pixels are no numbers (NaN): black")
    notes += page_notes
    record = provenance_record(
        chroma.record,
        source=planes.path,
        source_sha256=digest,
        page=index,
        window=window.to_dict(),
        result_sha256=sha256_pixels(rgb),
        notes=page_notes,
    )
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

    def pages() -> Iterator[OutputPage]:
        for index in range(page_count(source)):
            page = read_page(source, index)
            yield OutputPage(_gray_of(page, source), page.alpha, page.resolution, page.metadata)

    write_pages(target, list(pages()) if page_count(source) == 1 else pages(), None, overwrite)


def _gray_of(page: Page, source: Path) -> np.ndarray:
    if page.pixels.dtype not in (np.uint8, np.uint16):
        raise InputFileError(
            f"{source}: its values are {page.pixels.dtype}; the gray of 8- and 16-bit colour can be taken"
        )
    return gray(page.pixels) if page.pixels.ndim == 3 else page.pixels


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
