"""The command line ``colorize`` in a folder of its own."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from training.cli import app
from training.console import run


@pytest.fixture
def colorize(model_file, tmp_path, monkeypatch, capsys):
    """Run ``colorize`` in a fresh folder: exit code, lines on stdout, text on stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object, model: object = model_file) -> tuple[int, list[str], str]:
        tokens = [str(word) for word in words]
        if words[0] == "image" and model is not None:
            tokens += ["--model", str(model)]
        code = run(app, tokens)
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err

    return call


@pytest.fixture
def camera(tmp_path) -> np.ndarray:
    picture = data.camera()[::2, ::2]
    Image.fromarray(picture).save(tmp_path / "camera.png")
    return picture
