"""JPEG 2000: files (JP2, JPX) and bare codestreams, 1 to 16 bit; decoded by imagecodecs.

References
----------
.. [1] ITU-T T.800 (ISO/IEC 15444-1), A.5.1 (SIZ) and annex I (JP2 file format).
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.formats.page import Page, Resolution, check_declared_size, make_page, spread_bits

CODESTREAM = b"\xff\x4f\xff\x51"  # start of codestream, then the marker SIZ
FILE = b"\0\0\0\x0cjP  "

_CMYK = 12  # number of an enumerated colour space; sYCC comes out of the decoder as RGB


def read_page(path: Path, where: str) -> Page:
    """The picture of a JPEG 2000 file or codestream."""
    from imagecodecs import jpeg2k_decode

    data = path.read_bytes()
    found = dict(reversed(list(_boxes(data)))) if data.startswith(FILE) else {}
    height, width, samples, bits = declared(data)
    check_declared_size(where, height, width, samples, bits, len(data))
    color_space, profile = _color(found.get(b"colr", b""))
    # the decoder applies a profile that it finds, so it gets the bare codestream, which has none
    bare = profile and b"pclr" not in found
    pixels = jpeg2k_decode(data[data.index(CODESTREAM) :] if bare else data, numthreads=1).reshape(height, width, -1)
    colors = 4 if color_space == _CMYK else 1 if pixels.shape[2] < 3 else 3
    alpha = pixels[..., colors] if pixels.shape[2] > colors else None
    return make_page(
        _in_full_range(pixels[..., :colors], bits),
        alpha=None if alpha is None else spread_bits(alpha, bits),
        bits_stored=bits if 8 < bits < 16 else None,
        profile=profile if bare else None,
        resolution=_resolution(found.get(b"resc") or found.get(b"resd")),
    )


def _boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the boxes of a JP2 file, those inside the header and the resolution too."""
    stop = len(data) if stop is None else stop
    while start + 8 <= stop:
        length, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, content)
            content += 8
        end = min(start + length, stop) if length else stop
        if kind in (b"jp2h", b"res "):
            yield from _boxes(data, content, end)
        elif kind != b"jp2c":
            yield kind, data[content:end]
        start = max(end, content)


def declared(data: bytes) -> tuple[int, int, int, int]:
    """Height, width, number of components and bits of the first one."""
    position = data.index(CODESTREAM) + len(CODESTREAM)
    right, bottom, left, top = struct.unpack_from(">4I", data, position + 4)
    samples, bits = struct.unpack_from(">HB", data, position + 36)
    return bottom - top, right - left, samples, (bits & 127) + 1


def _color(box: bytes) -> tuple[int, bytes | None]:
    """Enumerated colour space (0: none) and ICC profile of a colour specification box."""
    method = box[:1]
    if method == b"\1":
        return struct.unpack_from(">I", box, 3)[0], None
    return 0, box[3:] if method == b"\2" else None


def _in_full_range(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Gray of more than 8 bits as it is, all else over the whole range of uint8 or uint16; (Y, X) for one channel."""
    gray = pixels.shape[2] == 1
    if pixels.dtype in (np.uint8, np.uint16) and not (gray and bits > 8):
        pixels = spread_bits(pixels, bits)
    return pixels[..., 0] if gray else pixels


def _resolution(box: bytes | None) -> Resolution | None:
    """Pixels per centimeter of a capture or display resolution box, which counts per meter."""
    if box is None:
        return None
    y, y_divisor, x, x_divisor, y_exponent, x_exponent = struct.unpack(">4H2b", box[:10])
    if not (x and y and x_divisor and y_divisor):
        return None
    return x / x_divisor * 10.0 ** (x_exponent - 2), y / y_divisor * 10.0 ** (y_exponent - 2), "centimeter"
