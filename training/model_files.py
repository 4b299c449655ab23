"""Where model files lie, and what they say about themselves; without torch, so that a list of names costs nothing."""

import json
import os
from pathlib import Path
from typing import Any

from training.errors import ModelFileError

METADATA_KEY = "napari-colorize"  # the only one: safetensors writes several in an order that changes

SHIPPED_FOLDER = Path(__file__).parent / "models"


def user_model_folder() -> Path:
    """The folder of the user's own models; the variable COLORIZE_MODELS overrides it."""
    import platformdirs

    return Path(os.environ.get("COLORIZE_MODELS") or platformdirs.user_data_path("napari-colorize") / "models")


def available_models() -> dict[str, Path]:
    """Names and files of the shipped models and the user's."""
    folders = (SHIPPED_FOLDER, user_model_folder())
    return {path.stem: path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.safetensors"))}


def find_model(model: str | Path) -> Path:
    """The file of a model given by name or by path.

    Raises
    ------
    ModelFileError
        If there is no such model; the sentence lists those that there are.
    """
    models = available_models()
    if str(model) in models:
        return models[str(model)]
    if Path(model).is_file():
        return Path(model)
    raise ModelFileError(
        f"{model}: there is no model of this name and no such file; the models are: {', '.join(models) or 'none'}"
    )


def check_shipped(path: Path, sha256: str) -> None:
    """Refuse a shipped model whose file is not the one that was shipped.

    Raises
    ------
    ModelFileError
        If its SHA-256 is not that of ``SHA256SUMS`` beside it.
    """
    if path.resolve().parent != SHIPPED_FOLDER.resolve():
        return
    lines = (SHIPPED_FOLDER / "SHA256SUMS").read_text().splitlines()
    if f"{sha256}  {path.name}" not in lines:
        raise ModelFileError(f"{path} is not the model that was shipped (its SHA-256 is {sha256}): install it again")


def read_metadata(path: Path) -> dict[str, Any]:
    """What a file of ours says about itself, without its weights; empty if it says nothing.

    Raises
    ------
    ModelFileError
        If it is no safetensors file, or its metadata is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise ModelFileError(f"{path}: cannot be read as a model, a safetensors file of ours ({error})") from error
    return metadata if isinstance(metadata, dict) else {}


def model_name(path: Path) -> str:
    """Name of a model, by what its file says.

    Raises
    ------
    ModelFileError
        If it is no model.
    """
    try:
        return str(read_metadata(path)["info"]["name"])
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: not a model of napari-colorize: it does not say its name") from error
