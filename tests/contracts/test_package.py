"""What is in the wheel, and that napari finds the plugin in it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import training

ROOT = Path(training.__file__).parents[1]
PACKAGES = ("archive_batch", "napari_colorize", "training")
DATA = ("*.safetensors", "*.md", "*.toml", "*.yaml", "*.typed", "*.html", "*.j2", "SHA256SUMS")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """Folder with the contents of the wheel, as an installer lays them."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_beside(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python so that it finds the unpacked wheel before the source tree."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, timeout=120)


def test_the_wheel_holds_the_three_packages_and_nothing_else(site):
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_file_that_is_no_code(site, package):
    in_the_tree = {path.relative_to(ROOT) for pattern in DATA for path in (ROOT / package).rglob(pattern)}
    assert Path(package, "py.typed") in in_the_tree
    assert not {path for path in in_the_tree if not (site / path).is_file()}


def test_the_wheel_holds_the_shipped_models_with_their_cards_and_recipes(site):
    models = sorted((site / "training/models").glob("*.safetensors"))
    assert models
    assert all(model.with_suffix(".md").is_file() for model in models)
    assert list((site / "training/recipes").glob("*.toml"))


def test_the_manifest_is_a_copy_not_a_link(site):
    manifest = site / "napari_colorize/napari.yaml"
    assert manifest.read_bytes() == (ROOT / "napari.yaml").read_bytes()


def test_npe2_finds_a_valid_manifest_whose_commands_can_be_imported(site):
    done = run_beside(site, "-m", "npe2", "validate", "napari-colorize", "--imports")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unpacked_wheel_knows_its_version(site):
    code = "import archive_batch, napari_colorize; print(napari_colorize.__file__, archive_batch.__version__)"
    file, version = run_beside(site, "-c", code).stdout.split()
    assert Path(file).is_relative_to(site)
    assert version == training.__version__
