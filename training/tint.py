"""Whether a colour scan is gray, tinted or a real colour picture."""

from typing import Literal

import numpy as np

from training.color import srgb_to_lab

# Taking a colour photograph for a print costs more than the reverse: it would be coloured again, so the bound is low.
# Measured on 156 toned prints (sepia, blue, selenium) with stains and grain, as JPEG: none above 2.2. Of 600 colour
# photographs 4 % lie below, foggy and single-hued ones.
COLOR_SPREAD = 2.2
GRAY_CHROMA = 1.5
LEAST_PIXELS = 16
_SIDE = 32  # pixels of the short side that is looked at: grain and JPEG noise average out
_LIGHTNESS_STEPS = 10


def tint(rgb: np.ndarray) -> Literal["gray", "tinted", "color"]:
    """Whether an RGB picture is gray, tinted or a real colour picture.

    In a tinted print colour is a function of lightness. So a* and b* are freed of their mean at each lightness, and
    what is left is measured by the spread of its ellipse, the root of the product of its axes: a colour picture spreads
    in two directions, a stain or yellowed paper in one.

    Parameters
    ----------
    rgb : ndarray of uint8 or uint16, shape (Y, X, 3)
        sRGB.

    Returns
    -------
    str
        "gray" where the mean chroma is below 1.5, "color" where the spread exceeds 2.2 (both in units of a*, b*),
        else "tinted".
    """
    lab = _looked_at(rgb)
    if len(lab) < LEAST_PIXELS or np.hypot(lab[:, 1], lab[:, 2]).mean() < GRAY_CHROMA:
        return "gray"
    return "color" if _spread(lab) > COLOR_SPREAD else "tinted"


def color_spread(rgb: np.ndarray) -> float:
    """The spread that `tint` looks at, in units of a*, b*: colour besides what follows from lightness, or 0."""
    lab = _looked_at(rgb)
    return _spread(lab) if len(lab) >= LEAST_PIXELS else 0.0


def _looked_at(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of the reduced pixels (N, 3), but for those near black and white, where there is no room for chroma."""
    lab = srgb_to_lab(_reduced(rgb) / np.float32(np.iinfo(rgb.dtype).max)).reshape(-1, 3)
    return lab[(lab[:, 0] > 5) & (lab[:, 0] < 98)]


def _spread(lab: np.ndarray) -> float:
    """Geometric mean of the two standard deviations of a*, b* about their mean at each lightness."""
    steps = np.minimum(lab[:, 0] * (_LIGHTNESS_STEPS / 100), _LIGHTNESS_STEPS - 1).astype(int)
    counts = np.maximum(np.bincount(steps, minlength=_LIGHTNESS_STEPS), 1)
    means = [np.bincount(steps, ab, _LIGHTNESS_STEPS) / counts for ab in lab.T[1:]]
    left = np.stack([ab - mean[steps] for ab, mean in zip(lab.T[1:], means, strict=True)])
    return float(max(np.linalg.det(np.cov(left)), 0) ** 0.25)


def _reduced(rgb: np.ndarray) -> np.ndarray:
    """Area means, float32, of blocks that bring the short side to about 32 pixels."""
    step = max(1, round(min(rgb.shape[:2]) / _SIDE))
    height, width = rgb.shape[0] // step * step, rgb.shape[1] // step * step
    blocks = rgb[:height, :width].reshape(height // step, step, width // step, step, 3)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
