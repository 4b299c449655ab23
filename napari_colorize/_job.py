"""One run, on the main thread: what the worker yields becomes a layer, plane by plane."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_colorize._result import Result, add_result
from napari_colorize._worker import Begun, ColoredPlane, Event, Failed, Identity, Progress, Task, run

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

RESULT_REMOVED = "the result was removed"


class Job:
    """A run of a task; ends once: finished, stopped or failed.

    It stops by itself when its source or its result is removed or gets other data. Finished planes stay.

    Parameters
    ----------
    viewer, layer
        Where the layer is, and the layer whose planes the task colours.
    task
        What to do.
    results
        Those that there are of this layer: planes are put into the one of the same identity.
    on_change
        Called on the main thread with the job when it has come further or has ended.

    Attributes
    ----------
    fraction, doing
        How far it is, 0 to 1, and a few words on what it does.
    planes : int
        Finished planes.
    result : Result or None
        From the first finished plane on.
    identity : Identity or None
        Model and window, from when they are known.
    ended : bool
        Whether it has ended; nothing comes after that.
    error : str
        The sentence that says why it failed, else empty.
    reason : str
        Why it stopped by itself, else empty.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        layer: "Image",
        task: Task,
        results: Sequence[Result],
        on_change: Callable[["Job"], None],
    ) -> None:
        self.fraction, self.doing, self.planes = 0.0, "starting", 0
        self.result: Result | None = None
        self.identity: Identity | None = None
        self.ended, self.error, self.reason = False, "", ""
        self.layer, self.data, self.task = layer, layer.data, task
        self._layers, self._results, self._on_change = viewer.layers, results, on_change

    def start(self) -> None:
        """Start the worker."""
        from napari.qt.threading import create_worker

        self._layers.events.removed.connect(self._on_removed)
        self.layer.events.data.connect(self._on_source_data)
        # errors come as events: superqt would raise them again on the main thread
        self._worker = create_worker(run, self.task, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(self._receive)
        self._worker.finished.connect(self._finish)
        self._worker.start()

    def stop(self, reason: str = "") -> None:
        """End now; the thread ends at its next yield, and what it still brings is dropped."""
        if self.ended:
            return
        self.reason = reason
        self._worker.quit()
        self._end("stopped")

    def abandon(self) -> None:
        """Stop, and call nobody: the widget is gone."""
        self._on_change = lambda job: None
        self.stop()

    def _receive(self, event: Event) -> None:
        if self.ended:  # was on its way when the job ended
            return
        match event:
            case Failed():
                self.error = event.sentence
                return self._end("failed")
            case Begun():
                self._begin(event)
            case ColoredPlane():
                self._show(event)
            case Progress():
                self.fraction, self.doing = event.fraction, event.doing
        if not self.ended:
            self._on_change(self)

    def _begin(self, begun: Begun) -> None:
        self.identity = begun.identity
        if begun.canvas is None:
            self._follow(next(result for result in self._results if result.identity == begun.identity))
        else:
            self._new_result = partial(add_result, self._layers, self.layer, begun.canvas, begun.identity)

    def _show(self, plane: ColoredPlane) -> None:
        self.planes += 1
        self.fraction = self.planes / len(self.task.indices)
        if self.result is None:
            self._follow(self._new_result(plane))
        else:
            with self.result.layer.events.data.blocker(self._on_result_data):
                self.result.put(plane)

    def _follow(self, result: Result) -> None:
        self.result = result
        if result.layer not in self._layers:
            return self.stop(RESULT_REMOVED)
        result.layer.events.data.connect(self._on_result_data)

    def _finish(self) -> None:
        """The worker is at its end: all is done, or somebody else has stopped it (napari does when it closes)."""
        if not self.ended:
            self._end("done" if self.planes == len(self.task.indices) else "stopped")

    def _end(self, how: str) -> None:
        self.ended, self.doing = True, how
        self._layers.events.removed.disconnect(self._on_removed)
        self.layer.events.data.disconnect(self._on_source_data)
        if self.result is not None:
            self.result.layer.events.data.disconnect(self._on_result_data)
        self._on_change(self)

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.stop("the layer was removed")
        elif self.result is not None and event.value is self.result.layer:
            self.stop(RESULT_REMOVED)

    def _on_source_data(self, event: Any) -> None:
        self.stop("the layer has other data now")

    def _on_result_data(self, event: Any) -> None:
        self.stop("the result has other data now")
