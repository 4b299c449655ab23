"""One run: what is pending is done, and the ledger tells of it."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import zarr

from archive_batch.catalogue import CataloguePage, read_catalogue
from archive_batch.ledger import LedgerLine, LedgerWriter, read_ledger
from archive_batch.plan import Identity, Intact, Mode, PageTask, Status, pending, status
from archive_batch.refusal import Refusal
from archive_batch.stores import have_lengths, only_writer, open_root
from archive_batch.targets import make_target, target_identity
from training.hashes import sha256_file
from training.model_files import find_model, model_name


@dataclass(slots=True)
class RunResult:
    """What a run did.

    Attributes
    ----------
    files : int
        Files of the pages that were looked at, finished before or not.
    total : int
        Pages to do in this run.
    skipped : int
        Pages that were finished before.
    done, kept : int
        Pages of this run that were colorized, or are colour photographs and left as they are.
    refused : list of Refusal
        Pages of this run that failed.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    files: int = 0
    total: int = 0
    skipped: int = 0
    done: int = 0
    kept: int = 0
    refused: list[Refusal] = field(default_factory=list)
    interrupted: bool = False

    @property
    def finished(self) -> int:
        """Pages of this run that have their line in the ledger."""
        return self.done + self.kept + len(self.refused)

    def count(self, page: CataloguePage, line: LedgerLine) -> None:
        """Count a page by its line."""
        if line.state == "failed":
            self.refused.append(Refusal(page.file, page.number, line.error))
        else:
            self.done += line.state == "done"
            self.kept += line.state == "kept"


def run_archive(
    archive: str,
    target: str,
    *,
    mode: Mode = "chroma",
    model: str = "photo",
    workers: int | None = None,
    limit: int | None = None,
    report: Callable[[RunResult], None] = lambda _: None,
) -> RunResult:
    """Colorize the pages of an archive that its target lacks.

    Parameters
    ----------
    archive, target : str
        Folders; a new target is made.
    mode : {"chroma", "rgb"}
        Colour maps, or RGB images.
    model : str
        Name or file.
    workers : int, optional
        Processes; by default one for each core.
    limit : int, optional
        At most so many pages.
    report : callable
        Told how far it is, before the first page and after each.

    Returns
    -------
    RunResult
        Failed pages and Ctrl-C end up in it; all that was finished is in the ledger.

    Raises
    ------
    ColorizeError
        If nothing can be done: no such archive or model, a target of another identity, another run at work.
    """
    pages = read_catalogue(open_root(archive, "archive"))
    model_file = find_model(model).resolve()
    identity = Identity(mode, model_name(model_file), sha256_file(model_file))
    with only_writer(target):
        root = make_target(target, identity)
        todo = pending(pages.values(), read_ledger(root), identity, _intact(root))
        left = {page.id for page in todo[limit:]} if limit else set()
        files = {page.file for page in pages.values() if page.id not in left}
        result = RunResult(len(files), total=len(todo) - len(left), skipped=len(pages) - len(todo))
        report(result)
        tasks = [PageTask(archive, target, page, identity) for page in todo[:limit]]
        with LedgerWriter(root) as ledger, closing(_finish(tasks, model_file, workers)) as lines:
            start = time.time()
            try:
                for line in lines:
                    ledger.add_line(replace(line, run=start))
                    result.count(pages[line.page], line)
                    report(result)
            except KeyboardInterrupt:
                result.interrupted = True
    return result


def _finish(tasks: Sequence[PageTask], model_file: Path, workers: int | None) -> Generator[LedgerLine]:
    """The lines of tasks as they end; pages that are kept need no worker."""
    for task in tasks:
        if task.page.kept:
            yield LedgerLine(task.page.id, "kept", task.page.sha256, task.settings, finished=time.time())
    gray = [task for task in tasks if not task.page.kept]
    if gray:
        from archive_batch.engine import run_tasks
        from training.console import usable_cores

        yield from run_tasks(gray, model_file, min(workers or usable_cores(), len(gray)))


def target_status(archive: str, target: str) -> Status:
    """How far a target is with an archive.

    Raises
    ------
    InputFileError
        If one of them is not there.
    """
    pages = read_catalogue(open_root(archive, "archive"))
    root = open_root(target, "target")
    return status(pages.values(), read_ledger(root), target_identity(root), _intact(root))


def _intact(root: zarr.Group) -> Intact:
    def intact(page: CataloguePage, line: LedgerLine) -> bool:
        return have_lengths(root.store, page.path, line.objects)

    return intact
