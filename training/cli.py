"""The command line ``colorize``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from training import __version__
from training.console import DONE, INTERRUPTED, SOME_FAILED, WRONG_USE, complain, run, stderr
from training.errors import ColorizeError

if TYPE_CHECKING:
    from training.prediction import Colorizer

app = App(
    name="colorize",
    help="Colour for gray pictures, and the gray back again.",
    version=f"napari-colorize {__version__}",
    default_parameter=Parameter(negative=()),
    help_epilogue="Errors are sentences; --debug adds the traceback. Exit codes: 0 done, 1 some failed, 2 none done.",
)

Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


@app.command
def image(
    inputs: list[Path],
    /,
    *,
    output: Output = None,
    model: str = "photo",
    hints: Path | None = None,
    seed: int | None = None,
    saturation: float = 1.0,
    window: tuple[float, float] | None = None,
    negative: bool = False,
    channel: Literal["red", "green", "blue"] | None = None,
    bits: Literal[8, 16] | None = None,
    wrap: bool = False,
    map_: Annotated[bool, Parameter(name="--map")] = False,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    overwrite: bool = False,
) -> int:
    """Colorize gray pictures: TIFF, PNG, JPEG, JPEG 2000.

    The gray of a result is the windowed gray of its input, bit for bit. Example: colorize image scan.tif -o out.tif

    Parameters
    ----------
    inputs
        Picture files.
    output
        A file for one input, else a folder. Default: NAME-colour.SUFFIX beside the input, PNG for JPEG.
    model
        Name of a model, or a model file.
    hints
        Colours to keep to: a JSON file {"hints": [{"y", "x", "rgb"}, ...]}.
    seed
        Draw one of the plausible variants.
    saturation
        Factor on the chroma, that of hints included; 0 is gray.
    window
        Two stored values, LO HI, that become black and white. Default: by type and metadata.
    negative
        The picture is a negative.
    channel
        Take this channel of colour scans instead of their gray.
    bits
        Depth of the result. Default: the input's.
    wrap
        The picture is a tile of a texture; the result tiles too.
    map_
        Write the colour map too, NAME-colour.chroma: what `render` and `verify` need.
    device
        Where the network runs.
    overwrite
        Replace results that exist.
    """
    from training.hints import read_hints
    from training.pictures import Options, colorize_file
    from training.result_names import targets

    asked = tuple(read_hints(hints)) if hints else ()
    options = Options(window, negative, channel, bits, asked, seed, saturation, wrap)
    results = targets(inputs, output, "colour", maps=map_)
    colorizer = _load(model, device)

    def colorize(source: Path, target: Path) -> list[str]:
        return colorize_file(colorizer, source, target, options, maps=map_, overwrite=overwrite)

    return _each(inputs, results, colorize)


@app.command
def gray(
    inputs: list[Path],
    /,
    *,
    output: Output = None,
    original: bool = False,
    overwrite: bool = False,
) -> int:
    """Take the colour off again: bit for bit the windowed gray that was colorized.

    Example: colorize gray scan-colour.tif -o scan.tif

    Parameters
    ----------
    inputs
        Results of `colorize image`, or any 8- or 16-bit sRGB pictures.
    output
        A file for one input, else a folder. Default: NAME-gray.SUFFIX beside the input, PNG for JPEG.
    original
        The very numbers of the file that was colorized, where its window kept them apart; the others are counted.
    overwrite
        Replace results that exist.
    """
    from training.original import gray_file
    from training.result_names import targets

    def take_off(source: Path, target: Path) -> list[str]:
        return gray_file(source, target, original=original, overwrite=overwrite)

    return _each(inputs, targets(inputs, output, "gray"), take_off)


@app.command
def render(source: Path, chroma_map: Path, /, *, output: Output = None, overwrite: bool = False) -> int:
    """Colorize a picture again from the map that `image --map` wrote: no model is needed.

    Example: colorize render scan.tif scan-colour.chroma -o again.tif

    Parameters
    ----------
    source
        The picture file that the map was made of.
    chroma_map
        Colour map; of a file of several pages, the map of one.
    output
        A file, or a folder. Default: NAME-colour.SUFFIX beside the source, PNG for JPEG; NAME-colour-pNNN.SUFFIX of a
        file of several pages.
    overwrite
        Replace a result that exists.
    """
    from training.pictures import MapOfFile, render_file
    from training.result_names import page_file, targets

    of_file = MapOfFile.load(chroma_map, source)
    (target,) = targets([source], output, "colour")
    if target != output:
        target = page_file(target, of_file.page, len(of_file.pages))
    return _each([source], [target], lambda _, result: render_file(of_file, result, overwrite=overwrite))


@app.command
def verify(
    result: Path,
    source: Path,
    /,
    *,
    map_: Annotated[list[Path] | None, Parameter(name="--map", consume_multiple=True)] = None,
    report: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Prove a result: its gray is the source's, its map renders it byte for byte, its model is known.

    Exit code 0: all holds; 1: something does not. Example: colorize verify scan-colour.tif scan.tif --map
    scan-colour.chroma --report proof.html

    Parameters
    ----------
    result
        A result of `colorize image`.
    source
        The picture file that was colorized.
    map_
        Its colour map, of several pages those of any; what has none is not checked in that part.
    report
        HTML page for a second examiner: pictures, figures, the record, and how to check it without this program.
        An earlier one is replaced.
    json_
        Print one JSON object instead of sentences.
    """
    from training.verification import verify_file
    from training.verification_report import write_report
    from training.verification_text import print_verification

    verification = verify_file(result, source, map_ or [])
    if report:
        write_report(verification, report)
    if json_:
        print(json.dumps(verification.to_dict()))
    else:
        print_verification(verification)
    return DONE if verification.ok else SOME_FAILED


