"""What a training tells while it runs: scalars as CSV, and one HTML page with curves and pictures."""

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from training.atomic import put_whole
from training.errors import SettingsError
from training.html import write_html
from training.settings import Settings
from training.stopping import Look

LOG_EVERY = 640  # samples, fewer in a short run
LEAST_LINES = 20
PAGE_EVERY = 60.0  # seconds
SHOWN_ROWS = 8  # previews on the page
MOST_POINTS = 500  # of a curve
Scalars = dict[str, float]
Report = Callable[[int, Scalars], None]
Rows = list[dict[str, float]]

LOSSES = ("l1", "scale", "distribution", "perceptual", "adversarial", "discriminator")
FIGURES = {  # as they are headed in the charts
    "gain_db": "gain at ratio 0.65, dB",
    "own_gain_db": "gain at its own saturation, dB",
    "colourfulness_ratio": "colourfulness ratio",
    "palette_distance": "palette distance at 0.65",
    "lpips_squeeze": "LPIPS (squeeze) at 0.65",
    "ciede2000": "CIEDE2000 at 0.65",
    "kid_lite1": "KID (Lite1)",
    "hue": "mean hue, degrees",
    "unsteadiness": "difference between two sizes, of the chroma",
}
TRADE_OFFS = (("colourfulness_ratio", "own_gain_db"), ("palette_distance", "gain_db"))


