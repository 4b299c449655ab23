"""Pictures to measure with whose gray is that of an old picture: degraded photographs, and three-colour plates.

The truth is the gray that the model is given, in the true colours. So the truth's own gray is that gray, bit for bit,
as `training.evaluation.evaluate.measure` needs it, and nothing but chroma is judged.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from training.color import srgb_to_lab
from training.data import Pictures
from training.degradation import NETWORK_SIDE, degraded
from training.errors import InputFileError
from training.formats.png import png_bytes
from training.picture_sources import decode_rgb
from training.reversible import reversible_rgb

PLATE_MARGIN = 0.06  # of each side: edges of the three exposures, and fringes


def degraded_truths(pictures: Pictures, seed: int = 0) -> Pictures:
    """The same pictures with grays as an old print or film would have them, in their true a*, b*.

    Parameters
    ----------
    pictures : Pictures
        Colour photographs.
    seed : int
        With the place of a picture among them it decides what happens to it.
    """
    rngs = (np.random.default_rng((seed, place)) for place in range(len(pictures.encoded)))
    truths = [_degraded_truth(encoded, rng) for encoded, rng in zip(pictures.encoded, rngs)]
    return Pictures(list(pictures.names), truths, dict(pictures.left_out))


def _degraded_truth(encoded: bytes, rng: np.random.Generator) -> bytes:
    rgb8 = np.asarray(decode_rgb(encoded))
    value = degraded(rgb8, rng, unit=min(rgb8.shape[:2]) / NETWORK_SIDE)
    return png_bytes(true_colour_on(np.rint(value * 255).astype(np.uint8), rgb8))


def plates(folder: Path) -> Pictures:
    """Gray plates of three-colour photographs, in the colours of their composites, cropped on each side.

    Parameters
    ----------
    folder : Path
        Has each composite as ``reference_colour/NAME_colour.jpg`` and its plate, larger, as ``NAME.jpg``. Plates are
        reduced to the size of their composites.

    Raises
    ------
    InputFileError
        If there are none, or a plate is missing.
    """
    composites = sorted((folder / "reference_colour").glob("*_colour.jpg"))
    if not composites:
        raise InputFileError(f"{folder}: there is no reference_colour/NAME_colour.jpg in it")
    names = [path.stem.removesuffix("_colour") for path in composites]
    return Pictures(names, [_plate(folder / f"{name}.jpg", path) for name, path in zip(names, composites)], {})


def _plate(plate: Path, composite: Path) -> bytes:
    if not plate.is_file():
        raise InputFileError(f"{composite}: its plate {plate.name} is missing beside the folder")
    rgb8 = np.asarray(decode_rgb(composite.read_bytes()))
    with Image.open(plate) as image:
        gray8 = np.asarray(image.convert("L").resize((rgb8.shape[1], rgb8.shape[0]), Image.Resampling.BOX))
    rows, columns = (slice(round(PLATE_MARGIN * side), side - round(PLATE_MARGIN * side)) for side in gray8.shape)
    return png_bytes(true_colour_on(gray8[rows, columns], rgb8[rows, columns]))


def true_colour_on(gray8: np.ndarray, rgb8: np.ndarray) -> np.ndarray:
    """The a*, b* of a picture on another gray, as far as sRGB has such colours.

    Parameters
    ----------
    gray8 : ndarray of uint8, shape (Y, X)
        The gray that stays.
    rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        sRGB; `training.color.gray` of it is `gray8`.
    """
    lab = srgb_to_lab(rgb8 / np.float32(255))
    return reversible_rgb(gray8, lab[..., 1], lab[..., 2])
