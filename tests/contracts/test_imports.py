"""Imports point one way, `napari_colorize -> training <- archive_batch`, and cost little."""

import ast
import os
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import training

ROOT = Path(training.__file__).parents[1]
PACKAGES = {"archive_batch", "napari_colorize", "training"}
GUI = {"napari", "qtpy", "magicgui", "superqt"}
CLUSTER = {"dask", "distributed"}

NEVER_IMPORTED = {
    "training": GUI | CLUSTER | {"napari_colorize", "archive_batch"},
    "archive_batch": GUI | {"napari_colorize"},
    "napari_colorize": CLUSTER | {"archive_batch"},
}

NOT_LOADED_BY = {
    "training": {"torch", "numba", "pydantic", "zarr"},
    "training.cli": {"torch", "numba", "napari", "distributed"},
    "archive_batch.cli": {"torch", "napari", "qtpy"},
    "napari_colorize": {"torch", "napari", "zarr"},
    "napari_colorize._widget": {"torch"},
}

SECONDS_BEYOND_NUMPY = """
import time
import numpy
start = time.perf_counter()
import training
print(time.perf_counter() - start)
"""


def run_python(code: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **kwargs)


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_packages(path: Path) -> set[str]:
    """Top-level packages that a file imports, in function bodies too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", NEVER_IMPORTED)
def test_packages_import_in_one_direction_only(package):
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in sources(package)
        if (found := imported_packages(path) & NEVER_IMPORTED[package])
    }
    assert not wrong


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_every_package_that_is_imported_is_declared_in_pyproject(package):
    declared = {canonicalize_name(Requirement(line).name) for line in requires("napari-colorize")}
    distributions = packages_distributions()
    imported = set().union(*map(imported_packages, sources(package))) - sys.stdlib_module_names - PACKAGES
    missing = [name for name in imported if not declared & set(map(canonicalize_name, distributions.get(name, ())))]
    assert not missing


@pytest.mark.parametrize("module", NOT_LOADED_BY)
def test_importing_a_module_leaves_the_heavy_packages_alone(module):
    done = run_python(f"import sys, {module}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not NOT_LOADED_BY[module] & set(done.stdout.split())


def test_importing_training_costs_at_most_a_tenth_of_a_second_beyond_numpy():
    assert min(float(run_python(SECONDS_BEYOND_NUMPY).stdout) for _ in range(3)) <= 0.1


@pytest.mark.parametrize("name", ["ChromaMap", "Colorizer", "Hint", "Region", "gray"])
def test_the_public_names_are_reached_through_napari_colorize(name):
    import napari_colorize

    assert name in dir(napari_colorize)
    assert getattr(napari_colorize, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    import napari_colorize

    with pytest.raises(AttributeError, match="no attribute 'Colourizer'"):
        napari_colorize.Colourizer  # noqa: B018


@pytest.mark.parametrize("foreign", ["training/__init__.py", "training.py"])
def test_a_foreign_training_on_the_path_is_named_in_one_sentence(tmp_path, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).touch()
    done = run_python("import napari_colorize", env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    last_line = done.stderr.strip().splitlines()[-1]
    assert last_line.startswith("ImportError: napari-colorize needs its own package `training`")
    assert str(tmp_path) in last_line
