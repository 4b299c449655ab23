"""TIFF: classic and BigTIFF, any bit depth, many pages; decoded by tifffile with imagecodecs."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, PLANARCONFIG, TiffFile, TiffPage

from training.errors import InputFileError
from training.formats import jpeg2000
from training.formats.page import (
    TAG_NAMES,
    Page,
    Resolution,
    check_declared_size,
    make_page,
    page_label,
    reading,
)
from training.formats.tiff_samples import COLOR_SAMPLES, photometric_of, pixels_of, split_alpha

_JPEG = (COMPRESSION.JPEG, COMPRESSION.JPEG_LOSSY, COMPRESSION.ALT_JPEG)
_JPEG_2000 = (COMPRESSION.APERIO_JP2000_YCBC, COMPRESSION.APERIO_JP2000_RGB, COMPRESSION.JPEG2000)
_REDUCED_OR_MASK = 0b101  # bits of NewSubfileType
_UNITS = {2: "inch", 3: "centimeter"}
# starts of descriptions that programs wrote for themselves: not true of a result
_PROGRAM_NOTES = ("ImageJ=", "<?xml", "<OME", '{"shape"')


def page_count(path: Path) -> int:
    """Number of pages, without thumbnails and masks; no pixel is read."""
    with _opened(path) as tif:
        return len(_picture_indices(tif, path))


def iter_pages(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Page]:
    """The pages from `start` to before `stop`, each decoded when it is asked for."""
    with _opened(path) as tif:
        indices = _picture_indices(tif, path)
        for number in range(len(indices))[start:stop]:
            where = page_label(path, number, len(indices))
            with reading(where):
                page = _read_page(tif, indices[number], where)
            yield page


def _opened(path: Path) -> TiffFile:
    with reading(f"{path}"):
        return TiffFile(path)


def _picture_indices(tif: TiffFile, path: Path) -> list[int]:
    """Directories that hold pictures, not thumbnails or masks of others."""
    with reading(f"{path}"):
        count = _directory_count(tif.filehandle)
        kinds = [_directory(tif, index).subfiletype for index in range(count)]
        planes = _planes_in_one_directory(tif) if count == 1 else 1
    pictures = [index for index, kind in enumerate(kinds) if not kind & _REDUCED_OR_MASK]
    if not count:
        raise InputFileError(f"{path} is a TIFF without a picture: it is cut off")
    if planes > 1:
        raise InputFileError(
            f"{path} holds {planes} planes in one directory, as ImageJ writes stacks of more than 4 GB: "
            "save it as a TIFF with a page for each plane, or as zarr"
        )
    return pictures or list(range(count))


def _planes_in_one_directory(tif: TiffFile) -> int:
    """Planes that lie one after the other behind the only directory, by what ImageJ or tifffile wrote about them."""
    if tif.is_imagej:
        return int((tif.imagej_metadata or {}).get("images", 1))
    if tif.is_shaped:
        return math.prod(tif.series[0].shape) // math.prod(_directory(tif, 0).shape)
    return 1


def _directory(tif: TiffFile, index: int) -> TiffPage:
    return cast(TiffPage, tif.pages[index])  # frames come only where they are asked for


def _directory_count(file: BinaryIO | tifffile.FileHandle) -> int:
    """Length of the chain of directories: one that loops ends there, one that leaves the file is an error.

    tifffile logs a broken chain and goes on with fewer pages.
    """
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    header = file.read(16)
    order = "<" if header[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", header, 2)[0] == 43
    count_format, offset_format, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    (offset,) = struct.unpack_from(order + offset_format, header, 8 if big else 4)
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        if offset >= size:
            raise ValueError(f"page {len(seen)} lies beyond its end")
        file.seek(offset)
        (entries,) = struct.unpack(order + count_format, file.read(struct.calcsize(count_format)))
        file.seek(entries * entry, 1)
        (offset,) = struct.unpack(order + offset_format, file.read(struct.calcsize(offset_format)))
    return len(seen)


def _read_page(tif: TiffFile, index: int, where: str) -> Page:
    page = _directory(tif, index)
    photometric = photometric_of(page)
    _check_layout(page, photometric, where)
    orientation = int(page.tags.valueof(274) or 1)
    if _only_libtiff_converts(page, photometric):
        samples, orientation = _decode_by_pillow(tif, index), 1
    else:
        _check_segments(page, tif.filehandle)
        samples = page.asarray(maxworkers=1)
        samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples.reshape(*samples.shape[:2], -1)
    colors = COLOR_SAMPLES[photometric]
    pixels, bits_stored = pixels_of(page, photometric, samples[..., :colors])
    pixels, alpha, notes = split_alpha(page, pixels, samples[..., colors:])
    return make_page(
        pixels,
        alpha=alpha,
        bits_stored=bits_stored,
        negative=photometric == PHOTOMETRIC.MINISWHITE,
        profile=_bytes(page.tags.valueof(34675)),
        orientation=orientation,
        resolution=_resolution(page),
        metadata=_metadata(page),
        notes=notes,
    )


def _check_layout(page: TiffPage, photometric: int, where: str) -> None:
    """Refuse what is too large, or no picture of a kind that has a gray."""
    bits = max(np.atleast_1d(page.bitspersample))
    height, width = max(page.imagelength, page.tilelength), max(page.imagewidth, page.tilewidth)
    size = page.parent.filehandle.size
    check_declared_size(where, height, width, page.samplesperpixel * page.imagedepth, int(bits), size)
    if photometric not in COLOR_SAMPLES or (photometric == PHOTOMETRIC.SEPARATED and page.tags.valueof(332) == 2):
        kind = getattr(photometric, "name", photometric)
        raise InputFileError(f"{where} stores its colours as {kind}, which is not read: save it as gray or RGB")
    if page.planarconfig not in (PLANARCONFIG.CONTIG, PLANARCONFIG.SEPARATE):
        raise InputFileError(f"{where} does not say how its channels are stored: it is damaged")
    if page.imagedepth > 1:
        raise InputFileError(f"{where} is a volume of {page.imagedepth} planes in one page: save each plane as a page")
    if page.samplesperpixel < COLOR_SAMPLES[photometric]:
        raise InputFileError(f"{where} has {page.samplesperpixel} channels, too few for its colours: it is damaged")


def _check_segments(page: TiffPage, file: tifffile.FileHandle) -> None:
    """Refuse strips and tiles that are missing or cut off: tifffile fills them with black, JPEG with gray."""
    if page.is_contiguous:
        return  # read as one block, which fails where it is too short
    expected = math.prod(page.chunked)
    if {expected} != {len(page.dataoffsets), len(page.databytecounts)} or not all(page.databytecounts):
        raise ValueError("some of its strips or tiles are missing")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset + count > file.size:
            raise ValueError("a strip or tile reaches beyond its end")
        if page.compression in (*_JPEG, *_JPEG_2000):
            file.seek(offset)
            _check_picture_in_picture(page, file.read(count))


def _check_picture_in_picture(page: TiffPage, segment: bytes) -> None:
    """Refuse a strip or tile that is JPEG without an end, or that claims to be far larger than its place."""
    if page.compression in _JPEG:
        _, height, width, _ = tifffile.tifffile.jpeg_shape(segment)
        if b"\xff\xd9" not in segment[-16:]:
            raise ValueError("a JPEG strip or tile has no end")
    else:
        height, width, _, _ = jpeg2000.declared(segment)
    place = max(page.tilelength * page.tilewidth, page.imagelength * page.imagewidth)
    if height * width > 4 * place + 2**20:
        raise ValueError(f"a strip or tile claims {width} x {height} pixels")


def _only_libtiff_converts(page: TiffPage, photometric: int) -> bool:
    """Old-style JPEG, and YCbCr that is not JPEG or has its channels apart."""
    plain_jpeg = page.compression in _JPEG and page.planarconfig == PLANARCONFIG.CONTIG
    return page.compression == COMPRESSION.OJPEG or (photometric == PHOTOMETRIC.YCBCR and not plain_jpeg)


def _decode_by_pillow(tif: TiffFile, index: int) -> np.ndarray:
    """RGB, uint8, upright."""
    from PIL.TiffImagePlugin import TiffImageFile

    # an open file: of a name Pillow 13 maps the pixels into memory, in the wrong shape for orientations 5 to 8
    with Path(tif.filehandle.path).open("rb") as file, TiffImageFile(file) as image:
        image.seek(index)
        return np.asarray(image.convert("RGB"))


def _resolution(page: TiffPage) -> Resolution | None:
    """Pixels per unit, or None where the file gives no unit or zeros."""
    rationals = [page.tags.valueof(code) for code in (282, 283)]
    unit = _UNITS.get(page.tags.valueof(296, 2))
    if unit is None or not all(isinstance(value, tuple) and len(value) == 2 and all(value) for value in rationals):
        return None
    (x, x_divisor), (y, y_divisor) = rationals
    return x / x_divisor, y / y_divisor, unit


def _metadata(page: TiffPage) -> dict[str, str]:
    values = {name: page.tags.valueof(code) for code, name in TAG_NAMES.items()}
    kept = {name: value.strip() for name, value in values.items() if isinstance(value, str)}
    if "document_name" in kept:  # without its folder, which may tell the name of a person
        kept["document_name"] = kept["document_name"].replace("\\", "/").rsplit("/", 1)[-1]
    return {name: value for name, value in kept.items() if value and not value.startswith(_PROGRAM_NOTES)}


def _bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None
