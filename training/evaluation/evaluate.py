"""How good a model is: its colours against the true ones, over a set of colour pictures.

Each picture is taken as it is. Its 8-bit gray (`training.color.gray`, so its L* is the picture's) is what a model is
given; what is measured is the 8-bit picture that a user would get: the map rendered, with gamut mapping and reversible
rounding. The baselines go the same way: `gray` has a map without chroma, `mean` one of a single colour.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np

from training.chroma_map import ChromaMap
from training.data import Pictures
from training.evaluation.candidates import DEFAULT_MODEL, Candidate, find_candidates
from training.evaluation.equal_colourfulness import find_saturation
from training.evaluation.metrics import (
    colourfulness,
    kid,
    palette_distance,
    psnr_db,
    require_torchmetrics,
    ssim,
)
from training.evaluation.perceptual import Judgement, Judges
from training.evaluation.truths import Figures, TrueSet, Truth, compare, pictures_to_measure
from training.torch_threads import torch_threads

CURVE_SATURATIONS = (0.5, 0.75, 1.0, 1.5, 2.0)
EQUAL_COLOURFULNESS = 0.65  # the ratio at which models are compared

Report = Callable[[int, int], None]


@dataclass
class Trial:
    """One candidate, and what is kept of it: one entry a picture."""

    candidate: Candidate
    maps: list[ChromaMap] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    figures: list[Figures] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    judgements: list[Judgement | None] = field(default_factory=list)
    curve: list[list[tuple[float, float]]] = field(default_factory=list)

    def add(self, truth: Truth, judges: Judges) -> None:
        """Colour one more picture and measure it."""
        start = perf_counter()
        chroma = self.candidate.predict(truth.plane)
        self.seconds.append(perf_counter() - start)
        rgb8 = chroma.render(truth.plane)
        self.maps.append(chroma)
        self.figures.append(compare(rgb8, truth, judges))
        self.ssim.append(ssim(rgb8, truth.rgb8))
        self.judgements.append(judges.judge(rgb8))
        saturations = CURVE_SATURATIONS if self.candidate.is_model else (1.0,)
        self.curve.append([self._curve_point(saturation, truth) for saturation in saturations])

    def _curve_point(self, saturation: float, truth: Truth) -> tuple[float, float]:
        """Colourfulness and gain of the last picture at another saturation."""
        if saturation == 1:
            return self.figures[-1].colourfulness, self.figures[-1].gain_db
        rgb8 = self.maps[-1].with_saturation(saturation).render(truth.plane)
        return colourfulness(rgb8), psnr_db(rgb8, truth.rgb8) - truth.gray_psnr_db


def evaluate(
    data: Path | Pictures,
    models: Sequence[str] = (DEFAULT_MODEL,),
    *,
    limit: int | None = None,
    lpips_weights: Path | None = None,
    report: Report | None = None,
) -> dict[str, dict[str, dict[str, object]]]:
    """Measure models over a set of colour pictures.

    Parameters
    ----------
    data : Path or Pictures
        Folder or tar of colour pictures; or what `pictures_to_measure` gave, which also tells what was left out.
    models : sequence of str
        Names and files of models, `gray` and `mean`; see `find_candidates`.
    limit : int, optional
        Take the first so many pictures of a path only.
    lpips_weights : Path, optional
        Weights of LPIPS (squeeze), see `load_lpips`.
    report : callable, optional
        Called with the number of steps done and of all steps.

    Returns
    -------
    dict
        ``{"models": {name: figures}}``, plain values for JSON; what cannot be had is None. Means are over pictures.
        ``gain_db`` is PSNR above that of `gray`, ``gain_se_db`` its standard error; ``kid_lite1`` is the raw kernel
        distance; ``seconds_per_picture`` is the median of prediction alone. ``curve`` has colourfulness ratio and gain
        at several saturations. ``at_065`` is measured at the saturation, as a factor on what the model ships with, at
        which the ratio is 0.65; it is None for the baselines and where a factor of 4 does not reach that.

    Raises
    ------
    ColorizeError
        If a model, the weights or the pictures cannot be read, or no picture has colour.
    """
    candidates = find_candidates(models)
    judges = Judges.load(lpips_weights)
    pictures = data if isinstance(data, Pictures) else pictures_to_measure(data, limit)
    return measure(candidates, pictures, judges, report)


@torch_threads(1)  # as in prediction: the same figures whatever the machine
def measure(
    candidates: Sequence[Candidate], pictures: Pictures, judges: Judges, report: Report | None = None
) -> dict[str, dict[str, dict[str, object]]]:
    """Measure anything that gives maps, as `evaluate` does.

    Parameters
    ----------
    candidates : sequence of Candidate
        Each with its own name.
    pictures : Pictures
        See `pictures_to_measure`.
    judges : Judges
        Their figures are None where they are.
    report : callable, optional
        Called with the number of steps done and of all steps.
    """
    require_torchmetrics()
    trials = [Trial(candidate) for candidate in candidates]
    passes = 1 + sum(candidate.is_model for candidate in candidates)
    advance = _steps(len(pictures.encoded) * passes, report)
    true_set = TrueSet()
    for encoded in pictures.encoded:
        truth = Truth(encoded, judges)
        true_set.add(truth, judges)
        for trial in trials:
            trial.add(truth, judges)
        advance()
    results = {trial.candidate.name: _results(trial, true_set) for trial in trials}
    for trial in trials:
        if trial.candidate.is_model:
            results[trial.candidate.name]["at_065"] = _at_065(trial, true_set, pictures, judges, advance)
    return {"models": results}


def _steps(total: int, report: Report | None) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if report:
            report(done, total)

    return advance


def _results(trial: Trial, true_set: TrueSet) -> dict[str, object]:
    figures = trial.figures
    gains = [f.gain_db for f in figures]
    true_colourfulness = _mean(true_set.colourfulness)
    judged = [(a, b) for a, b in zip(trial.judgements, true_set.judgements) if a and b]
    curve = np.mean(trial.curve, axis=0) / [true_colourfulness, 1]
    return {
        "pictures": len(figures),
        "psnr_db": _mean(f.psnr_db for f in figures),
        "gain_db": _mean(gains),
        "gain_se_db": float(np.std(gains, ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None,
        "ssim": _mean(trial.ssim),
        "lpips_squeeze": _mean_lpips(figures),
        "ciede2000": _mean(f.ciede2000 for f in figures),
        "palette_distance": _palette_distance(figures, true_set),
        "kid_lite1": _kid(judged),
        "same_top1": _same_top1(judged),
        "colourfulness_ratio": _mean(f.colourfulness for f in figures) / true_colourfulness,
        "curve": curve.tolist(),
        "at_065": None,
        "seconds_per_picture": float(np.median(trial.seconds)),
    }


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _mean_lpips(figures: Sequence[Figures]) -> float | None:
    values = [f.lpips_squeeze for f in figures if f.lpips_squeeze is not None]
    return _mean(values) if values else None


def _palette_distance(figures: Sequence[Figures], true_set: TrueSet) -> float:
    return palette_distance(np.sum([f.palette for f in figures], axis=0), np.sum(true_set.palettes, axis=0))


def _kid(pairs: Sequence[tuple[Judgement, Judgement]]) -> float | None:
    if len(pairs) < 2:
        return None
    return kid(*(np.stack([judgement.features for judgement in part]) for part in zip(*pairs)))


def _same_top1(pairs: Sequence[tuple[Judgement, Judgement]]) -> float | None:
    return _mean(judgement.top1 == true.top1 for judgement, true in pairs) if pairs else None


def _at_065(
    trial: Trial, true_set: TrueSet, pictures: Pictures, judges: Judges, advance: Callable[[], None]
) -> dict[str, float | None] | None:
    """The four figures by which models are compared, at equal colourfulness."""
    shipped = _mean(f.colourfulness for f in trial.figures)
    wanted = EQUAL_COLOURFULNESS * _mean(true_set.colourfulness)
    saturation = find_saturation(trial.maps, true_set.samples, wanted / shipped) if shipped else None
    if saturation is None:
        return None
    figures = []
    for chroma, encoded in zip(trial.maps, pictures.encoded):
        truth = Truth(encoded, judges)
        figures.append(compare(chroma.with_saturation(saturation).render(truth.plane), truth, judges))
        advance()
    return {
        "saturation": saturation,
        "gain_db": _mean(f.gain_db for f in figures),
        "lpips_squeeze": _mean_lpips(figures),
        "ciede2000": _mean(f.ciede2000 for f in figures),
        "palette_distance": _palette_distance(figures, true_set),
    }
