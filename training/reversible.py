"""Reversible rounding: from a wished colour to sRGB codes whose gray is exactly the given one, in plain NumPy.

This is the definition; `training.kernels` does the same for every pixel of a picture, fast, and is tested to give the
same bits.
"""

from functools import cache

import numpy as np

from training.color import (
    FRACTION_BITS,
    depth_bits,
    lab_to_linear_rgb,
    lightness_of_gray,
    linear_table,
    luminance,
    luminance_bounds,
    srgb_decode,
)

GAMUT_TOLERANCE = np.float32(1e-6)  # of linear light
BISECTIONS = 12  # to 1/4096 of the wished chroma


def fit_to_gamut(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Linear sRGB of Lab colours, their chroma reduced at fixed L* and hue until they lie in the gamut.

    Parameters
    ----------
    lightness, a, b : ndarray of float32, shape (...)
        CIE Lab.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        Linear light, in [0, 1] up to rounding.
    """
    linear = lab_to_linear_rgb(lightness, a, b)
    outside = ~_in_gamut(linear)
    if outside.any():
        linear[outside] = _bisect_chroma(lightness[outside], a[outside], b[outside])
    return linear


def _in_gamut(linear: np.ndarray) -> np.ndarray:
    return np.all((linear >= -GAMUT_TOLERANCE) & (linear <= 1 + GAMUT_TOLERANCE), axis=-1)


def _bisect_chroma(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = np.zeros_like(lightness)
    step = np.float32(0.5)
    for _ in range(BISECTIONS):
        trial = low + step
        low = np.where(_in_gamut(lab_to_linear_rgb(lightness, a * trial, b * trial)), trial, low)
        step = step / np.float32(2)
    return lab_to_linear_rgb(lightness, a * low, b * low)


def reversible_rgb(gray_code: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sRGB colour nearest to the wish whose gray is exactly the given one.

    Parameters
    ----------
    gray_code : ndarray of uint8 or uint16, shape (...)
        Windowed gray; its lightness is kept, its depth is the result's.
    a, b : ndarray of float32, shape (...)
        Wished a*, b*; reduced in chroma where they leave the gamut.

    Returns
    -------
    ndarray of the dtype of `gray_code`, shape (..., 3)
        sRGB with ``gray(rgb) == gray_code`` everywhere.
    """
    bits = depth_bits(gray_code.dtype)
    linear = fit_to_gamut(lightness_of_gray(bits)[gray_code], a, b)
    codes = _nearest_codes(linear, bits)
    broken = ~gives_gray(codes, gray_code, bits)
    if broken.any():
        codes[broken] = mend(codes[broken], linear[broken], gray_code[broken], bits)
    return codes.astype(gray_code.dtype)


@cache
def code_edges(bits: int) -> np.ndarray:
    """Linear light halfway (in code) between neighbouring codes: float32, shape (2**bits - 1,)."""
    halfway = srgb_decode((np.arange(2**bits - 1) + 0.5) / (2**bits - 1))
    return (np.rint(halfway * 2**FRACTION_BITS) / 2**FRACTION_BITS).astype(np.float32)


def _nearest_codes(linear: np.ndarray, bits: int) -> np.ndarray:
    return np.searchsorted(code_edges(bits), linear, side="right")


def gives_gray(codes: np.ndarray, gray_code: np.ndarray, bits: int) -> np.ndarray:
    """Whether the gray of sRGB codes (..., 3) is the given one, with the margin."""
    bounds = luminance_bounds(bits)[gray_code]
    light = luminance(codes, bits)
    return (bounds[..., 0] <= light) & (light <= bounds[..., 1])


_STEPS = np.array([(r, g, b) for r in (0, -1, 1) for g in (0, -1, 1) for b in (0, -1, 1)])[1:]


def mend(codes: np.ndarray, linear: np.ndarray, gray_code: np.ndarray, bits: int) -> np.ndarray:
    """Move by single steps to the candidate nearest in chroma that gives the gray; plain gray where none does."""
    candidates = np.clip(codes[:, None, :] + _STEPS, 0, 2**bits - 1)
    fits = gives_gray(candidates, gray_code[:, None], bits)
    distance = np.where(
        fits, _chroma_distance(candidates, _fractional_codes(codes, linear, bits)[:, None], bits), np.inf
    )
    best = candidates[np.arange(len(codes)), distance.argmin(axis=1)]
    return np.where(fits.any(axis=1, keepdims=True), best, gray_code[:, None])


def _fractional_codes(codes: np.ndarray, linear: np.ndarray, bits: int) -> np.ndarray:
    """The wish between its neighbouring codes, by linear interpolation of the table (no power for a pixel)."""
    table = linear_table(bits) / 2**FRACTION_BITS
    lower = np.clip(codes - (linear < table[codes]), 0, 2**bits - 2)
    return lower + (linear - table[lower]) / (table[lower + 1] - table[lower])


def _chroma_distance(candidates: np.ndarray, wish: np.ndarray, bits: int) -> np.ndarray:
    """Squared distance across the gray axis, in codes: what remains of a step when its lightness part is taken away."""
    step = candidates - wish
    return (step * step).sum(axis=-1) - step.sum(axis=-1) ** 2 / 3
