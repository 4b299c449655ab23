"""PNG: 1 to 16 bit, gray, RGB and palette, with opacity; decoded by imagecodecs, because Pillow makes 16-bit RGB 8 bit.

References
----------
.. [1] W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.formats import exif as exif_data
from training.formats.icc import srgb_profile
from training.formats.page import Page, Resolution, check_declared_size, make_page

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
MOST_TEXT = 16 * 2**20  # bytes that a compressed profile or text may grow to

_SAMPLES = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}  # of the colour types; a palette is handed out as RGB or RGBA
_END_OF_HEADER = len(SIGNATURE) + 25
_KEYWORDS = {
    "description": b"Description",
    "artist": b"Author",
    "copyright": b"Copyright",
    "datetime": b"Creation Time",
    "document_name": b"Title",
}


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the chunks of a PNG, as far as they are complete."""
    position = len(SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind != b"IDAT":
            yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length


def read_page(path: Path, where: str) -> Page:
    """The picture of a PNG; of an animated one the first."""
    from imagecodecs import png_decode

    data = path.read_bytes()
    found = dict(reversed(list(chunks(data))))
    if b"IHDR" not in found:
        raise ValueError("it has no header")
    width, height, depth, color_type = struct.unpack_from(">IIBB", found[b"IHDR"])
    check_declared_size(where, height, width, _SAMPLES[color_type], depth, len(data))
    exif = exif_data.parse(found.get(b"eXIf"))
    samples = png_decode(data)
    samples = samples.reshape(height, width, -1)
    colors = 1 if samples.shape[2] < 3 else 3
    pixels = samples[..., 0] if colors == 1 else samples[..., :3]
    return make_page(
        pixels,
        alpha=samples[..., colors] if samples.shape[2] > colors else None,
        bits_stored=_bits_stored(found.get(b"sBIT"), pixels),
        profile=_profile(found.get(b"iCCP")),
        orientation=exif.get(exif_data.ORIENTATION, 1),
        resolution=_resolution(found.get(b"pHYs")),
        metadata=_metadata(data),
        exif=exif_data.of_upright(exif),
    )


def _bits_stored(significant: bytes | None, pixels: np.ndarray) -> int | None:
    """Those of sBIT for 16-bit gray that keeps to them; 16 where it was scaled up, as the specification asks."""
    if significant is None or pixels.dtype != np.uint16:
        return None
    return significant[0] if pixels.max() < 2 ** significant[0] else 16


def _profile(content: bytes | None) -> bytes | None:
    if not content:
        return None
    try:
        return inflate(content.partition(b"\0")[2][1:])
    except zlib.error:
        return content  # no profile, and said to be none


def inflate(data: bytes) -> bytes:
    """The uncompressed bytes, at most `MOST_TEXT` of them."""
    return zlib.decompressobj().decompress(data, MOST_TEXT)


def _resolution(content: bytes | None) -> Resolution | None:
    if content is None:
        return None
    x, y, unit = struct.unpack(">IIB", content)
    return (x / 100, y / 100, "centimeter") if unit == 1 and x and y else None


def texts(data: bytes) -> dict[bytes, bytes]:
    """Keyword and text of the textual chunks of a PNG."""
    found = {}
    for kind, content in chunks(data):
        keyword, _, rest = content.partition(b"\0")
        if kind == b"tEXt":
            found[keyword] = rest.decode("latin-1").encode()
        elif kind == b"iTXt":
            compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
            found[keyword] = inflate(text) if compressed else text
    return found


def _metadata(data: bytes) -> dict[str, str]:
    found = texts(data)
    return {name: found[word].decode("utf-8", "replace") for name, word in _KEYWORDS.items() if found.get(word)}


def encode(
    samples: np.ndarray,
    *,
    xmp: bytes | None,
    resolution: Resolution | None,
    metadata: dict[str, str],
    exif: bytes | None = None,
) -> bytes:
    """A PNG file.

    Parameters
    ----------
    samples : ndarray of uint8 or uint16, shape (Y, X) or (Y, X, 2 to 4)
        Gray, gray and opacity, sRGB, sRGB and opacity.
    xmp
        XMP packet.
    resolution
        Pixels per unit along X and Y, and the unit.
    metadata
        Names as in `training.formats.page.TAG_NAMES`.
    exif
        EXIF without header.

    Returns
    -------
    bytes
        The numbers exactly as given.
    """
    from imagecodecs import png_encode

    data = bytes(png_encode(np.ascontiguousarray(samples)))
    added = b""
    if samples.ndim == 3 and samples.shape[2] > 2:
        added += _chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile(), 9))
    if resolution:
        per_unit = 100 if resolution[2] == "centimeter" else 100 / 2.54
        per_meter = [min(round(value * per_unit), 2**31 - 1) for value in resolution[:2]]
        added += _chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1))
    if exif:
        added += _chunk(b"eXIf", exif)
    for name, keyword in _KEYWORDS.items():
        if name in metadata:
            added += _text_chunk(keyword, metadata[name].encode())
    if xmp:
        added += _text_chunk(XMP_KEYWORD, xmp)
    return data[:_END_OF_HEADER] + added + data[_END_OF_HEADER:]


def _text_chunk(keyword: bytes, text: bytes) -> bytes:
    return _chunk(b"iTXt", keyword + b"\0\0\0\0\0" + text)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bytes(pixels: np.ndarray) -> bytes:
    """A picture of 8 bits as a PNG, fast rather than small: uint8, shape (Y, X) or (Y, X, 3)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
