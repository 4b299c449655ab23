"""Model files and training checkpoints: safetensors with metadata, never pickle.

A *model* is what ships: the generator in half precision, with what is needed to use it. A *checkpoint* is what a
training goes on from: everything in full precision.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from training.atomic import put_whole
from training.errors import ModelFileError
from training.model_files import METADATA_KEY, read_metadata
from training.network import EncoderName, UNetGenerator

MODEL_FORMAT = "napari-colorize model 1"
LARGEST_MODEL_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file says about itself.

    Attributes
    ----------
    name : str
        The name it was trained under.
    encoder, size
        Architecture of the generator (`UNetGenerator`).
    working_size : int
        Short side of what the network sees at prediction, in pixels.
    saturation : float
        Factor on a* and b* that measured best.
    mean_ab : tuple of two floats
        Mean a*, b* of the training pictures.
    samples : int
        Samples seen in training.
    """

    name: str
    encoder: EncoderName
    size: int
    working_size: int
    saturation: float
    mean_ab: tuple[float, float]
    samples: int

    def __post_init__(self) -> None:
        known = self.encoder in get_args(EncoderName)
        if not (known and 16 <= self.size <= 1024 and 32 <= self.working_size <= 1024 and 0 < self.saturation <= 10):
            raise ModelFileError(f"no model can be like this: {self}")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write a safetensors file whole, in place of an earlier one."""
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    with put_whole(path, overwrite=True) as partial:
        partial.write_bytes(save(plain, {METADATA_KEY: json.dumps(metadata)}))


def read_tensors(path: Path, largest_bytes: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a safetensors file and its metadata.

    Raises
    ------
    ModelFileError
        If the file is missing, too large or damaged.
    """
    _check_size(path, largest_bytes)
    with _reading(path):
        return load_file(path), read_metadata(path)


def _check_size(path: Path, largest_bytes: int) -> None:
    with _reading(path):
        size = path.stat().st_size
    if size > largest_bytes:
        raise ModelFileError(f"{path}: larger than {largest_bytes} bytes, so this is none of ours")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{path}: cannot be read as a model, a safetensors file of ours ({error})") from error


def save_model(path: Path, network: UNetGenerator, info: ModelInfo) -> None:
    """Write a model in half precision; the statistics of batch norm stay in single, they may not fit."""
    tensors = {
        key: value.half() if value.is_floating_point() and "running" not in key else value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    write_tensors(path, tensors, {"format": MODEL_FORMAT, "info": asdict(info)})


def load_model(path: Path) -> tuple[UNetGenerator, ModelInfo]:
    """Read a model: the generator in evaluation mode, single precision, on the CPU.

    Raises
    ------
    ModelFileError
        If the file is no model of ours, or its parts do not fit the architecture that it names.
    """
    _check_size(path, LARGEST_MODEL_BYTES)
    metadata = read_metadata(path)
    if metadata.get("format") != MODEL_FORMAT:
        raise ModelFileError(f"{path}: not a model of napari-colorize (its format is {metadata.get('format')!r})")
    try:
        info = ModelInfo(**{**metadata["info"], "mean_ab": tuple(map(float, metadata["info"]["mean_ab"]))})
        network = UNetGenerator(info.encoder, size=info.size)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: its description is incomplete or of a newer version ({error})") from error
    _check_parts(path, network)
    tensors, _ = read_tensors(path, LARGEST_MODEL_BYTES)
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise ModelFileError(f"{path}: holds values that are not finite")
    network.load_state_dict({key: value.float() for key, value in tensors.items()}, strict=False)
    return network.eval().requires_grad_(False), info


def _check_parts(path: Path, network: UNetGenerator) -> None:
    """Compare names and shapes with those of the architecture, by the header alone: nothing is allocated for others."""
    own = {
        key: list(part.shape) for key, part in network.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    with _reading(path), safe_open(path, framework="pt") as file:
        found = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 (it is no mapping)
    if wrong := sorted(key for key in own.keys() | found.keys() if own.get(key) != found.get(key)):
        raise ModelFileError(
            f"{path}: of another architecture than it says: {len(wrong)} parts are missing, foreign or misshapen, "
            f"for example {wrong[0]}"
        )
