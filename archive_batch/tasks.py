"""What a worker does: one page from the archive to the target."""

import time
from typing import TYPE_CHECKING, Any

import zarr

from archive_batch.gray_pages import gray_levels
from archive_batch.ledger import LedgerLine
from archive_batch.plan import PageTask
from archive_batch.stores import object_lengths, open_root
from archive_batch.targets import add_provenance, combined_sha256, write_map, write_rgb
from training.errors import ColorizeError
from training.provenance import provenance_record

if TYPE_CHECKING:
    from training.chroma_map import ChromaMap
    from training.prediction import Colorizer


def colorize_page(colorizer: "Colorizer", task: PageTask, worker: str = "") -> LedgerLine:
    """Colorize a page and write the result; nothing is raised, a failure is told by the line.

    Parameters
    ----------
    colorizer : Colorizer
        The model of the task's identity.
    task : PageTask
        The page. All objects under its path in the target belong to this task alone: whole shards, and no part of
        another page's.
    worker : str
        Name for the ledger.

    Returns
    -------
    LedgerLine
        State "done" or "failed".
    """
    start = time.perf_counter()
    try:
        result = _colorize(colorizer, task)
    except ColorizeError as error:
        return failed_line(task, str(error), seconds=time.perf_counter() - start, worker=worker)
    except Exception as error:  # one page must not end a night of work, whatever is wrong with it
        reason = f"unexpected {type(error).__name__}: {error}"
        return failed_line(task, reason, seconds=time.perf_counter() - start, worker=worker)
    return LedgerLine(
        task.page.id,
        "done",
        task.page.sha256,
        task.settings,
        **result,
        seconds=round(time.perf_counter() - start, 3),
        worker=worker,
        finished=time.time(),
    )


def _colorize(colorizer: "Colorizer", task: PageTask) -> dict[str, Any]:
    """Read, predict, write; content hash and objects of the result."""
    page, path = task.page, task.page.path
    levels = gray_levels(open_root(task.archive, "archive"), page)
    chroma = colorizer.predict(levels, seed=task.identity.settings["seed"], window=page.window)
    root = zarr.open_group(task.target, mode="r+", zarr_format=3)
    if task.identity.mode == "chroma":
        content = write_map(root, path, chroma, _provenance(task, chroma))
    else:
        digests = write_rgb(root, path, page.id, chroma, levels)
        content = combined_sha256([*digests, write_map(root, f"{path}/chroma", chroma)])
        add_provenance(root, path, _provenance(task, chroma, digests[0]))
    return {"content_sha256": content, "objects": object_lengths(root.store, path)}


def _provenance(task: PageTask, chroma: "ChromaMap", result_sha256: str | None = None) -> dict[str, Any]:
    page = task.page
    notes = [note for note in (page.note, chroma.window.note) if note]
    if nan_pixels := chroma.record.get("nan_pixels"):
        notes.append(f"{nan_pixels} pixels are no numbers (NaN): black")
    return provenance_record(
        chroma.record,
        source=page.file,
        source_sha256=page.sha256,
        page=page.number or 0,
        window=chroma.window.to_dict(),
        result_sha256=result_sha256,
        notes=notes,
    )


def failed_line(task: PageTask, reason: str, *, seconds: float = 0.0, worker: str = "") -> LedgerLine:
    """The line of a page that failed; its reason names the page."""
    return LedgerLine(
        task.page.id,
        "failed",
        task.page.sha256,
        task.settings,
        error=f"{task.page.id}: {reason}",
        seconds=round(seconds, 3),
        worker=worker,
        finished=time.time(),
    )
