"""Training: the generator alone first, then against the discriminator; exact to resume.

The order is that of pix2pix, G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G) (Isola et al. 2017), with the generator
pretrained before the adversarial stage. Schedules count samples, not steps.
"""

import copy
import csv
import itertools
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from training import losses
from training.checkpoints import ModelInfo, read_tensors, save_model, write_tensors
from training.color import srgb_to_lab
from training.data import Pictures, Sample, TrainingSamples, load_pictures
from training.errors import TrainingError
from training.network import PatchDiscriminator, UNetGenerator, load_imagenet
from training.picture_sources import decode_rgb
from training.settings import Settings, Stage, write_settings

CHECKPOINT = "checkpoint.safetensors"
LARGEST_CHECKPOINT_BYTES = 2_000_000_000
WARM_UP = 0.05  # of a stage's samples, the learning rate rises
FINAL_RATE = 0.02  # of the learning rate, at the end of a stage
LOG_EVERY = 640  # samples
Scalars = dict[str, float]


@dataclass
class Trainer:
    """The parts that learn, and how far they are."""

    settings: Settings
    generator: UNetGenerator
    average: UNetGenerator  # exponential moving average of the generator: what ships
    discriminator: PatchDiscriminator
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    samples: int = 0

    @classmethod
    def create(cls, settings: Settings) -> "Trainer":
        """Fresh networks, seeded."""
        torch.manual_seed(settings.seed)
        generator = UNetGenerator(settings.encoder, size=settings.stages[0].size, dropout=settings.dropout)
        if settings.pretrained:
            load_imagenet(generator.encoder)
        generator.to(memory_format=torch.channels_last)
        discriminator = PatchDiscriminator().to(memory_format=torch.channels_last)
        return cls(
            settings,
            generator,
            copy.deepcopy(generator).requires_grad_(False),
            discriminator,
            torch.optim.AdamW(generator.parameters(), weight_decay=settings.weight_decay),
            # beta1 0.5 as in pix2pix, for the discriminator
            torch.optim.AdamW(discriminator.parameters(), betas=(0.5, 0.999), weight_decay=settings.weight_decay),
        )

    def step(self, batch: Sample, stage: Stage, learning_rate: float) -> Scalars:
        """One step of the generator, and of the discriminator in the adversarial stage."""
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
        inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
        colour = self.generator(inputs)
        parts = {
            "l1": self.settings.l1_weight * losses.l1_loss(colour.ab, batch.ab),
            "scale": self.settings.scale_weight * losses.scale_loss(colour.log_scale, colour.ab, batch.ab),
            "distribution": self.settings.distribution_weight * losses.distribution_loss(colour.logits, batch.ab),
        }
        if stage.adversarial > 0:
            lightness = F.avg_pool2d(inputs[:, :1], 2)
            discriminator_loss = self._step_discriminator(lightness, colour.ab.detach(), batch.ab)
            parts["adversarial"] = stage.adversarial * losses.adversarial_loss(self.discriminator(lightness, colour.ab))
        total = sum(parts.values())
        self.check_finite(total)
        _descend(self.generator_optimizer, total)
        self._update_average(len(inputs))
        self.samples += len(inputs)
        scalars = {name: value.item() for name, value in parts.items()}
        return scalars | ({"discriminator": discriminator_loss} if stage.adversarial > 0 else {})

    def check_finite(self, *values: Tensor) -> None:
        """Stop before what is not finite spoils the last checkpoint."""
        if not all(torch.isfinite(value).all() for value in values):
            raise TrainingError(
                f"losses or weights are no longer finite after {self.samples} samples; the last checkpoint is kept: "
                "lower the learning rate of this stage, then resume if the checkpoint is older than the stage, "
                "else train again under another name"
            )

    def _step_discriminator(self, lightness: Tensor, fake_ab: Tensor, true_ab: Tensor) -> float:
        loss = losses.discriminator_loss(self.discriminator(lightness, true_ab), self.discriminator(lightness, fake_ab))
        _descend(self.discriminator_optimizer, loss)
        return loss.item()

    @torch.no_grad()
    def _update_average(self, samples: int) -> None:
        # early on the average follows quickly, so that it does not carry the random start along
        half_life = min(self.settings.ema_half_life, self.samples / 4 + 1)
        weight = 1 - 0.5 ** (samples / half_life)
        for mean, value in zip(self.average.state_dict().values(), self.generator.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(value, weight)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a continuation needs, by name."""
        modules: dict[str, nn.Module] = {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.discriminator,
        }
        state = {f"{name}/{key}": v for name, module in modules.items() for key, v in module.state_dict().items()}
        for name, optimizer in self._optimizers().items():
            for index, values in optimizer.state_dict()["state"].items():
                state |= {f"{name}/{index}/{key}": value for key, value in values.items()}
        return state | {"random": torch.get_rng_state()}

    def restore(self, tensors: Mapping[str, Tensor], samples: int) -> None:
        """Go on from `tensors`."""
        for name in ("generator", "average", "discriminator"):
            getattr(self, name).load_state_dict(_below(tensors, name))
        for name, optimizer in self._optimizers().items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, name).items():
                index, part = key.split("/")
                state.setdefault(int(index), {})[part] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random"])
        self.samples = samples

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam_g": self.generator_optimizer, "adam_d": self.discriminator_optimizer}


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def scheduled_rate(stage: Stage, done: int) -> float:
    """Learning rate after `done` samples of a stage: a short linear rise, then half a cosine."""
    progress = done / stage.samples
    if progress < WARM_UP:
        return stage.learning_rate * (progress + 1e-3) / WARM_UP
    fall = (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
    return stage.learning_rate * (FINAL_RATE + (1 - FINAL_RATE) * fall)


def batches(settings: Settings, encoded: list[bytes], start: int) -> Iterator[tuple[Stage, float, Sample]]:
    """Stage, learning rate and batch from sample number `start` to the end of the last stage."""
    first = 0
    for stage in settings.stages:
        numbers = range(max(start, first), first + stage.samples)
        samples = TrainingSamples(encoded, stage.size, settings.seed, settings.hint_share)
        # a generator of its own: the loader's draws would shift those of dropout when a run is resumed
        own = torch.Generator()
        loader = DataLoader(samples, settings.batch, sampler=numbers, num_workers=settings.workers, generator=own)
        for index, batch in enumerate(loader if numbers else ()):
            yield stage, scheduled_rate(stage, numbers.start - first + index * settings.batch), batch
        first += stage.samples


def train(settings: Settings, *, resume: bool = False, report: Callable[[int, Scalars], None] | None = None) -> Path:
    """Train a model and write it to ``settings.output / settings.name``.

    Parameters
    ----------
    settings : Settings
        The whole run.
    resume : bool
        Go on from the checkpoint of the output folder. An interrupted and resumed run on a CPU gives the same
        weights, bit for bit, as an undisturbed one of as many threads.
    report : callable, optional
        Gets the number of samples seen and the mean losses since the last report.

    Returns
    -------
    Path
        The model file, or the checkpoint if the run was interrupted (Ctrl-C or SIGTERM).
    """
    folder = settings.output / settings.name
    pictures = load_pictures(settings.data)
    trainer = Trainer.create(settings)
    if resume:
        _restore(trainer, pictures, folder / CHECKPOINT)
    elif (folder / CHECKPOINT).exists():
        raise TrainingError(f"{folder} holds an earlier run of this name: resume it, or choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(settings, folder / "settings.toml")
    with _arithmetic(settings.threads):
        finished = _run(trainer, pictures, folder, report)
    if not finished:
        return folder / CHECKPOINT
    path = folder / f"{settings.name}.safetensors"
    save_model(path, trainer.average, model_info(settings, pictures, trainer.samples))
    return path


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


def _run(trainer: Trainer, pictures: Pictures, folder: Path, report: Callable[[int, Scalars], None] | None) -> bool:
    """Train to the end, or to an interruption; says which."""
    settings = trainer.settings
    interrupted = _Interruption()
    log = _Log(folder / "log.csv", report)
    saved = trainer.samples
    with interrupted:
        for stage, rate, batch in batches(settings, pictures.encoded, trainer.samples):
            log.add(trainer.step(batch, stage, rate), trainer.samples)
            if trainer.samples - saved >= settings.checkpoint_every or interrupted.asked:
                _save(trainer, pictures, folder / CHECKPOINT)
                saved = trainer.samples
            if interrupted.asked:
                return False
    _save(trainer, pictures, folder / CHECKPOINT)
    return True


def _save(trainer: Trainer, pictures: Pictures, path: Path) -> None:
    tensors = trainer.tensors()
    trainer.check_finite(*tensors.values())
    settings = trainer.settings.model_dump(mode="json")
    write_tensors(path, tensors, {"samples": trainer.samples, "settings": settings, "pictures": pictures.sha256})


def _restore(trainer: Trainer, pictures: Pictures, path: Path) -> None:
    if not path.exists():
        raise TrainingError(f"{path.parent} holds no run to resume: start it without --resume")
    tensors, metadata = read_tensors(path, LARGEST_CHECKPOINT_BYTES)
    try:
        samples, settings = metadata["samples"], Settings(**metadata["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: no checkpoint of this version ({error}): train under another name") from error
    mine, theirs = (_path_of_weights(s, samples) for s in (trainer.settings, settings))
    if changed := sorted(key for key in mine if mine[key] != theirs[key]):
        raise TrainingError(
            f"{path}: made with other settings ({', '.join(changed)}): resume with those of "
            f"{path.parent}/settings.toml, or choose another name. Stages that have not begun may change"
        )
    if metadata.get("pictures", pictures.sha256) != pictures.sha256:
        raise TrainingError(f"{path}: made with other pictures: resume with the same, or choose another name")
    trainer.restore(tensors, samples)


def _path_of_weights(settings: Settings, samples: int) -> dict[str, object]:
    """The settings that decided the weights so far: of the stages only those that have begun."""
    values = settings.model_dump(exclude={"output", "data", "threads", "workers", "checkpoint_every", "working_size"})
    starts = itertools.accumulate((stage.samples for stage in settings.stages), initial=0)
    return values | {"stages": [stage for stage, start in zip(values["stages"], starts) if start < samples]}


def model_info(settings: Settings, pictures: Pictures, samples: int) -> ModelInfo:
    """What the model file of a run says about itself."""
    return ModelInfo(
        name=settings.name,
        encoder=settings.encoder,
        size=settings.stages[0].size,
        working_size=settings.working_size,
        saturation=1.0,
        mean_ab=mean_ab(pictures.encoded),
        samples=samples,
    )


def mean_ab(encoded: list[bytes]) -> tuple[float, float]:
    """Mean a* and b* of the pictures, each counted once."""
    means = [srgb_to_lab(np.asarray(decode_rgb(data).reduce(4)) / 255)[..., 1:].mean(axis=(0, 1)) for data in encoded]
    a, b = np.mean(means, axis=0)
    return round(float(a), 3), round(float(b), 3)


class _Interruption:
    """Turns Ctrl-C and SIGTERM into a question that the loop asks after each step, so that a step is never torn."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def _ask(self, *_: object) -> None:
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class _Log:
    """Mean losses since the last line, to a CSV file and to whoever listens."""

    COLUMNS = ("samples", "seconds", "l1", "scale", "distribution", "adversarial", "discriminator")

    def __init__(self, path: Path, report: Callable[[int, Scalars], None] | None) -> None:
        self.path, self.report = path, report
        self.start = time.perf_counter()
        self.pending: list[Scalars] = []
        self.last: int | None = None
        if not path.exists():
            path.write_text(",".join(self.COLUMNS) + "\n")

    def add(self, scalars: Scalars, samples: int) -> None:
        """Note the losses of one step; write a line every few hundred samples."""
        self.pending.append(scalars)
        self.last = samples if self.last is None else self.last
        if samples - self.last < LOG_EVERY:
            return
        means = {key: float(np.mean([s[key] for s in self.pending if key in s])) for key in scalars}
        row = {"samples": samples, "seconds": round(time.perf_counter() - self.start, 1)}
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self.COLUMNS).writerow(row | {key: f"{value:.5g}" for key, value in means.items()})
        self.pending, self.last = [], samples
        if self.report:
            self.report(samples, means)
