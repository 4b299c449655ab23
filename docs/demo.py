"""The demo: photographs and a small scanned archive into colour, and the proof that the gray comes back.

Everything goes through the command lines, as a user would do it. The pictures are those that scikit-image bundles, made
gray where they are in colour, so that the truth stands beside the result.
"""

import base64
import io
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import tifffile
from PIL import Image
from skimage import data, transform

from archive_batch.targets import open_gray, open_rgb
from napari_colorize import gray

OUT = Path(__file__).parents[1] / "demo"
ALBUMS = {"album-1": ("astronaut", "coffee", "chelsea"), "album-2": ("camera", "motorcycle", "rocket")}
GRAIN = 0.02  # standard deviation, of white
BORDER = 40  # pixels of the scanner's dark lid around a page
THUMBNAIL = 420  # pixels


@dataclass(frozen=True)
class Row:
    """One picture in the report: gray, colour and, where it is known, the truth."""

    name: str
    before: np.ndarray
    after: np.ndarray
    truth: np.ndarray | None
    gray_comes_back: bool


def true_colours() -> dict[str, np.ndarray | None]:
    """The pictures by name; None where only gray is known."""
    left, _, _ = data.stereo_motorcycle()
    return {
        "astronaut": data.astronaut(),
        "camera": None,
        "chelsea": data.chelsea(),
        "coffee": data.coffee(),
        "motorcycle": left,
        "rocket": data.rocket(),
    }


def gray_pictures() -> dict[str, np.ndarray]:
    """The same in gray, 8 bit."""
    return {name: data.camera() if truth is None else gray(truth) for name, truth in true_colours().items()}


def scanned(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A page as a scanner gives it: enlarged, grainy, in 16 bit, with the dark lid around it."""
    page = transform.resize(picture, [side * 3 // 2 for side in picture.shape], order=3)
    page = np.pad(page, BORDER, constant_values=0.04)
    return np.rint(np.clip(page + rng.normal(0, GRAIN, page.shape), 0, 1) * 65535).astype(np.uint16)


def write_scans(folder: Path) -> None:
    """Two multi-page TIFF files."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    pictures = gray_pictures()
    for album, names in ALBUMS.items():
        with tifffile.TiffWriter(folder / f"{album}.tif") as tif:
            for name in names:
                tif.write(
                    scanned(pictures[name], rng), photometric="minisblack", compression="zlib", resolution=(300, 300)
                )


def run(*command: object) -> None:
    """Run one of the two command lines of this environment, and show it."""
    words = [os.path.relpath(word) if isinstance(word, Path) else str(word) for word in command]
    print("$", *words, flush=True)
    subprocess.run([Path(sys.executable).with_name(words[0]), *words[1:]], check=True, stdout=subprocess.DEVNULL)


def colorize_photographs() -> list[Row]:
    """Through `colorize image`, and back through `colorize gray`."""
    pictures, truths = gray_pictures(), true_colours()
    (OUT / "gray").mkdir()
    for name, picture in pictures.items():
        Image.fromarray(picture).save(OUT / "gray" / f"{name}.png")
    run("colorize", "image", *sorted((OUT / "gray").glob("*.png")), "-o", OUT / "colour")
    run("colorize", "gray", *sorted((OUT / "colour").glob("*.png")), "-o", OUT / "gray-again")
    rows = []
    for name, picture in pictures.items():
        after = np.asarray(Image.open(OUT / "colour" / f"{name}-colour.png"))
        again = np.asarray(Image.open(OUT / "gray-again" / f"{name}-colour-gray.png"))
        rows.append(Row(name, picture, after, truths[name], np.array_equal(again, picture)))
    return rows


def colorize_archive() -> list[Row]:
    """Through `archive-batch ingest` and `run`."""
    scans, archive, target = OUT / "scans", OUT / "archive.zarr", OUT / "archive-colour.zarr"
    write_scans(scans)
    run("archive-batch", "ingest", scans, archive)
    run("archive-batch", "run", archive, target, "--mode", "rgb")
    truths = true_colours()
    rows = []
    for album, names in ALBUMS.items():
        for number, name in enumerate(names):
            page = f"{album}.tif#{number}"
            before = np.asarray(open_gray(archive, page))
            after = np.moveaxis(np.asarray(open_rgb(target, page)), 0, -1)
            rows.append(Row(f"{page} ({name})", before, after, truths[name], np.array_equal(gray(after), before)))
    return rows


def embedded(picture: np.ndarray | None) -> str | None:
    """A picture as a data URL, small enough for a page; 16 bit as 8."""
    if picture is None:
        return None
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_report(path: Path, sections: dict[str, list[Row]]) -> None:
    """One self-contained HTML file."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["embedded"] = embedded
    path.write_text(environment.get_template("demo.html.j2").render(sections=sections), encoding="utf-8")


def main() -> int:
    """Run the demo; 1 if the gray of any page did not come back."""
    start = time.perf_counter()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    sections = {"Photographs": colorize_photographs(), "A scanned archive": colorize_archive()}
    write_report(OUT / "report.html", sections)
    rows = [row for section in sections.values() for row in section]
    back = sum(row.gray_comes_back for row in rows)
    print(f"\n{len(rows)} pictures in {time.perf_counter() - start:.0f} s; of {back} the gray comes back bit for bit.")
    for name, what in (
        ("report.html", "before, after and truth side by side: open it in a browser"),
        ("colour", "the photographs in colour"),
        ("archive.zarr", "the scanned pages, OME-Zarr"),
        ("archive-colour.zarr", "the same in colour, OME-Zarr"),
    ):
        print(f"  {os.path.relpath(OUT / name):<24} {what}")
    return 0 if back == len(rows) else 1


if __name__ == "__main__":  # archive-batch starts processes of its own
    sys.exit(main())
