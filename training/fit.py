"""Training: the generator alone first, then against the discriminator; exact to resume.

What learns is in `training.trainer`, what comes when in `training.schedule`, what is measured on the way in
`training.watch`, and what is kept and when a stage stops in `training.stopping`.
"""

import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from training.alone import alone_in
from training.audit import Audit, audit
from training.audit_report import write_report
from training.checkpoints import ModelInfo, read_tensors, save_model, write_tensors
from training.color import srgb_to_lab
from training.data import Pictures, load_pictures
from training.errors import ModelFileError, SettingsError, TrainingError
from training.evaluation.candidates import find_candidates
from training.evaluation.evaluate import measure
from training.evaluation.metrics import require_torchmetrics
from training.evaluation.perceptual import Judges
from training.evaluation.truths import pictures_to_measure
from training.model_card import MANIFEST, Figures, read_left_out, write_card, write_manifest
from training.model_files import find_model, read_metadata
from training.picture_sources import decode_rgb
from training.rarity import colour_rarity
from training.run_log import Report, RunLog, require_matplotlib
from training.schedule import batches
from training.settings import Settings, Stage, write_settings
from training.stopping import Look, Stopping, Verdict
from training.torch_threads import torch_threads
from training.trainer import Trainer, make_fabric, part_of
from training.watch import SIDE, Watcher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_FORMAT = "napari-colorize checkpoint 2"
LARGEST_CHECKPOINT_BYTES = 2_000_000_000
FINEST = 1.6  # times the largest samples: pictures are kept with at most such a short side, so that no crop is enlarged
Note = Callable[[str], None]


def train(
    settings: Settings,
    *,
    resume: bool = False,
    report: Report | None = None,
    audited: Callable[[int], None] = lambda pictures: None,
    note: Note = lambda sentence: None,
) -> Path | None:
    """Train a model and write it to ``settings.output / settings.name``.

    Parameters
    ----------
    settings : Settings
        The whole run.
    resume : bool
        Go on from the checkpoint of the output folder. An interrupted and resumed run of one process on a CPU gives
        the same weights, bit for bit, as an undisturbed one of as many threads.
    report : callable, optional
        See `training.run_log.RunLog`.
    audited, note : callable
        Get the number of pictures that were looked through, and sentences on what was found.

    Returns
    -------
    Path or None
        The model file; None if the run was interrupted (Ctrl-C or SIGTERM) and saved.

    Raises
    ------
    SettingsError
        If something that the settings name is missing or does not fit.
    TrainingError
        If there is nothing to resume, an earlier run in the way, too few pictures, or losses that are not finite.
    """
    folder = settings.output / settings.name
    _check_ready(settings, folder, resume=resume)
    fabric = make_fabric(settings)  # first: other processes begin here
    if not fabric.is_global_zero:
        report = audited = note = lambda *_: None  # type: ignore[assignment]
    left_out, found = _to_leave_out(settings, folder if resume else None, audited)
    pictures = _load(settings, left_out)
    counts = _counts(pictures.left_out) or "none"
    note(f"{len(pictures.names)} pictures to learn from; left out: {counts} (by name in {folder / MANIFEST})")
    with torch_threads(settings.threads), _no_denormals(), alone_in(folder, fabric.is_global_zero):
        run = _Run(settings, fabric, pictures, folder, resume=resume, report=report, note=note)
        if run.is_main:
            write_settings(settings, folder / "settings.toml")
            if found:
                write_report(found, folder / "audit.html")
            write_manifest(folder, pictures, left_out)
        if not run.to_the_end():
            note(f"interrupted after {run.trainer.place} samples: the same command with --resume goes on")
            return None
        path = folder / f"{settings.name}.safetensors"
        if run.is_main:
            save_model(path, run.trainer.average, run.info())
            write_card(folder / "card.md", path, settings, run.final_figures(path))
            note(f"what was made of it: {folder / 'card.md'}; the curves: {folder / 'progress.html'}")
    return path