@app.command
def evaluate(
    data: Path,
    /,
    *,
    model: list[str] | None = None,
    limit: int | None = None,
    lpips_weights: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Measure models on colour pictures: they are made gray, colorized and compared with the truth.

    Example: colorize evaluate photographs.tar --model photo --model gray --limit 50

    Parameters
    ----------
    data
        Folder or tar of colour pictures.
    model
        Name, file, or the trivial `gray` and `mean`; may be given several times. Default: photo, gray, mean.
    limit
        Number of pictures, from the first on. Default: all.
    lpips_weights
        Weights for LPIPS (squeeze); without them it is null.
    json_
        Print one JSON object instead of a table.
    """
    from rich.progress import Progress

    from training.evaluation.evaluate import evaluate as measure
    from training.evaluation.table import print_table
    from training.evaluation.truths import pictures_to_measure

    pictures = pictures_to_measure(data, limit)
    for name, reason in pictures.left_out.items():
        stderr.print(f"{name} is left out: {reason}", markup=False)
    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("pictures", total=None)
        figures = measure(
            pictures,
            model or ["photo", "gray", "mean"],
            lpips_weights=lpips_weights,
            report=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if json_:
        print(json.dumps(figures))
    else:
        print_table(figures)
    return DONE


@app.command
def audit(
    data: Path,
    /,
    *,
    output: Output = None,
    against: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Look through a training set for what would spoil a model: gray, sepia, doubles, frames, enlarged ones and more.

    Exit code 1 where something was found. Example: colorize audit photographs -o audit.html

    Parameters
    ----------
    data
        Folder or tar of colour pictures.
    output
        Contact sheet, an HTML file; an earlier one is replaced.
    against
        Pictures that must not be in it, such as those that a model is measured on.
    json_
        Print one JSON object instead of a table.
    """
    from rich.progress import Progress

    from training.audit import audit as look_through
    from training.audit_report import print_audit, write_report

    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("pictures", total=None)
        found = look_through([data], against, lambda done: progress.update(task, completed=done))
    if output:
        write_report(found, output)
    if json_:
        print(json.dumps(found.to_dict()))
    else:
        print_audit(found)
    return SOME_FAILED if any(found.findings.values()) else DONE


@app.command
def train(*, settings: Path, resume: bool = False) -> int:
    """Train a model: the generator alone first, then against the discriminator.

    The pictures are audited first. The folder of the run gets a page with curves and pictures (progress.html), the
    model and its card. Example: colorize train --settings photo.toml

    Parameters
    ----------
    settings
        TOML file; every setting is checked, and all are written beside the result.
    resume
        Go on from the last checkpoint of the same run.
    """
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.fit import train as fit
    from training.run_log import LOSSES
    from training.settings import read_settings

    run_settings = read_settings(settings)
    total = sum(stage.samples for stage in run_settings.stages)
    columns = (
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=stderr) as progress:
        looked = progress.add_task("pictures looked through", total=None, pace="", losses="")
        task = progress.add_task("samples", total=total, pace="", losses="")

        def audited(pictures: int) -> None:
            progress.update(looked, completed=pictures)

        def note(sentence: str) -> None:
            progress.update(looked, visible=False)
            progress.console.print(sentence, markup=False)

        def report(samples: int, scalars: dict[str, float]) -> None:
            pace = f"{scalars['pictures_per_second']:.0f}/s, {scalars['waiting']:.0%} waiting for pictures"
            losses = "  ".join(f"{name} {value:.3g}" for name, value in scalars.items() if name in LOSSES)
            progress.update(task, completed=samples, pace=pace, losses=losses)

        result = fit(run_settings, resume=resume, report=report, audited=audited, note=note)
    if result is None:
        return INTERRUPTED
    print(result)
    return DONE


def _load(model: str, device: Literal["auto", "cpu", "cuda"]) -> "Colorizer":
    with stderr.status("loading the model"):
        from training.prediction import Colorizer

        return Colorizer.load(model, device)


def _each(sources: Sequence[Path], results: Sequence[Path], work: Callable[[Path, Path], list[str]]) -> int:
    """Do every file; print each result on stdout, each failure and note on stderr."""
    failed = 0
    for source, result in zip(sources, results):
        try:
            for note in work(source, result):
                stderr.print(f"{source}: {note}", markup=False)
            print(result)
        except ColorizeError as error:
            failed += 1
            complain(error)
        except Exception as error:  # the others must not suffer, whatever is wrong with this one
            failed += 1
            complain(error, f"{source}: unexpected {type(error).__name__}: ")
    if failed == 0:
        return DONE
    return SOME_FAILED if failed < len(sources) else WRONG_USE


def main() -> int:
    """Entry point of the command ``colorize``."""
    return run(app)
