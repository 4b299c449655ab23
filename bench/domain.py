"""How well planes that are no photographs are told from photographs: the share of each set that gets each flag.

DICOM, NIfTI and video are measured where pydicom, nibabel and av are installed. Writes bench/results/domain.json.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from _measure import save_results

from training import Colorizer
from training.color import gray
from training.degradation import NETWORK_SIDE, degraded
from training.domain import NOTES
from training.gray_page import GrayPages, SomePlanes, plane_kind
from training.picture_sources import decode_rgb, iter_picture_files
from training.window import Window, choose_window

Planes = Iterator[tuple[np.ndarray, Window | None]]

FRAMES = 10  # of a film one in so many, of a video one in three times as many
TILE, TILE_STEP = 512, 256  # of a slide
SLICES = 12  # along each axis of a volume
# what is print or drawn among the scans; the others are photographs, blank, or patterns for testing readers
PRINT = (
    *("lep_1555", "lep_cavalerie", "lep_dave", "lep_jpeg-coded", "lep_map1", "lep_pageseg1", "lep_rgb16", "lep_scots"),
    *("lep_test16", "lep_tribune", "pil_g4", "tm_fivepages", "tm_g3aoe", "tm_scan"),
)


def rgbs(source: Path) -> Iterator[np.ndarray]:
    return (np.asarray(decode_rgb(picture.read())) for picture in iter_picture_files(source))


def photographs(source: Path, every: int = 1, start: int = 0) -> Planes:
    for index, rgb8 in enumerate(rgbs(source)):
        if index % every == start:
            yield gray(rgb8), None


def old_photographs(folder: Path) -> Planes:
    for path in sorted(folder.glob("*.jpg")):  # the folder in it has colour composites of some of them
        yield from photographs(path)


def aged(source: Path) -> Planes:
    rng = np.random.default_rng(0)
    for rgb8 in rgbs(source):
        yield np.rint(255 * degraded(rgb8, rng, min(rgb8.shape[:2]) / NETWORK_SIDE)).astype(np.uint8), None


def films(folder: Path) -> Planes:
    for path in sorted(folder.glob("*.tar")):
        yield from photographs(path, FRAMES)


def video(path: Path) -> Planes:
    import av

    for index, frame in enumerate(av.open(str(path)).decode(video=0)):
        if index % (3 * FRAMES) == 0:
            yield frame.to_ndarray(format="gray"), None


def prints(folder: Path) -> Planes:
    for path in sorted(path for name in PRINT for path in folder.glob(f"{name}*")):
        pages = GrayPages(path)
        for index in range(len(pages)):
            kind = plane_kind(pages[index].page, pages[index].plane)
            yield pages[index].plane, kind.choose_window(SomePlanes(pages, [index]))


def tiles(folder: Path) -> Planes:
    for rgb8 in rgbs(folder):
        for y in range(0, rgb8.shape[0] - TILE + 1, TILE_STEP):
            for x in range(0, rgb8.shape[1] - TILE + 1, TILE_STEP):
                yield gray(rgb8[y : y + TILE, x : x + TILE]), None


def dicom(folder: Path) -> Planes:
    """Slices, windowed by the percentiles of their series, as a viewer shows them."""
    with zipfile.ZipFile(folder / "mr_head_series_5slices.zip") as series:
        members = [series.read(name) for name in series.namelist() if not name.endswith("/")]
    for files in (members, *([path.read_bytes()] for path in sorted(folder.glob("*.dcm")))):
        yield from windowed(dicom_planes(files))


def dicom_planes(files: Sequence[bytes]) -> list[np.ndarray]:
    import pydicom
    from imagecodecs import jpeg2k_decode
    from pydicom.encaps import generate_frames

    planes = []
    for content in files:
        dataset = pydicom.dcmread(io.BytesIO(content), force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        jpeg2000 = "JPEG 2000" in dataset.file_meta.TransferSyntaxUID.name
        pixels = jpeg2k_decode(next(generate_frames(dataset.PixelData))) if jpeg2000 else dataset.pixel_array
        planes += list(pixels.reshape(-1, *pixels.shape[-2:]).astype(np.float32))
    return planes


def nifti(path: Path) -> Planes:
    import nibabel

    volume = np.asarray(nibabel.load(path).dataobj, np.float32)
    for axis in range(3):
        inner = slice(volume.shape[axis] // 10, -volume.shape[axis] // 10, volume.shape[axis] // SLICES)
        yield from windowed([np.rot90(plane) for plane in np.moveaxis(volume, axis, 0)[inner]])


def windowed(planes: list[np.ndarray]) -> Planes:
    window = choose_window(planes)
    return ((plane, window) for plane in planes)


def shares(colorizer: Colorizer, planes: Planes) -> dict[str, float | int]:
    flags = [colorizer.predict(plane, window=window).flags for plane, window in planes]
    counts = {flag: sum(flag in found for found in flags) / len(flags) for flag in NOTES}
    return {"planes": len(flags), **{flag: round(share, 4) for flag, share in counts.items()}}


def sets(data: Path) -> dict[str, Callable[[], Planes]]:
    select, medical = data / "select" / "select.tar", data / "medical"
    return {
        "photographs, half chosen on": lambda: photographs(select, 2),
        "photographs, other half": lambda: photographs(select, 2, start=1),
        "photographs, aged": lambda: aged(select),
        "historical": lambda: old_photographs(data / "historical"),
        "film": lambda: films(data / "film"),
        "surveillance": lambda: video(next((data / "surveillance").glob("*.mp4"))),
        "print and drawings": lambda: prints(data / "scans"),
        "medical: DICOM": lambda: dicom(medical / "dicom"),
        "medical: NIfTI": lambda: nifti(next(medical.glob("*.nii.gz"))),
        "medical: chest X-rays": lambda: photographs(medical / "xray"),
        "histology": lambda: tiles(data / "histology"),
        "blood cells": lambda: photographs(data / "blood_cells" / "test"),
    }


def main() -> None:
    folder = os.environ.get("COLORIZE_TEST_DATA")
    if not folder:
        print("Nothing to measure with: set COLORIZE_TEST_DATA to the folder of the test data.")
        return
    colorizer, results = Colorizer.load("photo", device="cpu"), {}
    for name, planes in sets(Path(folder)).items():
        try:
            results[name] = shares(colorizer, planes())
        except ModuleNotFoundError as error:
            print(f"{name}: left out, {error.name} is not installed")
            continue
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in results[name].items())}", flush=True)
    save_results("domain", results)


if __name__ == "__main__":
    main()
