"""What the scripts share: times of works that take turns, a test plane of any size, and results as JSON."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data, transform

RESULTS = Path(__file__).with_name("results")


def shortest_seconds(works: Mapping[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """The shortest time of each work, warm. They take turns, so that a machine that slows down does so for all."""
    best = dict.fromkeys(works, float("inf"))
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn:  # the first one warms up
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def photograph(shape: tuple[int, int]) -> np.ndarray:
    """A gray photograph with grain, uint8."""
    large = transform.resize(data.camera(), shape, order=1, preserve_range=True)
    grain = np.random.default_rng(0).normal(0, 2, (512, 512))
    tiles = [-(-side // 512) for side in shape]
    return np.rint(large + np.tile(grain, tiles)[: shape[0], : shape[1]]).clip(0, 255).astype(np.uint8)


def write_results(name: str, results: Mapping[str, Any]) -> None:
    """Write and print the results of a script."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(results, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    print(text)
