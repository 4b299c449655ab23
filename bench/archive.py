"""From zarr to zarr: against copying gray into three channels, over sizes, and the memory that it takes.

One process; the same shards of 4096 and chunks of 512 for all. The time of a size is that of a whole page of an
archive: predict, render, hash, write, at level 0. The memory is the largest resident set of a process that does one
page and nothing else. Writes bench/results/archive.json.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from _measure import photograph, save_results, shortest_seconds
from zarr.codecs import ZstdCodec

from archive_batch.pyramid import CHUNK, SHARD, create_level
from archive_batch.targets import write_rgb
from training import Colorizer, Region
from training.chroma_map import ChromaMap
from training.hashes import pixel_blocks

THREADS = 2  # as many as zarr uses to compress, here
COPIED = 8192
SIDES = (2_000, 4_000, 8_192, 16_384, 31_623)  # 4 to 1,000 megapixels
MEMORY_SIDES = (30_000, 60_000)


def gray_array(root: zarr.Group, name: str, side: int) -> zarr.Array:
    """A square gray page of one photograph in each shard."""
    array = create_level(root, name, (side, side), np.dtype(np.uint8))
    picture = photograph((min(side, SHARD), min(side, SHARD)))
    for y, x in pixel_blocks(array.shape):
        rows, columns = (min(part.stop, side) - part.start for part in (y, x))
        array[y, x] = picture[:rows, :columns]
    return array


def rgb_array(root: zarr.Group, name: str, side: int, compressors: ZstdCodec | None) -> zarr.Array:
    return root.create_array(
        name,
        shape=(3, side, side),
        chunks=(3, CHUNK, CHUNK),
        shards=(3, SHARD, SHARD),
        dtype=np.uint8,
        compressors=compressors,
        overwrite=True,
    )


def copy(gray: zarr.Array, target: zarr.Array) -> None:
    for y, x in pixel_blocks(gray.shape):
        target[:, y, x] = np.broadcast_to(gray[y, x], (3, SHARD, SHARD))


def colour(gray: zarr.Array, target: zarr.Array, chroma: ChromaMap) -> None:
    for y, x in pixel_blocks(gray.shape):
        target[:, y, x] = np.moveaxis(chroma.render(gray, Region(y, x), threads=THREADS), -1, 0)


def speed_against_copying(root: zarr.Group, colorizer: Colorizer) -> dict[str, float]:
    """Speed of rendering over that of copying, uncompressed and with zstd level 1."""
    speeds = {}
    for name, compressors in (("uncompressed", None), ("zstd 1", ZstdCodec(level=1))):
        gray = root.create_array(
            "copied", data=gray_array(root, "gray", COPIED)[...], chunks=(CHUNK, CHUNK), shards=(SHARD, SHARD),
            compressors=compressors, overwrite=True,
        )  # fmt: skip
        chroma, target = colorizer.predict(gray), rgb_array(root, "rgb", COPIED, compressors)
        works = {"copy": lambda: copy(gray, target), "colour": lambda: colour(gray, target, chroma)}  # noqa: B023
        times = shortest_seconds(works, 3)
        speeds[name] = round(times["copy"] / times["colour"], 2)
    return speeds


def seconds_per_megapixel(root: zarr.Group, colorizer: Colorizer) -> dict[int, dict[str, float]]:
    """Of pages of growing size, by their megapixels."""
    pace = {}
    for side in SIDES:
        levels = [gray_array(root, "gray", side)]
        start = time.perf_counter()
        chroma = colorizer.predict(levels)
        predicted = time.perf_counter()
        write_rgb(root, "page", "page", chroma, levels)
        seconds = {"predict": predicted - start, "render and write": time.perf_counter() - predicted}
        pace[round(side * side / 1e6)] = {name: round(value / side**2 * 1e6, 4) for name, value in seconds.items()}
    return pace


def peak_megabytes(folder: Path, side: int) -> int:
    """Largest resident set of a process that colours a page of this size."""
    gray_array(zarr.open_group(folder, zarr_format=3), "gray", side)
    words = [sys.executable, "-W", "ignore", __file__, "page", str(folder)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[-1])


def colour_page(folder: str) -> None:
    """Colour a page and print the largest resident set of this process, in megabytes."""
    root = zarr.open_group(folder)
    levels = [root["gray"]]
    write_rgb(root, "page", "page", Colorizer.load("photo", "cpu").predict(levels), levels)
    # not getrusage: that of a child begins with its parent's
    print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1000)


def main() -> None:
    colorizer = Colorizer.load("photo", "cpu")
    with tempfile.TemporaryDirectory() as folder:
        root = zarr.open_group(folder, zarr_format=3)
        results = {
            "speed_against_copying": speed_against_copying(root, colorizer),
            "seconds_per_megapixel": seconds_per_megapixel(root, colorizer),
        }
    memory = {}
    for side in MEMORY_SIDES:
        with tempfile.TemporaryDirectory() as folder:
            memory[side] = peak_megabytes(Path(folder), side)
    print(save_results("archive", {**results, "peak_megabytes_of_a_square_page": memory}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["page"]:
        colour_page(sys.argv[2])
    else:
        main()
