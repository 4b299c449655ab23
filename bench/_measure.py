"""What the scripts share: times of works that take turns, test pictures, and results as JSON."""

import argparse
import json
import os
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


def photographs_parser(description: str) -> argparse.ArgumentParser:
    """A command line that names colour photographs; by default those of the test data, where there are any."""
    folder = os.environ.get("COLORIZE_TEST_DATA")
    default = Path(folder, "select", "select.tar") if folder else None
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", metavar="DATA", nargs="?", type=Path, default=default, help="folder or tar")
    return parser


def has_photographs(data: Path | None) -> bool:
    """Whether there are photographs; a sentence says what to do where there are none."""
    found = data is not None and data.exists()
    if not found:
        print("No photographs to measure with: name a folder or tar, or set COLORIZE_TEST_DATA.")
    return found


def rounded(figures: Any) -> Any:
    """Figures with four decimals, and what holds them."""
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    return round(figures, 4) if isinstance(figures, float) else figures


def save_results(name: str, results: Mapping[str, Any]) -> str:
    """Write the results of a script; the text comes back."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(results, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    return text
