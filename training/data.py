"""Training data: colour pictures from folders and tar shards, made into samples that depend on their number alone.

Sample ``n`` of a run is always the same crop of the same picture with the same hints, whoever makes it and whenever:
a run that was interrupted goes on exactly where it was.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from training.color import srgb_to_lab
from training.errors import TrainingError
from training.network import AB_SCALE
from training.picture_sources import decode_rgb, iter_picture_files, nearly_gray, why_unusable

MINIMUM_PICTURES = 8
SMALLEST_CROP = 0.65  # of the short side
SOFTENED_SHARE = 0.4  # of the samples
MOST_SOFTENED = 2.5  # times smaller than the sample
MOST_HINTS = 40


class Sample(NamedTuple):
    """One training sample, or a batch of them with a leading axis N.

    Attributes
    ----------
    inputs : Tensor of float32, shape (4, Y, X)
        What `UNetGenerator` takes.
    ab : Tensor of float32, shape (2, Y / 2, X / 2)
        True a* and b*, divided by 110.
    """

    inputs: Tensor
    ab: Tensor


@dataclass(frozen=True)
class Pictures:
    """Encoded colour pictures in memory, and the names of those that were left out with the reason."""

    names: list[str]
    encoded: list[bytes]
    left_out: dict[str, str]

    @cached_property
    def sha256(self) -> str:
        """Hash of all pictures in their order, wherever they lie."""
        return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in self.encoded)).hexdigest()


def load_pictures(sources: Sequence[Path]) -> Pictures:
    """Read the pictures of folders and tars into memory, still encoded; leave out what would spoil a model.

    Raises
    ------
    TrainingError
        If fewer than eight pictures are left.
    """
    pictures = Pictures([], [], {})
    for source in sources:
        for name, encoded in iter_picture_files(source):
            if reason := why_unusable(encoded, nearly_gray):
                pictures.left_out[name] = reason
            else:
                pictures.names.append(name)
                pictures.encoded.append(encoded)
    if len(pictures.names) < MINIMUM_PICTURES:
        raise TrainingError(
            f"only {len(pictures.names)} usable colour pictures in {', '.join(map(str, sources))} "
            f"({len(pictures.left_out)} left out): at least {MINIMUM_PICTURES} are needed"
        )
    return pictures


class TrainingSamples(Dataset):
    """Samples of a run by their number.

    Parameters
    ----------
    encoded : sequence of bytes
        Encoded pictures.
    size : int
        Side of the samples in pixels.
    seed : int
        Seed of the run.
    hint_share : float
        Part of the samples that get hints, in [0, 1].
    """

    def __init__(self, encoded: Sequence[bytes], size: int, seed: int, hint_share: float) -> None:
        self.encoded = encoded
        self.size = size
        self.seed = seed
        self.hint_share = hint_share

    def __getitem__(self, number: int) -> Sample:
        epoch, place = divmod(number, len(self.encoded))
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.encoded))
        rng = np.random.default_rng((self.seed, epoch, place, self.size))
        return self._sample(decode_rgb(self.encoded[order[place]]), rng)

    def _sample(self, image: Image.Image, rng: np.random.Generator) -> Sample:
        lab = srgb_to_lab(np.asarray(random_crop(image, self.size, rng)) / 255)
        light = softened(lab[..., 0], rng) if rng.random() < SOFTENED_SHARE else lab[..., 0]
        hints = np.zeros((3, self.size, self.size), np.float32)
        if rng.random() < self.hint_share:
            hints = simulated_hints(lab[..., 1:] / AB_SCALE, rng)
        # the network sees lightness as it is stored in a map, in 8 bits
        lightness = np.rint(light[None] * 2.55) / np.float32(127.5) - 1
        halves = lab[..., 1:].reshape(self.size // 2, 2, self.size // 2, 2, 2).mean(axis=(1, 3))
        ab = halves.transpose(2, 0, 1) / np.float32(AB_SCALE)
        inputs = np.concatenate([lightness, hints]).astype(np.float32)
        return Sample(torch.from_numpy(inputs), torch.from_numpy(np.ascontiguousarray(ab)))


def random_crop(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """A square crop of random scale and place, mirrored half of the time."""
    short = min(image.size)
    side = short * np.exp(rng.uniform(np.log(SMALLEST_CROP), 0))
    left, top = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
    # as the small lightness of a plane comes about: linear interpolation where it is finer than the picture
    resampling = Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR
    crop = image.resize((size, size), resampling, box=(left, top, left + side, top + side))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop


def softened(lightness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lightness (Y, X) as that of a smaller original: a picture at another size should get the same colours."""
    image = Image.fromarray(lightness)
    factor = rng.uniform(1, MOST_SOFTENED)
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    return np.asarray(image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR))


def simulated_hints(ab: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hint channels as a user would give them: a few small squares of true colour.

    Parameters
    ----------
    ab : ndarray of float32, shape (Y, X, 2)
        True a* and b*, divided by 110.
    rng : Generator
        Decides how many (often few, seldom many), where and how large.

    Returns
    -------
    ndarray of float32, shape (3, Y, X)
        Mask, a*, b*.
    """
    hints = np.zeros((3, *ab.shape[:2]), np.float32)
    for _ in range(round(np.exp(rng.uniform(0, np.log(MOST_HINTS))))):
        radius = rng.integers(0, 3)
        y, x = (rng.integers(radius, side - radius) for side in ab.shape[:2])
        patch = np.s_[y - radius : y + radius + 1, x - radius : x + radius + 1]
        hints[0][patch] = 1
        hints[1:, *patch] = ab[patch].mean(axis=(0, 1))[:, None, None]
    return hints
