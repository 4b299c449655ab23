"""Verify: prove from the files that a result is what it says it is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import InputFileError, PlaneError
from training.formats.page import Page
from training.gray_page import Channel, GrayPages
from training.hashes import sha256_file, sha256_pixels
from training.images import iter_pages
from training.model_files import available_models
from training.original import gray_of, rgb_of
from training.pictures import MapOfFile, Options, plan_pages
from training.records import Record, find_record
from training.window import Window


@dataclass(frozen=True, slots=True)
class PageProof:
    """What holds for one page of a result; None where it was not checked.

    Attributes
    ----------
    page, source_page : int
        Of the result and of its source, counted from 0.
    pixels : int
        Of the page.
    window : Window
        From the numbers of the source to its gray: of the record, or by the rules where there is none.
    gray_different : int
        Pixels whose gray is not the windowed gray of the source.
    gray_deviation : float
        Largest difference of these grays, in parts of the whole range.
    alpha_different : int
        Pixels whose opacity is not the source's.
    map_file : Path or None
        Of its colour map.
    map_different : int or None
        Pixels that the map renders otherwise.
    map_is_recorded : bool or None
        Whether the map was made of this source, with the model and the window of the record.
    known_as : list of str
        Models here that have the hash of the record's.
    source_is_recorded, result_is_recorded : bool or None
        Whether file and pixels have the hashes that the record tells.
    record : Record or None
        That the result carries.
    """

    page: int
    source_page: int
    pixels: int
    window: Window
    gray_different: int
    gray_deviation: float
    alpha_different: int
    map_file: Path | None
    map_different: int | None
    map_is_recorded: bool | None
    known_as: list[str]
    source_is_recorded: bool | None
    result_is_recorded: bool | None
    record: Record | None

    @property
    def ok(self) -> bool:
        """Whether the gray is the source's, the model is known, and nothing that was checked is otherwise."""
        different = (self.gray_different, self.alpha_different, self.map_different)
        recorded = (self.map_is_recorded, self.source_is_recorded, self.result_is_recorded)
        return not any(different) and bool(self.known_as) and False not in recorded

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("window", "map_file", "record")}
        return plain | {
            "window": self.window.to_dict(),
            "map": str(self.map_file) if self.map_file else None,
            "model": self.record and self.record.model,
            "model_sha256": self.record and self.record.model_sha256,
            "record": self.record and dict(self.record.values),
            "ok": self.ok,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What holds for a result and its source."""

    result: Path
    source: Path
    pages: list[PageProof]

    @property
    def ok(self) -> bool:
        """Whether all pages hold."""
        return all(page.ok for page in self.pages)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "result": str(self.result),
            "source": str(self.source),
            "ok": self.ok,
            "pages": [page.to_dict() for page in self.pages],
        }


def verify_file(result: Path, source: Path, map_files: Sequence[Path] = ()) -> Verification:
    """Compare a result with its source, its map and the models that are here.

    Parameters
    ----------
    result, source : Path
        Picture files.
    map_files : sequence of Path
        Colour maps of any of the pages.

    Raises
    ------
    ColorizeError
        If a file cannot be read, or the result has other pages than the source.
    """
    prover = _Prover(result, source, map_files)
    proofs = [prover.prove(index, page) for index, page in enumerate(iter_pages(result))]
    if unused := prover.maps.keys() - {proof.source_page for proof in proofs}:
        raise InputFileError(f"{prover.maps[min(unused)].file} is the map of another page than those of {result}")
    return Verification(result, source, proofs)


class _Prover:
    """What the pages of a result are compared with."""

    def __init__(self, result: Path, source: Path, map_files: Sequence[Path]) -> None:
        self.result, self.source = result, source
        self.maps = {found.page: found for found in (MapOfFile.load(file, source) for file in map_files)}
        self.source_sha256 = sha256_file(source)
        self.models = {path.stem: sha256_file(path) for path in available_models().values()}
        self._pages: dict[Channel | None, GrayPages] = {}
        self._windows: list[Window] = []

    def prove(self, index: int, page: Page) -> PageProof:
        """Compare one page of the result."""
        record = find_record(self.result, index)
        pages = self._source_pages(record)
        source_page = index if record is None or record.page is None else record.page
        if source_page >= len(pages):
            raise InputFileError(
                f"page {index} of {self.result} was page {source_page} of its source (from 0), but {self.source} has "
                f"{len(pages)}"
            )
        source = pages[source_page]
        found = gray_of(page, self.result)
        if source.plane.shape != found.shape:
            raise PlaneError(
                f"page {index} of {self.result} has the shape {found.shape}, its source {source.plane.shape}"
            )
        of_file = self.maps.get(source_page)
        window = (record and record.window) or self._window(pages, source_page)
        expected = window.apply(source.plane, found.dtype.itemsize * 8)
        difference = np.abs(expected.astype(np.int32) - found)
        return PageProof(
            page=index,
            source_page=source_page,
            pixels=found.size,
            window=window,
            gray_different=int(np.count_nonzero(difference)),
            gray_deviation=float(difference.max() / np.iinfo(found.dtype).max),
            alpha_different=_alpha_different(page, source.page),
            map_file=of_file.file if of_file else None,
            map_different=_map_different(page, of_file),
            map_is_recorded=self._map_is_recorded(record, of_file),
            known_as=[name for name, sha256 in self.models.items() if record and sha256 == record.model_sha256],
            source_is_recorded=_equal(record.source_sha256 if record else None, self.source_sha256),
            result_is_recorded=_equal(record.pixels_sha256 if record else None, sha256_pixels(rgb_of(page))),
            record=record,
        )

    def _source_pages(self, record: Record | None) -> GrayPages:
        channel = record.channel if record else None
        if channel not in self._pages:
            self._pages[channel] = GrayPages(self.source, channel)
        return self._pages[channel]

    def _window(self, pages: GrayPages, page: int) -> Window:
        """By the rules, for a result without a record."""
        self._windows = self._windows or [plan.window for plan in plan_pages(pages, Options())]
        return self._windows[page]

    def _map_is_recorded(self, record: Record | None, of_file: MapOfFile | None) -> bool | None:
        if of_file is None or record is None:
            return None
        told = of_file.chroma.record
        return (
            told.get("model_sha256") == record.model_sha256
            and told.get("source_sha256") == self.source_sha256
            and of_file.chroma.window == record.window
        )


def _map_different(page: Page, of_file: MapOfFile | None) -> int | None:
    if of_file is None:
        return None
    rendered, found = of_file.render(), rgb_of(page)
    if rendered.dtype != found.dtype:
        return found.shape[0] * found.shape[1]
    return int(np.count_nonzero((rendered != found).any(axis=2)))


def _equal(told: str | None, found: str) -> bool | None:
    return None if told is None else told == found


def _alpha_different(page: Page, source: Page) -> int:
    """Pixels whose opacity is not the source's; at 8 and 16 bit alike."""
    alphas = [None if alpha is None else alpha / np.iinfo(alpha.dtype).max for alpha in (page.alpha, source.alpha)]
    ours, theirs = (np.ones(page.pixels.shape[:2]) if alpha is None else alpha for alpha in alphas)
    return int(np.count_nonzero(np.abs(ours - theirs) > 1 / 255))
