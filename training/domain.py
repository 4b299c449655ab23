"""What a plane is no photograph of: told from its small lightness by a few simple measured rules.

Four kinds of plane look unlike photographs even when they are small, and each in a way of its own. A page or a drawing
is paper once its strokes are closed [1]_. A scanner of bodies, or an eyepiece, leaves black around what it shows. A
radiograph has shades everywhere and nothing fine. A slide under the microscope is light everywhere, or has fine
structure on white.

References
----------
.. [1] Serra, "Image Analysis and Mathematical Morphology", 1982 (closing: dilation, then erosion).
"""

from functools import reduce
from typing import NamedTuple, Self

import numpy as np

from training.small_lightness import area_means, small_shape

BLANK_RANGE = 8  # of the small lightness, 0..255: nothing is to be seen in less
SIDE = 128  # short side at which the rules were measured; other small lightnesses are brought to it

# In L*, 0 to 100. Chosen on 120 photographs of `select`, 2,077 of the training set and 1,434 aged by
# `training.degradation`, so that each rule takes about one in a hundred of them at most: docs/decisions.md
STROKE = 11  # pixels: what is dark and narrower is closed
TEXT_CONTRAST = 50.0  # of strokes, against the slopes that are left when they are closed
WHITE_PAPER, TEXT_CONTRAST_ON_WHITE = 97.0, 20.0
BLACK, BLACK_AROUND = 6.0, 0.65  # the latter a share of the frame
LITTLE_DETAIL, STEEP_SLOPE = 0.18, 2.1  # strokes against all that is wider; a pixel, half of the picture is steeper
BRIGHT_FROM, BRIGHT_TO = 54.0, 86.0  # 5th and 95th percentile
MUCH_DETAIL, SLIDE_WHITE, SLIDE_WHITE_SHARE = 0.9, 93.0, 0.1

NOTES = {
    "blank": "is blank: there is nothing to colour",
    "text": "looks like text or a drawing: its colours mean nothing",
    "out_of_domain": "is unlike the photographs that the model knows: its colours are invented",
}


def plane_flags(lightness: np.ndarray) -> tuple[str, ...]:
    """What a person should know of a plane: one of the keys of `NOTES`, or nothing.

    Parameters
    ----------
    lightness : ndarray of uint8, shape (y, x)
        The small lightness: round(L* * 2.55).
    """
    if np.ptp(np.percentile(lightness, (1, 99))) < BLANK_RANGE:
        return ("blank",)
    look = Look.of(lightness)
    if look.is_text():
        return ("text",)
    return ("out_of_domain",) if look.is_no_photograph() else ()


class Look(NamedTuple):
    """Figures of a small lightness that tell what it shows.

    Attributes
    ----------
    paper : float
        Median of L* once dark strokes are closed.
    text_contrast : float
        How dark the strokes are, against the slopes of what is left without them.
    black_around : float
        Share of black in the frame of what is seen.
    detail : float
        Mean of the strokes, against the variation of what is left without them.
    slope : float
        Median slope of L*, a pixel.
    darkest, brightest : float
        5th and 95th percentile of L*.
    white : float
        Share of the white of a slide.
    """

    paper: float
    text_contrast: float
    black_around: float
    detail: float
    slope: float
    darkest: float
    brightest: float
    white: float

    @classmethod
    def of(cls, lightness: np.ndarray) -> Self:
        """Of a small lightness, uint8 of shape (y, x)."""
        shape = small_shape(lightness.shape, SIDE)
        light = (lightness if lightness.shape == shape else area_means(lightness, shape)) / 2.55
        closed = _extremes(_extremes(light, np.maximum), np.minimum)
        strokes = closed - light
        darkest, brightest = np.percentile(light, (5, 95))
        return cls(
            paper=float(np.median(closed)),
            text_contrast=float(np.percentile(strokes, 98) / (_slopes(closed).mean() + 0.3)),
            black_around=_black_around(light),
            detail=float(strokes.mean() / (closed.std() + 2)),
            slope=float(np.median(_slopes(light))),
            darkest=float(darkest),
            brightest=float(brightest),
            white=float((light > SLIDE_WHITE).mean()),
        )

    def is_text(self) -> bool:
        """Whether it is paper with strokes on it: print, handwriting, a line drawing, a map."""
        on_white = self.paper > WHITE_PAPER
        return self.text_contrast > (TEXT_CONTRAST_ON_WHITE if on_white else TEXT_CONTRAST)

    def is_no_photograph(self) -> bool:
        """Whether it is one of the other kinds of plane that are told from photographs."""
        on_black = self.black_around > BLACK_AROUND
        radiograph = self.detail < LITTLE_DETAIL and self.slope > STEEP_SLOPE
        bright_field = self.darkest > BRIGHT_FROM and self.brightest < BRIGHT_TO
        slide = self.detail > MUCH_DETAIL and self.white > SLIDE_WHITE_SHARE
        return on_black or radiograph or bright_field or slide


def _extremes(values: np.ndarray, larger: np.ufunc) -> np.ndarray:
    """The largest value of the square of `STROKE` pixels around each pixel; the smallest with `np.minimum`."""
    height, width = values.shape
    padded = np.pad(values, STROKE // 2, mode="edge")
    rows = reduce(larger, (padded[start : start + height] for start in range(STROKE)))
    return reduce(larger, (rows[:, start : start + width] for start in range(STROKE)))


def _slopes(light: np.ndarray) -> np.ndarray:
    return np.hypot(*np.gradient(light))


def _black_around(light: np.ndarray) -> float:
    """Share of black in the frame of what is seen, without black bars around it."""
    seen = light > BLACK
    rows, columns = (np.flatnonzero(seen.mean(axis=axis) > 0.03) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return 0.0
    black = ~seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    edges = (black[:2], black[-2:], black[:, :2], black[:, -2:])
    return float(np.concatenate([edge.ravel() for edge in edges]).mean())
