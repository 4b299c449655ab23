"""Colour pictures from folders, tars and single files: found in a fixed order, decoded, and left out where unusable."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from training.color import srgb_to_lab
from training.errors import InputFileError
from training.formats.icc import differs_from_srgb, rgb_to_srgb

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"}
MINIMUM_SIDE = 32  # pixels: smaller ones show nothing, and LPIPS needs 17
GRAY_CHROMA = 2.0  # a picture whose 99th percentile of chroma stays below is nearly gray


def iter_picture_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the picture files of a folder and the tars in it, of a tar or a single file, in order."""
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            name = path.relative_to(source).as_posix()
            if path.suffix.lower() == ".tar":
                yield from ((f"{name}/{member}", content) for member, content in _iter_tar(path))
            elif _is_picture(name):
                yield name, path.read_bytes()
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
