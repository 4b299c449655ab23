import csv
import json
import shutil

import pytest

from training.data import Pictures
from training.model_card import figures_table, read_left_out, write_card, write_manifest
from training.settings import Settings

EVALUATED = {
    "photo": {
        "gain_db": 0.5,
        "kid_lite1": None,
        "colourfulness_ratio": 0.5,
        "at_065": {"gain_db": 0.25, "ciede2000": 11},
    },
    "gray": {"gain_db": 0.0, "colourfulness_ratio": 0.0, "at_065": None},
}


@pytest.fixture
def run(tmp_path, model_file):
    """Folder of a finished run."""
    shutil.copy(model_file, tmp_path / "run.safetensors")
    write_manifest(tmp_path, Pictures(["a.tar/1.png", "a.tar/2.png", "b/3.png"], [b"1", b"2", b"3"], {}), {"4": "gray"})
    with open(tmp_path / "log.csv", "w", newline="") as file:
        csv.writer(file).writerows([("samples", "seconds"), (320, 60), (640, 120), (960, 300)])
    return tmp_path


@pytest.fixture
def settings(tmp_path) -> Settings:
    (tmp_path / "notes.md").write_text("## What was seen\n\nBrown cars.")
    stages = [{"size": 64, "samples": 640}, {"size": 64, "samples": 320, "adversarial": 0.5}]
    return Settings(name="run", data=[tmp_path / "secret"], stages=stages, notes=tmp_path / "notes.md")


def test_a_card_tells_pictures_stages_figures_and_notes(run, settings):
    write_card(run / "card.md", run / "run.safetensors", settings, {"held-out pictures": EVALUATED})
    card = (run / "card.md").read_text()
    for part in (
        "3 colour pictures; left out: 1 gray.",
        "| `a.tar` | 2 |",
        "| `b` | 1 |",
        "## Measured on held-out pictures",
    ):
        assert part in card
    assert "| 1 | 640 | 64 | 0.001 |  | 2 |" in card
    assert "| 2 | 320 | 64 | 0.001 | 0.5 | 3 |" in card
    assert "Brown cars." in card


def test_a_card_does_not_tell_where_things_lay(run, settings):
    changed = {"base": str(run / "first.safetensors")}
    write_manifest(run, Pictures([], [], {}), {"x": f"cannot be read ({run}/x is gone)"})
    write_card(run / "card.md", run / "run.safetensors", settings.model_copy(update=changed), {})
    assert "from the model `first`" in (run / "card.md").read_text()
    assert "secret" not in (run / "card.md").read_text()
    assert str(run) not in (run / "card.md").read_text()


def test_a_table_has_a_row_at_equal_colourfulness_where_there_is_one():
    lines = figures_table(EVALUATED).splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| ", "| ---", "| photo", "| photo, at ratio 0.65", "| gray"]
    assert lines[2].startswith("| photo | +0.50 |")
    assert lines[3].endswith("| 0.65 |")


def test_what_was_left_out_is_read_again(run, tmp_path):
    assert read_left_out(run) == {"4": "gray"}
    assert read_left_out(tmp_path / "nowhere") is None
    assert json.loads((run / "pictures.json").read_text())["pictures"] == 3
