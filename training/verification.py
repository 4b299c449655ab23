"""Verify: prove from the files that a result is what it says it is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.chroma_map import ChromaMap
from training.console import usable_cores
from training.errors import InputFileError, PlaneError
from training.formats.page import Page
from training.gray_page import GrayPages
from training.images import iter_pages
from training.model_files import available_models
from training.original import gray_of
from training.pictures import Options, plan_pages
from training.provenance import read_record, sha256_file, sha256_pixels
from training.window import Window


@dataclass(frozen=True, slots=True)
class PageProof:
    """What holds for one page of a result; None where it could not be checked.

    Attributes
    ----------
    page, source_page : int
        Of the result and of its source, counted from 0.
    pixels : int
        Of the page.
    gray_different : int
        Pixels whose gray is not the windowed gray of the source.
    gray_deviation : float
        Largest difference of these grays, in parts of the whole range.
    map_different : int or None
        Pixels that the map renders otherwise.
    model, model_sha256 : str or None
        That the record names.
    known_as : list of str
        Models here that have this hash.
    source_is_recorded, result_is_recorded : bool or None
        Whether file and pixels have the hashes that the record tells.
    record : mapping or None
        That the result carries.
    """

    page: int
    source_page: int
    pixels: int
    gray_different: int
    gray_deviation: float
    map_different: int | None
    model: str | None
    model_sha256: str | None
    known_as: list[str]
    source_is_recorded: bool | None
    result_is_recorded: bool | None
    record: Mapping[str, Any] | None

    @property
    def ok(self) -> bool:
        """Whether the gray is the source's, the model is known, and nothing that was checked is otherwise."""
        unlike = (self.gray_different, self.map_different or 0)
        return (
            not any(unlike) and bool(self.known_as) and False not in (self.source_is_recorded, self.result_is_recorded)
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """What holds for a result and its source."""

    result: Path
    source: Path
    map_file: Path | None
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
            "map": str(self.map_file) if self.map_file else None,
            "ok": self.ok,
            "pages": [asdict(page) | {"ok": page.ok} for page in self.pages],
        }


def verify_file(result: Path, source: Path, map_file: Path | None = None) -> Verification:
    """Compare a result with its source, its map and the models that are here.

    Parameters
    ----------
    result, source : Path
        Picture files.
    map_file : Path, optional
        Colour map of one of the pages.

    Raises
    ------
    ColorizeError
        If a file cannot be read, or the result has other pages than the source.
    """
    chroma = ChromaMap.load(map_file) if map_file else None
    digest = sha256_file(source)
    models = {path: sha256_file(path) for path in available_models().values()}
    proofs = []
    for index, page in enumerate(iter_pages(result)):
        record = read_record(result, index)
        at = _at(record, "source", "page")
        proof = _prove(result, page, index, source, index if at is None else at, record, chroma)
        proofs.append(
            PageProof(
                **proof,
                known_as=[path.stem for path, sha256 in models.items() if sha256 == proof["model_sha256"]],
                source_is_recorded=None if record is None else _at(record, "source", "sha256") == digest,
                record=record,
            )
        )
    if chroma is not None and all(proof.map_different is None for proof in proofs):
        raise InputFileError(f"{map_file} is the map of another page than those of {result}")
    return Verification(result, source, map_file, proofs)


def _prove(
    result: Path, page: Page, index: int, source: Path, source_page: int, record: Any, chroma: ChromaMap | None
) -> dict[str, Any]:
    pages = GrayPages(source, _at(record, "colour", "channel"))
    if source_page >= len(pages):
        raise InputFileError(
            f"page {index} of {result} was page {source_page} of its source, but {source} has {len(pages)}"
        )
    plane = pages[source_page].plane
    found = gray_of(page, result)
    if plane.shape != found.shape:
        raise PlaneError(f"page {index} of {result} has the shape {found.shape}, its source {plane.shape}")
    noted = _at(record, "window")
    window = Window.from_dict(noted) if noted else plan_pages(pages, Options())[source_page].window
    expected = window.apply(plane, found.dtype.itemsize * 8)
    difference = np.abs(expected.astype(np.int32) - found)
    recorded = _at(record, "result", "pixels_sha256")
    return {
        "page": index,
        "source_page": source_page,
        "pixels": found.size,
        "gray_different": int(np.count_nonzero(difference)),
        "gray_deviation": float(difference.max() / np.iinfo(found.dtype).max),
        "map_different": _map_different(page, plane, source_page, chroma),
        "model": _at(record, "colour", "model"),
        "model_sha256": _at(record, "colour", "model_sha256"),
        "result_is_recorded": None if recorded is None else sha256_pixels(_rgb(page)) == recorded,
    }


def _map_different(page: Page, plane: np.ndarray, source_page: int, chroma: ChromaMap | None) -> int | None:
    if chroma is None or chroma.record.get("page", 0) != source_page:
        return None
    rendered = chroma.render(plane, bits=chroma.record.get("bits"), threads=usable_cores())
    found = _rgb(page)
    if rendered.dtype != found.dtype:
        return found.shape[0] * found.shape[1]
    return int(np.count_nonzero((rendered != found).any(axis=2)))


def _rgb(page: Page) -> np.ndarray:
    """RGB of a page; one whose three channels are equal is read as gray."""
    return page.pixels if page.pixels.ndim == 3 else np.repeat(page.pixels[..., None], 3, axis=2)


def _at(record: Any, *keys: str) -> Any:
    """What a record holds at a path of keys, or None: a stranger's record may be of any form."""
    for key in keys:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


_HASHES: dict[bool | None, str] = {
    True: "has the hash that the record tells",
    False: "has another hash than the record tells",
    None: "has no recorded hash",
}


def sentences(proof: PageProof, map_file: Path | None) -> list[tuple[bool | None, str]]:
    """What was found for a page, for people: whether it holds (None: not checked), and the sentence."""
    gray = (
        f"the gray of all {proof.pixels} pixels is the source's, bit for bit"
        if proof.gray_different == 0
        else f"the gray of {proof.gray_different} of {proof.pixels} pixels is not the source's "
        f"(by at most {proof.gray_deviation:.2%} of the range)"
    )
    rendered = {
        None: "the map was not compared: none was given for this page",
        0: f"{map_file} renders this page, byte for byte",
    }.get(proof.map_different, f"{map_file} renders {proof.map_different} of {proof.pixels} pixels otherwise")
    if proof.model_sha256 is None:
        model = "it carries no record of the model that made it"
    elif proof.known_as:
        model = f"the model is {' or '.join(proof.known_as)}, known by its hash {proof.model_sha256[:12]}"
    else:
        model = f"no model here has the hash {proof.model_sha256[:12]} of the one that made it ({proof.model})"
    return [
        (proof.gray_different == 0, gray),
        (None if proof.map_different is None else proof.map_different == 0, rendered),
        (bool(proof.known_as), model),
        (proof.source_is_recorded, f"the source {_HASHES[proof.source_is_recorded]}"),
        (proof.result_is_recorded, f"the result {_HASHES[proof.result_is_recorded]}"),
    ]


def print_verification(verification: Verification) -> None:
    """Print what was found, a line each; what does not hold begins with NO."""
    for proof in verification.pages:
        for holds, sentence in sentences(proof, verification.map_file):
            print(f"{ {True: 'yes', False: 'NO ', None: '-  '}[holds] }  page {proof.page}: {sentence}")
