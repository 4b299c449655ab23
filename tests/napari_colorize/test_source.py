from contextlib import suppress

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels, Points

from napari_colorize._source import FinestPlanes, Source, source_of
from training.errors import PlaneError

PLANE = np.zeros((6, 8), np.uint8)


def picture(data, **options) -> Image:
    return Image(data, name="scan", contrast_limits=(0, 1), **options)


def picture_with(data) -> Image:
    """A layer that was given data which napari does not show, and keeps all the same."""
    layer = picture(PLANE)
    with suppress(Exception):
        layer.data = data
    assert layer.data is data
    return layer


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Labels(PLANE, name="scan"), "scan is a layer of kind Labels: only gray image layers can be coloured"),
        (lambda: Points(np.zeros((1, 2)), name="scan"), "scan is a layer of kind Points"),
        (lambda: picture(np.zeros((6, 8, 3), np.uint8), rgb=True), "scan is in colour already.*napari_colorize.gray"),
        (lambda: picture_with(np.zeros((6, 8), complex)), "scan holds values of type complex128, which are no gray"),
        (lambda: picture_with(np.zeros((6, 8), object)), "scan holds values of type object, which are no gray"),
        (lambda: picture_with(np.zeros((6, 0), np.uint8)), r"scan is empty: its shape is \(6, 0\)"),
        (lambda: picture_with(np.arange(5)), "scan has fewer than two axes"),
        (lambda: picture(da.zeros((30_000, 256, 256), dtype=np.uint8)), "scan in colour would take 5.5 GB of memory"),
    ],
)
def test_a_layer_that_cannot_be_coloured_is_refused_with_a_sentence(make, sentence):
    with pytest.raises(PlaneError, match=sentence):
        source_of(make())


@pytest.mark.parametrize("make", [np.asarray, da.from_array, zarr.array])
def test_planes_are_read_from_arrays_of_any_kind(make):
    stack = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    source = Source("scan", (make(stack),))
    assert source.stack == (2, 3)
    (plane,) = source.plane((1, 2))
    assert type(plane) is np.ndarray
    assert (plane == stack[1, 2]).all()
    assert (np.stack(list(FinestPlanes(source))) == stack.reshape(6, 4, 5)).all()


def test_foreign_byte_order_is_made_the_machines():
    source = Source("scan", (np.arange(12).reshape(3, 4).astype(">u2"),))
    assert source.plane(())[0].dtype == np.uint16


def test_levels_whose_stack_is_reduced_too_are_left_out():
    levels = [np.zeros((8, 64, 64)), np.zeros((8, 32, 32)), np.zeros((4, 16, 16))]
    assert len(source_of(picture(levels, multiscale=True)).levels) == 2


def test_a_single_plane_has_one_index():
    source = Source("scan", (PLANE,))
    assert source.nearest_first(()) == [()]
    assert [plane.shape for plane in FinestPlanes(source)] == [(6, 8)]


def test_planes_come_nearest_first():
    source = Source("scan", (np.zeros((5, 2, 2)),))
    assert source.nearest_first((3,)) == [(3,), (2,), (4,), (1,), (0,)]


def test_a_position_outside_means_the_nearest_plane():
    source = Source("scan", (np.zeros((5, 3, 2, 2)),))
    assert source.clip((7.2, -3.0, 0, 0)) == (4, 0)
    assert source.clip((1.6, 1.4, 0, 0)) == (2, 1)


def test_data_that_cannot_be_read_are_named_in_a_sentence():
    def broken(block):
        raise OSError("the disk is gone")

    lazy = da.zeros((2, 4, 4)).map_blocks(broken, dtype=float, meta=np.zeros((0, 0, 0)))
    with pytest.raises(PlaneError, match=r"plane \[1\] cannot be read \(the disk is gone\)"):
        Source("scan", (lazy,)).plane((1,))
