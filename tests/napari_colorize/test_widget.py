import re
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from napari_colorize import gray
from training.provenance import SENTENCE
from training.window import Window

MANUAL = Path(__file__).parents[2] / "docs/napari.md"
RNG = np.random.default_rng(7)
PLANE = RNG.integers(0, 256, (48, 64), dtype=np.uint8)
STACK = RNG.integers(0, 256, (4, 40, 48), dtype=np.uint8)
LONG_STACK = RNG.integers(0, 256, (60, 40, 48), dtype=np.uint8)  # takes some seconds


def is_coloured(rgb: np.ndarray) -> bool:
    return bool((rgb != rgb[..., :1]).any())


def coloured_planes(layer) -> list[int]:
    return [index for index, plane in enumerate(layer.data) if is_coloured(plane)]


def note(layer) -> dict:
    return layer.metadata["napari-colorize"]


def test_a_gray_layer_becomes_a_colour_layer_above_it(viewer, open_widget, colorize, models):
    viewer.add_image(PLANE, name="scan")
    viewer.add_points(np.zeros((1, 2)), name="marks")
    widget = open_widget(viewer)
    colorize(widget)
    assert [layer.name for layer in viewer.layers] == ["scan", "scan (colour)", "marks"]
    result = viewer.layers["scan (colour)"]
    assert result.rgb
    assert result.data.dtype == np.uint8
    assert is_coloured(result.data)
    assert (gray(result.data) == PLANE).all()
    assert widget.status.value == "done"


def test_the_result_says_what_made_it(viewer_model, open_widget, colorize):
    viewer_model.add_image(PLANE, name="scan")
    colorize(open_widget(viewer_model))
    result = viewer_model.layers["scan (colour)"]
    assert note(result)["statement"] == SENTENCE
    assert note(result)["records"][()]["colour"]["model"] == "random"
    assert (note(result)["maps"][()].render(PLANE) == result.data).all()


def test_the_result_lies_where_its_source_does(viewer_model, open_widget, colorize):
    source = viewer_model.add_image(
        STACK,
        name="film",
        scale=(3, 0.5, 0.25),
        translate=(7, -2, 5),
        rotate=30,
        shear=(0.1, 0, 0.2),
        affine=np.array([[1, 0, 0, 4], [0, 2, 0, 0], [0, 0.5, 1, 0], [0, 0, 0, 1]]),
        units=("mm", "um", "um"),
        axis_labels=("z", "y", "x"),
    )
    colorize(open_widget(viewer_model))
    result = viewer_model.layers["film (colour)"]
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_array_equal(getattr(result, name), getattr(source, name))
    np.testing.assert_allclose(result.data_to_world((1, 20, 30)), source.data_to_world((1, 20, 30)))
    assert result.units == source.units
    assert result.axis_labels == source.axis_labels


def test_this_plane_colours_the_plane_that_is_shown(viewer, open_widget, colorize):
    viewer.add_image(STACK, name="film", scale=(3, 1, 1), translate=(10, 0, 0))
    viewer.dims.set_point(0, 16)
    colorize(open_widget(viewer))
    result = viewer.layers["film (colour)"]
    assert coloured_planes(result) == [2]
    assert (gray(result.data) == STACK).all()


def test_further_planes_come_into_the_same_layer(viewer_model, open_widget, colorize):
    viewer_model.add_image(STACK, name="film")
    widget = open_widget(viewer_model)
    for plane in (3, 0):
        viewer_model.dims.set_current_step(0, plane)
        colorize(widget)
    assert len(viewer_model.layers) == 2
    assert coloured_planes(viewer_model.layers["film (colour)"]) == [0, 3]
    assert note(viewer_model.layers["film (colour)"])["maps"].keys() == {(0,), (3,)}


