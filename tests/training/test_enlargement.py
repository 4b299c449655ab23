from dataclasses import replace

import numpy as np
import pytest

from training.chroma_map import ChromaMap
from training.enlargement import enlarge, grids_of_map, taps
from training.window import Window


def a_map(ab, lightness=None) -> ChromaMap:
    """A map of a plane of 320 x 440 pixels; without `lightness` it is flat, and guides nothing."""
    ab = np.asarray(ab, np.int8)
    half = ab.shape[1:]
    if lightness is None:
        lightness = np.full((half[0] * 2, half[1] * 2), 128, np.uint8)
    return ChromaMap(ab, np.zeros(half, np.uint8), lightness, (320, 440), Window(0, 255))


def enlarged(chroma: ChromaMap, lightness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a* and b* of a whole plane of this L*."""
    height, width = lightness.shape
    return enlarge(grids_of_map(chroma), lightness.astype(np.float32), (height, width), (0, height), (0, width))


@pytest.mark.parametrize("side", [40, 160, 320, 1000])
def test_a_ramp_stays_a_ramp_at_any_level(side):
    """Over level 0 pixel i lies at (i + 0.5) * H0 / Hl - 0.5; cubic convolution keeps ramps, but for the borders."""
    cells, whole = 40, 320
    ramp = np.tile(np.arange(cells, dtype=np.int16), (2, 4, 1))
    values, _ = enlarged(a_map(ramp), np.full((2, side), 50))
    at_level_0 = (np.arange(side) + 0.5) * whole / side - 0.5
    expected = (at_level_0 + 0.5) * cells / whole - 0.5
    inside = (expected > 2) & (expected < cells - 3)
    np.testing.assert_allclose(values[0, inside], expected[inside], atol=1e-4)


def test_the_grid_comes_back_where_pixels_lie_on_its_cells():
    ab = np.random.default_rng(5).integers(-80, 81, (2, 16, 22))
    for values, plane in zip(enlarged(a_map(ab), np.full((16, 22), 128 / 2.55)), ab):
        np.testing.assert_allclose(values, plane, atol=1e-4)


def test_a_constant_map_is_constant_everywhere_whatever_the_lightness():
    rng = np.random.default_rng(6)
    chroma = a_map(np.full((2, 16, 22), 30), rng.integers(0, 256, (32, 44), np.uint8))
    for values in enlarged(chroma, rng.uniform(0, 100, (61, 83))):
        np.testing.assert_allclose(values, 30, rtol=1e-4)


def test_colour_stops_at_an_edge_of_the_lightness():
    """A third of the halo of plain cubic convolution, or less, wherever the edge lies: what the guidance is for."""
    halos = np.array([halos_at(64 + offset) for offset in range(8)])
    assert halos[:, 0].mean() < halos[:, 1].mean() / 3


def halos_at(edge: int, cell: int = 8) -> tuple[float, float]:
    """Mean error of a* within two cells of an edge, with guidance and without."""
    lightness = np.where(np.arange(128) < edge, 30.0, 70.0)[None].repeat(128, axis=0)
    truth = np.where(np.arange(128) < edge, 40.0, -20.0)[None].repeat(128, axis=0)
    ab = np.rint(truth.reshape(16, cell, 16, cell).mean(axis=(1, 3)))
    small = np.rint(lightness.reshape(32, 4, 32, 4).mean(axis=(1, 3)) * 2.55).astype(np.uint8)
    guided, _ = enlarged(a_map([ab, ab], small), lightness)
    plain, _ = enlarged(a_map([ab, ab]), lightness)
    near = np.s_[:, edge - 2 * cell : edge + 2 * cell]
    return np.abs(guided - truth)[near].mean(), np.abs(plain - truth)[near].mean()


def test_grain_is_not_painted_into_the_colour():
    """Where the small lightness is flat, what a pixel shows beyond it says nothing about colour."""
    rng = np.random.default_rng(7)
    ab = np.cumsum(rng.integers(-4, 5, (2, 16, 22)), axis=2)
    small = np.full((32, 44), 128, np.uint8)
    still = enlarged(a_map(ab, small), np.full((160, 220), 50))
    grainy = enlarged(a_map(ab, small), 50 + rng.normal(0, 4, (160, 220)))
    for one, other in zip(still, grainy):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(("side", "cells"), [(1, 1), (1, 7), (7, 1), (13, 5), (5, 13), (640, 64)])
@pytest.mark.parametrize("wraps", [False, True])
def test_weights_sum_to_one_and_cells_exist(side, cells, wraps):
    found = taps(0, side, side, cells, wraps=wraps)
    np.testing.assert_allclose(found.cubic.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(found.linear.sum(axis=0), 1, atol=1e-6)
    assert found.near.min() >= 0
    assert found.near.max() < cells


def test_a_map_that_wraps_is_enlarged_as_if_its_neighbours_were_copies_of_it():
    rng = np.random.default_rng(8)
    ab, small = rng.integers(-40, 41, (2, 6, 9)), rng.integers(0, 256, (12, 18), np.uint8)
    lightness = rng.uniform(0, 100, (53, 71))
    tile = replace(a_map(ab, small), wraps=True)
    nine = a_map(np.tile(ab, (1, 3, 3)), np.tile(small, (3, 3)))
    for one, many in zip(enlarged(tile, lightness), enlarged(nine, np.tile(lightness, (3, 3)))):
        np.testing.assert_allclose(one, many[53:106, 71:142], atol=1e-3)
