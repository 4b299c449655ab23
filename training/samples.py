"""Training samples: crops of colour pictures with hints, that depend on their number alone.

Sample ``n`` of a run is always the same crop of the same picture with the same hints, whoever makes it and whenever:
a run that was interrupted goes on exactly where it was.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from training.color import lightness8, srgb_to_lab
from training.degradation import degraded, softened
from training.enlargement import halved
from training.network import AB_SCALE
from training.picture_sources import decode_rgb

SMALLEST_CROP = 0.65  # of the short side
SOFTENED_SHARE = 0.4  # of the samples
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


class TrainingSamples(Dataset):
    """Samples of a run by their number.

    Parameters
    ----------
    encoded : sequence of bytes
        Encoded pictures, such as `Pictures.encoded`.
    size : int
        Side of the samples in pixels.
    seed : int
        Seed of the run.
    hint_share, degraded_share : float
        Part of the samples that get hints, and of those whose gray is that of an old picture, in [0, 1].
    """

    def __init__(
        self, encoded: Sequence[bytes], size: int, seed: int, hint_share: float, degraded_share: float = 0.0
    ) -> None:
        self.encoded = encoded
        self.size = size
        self.seed = seed
        self.hint_share = hint_share
        self.degraded_share = degraded_share

    def __getitem__(self, number: int) -> Sample:
        epoch, place = divmod(number, len(self.encoded))
        rng = np.random.default_rng((self.seed, epoch, place, self.size))
        return self._sample(decode_rgb(self.encoded[_order(self.seed, epoch, len(self.encoded))[place]]), rng)

    def _sample(self, image: Image.Image, rng: np.random.Generator) -> Sample:
        rgb8 = np.asarray(random_crop(image, self.size, rng))
        lab = srgb_to_lab(rgb8 / np.float32(255))
        hints = np.zeros((3, self.size, self.size), np.float32)
        if rng.random() < self.hint_share:
            hints = simulated_hints(lab[..., 1:] / AB_SCALE, rng)
        ab = halved(lab[..., 1:]).transpose(2, 0, 1) / np.float32(AB_SCALE)
        inputs = np.concatenate([self._lightness(rgb8, lab[..., 0], rng)[None], hints]).astype(np.float32)
        return Sample(torch.from_numpy(inputs), torch.from_numpy(np.ascontiguousarray(ab)))

    def _lightness(self, rgb8: np.ndarray, lightness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the network sees: L* as it is stored in a map, in 8 bits, scaled to [-1, 1]."""
        if rng.random() < self.degraded_share:
            codes = lightness8(degraded(rgb8, rng))
        else:
            codes = np.rint((softened(lightness, rng) if rng.random() < SOFTENED_SHARE else lightness) * 2.55)
        return codes / np.float32(127.5) - 1


@lru_cache(maxsize=2)  # a batch may lie in two epochs, and of a million pictures an order takes 20 ms
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    """In which the pictures come in an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def random_crop(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """A square crop of random scale and place, mirrored half of the time."""
    short = min(image.size)
    side = short * np.exp(rng.uniform(np.log(SMALLEST_CROP), 0))
    left, top = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
    # as the small lightness of a plane comes about: linear interpolation where it is finer than the picture
    resampling = Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR
    crop = image.resize((size, size), resampling, box=(left, top, left + side, top + side))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop


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
