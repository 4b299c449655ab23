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
from training.picture_sources import decode_rgb, iter_picture_files, iter_pictures, nearly_gray, why_unusable
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
    """What is kept of a picture: why it should be looked at, and what it is compared by."""

    name: str
    reasons: list[Reason]
    digest: str
    thumbnail: np.ndarray | None = None
    preview: bytes = b""
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
        If one of them is missing or damaged.
    """
    held_out = [examine(file.name, file.read()) for file in iter_picture_files(against)] if against else []
    examined = []
    for file in iter_pictures(data):
        examined.append(examine(file.name, file.read()))
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
    return Audit(len(examined), findings, {p.name: p.preview for p in examined if p.name in found and p.preview})


def examine(name: str, encoded: bytes) -> Examined:
    """What one picture shows by itself."""
    digest = hashlib.sha256(encoded).hexdigest()
    reason = why_unusable(encoded, nearly_gray)
    if reason and reason != "gray":
        return Examined(name, ["unusable"], digest, note=reason)
    image = decode_rgb(encoded)
    preview = _preview(image)
    if reason:
        return Examined(name, ["gray"], digest, preview=preview)
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
    return Examined(name, [rule for rule, holds in rules.items() if holds], digest, thumbnail, preview)


def _preview(image: Image.Image) -> bytes:
    small, buffer = image.copy(), io.BytesIO()
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
    first: dict[str, Examined] = {}
    for other in others:
        first.setdefault(other.digest, other)
    return {p.name: f"as {first[p.digest].name}" for p in pictures if p.digest in first and first[p.digest] is not p}


def _alike(pictures: list[Examined], others: list[Examined] | None) -> dict[str, str]:
    """Those whose thumbnail nearly is another one's; without `others` an earlier one's."""
    ours = [p for p in pictures if p.thumbnail is not None]
    theirs = ours if others is None else [p for p in others if p.thumbnail is not None]
    if not ours or not theirs:
        return {}
    known, found = _normalised(theirs), {}
    rows = known if others is None else _normalised(ours)
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        alike = rows[start : start + COMPARED_AT_ONCE] @ known.T
        if others is None:
            alike = np.tril(alike, start - 1)  # with earlier ones only
        best = alike.argmax(axis=1)
        for index in np.nonzero(alike[np.arange(len(best)), best] > NEAR_DUPLICATE)[0]:
            found[ours[start + index].name] = f"as {theirs[best[index]].name}"
    return found


def _normalised(pictures: list[Examined]) -> np.ndarray:
    """Thumbnails as unit vectors about their mean: (pictures, values)."""
    rows = np.stack([p.thumbnail for p in pictures]).reshape(len(pictures), -1).astype(np.float32)  # type: ignore[misc]
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)
