"""What all tests share: private folders, one thread, the test data, and no window where there is no screen."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def model_file(tmp_path_factory) -> Path:
    """A model of random weights, always the same, whose colours are strong enough to be seen."""
    import torch

    from training.checkpoints import ModelInfo, save_model
    from training.network import UNetGenerator

    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(20)
        network = UNetGenerator()
    with torch.no_grad():
        network.chroma_head.weight *= 30
    path = tmp_path_factory.mktemp("models") / "random.safetensors"
    info = ModelInfo("random", "efficientnet_lite0", 128, 128, saturation=1.0, mean_ab=(0.0, 0.0), samples=0)
    save_model(path, network, info)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 kB of its own."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
