"""Pages with several pictures: found by the paper between them, so that each can be seen by itself.

A page is cut where strips of paper run through it, and its parts again [1]_. What decides is the content at the working
size, never the number of pixels: a photograph has no paper around it, and is left alone at any size.

References
----------
.. [1] Nagy and Seth, "Hierarchical representation of optically scanned documents", ICPR 1984 (the X-Y tree).
"""

from dataclasses import dataclass

import numpy as np

PAPER_TOLERANCE = 20  # of the small lightness, 0..255
LEAST_PAPER_AROUND = 0.9  # share of the page's frame
NARROWEST_GAP = 2  # pixels of the small lightness
SMALLEST_SIDE = 0.12  # of a picture, as a share of the page's short side
LEAST_FILLED = 0.5  # share of a picture that is not like paper


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the small lightness, from the first pixel to one past the last."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def on_grid(self, shape: tuple[int, int], finer: tuple[int, int]) -> "Box":
        """The same place on a finer grid than that of `shape`, to the nearest even pixels."""
        (top, bottom), (left, right) = (
            (2 * round(start * fine / side / 2), 2 * round(stop * fine / side / 2))
            for start, stop, side, fine in zip((self.top, self.left), (self.bottom, self.right), shape, finer)
        )
        return Box(top, bottom, left, right)

    def grown(self, step: int, shape: tuple[int, int]) -> "Box":
        """Grown to whole steps, within a grid."""
        return Box(
            self.top // step * step,
            min(-(-self.bottom // step) * step, shape[0]),
            self.left // step * step,
            min(-(-self.right // step) * step, shape[1]),
        )

    def within(self, other: "Box") -> "Box":
        """The same place, counted from the corner of another box."""
        return Box(self.top - other.top, self.bottom - other.top, self.left - other.left, self.right - other.left)

    def coarser(self, factor: int) -> tuple[slice, slice]:
        """For indexing a grid so many times coarser."""
        return (
            slice(self.top // factor, -(-self.bottom // factor)),
            slice(self.left // factor, -(-self.right // factor)),
        )


def find_pictures(lightness: np.ndarray) -> list[Box]:
    """The pictures of a page with several of them; empty where there is one, or none.

    Parameters
    ----------
    lightness : ndarray of uint8, shape (y, x)
        The small lightness of the page.
    """
    frame = np.concatenate(
        [lightness[:2].ravel(), lightness[-2:].ravel(), lightness[:, :2].ravel(), lightness[:, -2:].ravel()]
    )
    paper = np.median(frame)
    if np.mean(np.abs(frame - paper) <= PAPER_TOLERANCE) < LEAST_PAPER_AROUND:
        return []
    ink = np.abs(lightness - paper) > PAPER_TOLERANCE
    parts = _cut(ink, Box(0, ink.shape[0], 0, ink.shape[1]))
    least = SMALLEST_SIDE * min(ink.shape)
    pictures = [box for box in parts if min(box.sides) >= least and ink[box.slices].mean() >= LEAST_FILLED]
    return pictures if len(pictures) > 1 else []


def _cut(ink: np.ndarray, box: Box) -> list[Box]:
    """Parts of a box between strips of paper, cut as often as there are any."""
    part = ink[box.slices]
    rows, columns = (_runs(np.any(part, axis=axis)) for axis in (1, 0))
    parts = [
        Box(box.top + top, box.top + bottom, box.left + left, box.left + right)
        for top, bottom in rows
        for left, right in columns
    ]
    if parts in ([], [box]):
        return parts
    return [smaller for part_box in parts for smaller in _cut(ink, part_box)]


def _runs(used: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last of each run of rows that hold ink; gaps too narrow to be paper are passed over."""
    places = np.flatnonzero(used)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > NARROWEST_GAP)
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(places, breaks + 1)]
