"""What a run does when: learning rates and batches by the numbers of the samples."""

import math
import signal
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader

from training.samples import Sample, TrainingSamples
from training.settings import Settings, Stage

WARM_UP = 0.05  # of a stage's samples, the learning rate rises
FINAL_RATE = 0.02  # of the learning rate, at the end of a stage


def scheduled_rate(stage: Stage, done: int) -> float:
    """Learning rate after `done` samples of a stage: a short linear rise, then half a cosine."""
    progress = done / stage.samples
    if progress < WARM_UP:
        return stage.learning_rate * (progress + 1e-3) / WARM_UP
    fall = (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
    return stage.learning_rate * (FINAL_RATE + (1 - FINAL_RATE) * fall)


def batches(
    settings: Settings,
    encoded: Sequence[bytes],
    stage: Stage,
    end: int,
    start: int,
    part: tuple[int, int] = (0, 1),
) -> Iterator[tuple[float, Sample]]:
    """Learning rate and batch from sample number `start` to the end of a stage, which has the number `end`.

    Parameters
    ----------
    settings : Settings
        Of the run.
    encoded : sequence of bytes
        Pictures.
    stage : Stage
        It ends at `end`.
    end, start : int
        Numbers of samples of the whole run.
    part : tuple of two int
        Which of how many processes: each gets its share of every batch.
    """
    first = end - stage.samples
    rank, world = part
    share = settings.batch // world
    firsts = range(start + rank * share, end, settings.batch)
    numbers = (number + index for number in firsts for index in range(share))
    samples = TrainingSamples(encoded, stage.size, settings.seed, settings.hint_share, settings.degraded_share)
    # a generator of its own: the loader's draws would shift those of dropout when a run is resumed
    own = torch.Generator()
    loader = DataLoader(
        samples,
        share,
        sampler=numbers,
        num_workers=settings.workers,
        worker_init_fn=_leave_interruptions_to_the_run,
        generator=own,
        pin_memory=torch.cuda.is_available() and settings.device != "cpu",
    )
    for index, batch in enumerate(loader):
        yield scheduled_rate(stage, start - first + index * settings.batch), batch


def _leave_interruptions_to_the_run(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal: the workers must last until the run has saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
