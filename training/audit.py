"""Audit of a training set: what in it would spoil a model.

Each rule is simple and measured on the photographs that the shipped model was trained on; what it finds is a reason to
look, and to leave the picture out.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from training.album import find_pictures
from training.color import gray, lightness8
from training.errors import InputFileError
from training.parallel import map_in_threads
from training.picture_sources import (
    DECODING_ERRORS,
    PictureReference,
    decode_rgb,
    iter_picture_files,
    iter_pictures,
    nearly_gray,
    why_unusable,
)
from training.small_lightness import area_means, small_shape
from training.tint import color_spread

# of 8,307 photographs six lie below: two sepia streets, and snow, ice and a dark cloth
SINGLE_HUE_SPREAD = 1.1
SEEN_SIDE = 128  # pixels of the short side at which pages with several pictures are found
FRAME_SHARE = 0.02  # of a side, on two opposite ones
EVEN_LINE = 5.0  # mean deviation of the gray of a line that is part of a frame
FRAME_STEP = 10  # gray codes between a frame and the picture inside it
COARSE_QUANTIZATION = 60.0  # mean of the luminance table: below a JPEG quality of about 50
LEAST_LOST = 0.015  # of the gray's deviation, when halved and doubled again: an enlarged picture loses nothing
BLURRED_LINES = 4
NEAR_DUPLICATE = 0.985  # correlation of thumbnails
THUMBNAIL = 16
COMPARED_AT_ONCE = 512
PREVIEW = 120  # pixels, for the contact sheet

Reason = Literal[
    "unusable",
    "gray",
    "single hue",
    "duplicate",
    "near-duplicate",
    "leak",
    "enlarged",
    "compressed",
    "frame",
    "collage",
]
REASONS: dict[Reason, str] = {
    "unusable": "cannot be read, or too small",
    "gray": "gray or nearly so: it would teach gray",
    "single hue": "sepia, cyanotype or another single hue: it would teach that hue",
    "duplicate": "the same bytes as an earlier one",
    "near-duplicate": "nearly the same picture as an earlier one",
    "leak": "also in the pictures that it is compared with (--against)",
    "enlarged": "enlarged from a smaller original: no detail to learn from",
    "compressed": "heavily compressed: blocks and smeared colour",
    "frame": "bars or a frame around the picture",
    "collage": "several pictures, or objects apart on even ground",
}


@dataclass(frozen=True, slots=True)
class Examined:
    """What is kept of a picture: why it should be looked at, and what it is compared by.

    Attributes
    ----------
    name : str
        Path in its source.
    reasons : list of str
        Keys of `REASONS`.
    digest : bytes, or None
        SHA-256; None of a file that could not be read.
    thumbnail : ndarray of uint8, shape (16, 16, 3), or None
        Of those that can serve, sRGB.
    note : str
        A sentence on the reasons.
    """

    name: str
    reasons: list[Reason]
    digest: bytes | None = None
    thumbnail: np.ndarray | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in a training set.

    Attributes
    ----------
    pictures : int
        That were looked at.
    findings : dict
        Names by reason (keys of `REASONS`), each with a note.
    previews : dict
        Small JPEGs by name, of those that were found and can be read.
    """

    pictures: int
    findings: dict[Reason, dict[str, str]]
    previews: dict[str, bytes] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "pictures": self.pictures,
            "counts": {reason: len(names) for reason, names in self.findings.items()},
            "findings": self.findings,
        }


def audit(
    data: Sequence[Path], against: Path | None = None, report: Callable[[int], None] = lambda done: None
) -> Audit:
    """Look through the pictures of a training set.

    Parameters
    ----------
    data : sequence of Path
        Folders, tars or zarr hierarchies of colour pictures.
    against : Path, optional
        Pictures that must not be in it, such as those that a model is measured on.
    report : callable
        Called with the number of pictures that were looked at.

    Raises
    ------
    InputFileError
        If a source is missing, or a tar or a hierarchy damaged; a single picture that cannot be read is a finding.
    """
    held_out = [picture for _, picture in map_in_threads(examine, iter_picture_files(against))] if against else []
    references: list[PictureReference] = []
    examined: list[Examined] = []
    for reference, picture in map_in_threads(examine, iter_pictures(data)):
        references.append(reference)
        examined.append(picture)
        report(len(examined))
    findings: dict[Reason, dict[str, str]] = {reason: {} for reason in REASONS}
    for picture in examined:
        for reason in picture.reasons:
            findings[reason][picture.name] = picture.note
    findings["duplicate"] = _same_bytes(examined, examined)
    findings["near-duplicate"] = _alike(examined, None)
    findings["leak"] = _same_bytes(examined, held_out) | _alike(examined, held_out) if held_out else {}
    for name in findings["duplicate"]:
        findings["near-duplicate"].pop(name, None)
    found = set().union(*findings.values())
    previews = map_in_threads(_preview, (reference for reference in references if reference.name in found))
    return Audit(len(examined), findings, {reference.name: preview for reference, preview in previews if preview})


