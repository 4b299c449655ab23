"""Provenance: what a result is, what made it and from what, as a record that files carry and anybody can read back.

References
----------
.. [1] ISO 16684-1:2019, "Extensible metadata platform (XMP)", 7 (serialization).
.. [2] IPTC, "Photo Metadata Standard 2025.1", Digital Source Type.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

import numpy as np

from training import __version__
from training.errors import InputFileError
from training.formats.page import reading
from training.images import file_format

SENTENCE = (
    "The colour of this picture was inferred by a machine from its gray values: "
    "it is plausible, not a record of the colours that were there."
)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
NAMESPACE = "urn:napari-colorize:provenance:1"

_MOST_XMP = 16 * 2**20
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:colorize="{namespace}">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{sentence}</rdf:li></rdf:Alt></dc:description>
   <xmp:CreatorTool>{tool}</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <colorize:record>{record}</colorize:record>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def provenance_record(
    chroma_record: Mapping[str, object],
    *,
    source: str | Path,
    source_sha256: str,
    page: int = 0,
    stored: Mapping[str, object] | None = None,
    window: Mapping[str, object] | None = None,
    result_sha256: str | None = None,
    **more: object,
) -> dict[str, Any]:
    """What made a result, as plain values for JSON.

    Parameters
    ----------
    chroma_record
        The record of the ChromaMap: model and its SHA-256, settings, versions, hints with their sources.
    source
        The file that the gray came from; only its name is kept, no folder.
    source_sha256
        Of the bytes of that file (see `sha256_file`).
    page
        Of that file, counted from 0.
    stored
        How the file holds the numbers of its gray (see `training.stored_numbers`).
    window
        From stored values to gray, as of `Window.to_dict`.
    result_sha256
        Of the pixels of the result (see `sha256_pixels`).
    **more
        Further plain values, such as notes.

    Returns
    -------
    dict
        Equal to itself after a round trip through JSON.
    """
    record = {
        "statement": SENTENCE,
        "digital_source_type": SOURCE_TYPE,
        "tool": f"napari-colorize {__version__}",
        "source": {"file": _file_name(source), "sha256": source_sha256, "page": page}
        | ({"stored": stored} if stored else {}),
        "result": {"pixels_sha256": result_sha256} if result_sha256 else None,
        "window": window,
        "colour": {key: _file_name(value) if key == "model" else value for key, value in chroma_record.items()},
        **more,
    }
    return json.loads(json.dumps({key: value for key, value in record.items() if value}, default=_plain))


def _file_name(path: object) -> str:
    """The name without its folder, which may tell the name of a person or a machine."""
    return str(path).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, mappings and paths as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"a record holds plain values, not {type(value).__name__}")


def xmp_packet(record: Mapping[str, object]) -> bytes:
    """An XMP packet that says that the colour is inferred, and carries the record.

    Parameters
    ----------
    record
        As of `provenance_record`.

    Returns
    -------
    bytes
        UTF-8: IPTC's digital source type, the statement as description, the creator tool, and the record as JSON in a
        property of our own namespace.
    """
    packet = _PACKET.format(
        namespace=NAMESPACE,
        sentence=escape(SENTENCE),
        tool=escape(f"napari-colorize {__version__}"),
        source_type=SOURCE_TYPE,
        record=escape(json.dumps(record, ensure_ascii=True, sort_keys=True, separators=(",", ":"))),
    )
    return packet.encode()


def read_record(path: str | Path, page: int = 0) -> dict[str, Any] | None:
    """The record that a TIFF, PNG or JPEG file carries, or None where it has none of ours.

    Raises
    ------
    InputFileError
        If the file cannot be read.
    """
    path = Path(path)
    name = file_format(path)
    with reading(f"{path}"):
        xmp = _XMP_READERS[name](path, page) if name in _XMP_READERS else None
        return _record_of(xmp) if xmp else None


def _record_of(xmp: bytes) -> dict[str, Any] | None:
    # entities: a packet has none, and expanding them is how a small file takes all memory
    if len(xmp) > _MOST_XMP or b"<!" in xmp or NAMESPACE.encode() not in xmp:
        return None
    element = ET.fromstring(xmp.strip(b"\0 \n")).find(f".//{{{NAMESPACE}}}record")
    return json.loads(element.text or "null") if element is not None else None


def _tiff_xmp(path: Path, page: int) -> bytes | None:
    from tifffile import TiffFile, TiffPage

    with TiffFile(path) as tif:
        if page >= len(tif.pages):
            raise InputFileError(f"{path} has no page {page + 1}: it has {len(tif.pages)}")
        value = cast(TiffPage, tif.pages[page]).tags.valueof(700)
    return bytes(value) if value is not None else None


def _png_xmp(path: Path, page: int) -> bytes | None:
    from training.formats.png import XMP_KEYWORD, texts

    return texts(path.read_bytes()).get(XMP_KEYWORD)


def _jpeg_xmp(path: Path, page: int) -> bytes | None:
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(path) as image:
        return image.info.get("xmp")


_XMP_READERS = {"tiff": _tiff_xmp, "png": _png_xmp, "jpeg": _jpeg_xmp}
