"""Settings of a training: one TOML file, checked when it is read, written back complete beside the result."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.atomic import put_whole
from training.audit import Reason
from training.errors import SettingsError
from training.evaluation.candidates import BASELINES
from training.network import EncoderName

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Frozen):
    """A part of the training at one picture size; `adversarial` above 0 makes it the adversarial stage.

    With pictures to `watch`, the model is measured every `watch_every` samples (by default eight times), the stage ends
    with the best that it saw, and it stops after `patience` looks without a better one: by default after three in the
    adversarial stage, and never (0) in others, whose falling learning rate makes the last model the best.
    """

    samples: Annotated[int, Field(gt=0)]
    size: Annotated[int, Field(ge=32, le=256, multiple_of=32)]
    learning_rate: Positive = 1e-3
    adversarial: NotNegative = 0.0
    watch_every: Annotated[int, Field(gt=0)] | None = None  # samples
    patience: Annotated[int, Field(ge=0)] | None = None

    @property
    def samples_between_looks(self) -> int:
        """After how many samples the model is measured again."""
        return self.watch_every or max(1, self.samples // 8)

    @property
    def looks_to_wait(self) -> int:
        """Looks without a better model after which it stops; 0 for never."""
        return (3 if self.adversarial else 0) if self.patience is None else self.patience


class Settings(_Frozen):
    """Everything that decides a training.

    Losses are added with their weights: `l1_weight` times the mean absolute error of a* and b* divided by 110 (lambda
    in pix2pix's equation 4), `scale_weight`, `distribution_weight`, `perceptual_weight` (LPIPS), and each stage's
    `adversarial`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    data: Annotated[list[Path], Field(min_length=1)]
    stages: Annotated[list[Stage], Field(min_length=1)]
    output: Path = Path("runs")
    leave_out: list[Reason] = list(get_args(Reason))  # of what the audit finds; the unusable and the gray always are
    notes: Path | None = None  # Markdown for the model's card: origin and licences of the pictures, what was seen, use
    watch: Path | None = None  # pictures that are not trained on
    watch_pictures: Annotated[int, Field(gt=1)] = 100  # at most
    seed: Annotated[int, Field(ge=0)] = 1
    base: str | None = None  # name or file of a model to start from
    encoder: EncoderName = "efficientnet_lite0"
    pretrained: bool = True
    dropout: Share = 0.0
    batch: Annotated[int, Field(gt=1)] = 32
    weight_decay: NotNegative = 1e-2
    l1_weight: Positive = 100.0
    scale_weight: NotNegative = 0.5
    distribution_weight: NotNegative = 1.0
    perceptual_weight: NotNegative = 0.0
    lpips_weights: Path | None = None  # for that, and for what is watched
    rebalance: bool = False  # rare colours weigh more
    hint_share: Share = 0.5
    degraded_share: Share = 0.3  # of the samples: gray as old film, prints and screens have it
    ema_half_life: Positive = 4000.0  # samples
    working_size: Annotated[int, Field(ge=32, le=512, multiple_of=32)] = 128  # short side at prediction, pixels
    checkpoint_every: Annotated[int, Field(gt=0)] = 10000  # samples
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Annotated[int, Field(gt=0)] = 1  # GPUs, or processes on a CPU
    threads: Annotated[int, Field(gt=0)] = 1  # of each process, on a CPU
    workers: Annotated[int, Field(ge=0)] = 1  # processes that decode pictures, for each device
    cache_bytes: Annotated[int, Field(ge=0)] = 4 * 10**9  # of encoded pictures in memory; others are read again

    @model_validator(mode="after")
    def _own_name(self) -> Self:
        if self.name in BASELINES:
            raise ValueError(f"name: {self.name} is what evaluations call a baseline: choose another")
        return self

    @model_validator(mode="after")
    def _perceptual_weights(self) -> Self:
        if self.perceptual_weight and not self.lpips_weights:
            raise ValueError("perceptual_weight: needs lpips_weights, the file with the weights of LPIPS (squeeze)")
        return self

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
        if any(stage.samples % self.batch for stage in self.stages):
            raise ValueError(f"stages: samples must be multiples of batch ({self.batch})")
        if self.batch % self.devices:
            raise ValueError(f"batch: {self.batch} samples cannot be shared among {self.devices} devices")
        return self

    @model_validator(mode="after")
    def _encoder_fits(self) -> Self:
        if self.encoder == "pix2pix":
            if self.pretrained:
                raise ValueError("pretrained: pix2pix has no pretrained weights; set pretrained = false")
            sizes = {stage.size for stage in self.stages}
            if len(sizes) > 1 or any(size & (size - 1) for size in sizes):
                raise ValueError("stages: the depth of pix2pix follows the size, so all need one size, a power of two")
        return self


def read_settings(path: Path) -> Settings:
    """Read and check a settings file; paths in it are relative to its folder.

    Raises
    ------
    SettingsError
        If the file is missing, no TOML, has unknown keys or impossible values.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML ({error})") from error
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(path, error))) from error
    folder = path.absolute().parent  # absolute, so that the settings written beside a result name the same places
    places = {
        key: folder / value
        for key in ("output", "notes", "watch", "lpips_weights")
        if (value := getattr(settings, key))
    }
    if settings.base and (folder / settings.base).is_file():
        places["base"] = str(folder / settings.base)
    return settings.model_copy(update={"data": [folder / source for source in settings.data], **places})


def _sentences(path: Path, error: ValidationError) -> list[str]:
    places = [(".".join(map(str, problem["loc"])), problem["msg"]) for problem in error.errors()]
    return [f"{path}: {place + ': ' if place else ''}{message}" for place, message in places]


def write_settings(settings: Settings, path: Path) -> None:
    """Write all settings, defaults included, as TOML."""
    with put_whole(path, overwrite=True) as partial:
        # TOML has no null: what is not set is left out
        partial.write_text(tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