def examine(reference: PictureReference) -> Examined:
    """What one picture shows by itself."""
    name = reference.name
    try:
        encoded = reference.read()
    except InputFileError as error:
        return Examined(name, ["unusable"], note=f"{error}")
    digest = hashlib.sha256(encoded).digest()
    reason = why_unusable(encoded, nearly_gray)
    if reason == "gray":
        return Examined(name, ["gray"], digest)
    if reason:
        return Examined(name, ["unusable"], digest, note=reason)
    image = decode_rgb(encoded)
    rgb = np.asarray(image)
    luma = gray(rgb)
    rules: dict[Reason, bool] = {
        "single hue": color_spread(rgb) < SINGLE_HUE_SPREAD,
        "enlarged": _lost_by_halving(luma) < LEAST_LOST,
        "compressed": _quantization(encoded) > COARSE_QUANTIZATION,
        "frame": _has_frame(luma),
        "collage": bool(find_pictures(_small(luma))),
    }
    thumbnail = np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
    return Examined(name, [rule for rule, holds in rules.items() if holds], digest, thumbnail)


def _preview(reference: PictureReference) -> bytes | None:
    """A small JPEG of what can be read."""
    try:
        small = decode_rgb(reference.read(), least_side=PREVIEW)
    except DECODING_ERRORS:  # an InputFileError is an OSError
        return None
    buffer = io.BytesIO()
    small.thumbnail((PREVIEW, PREVIEW))
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _small(luma: np.ndarray) -> np.ndarray:
    return lightness8(area_means(luma, small_shape(luma.shape, SEEN_SIDE)) / 255)


def _lost_by_halving(luma: np.ndarray) -> float:
    """What halving and doubling takes away, in parts of the standard deviation."""
    height, width = (side // 2 * 2 for side in luma.shape)
    whole = luma[:height, :width].astype(np.float32)
    half = Image.fromarray(whole).resize((width // 2, height // 2), Image.Resampling.BOX)
    back = np.asarray(half.resize((width, height), Image.Resampling.BICUBIC))
    return float(np.sqrt(np.mean(np.square(whole - back))) / (whole.std() + 1e-3))


def _quantization(encoded: bytes) -> float:
    """Mean of the luminance table of a JPEG; 0 for other formats."""
    with Image.open(io.BytesIO(encoded)) as image:
        tables = getattr(image, "quantization", None)
    return float(np.mean(tables[0])) if tables and 0 in tables else 0.0


def _has_frame(luma: np.ndarray) -> bool:
    """Even lines on two opposite sides, and a step along most of the line where the picture begins."""
    sides = [luma, luma[::-1], luma.T, luma.T[::-1]]
    framed = [_ends_in_a_frame(side.astype(np.float32)) for side in sides]
    return (framed[0] and framed[1]) or (framed[2] and framed[3])


def _ends_in_a_frame(lines: np.ndarray) -> bool:
    level = np.median(lines[0])
    even = np.abs(lines - level).mean(axis=1) < EVEN_LINE
    count = len(lines) if even.all() else int(np.argmin(even))
    if not FRAME_SHARE * len(lines) <= count < len(lines) / 2:
        return False
    # where a frame ends is blurred over a few lines
    inside = np.abs(lines[count : count + BLURRED_LINES] - level) > FRAME_STEP
    return bool(inside.mean(axis=1).max() > 0.5)


def _same_bytes(pictures: Iterable[Examined], others: Iterable[Examined]) -> dict[str, str]:
    """Those whose bytes another one has; of one set the first stays."""
    first: dict[bytes, Examined] = {}
    for other in others:
        if other.digest:
            first.setdefault(other.digest, other)
    same = ((picture, first.get(picture.digest or b"")) for picture in pictures)
    return {picture.name: f"as {other.name}" for picture, other in same if other and other is not picture}


def _alike(pictures: list[Examined], others: list[Examined] | None) -> dict[str, str]:
    """Those whose thumbnail nearly is another one's; without `others` an earlier one's."""
    ours = [p for p in pictures if p.thumbnail is not None]
    theirs = ours if others is None else [p for p in others if p.thumbnail is not None]
    found = {}
    for start in range(0, len(ours), COMPARED_AT_ONCE):
        rows = _normalised(ours[start : start + COMPARED_AT_ONCE])
        best, nearest = np.full(len(rows), NEAR_DUPLICATE, np.float32), np.full(len(rows), -1)
        for first in range(0, len(theirs) if theirs is not ours else start + 1, COMPARED_AT_ONCE):
            alike = rows @ _normalised(theirs[first : first + COMPARED_AT_ONCE]).T
            if first == start and theirs is ours:
                alike = np.tril(alike, -1)  # with earlier ones only
            place = alike.argmax(axis=1)
            highest = alike.max(axis=1)
            nearest = np.where(highest > best, first + place, nearest)
            best = np.maximum(best, highest)
        for index in np.nonzero(nearest >= 0)[0]:
            found[ours[start + index].name] = f"as {theirs[nearest[index]].name}"
    return found


def _normalised(pictures: list[Examined]) -> np.ndarray:
    """Thumbnails as unit vectors about their mean: (pictures, values)."""
    rows = np.stack([p.thumbnail for p in pictures]).reshape(len(pictures), -1).astype(np.float32)  # type: ignore[misc]
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)
