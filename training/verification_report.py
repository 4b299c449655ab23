"""The report of a verification: one HTML page that a second examiner can follow."""

from pathlib import Path

import numpy as np

from training.chroma_map import UNCERTAINTY_STEP, ChromaMap
from training.color import lab_to_srgb, srgb_to_lab
from training.gray_page import GrayPages
from training.html import write_html
from training.image_writing import to_8_bit
from training.images import iter_pages
from training.original import gray_of, rgb_of
from training.provenance import SENTENCE
from training.verification import PageProof, Verification
from training.verification_text import sentences

LONGEST_SIDE = 640
EVEN_LIGHTNESS = 65  # of the picture that shows the colour alone
MOST_UNSURE = 25.0  # units of a*, b* that are shown as white


def write_report(verification: Verification, path: Path) -> None:
    """Write the report of a verification; see `training.html.write_html`."""
    pages = [
        {"proof": proof, "sentences": sentences(proof), "pictures": _pictures(verification, proof)}
        for proof in verification.pages
    ]
    write_html(path, "verification_report.html.j2", verification=verification, pages=pages, statement=SENTENCE)


def _pictures(verification: Verification, proof: PageProof) -> dict[str, np.ndarray]:
    """What is shown of a page: pictures by their captions."""
    result = next(iter_pages(verification.result, proof.page))
    source = GrayPages(verification.source, proof.record.channel if proof.record else None)[proof.source_page].plane
    step = max(1, -(-max(source.shape) // LONGEST_SIDE))
    rgb = to_8_bit(rgb_of(result) if result.pixels.ndim == 3 else gray_of(result, verification.result))[::step, ::step]
    pictures = {
        "the source through its window": proof.window.apply(source[::step, ::step], 8),
        "the result": rgb,
    }
    if rgb.ndim == 3:
        lab = srgb_to_lab(rgb / 255)
        lab[..., 0] = EVEN_LIGHTNESS
        pictures["its colour alone, at even lightness"] = np.rint(lab_to_srgb(lab) * 255).astype(np.uint8)
    if proof.map_file:
        error = ChromaMap.load(proof.map_file).uncertainty * UNCERTAINTY_STEP
        caption = f"expected error of the colour, from 0 (black) to {MOST_UNSURE:g} or more units of a*, b* (white)"
        pictures[caption] = np.rint(np.clip(error / MOST_UNSURE, 0, 1) * 255).astype(np.uint8)
    return pictures
