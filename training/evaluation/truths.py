"""The true pictures of an evaluation: which ones count, and how a coloured picture compares with the true one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from training.color import gray, srgb_to_lab
from training.data import Pictures
from training.errors import InputFileError, SettingsError
from training.evaluation.equal_colourfulness import sample
from training.evaluation.metrics import ciede2000, colourfulness, palette_histogram, psnr_db
from training.evaluation.perceptual import Judgement, Judges
from training.picture_sources import decode_rgb, iter_picture_files, why_unusable


def pictures_to_measure(data: Path, limit: int | None = None) -> Pictures:
    """The colour pictures of a folder or tar, still encoded, and the names of those that say nothing with the reason.

    Left out are files that cannot be read, pictures smaller than 32 pixels, and those without any colour: of them the
    gray baseline is perfect.

    Parameters
    ----------
    data : Path
        Folder, tar or one picture.
    limit : int, optional
        Take the first so many, in the order of the names (of a tar: its own).

    Raises
    ------
    InputFileError
        If nothing is left, or `data` is missing or damaged.
    SettingsError
        If `limit` is no positive number.
    """
    if limit is not None and limit < 1:
        raise SettingsError(f"the limit must be one picture or more, got {limit}")
    left_out: dict[str, str] = {}
    usable = list(islice(_usable(data, left_out), limit))
    if not usable:
        examples = "; ".join(f"{name}: {reason}" for name, reason in islice(left_out.items(), 3))
        raise InputFileError(f"{data}: no colour picture to measure with{f' ({examples})' if examples else ''}")
    return Pictures([name for name, _ in usable], [encoded for _, encoded in usable], left_out)


def _usable(data: Path, left_out: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    for picture in iter_picture_files(data):
        try:
            encoded = picture.read()
        except InputFileError as error:
            left_out[picture.name] = f"{error}"
            continue
        if reason := why_unusable(encoded, _exactly_gray):
            left_out[picture.name] = reason
        else:
            yield picture.name, encoded


def _exactly_gray(image: Image.Image) -> bool:
    rgb8 = np.asarray(image)
    return bool((rgb8 == rgb8[..., :1]).all())


class Truth:
    """A true picture.

    Attributes
    ----------
    rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB.
    plane : ndarray of uint8, shape (Y, X)
        Its gray: what a model is given.
    lab : ndarray of float32, shape (Y, X, 3)
        CIE Lab of `rgb8`.
    look : list of Tensor, or None
        What LPIPS compares.
    gray_psnr_db : float
        PSNR of `plane` as a picture.
    """

    def __init__(self, encoded: bytes, judges: Judges) -> None:
        self.rgb8 = np.asarray(decode_rgb(encoded))
        self.plane = gray(self.rgb8)
        self.lab = srgb_to_lab(self.rgb8 / np.float32(255))
        self.look: list[Tensor] | None = judges.look(self.rgb8)
        self.gray_psnr_db = psnr_db(np.repeat(self.plane[..., None], 3, axis=2), self.rgb8)


class Figures(NamedTuple):
    """How one coloured picture compares with the true one."""

    psnr_db: float
    gain_db: float
    lpips_squeeze: float | None
    ciede2000: float
    colourfulness: float
    palette: np.ndarray


def compare(rgb8: np.ndarray, truth: Truth, judges: Judges) -> Figures:
    """The figures of one coloured picture, uint8, shape (Y, X, 3), sRGB."""
    lab = srgb_to_lab(rgb8 / np.float32(255))
    psnr = psnr_db(rgb8, truth.rgb8)
    return Figures(
        psnr_db=psnr,
        gain_db=psnr - truth.gray_psnr_db,
        lpips_squeeze=judges.lpips.distance(judges.lpips.look(rgb8), truth.look) if judges.lpips else None,
        ciede2000=float(ciede2000(lab, truth.lab).mean()),
        colourfulness=colourfulness(rgb8),
        palette=palette_histogram(lab[..., 1:]),
    )


@dataclass
class TrueSet:
    """What is kept of the true pictures, one entry a picture."""

    colourfulness: list[float] = field(default_factory=list)
    palettes: list[np.ndarray] = field(default_factory=list)
    judgements: list[Judgement | None] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)

    def add(self, truth: Truth, judges: Judges) -> None:
        """Keep what the figures of the set need of one more picture."""
        self.colourfulness.append(colourfulness(truth.rgb8))
        self.palettes.append(palette_histogram(truth.lab[..., 1:]))
        self.judgements.append(judges.judge(truth.rgb8))
        self.samples.append(sample(truth.plane))
