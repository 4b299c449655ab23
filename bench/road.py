"""The road of a picture: how long prediction and rendering take, as ratios in one run.

Warm, one thread, 8 bit. Writes bench/results/road.json.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage import data, transform
from skimage.color import lab2rgb

from training import Colorizer

SHAPE = (2000, 3000)
REPEATS = 3


def seconds(work: Callable[[], object]) -> float:
    """The shortest of a few runs, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    plane = np.rint(transform.resize(data.camera(), SHAPE) * 255).astype(np.uint8)
    colorizer = Colorizer.load("photo")
    chroma = colorizer.predict(plane)
    lab = np.zeros((*SHAPE, 3), np.float32)
    lab[..., 0] = plane / 2.55
    predict, render, reference = (
        seconds(work) for work in (lambda: colorizer.predict(plane), lambda: chroma.render(plane), lambda: lab2rgb(lab))
    )
    results = {
        "megapixels": plane.size / 1e6,
        "predict_seconds": round(predict, 3),
        "render_seconds": round(render, 3),
        "render_megapixels_per_second": round(plane.size / 1e6 / render, 2),
        "render_speed_against_skimage_lab2rgb_alone": round(reference / render, 2),
        "predict_time_against_render": round(predict / render, 2),
        "map_bytes": len(chroma.to_bytes()),
    }
    folder = Path(__file__).with_name("results")
    folder.mkdir(exist_ok=True)
    (folder / "road.json").write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
