"""Planes that do not fit into memory."""

import tracemalloc

import numpy as np
import pytest

from training.small_lightness import small_lightness
from training.window import Window

pytestmark = pytest.mark.soak


class Lazy:
    """A plane of 100,000 x 100,000 whose chunks are made when they are read, as zarr has them."""

    shape, dtype, chunks = (100_000, 100_000), np.dtype(np.uint8), (512, 512)

    def __init__(self) -> None:
        self.read = 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.read += rows.stop - rows.start
        return np.full((rows.stop - rows.start, self.shape[1]), 100, np.uint8)


def test_ten_gigapixels_are_read_once_and_take_little_memory():
    plane = Lazy()
    tracemalloc.start()
    small = small_lightness(plane, Window(0, 255), 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plane.read == plane.shape[0]
    assert small.shape == (128, 128)
    assert np.ptp(small) == 0
    assert peak < 512 * plane.shape[1] + 200e6
