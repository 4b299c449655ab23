"""ICC profiles: the curve of a gray one, conversion of colours to sRGB, and the sRGB profile that results carry.

References
----------
.. [1] ICC.1:2022, "Architecture, profile format and data structure", 10.6 (curves), 10.18 (parameters).
"""

import struct
from functools import cache

import numpy as np

from training.color import lightness_to_luminance, srgb_encode

# 510 equal steps hit every 8-bit number exactly; halfway, and at 16 bit, the error stays below one code of 65,535
CURVE_STEPS = 510
SAME_AS_SRGB = 1e-3

_PARAMETERS = (1, 3, 4, 5, 7)  # of the five kinds of parametric curve
_FIXED_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


def color_space(profile: bytes) -> str:
    """Colour space that a profile describes: "GRAY", "RGB", "CMYK", or what its header says."""
    return profile[16:20].decode("latin-1").strip()


def gray_curve(profile: bytes) -> tuple[float, ...] | None:
    """sRGB-encoded gray of a profile's gray axis.

    Parameters
    ----------
    profile
        ICC profile with a gray or a red tone curve.

    Returns
    -------
    tuple of float or None
        Gray of the same luminance at 511 equal steps of the stored value, rising within [0, 1].
        None where it equals sRGB.

    Raises
    ------
    ValueError
        If the profile has no tone curve that can be read.
    """
    values = np.linspace(0, 1, CURVE_STEPS + 1)
    tone = np.clip(_tone_curve(_tag(profile, b"kTRC", b"rTRC"), values), 0, 1)
    luminance = lightness_to_luminance(100 * tone) if profile[20:24] == b"Lab " else tone
    curve = np.round(srgb_encode(luminance), 7)
    if (np.diff(curve) < 0).any():
        raise ValueError("the tone curve falls")
    return None if np.abs(curve - values).max() < SAME_AS_SRGB else tuple(curve.tolist())


def _tag(profile: bytes, *signatures: bytes) -> bytes:
    (count,) = struct.unpack_from(">I", profile, 128)
    for index in range(min(count, 200)):
        signature, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if signature in signatures:
            return profile[offset : offset + size]
    raise ValueError("no tone curve")


def _tone_curve(tag: bytes, values: np.ndarray) -> np.ndarray:
    if tag[:4] == b"para":
        return _parametric_curve(tag, values)
    if tag[:4] != b"curv":
        raise ValueError("the tone curve is of an unknown type")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return values
    if count == 1:
        return values ** (struct.unpack_from(">H", tag, 12)[0] / 256)
    table = np.frombuffer(tag, ">u2", count, 12) / 65535
    return np.interp(values, np.linspace(0, 1, count), table)


def _parametric_curve(tag: bytes, values: np.ndarray) -> np.ndarray:
    (kind,) = struct.unpack_from(">H", tag, 8)
    given = np.frombuffer(tag, ">i4", _PARAMETERS[kind], 12) / 65536
    g, a, b, c, d, e, f = np.pad(given, (0, 7 - len(given)))
    if kind == 0:
        return values**g
    if kind in (1, 2):  # c is added to both branches; the first kind has none
        return np.where(values >= -b / a, np.maximum(a * values + b, 0) ** g, 0) + c
    return np.where(values >= d, np.maximum(a * values + b, 0) ** g + e, c * values + f)


def differs_from_srgb(profile: bytes) -> bool:
    """Whether an RGB profile gives other colours than sRGB, tried on a grid of colours."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 255, 6).astype(np.uint8)] * 3), axis=-1).reshape(6, 36, 3)
    converted = rgb_to_srgb(grid, profile)
    return bool(np.abs(converted.astype(int) - grid).max() > 1)


def rgb_to_srgb(rgb: np.ndarray, profile: bytes) -> np.ndarray:
    """RGB of a profile converted to sRGB.

    Parameters
    ----------
    rgb : ndarray of uint8 or uint16, shape (Y, X, 3)
        In the profile's own encoding.
    profile
        ICC profile of RGB.

    Returns
    -------
    ndarray of the same shape and dtype
        sRGB (relative colorimetric, as all of this project).
    """
    return _to_srgb(rgb, profile, "rgb")


def cmyk_to_srgb(cmyk: np.ndarray, profile: bytes | None) -> np.ndarray:
    """CMYK, uint8 or uint16 of shape (Y, X, 4), as sRGB of shape (Y, X, 3): by its profile, else (1 - c)(1 - k)."""
    if profile is not None and color_space(profile) == "CMYK":
        return _to_srgb(cmyk, profile, "cmyk")
    white = np.iinfo(cmyk.dtype).max
    paper = white - cmyk.astype(np.float32)
    return np.rint(paper[..., :3] * paper[..., 3:] / white).astype(cmyk.dtype)


def _to_srgb(colors: np.ndarray, profile: bytes, space: str) -> np.ndarray:
    from imagecodecs import CMS, cms_transform

    # the optimised way of lcms is off by up to 5000 of 65,535
    exact = CMS.FLAGS.NOOPTIMIZE
    return cms_transform(colors, profile, srgb_profile(), colorspace=space, outcolorspace="rgb", flags=exact)


@cache
def srgb_profile() -> bytes:
    """The sRGB profile that results carry; the same bytes on every day."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = _FIXED_DATE
    return bytes(profile)
