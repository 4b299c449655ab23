"""A real viewer with the widget in it, a model that is quick, and what the widget told the user."""

import shutil

import pytest


@pytest.fixture
def models(model_file, tmp_path, monkeypatch):
    """The user's folder of models, with one model in it."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(model_file, folder)
    monkeypatch.setenv("COLORIZE_MODELS", str(folder))
    return folder


@pytest.fixture
def told():
    """Sentences of the notifications that were shown, as they come."""
    from napari.utils.notifications import notification_manager

    sentences = []

    def keep(notification):
        sentences.append(notification.message)

    notification_manager.notification_ready.connect(keep)
    yield sentences
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture
def threads_end(qapp):
    """No thread is left when the test ends."""
    from qtpy.QtCore import QThreadPool

    yield
    assert QThreadPool.globalInstance().waitForDone(20_000)


@pytest.fixture
def viewer(make_napari_viewer, threads_end):
    """A viewer with its window."""
    return make_napari_viewer()


@pytest.fixture
def viewer_model(threads_end):
    """Layers and dims of a viewer, without a window: quick."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def open_widget(models, qtbot):
    """Open the widget in a viewer as the menu does, with the quick model chosen."""

    def open_widget(viewer):
        if hasattr(viewer, "window"):
            _, widget = viewer.window.add_plugin_dock_widget("napari-colorize", "Colorize")
        else:
            widget = without_dock(viewer)
        widget.model.value = "random"
        return widget

    def without_dock(viewer):
        from napari_colorize._widget import ColorizeWidget

        widget = ColorizeWidget(viewer)
        qtbot.addWidget(widget.native)
        for event in ("inserted", "removed", "reordered", "renamed"):  # as napari does for dock widgets
            getattr(viewer.layers.events, event).connect(widget.reset_choices)
        return widget

    return open_widget


@pytest.fixture
def colorize(qtbot):
    """Press the button of a widget; wait until the run has ended, or until something is true."""

    def colorize(widget, until=None):
        widget.colorize_button.native.click()
        qtbot.waitUntil(until or (lambda: widget.colorize_button.enabled), timeout=60_000)

    return colorize
