import csv
import json
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from training import fit, run_log, trainer
from training.checkpoints import load_model, read_tensors
from training.errors import OutputError, SettingsError, TrainingError
from training.evaluation.perceptual import Lpips
from training.fit import CHECKPOINT, train
from training.schedule import batches, scheduled_rate
from training.settings import Settings, Stage, write_settings
from training.trainer import Trainer, make_fabric
from training.watch import Watcher

BATCH = 8
SMALL = {
    "name": "tiny",
    "encoder": "pix2pix",
    "pretrained": False,
    "dropout": 0.3,
    "batch": BATCH,
    "workers": 0,
    "checkpoint_every": 1000,
    "leave_out": [],  # the pictures are drawn, and too smooth for its rules
    "degraded_share": 0.3,
    "device": "cpu",
    "stages": [{"size": 32, "samples": 3 * BATCH}, {"size": 32, "samples": 3 * BATCH, "adversarial": 0.5}],
}


def draw(number: int) -> Image.Image:
    """Blue where it is dark, orange where it is bright: a task that can be learned."""
    y, x = np.mgrid[:48, :56] / 9
    light = (1 + np.sin(x + number) * np.cos(y * (1 + number % 3) + number)) / 2
    dark, bright = np.array([20, 40, 140]), np.array([250, 190, 90])
    return Image.fromarray(np.uint8(dark + light[..., None] * (bright - dark)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        draw(number).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def make(pictures, tmp_path):
    """Settings of a tiny run into a folder of its own."""

    def settings(output: str = "runs", **changes) -> Settings:
        return Settings(**SMALL | {"data": [pictures], "output": tmp_path / output} | changes)

    return settings


def checkpoint_of(settings: Settings) -> dict[str, torch.Tensor]:
    return read_tensors(settings.output / settings.name / CHECKPOINT, 10**9)[0]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory):
    """All tensors at the end of a run that nothing interrupted."""
    settings = Settings(**SMALL | {"data": [pictures], "output": tmp_path_factory.mktemp("undisturbed")})
    train(settings)
    return checkpoint_of(settings)


@pytest.fixture
def at_step(monkeypatch):
    """Do something at the beginning of one step of the training."""

    def install(number: int, act) -> None:
        step, count = Trainer.step, iter(range(10**6))

        def wrapped(*args):
            if next(count) == number:
                act()
            return step(*args)

        monkeypatch.setattr(Trainer, "step", wrapped)

    return install


class CrashError(Exception):
    """The process ends."""


def crash() -> None:
    raise CrashError


# -- a run from beginning to end -------------------------------------------------------------------------------------


def test_a_run_gives_a_model_its_settings_a_log_and_a_checkpoint(make):
    settings = make()
    path = train(settings)
    assert path == settings.output / "tiny" / "tiny.safetensors"
    network, info = load_model(path)
    assert (info.name, info.encoder, info.size, info.samples) == ("tiny", "pix2pix", 32, 6 * BATCH)
    assert network.stride == 32
    files = {file.name for file in path.parent.iterdir()}
    tables = {"log.csv", "watch.csv", "progress.html", "pictures.json", "card.md", ".lock"}
    assert files == {"tiny.safetensors", "settings.toml", CHECKPOINT} | tables


def test_the_model_is_the_average_of_the_generator(make, undisturbed):
    network, _ = load_model(train(make()))
    expected = undisturbed["average/chroma_head.weight"]
    torch.testing.assert_close(network.chroma_head.weight, expected, rtol=2**-10, atol=1e-6)
    assert not torch.equal(expected, undisturbed["generator/chroma_head.weight"])


def test_a_run_is_the_same_every_time(make, undisturbed):
    settings = make()
    torch.rand(5)
    train(settings)
    assert_same(checkpoint_of(settings), undisturbed)


def test_another_seed_is_another_run(make, undisturbed):
    settings = make(seed=2)
    train(settings)
    key = "generator/chroma_head.weight"
    assert not torch.equal(checkpoint_of(settings)[key], undisturbed[key])


def test_the_mean_colour_of_the_pictures_is_kept_in_the_model(make):
    info = load_model(train(make()))[1]
    assert info.mean_ab == pytest.approx(fit.mean_ab([p.read_bytes() for p in sorted(make().data[0].iterdir())]))
    assert -5 < info.mean_ab[0] < 30


def test_the_discriminator_learns_in_the_adversarial_stage_only(make, at_step):
    settings = make()
    fresh = Trainer(settings, make_fabric(settings)).discriminator.state_dict()
    at_step(3, crash)  # the first step of the second stage
    with pytest.raises(CrashError):
        train(settings.model_copy(update={"checkpoint_every": BATCH}))
    between = checkpoint_of(settings)
    assert all(torch.equal(between[f"discriminator/{key}"], value) for key, value in fresh.items())
    train(settings, resume=True)
    assert not torch.equal(checkpoint_of(settings)["discriminator/judge.weight"], fresh["judge.weight"])


def test_the_loss_of_an_easy_task_goes_down(make, monkeypatch):
    monkeypatch.setattr(run_log, "LOG_EVERY", 5 * BATCH)
    stages = [Stage(size=32, samples=45 * BATCH, learning_rate=2e-3)]
    reports = []
    settings = make(stages=stages, dropout=0.0)
    train(settings, report=lambda samples, losses: reports.append((samples, losses["l1"])))
    assert np.mean([l1 for _, l1 in reports[-3:]]) < 0.5 * reports[0][1]
    with (settings.output / "tiny" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["samples"]) for row in rows] == [samples for samples, _ in reports]


