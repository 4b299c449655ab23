import csv
from dataclasses import replace

import numpy as np
import pytest

from training import run_log
from training.run_log import RunLog
from training.settings import Settings
from training.stopping import Look

LOOK = Look(0, 1.0, None, 11.0, 0.15, 1.1, 0.5, None, 80.0, 1.0)


@pytest.fixture
def settings() -> Settings:
    return Settings(name="run", data=["data"], stages=[{"size": 32, "samples": 32000}])


def read(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_is_the_mean_of_its_steps(tmp_path, settings):
    reports = []
    log = RunLog(tmp_path, settings, -1, lambda samples, scalars: reports.append((samples, scalars)))
    for step in range(1, 41):
        log.add({"l1": float(step % 2)}, 32 * step, waited=0.0)
    lines = read(tmp_path / "log.csv")
    told = [(line["samples"], line["l1"], line["adversarial"]) for line in lines]
    assert told == [("640", "0.5", ""), ("1280", "0.5", "")]
    assert [samples for samples, _ in reports] == [640, 1280]
    assert reports[0][1].keys() == {"pictures_per_second", "waiting", "l1"}


def test_the_share_of_waiting_is_told(tmp_path, settings, monkeypatch):
    times = iter(range(100))
    monkeypatch.setattr(run_log.time, "perf_counter", lambda: float(next(times)))  # a second between any two looks
    log = RunLog(tmp_path, settings, -1, None)
    for step in range(1, 21):
        log.add({"l1": 1.0}, 32 * step, waited=0.025)
    (line,) = read(tmp_path / "log.csv")
    assert float(line["waiting"]) * 640 / float(line["pictures_per_second"]) == pytest.approx(0.5)


def test_a_resumed_log_drops_what_came_after_the_checkpoint_and_goes_on(tmp_path, settings):
    log = RunLog(tmp_path, settings, -1, None)
    for samples in (640, 1280, 1920):
        log.add({"l1": 1.0}, samples, waited=0.0)
    seconds = float(read(tmp_path / "log.csv")[1]["seconds"])
    log = RunLog(tmp_path, settings, 1300, None)
    log.add({"l1": 2.0}, 1940, waited=0.0)
    lines = read(tmp_path / "log.csv")
    assert [line["samples"] for line in lines] == ["640", "1280", "1940"]
    assert float(lines[-1]["seconds"]) >= seconds


def test_the_page_shows_rows_of_pictures_from_the_first_to_the_last(tmp_path, settings):
    log = RunLog(tmp_path, settings, -1, None)
    row = np.zeros((8, 16, 3), np.uint8)
    log.save_row("true", row)
    for look in range(30):
        log.watched(replace(LOOK, samples=look * 100), row, best=False, seconds=0.0)
    log.write_page()
    page = (tmp_path / "progress.html").read_text()
    assert page.count("<img") == 1 + run_log.SHOWN_ROWS
    assert "<figcaption>true<" in page
    assert "<figcaption>0<" in page
    assert "<figcaption>2,900<" in page


def test_neither_looks_nor_skipped_samples_count_for_the_pace(tmp_path, settings, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(run_log.time, "perf_counter", lambda: now[0])
    log = RunLog(tmp_path, settings, -1, None)
    for samples, seconds in ((320, 10), (640, 10)):
        now[0] += seconds
        if samples == 640:
            now[0] += 100
            log.watched(LOOK, np.zeros((8, 16, 3), np.uint8), best=True, seconds=100.0)
        log.add({"l1": 1.0}, samples, waited=0.0)
    now[0] += 10
    log.add({"l1": 1.0}, 960, waited=0.0)
    log.end_stage(960, 8000)
    now[0] += 20
    log.add({"l1": 1.0}, 8640, waited=0.0)
    assert [float(line["pictures_per_second"]) for line in read(tmp_path / "log.csv")] == [32, 32, 32]


def test_what_is_left_is_written_at_the_end(tmp_path, settings):
    reports = []
    log = RunLog(tmp_path, settings, -1, lambda samples, scalars: reports.append(samples))
    log.add({"l1": 3.0}, 32, waited=0.0)
    log.finish(32)
    assert [line["samples"] for line in read(tmp_path / "log.csv")] == ["32"]
    assert reports == [32]
    assert (tmp_path / "progress.html").exists()


def test_figures_that_cannot_be_had_stay_empty(tmp_path, settings):
    log = RunLog(tmp_path, settings, -1, None)
    log.watched(LOOK, np.zeros((8, 16, 3), np.uint8), best=True, seconds=0.0)
    (line,) = read(tmp_path / "watch.csv")
    assert (line["gain_db"], line["lpips_squeeze"], line["best"]) == ("1", "", "1")
