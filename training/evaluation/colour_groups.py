"""How a model colours what people look at first: skin, sky and green, by the true colours of the pixels."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

SKY_PART = 1 / 3  # of the picture, from above


@dataclass(frozen=True, slots=True)
class Group:
    """Pixels whose true colour lies within bounds.

    Attributes
    ----------
    lightness, chroma : tuple of two float
        Bounds of L* and of the chroma, in a*, b*.
    hue : tuple of two float
        Bounds in degrees.
    above : bool
        Whether only the upper third of a picture counts.
    """

    lightness: tuple[float, float]
    chroma: tuple[float, float]
    hue: tuple[float, float]
    above: bool = False

    def holds(self, lab: np.ndarray) -> np.ndarray:
        """Which pixels of a picture in CIE Lab (Y, X, 3) belong to it: bool, shape (Y, X)."""
        lightness, a, b = np.moveaxis(lab, -1, 0)
        inside = np.ones(lightness.shape, bool)
        values = (lightness, np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360)
        for value, (low, high) in zip(values, (self.lightness, self.chroma, self.hue)):
            inside &= (low <= value) & (value < high)
        if self.above:
            inside[round(len(inside) * SKY_PART) :] = False
        return inside


# wood, sand and fur have the colours of skin, too
GROUPS = {
    "skin colours, light": Group((65, 90), (10, 40), (30, 75)),
    "skin colours, medium": Group((45, 65), (12, 45), (30, 75)),
    "skin colours, dark": Group((15, 45), (8, 40), (30, 75)),
    "blue sky": Group((50, 95), (8, 60), (220, 300), above=True),
    "green": Group((20, 90), (15, 80), (100, 150)),
}


def group_means(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Mean colours of each group, true and predicted.

    Parameters
    ----------
    pairs : iterable of (ndarray, ndarray)
        CIE Lab of a prediction and of the truth, each of shape (Y, X, 3).

    Returns
    -------
    dict
        Of each of `GROUPS` the number of ``pixels``, and means ``true_a``, ``true_b``, ``a``, ``b``; without pixels
        only their number.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in GROUPS}
    for lab, true_lab in pairs:
        for name, group in GROUPS.items():
            inside = group.holds(true_lab)
            found[name].append(np.concatenate([true_lab[inside][:, 1:], lab[inside][:, 1:]], axis=1))
    means = {}
    for name, parts in found.items():
        colours = np.concatenate(parts) if parts else np.empty((0, 4))
        means[name] = {"pixels": float(len(colours))}
        if len(colours):
            means[name] |= dict(zip(("true_a", "true_b", "a", "b"), map(float, colours.mean(axis=0, dtype=float))))
    return means
