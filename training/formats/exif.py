"""EXIF as pictures carry it: read by Pillow, passed on whole where the picture that it describes is turned upright."""

from PIL.Image import Exif

ORIENTATION = 274
_EXIF_IFD = 34665
_SIDES = (40962, 40963)  # in pixels, before it was turned
_HEADER = b"Exif\0\0"


def parse(content: bytes | None) -> Exif:
    """EXIF of its bytes; empty where it is damaged, which spoils no pixel."""
    exif = Exif()
    try:
        exif.load(content or b"")
    except Exception:  # as many kinds as there are kinds of damage
        return Exif()
    return exif


def of_upright(exif: Exif) -> bytes | None:
    """The bytes of EXIF, without header, for the picture turned upright; None where there is nothing to tell."""
    try:
        upright = parse(exif.tobytes())
        upright.pop(ORIENTATION, None)
        for code in _SIDES:
            upright.get_ifd(_EXIF_IFD).pop(code, None)
        return upright.tobytes().removeprefix(_HEADER) if len(upright) else None
    except Exception:  # values that no writer takes: as if there were none
        return None
