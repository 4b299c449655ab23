"""Windows chosen from all values of a layer, measured beside the main thread and remembered while the data stay."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_colorize._source import source_of
from napari_colorize._worker import measure
from training.errors import ColorizeError
from training.window import Window, choose_window

if TYPE_CHECKING:
    from napari.layers import Image

MOST_VALUES = 1 << 26  # more is measured when colouring starts, and so is what is not in memory


class Measurements:
    """Windows of layers.

    Parameters
    ----------
    on_change
        Called on the main thread when a window has been measured.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change: Callable[[], None] | None = on_change
        self._windows: WeakKeyDictionary[Image, tuple[object, Window | None]] = WeakKeyDictionary()
        self._running: set[Any] = set()

    def window(self, layer: "Image") -> Window | None:
        """The window of a layer, or None where it is not known yet; then it is measured where that is quick."""
        if layer.dtype in (bool, np.uint8):
            return choose_window([np.zeros((1, 1), layer.dtype)])
        data, window = self._windows.get(layer, (None, None))
        if data is not layer.data:
            window = None
            self._start(layer)
        return window

    def is_measuring(self, layer: "Image") -> bool:
        """Whether the window of a layer will be known soon."""
        return isinstance(layer.data, np.ndarray) and layer.data.size <= MOST_VALUES

    def remember(self, layer: "Image", data: object, window: Window | None) -> None:
        """Keep a window that was chosen from all values of a layer."""
        self._windows[layer] = (data, window)
        if self._on_change is not None:
            self._on_change()

    def forget(self) -> None:
        """Call nobody any more."""
        self._on_change = None
        for worker in self._running:
            worker.quit()

    def _start(self, layer: "Image") -> None:
        from napari.qt.threading import create_worker

        data = layer.data
        self._windows[layer] = (data, None)  # asked for once
        if not self.is_measuring(layer):
            return
        try:
            source = source_of(layer)
        except ColorizeError:
            return  # pressing the button says why
        worker = create_worker(measure, source, _start_thread=False, _ignore_errors=True)
        worker.yielded.connect(lambda found: self.remember(layer, data, found if isinstance(found, Window) else None))
        worker.finished.connect(lambda: self._running.discard(worker))
        self._running.add(worker)
        worker.start()