def test_another_window_makes_another_layer(viewer_model, open_widget, colorize):
    source = viewer_model.add_image(PLANE, name="scan")
    widget = open_widget(viewer_model)
    colorize(widget)
    source.contrast_limits = (40, 200)
    colorize(widget)
    assert {layer.name for layer in viewer_model.layers} == {"scan", "scan (colour)", "scan (colour) [1]"}
    assert (gray(viewer_model.layers["scan (colour) [1]"].data) == Window(40, 200).apply(PLANE, 8)).all()


def test_all_planes_are_coloured_on_request(viewer, open_widget, colorize):
    viewer.add_image(STACK, name="film")
    widget = open_widget(viewer)
    widget.planes.value = "all planes"
    colorize(widget)
    assert coloured_planes(viewer.layers["film (colour)"]) == [0, 1, 2, 3]
    assert widget.status.value == "done: 4 of 4 planes coloured"


def test_the_choice_of_planes_is_shown_for_stacks_only(viewer, open_widget):
    viewer.add_image(PLANE)
    widget = open_widget(viewer)
    widget.native.window().show()
    assert not widget.planes.visible
    viewer.add_image(STACK)
    assert widget.planes.visible


@pytest.mark.parametrize("make", [np.asarray, da.from_array])
def test_all_levels_of_a_multiscale_layer_are_coloured(viewer, open_widget, colorize, make):
    fine = RNG.integers(0, 256, (2, 80, 96), dtype=np.uint8)
    levels = [fine, fine[:, ::2, ::2].copy()]
    viewer.add_image([make(level) for level in levels], name="film", multiscale=True)
    widget = open_widget(viewer)
    for plane in (0, 1):
        viewer.dims.set_current_step(0, plane)
        colorize(widget)
    assert len(viewer.layers) == 2
    result = viewer.layers["film (colour)"]
    assert result.multiscale
    for rgb, level in zip(result.data, levels):
        assert coloured_planes_of(rgb) == [0, 1]
        assert (gray(rgb) == level).all()


def coloured_planes_of(stack: np.ndarray) -> list[int]:
    return [index for index, plane in enumerate(stack) if is_coloured(plane)]


def test_a_lazy_stack_is_windowed_by_all_its_values(viewer_model, open_widget, colorize):
    deep = STACK.astype(np.uint16) * 17
    viewer_model.add_image(da.from_array(deep, chunks=(1, 40, 48)), name="film")
    widget = open_widget(viewer_model)
    assert widget.gray.value == "will be, when colouring starts, measured from all values"
    assert not widget.follow.value
    colorize(widget)
    assert widget.gray.value == "0 to 65535"
    assert (gray(viewer_model.layers["film (colour)"].data) == Window(0, 65535).apply(deep, 8)).all()


def test_the_window_is_measured_and_shown(viewer_model, open_widget, colorize, qtbot):
    deep = STACK.astype(np.uint16)
    viewer_model.add_image(deep, name="film")
    widget = open_widget(viewer_model)
    qtbot.waitUntil(lambda: widget.gray.value == "0 to 4095 (12 of 16 bits: all values are below 4096)", timeout=10_000)
    colorize(widget)
    result = viewer_model.layers["film (colour)"]
    assert (gray(result.data) == Window(0, 4095).apply(deep, 8)).all()


def test_the_window_follows_the_layer_once_it_is_touched(viewer_model, open_widget, colorize):
    source = viewer_model.add_image(PLANE, name="scan")
    widget = open_widget(viewer_model)
    assert widget.gray.value == "0 to 255"
    assert not widget.follow.value
    source.gamma = 0.6
    source.colormap = "gray_r"
    assert widget.follow.value
    assert widget.gray.value == "255 to 0 (as the layer shows it, gamma 0.6, inverted)"
    widget.follow.value = False
    assert widget.gray.value == "0 to 255"


def test_a_layer_that_was_touched_before_is_followed(viewer_model, open_widget):
    viewer_model.add_image(PLANE.astype(np.float32), name="scan").contrast_limits = (20, 200)
    widget = open_widget(viewer_model)
    assert widget.follow.value
    assert widget.gray.value == "20 to 200 (as the layer shows it)"


