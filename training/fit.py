"""Training: the generator alone first, then against the discriminator; exact to resume.

Schedules count samples, not steps. What learns is in `training.trainer`, what is measured on the way in
`training.watch`, what is kept and when a stage stops in `training.stopping`.
"""

import itertools
import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.audit import Audit, audit
from training.audit_report import write_report
from training.checkpoints import ModelInfo, read_tensors, save_model, write_tensors
from training.color import srgb_to_lab
from training.data import Pictures, load_pictures
from training.errors import TrainingError
from training.evaluation.candidates import find_candidates
from training.evaluation.evaluate import measure
from training.evaluation.perceptual import Judges
from training.evaluation.truths import pictures_to_measure
from training.model_card import PICTURES, Figures, read_left_out, write_card, write_manifest
from training.picture_sources import decode_rgb
from training.rarity import colour_rarity
from training.run_log import Report, RunLog
from training.samples import Sample, TrainingSamples
from training.settings import Settings, Stage, write_settings
from training.stopping import Stopping
from training.trainer import Trainer, below, make_fabric
from training.watch import SIDE, Watcher

CHECKPOINT = "checkpoint.safetensors"
LARGEST_CHECKPOINT_BYTES = 2_000_000_000
WARM_UP = 0.05  # of a stage's samples, the learning rate rises
FINAL_RATE = 0.02  # of the learning rate, at the end of a stage
FINEST = 1.6  # times the largest samples: pictures are kept with at most such a short side, so that no crop is enlarged


