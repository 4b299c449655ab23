"""The catalogue of an archive: one table of its pages, so that nothing ever walks the hierarchy."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import zarr

from archive_batch.parts import PartWriter, read_parts
from training.window import Window

PREFIX = "catalogue"
_LONGEST_NAME = 200  # bytes; file systems end at 255
_ESCAPED = re.compile(r'[%\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]|^__|[. ]$')


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """One page of an archive.

    Attributes
    ----------
    id : str
        Path of the file from the ingest root, posix form; ``#N`` from 0 added for files of several pages.
    file : str
        The same without ``#N``.
    number : int, optional
        N.
    sha256 : str
        Of the bytes of the file.
    shape : tuple of two int
        (Y, X), upright.
    dtype : str
        Of the stored values.
    resolution : tuple of float, float, str, optional
        Pixels per unit along X and Y, and the unit.
    window : Window, optional
        One for all pages of a file that are of a kind; None where the page is kept.
    note : str
        What a person should know.
    kept : bool
        A real colour photograph: it has no pixels here and is not colorized.
    """

    id: str
    file: str
    number: int | None
    sha256: str
    shape: tuple[int, int]
    dtype: str
    resolution: tuple[float, float, str] | None
    window: Window | None
    note: str = ""
    kept: bool = False

    @property
    def path(self) -> str:
        """Where its image lies, in the archive and in targets."""
        return page_path(self.id)

    @classmethod
    def from_line(cls, line: Mapping[str, Any], curves: Mapping[str, tuple[float, ...]]) -> Self:
        """The page of a line of the table."""
        window = line["window"] and Window.from_dict({**line["window"], "curve": curves.get(line["window"]["curve"])})
        resolution = line["resolution"] and tuple(line["resolution"])
        return cls(**{**line, "shape": tuple(line["shape"]), "resolution": resolution, "window": window})


def page_id(file: str, number: int | None) -> str:
    """Id of a page: of page `number` of a file of several pages, or of the only page of a file."""
    return file if number is None else f"{file}#{number}"


def page_path(page: str) -> str:
    """Where the image of a page lies: ``pages/`` and its id, with what stores refuse written as %XX."""
    return "/".join(["pages", *map(_node_name, page.split("/"))])


def _node_name(segment: str) -> str:
    name = _ESCAPED.sub(_percent, segment) if segment != "zarr.json" else "zarr%2Ejson"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(segment.encode(errors="surrogateescape")).hexdigest()
    return f"{name.encode()[: _LONGEST_NAME - 20].decode(errors='ignore')}~{digest[:16]}"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="surrogateescape"))


def window_line(window: Window | None) -> dict[str, Any] | None:
    """A window for a table: its curve, hundreds of numbers that many pages share, by its hash."""
    return None if window is None else {**window.to_dict(), "curve": window.curve and curve_name(window.curve)}


def curve_name(curve: tuple[float, ...]) -> str:
    """The first digits of the SHA-256 of a curve."""
    return hashlib.sha256(json.dumps(curve).encode()).hexdigest()[:16]


def read_catalogue(root: zarr.Group) -> dict[str, CataloguePage]:
    """All pages of an archive by their id, in the order in which they came."""
    curves: dict[str, tuple[float, ...]] = {}
    pages = {}
    for line in read_parts(root.store, PREFIX):
        if "curve" in line:
            curves[line["name"]] = tuple(line["curve"])
        else:
            page = CataloguePage.from_line(line, curves)
            pages[page.id] = page
    return pages


class CatalogueWriter(PartWriter):
    """Adds pages to the catalogue of an archive; see `PartWriter`."""

    def __init__(self, root: zarr.Group) -> None:
        super().__init__(root.store, PREFIX)
        self._curves: set[str] = set()

    def add_pages(self, pages: Iterable[CataloguePage]) -> None:
        """Add the pages of a file, in one part, with the curves of their windows that this writer has not added yet.

        A file that is known in part would get a second window for its other pages.
        """
        lines: list[dict[str, Any]] = []
        for page in pages:
            curve = page.window and page.window.curve
            if curve and (name := curve_name(curve)) not in self._curves:
                self._curves.add(name)
                lines.append({"name": name, "curve": curve})
            lines.append({**asdict(page), "window": window_line(page.window)})
        self.add(*lines)
