"""Colour pictures from folders, tars, zarr hierarchies and single files: found in a fixed order, and told apart.

What is found are references: small, so that a set may be larger than memory, and whole by themselves, so that any
process reads any picture in any order.
"""

import io
import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from training.color import srgb_to_lab
from training.errors import InputFileError
from training.formats.icc import differs_from_srgb, rgb_to_srgb
from training.zarr_pictures import is_zarr, iter_zarr_pictures

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"}
MINIMUM_SIDE = 32  # pixels: smaller ones show nothing, and LPIPS needs 17
GRAY_CHROMA = 2.0  # a picture whose 99th percentile of chroma stays below is nearly gray
# what Pillow raises for pictures that are damaged, hostile or none
DECODING_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class PictureReference(Protocol):
    """A picture of a source, to be read when it is needed; it can be pickled.

    Attributes
    ----------
    name : str
        Path in its source, posix form.
    """

    @property
    def name(self) -> str: ...

    def read(self) -> bytes:
        """The picture as an encoded file.

        Raises
        ------
        InputFileError
            If it is not there any more, or cannot be read.
        """


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file."""

    path: Path
    name: str

    def read(self) -> bytes:
        with _reading(self.path):
            return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file in a tar, read from its place there."""

    tar: Path
    name: str
    start: int
    length: int

    def read(self) -> bytes:
        with _reading(self.tar), self.tar.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.length)
        if len(content) < self.length:
            raise InputFileError(f"{self.tar} ends within {self.name}: it has been cut or replaced; copy it again")
        return content


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read ({error.strerror or error}): check that it still is there, and its permissions"
        ) from error


def iter_pictures(sources: Sequence[Path]) -> Iterator[PictureReference]:
    """The pictures of some sources, one after the other; of several, names begin with that of their source."""
    seen: Counter[str] = Counter()
    for source in sources:
        seen[source.name] += 1
        label = source.name if seen[source.name] == 1 else f"{source.name}-{seen[source.name]}"
        for picture in iter_picture_files(source):
            yield picture if len(sources) == 1 else replace(picture, name=f"{label}/{picture.name}")  # type: ignore[type-var]


def iter_picture_files(source: Path) -> Iterator[PictureReference]:
    """The pictures of a source, in order.

    Parameters
    ----------
    source : Path
        A folder with the tars and zarr hierarchies in it, a tar, a zarr hierarchy or a single file. Files of a folder
        come in the order of their names, those of a tar in its own.

    Raises
    ------
    InputFileError
        If there is no such source, or a tar or a hierarchy in it is damaged.
    """
    if source.is_dir():
        for path in _walk(source):
            name = path.relative_to(source).as_posix()
            if path.is_dir():
                yield from iter_zarr_pictures(path, "" if path == source else name)
            elif path.suffix.lower() == ".tar":
                yield from _iter_tar(path, f"{name}/")
            elif _is_picture(name):
                yield PictureFile(path, name)
    elif source.is_file() and tarfile.is_tarfile(source):
        yield from _iter_tar(source, "")
    elif source.is_file():
        yield PictureFile(source, source.name)
    else:
        raise InputFileError(f"{source}: there is no such folder or file")


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, sorted, and the folders that are zarr hierarchies in the place of their files."""
    if is_zarr(folder):
        yield folder
        return
    with _reading(folder), os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry))
        elif entry.is_file():
            yield Path(entry)


def _iter_tar(path: Path, prefix: str) -> Iterator[TarMember]:
    try:
        with tarfile.open(path, "r:") as tar:
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header
                if member.isfile() and _is_picture(member.name):
                    yield TarMember(path, f"{prefix}{member.name}", member.offset_data, member.size)
            _check_end(path, tar.offset)
    except (tarfile.TarError, EOFError) as error:
        if tarfile.is_tarfile(path) and not _is_plain_tar(path):
            raise InputFileError(
                f"{path} is a compressed tar, of which no single picture can be read: "
                "decompress it (pictures hardly get smaller by that), or unpack it into a folder"
            ) from error
        raise InputFileError(f"{path}: the tar is damaged ({error}): copy it again") from error


def _check_end(path: Path, offset: int) -> None:
    """Tell a damaged header, at which `tarfile` stops without a word, from the end of a tar."""
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"no header at byte {offset}")


def _is_plain_tar(path: Path) -> bool:
    try:
        tarfile.open(path, "r:").close()
    except tarfile.TarError:
        return False
    return True


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def decode_rgb(encoded: bytes, least_side: int | None = None) -> Image.Image:
    """The picture as 8-bit RGB, upright; of several frames the first.

    Parameters
    ----------
    encoded : bytes
        A file of any format that Pillow reads.
    least_side : int, optional
        Pixels of the short side that are enough: a JPEG may come at 1/2, 1/4 or 1/8 of its size, which is faster.
    """
    image = Image.open(io.BytesIO(encoded))
    if least_side:
        image.draft(None, (least_side, least_side))
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
    except DECODING_ERRORS as error:
        return why_unreadable(error)
    if min(image.size) < MINIMUM_SIDE:
        return f"smaller than {MINIMUM_SIDE} pixels"
    return "gray" if is_gray(image) else None


def why_unreadable(error: Exception) -> str:
    """In words, one of `DECODING_ERRORS`."""
    unknown = isinstance(error, UnidentifiedImageError)  # whose own words are about an object in memory
    return f"cannot be read ({'no picture of a known format' if unknown else error})"


def nearly_gray(image: Image.Image) -> bool:
    """Whether a picture has so little colour that it would teach gray."""
    ab = srgb_to_lab(np.asarray(image.resize((32, 32), Image.Resampling.BOX)) / 255)[..., 1:]
    return bool(np.percentile(np.hypot(ab[..., 0], ab[..., 1]), 99) < GRAY_CHROMA)
