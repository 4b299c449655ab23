from pathlib import Path

import pytest

from training.errors import SettingsError
from training.settings import Settings, Stage, read_settings, write_settings

LEAST = """
name = "mine"
data = ["pictures"]

[[stages]]
size = 64
samples = 320
"""
RECIPES = Path(__file__).parents[2] / "training" / "recipes"


@pytest.fixture
def read(tmp_path):
    """Read settings from a text."""

    def from_text(text: str) -> Settings:
        (tmp_path / "run.toml").write_text(text, encoding="utf-8")
        return read_settings(tmp_path / "run.toml")

    return from_text


def test_what_is_not_stated_gets_a_default(read):
    settings = read(LEAST)
    assert settings.encoder == "efficientnet_lite0"
    assert settings.batch == 32
    assert settings.stages == [Stage(samples=320, size=64)]
    assert settings.stages[0].adversarial == 0


def test_paths_are_relative_to_the_folder_of_the_file(read, tmp_path):
    settings = read(LEAST)
    assert settings.data == [tmp_path / "pictures"]
    assert settings.output == tmp_path / "runs"


def test_absolute_paths_stay(read):
    settings = read(LEAST.replace('"pictures"', '"/photos/a.tar", "b.tar"') + "").data
    assert settings[0] == Path("/photos/a.tar")


def test_settings_come_back_from_the_file_they_were_written_to(read, tmp_path):
    settings = read(LEAST)
    write_settings(settings, tmp_path / "written.toml")
    assert read_settings(tmp_path / "written.toml") == settings


def test_settings_written_elsewhere_name_the_same_folders(tmp_path, monkeypatch):
    """A run is resumed with the settings that lie beside its result, wherever it was started."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "result").mkdir()
    (tmp_path / "recipes" / "run.toml").write_text(LEAST)
    monkeypatch.chdir(tmp_path)
    settings = read_settings(Path("recipes/run.toml"))
    write_settings(settings, Path("result/settings.toml"))
    assert read_settings(Path("result/settings.toml")) == settings
    assert settings.data == [tmp_path / "recipes" / "pictures"]


def test_written_settings_are_complete(read, tmp_path):
    write_settings(read(LEAST), tmp_path / "written.toml")
    text = (tmp_path / "written.toml").read_text()
    # TOML has no null
    fields = [(name, field) for model in (Settings, Stage) for name, field in model.model_fields.items()]
    names = [name for name, field in fields if field.default is not None]
    assert len(fields) - len(names) == 6
    assert all(f"{name} = " in text or f"[[{name}]]" in text for name in names)


def test_settings_cannot_be_changed(read):
    with pytest.raises(ValueError, match="frozen"):
        read(LEAST).seed = 5


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid(recipe):
    assert read_settings(recipe).name == recipe.stem


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ('colour = "vivid"', "colour"),
        ("seed = -1", "seed"),
        ("seed = 1.5", "seed"),
        ('seed = "one"', "seed"),
        ("batch = 1", "batch"),
        ("batch = 7", "batch"),
        ('encoder = "resnet"', "encoder"),
        ("dropout = 1.5", "dropout"),
        ("hint_share = -0.1", "hint_share"),
        ("l1_weight = 0", "l1_weight"),
        ("l1_weight = inf", "l1_weight"),
        ("l1_weight = nan", "l1_weight"),
        ("scale_weight = inf", "scale_weight"),
        ("weight_decay = -1", "weight_decay"),
        ("ema_half_life = 0", "ema_half_life"),
        ("working_size = 100", "working_size"),
        ("working_size = 1024", "working_size"),
        ("checkpoint_every = 0", "checkpoint_every"),
        ("threads = 0", "threads"),
        ("devices = 0", "devices"),
        ("devices = 3", "batch: 32 samples cannot be shared among 3 devices"),
        ('device = "tpu"', "device"),
        ("cache_bytes = -1", "cache_bytes"),
        ('leave_out = ["ugly"]', "leave_out"),
        ("perceptual_weight = 1", "lpips_weights"),
        ("degraded_share = 2", "degraded_share"),
        ("watch_pictures = 1", "watch_pictures"),
        ("stages = [{size = 64, samples = 320, patience = -1}]", "stages.0.patience"),
        ("stages = [{size = 64, samples = 320, watch_every = 0}]", "stages.0.watch_every"),
        ("workers = -1", "workers"),
        ("data = []", "data"),
        ("data = 5", "data"),
        ('name = ""', "name"),
        ('name = "../escaped"', "name"),
        ('name = "two words"', "name"),
        ('name = "gray"', "name: gray is what evaluations call a baseline"),
        ('name = ".hidden"', "name"),
        ("stages = []", "stages"),
        ("stages = [{samples = 320}]", "stages.0.size"),
        ("stages = [{size = 64}]", "stages.0.samples"),
        ("stages = [{size = 64, samples = 0}]", "stages.0.samples"),
        ("stages = [{size = 64, samples = 100}]", "samples must be multiples of batch"),
        ("stages = [{size = 50, samples = 320}]", "stages.0.size"),
        ("stages = [{size = 0, samples = 320}]", "stages.0.size"),
        ("stages = [{size = 64, samples = 320, learning_rate = 0}]", "stages.0.learning_rate"),
        ("stages = [{size = 64, samples = 320, learning_rate = inf}]", "stages.0.learning_rate"),
        ("stages = [{size = 64, samples = 320, adversarial = -1}]", "stages.0.adversarial"),
        ("stages = [{size = 64, samples = 320, speed = 1}]", "stages.0.speed"),
        ('encoder = "pix2pix"', "pretrained"),
        ('encoder = "pix2pix"\npretrained = false\nstages = [{size = 96, samples = 320}]', "power of two"),
        (
            'encoder = "pix2pix"\npretrained = false\nstages = [{size = 64, samples = 32}, {size = 32, samples = 32}]',
            "one size",
        ),
    ],
)
def test_an_impossible_setting_is_refused_with_its_file_and_place(read, change, place):
    keys = {line.partition(" ")[0] for line in change.splitlines()}
    head, _, tail = LEAST.partition("[[stages]]")
    kept = "\n".join(line for line in head.splitlines() if line.partition(" ")[0] not in keys)
    text = f"{kept}\n{change}\n" + ("" if "stages" in keys else f"[[stages]]{tail}")
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert "run.toml: " in str(caught.value)
    assert place in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(read):
    with pytest.raises(SettingsError) as caught:
        read("seed = -1\n" + LEAST.replace("mine", "not mine") + "colour = 3")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("missing", ["name", "data", "stages"])
def test_what_has_no_default_must_be_there(read, missing):
    with pytest.raises(SettingsError, match=f"{missing}: Field required"):
        read(LEAST.replace(f"[[{missing}]]", "[[other]]").replace(f"{missing} =", "other ="))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"[[stages]\n", b"{}"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "broken.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"broken\.toml: cannot be read as TOML"):
        read_settings(tmp_path / "broken.toml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"no\.toml: cannot be read"):
        read_settings(tmp_path / "no.toml")
