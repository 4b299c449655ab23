"""What film, time and paper do to a photograph, done to training pictures: old gray is not the gray of today's cameras.

Only the gray changes, sRGB-encoded and in [0, 1]: the true colours stay. Lengths are in units of the picture as the
network sees it, so a larger picture is given the size of such a unit in its own pixels.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from training.color import LUMINANCE_WEIGHTS, srgb_decode, srgb_encode

# Relative sensitivity to red, green and blue light: blue-sensitive plates up to the 1880s, orthochromatic ones to the
# 1920s (red comes out black), early panchromatic film, which is still too fast for blue
BLUE_SENSITIVE, ORTHOCHROMATIC, PANCHROMATIC = (0.0, 0.1, 0.9), (0.02, 0.55, 0.43), (0.3, 0.4, 0.3)
NETWORK_SIDE = 128  # pixels of the short side of the picture as the network sees it, about
MOST_BLURRED = 2.5  # times smaller than the picture
Change = Callable[[np.ndarray, np.random.Generator, float], np.ndarray]


def degraded(rgb8: np.ndarray, rng: np.random.Generator, unit: float = 1.0) -> np.ndarray:
    """The gray of a colour picture as an old print or film would have it.

    Parameters
    ----------
    rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB.
    rng : Generator
        Decides what happens to it, and how much.
    unit : float
        Pixels of the picture to one of the network's, whose short side is about `NETWORK_SIDE`.

    Returns
    -------
    ndarray of float32, shape (Y, X)
        sRGB-encoded gray, in [0, 1].
    """
    value = film_response(rgb8, rng)
    for change, chance in CHANGES:
        if rng.random() < chance:
            value = np.clip(change(value, rng, unit), 0, 1)
    return value.astype(np.float32)


def film_response(rgb8: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gray by the sensitivity of some film, between that of the eye and that of an old emulsion."""
    emulsion = np.array([BLUE_SENSITIVE, ORTHOCHROMATIC, PANCHROMATIC, LUMINANCE_WEIGHTS][rng.integers(4)])
    weights = LUMINANCE_WEIGHTS + rng.uniform(0, 1) * (emulsion - LUMINANCE_WEIGHTS)
    return srgb_encode(_LINEAR[rgb8] @ weights.astype(np.float32))


_LINEAR = srgb_decode(np.arange(256) / 255).astype(np.float32)


def softened(value: np.ndarray, rng: np.random.Generator, unit: float = 1.0) -> np.ndarray:
    """As a smaller original, or a lens out of focus, would have it.

    Parameters
    ----------
    value : ndarray of float, shape (Y, X)
        On any scale, such as gray in [0, 1] or L* in [0, 100]; the result is on the same.
    rng : Generator
        Decides how much.
    unit : float
        As of `degraded`.
    """
    factor = unit * rng.uniform(1, MOST_BLURRED)
    small = _resized(value, [max(1, round(side / factor)) for side in value.shape], Image.Resampling.BOX)
    return _resized(small, value.shape, Image.Resampling.BILINEAR)


def _faded(value: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Blacks that turned gray, whites that yellowed, and another contrast."""
    black, white = rng.uniform(0, 0.3), rng.uniform(0.7, 1)
    return black + (white - black) * value ** np.exp(rng.uniform(-0.5, 0.5))


def _stained(value: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Blotches, uneven development and vignetting: smooth fields over the picture."""
    pitch = unit * rng.uniform(20, 80)
    return value + rng.uniform(0.02, 0.1) * _smooth_noise(value.shape, pitch, rng)


def _grainy(value: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Grain, strongest in middle grays."""
    strength = rng.uniform(0.01, 0.07) * (0.4 + 2.4 * value * (1 - value))
    return value + strength * _smooth_noise(value.shape, max(1.0, unit * rng.uniform(0.7, 2)), rng)


def _halftoned(value: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """A dot screen of print, at some angle, as far as it is still seen."""
    pitch, angle = unit * rng.uniform(2, 5), rng.uniform(0, np.pi)
    y, x = np.indices(value.shape, np.float32) * np.float32(2 * np.pi / pitch)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return value + rng.uniform(0.02, 0.15) * np.cos(along) * np.cos(across)


def _scratched(value: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Scratches along the film and across it, and dust: light or dark."""
    height, width = value.shape
    marks = Image.fromarray(value.astype(np.float32))
    draw = ImageDraw.Draw(marks)
    for _ in range(rng.integers(1, 6)):
        tone = float(rng.choice((rng.uniform(0, 0.3), rng.uniform(0.7, 1))))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if rng.random() < 0.5:
            lean = rng.normal(0, width / 30)
            draw.line([(x - lean, 0), (x + lean, height)], tone, max(1, round(unit * rng.uniform(0.5, 1.5))))
        else:
            radius = unit * rng.uniform(0.5, 2)
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], tone)
    visible = np.float32(rng.uniform(0.3, 1))
    return value + visible * (np.asarray(marks) - value)


def _compressed(value: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """A JPEG of poor quality."""
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(np.rint(value * 255))).save(buffer, "JPEG", quality=int(rng.integers(10, 60)))
    return np.asarray(Image.open(buffer), np.float32) / 255


# in the order in which they happen to a picture: in the camera, in a drawer, in print, in a computer
CHANGES: tuple[tuple[Change, float], ...] = (
    (softened, 0.4),
    (_faded, 0.5),
    (_grainy, 0.5),
    (_stained, 0.3),
    (_scratched, 0.25),
    (_halftoned, 0.1),
    (_compressed, 0.25),
)


def _smooth_noise(shape: tuple[int, ...], pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of standard deviation 1 at points `pitch` pixels apart, smooth between them."""
    coarse = rng.standard_normal([max(2, round(side / pitch)) for side in shape], np.float32)
    return _resized(coarse, shape, Image.Resampling.BICUBIC)


def _resized(value: np.ndarray, shape: tuple[int, ...] | list[int], resampling: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(value.astype(np.float32)).resize((shape[1], shape[0]), resampling))
