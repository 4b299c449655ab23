"""Taking picture files into an archive: every page one OME-Zarr image of its gray, and a line of the catalogue."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import zarr

from archive_batch.catalogue import CataloguePage, CatalogueWriter, page_id, read_catalogue
from archive_batch.gray_pages import write_page
from archive_batch.refusal import Refusal
from archive_batch.sources import SourceFile, check_nesting
from archive_batch.stores import make_root, only_writer
from training.errors import ColorizeError, InputFileError
from training.formats.page import Page
from training.gray_page import COLOR_NOTE, gray_plane, plane_kind
from training.hashes import sha256_file
from training.images import iter_pages, page_count
from training.plane import check_plane
from training.window import PlaneKind

KEPT_NOTE = "is a colour photograph: it is kept as it is, and not colorized"
ALPHA_NOTE = "its transparency was left out"


@dataclass(slots=True)
class Ingested:
    """What became of the files.

    Attributes
    ----------
    files : int
        Files that were looked at.
    pages : int
        Their pages that are in the archive now.
    added : int
        Those of them that were not before.
    kept : int
        Real colour photographs among those that were added.
    refused : list of Refusal
        Files and pages that are not in the archive.
    notes : list of str
        What a person should know about single pages.
    """

    files: int = 0
    pages: int = 0
    added: int = 0
    kept: int = 0
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def ingest(
    files: Sequence[SourceFile], archive: str, *, negative: bool = False, report: Callable[[int], None] = lambda _: None
) -> Ingested:
    """Take files into an archive, a new one if there is none.

    Pages that are in it already are passed over. A file of which a page is damaged gives its other pages.

    Parameters
    ----------
    files : sequence of SourceFile
        See `archive_batch.sources.find_files`.
    archive : str
        A folder.
    negative : bool
        Dark and light change places, in all of them.
    report : callable
        Told the number of files done after each.

    Raises
    ------
    ColorizeError
        If nothing can be done: the archive is no archive, or another run writes to it.
    """
    with only_writer(archive):
        root = make_root(archive, "archive", {})
        ingestion = _Ingestion(root, negative)
        check_nesting([*(file.id for file in files), *ingestion.digests])
        with CatalogueWriter(root) as catalogue:
            for number, file in enumerate(files, 1):
                catalogue.add_pages(ingestion.take_in(file))
                report(number)
    return ingestion.result


class _Ingestion:
    """Files into an open archive, one after the other."""

    def __init__(self, root: zarr.Group, negative: bool) -> None:
        self.root, self.negative = root, negative
        self.known = read_catalogue(root)
        self.digests = {page.file: page.sha256 for page in self.known.values()}
        self.result = Ingested()

    def take_in(self, file: SourceFile) -> list[CataloguePage]:
        """Store the pages of a file that are missing; what is refused goes to the result."""
        self.result.files += 1
        try:
            count, digest = page_count(file.path), sha256_file(file.path)  # the first refuses what is no file
            numbers = range(count) if count > 1 else [None]
            missing = {number or 0 for number in numbers if not self._is_known(file, number, digest)}
        except ColorizeError as error:
            self._refuse(file, None, error)
            return []
        stored = [pair for pair in self._store_pages(file, count, missing, digest) if pair] if missing else []
        added = self._with_windows(stored)
        self._count(count - len(missing), added)
        return added

    def _is_known(self, file: SourceFile, number: int | None, digest: str) -> bool:
        if self.digests.get(file.id, digest) != digest:
            raise InputFileError(
                f"{file.path} has changed since it was taken in: the archive keeps what it has; "
                "take the new version in under another name, or all files into a new archive"
            )
        known = self.known.get(page_id(file.id, number))
        if known and known.file != file.id:
            raise InputFileError(
                f"{file.path}: a page of {known.file} has this name already, {known.id}: rename the file"
            )
        if known and known.window and self.negative and not known.window.negative:
            raise InputFileError(
                f"{file.path} was taken in as a positive, and stays one: take it into a new archive with --negative yes"
            )
        return known is not None

    def _store_pages(
        self, file: SourceFile, count: int, missing: set[int], digest: str
    ) -> Iterator[tuple[CataloguePage, PlaneKind] | None]:
        for index, page in _pages(file.path, count):
            number = index if count > 1 else None
            if index in missing:
                try:
                    yield self._store(file, number, digest, page)
                except ColorizeError as error:
                    self._refuse(file, number, error)

    def _store(
        self, file: SourceFile, number: int | None, digest: str, page: Page | ColorizeError
    ) -> tuple[CataloguePage, PlaneKind]:
        """Write the pixels of a page; its window is still to be chosen."""
        if isinstance(page, ColorizeError):
            raise page
        plane, tint_note = gray_plane(page)
        kept = tint_note == COLOR_NOTE
        notes = [KEPT_NOTE if kept else tint_note, None if page.alpha is None else ALPHA_NOTE, *page.notes]
        entry = CataloguePage(
            page_id(file.id, number),
            file.id,
            number,
            digest,
            check_plane(plane),
            plane.dtype.newbyteorder("=").name,
            page.resolution,
            None,
            "; ".join(note for note in notes if note),
            kept,
        )
        if not kept:
            write_page(self.root, entry, plane)
        return entry, plane_kind(page, plane, inverted=self.negative)

    def _with_windows(self, stored: Sequence[tuple[CataloguePage, PlaneKind]]) -> list[CataloguePage]:
        """The pages with their windows: the same for all of a kind, so that the pages of a file stay comparable."""
        gray = [(page, kind) for page, kind in stored if not page.kept]
        windows = {
            kind: kind.choose_window(_StoredPlanes(self.root, [page.path for page, other in gray if other == kind]))
            for kind in {kind for _, kind in gray}
        }
        return [page if page.kept else replace(page, window=windows[kind]) for page, kind in stored]

    def _count(self, present: int, added: Sequence[CataloguePage]) -> None:
        self.known |= {page.id: page for page in added}
        self.digests |= {page.file: page.sha256 for page in added}
        self.result.pages += present + len(added)
        self.result.added += len(added)
        self.result.kept += sum(page.kept for page in added)
        self.result.notes += [f"{page.id} {page.note}" for page in added if page.note]

    def _refuse(self, file: SourceFile, number: int | None, error: ColorizeError) -> None:
        reason = str(error)
        self.result.refused.append(
            Refusal(str(file.path), number, reason if str(file.path) in reason else f"{file.path}: {reason}")
        )


def _pages(path: Path, count: int) -> Iterator[tuple[int, Page | ColorizeError]]:
    """The pages of a file; an error in the place of one that cannot be read, and then the next."""
    index = 0
    while index < count:
        try:
            for page in iter_pages(path, index):
                yield index, page
                index += 1
            return
        except ColorizeError as error:
            yield index, error
            index += 1


class _StoredPlanes(Sequence[np.ndarray]):
    """Level 0 of pages, read when they are looked at."""

    def __init__(self, root: zarr.Group, paths: list[str]) -> None:
        self.root, self.paths = root, paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return cast(np.ndarray, self.root[f"{self.paths[index]}/0"])
