"""What all tests share: private folders, one thread, the test data, and no window where there is no screen."""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# In the environment, and before napari and torch are imported, so that processes that a test starts have them too.
_private = tempfile.TemporaryDirectory(prefix="napari-colorize-tests-")
os.environ["NAPARI_CONFIG"] = str(Path(_private.name, "settings.yaml"))
os.environ["COLORIZE_MODELS"] = str(Path(_private.name, "models"))
# One thread: results that do not depend on the machine, and two threads on a busy machine are slower than one.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

# No deadline: the first call of a test may import torch. In CI the same examples every time.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")


def _has_screen() -> bool:
    return sys.platform != "linux" or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def pytest_collection_modifyitems(items):
    """Leave the tests with windows out where there is no screen: Qt would end the whole run there."""
    if _has_screen():
        return
    skip = pytest.mark.skip(reason="there is no screen: run `make test`, which brings a virtual one")
    for item in items:
        if "qapp" in item.fixturenames:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the pictures, archives and damaged files that are too large to be part of the project."""
    folder = os.environ.get("COLORIZE_TEST_DATA")
    if not folder:
        pytest.skip("COLORIZE_TEST_DATA does not name the folder of the test data")
    return Path(folder)
