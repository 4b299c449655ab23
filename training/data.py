"""Training data: colour pictures from folders and tar shards, made into samples that depend on their number alone.

Sample ``n`` of a run is always the same crop of the same picture with the same hints, whoever makes it and whenever:
a run that was interrupted goes on exactly where it was.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from training.color import srgb_to_lab
from training.errors import InputFileError, TrainingError
from training.formats.icc import differs_from_srgb, rgb_to_srgb
from training.network import AB_SCALE

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"}
MINIMUM_PICTURES = 8
MINIMUM_SIDE = 32  # pixels: smaller ones show nothing, and LPIPS needs 17
GRAY_CHROMA = 2.0  # a picture whose 99th percentile of chroma stays below is nearly gray
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


def iter_picture_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the picture files of a folder, a tar or a single file, in a fixed order."""
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if _is_picture(p.name) and p.is_file()):
            yield path.relative_to(source).as_posix(), path.read_bytes()
    elif source.is_file() and tarfile.is_tarfile(source):
        yield from _iter_tar(source)
    elif source.is_file():
        yield source.name, source.read_bytes()
    else:
        raise InputFileError(f"{source}: there is no such folder or file")


def _iter_tar(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                if member.isfile() and _is_picture(member.name):
                    yield member.name, cast(IO[bytes], tar.extractfile(member)).read()
    except (tarfile.TarError, EOFError) as error:
        raise InputFileError(f"{source}: the tar is damaged ({error}): copy it again") from error


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def decode_rgb(encoded: bytes) -> Image.Image:
    """The picture as 8-bit RGB, upright; of several frames the first."""
    image = Image.open(io.BytesIO(encoded))
    image.load()
    image.info.pop("transparency", None)  # Pillow would warn that it is lost
    ImageOps.exif_transpose(image, in_place=True)
    return _in_srgb(image)


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    try:
        if profile and differs_from_srgb(profile):
            return Image.fromarray(rgb_to_srgb(np.asarray(image), profile))
    except (ValueError, RuntimeError):
        pass  # a damaged profile: as most programs do, as if there were none
    return image.convert("RGB")


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


def why_unusable(encoded: bytes, is_gray: Callable[[Image.Image], bool]) -> str | None:
    """Why a picture cannot serve as a true colour picture: damaged, tiny, or gray; None where it can."""
    try:
        image = decode_rgb(encoded)
    except UnidentifiedImageError:
        return "cannot be read (no picture of a known format)"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be read ({error})"
    if min(image.size) < MINIMUM_SIDE:
        return f"smaller than {MINIMUM_SIDE} pixels"
    return "gray" if is_gray(image) else None


def nearly_gray(image: Image.Image) -> bool:
    """Whether a picture has so little colour that it would teach gray."""
    ab = srgb_to_lab(np.asarray(image.resize((32, 32), Image.Resampling.BOX)) / 255)[..., 1:]
    return bool(np.percentile(np.hypot(ab[..., 0], ab[..., 1]), 99) < GRAY_CHROMA)


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
