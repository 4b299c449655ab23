"""Pictures that tests make: modules in this folder are imported by their names (`pythonpath` in pyproject.toml)."""

import io

import numpy as np
from PIL import Image


def colourful(number: int, size=(70, 50)) -> Image.Image:
    """A smooth picture of many colours, width x height."""
    y, x = np.mgrid[: size[1], : size[0]] / 20
    channels = [np.sin(x + number), np.cos(y + 2 * number), np.sin(x * y / 3 - number)]
    return Image.fromarray(np.uint8(127 + 120 * np.stack(channels, axis=-1)))


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
