"""Hashes of files and of pixels, as records tell them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from training.errors import InputFileError
from training.formats.page import reading

HASHED_SIDE = 4096  # pixels: of the shards of an archive, too


def sha256_file(path: str | Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    if not Path(path).is_file():
        raise InputFileError(f"{path} does not exist, or is no file: check the name")
    with reading(f"{path}"), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_pixels(pixels: np.ndarray) -> str:
    """SHA-256 of an array, in hexadecimal: of its dtype, its shape and the SHA-256 of each of its blocks.

    So a picture that does not fit into memory has one, too: see `pixel_blocks`, `sha256_block` and `sha256_of_blocks`.
    """
    return sha256_of_blocks(
        pixels.dtype, pixels.shape, (sha256_block(pixels[block]) for block in pixel_blocks(pixels.shape))
    )


def pixel_blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Blocks of 4096 x 4096 that cover the first two axes of an array, row after row."""
    starts = [range(0, side, HASHED_SIDE) for side in shape[:2]]
    return [(slice(y, y + HASHED_SIDE), slice(x, x + HASHED_SIDE)) for y in starts[0] for x in starts[1]]


def sha256_block(pixels: np.ndarray) -> bytes:
    """SHA-256 of the numbers of a block, little-endian in C order."""
    return hashlib.sha256(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data).digest()


def sha256_of_blocks(dtype: np.dtype, shape: tuple[int, ...], digests: Iterable[bytes]) -> str:
    """SHA-256 of an array by those of its blocks, in the order of `pixel_blocks`; in hexadecimal."""
    whole = hashlib.sha256(f"{dtype.newbyteorder('<').str} {tuple(map(int, shape))} ".encode())
    for digest in digests:
        whole.update(digest)
    return whole.hexdigest()
