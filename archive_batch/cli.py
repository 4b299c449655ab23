"""The command line ``archive-batch``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from training import __version__
from training.console import DONE, INTERRUPTED, SOME_FAILED, run, stderr

if TYPE_CHECKING:
    from archive_batch.run import RunResult

app = App(
    name="archive-batch",
    help="Colour for whole archives of gray pictures, page by page, and an account of every page.",
    version=f"napari-colorize {__version__}",
    default_parameter=Parameter(negative=()),
    help_epilogue=(
        "Errors are sentences; --debug adds the traceback. "
        "Exit codes: 0 all done, 1 some pages refused, failed or pending, 2 nothing done, 130 interrupted."
    ),
)

Json = Annotated[bool, Parameter(name="--json")]
Count = Annotated[int | None, Parameter(validator=lambda _, value: _at_least_one(value))]


def _at_least_one(value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError("must be 1 or more")


@app.command(name="ingest")
def ingest_command(
    inputs: list[Path],
    archive: str,
    /,
    *,
    negative: Literal["yes", "no"] = "no",
    json_: Json = False,
) -> int:
    """Take pictures into an archive: TIFF, PNG, JPEG, JPEG 2000.

    Pages that are in it already are passed over: to add new files, run it again. Example: archive-batch ingest scans
    archive.zarr

    Parameters
    ----------
    inputs
        Picture files, and folders that are searched whole.
    archive
        Folder of the archive; made if it is not there.
    negative
        Whether the pictures are negatives, such as film: dark and light change places.
    json_
        Print one JSON object: files, pages, refused.
    """
    from rich.progress import Progress

    from archive_batch.ingest import ingest
    from archive_batch.sources import find_files

    files, others = find_files(inputs)
    if others:
        _say(f"left out, for they are no pictures: {len(others)}, such as {others[0]}")
    with Progress(console=stderr, transient=True) as progress:
        bar = progress.add_task("files", total=len(files))
        result = ingest(
            files, archive, negative=negative == "yes", report=lambda done: progress.update(bar, completed=done)
        )
    for note in result.notes:
        _say(note)
    refused = [asdict(refusal) for refusal in result.refused]
    summary = {"files": result.files, "pages": result.pages, "added": result.added, "kept": result.kept}
    text = (
        f"{result.files} files: {result.added} pages added ({result.kept} of them colour photographs, kept as they are)"
    )
    return _finish(summary, refused, text, json_)


@app.command(name="run")
def run_command(
    archive: str,
    target: str,
    /,
    *,
    mode: Literal["chroma", "rgb"] = "chroma",
    model: str = "photo",
    workers: Count = None,
    limit: Count = None,
    json_: Json = False,
) -> int:
    """Colorize the pages of an archive.

    To go on after an interruption, run the same command again. Example: archive-batch run archive.zarr colour.zarr
    --mode rgb --workers 4

    Parameters
    ----------
    archive
        Made by ingest.
    target
        Folder of the results; made if it is not there.
    mode
        chroma: colour maps, small, from which every picture can be rendered. rgb: OME-Zarr images.
    model
        Name of a model, or a model file.
    workers
        Number of processes. Default: one for each core.
    limit
        Do at most so many pages. Default: all.
    json_
        Print one JSON object: files, pages, refused.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from archive_batch.run import run_archive

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[failed]}"))
    with Progress(*columns, console=stderr, transient=True) as progress:
        bar = progress.add_task("pages", total=None, failed="")

        def report(result: "RunResult") -> None:
            failed = f"{len(result.refused)} failed" if result.refused else ""
            progress.update(bar, total=result.total, completed=result.finished, failed=failed)

        result = run_archive(archive, target, mode=mode, model=model, workers=workers, limit=limit, report=report)
    refused = [asdict(refusal) for refusal in result.refused]
    summary = {
        "files": result.files,
        "pages": result.skipped + result.done + result.kept,
        "done": result.done,
        "kept": result.kept,
    }
    text = f"{result.done} pages colorized, {result.kept} kept, {result.skipped} were finished before"
    code = _finish(summary, refused, text, json_)
    if result.interrupted:
        _say(f"interrupted: {result.total - result.finished} pages are left; the same command goes on from here")
    return INTERRUPTED if result.interrupted else code


@app.command(name="status")
def status_command(archive: str, target: str, /, *, json_: Json = False) -> int:
    """Tell how far a target is, and what failed.

    Exit code 1 while pages are pending or failed. Example: archive-batch status archive.zarr colour.zarr

    Parameters
    ----------
    archive
        Made by ingest.
    target
        Made by run.
    json_
        Print one JSON object.
    """
    from archive_batch.run import target_status

    status = target_status(archive, target)
    if json_:
        print(json.dumps(asdict(status)))
    else:
        for name, value in asdict(status).items():
            if name != "failures":
                print(f"{name:<17} {'-' if value is None else round(value, 3)}")
        for failure in status.failures:
            print(failure["reason"])
    return SOME_FAILED if status.failed or status.pending else DONE


def _finish(summary: dict[str, Any], refused: Sequence[dict[str, Any]], text: str, as_json: bool) -> int:
    """Print what was done, and what was refused; the exit code."""
    for refusal in refused:
        _say(refusal["reason"], style="red")
    if as_json:
        print(json.dumps({**summary, "refused": refused}))
    else:
        print(f"{text}, {len(refused)} refused" if refused else text)
    return SOME_FAILED if refused else DONE


def _say(sentence: str, style: str | None = None) -> None:
    stderr.print(sentence, markup=False, style=style)


def main() -> int:
    """Entry point of the command ``archive-batch``."""
    return run(app)