def _check_ready(settings: Settings, folder: Path, *, resume: bool) -> None:
    """Find what is missing before hours are spent."""
    checkpoint = folder / CHECKPOINT
    if not resume and checkpoint.exists():
        raise TrainingError(f"{folder} holds an earlier run of this name: resume it, or choose another name")
    if resume:
        if not checkpoint.exists():
            raise TrainingError(f"{folder} holds no run to resume: start it without --resume")
        _check_settings(settings, checkpoint, read_metadata(checkpoint))
    require_matplotlib()
    if settings.base:
        find_model(settings.base)
    if settings.watch:
        require_torchmetrics()
    for key in ("notes", "lpips_weights"):
        if (path := getattr(settings, key)) and not path.is_file():
            raise SettingsError(f"{key}: {path} is not there")


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
def _no_denormals() -> Iterator[None]:
    """Tiny numbers are taken for zero: they would slow a step down."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class _Run:
    """One run: what learns, what it learns from, what is watched, and the folder of it all."""

    def __init__(
        self,
        settings: Settings,
        fabric: "Fabric",
        pictures: Pictures,
        folder: Path,
        *,
        resume: bool,
        report: Report | None,
        note: Note,
    ) -> None:
        self.settings, self.fabric, self.pictures, self.folder, self.note = settings, fabric, pictures, folder, note
        self.is_main = fabric.is_global_zero
        # before the trainer is seeded or restored: loading networks draws random numbers
        self.watcher = _watcher(settings) if settings.watch else None
        self.trainer = Trainer(settings, fabric, colour_rarity(pictures.encoded) if settings.rebalance else None)
        self.mean_ab = mean_ab(pictures.encoded)
        self.stopping: Stopping | None = None  # of the stage that has begun
        self.best: dict[str, Tensor] = {}  # its best model
        self.last_look: Look | None = None  # of the stage before
        if resume:
            self._restore()
        self.saved = self.trainer.place
        folder.mkdir(parents=True, exist_ok=True)
        self.log = RunLog(folder, settings, self.trainer.place if resume else -1, report) if self.is_main else None
        if self.watcher and self.log:
            for name, row in zip(("gray", "true"), self.watcher.true_rows()):
                self.log.save_row(name, row)

    def to_the_end(self) -> bool:
        """Train to the end, or to an interruption; says which."""
        with _Interruption(self.trainer) as interrupted:
            end = 0
            for stage in self.settings.stages:
                end += stage.samples
                if self.trainer.place < end and not self._stage(stage, end, interrupted):
                    return False
        if self.log:
            self.log.finish(self.trainer.place)
        return True

    def _stage(self, stage: Stage, end: int, interrupted: "_Interruption") -> bool:
        """Train to the end of a stage, or to an interruption; says which."""
        trainer = self.trainer
        if self.watcher and self.stopping is None:
            self._begin_stage(stage)
        part = self.fabric.global_rank, self.fabric.world_size
        asked_at = time.perf_counter()
        for rate, batch in batches(self.settings, self.pictures.encoded, stage, end, trainer.place, part):
            waited = time.perf_counter() - asked_at
            scalars = trainer.step(batch, stage, rate)
            if self.log:
                self.log.add(scalars, trainer.place, waited)
            done = trainer.place - (end - stage.samples)
            every = stage.samples_between_looks
            due = done // every > (done - self.settings.batch) // every or trainer.place == end
            stopped = self.watcher is not None and due and self._look()
            if stopped or trainer.place == end:
                self._end_stage(end)
            asked = interrupted.asked()
            if asked or trainer.place == end or trainer.place - self.saved >= self.settings.checkpoint_every:
                self._save()
            if asked:
                if self.log:
                    self.log.finish(trainer.place)
                return False
            if trainer.place == end:
                return True
            asked_at = time.perf_counter()
        return True

    def _begin_stage(self, stage: Stage) -> None:
        """Look at what the stage begins with, if it is anything: the best of the stage before, or another model."""
        adversarial, patience = stage.adversarial > 0, stage.looks_to_wait
        if self.last_look is None and self.settings.base and self.trainer.place == 0:
            self.stopping = Stopping.from_beginning(None, adversarial=False, patience=0)
            self._look()
            self.last_look = self.stopping.best
        self.stopping = Stopping.from_beginning(self.last_look, adversarial=adversarial, patience=patience)
        self._keep_best()

    def _end_stage(self, end: int) -> None:
        """Go back to the best model of the stage, and on to the next one."""
        trainer = self.trainer
        if self.stopping:
            self.last_look = self.fabric.broadcast(self.stopping.best)
            assert self.last_look is not None  # its end is always looked at
            trainer.go_back(self.best, self.last_look.samples)
            self.note(f"the stage ends at {trainer.place} samples with the model of {self.last_look.samples}")
            self.stopping, self.best = None, {}
        if self.log:
            self.log.end_stage(trainer.place, end)
        trainer.place = end

    def _look(self) -> bool:
        """Measure the model as it is, in one process; whether the stage should stop."""
        self.trainer.check_finite(*self.trainer.average.state_dict().values())
        verdict = Verdict(best=False, stop=False)
        if self.watcher and self.stopping and self.log:
            began = time.perf_counter()
            look, row = self.watcher.look(self.trainer.average, self.info(), self.trainer.place)
            verdict = self.stopping.decide(look)
            self.log.watched(look, row, best=verdict.best, seconds=time.perf_counter() - began)
            if wrong := self.stopping.what_is_wrong(look):
                self.note(f"after {look.samples} samples: {wrong}")
        best, stop = self.fabric.broadcast(verdict)
        if best:
            self._keep_best()
        return stop

    def _keep_best(self) -> None:
        self.best = {key: value.clone() for key, value in self.trainer.average.state_dict().items()}

    def info(self) -> ModelInfo:
        """What the model file says about itself."""
        return ModelInfo(
            name=self.settings.name,
            encoder=self.settings.encoder,
            size=self.settings.stages[0].size,
            working_size=self.settings.working_size,
            saturation=1.0,
            mean_ab=self.mean_ab,
            samples=self.trainer.seen_before + self.trainer.seen,
        )

    def final_figures(self, model: Path) -> dict[str, Figures]:
        """What the card tells of the finished model."""
        if not self.watcher:
            return {}
        pictures = self.watcher.pictures
        title = f"{len(pictures.names)} pictures that it was watched on, not trained on, reduced to {SIDE} pixels"
        candidates = find_candidates([str(model), "gray", "mean"])
        return {title: measure(candidates, pictures, self.watcher.judges)["models"]}

    def _save(self) -> None:
        self.saved = self.trainer.place
        tensors = self.trainer.tensors() | {f"best/{key}": value for key, value in self.best.items()}
        self.trainer.check_finite(*tensors.values())
        metadata = {
            "format": CHECKPOINT_FORMAT,
            "place": self.trainer.place,
            "seen": self.trainer.seen,
            "stopping": self.stopping.to_dict() if self.stopping else None,
            "last_look": Stopping(False, 0, best=self.last_look).to_dict(),
            "settings": self.settings.model_dump(mode="json"),
            "pictures": self.pictures.sha256,
            "watched": self.watcher.pictures.sha256 if self.watcher else None,
        }
        if self.is_main:
            write_tensors(self.folder / CHECKPOINT, tensors, metadata)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        tensors, metadata = read_tensors(path, LARGEST_CHECKPOINT_BYTES)
        watched = self.watcher.pictures.sha256 if self.watcher else None
        if (metadata["pictures"], metadata["watched"]) != (self.pictures.sha256, watched):
            raise TrainingError(f"{path}: made with other pictures: resume with the same, or choose another name")
        try:
            self.trainer.restore(tensors, metadata["place"], metadata["seen"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFileError(f"{path}: its parts do not fit the settings ({error})") from error
        self.stopping = Stopping.from_dict(metadata["stopping"]) if metadata["stopping"] else None
        self.last_look = Stopping.from_dict(metadata["last_look"]).best
        self.best = part_of(tensors, "best")


def _watcher(settings: Settings) -> Watcher:
    assert settings.watch is not None
    pictures = pictures_to_measure(settings.watch, settings.watch_pictures)
    return Watcher(pictures, Judges.load(settings.lpips_weights))


def _check_settings(settings: Settings, path: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that other settings led to."""
    if metadata.get("format") != CHECKPOINT_FORMAT:
        raise TrainingError(f"{path}: no checkpoint of this version: train under another name")
    try:
        place, earlier = metadata["place"], Settings(**metadata["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: no checkpoint of this version ({error}): train under another name") from error
    mine, theirs = (_path_of_weights(s, place) for s in (settings, earlier))
    if changed := sorted(key for key in mine if mine[key] != theirs[key]):
        raise TrainingError(
            f"{path}: made with other settings ({', '.join(changed)}): resume with those of "
            f"{path.parent}/settings.toml, or choose another name. Stages that have not begun may change"
        )


# of the pictures, those that are trained on and those that are watched, the contents are compared
_WITHOUT_EFFECT = {
    "output",
    "data",
    "notes",
    "watch",
    "lpips_weights",
    "device",
    "threads",
    "workers",
    "cache_bytes",
    "checkpoint_every",
}


def _path_of_weights(settings: Settings, place: int) -> dict[str, object]:
    """The settings that decided the weights so far: of the stages only those that have begun."""
    watched = {"working_size"} if settings.watch is None else set()  # what is kept depends on what is seen
    values = settings.model_dump(exclude=_WITHOUT_EFFECT | watched)
    starts = itertools.accumulate((stage.samples for stage in settings.stages), initial=0)
    return values | {"stages": [stage for stage, start in zip(values["stages"], starts) if start < place]}


def mean_ab(encoded: Sequence[bytes]) -> tuple[float, float]:
    """Mean a* and b* of the pictures, each counted once."""
    means = [srgb_to_lab(np.asarray(decode_rgb(data).reduce(4)) / 255)[..., 1:].mean(axis=(0, 1)) for data in encoded]
    a, b = np.mean(means, axis=0)
    return round(float(a), 3), round(float(b), 3)


class _Interruption:
    """Turns Ctrl-C and SIGTERM into a question that the loop asks after each step, so that a step is never torn."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._asked = trainer, False

    def __enter__(self) -> "_Interruption":
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, *_: object) -> None:
        self._asked = True

    def asked(self) -> bool:
        """Whether one of the processes was asked to end."""
        return self._trainer.in_any_process(self._asked)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
