"""Tasks on worker processes, by dask.distributed: a bounded window of futures, a receipt for every task."""

import logging
import signal
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, as_completed, get_worker

from archive_batch.ledger import LedgerLine
from archive_batch.plan import PageTask
from archive_batch.tasks import colorize_page, failed_line

if TYPE_CHECKING:
    from training.prediction import Colorizer

PER_WORKER = 2  # futures: one at work, one that it need not wait for
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_CONFIG = {
    "distributed.worker.multiprocessing-method": "spawn",
    # without distributed's MALLOC_TRIM_THRESHOLD_: it gives every temporary array back to the system, and rendering
    # then spends most of its time on fresh memory
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(_ONE_THREAD, "1"),
    # all pages that a worker had are suspects when it dies: each of them is tried once more, alone
    "distributed.scheduler.allowed-failures": 0,
}


class LoadModel(WorkerPlugin):
    """Loads the model when a worker starts, or starts again.

    Parameters
    ----------
    model : Path
        Its file.
    """

    name = "colorizer"

    def __init__(self, model: Path) -> None:
        self.model = model
        self.colorizer: Colorizer | None = None

    def setup(self, worker: Worker) -> None:
        import zarr

        from training.prediction import Colorizer

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the client ends its workers
        zarr.config.set({"threading.max_workers": 1, "async.concurrency": 2})  # a worker is one core
        self.colorizer = Colorizer.load(self.model, device="cpu")


def _on_worker(task: PageTask) -> LedgerLine:
    worker = get_worker()
    plugin = cast(LoadModel, worker.plugins[LoadModel.name])
    if plugin.colorizer is None:  # when a worker starts again, distributed only logs what its plugins raise
        return failed_line(task, f"the model {plugin.model} could not be loaded again: is it still there?")
    return colorize_page(plugin.colorizer, task, str(worker.name))


def run_tasks(tasks: Iterable[PageTask], model: Path, workers: int) -> Generator[LedgerLine]:
    """Do tasks on processes of this machine, one thread each.

    Parameters
    ----------
    tasks : iterable of PageTask
        Taken when a worker is free for them.
    model : Path
        File of the model; each worker loads it once.
    workers : int
        Number of processes.

    Yields
    ------
    LedgerLine
        For every task, in the order in which they end. A task whose worker dies is tried again at the end, alone, and
        has failed when that worker dies too.
    """
    from training.kernels import compile_all

    # once, before the workers look for it: compiled code that many write at once has crashed (numba issue 4807)
    compile_all()
    with dask.config.set(_CONFIG), _cluster(workers) as cluster, Client(cluster) as client:
        client.register_plugin(LoadModel(model))
        suspects = []
        for task, outcome in _finished(client, tasks, PER_WORKER * workers):
            if isinstance(outcome, KilledWorker):
                suspects.append(task)
            else:
                yield _receipt(task, outcome)
        for task, outcome in _finished(client, suspects, 1):
            yield _receipt(task, outcome)


def _finished(
    client: Client, tasks: Iterable[PageTask], window: int
) -> Iterator[tuple[PageTask, LedgerLine | Exception]]:
    """Tasks with what they gave, as they end; never more than so many are with the scheduler."""
    waiting = iter(tasks)
    running: dict[Any, PageTask] = {}

    def submit(task: PageTask) -> Future:
        future = client.submit(_on_worker, task, pure=False)
        running[future.key] = task
        return future

    futures = as_completed(map(submit, islice(waiting, window)), raise_errors=False)
    for future in futures:
        futures.update(map(submit, islice(waiting, 1)))
        yield running.pop(future.key), _outcome(future)
        future.release()


def _outcome(future: Future) -> LedgerLine | Exception:
    """What a task gave; its worker may have died since, and the task have failed when it ran again."""
    try:
        return future.result()
    except Exception as error:
        return error


def _cluster(workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


def _receipt(task: PageTask, outcome: LedgerLine | Exception) -> LedgerLine:
    if isinstance(outcome, LedgerLine):
        return outcome
    if isinstance(outcome, KilledWorker):
        return failed_line(
            task, "its worker died, and died again when it had no other page, perhaps of too little memory"
        )
    return failed_line(task, f"unexpected {type(outcome).__name__}: {outcome}")