def test_the_gray_of_the_colours_is_the_gray_on_the_screen(viewer, open_widget, colorize):
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (160, 1))
    source = viewer.add_image(ramp, name="ramp")
    widget = open_widget(viewer)
    for look in ({}, {"gamma": 0.5}, {"colormap": "gray_r", "gamma": 2, "contrast_limits": (30, 220)}):
        for name, value in look.items():
            setattr(source, name, value)
        colorize(widget)
        shots = [gray(screenshot_of(viewer, layer)).astype(int) for layer in list(viewer.layers)[:2]]
        assert np.abs(shots[0] - shots[1]).max() <= 3
        viewer.layers.remove("ramp (colour)")


def screenshot_of(viewer, shown) -> np.ndarray:
    for layer in viewer.layers:
        layer.visible = layer is shown
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3]


def test_cancel_frees_the_widget_at_once_and_keeps_finished_planes(viewer, open_widget, colorize, qtbot):
    viewer.add_image(LONG_STACK, name="film")
    widget = open_widget(viewer)
    widget.planes.value = "all planes"
    colorize(widget, until=lambda: "film (colour)" in viewer.layers)
    assert not widget.colorize_button.enabled
    widget.cancel_button.native.click()
    assert widget.colorize_button.enabled
    result = viewer.layers["film (colour)"]
    finished = coloured_planes(result)
    assert 1 <= len(finished) < 60
    assert widget.status.value == f"stopped: {len(finished)} of 60 planes coloured"
    assert {(index,) for index in finished} == note(result)["maps"].keys()
    widget.planes.value = "this plane"
    viewer.dims.set_current_step(0, 59)
    colorize(widget)
    assert coloured_planes(result) == [*finished, 59]


def test_a_run_that_is_cancelled_before_its_first_plane_leaves_no_layer(viewer_model, open_widget, colorize, qtbot):
    viewer_model.add_image(LONG_STACK, name="film")
    widget = open_widget(viewer_model)
    colorize(widget, until=lambda: not widget.colorize_button.enabled)
    widget.cancel_button.native.click()
    qtbot.wait(500)
    assert len(viewer_model.layers) == 1
    assert widget.status.value == "stopped"


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (lambda layers: layers.remove("film"), "the layer was removed"),
        (lambda layers: layers.remove("film (colour)"), "the result was removed"),
        (lambda layers: setattr(layers["film"], "data", STACK), "the layer has other data now"),
        (
            lambda layers: setattr(layers["film (colour)"], "data", np.zeros((2, 2, 3), np.uint8)),
            "the result has other",
        ),
        (lambda layers: layers.clear(), "the "),
    ],
)
def test_a_run_whose_layers_change_stops_and_says_why(viewer_model, open_widget, colorize, told, meddle, reason):
    viewer_model.add_image(LONG_STACK, name="film")
    widget = open_widget(viewer_model)
    widget.planes.value = "all planes"
    colorize(widget, until=lambda: "film (colour)" in viewer_model.layers)
    meddle(viewer_model.layers)
    assert widget.colorize_button.enabled
    assert told[-1].startswith(f"Colouring film stopped: {reason}")


def test_a_result_that_was_removed_is_made_anew(viewer_model, open_widget, colorize, told):
    viewer_model.add_image(LONG_STACK, name="film")
    widget = open_widget(viewer_model)
    widget.planes.value = "all planes"
    colorize(widget, until=lambda: "film (colour)" in viewer_model.layers)
    viewer_model.layers.remove("film (colour)")
    assert told == ["Colouring film stopped: the result was removed."]
    widget.planes.value = "this plane"
    colorize(widget)
    assert len(coloured_planes(viewer_model.layers["film (colour)"])) == 1


