"""Colour on the grids of a map, before it is quantised: what the network gives, and what a page is made of."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from training.album import Box
from training.chroma_map import AB_STRIDE, DISTRIBUTION_STRIDE
from training.enlargement import enlarge, grids, halved


@dataclass(frozen=True, slots=True)
class GridColour:
    """Colour of a small lightness of shape (y, x).

    Attributes
    ----------
    ab : ndarray of float32, shape (2, y / 2, x / 2)
        a* and b*.
    error : ndarray of float32, shape (y / 2, x / 2)
        Expected absolute error of a* and b*.
    probabilities : ndarray of float64, shape (bins, ceil(y / 8), ceil(x / 8))
        Of the colours of `training.color.bin_centres`.
    """

    ab: np.ndarray
    error: np.ndarray
    probabilities: np.ndarray

    def on_finer_grid(self, lightness: np.ndarray, finer: np.ndarray) -> Self:
        """The same colours on the grids of a finer small lightness: a*, b* along its edges, the others as they are."""
        half = (finer.shape[0] // AB_STRIDE, finer.shape[1] // AB_STRIDE)
        light = halved(finer.astype(np.float32) / np.float32(2.55))
        ab = np.stack(enlarge(grids(self.ab, lightness), light, half, (0, half[0]), (0, half[1])))
        coarse = tuple(-(-side // DISTRIBUTION_STRIDE) for side in finer.shape)
        return type(self)(ab, _nearest(self.error, half), _nearest(self.probabilities, coarse))

    def paste(self, picture: Self, box: Box, seen: Box) -> None:
        """Put the colours of a picture into those of its page.

        Parameters
        ----------
        picture : GridColour
            Of the rectangle `seen`.
        box, seen : Box
            The picture, and what was seen of the page for it; the paper that this shows keeps the page's colour.
        """
        inner = box.within(seen).coarser(AB_STRIDE)
        place = box.coarser(AB_STRIDE)
        self.ab[:, *place] = picture.ab[:, *inner]
        self.error[place] = picture.error[inner]
        self.probabilities[:, *seen.coarser(DISTRIBUTION_STRIDE)] = picture.probabilities


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of what lies along the first axis: float64, same shape, sum 1."""
    logits = logits.astype(np.float64)
    chances = np.exp(logits - logits.max(axis=0))
    return chances / chances.sum(axis=0)


def _nearest(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array (..., y, x) on a finer grid, each cell that of the coarser grid under its centre."""
    y, x = ((2 * np.arange(fine) + 1) * side // (2 * fine) for fine, side in zip(shape, array.shape[-2:]))
    return array[..., y[:, None], x]
