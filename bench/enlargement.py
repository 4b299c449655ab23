"""How well chroma is enlarged: along the edges of the lightness, as a result is, and by plain interpolation.

On photographs, true a* and b* are reduced by area means, enlarged again and compared with themselves, without and with
film grain in the lightness; edges drawn by code show the halo. Chroma is not rounded, but for the last table, which
shows what the steps of a map cost. Writes bench/results/enlargement.json.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measure import has_photographs, photographs_parser, save_results
from torch.nn.functional import interpolate

from training.chroma_map import AB_STEP, quantised_ab
from training.color import gray, lab_to_srgb, lightness_of_gray, srgb_to_lab
from training.enlargement import enlarge, grids
from training.evaluation.metrics import ciede2000
from training.evaluation.truths import pictures_to_measure
from training.picture_sources import decode_rgb

FACTORS = (4, 8, 16)  # from the cells of a map to the pixels
QUANTISED_FACTOR = 8
SHORTEST_SIDE = 256  # pixels: smaller pictures have too few cells
GRAIN = 10  # standard deviation, in codes of the 8-bit gray
STRIDE = 3  # of the pixels for CIEDE2000, the slowest; coprime to the factors, so each place in a cell counts alike
MEASURES = {
    "psnr_db": "PSNR a\\*, b\\* (dB)",
    "gain_db": "over bicubic (dB)",
    "worse_than_bicubic": "share of pictures below bicubic",
    "ciede2000": "CIEDE2000",
    "ciede2000_p99": "99th percentile",
}
EDGE_MEASURES = ("bicubic_mean", "ours_mean", "mean_ratio", "least_mean_ratio", "bicubic_max", "ours_max", "max_ratio")
DEFINITIONS = {
    "psnr_db": "mean over pictures of 10 log10(100^2 / mean squared error of a*, b*); of RGB, with the peak 1",
    "worse_than_bicubic": "share of the pictures whose PSNR is below that of bicubic",
    "ciede2000": f"mean, at the true L*, over every {STRIDE}rd pixel of every {STRIDE}rd row",
    "ciede2000_p99": "mean over pictures of the 99th percentile of each picture",
    "grain": f"normal noise of {GRAIN} codes in the 8-bit gray of pixels, and by area means in the small lightness",
    "step_edges": "L* 30 to 70, a* +40 to -20: absolute error of a* within 2 cells, edge at each place of 2 cells; "
    "mean_ratio: bicubic over ours; least_mean_ratio: at the worst place",
    "quantisation_loss": f"mean PSNR lost by rounding chroma to steps of {AB_STEP:g}, at {QUANTISED_FACTOR}x",
}


def area_means(planes: np.ndarray, factor: int) -> np.ndarray:
    *others, height, width = planes.shape
    return planes.reshape(*others, height // factor, factor, width // factor, factor).mean(axis=(-3, -1))


def ours(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Chroma (2, y, x) enlarged to the pixels of this L*."""
    factor = len(lightness) // ab.shape[1]
    small = np.rint(area_means(lightness, factor // 2) * 2.55).astype(np.uint8)
    return _enlarged(ab, small, lightness)


def bicubic(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """The same without guidance: a flat lightness has no slopes."""
    height, width = ab.shape[1:]
    return _enlarged(ab, np.full((2 * height, 2 * width), 128, np.uint8), lightness)


def _enlarged(ab: np.ndarray, small: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    height, width = lightness.shape
    return np.stack(enlarge(grids(ab, small), lightness, (height, width), (0, height), (0, width)))


def plain(mode: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Interpolation of torch, by its name."""
    return lambda ab, lightness: interpolate(torch.from_numpy(ab)[None], lightness.shape, mode=mode)[0].numpy()


METHODS = {"nearest": plain("nearest"), "bilinear": plain("bilinear"), "bicubic": bicubic, "ours": ours}


def psnr_db(values: np.ndarray, truth: np.ndarray, peak: float) -> float:
    return float(10 * np.log10(peak**2 / np.mean(np.square(values - truth))))


def measure(rgb: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """All figures of one photograph: uint8, shape (Y, X, 3)."""
    height, width = (side - side % (2 * max(FACTORS)) for side in rgb.shape[:2])  # all factors see the same pixels
    rgb = rgb[:height, :width]
    lab = srgb_to_lab(rgb / 255)
    codes = gray(rgb)
    grainy = np.clip(np.rint(codes + rng.normal(0, GRAIN, codes.shape)), 0, 255).astype(np.uint8)
    lightness = {"": lightness_of_gray(8)[codes], ", grain": lightness_of_gray(8)[grainy]}
    enlargement = {f"{factor}x": _all_methods(lab, lightness, factor) for factor in FACTORS}
    return {"enlargement": enlargement, "quantisation_loss": _quantisation_loss(rgb, lab, lightness[""])}


def _all_methods(lab: np.ndarray, lightness: dict[str, np.ndarray], factor: int) -> dict[str, dict[str, float]]:
    ab = area_means(_chroma(lab), factor)
    results = {name: enlarged(ab, lightness[""]) for name, enlarged in METHODS.items()}
    results["ours, grain"] = ours(ab, lightness[", grain"])
    reference = psnr_db(results["bicubic"], _chroma(lab), 100)
    return {name: _compared(result, lab, reference) for name, result in results.items()}


def _compared(ab: np.ndarray, lab: np.ndarray, reference_db: float) -> dict[str, float]:
    quality = psnr_db(ab, _chroma(lab), 100)
    difference = ciede2000(_with_chroma(lab, ab)[::STRIDE, ::STRIDE], lab[::STRIDE, ::STRIDE])
    figures = (
        quality,
        quality - reference_db,
        quality < reference_db,
        difference.mean(),
        np.percentile(difference, 99),
    )
    return dict(zip(MEASURES, map(float, figures)))


def _quantisation_loss(rgb: np.ndarray, lab: np.ndarray, lightness: np.ndarray) -> dict[str, float]:
    ab = area_means(_chroma(lab), QUANTISED_FACTOR)
    rounded = quantised_ab(ab) * np.float32(AB_STEP)
    exact, stepped = (ours(chroma, lightness) for chroma in (ab, rounded))
    exact_db, stepped_db = (psnr_db(result, _chroma(lab), 100) for result in (exact, stepped))
    exact_rgb, stepped_rgb = (
        psnr_db(lab_to_srgb(_with_chroma(lab, result)), rgb / 255, 1) for result in (exact, stepped)
    )
    return {
        "ab_psnr_db": exact_db,
        "ab_loss_db": exact_db - stepped_db,
        "rgb_psnr_db": exact_rgb,
        "rgb_loss_db": exact_rgb - stepped_rgb,
    }


def _chroma(lab: np.ndarray) -> np.ndarray:
    return np.moveaxis(lab[..., 1:], -1, 0)


def _with_chroma(lab: np.ndarray, ab: np.ndarray) -> np.ndarray:
    return np.stack([lab[..., 0], *ab], axis=-1)


def mean(found: Sequence[Any]) -> Any:
    """Mean of numbers, or of dictionaries of numbers, entry by entry."""
    if isinstance(found[0], dict):
        return {key: mean([one[key] for one in found]) for key in found[0]}
    return round(float(np.mean(found)), 4)


def step_edges(factor: int) -> dict[str, float]:
    """Halo of a step, over all places of the edge within two cells."""
    errors = {
        method: np.stack([_step_error(method, factor, at) for at in range(2 * factor)]) for method in (bicubic, ours)
    }
    plain_mean, our_mean = (error.mean(axis=1) for error in errors.values())
    plain_max, our_max = (error.max() for error in errors.values())
    figures = (
        plain_mean.mean(),
        our_mean.mean(),
        plain_mean.mean() / our_mean.mean(),
        (plain_mean / our_mean).min(),
        plain_max,
        our_max,
        plain_max / our_max,
    )
    return {name: round(float(figure), 3) for name, figure in zip(EDGE_MEASURES, figures)}


def _step_error(method: Callable[[np.ndarray, np.ndarray], np.ndarray], factor: int, offset: int) -> np.ndarray:
    """Absolute error of a* on a line across the edge, two cells to either side."""
    edge, shape = 8 * factor + offset, (2 * factor, 16 * factor)
    before = np.broadcast_to(np.arange(shape[1]) < edge, shape)
    lightness, a = (np.where(before, *sides).astype(np.float32) for sides in ((30, 70), (40, -20)))
    result = method(area_means(np.stack([a, np.zeros_like(a)]), factor), lightness)
    return np.abs(result[0] - a)[0, edge - 2 * factor : edge + 2 * factor]


def measure_photographs(data: Path) -> dict[str, Any]:
    pictures = map(decode_rgb, pictures_to_measure(data).encoded)
    large = (np.asarray(picture) for picture in pictures if min(picture.size) >= SHORTEST_SIDE)
    found = [measure(rgb, np.random.default_rng(number)) for number, rgb in enumerate(large)]
    if not found:
        raise SystemExit(f"{data}: no colour photograph has a short side of {SHORTEST_SIDE} pixels or more")
    return {"pictures": len(found), **mean(found)}


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def tables(results: dict[str, Any]) -> str:
    photographs = [
        [factor, name, *(round(figure, 2) for figure in figures.values())]
        for factor, methods in results["enlargement"].items()
        for name, figures in methods.items()
    ]
    edges = [
        [factor, *(round(figure, 2) for figure in halo.values())] for factor, halo in results["step_edges"].items()
    ]
    loss = results["quantisation_loss"]
    return "\n".join(
        [
            f"{results['pictures']} photographs of {results['data']}\n",
            markdown(["", "method", *MEASURES.values()], photographs),
            markdown(["step edge", *EDGE_MEASURES], edges),
            markdown(["steps of a map", *loss], [[f"{QUANTISED_FACTOR}x", *loss.values()]]),
        ]
    )


def main() -> None:
    data = photographs_parser("Measure how well chroma is enlarged.").parse_args().data
    if not has_photographs(data):
        return
    results = {
        "data": data.name,
        "definitions": DEFINITIONS,
        **measure_photographs(data),
        "step_edges": {f"{factor}x": step_edges(factor) for factor in FACTORS},
    }
    save_results("enlargement", results)
    print(tables(results))


if __name__ == "__main__":
    main()