def test_without_a_model_the_folder_for_models_is_named(viewer_model, models, open_widget, colorize, told):
    viewer_model.add_image(PLANE, name="scan")
    widget = open_widget(viewer_model)
    widget.model.choices = ()
    colorize(widget, until=lambda: bool(told))
    assert told[0].startswith("There is no model: put one")
    assert str(models) in told[0]


def test_a_source_that_is_renamed_or_moved_meanwhile_does_no_harm(viewer_model, open_widget, colorize, qtbot):
    source = viewer_model.add_image(STACK, name="film")
    widget = open_widget(viewer_model)
    widget.planes.value = "all planes"
    colorize(widget, until=lambda: not widget.colorize_button.enabled)
    source.name = "reel"
    source.scale = (1, 2, 2)
    qtbot.waitUntil(lambda: widget.colorize_button.enabled, timeout=60_000)
    assert coloured_planes(viewer_model.layers["reel (colour)"]) == [0, 1, 2, 3]


def test_colour_layers_and_labels_are_no_choice(viewer_model, open_widget):
    viewer_model.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True)
    viewer_model.add_labels(np.zeros((8, 8), int))
    gray_layer = viewer_model.add_image(PLANE)
    assert open_widget(viewer_model).layer.choices == (gray_layer,)


def test_the_choice_follows_the_layer_that_is_selected(viewer_model, open_widget):
    first, second = viewer_model.add_image(PLANE), viewer_model.add_image(PLANE)
    widget = open_widget(viewer_model)
    assert widget.layer.value is second
    viewer_model.layers.selection.active = first
    assert widget.layer.value is first


@pytest.mark.parametrize(
    ("add", "sentence"),
    [
        (lambda viewer: None, "There is no gray image layer: open one"),
        (lambda viewer: viewer.add_labels(np.zeros((8, 8), int), name="cells"), "cells is a layer of kind Labels"),
        (lambda viewer: viewer.add_image(np.zeros((8, 8, 3)), rgb=True, name="scan"), "scan is in colour already"),
        (lambda viewer: viewer.add_image(np.full((8, 8), np.nan), name="scan"), "scan cannot be coloured: it holds no"),
    ],
)
def test_a_layer_that_cannot_be_coloured_gives_a_sentence(viewer_model, open_widget, colorize, told, add, sentence):
    add(viewer_model)
    layers = len(viewer_model.layers)
    widget = open_widget(viewer_model)
    colorize(widget, until=lambda: bool(told))
    assert told[0].startswith(sentence)
    assert widget.colorize_button.enabled
    assert len(viewer_model.layers) == layers


def test_a_damaged_model_gives_a_sentence(viewer_model, open_widget, colorize, models, told):
    viewer_model.add_image(PLANE, name="scan")
    (models / "torn.safetensors").write_bytes(b"torn")
    widget = open_widget(viewer_model)
    widget.model.value = "torn"
    colorize(widget, until=lambda: bool(told))
    assert told[0].startswith("scan cannot be coloured: ")
    assert "torn.safetensors: cannot be read as a model" in told[0]
    assert widget.colorize_button.enabled
    assert len(viewer_model.layers) == 1


def test_closing_the_dock_stops_the_run(viewer, open_widget, colorize, qtbot):
    viewer.add_image(LONG_STACK, name="film")
    widget = open_widget(viewer)
    widget.planes.value = "all planes"
    colorize(widget, until=lambda: "film (colour)" in viewer.layers)
    viewer.window.remove_dock_widget("all")
    qtbot.wait(200)
    finished = coloured_planes(viewer.layers["film (colour)"])
    qtbot.wait(500)
    assert coloured_planes(viewer.layers["film (colour)"]) == finished


def test_the_code_in_the_manual_runs(viewer_model, open_widget, colorize):
    viewer_model.add_image(PLANE, name="cat")
    colorize(open_widget(viewer_model))
    blocks = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert blocks
    names = {"viewer": viewer_model}
    for block in blocks:
        exec(block, names)
    assert (gray(names["rgb16"]) == PLANE.astype(np.uint16) * 257).all()