class RunLog:
    """The log of one run, in its folder; a resumed run goes on with it.

    Parameters
    ----------
    folder : Path
        Of the run.
    settings : Settings
        Shown on the page.
    samples : int
        Where the run goes on: later lines, of a run that ended without saving, are dropped; -1 for a new one.
    report : callable, optional
        Gets samples and mean losses with every line, with ``pictures_per_second`` and ``waiting``, the share of the
        time that was spent waiting for pictures.
    """

    def __init__(self, folder: Path, settings: Settings, samples: int, report: Report | None) -> None:
        self.folder, self.settings, self.report = folder, settings, report
        self.losses = _Table(
            folder / "log.csv", ("samples", "seconds", "pictures_per_second", "waiting", *LOSSES), samples
        )
        self.figures = _Table(folder / "watch.csv", ("samples", "best", *FIGURES), samples)
        self.before = self.losses.rows[-1]["seconds"] if self.losses.rows else 0.0
        self.start = self.page_written = time.perf_counter()
        self.pending: list[Scalars] = []
        total = sum(stage.samples for stage in settings.stages)
        self.every = min(LOG_EVERY, max(1, total // LEAST_LINES))
        self.last, self.last_time, self.waited = max(samples, 0), self.start, 0.0

    def add(self, scalars: Scalars, samples: int, waited: float) -> None:
        """Note the losses of one step and the seconds that it waited; write a line every few hundred samples."""
        self.pending.append(scalars)
        self.waited += waited
        if samples - self.last >= self.every:
            self._write_line(samples)

    def finish(self, samples: int) -> None:
        """Write what is left, and the page."""
        if self.pending:
            self._write_line(samples)
        self.write_page()

    def _write_line(self, samples: int) -> None:
        now = time.perf_counter()
        keys = dict.fromkeys(key for scalars in self.pending for key in scalars)
        means = {key: float(np.mean([s[key] for s in self.pending if key in s])) for key in keys}
        pace = {
            "pictures_per_second": (samples - self.last) / (now - self.last_time),
            "waiting": self.waited / (now - self.last_time),
        }
        self.losses.append({"samples": samples, "seconds": self.before + now - self.start} | pace | means)
        self.pending, self.last, self.last_time, self.waited = [], samples, now, 0.0
        if self.report:
            self.report(samples, pace | means)
        if now - self.page_written > PAGE_EVERY:
            self.write_page()

    def end_stage(self, samples: int, end: int) -> None:
        """Write what is left of a stage that stopped, and go on from its end: what is skipped is no pace."""
        if self.pending and samples > self.last:
            self._write_line(samples)
        self.last = end

    def watched(self, look: Look, row: np.ndarray, *, best: bool, seconds: float) -> None:
        """Note what was measured in so many seconds, and keep a row of pictures."""
        self.figures.append({**asdict(look), "best": best})
        self.save_row(f"{look.samples:09}", row)
        self.write_page()
        self.last_time += seconds  # looking is not learning

    def save_row(self, name: str, row: np.ndarray) -> None:
        """Keep a row of pictures as PNG."""
        from PIL import Image

        path = self.folder / "previews" / f"{name}.png"
        with put_whole(path, overwrite=True) as partial:
            Image.fromarray(row).save(partial, "PNG")

    def write_page(self) -> None:
        """Write ``progress.html`` anew."""
        self.page_written = time.perf_counter()
        write_html(
            self.folder / "progress.html",
            "progress.html.j2",
            settings=self.settings.model_dump(mode="json"),
            total=sum(stage.samples for stage in self.settings.stages),
            losses=self.losses.rows,
            charts=_charts(self.losses.rows, self.figures.rows),
            previews=_previews(self.folder / "previews"),
        )


class _Table:
    """A CSV file of numbers, and its rows."""

    def __init__(self, path: Path, columns: Sequence[str], samples: int) -> None:
        self.path, self.columns = path, columns
        self.rows = [row for row in read_table(path) if row["samples"] <= samples]
        with put_whole(path, overwrite=True) as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(map(_texts, self.rows))

    def append(self, values: Mapping[str, float | None]) -> None:
        """Add a row; what is None stays empty."""
        self.rows.append({key: float(value) for key, value in values.items() if value is not None})
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(_texts(self.rows[-1]))


def _texts(row: Mapping[str, float]) -> dict[str, str]:
    return {key: f"{value:.0f}" if value.is_integer() else f"{value:.6g}" for key, value in row.items()}


def read_table(path: Path) -> Rows:
    """The rows of a table of a run, without what could not be had."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def _previews(folder: Path) -> dict[str, bytes]:
    """A few of the rows of pictures by name, evenly over the run, the last always."""
    paths = sorted(folder.glob("*.png"), key=lambda path: (path.stem.isdigit(), path.stem))
    numbered = [path for path in paths if path.stem.isdigit()]
    chosen = (
        {numbered[i] for i in np.linspace(0, len(numbered) - 1, SHOWN_ROWS).round().astype(int)} if numbered else set()
    )
    return {path.stem: path.read_bytes() for path in paths if path in chosen or path not in numbered}


def _charts(losses: Rows, figures: Rows) -> list[str]:
    """Curves over the samples, and the trade-offs between figures, as SVG."""
    from matplotlib.figure import Figure

    curves = [(losses, key, f"loss: {key}") for key in LOSSES] + [(figures, key, text) for key, text in FIGURES.items()]
    charts = []
    for rows, key, title in curves:
        points = [(row["samples"], row[key]) for row in rows if key in row]
        points = points[:: max(1, len(points) // MOST_POINTS)]
        if len(points) > 1:
            figure = Figure(figsize=(4.2, 2.6), layout="constrained")
            axes = figure.subplots()
            axes.plot(*zip(*points), linewidth=1.2, marker="." if rows is figures else None)
            axes.set_title(title, fontsize=10)
            axes.set_xlabel("samples", fontsize=8)
            charts.append(_svg(figure))
    for x, y in TRADE_OFFS:
        rows = [row for row in figures if x in row and y in row]
        if len(rows) > 1:
            figure = Figure(figsize=(4.2, 3.2), layout="constrained")
            axes = figure.subplots()
            axes.plot([row[x] for row in rows], [row[y] for row in rows], linewidth=0.6, color="0.7")
            shown = axes.scatter(
                [row[x] for row in rows], [row[y] for row in rows], c=[row["samples"] for row in rows], s=14
            )
            axes.set_xlabel(FIGURES[x], fontsize=8)
            axes.set_ylabel(FIGURES[y], fontsize=8)
            figure.colorbar(shown, label="samples")
            charts.append(_svg(figure))
    return charts


def _svg(figure) -> str:  # type: ignore[no-untyped-def]
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().partition("<svg")[1] + buffer.getvalue().partition("<svg")[2]


def require_matplotlib() -> None:
    """Raise a sentence where the package that draws the curves is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise SettingsError(f"training needs its packages ({error}): pip install 'napari-colorize[train]'") from error
