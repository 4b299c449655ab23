"""Draw the screenshot of docs/napari.md: a real viewer, on a screen or a virtual one, colours a sample photograph."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

# private settings, before napari is imported: the window shall not look as somebody's own does
_private = tempfile.TemporaryDirectory()
os.environ["NAPARI_CONFIG"] = str(Path(_private.name, "settings.yaml"))

import napari  # noqa: E402
from PIL import Image  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

PICTURE = Path(__file__).with_name("images") / "napari.png"
SAMPLE = "cat"
WINDOW = (1180, 760)
GRAYS, COLOURS = 64, 192  # of the file: a palette takes a third of the bytes


def wait(until: Callable[[], bool], timeout_s: float = 120) -> None:
    """Let napari work until something is true."""
    end = time.monotonic() + timeout_s
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("napari did not come to an end")
        QApplication.processEvents()
        time.sleep(0.01)


def pause(seconds: float) -> None:
    """Let napari draw."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def coloured_window() -> np.ndarray:
    """A window with the widget, a gray photograph and below it its colour: uint8, (Y, X, 4)."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(*WINDOW)
    viewer.open_sample("napari-colorize", SAMPLE)
    _, widget = viewer.window.add_plugin_dock_widget("napari-colorize", "Colorize")
    widget.colorize_button.native.click()
    wait(lambda: widget.colorize_button.enabled)
    if len(viewer.layers) != 2:
        raise RuntimeError(widget.status.value)
    viewer.grid.shape = (2, 1)
    viewer.grid.enabled = True
    pause(1)
    viewer.reset_view()
    pause(1)
    picture = viewer.screenshot(canvas_only=False, flash=False)
    viewer.close()
    return picture


def with_palette(rgb: np.ndarray) -> Image.Image:
    """A picture of a few colours in which gray stays gray."""
    coloured = rgb[(rgb != rgb[..., :1]).any(axis=-1)]
    palette = Image.new("P", (1, 1))
    grays = np.linspace(0, 255, GRAYS).round().astype(int).repeat(3).tolist()
    palette.putpalette(grays + Image.fromarray(coloured[None]).quantize(COLOURS).getpalette()[: 3 * COLOURS])
    return Image.fromarray(rgb).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


def main() -> None:
    """Write docs/images/napari.png."""
    picture = with_palette(coloured_window()[..., :3])
    PICTURE.parent.mkdir(exist_ok=True)
    picture.save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
