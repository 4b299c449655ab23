"""Colour science: sRGB, CIE Lab, and the gray of a colour.

Everything is for D65 and the 2 degree observer. Two families live here:

- float32 conversions between sRGB and CIE Lab, for training and measuring;
- integer tables for what must be the same bits everywhere. They use no power, exponential or root for a pixel, because
  these differ between machines in the last bits: a table made from powers is rounded to integers and pinned by a hash.

References
----------
.. [1] IEC 61966-2-1:1999, "Default RGB colour space - sRGB".
.. [2] CIE 15:2004, "Colorimetry", equations 8.3 to 8.9 (CIE 1976 L*a*b*).
"""

from functools import cache
from typing import Any

import numpy as np

from training.errors import PlaneError

# sRGB primaries to XYZ. The rows are divided so that white is exactly (WHITE_X, 1, WHITE_Z): gray has a* = b* = 0.
_PRIMARIES = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
RGB_TO_XYZ = _PRIMARIES / _PRIMARIES.sum(axis=1, keepdims=True) * WHITE[:, None]
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
LUMINANCE_WEIGHTS = RGB_TO_XYZ[1]

LAB_EPSILON = 216 / 24389
LAB_KAPPA = 24389 / 27
LAB_DELTA = 6 / 29
BIN_STEP = 10  # of colour distributions, in a* and b*

FRACTION_BITS = 30  # of linear light in the integer tables: 1.0 is 2**30
WEIGHT_BITS = 24  # of the luminance weights: their sum is 2**24 exactly
MARGIN = 0.025  # of a code between a luminance and its rounding borders: 0.02, and what the rounded tables may be off


def srgb_decode(encoded: np.ndarray) -> np.ndarray:
    """Linear light of sRGB-encoded values, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4)


def srgb_encode(linear: np.ndarray) -> np.ndarray:
    """sRGB-encoded values of linear light, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def luminance_to_lightness(luminance: np.ndarray) -> np.ndarray:
    """CIE 1976 L* in [0, 100] of relative luminance in [0, 1]."""
    return np.where(luminance > LAB_EPSILON, 116 * np.cbrt(luminance) - 16, LAB_KAPPA * luminance)


def lightness_to_luminance(lightness: np.ndarray) -> np.ndarray:
    """Relative luminance in [0, 1] of CIE 1976 L* in [0, 100]."""
    return np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / LAB_KAPPA)


def srgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB to CIE Lab.

    Parameters
    ----------
    rgb : ndarray of float, shape (..., 3)
        sRGB-encoded, in [0, 1].

    Returns
    -------
    ndarray of float32, shape (..., 3)
        L* in [0, 100]; a* and b* within about [-108, 99].
    """
    linear = srgb_decode(np.asarray(rgb, np.float32))
    relative = linear @ (RGB_TO_XYZ / WHITE[:, None]).T.astype(np.float32)
    f = np.where(relative > LAB_EPSILON, np.cbrt(relative), (LAB_KAPPA * relative + 16) / 116)
    lightness = 116 * f[..., 1] - 16
    return np.stack([lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1).astype(np.float32)


@cache
def bin_centres() -> np.ndarray:
    """Centres of the bins of (a*, b*) that sRGB reaches, on a grid of 10: float32, shape (bins, 2)."""
    side = np.linspace(0, 1, 33, dtype=np.float32)
    lab = srgb_to_lab(np.stack(np.meshgrid(side, side, side), -1).reshape(-1, 3))
    return np.unique(np.rint(lab[:, 1:] / BIN_STEP), axis=0).astype(np.float32) * BIN_STEP


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIE Lab to sRGB, clipped to [0, 1]; for measuring and previews, not for results (see `reversible_rgb`).

    Parameters
    ----------
    lab : ndarray of float, shape (..., 3)
        L* in [0, 100], a*, b*.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        sRGB-encoded, in [0, 1].
    """
    lab = np.asarray(lab, np.float32)
    return srgb_encode(np.clip(lab_to_linear_rgb(lab[..., 0], lab[..., 1], lab[..., 2]), 0, 1)).astype(np.float32)


