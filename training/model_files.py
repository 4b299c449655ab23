"""Where model files lie, and which there are; without torch, so that a list of names costs nothing."""

import os
from pathlib import Path

from training.errors import ModelFileError

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