def test_the_pretrained_encoder_can_be_trained(make):
    stages = [Stage(size=32, samples=2 * BATCH), Stage(size=64, samples=2 * BATCH, adversarial=0.5)]
    path = train(make(encoder="efficientnet_lite0", pretrained=True, stages=stages))
    assert load_model(path)[1].encoder == "efficientnet_lite0"


def test_a_run_leaves_torch_as_it_was(make):
    tiny = np.float32(1e-42)  # below the smallest normal number
    before = torch.get_num_threads()
    train(make())
    assert torch.get_num_threads() == before
    assert (torch.full((1000,), float(tiny)) * 1.0).max() > 0


# -- schedule --------------------------------------------------------------------------------------------------------


def test_the_rate_rises_shortly_then_falls():
    stage = Stage(size=32, samples=1000, learning_rate=2.0)
    rates = [scheduled_rate(stage, done) for done in range(0, 1000)]
    top = int(np.argmax(rates))
    assert 40 <= top <= 60
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert 0 < rates[0] < 0.1
    assert rates[top] == pytest.approx(2.0, rel=0.03)
    assert rates[-1] == pytest.approx(0.04, rel=0.02)


@pytest.mark.parametrize("start", [0, BATCH, 2 * BATCH])
def test_batches_go_on_where_they_were(make, start):
    settings = make()
    encoded = [path.read_bytes() for path in sorted(settings.data[0].iterdir())]
    stage, end = settings.stages[1], 6 * BATCH
    whole = list(batches(settings, encoded, stage, end, 3 * BATCH))
    rest = list(batches(settings, encoded, stage, end, 3 * BATCH + start))
    assert len(whole) == 3
    assert len(rest) == 3 - start // BATCH
    for (rate, batch), (same_rate, same_batch) in zip(whole[start // BATCH :], rest):
        assert rate == same_rate
        assert torch.equal(batch.inputs, same_batch.inputs)


def test_processes_share_each_batch(make):
    settings = make()
    encoded = [path.read_bytes() for path in sorted(settings.data[0].iterdir())]
    stage = settings.stages[0]
    whole = list(batches(settings, encoded, stage, 3 * BATCH, 0))
    parts = [list(batches(settings, encoded, stage, 3 * BATCH, 0, (rank, 2))) for rank in range(2)]
    for (rate, batch), *shares in zip(whole, *parts):
        assert [share_rate for share_rate, _ in shares] == [rate, rate]
        assert torch.equal(batch.inputs, torch.cat([share.inputs for _, share in shares]))


# -- interrupted and resumed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_run_that_crashed_goes_on_to_the_same_bits(make, at_step, undisturbed, step):
    settings = make(checkpoint_every=BATCH)
    at_step(step, crash)
    with pytest.raises(CrashError):
        train(settings)
    train(settings, resume=True)
    assert_same(checkpoint_of(settings), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_step_and_the_run_goes_on_to_the_same_bits(make, at_step, undisturbed, number):
    settings = make()
    before = signal.getsignal(number)
    at_step(1, lambda: signal.raise_signal(number))
    notes = []
    assert train(settings, note=notes.append) is None
    assert notes[-1] == f"interrupted after {2 * BATCH} samples: the same command with --resume goes on"
    assert signal.getsignal(number) == before
    assert read_tensors(settings.output / "tiny" / CHECKPOINT, 10**9)[1]["place"] == 2 * BATCH
    train(settings, resume=True)
    assert_same(checkpoint_of(settings), undisturbed)


TRAIN = """
import sys
from pathlib import Path
from training.fit import train
from training.settings import read_settings
print(train(read_settings(Path(sys.argv[1]))))
"""


def test_a_process_that_is_asked_to_end_saves_and_goes_on_to_the_same_bits(make, tmp_path):
    stages = [Stage(size=32, samples=16 * BATCH), Stage(size=32, samples=2 * BATCH, adversarial=0.5)]
    settings = make(stages=stages, checkpoint_every=BATCH, workers=1)
    write_settings(settings, tmp_path / "run.toml")
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "run.toml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    checkpoint = settings.output / "tiny" / CHECKPOINT
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.strip() == "None"
    train(settings.model_copy(update={"workers": 0}), resume=True)
    straight = make("straight", stages=stages)
    train(straight)
    assert_same(checkpoint_of(settings), checkpoint_of(straight))


def test_a_finished_run_can_be_resumed_without_a_change(make, undisturbed):
    settings = make()
    path = train(settings)
    before = load_model(path)[0].state_dict()
    assert train(settings, resume=True) == path
    assert_same(load_model(path)[0].state_dict(), before)
    assert_same(checkpoint_of(settings), undisturbed)


def test_stages_can_be_added_to_a_finished_run(make):
    settings = make()
    train(settings)
    longer = make(stages=[*settings.stages, Stage(size=32, samples=2 * BATCH)])
    assert load_model(train(longer, resume=True))[1].samples == 8 * BATCH


# -- watched ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched_pictures(tmp_path_factory):
    """Some that are not trained on."""
    folder = tmp_path_factory.mktemp("watched")
    for number in range(20, 24):
        draw(number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def scripted(monkeypatch):
    """Pretend that looks find the given gains, one after the other."""

    def install(gains: list[float]) -> None:
        find, rest = Watcher.look, iter(gains)

        def look_as_told(*args):
            look, row = find(*args)
            return replace(look, gain_db=next(rest)), row

        monkeypatch.setattr(Watcher, "look", look_as_told)

    return install


def test_a_watched_run_keeps_its_figures_and_pictures(make, watched_pictures):
    settings = make(watch=watched_pictures, stages=[Stage(size=32, samples=4 * BATCH, watch_every=2 * BATCH)])
    train(settings)
    folder = settings.output / "tiny"
    with (folder / "watch.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["samples"]) for row in rows] == [2 * BATCH, 4 * BATCH]
    names = {path.name for path in (folder / "previews").iterdir()}
    assert names == {"gray.png", "true.png", f"{2 * BATCH:09}.png", f"{4 * BATCH:09}.png"}
    page = (folder / "progress.html").read_text()
    assert page.count("<img") == 4
    assert "<svg" in page


def test_a_stage_ends_with_its_best_model(make, watched_pictures, scripted):
    stages = [Stage(size=32, samples=4 * BATCH, watch_every=BATCH)]
    scripted([1.0, 3.0, 2.0, 2.5])
    best, info = load_model(train(make("watched", watch=watched_pictures, stages=stages)))
    short = make("short", stages=[stages[0]])
    trainers = []
    step = Trainer.step

    def stop_after_two(self, *args):
        trainers.append(self)
        scalars = step(self, *args)
        if len(trainers) == 2:
            signal.raise_signal(signal.SIGTERM)
        return scalars

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stop_after_two)
        train(short)
    expected = checkpoint_of(short)["average/chroma_head.weight"]
    torch.testing.assert_close(best.chroma_head.weight, expected, rtol=2**-10, atol=1e-6)
    assert info.samples == 2 * BATCH


def test_an_adversarial_stage_stops_itself_and_says_how_much_it_saw(make, watched_pictures, scripted):
    stages = [
        Stage(size=32, samples=2 * BATCH),
        Stage(size=32, samples=20 * BATCH, adversarial=0.5, watch_every=BATCH, patience=2),
    ]
    stages[0] = stages[0].model_copy(update={"watch_every": 2 * BATCH})
    scripted([2.0, *[0.5] * 20])  # at the end of the first stage, then
    notes = []
    settings = make(watch=watched_pictures, stages=stages)
    path = train(settings, note=notes.append)
    assert load_model(path)[1].samples == 2 * BATCH  # that of the first stage was the best
    assert notes[-3:-1] == [
        f"after {4 * BATCH} samples: 1.50 dB of gain lost",
        f"the stage ends at {4 * BATCH} samples with the model of {2 * BATCH}",
    ]
    with (settings.output / "tiny" / "watch.csv").open() as file:
        assert [int(row["samples"]) // BATCH for row in csv.DictReader(file)] == [2, 3, 4]


@pytest.mark.parametrize("step", [1, 4])
def test_a_watched_run_that_crashed_goes_on_to_the_same_bits(make, at_step, watched_pictures, step):
    stages = [Stage(size=32, samples=3 * BATCH, watch_every=BATCH), *make().stages[1:]]
    straight = make("straight", watch=watched_pictures, stages=stages)
    train(straight)
    settings = make(watch=watched_pictures, stages=stages, checkpoint_every=BATCH)
    at_step(step, crash)
    with pytest.raises(CrashError):
        train(settings)
    train(settings, resume=True)
    assert_same(checkpoint_of(settings), checkpoint_of(straight))
    tables = [(one.output / "tiny" / "watch.csv").read_text() for one in (settings, straight)]
    assert tables[0] == tables[1]


# -- what it learns from and starts from ---------------------------------------------------------------------------


def test_what_the_audit_finds_is_left_out_and_shown(make, pictures, tmp_path):
    (tmp_path / "more").mkdir()
    for path in pictures.iterdir():
        (tmp_path / "more" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "more" / "again.png").write_bytes((pictures / "03.png").read_bytes())
    settings = make(data=[tmp_path / "more"], leave_out=["duplicate"])
    train(settings)
    manifest = json.loads((settings.output / "tiny" / "pictures.json").read_text())
    assert manifest["pictures"] == 12
    assert manifest["left_out"] == {"again.png": "duplicate"}
    assert "again.png" in (settings.output / "tiny" / "audit.html").read_text()


def test_when_the_audit_leaves_too_few_it_is_said_why(make, pictures, tmp_path):
    (tmp_path / "same").mkdir()
    for number in range(12):
        (tmp_path / "same" / f"{number:02}.png").write_bytes((pictures / "03.png").read_bytes())
    with pytest.raises(TrainingError, match=r"only 1 usable .* The audit left out 11 duplicate: .* setting leave_out"):
        train(make(data=[tmp_path / "same"], leave_out=["duplicate"]))


def test_a_run_can_start_from_another_model(make):
    first = train(make("first"))
    settings = make("second", base=str(first), name="second")
    started = Trainer(settings, make_fabric(settings))
    assert_same(
        {key: value for key, value in load_model(first)[0].state_dict().items() if "batches" not in key},
        {key: value for key, value in started.generator.state_dict().items() if "batches" not in key},
    )


def test_a_model_counts_the_samples_of_its_base_too(make):
    first = train(make("first"))
    stages = [Stage(size=32, samples=2 * BATCH)]
    second = train(make("second", base=str(first), name="second", stages=stages))
    assert load_model(second)[1].samples == 8 * BATCH


def test_a_base_of_another_architecture_is_refused(make):
    first = train(make("first"))
    settings = make("second", base=str(first), encoder="efficientnet_lite0")
    with pytest.raises(SettingsError, match="has the encoder pix2pix: set encoder to that"):
        train(settings)


def test_all_losses_together_can_be_resumed(make, at_step, tmp_path):
    torch.manual_seed(1)
    save_file({key: value.contiguous() for key, value in Lpips().state_dict().items()}, tmp_path / "lpips.safetensors")
    stages = [{"size": 32, "samples": 2 * BATCH, "adversarial": 0.5}]
    changes = {"perceptual_weight": 1.0, "lpips_weights": tmp_path / "lpips.safetensors", "rebalance": True}
    straight = make("straight", stages=stages, **changes)
    train(straight)
    settings = make(stages=stages, checkpoint_every=BATCH, **changes)
    at_step(1, crash)
    with pytest.raises(CrashError):
        train(settings)
    train(settings, resume=True)
    assert_same(checkpoint_of(settings), checkpoint_of(straight))


def test_a_discriminator_that_wins_outright_waits(make, monkeypatch):
    settings = make(stages=[Stage(size=32, samples=BATCH, adversarial=0.5)])
    monkeypatch.setattr(trainer, "STRONG_DISCRIMINATOR", 100.0)
    train(settings)
    fresh = Trainer(settings, make_fabric(settings)).discriminator.judge.weight
    assert torch.equal(checkpoint_of(settings)["discriminator/judge.weight"], fresh)


def test_small_batches_leave_the_statistics_of_batch_norm_alone(make):
    stages = [Stage(size=32, samples=8)]
    settings = make(batch=4, stages=stages)
    train(settings)
    fresh = Trainer(settings, make_fabric(settings)).generator.state_dict()
    tensors = checkpoint_of(settings)
    running = [key for key in fresh if "running" in key]
    assert running
    assert all(torch.equal(tensors[f"generator/{key}"], fresh[key]) for key in running)


TRAIN_ON_TWO = """
import sys
from pathlib import Path
from training.fit import train
from training.settings import read_settings
if __name__ == "__main__":
    train(read_settings(Path(sys.argv[1])))
"""


def test_two_processes_learn_one_model(make, tmp_path):
    settings = make(devices=2, stages=[Stage(size=32, samples=2 * BATCH, adversarial=0.5)])
    write_settings(settings, tmp_path / "run.toml")
    (tmp_path / "train.py").write_text(TRAIN_ON_TWO)
    command = [sys.executable, str(tmp_path / "train.py"), str(tmp_path / "run.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    alone = make("alone", stages=settings.stages)
    train(alone)
    one, two = checkpoint_of(alone), checkpoint_of(settings)
    # not the same: batch norm has its own statistics in each process; but far nearer than two seeds are
    key = "generator/chroma_head.weight"
    train(make("other", stages=settings.stages, seed=2))
    apart = (checkpoint_of(make("other"))[key] - one[key]).abs().mean()
    assert (two[key] - one[key]).abs().mean() < 0.1 * apart


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_fresh_run_does_not_overwrite_an_earlier_one(make):
    train(make())
    with pytest.raises(TrainingError, match="tiny holds an earlier run of this name: resume it, or choose another"):
        train(make(seed=2))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 2}, "seed"),
        ({"dropout": 0.0, "hint_share": 0.1}, "dropout, hint_share"),
        ({"batch": 4}, "batch"),
        ({"stages": [{"size": 32, "samples": 7 * BATCH}]}, "stages"),
    ],
)
def test_other_settings_are_refused_on_resuming(make, changes, named):
    train(make())
    before = checkpoint_of(make())
    with pytest.raises(TrainingError, match=rf"made with other settings \({named}\)"):
        train(make(**changes), resume=True)
    assert_same(checkpoint_of(make()), before)


def test_other_pictures_are_refused_on_resuming(make, tmp_path):
    train(make())
    (tmp_path / "others").mkdir()
    for number in range(20, 32):
        draw(number).save(tmp_path / "others" / f"{number}.png")
    with pytest.raises(TrainingError, match="pictures"):
        train(make(data=[tmp_path / "others"]), resume=True)


def test_pictures_that_moved_are_the_same_pictures(make, tmp_path, undisturbed, at_step):
    settings = make(checkpoint_every=BATCH)
    at_step(2, crash)
    with pytest.raises(CrashError):
        train(settings)
    (tmp_path / "moved").mkdir()
    for path in settings.data[0].iterdir():
        (tmp_path / "moved" / path.name).write_bytes(path.read_bytes())
    train(make(data=[tmp_path / "moved"]), resume=True)
    assert_same(checkpoint_of(settings), undisturbed)


def test_there_must_be_a_run_to_resume(make):
    with pytest.raises(TrainingError, match="tiny holds no run to resume"):
        train(make(), resume=True)


def test_a_model_is_no_checkpoint(make):
    settings = make()
    path = train(settings)
    path.replace(path.with_name(CHECKPOINT))
    with pytest.raises(TrainingError, match="no checkpoint of this version"):
        train(settings, resume=True)


def test_too_few_pictures_are_refused_before_anything_is_written(make, tmp_path):
    (tmp_path / "few").mkdir()
    draw(1).save(tmp_path / "few" / "1.png")
    with pytest.raises(TrainingError, match="only 1 usable"):
        train(make(data=[tmp_path / "few"]))
    assert not make().output.exists()


def test_two_runs_at_once_are_refused(make, at_step):
    settings = make()
    errors = []

    def again():
        with pytest.raises(TrainingError, match=r"another run is in .*tiny: wait for it") as caught:
            train(make())
        errors.append(caught)

    at_step(1, again)
    train(settings)
    assert len(errors) == 1


# -- when it goes wrong ----------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run_and_a_lower_rate_saves_it(make):
    first = Stage(size=32, samples=3 * BATCH)
    settings = make(stages=[first, Stage(size=32, samples=6 * BATCH, learning_rate=1e25)], checkpoint_every=3 * BATCH)
    with pytest.raises(TrainingError, match=r"no longer finite after \d+ samples; the last checkpoint, if there was"):
        train(settings)
    tensors, metadata = read_tensors(settings.output / "tiny" / CHECKPOINT, 10**9)
    assert metadata["place"] == 3 * BATCH
    assert all(value.isfinite().all() for value in tensors.values())
    path = train(make(stages=[first, Stage(size=32, samples=BATCH, learning_rate=1e-4)]), resume=True)
    assert load_model(path)[1].samples == 4 * BATCH


def test_weights_that_are_not_finite_are_never_saved(make, at_step, monkeypatch):
    settings = make(checkpoint_every=BATCH)
    trainers = []
    create = Trainer.__init__
    monkeypatch.setattr(Trainer, "__init__", lambda self, *args: trainers.append(self) or create(self, *args))
    # a gradient that is not finite spoils the weights while the loss is still fine
    at_step(2, lambda: trainers[0].generator.chroma_head.bias.register_hook(lambda gradient: gradient * np.nan))
    with pytest.raises(TrainingError, match="no longer finite"):
        train(settings)
    assert all(value.isfinite().all() for value in checkpoint_of(settings).values())


def test_a_full_disk_leaves_the_last_checkpoint_whole(make, at_step):
    settings = make(checkpoint_every=BATCH)
    at_step(1, crash)
    with pytest.raises(CrashError):
        train(settings)
    before = (settings.output / "tiny" / CHECKPOINT).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            train(settings, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (settings.output / "tiny" / CHECKPOINT).read_bytes() == before
    assert not list((settings.output / "tiny").glob("*.partial"))