def train(
    settings: Settings,
    *,
    resume: bool = False,
    report: Report | None = None,
    audited: Callable[[int], None] = lambda pictures: None,
    note: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Train a model and write it to ``settings.output / settings.name``.

    Parameters
    ----------
    settings : Settings
        The whole run.
    resume : bool
        Go on from the checkpoint of the output folder. An interrupted and resumed run on a CPU gives the same
        weights, bit for bit, as an undisturbed one of as many threads.
    report : callable, optional
        See `training.run_log.RunLog`.
    audited, note : callable
        Get the number of pictures that were looked through, and sentences on what was found.

    Returns
    -------
    Path
        The model file, or the checkpoint if the run was interrupted (Ctrl-C or SIGTERM).
    """
    folder = settings.output / settings.name
    if not resume and (folder / CHECKPOINT).exists():
        raise TrainingError(f"{folder} holds an earlier run of this name: resume it, or choose another name")
    left_out, found = _to_leave_out(settings, folder if resume else None, audited)
    pictures = _load(settings, left_out)
    note(f"{len(pictures.names)} pictures; left out: {_counts(pictures.left_out) or 'none'} ({folder / PICTURES})")
    with _arithmetic(settings.threads):
        run = _Run(settings, pictures, folder, resume=resume, report=report)
        if run.writes:
            write_settings(settings, folder / "settings.toml")
            if found:
                write_report(found, folder / "audit.html")
            write_manifest(folder, pictures, left_out)
        if not run.to_the_end():
            return folder / CHECKPOINT
    path = folder / f"{settings.name}.safetensors"
    if run.writes:
        save_model(path, run.trainer.average, run.info())
        write_card(folder / "card.md", path, settings, run.final_figures(path))
    return path


def _to_leave_out(
    settings: Settings, resumed: Path | None, audited: Callable[[int], None]
) -> tuple[dict[str, str], Audit | None]:
    """Pictures that the audit found to leave out, with the reason; and the audit, where the run does not know yet."""
    if resumed and (left_out := read_left_out(resumed)) is not None:
        return left_out, None
    if not settings.leave_out:
        return {}, None
    found = audit(settings.data, settings.watch, audited)
    reasons = ((reason, names) for reason, names in found.findings.items() if reason in settings.leave_out)
    return {name: reason for reason, names in reasons for name in names}, found


def _load(settings: Settings, left_out: Mapping[str, str]) -> Pictures:
    side = round(FINEST * max(stage.size for stage in settings.stages))
    try:
        return load_pictures(settings.data, left_out=left_out, side=side, cache_bytes=settings.cache_bytes)
    except TrainingError as error:
        if not left_out:
            raise
        raise TrainingError(
            f"{error}. The audit left out {_counts(left_out)}: look at them with `colorize audit`, and name in the "
            "setting leave_out only the reasons that you agree with"
        ) from error


def _counts(left_out: Mapping[str, str]) -> str:
    """How many for each reason, without its particulars."""
    counts = Counter(reason.partition(" (")[0] for reason in left_out.values())
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


@contextmanager
def _arithmetic(threads: int) -> Iterator[None]:
    """So many threads, and tiny numbers taken for zero, which would slow a step down; both as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


class _Run:
    """One run: what learns, what it learns from, what is watched, and the folder of it all."""

    def __init__(
        self, settings: Settings, pictures: Pictures, folder: Path, *, resume: bool, report: Report | None
    ) -> None:
        self.settings, self.pictures, self.folder = settings, pictures, folder
        self.fabric = make_fabric(settings)
        self.writes = self.fabric.is_global_zero
        # before the trainer is seeded or restored: loading networks draws random numbers
        self.watcher = _watcher(settings) if settings.watch else None
        self.trainer = Trainer(settings, self.fabric, colour_rarity(pictures.encoded) if settings.rebalance else None)
        self.mean_ab = mean_ab(pictures.encoded)
        self.stopping: Stopping | None = None  # of the stage that has begun
        self.best: dict[str, Tensor] = {}  # its best model
        if resume:
            self._restore()
        self.saved = self.trainer.samples
        folder.mkdir(parents=True, exist_ok=True)
        self.log = RunLog(folder, settings, self.trainer.samples, report) if self.writes else None
        if self.watcher and self.log:
            for name, row in zip(("gray", "true"), self.watcher.true_rows()):
                self.log.save_row(name, row)

    def to_the_end(self) -> bool:
        """Train to the end, or to an interruption; says which."""
        with _Interruption(self.fabric) as interrupted:
            end = 0
            for stage in self.settings.stages:
                end += stage.samples
                if self.trainer.samples < end and not self._stage(stage, end, interrupted):
                    return False
        self._save()
        if self.log:
            self.log.write_page()
        return True

    def _stage(self, stage: Stage, end: int, interrupted: "_Interruption") -> bool:
        trainer = self.trainer
        if self.watcher and self.stopping is None:
            self.stopping = Stopping(adversarial=stage.adversarial > 0, patience=stage.looks_to_wait)
            if trainer.samples or self.settings.base:  # else there is nothing to see
                self._look()
        steps = batches(self.settings, self.pictures.encoded, stage, end, trainer.samples, self._part())
        asked_at = time.perf_counter()
        for rate, batch in steps:
            waited = time.perf_counter() - asked_at
            scalars = trainer.step(batch, stage, rate)
            if self.log:
                self.log.add(scalars, trainer.samples, waited)
            place = trainer.samples - (end - stage.samples)
            due = place // stage.watch_every > (place - self.settings.batch) // stage.watch_every
            if self.watcher and (due or trainer.samples == end) and self._look():
                trainer.skipped += end - trainer.samples
                trainer.samples = end
            if trainer.samples == end:
                self._end_stage()
            asked = interrupted.asked()
            if trainer.samples - self.saved >= self.settings.checkpoint_every or asked:
                self._save()
            if asked:
                return False
            if trainer.samples == end:
                break
            asked_at = time.perf_counter()
        return True

    def _end_stage(self) -> None:
        if self.stopping:
            self.trainer.go_back(self.best)
            self.stopping, self.best = None, {}

    def _part(self) -> tuple[int, int]:
        """Which of how many processes this one is."""
        return self.fabric.global_rank, self.fabric.world_size

    def _look(self) -> bool:
        """Measure the model as it is; whether the stage should stop."""
        assert self.watcher is not None
        assert self.stopping is not None
        figures, row = self.watcher.look(self.trainer.average, self.info())
        best, stop = self.stopping.decide(figures)
        if best:
            self.best = {key: value.clone() for key, value in self.trainer.average.state_dict().items()}
        if self.log:
            self.log.watched(figures, row, best=best)
        return stop

    def info(self) -> ModelInfo:
        """What the model file says about itself."""
        return ModelInfo(
            name=self.settings.name,
            encoder=self.settings.encoder,
            size=self.settings.stages[0].size,
            working_size=self.settings.working_size,
            saturation=1.0,
            mean_ab=self.mean_ab,
            samples=self.trainer.samples - self.trainer.skipped,
        )

    def final_figures(self, model: Path) -> dict[str, Figures]:
        """What the card tells of the finished model."""
        if not self.watcher:
            return {}
        pictures = self.watcher.pictures
        title = f"{len(pictures.names)} pictures that it was not trained on, reduced to {SIDE} pixels"
        candidates = find_candidates([str(model), "gray", "mean"])
        return {title: measure(candidates, pictures, self.watcher.judges)["models"]}

    def _save(self) -> None:
        self.saved = self.trainer.samples
        tensors = self.trainer.tensors() | {f"best/{key}": value for key, value in self.best.items()}
        self.trainer.check_finite(*tensors.values())
        metadata = {
            "samples": self.trainer.samples,
            "skipped": self.trainer.skipped,
            "stopping": self.stopping.to_dict() if self.stopping else None,
            "settings": self.settings.model_dump(mode="json"),
            "pictures": self.pictures.sha256,
        }
        if self.writes:
            write_tensors(self.folder / CHECKPOINT, tensors, metadata)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            raise TrainingError(f"{path.parent} holds no run to resume: start it without --resume")
        tensors, metadata = read_tensors(path, LARGEST_CHECKPOINT_BYTES)
        _check_settings(self.settings, path, metadata)
        if metadata["pictures"] != self.pictures.sha256:
            raise TrainingError(f"{path}: made with other pictures: resume with the same, or choose another name")
        self.trainer.restore(tensors, metadata["samples"], metadata["skipped"])
        self.stopping = Stopping.from_dict(metadata["stopping"]) if metadata["stopping"] else None
        self.best = below(tensors, "best")


def _watcher(settings: Settings) -> Watcher:
    assert settings.watch
    pictures = pictures_to_measure(settings.watch, settings.watch_pictures)
    return Watcher(pictures, Judges.load(settings.lpips_weights))


def _check_settings(settings: Settings, path: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that other settings led to."""
    try:
        samples, earlier = metadata["samples"], Settings(**metadata["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: no checkpoint of this version ({error}): train under another name") from error
    mine, theirs = (_path_of_weights(s, samples) for s in (settings, earlier))
    if changed := sorted(key for key in mine if mine[key] != theirs[key]):
        raise TrainingError(
            f"{path}: made with other settings ({', '.join(changed)}): resume with those of "
            f"{path.parent}/settings.toml, or choose another name. Stages that have not begun may change"
        )


_WITHOUT_EFFECT = {"output", "data", "device", "threads", "workers", "cache_bytes", "checkpoint_every", "working_size"}


def _path_of_weights(settings: Settings, samples: int) -> dict[str, object]:
    """The settings that decided the weights so far: of the stages only those that have begun."""
    values = settings.model_dump(exclude=_WITHOUT_EFFECT)
    starts = itertools.accumulate((stage.samples for stage in settings.stages), initial=0)
    return values | {"stages": [stage for stage, start in zip(values["stages"], starts) if start < samples]}


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
    numbers = [number + index for number in firsts for index in range(share)]
    samples = TrainingSamples(encoded, stage.size, settings.seed, settings.hint_share, settings.degraded_share)
    # a generator of its own: the loader's draws would shift those of dropout when a run is resumed
    own = torch.Generator()
    loader = DataLoader(samples, share, sampler=numbers, num_workers=settings.workers, generator=own)
    for index, batch in enumerate(loader):
        yield scheduled_rate(stage, start - first + index * settings.batch), batch


def mean_ab(encoded: Sequence[bytes]) -> tuple[float, float]:
    """Mean a* and b* of the pictures, each counted once."""
    means = [srgb_to_lab(np.asarray(decode_rgb(data).reduce(4)) / 255)[..., 1:].mean(axis=(0, 1)) for data in encoded]
    a, b = np.mean(means, axis=0)
    return round(float(a), 3), round(float(b), 3)


class _Interruption:
    """Turns Ctrl-C and SIGTERM into a question that the loop asks after each step, so that a step is never torn."""

    def __init__(self, fabric: Any) -> None:
        self._fabric, self._asked = fabric, False

    def __enter__(self) -> "_Interruption":
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, *_: object) -> None:
        self._asked = True

    def asked(self) -> bool:
        """Whether one of the processes was asked to end."""
        if self._fabric.world_size == 1:
            return self._asked
        return bool(self._fabric.all_reduce(torch.tensor(float(self._asked)), reduce_op="sum") > 0)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
