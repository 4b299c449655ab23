"""What napari finds of the plugin, and what becomes of it when a window closes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

from napari_colorize._sample_data import stack

SAMPLES = ("astronaut", "camera", "cat", "coffee", "rocket", "stack")


def test_npe2_finds_the_plugin_with_its_widget_and_samples():
    manager = PluginManager()
    manager.discover()
    manifest = manager.get_manifest("napari-colorize")
    assert isinstance(manifest, PluginManifest)
    assert [widget.display_name for widget in manifest.contributions.widgets] == ["Colorize"]
    assert tuple(sample.key for sample in manifest.contributions.sample_data) == SAMPLES


def test_samples_open_as_gray_layers(make_napari_viewer):
    viewer = make_napari_viewer()
    for key in SAMPLES:
        (layer,) = viewer.open_sample("napari-colorize", key)
        assert not layer.rgb
        assert layer.dtype == np.uint8
        assert layer.ndim == (3 if key == "stack" else 2)


def test_the_stack_moves():
    ((planes, options, kind),) = stack()
    assert planes.shape == (8, 256, 256)
    assert options["axis_labels"] == ("t", "y", "x")
    assert kind == "image"
    assert (np.diff(planes.astype(int), axis=0) != 0).any(axis=(1, 2)).all()


CLOSING = """
import time
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_colorize._widget import ColorizeWidget

def go_on(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)

def close_viewer(viewer): viewer.close()
def close_window(viewer): viewer.window.close()

for close in (close_viewer, close_window):
    viewer = napari.Viewer(show=False)
    viewer.add_image(np.random.default_rng(1).integers(0, 256, (99, 40, 48), np.uint8), name="film")
    widget = ColorizeWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value, widget.planes.value = "random", "all planes"
    widget.colorize_button.native.click()
    while "film (colour)" not in viewer.layers:
        go_on(0.05)
    close(viewer)
    del widget
    go_on(0.5)
from superqt.utils._qthreading import WorkerBase
print(len(WorkerBase._worker_set), "workers are left")
"""


@pytest.mark.usefixtures("qapp")  # where there is no screen, this is left out
def test_closing_the_viewer_during_a_run_ends_it_quietly(models, tmp_path):
    # in a process of its own: without napari's hooks, PyQt6 ends the process at an exception in a slot
    script = Path(tmp_path, "closing.py")
    script.write_text(CLOSING)
    command = [sys.executable, "-W", "error::RuntimeWarning", str(script)]
    done = subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "0 workers are left"
