"""Training data: the colour pictures of a run, looked through once, then held in memory as far as they may be."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from training.errors import InputFileError, TrainingError
from training.parallel import map_in_threads
from training.picture_sources import (
    DECODING_ERRORS,
    PictureReference,
    decode_rgb,
    iter_pictures,
    nearly_gray,
    why_unreadable,
    why_unusable,
)

MINIMUM_PICTURES = 8
CACHE_BYTES = 4_000_000_000  # of encoded pictures: two hundred thousand with a short side of 256 pixels
REDUCED_QUALITY = 95  # of the JPEG that a reduced picture becomes, 4:4:4


class StoredPictures(Sequence[bytes]):
    """Encoded pictures: the first ones in memory, the others read from their places each time.

    Either way the bytes are the same. A copy in another process has nothing in memory, so that memory does not grow
    with the number of processes; those that are forked share it.

    Parameters
    ----------
    side : int, optional
        Pixels to which larger short sides are reduced, see `reduced`.
    cache_bytes : int
        How much is held in memory.
    """

    def __init__(self, side: int | None, cache_bytes: int) -> None:
        self.side = side
        self.cache_bytes = cache_bytes
        self.digests: list[bytes] = []  # SHA-256 of the pictures as they lie in their sources
        self._references: list[PictureReference] = []
        # one block, not many objects: a forked process copies the memory of each object that it looks at
        self._cache = bytearray()
        self._ends = [0]

    def append(self, reference: PictureReference, digest: bytes, encoded: bytes) -> None:
        """Add a picture: where it lies, the SHA-256 of it, and what `reduced` made of it."""
        all_held = len(self._ends) > len(self._references)
        self._references.append(reference)
        self.digests.append(digest)
        if all_held and len(self._cache) + len(encoded) <= self.cache_bytes:
            self._cache += encoded
            self._ends.append(len(self._cache))

    def __len__(self) -> int:
        return len(self._references)

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]
        index = range(len(self))[index]
        if index + 1 < len(self._ends):
            return bytes(self._cache[self._ends[index] : self._ends[index + 1]])
        reference = self._references[index]
        original = reference.read()
        if hashlib.sha256(original).digest() != self.digests[index]:
            raise InputFileError(f"{reference.name} is another picture than at the start: put the first one back")
        return reduced(original, self.side)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cache": bytearray(), "_ends": [0]}


@dataclass(frozen=True)
class Pictures:
    """Encoded colour pictures, and the names of those that were left out with the reason."""

    names: list[str]
    encoded: Sequence[bytes]
    left_out: dict[str, str]

    @cached_property
    def sha256(self) -> str:
        """Hash of all pictures in their order, wherever they lie and however large they are held."""
        if isinstance(self.encoded, StoredPictures):
            digests = self.encoded.digests
        else:
            digests = [hashlib.sha256(data).digest() for data in self.encoded]
        return hashlib.sha256(b"".join(digests)).hexdigest()


def load_pictures(
    sources: Sequence[Path],
    *,
    left_out: Mapping[str, str] | None = None,
    side: int | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> Pictures:
    """Look through the pictures of a run; leave out what would spoil a model.

    Parameters
    ----------
    sources : sequence of Path
        Folders, tars, zarr hierarchies and files, see `iter_pictures`.
    left_out : mapping of str to str, optional
        Names of pictures to leave out besides, with the reasons.
    side : int, optional
        Pixels to which larger short sides are reduced, so that each sample need not decode a whole photograph.
    cache_bytes : int
        Bytes of encoded pictures, reduced ones, that are held in memory. Those beyond are read again for each sample.

    Raises
    ------
    InputFileError
        If a source is missing or damaged.
    TrainingError
        If fewer than eight pictures are left.
    """
    stored = StoredPictures(side, cache_bytes)
    pictures = Pictures([], stored, {})
    unwanted = left_out or {}
    references = iter_pictures(sources)
    for reference, looked in map_in_threads(partial(_look_at, side=side, unwanted=unwanted), references):
        if looked.reason:
            pictures.left_out[reference.name] = looked.reason
        else:
            pictures.names.append(reference.name)
            stored.append(reference, looked.digest, looked.encoded)
    if len(pictures.names) < MINIMUM_PICTURES:
        raise TrainingError(
            f"only {len(pictures.names)} usable colour pictures in {', '.join(map(str, sources))} "
            f"({len(pictures.left_out)} left out): at least {MINIMUM_PICTURES} are needed"
        )
    return pictures


class _Looked(NamedTuple):
    reason: str | None
    digest: bytes = b""
    encoded: bytes = b""


def _look_at(reference: PictureReference, side: int | None, unwanted: Mapping[str, str]) -> _Looked:
    """Read a picture once, and say why it is left out, if it is."""
    if reason := unwanted.get(reference.name):
        return _Looked(reason)
    try:
        original = reference.read()
        encoded = reduced(original, side)
    except InputFileError as error:
        return _Looked(f"{error}")
    except DECODING_ERRORS as error:
        return _Looked(why_unreadable(error))
    return _Looked(why_unusable(encoded, nearly_gray), hashlib.sha256(original).digest(), encoded)


def reduced(original: bytes, side: int | None) -> bytes:
    """A picture as samples are made of it: one whose short side is longer than `side` becomes a JPEG of that side.

    Its pixels are area means; those of a JPEG from 1/2, 1/4 or 1/8 of its size if that is twice the side still.
    """
    if side is None:
        return original
    with Image.open(io.BytesIO(original)) as header:
        short, long = sorted(header.size)
    if short <= side:
        return original
    image = decode_rgb(original, least_side=2 * side)  # means of means a little over one pixel wide would blur
    size = (side, round(long * side / short))
    if image.width > image.height:
        size = size[::-1]
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BOX).save(buffer, "JPEG", quality=REDUCED_QUALITY, subsampling="4:4:4")
    return buffer.getvalue()