def lab_to_linear_rgb(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Linear sRGB, shape (..., 3), of CIE Lab, not clipped: outside [0, 1] the colour is out of gamut.

    Only +, -, * and / on float32, one at a time: the same bits on every machine.
    """
    fy = (lightness + np.float32(16)) / np.float32(116)
    xyz = [_lab_f_inverse(f) for f in (fy + a / np.float32(500), fy, fy - b / np.float32(200))]
    rows = (XYZ_TO_RGB * WHITE).astype(np.float32)
    return np.stack([row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2] for row in rows], axis=-1)


def _lab_f_inverse(f: np.ndarray) -> np.ndarray:
    linear_part = (f - np.float32(4 / 29)) * np.float32(3 * LAB_DELTA**2)
    return np.where(f > np.float32(LAB_DELTA), f * f * f, linear_part)


def depth_bits(dtype: np.dtype) -> int:
    """8 for uint8, 16 for uint16; anything else is refused."""
    if dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise PlaneError(f"expected 8- or 16-bit unsigned values (uint8, uint16), got {dtype}")
    return dtype.itemsize * 8


@cache
def linear_table(bits: int) -> np.ndarray:
    """Linear light of every sRGB code of `bits` bits: int64, shape (2**bits,), in units of 2**-30."""
    codes = np.arange(2**bits) / (2**bits - 1)
    table = np.rint(srgb_decode(codes) * 2**FRACTION_BITS).astype(np.int64)
    table.flags.writeable = False
    return table


@cache
def luminance_bounds(bits: int) -> np.ndarray:
    """Least and greatest luminance that rounds to each gray code with a margin: int64, shape (2**bits, 2).

    In units of 2**-54. The rounding interval of code g is [g - 0.5, g + 0.5]; `MARGIN` of a code is kept free on either
    side, so that anybody's float64 formula agrees with ours.
    """
    codes = np.arange(2**bits)[:, None] + np.array([-0.5 + MARGIN, 0.5 - MARGIN])
    linear = srgb_decode(np.clip(codes, 0, None) / (2**bits - 1))
    bounds = np.rint(linear * 2**FRACTION_BITS).astype(np.int64) << WEIGHT_BITS
    bounds[0, 0] = 0
    bounds.flags.writeable = False
    return bounds


@cache
def luminance_weights() -> np.ndarray:
    """The luminance weights as int64 in units of 2**-24; they sum to 2**24 exactly."""
    weights = np.rint(LUMINANCE_WEIGHTS * 2**WEIGHT_BITS).astype(np.int64)
    weights[1] += 2**WEIGHT_BITS - weights.sum()
    return weights


@cache
def lightness_of_gray(bits: int) -> np.ndarray:
    """L* of every gray code of `bits` bits: float32, shape (2**bits,), in [0, 100]."""
    lightness = luminance_to_lightness(srgb_decode(np.arange(2**bits) / (2**bits - 1)))
    table = (np.rint(lightness * 2**20) / 2**20).astype(np.float32)
    table.flags.writeable = False
    return table


@cache
def gray_at_lightness8_edges() -> np.ndarray:
    """Gray values v at which the 8-bit lightness steps up: float64, shape (255,), rising, in [0, 1]."""
    edges = srgb_encode(lightness_to_luminance((np.arange(255) + 0.5) * (100 / 255)))
    return np.rint(edges * 2**FRACTION_BITS) / 2**FRACTION_BITS


def lightness8(gray_value: np.ndarray) -> np.ndarray:
    """L* quantised to 8 bit, round(L* * 2.55), of gray values.

    Parameters
    ----------
    gray_value : ndarray of float64
        sRGB-encoded gray, in [0, 1].

    Returns
    -------
    ndarray of uint8
        0 for L* = 0, 255 for L* = 100.
    """
    return np.searchsorted(gray_at_lightness8_edges(), gray_value, side="right").astype(np.uint8)


def gray(rgb: np.ndarray) -> np.ndarray:
    """The gray of a colour picture: the inverse of colorizing.

    Decodes sRGB, forms the relative luminance, encodes it and rounds to the picture's depth. For a result of this
    project it is the windowed gray of the input, bit for bit.

    Parameters
    ----------
    rgb : ndarray of uint8 or uint16, shape (..., 3) or (..., 4)
        sRGB; a fourth channel (alpha) is left out.

    Returns
    -------
    ndarray of the same dtype, shape (...)
        sRGB-encoded gray.

    Raises
    ------
    PlaneError
        If the last axis has other than three or four entries, or the values are not 8 or 16 bit.
    """
    rgb = np.asarray(rgb)
    if rgb.ndim < 1 or rgb.shape[-1] not in (3, 4):
        raise PlaneError(
            f"expected colour (..., 3) or (..., 4) with the channel last, got an array of shape {rgb.shape}"
        )
    bits = depth_bits(rgb.dtype)
    result = np.empty(rgb.shape[:-1], rgb.dtype)
    for rows in _row_bands(result.shape):
        result[rows] = np.searchsorted(_gray_edges(bits), luminance(rgb[rows][..., :3], bits), side="right")
    return result


def luminance(codes: np.ndarray, bits: int) -> np.ndarray:
    """Relative luminance of sRGB codes (..., 3) of `bits` bits: int64, shape (...), in units of 2**-54."""
    table, weights = linear_table(bits), luminance_weights()
    return table[codes[..., 0]] * weights[0] + table[codes[..., 1]] * weights[1] + table[codes[..., 2]] * weights[2]


@cache
def _gray_edges(bits: int) -> np.ndarray:
    """Luminance halfway (in code) between neighbouring grays: int64, shape (2**bits - 1,), in units of 2**-54."""
    halfway = srgb_decode((np.arange(2**bits - 1) + 0.5) / (2**bits - 1))
    return np.rint(halfway * 2**FRACTION_BITS).astype(np.int64) << WEIGHT_BITS


def _row_bands(shape: tuple[int, ...], pixels: int = 1 << 20) -> list[Any]:
    """Slices of the first axis of about `pixels` entries, so that temporaries stay small."""
    if not shape:
        return [...]
    rows = max(1, pixels // max(1, int(np.prod(shape[1:]))))
    return [slice(start, start + rows) for start in range(0, shape[0], rows)]
