"""The dock widget *Colorize*: wires its controls to a run, computes nothing."""

import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, Label, ProgressBar, PushButton, RadioButtons
from qtpy.QtWidgets import QSizePolicy

from napari_colorize._job import Job
from napari_colorize._measure import Measurements
from napari_colorize._source import Index, Source, source_of
from napari_colorize._window import describe, is_inverted, is_touched, window_of_layer
from napari_colorize._worker import Task
from training.errors import ColorizeError, ModelFileError, PlaneError
from training.model_files import available_models, user_model_folder
from training.window import Window

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_colorize._result import Result

THIS_PLANE, ALL_PLANES = "this plane", "all planes"
logger = logging.getLogger(__name__)
LEAST_WIDTH = 300  # pixels: the title of the dock is not cut off


class ColorizeWidget(Container):
    """Colour a gray image layer.

    Parameters
    ----------
    napari_viewer
        Given by napari.

    Attributes
    ----------
    layer, model, planes, gray, follow
        What to colour, with which model, one plane or all, the gray window that is used, whether it follows the layer.
    colorize_button, cancel_button, progress, status
        The run.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        # napari hands a proxy out whose layers are proxies too: not the objects that events bring
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._job: Job | None = None
        self._results: list[Result] = []
        self._untouched: WeakKeyDictionary[Image, tuple[float, ...]] = WeakKeyDictionary()
        self._watched: Image | None = None
        self._measurements = Measurements(self._show_window)
        self._make_controls()
        super().__init__(widgets=[*self._form, self._buttons, self.progress, self.status])
        self.min_width = LEAST_WIDTH
        self._connect()
        self.reset_choices()
        self._choose_active()
        self._layer_chosen()

    def _make_controls(self) -> None:
        self.layer = ComboBox(label="layer", choices=lambda _: self._gray_layers(), tooltip="Gray image layers")
        self.model = ComboBox(
            label="model", choices=lambda _: list(available_models()), tooltip=f"Your own lie in {user_model_folder()}"
        )
        self.planes = RadioButtons(
            label="colour", choices=(THIS_PLANE, ALL_PLANES), orientation="horizontal", visible=False
        )
        self.planes.value = THIS_PLANE
        self.gray = Label(label="gray window", tooltip="Stored values that become black and white")
        self.follow = CheckBox(
            label="",
            text="follow the layer",
            tooltip="Take the layer's contrast limits, gamma and inverted colormap",
        )
        self._form = [self.layer, self.model, self.planes, self.gray, self.follow]
        self.colorize_button = PushButton(text="Colorize")
        self.cancel_button = PushButton(text="Cancel", enabled=False)
        self._buttons = Container(widgets=[self.colorize_button, self.cancel_button], layout="horizontal", labels=False)
        self.progress = ProgressBar(label="", max=100, visible=False)
        self.status = Label(label="")
        for label in (self.gray, self.status):
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def _connect(self) -> None:
        self.layer.changed.connect(self._layer_chosen)
        self.follow.changed.connect(self._show_window)
        self.colorize_button.changed.connect(self._press_start)
        self.cancel_button.changed.connect(self._press_cancel)
        self._viewer.layers.selection.events.active.connect(self._choose_active)
        self.native_parent_changed.connect(self._parent_changed)
        self.native.destroyed.connect(self._abandon)

    def reset_choices(self, *_: object) -> None:
        """List layers and models anew; napari calls it when its layers change."""
        for layer in self._gray_layers():
            self._untouched.setdefault(layer, _untouched_limits(layer))
        layers = self._viewer.layers
        self._results = [result for result in self._results if result.layer in layers and result.source in layers]
        super().reset_choices()

    def _gray_layers(self) -> "list[Image]":
        from napari.layers import Image

        return [layer for layer in self._viewer.layers if isinstance(layer, Image) and not layer.rgb]

    def _choose_active(self, *_: object) -> None:
        active = self._viewer.layers.selection.active
        if active in self.layer.choices:
            self.layer.value = active

    def _layer_chosen(self, *_: object) -> None:
        layer = self.layer.value
        for event in _looks(self._watched):
            event.disconnect(self._look_changed)
        self._watched = layer
        for event in _looks(layer):
            event.connect(self._look_changed)
        self._look_changed()

    def _look_changed(self, *_: object) -> None:
        layer = self._watched
        if layer is not None:
            self.planes.visible = layer.ndim > 2
            limits, untouched = layer.contrast_limits, self._untouched.get(layer, layer.contrast_limits)
            self.follow.value = is_touched(limits, untouched, layer.gamma, is_inverted(layer.colormap.colors))
        self._show_window()

    def _show_window(self, *_: object) -> None:
        """Say which gray would be used now."""
        layer = self._watched
        if layer is None:
            self.gray.value = "no gray image layer is open"
            return
        window = self._window(layer)
        soon = "is being" if self._measurements.is_measuring(layer) else "will be, when colouring starts,"
        self.gray.value = describe(window) if window else f"{soon} measured from all values"

    def _window(self, layer: "Image") -> Window | None:
        if self.follow.value:
            return window_of_layer(layer.contrast_limits, layer.gamma, is_inverted(layer.colormap.colors))
        return self._measurements.window(layer)

    def _press_start(self) -> None:
        """Start a run, or say why not. Nothing may be raised in a slot: Qt would end the program."""
        from napari.utils.notifications import show_error

        try:
            layer = self.layer.value or self._unsuitable_layer()
            task = self._task(layer, source_of(layer))
            self._job = job = Job(self._viewer, layer, task, self._results_of(layer), self._job_changed)
            job.start()
        except ColorizeError as error:
            show_error(str(error))
        except Exception as error:
            logger.exception("starting to colour")
            show_error(f"Colouring cannot start: {type(error).__name__}: {error}. This is a mistake of the plugin's.")
        else:
            self._job_changed(job)

    def _unsuitable_layer(self) -> "napari.layers.Layer":
        active = self._viewer.layers.selection.active
        if active is None:
            raise PlaneError("There is no gray image layer: open one, or File > Open Sample > napari-colorize")
        return active

    def _task(self, layer: "Image", source: Source) -> Task:
        if self.model.value is None:
            raise ModelFileError(f"There is no model: put one (a file NAME.safetensors) into {user_model_folder()}")
        shown = source.clip(layer.world_to_data(self._viewer.dims.point))
        indices: list[Index] = [shown] if self.planes.value == THIS_PLANE else source.nearest_first(shown)
        known = [result.identity for result in self._results_of(layer)]
        return Task(source, indices, self.model.value, self._window(layer), known)

    def _results_of(self, layer: "Image") -> "list[Result]":
        return [result for result in self._results if result.layer in self._viewer.layers and result.is_of(layer)]

    def _press_cancel(self) -> None:
        if self._job is not None:
            self._job.stop()

    def _job_changed(self, job: Job) -> None:
        from napari.utils.notifications import show_error, show_info

        self.colorize_button.enabled = job.ended
        self.cancel_button.enabled = not job.ended
        self.progress.visible = not job.ended
        self.progress.value = round(100 * job.fraction)
        self.status.value = _summary(job) if job.ended else job.doing
        if job.ended:
            self._job = None  # lets go of the data
        if job.identity is not None and job.task.window is None:
            self._measurements.remember(job.layer, job.data, job.identity.window)
        if job.result is not None and job.result not in self._results:
            self._results.append(job.result)
        if job.error:
            show_error(job.error)
        elif job.reason:
            show_info(f"Colouring {job.task.source.name} stopped: {job.reason}.")

    def _parent_changed(self, *_: object) -> None:
        """Stop where the dock was closed: napari takes the widget out of it then, nobody could cancel any more."""
        if self._job is not None and self.native.parent() is None:
            self._job.stop()

    def _abandon(self, *_: object) -> None:
        """The window is gone: no control may be touched any more."""
        self._measurements.forget()
        if self._job is not None:
            self._job.abandon()


def _untouched_limits(layer: "Image") -> tuple[float, ...]:
    """Contrast limits as napari chose them: for arrays in memory its range, for lazy ones those of the first plane."""
    return tuple(layer.contrast_limits_range if isinstance(layer.data, np.ndarray) else layer.contrast_limits)


def _looks(layer: "Image | None") -> list:
    names = ("contrast_limits", "gamma", "colormap", "data")
    return [] if layer is None else [getattr(layer.events, name) for name in names]


def _summary(job: Job) -> str:
    if job.error:
        return job.error
    total = len(job.task.indices)
    coloured = f"{job.planes} of {total} planes coloured" if total > 1 else ""
    return ": ".join(filter(None, (job.doing, coloured)))
