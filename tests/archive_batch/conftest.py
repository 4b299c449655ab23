"""A folder of scans, an archive made of it, and targets made of that: each once for all tests."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image

from archive_batch.ingest import Ingested, ingest
from archive_batch.sources import find_files


@pytest.fixture(scope="session")
def scans(tmp_path_factory) -> Path:
    """A 16-bit TIFF of two pages, a JPEG, a black PNG, a colour photograph, a damaged TIFF, and a text."""
    folder = tmp_path_factory.mktemp("scans")
    (folder / "box 1").mkdir()
    camera = skimage.data.camera()
    pages = np.stack([camera, camera[::-1]]).astype(np.uint16) * 200 + 7
    pages = np.pad(pages, ((0, 0), (0, 109), (0, 22)), mode="reflect")
    tifffile.imwrite(folder / "box 1/two.tif", pages, photometric="minisblack", compression="zlib")
    Image.fromarray(camera[::2, ::3]).save(folder / "boy.jpg", quality=90)
    Image.fromarray(np.zeros((130, 140), np.uint8)).save(folder / "black.png")
    Image.fromarray(skimage.data.astronaut()[::2, ::2]).save(folder / "astronaut.png")
    whole = (folder / "box 1/two.tif").read_bytes()
    (folder / "broken.tif").write_bytes(whole[: len(whole) // 3])
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="session")
def ingested(scans, tmp_path_factory) -> tuple[Path, Ingested]:
    archive = tmp_path_factory.mktemp("archive") / "archive.zarr"
    return archive, ingest(find_files([scans])[0], str(archive))


@pytest.fixture(scope="session")
def archive(ingested) -> Path:
    return ingested[0]


@pytest.fixture(scope="session")
def colorizer(model_file):
    from training.prediction import Colorizer

    return Colorizer.load(model_file, device="cpu")
