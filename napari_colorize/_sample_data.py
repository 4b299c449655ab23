"""Sample data: gray versions of the colour photographs that scikit-image brings, free to use, and a small stack."""

from typing import Any

import numpy as np

LayerData = tuple[np.ndarray, dict[str, Any], str]
STACK_PLANES, STACK_SHAPE = 8, (256, 256)


def astronaut() -> list[LayerData]:
    """The astronaut Eileen Collins, NASA."""
    return _photograph("astronaut")


def camera() -> list[LayerData]:
    """A man with a camera; there is no colour version of it."""
    return _photograph("camera")


def cat() -> list[LayerData]:
    """Chelsea the cat."""
    return _photograph("chelsea", "cat")


def coffee() -> list[LayerData]:
    """A cup of coffee."""
    return _photograph("coffee")


def rocket() -> list[LayerData]:
    """A rocket on its launch pad."""
    return _photograph("rocket")


def stack() -> list[LayerData]:
    """A camera that pans over the cup of coffee: uint8, (T, Y, X)."""
    photograph = _gray("coffee")
    height, width = STACK_SHAPE
    starts = zip(
        np.linspace(0, photograph.shape[0] - height, STACK_PLANES).round().astype(int),
        np.linspace(0, photograph.shape[1] - width, STACK_PLANES).round().astype(int),
    )
    planes = np.stack([photograph[y : y + height, x : x + width] for y, x in starts])
    return [(planes, {"name": "pan over coffee", "axis_labels": ("t", "y", "x")}, "image")]


def _photograph(name: str, title: str = "") -> list[LayerData]:
    return [(_gray(name), {"name": title or name}, "image")]


def _gray(name: str) -> np.ndarray:
    from skimage import data

    from training.color import gray

    picture = getattr(data, name)()
    return picture if picture.ndim == 2 else gray(picture)
