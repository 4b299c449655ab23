"""JPEG: gray, RGB and CMYK of 8 bit, turned upright by their EXIF orientation; decoded by Pillow.

Pillow refuses a file that ends too early, where other decoders fill the rest with gray.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL.Image import Exif
from PIL.JpegImagePlugin import JpegImageFile

from training.formats import exif as exif_data
from training.formats.page import TAG_NAMES, Page, Resolution, check_declared_size, make_page


def read_page(path: Path, where: str) -> Page:
    """The picture of a JPEG; of one with several (MPO) the first."""
    # not Image.open: its limit of 179 megapixels is below what scanners make
    with JpegImageFile(path) as image:
        check_declared_size(where, image.height, image.width, len(image.getbands()), 8, path.stat().st_size)
        pixels = np.asarray(image)
        exif = _exif(image)
        return make_page(
            pixels,
            profile=image.info.get("icc_profile"),
            orientation=exif.get(exif_data.ORIENTATION, 1),
            resolution=_resolution(image),
            metadata=_metadata(exif),
            exif=exif_data.of_upright(exif),
        )


def _exif(image: JpegImageFile) -> Exif:
    """EXIF, empty where it is damaged: it spoils no pixel."""
    try:
        return image.getexif()
    except Exception:  # as many kinds as there are kinds of damage
        return Exif()


def _resolution(image: JpegImageFile) -> Resolution | None:
    x, y = image.info.get("dpi", (0, 0))
    return (float(x), float(y), "inch") if x > 0 and y > 0 else None


def _metadata(exif: Exif) -> dict[str, str]:
    values = {name: exif.get(code) for code, name in TAG_NAMES.items()}
    texts = {name: _utf8(value) for name, value in values.items() if isinstance(value, str)}
    return {name: text for name, text in texts.items() if text}


def _utf8(text: str) -> str:
    """The text of a tag, which Pillow takes for Latin-1 and most programs write as UTF-8."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    return text.strip("\0 ")
