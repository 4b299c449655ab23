"""`archive-batch` with real workers, some of which are killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import training
from archive_batch.catalogue import page_path, read_catalogue
from archive_batch.cli import app
from archive_batch.ledger import PREFIX, LedgerLine, read_ledger
from archive_batch.parts import read_parts
from archive_batch.plan import Identity, PageTask
from archive_batch.run import run_archive, target_status
from archive_batch.stores import open_root
from archive_batch.targets import make_target
from training import console
from training.errors import OutputError, SettingsError
from training.hashes import sha256_file

GRAY = {"black.png", "box 1/two.tif#0", "box 1/two.tif#1", "boy.jpg"}
STATUS_KEYS = ["pages", "done", "kept", "neutral", "failed", "pending", "bytes"]
STATUS_KEYS += ["pages_per_second", "eta_seconds", "failures"]


def command(*arguments, capsys):
    """Exit code, what is on stdout, what is on stderr."""
    capsys.readouterr()
    code = console.run(app, [str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def ledger_lines(target) -> list[LedgerLine]:
    return [LedgerLine.from_line(line) for line in read_parts(open_root(target, "target").store, PREFIX)]


class TestPagesThatFail:
    """A run over a page whose pixels are gone from the archive, then the same again once they are back."""

    @pytest.fixture(scope="class")
    @staticmethod
    def work(archive, model_file, tmp_path_factory):
        folder = tmp_path_factory.mktemp("work")
        lost = Path(page_path("boy.jpg"), "0")
        shutil.copytree(archive, folder / "archive.zarr")
        shutil.move(folder / "archive.zarr" / lost, folder / "lost")
        first = run_archive(
            str(folder / "archive.zarr"), str(folder / "rgb.zarr"), mode="rgb", model=str(model_file), workers=2
        )
        before = target_status(str(folder / "archive.zarr"), str(folder / "rgb.zarr"))
        shutil.move(folder / "lost", folder / "archive.zarr" / lost)
        second = run_archive(
            str(folder / "archive.zarr"), str(folder / "rgb.zarr"), mode="rgb", model=str(model_file), workers=1
        )
        return folder, first, before, second

    def test_they_do_not_stop_the_others(self, work):
        _, first, _, _ = work
        assert (first.done, first.kept) == (3, 1)
        (refusal,) = first.refused
        assert (refusal.file, refusal.page) == ("boy.jpg", None)
        assert refusal.reason.startswith("boy.jpg: ")

    def test_status_names_them(self, work):
        _, first, before, _ = work
        assert (before.done, before.kept, before.failed, before.pending) == (3, 1, 1, 0)
        assert before.failures == [{"page": "boy.jpg", "reason": first.refused[0].reason}]

    def test_the_same_command_does_them_and_no_others(self, work):
        folder, _, _, second = work
        assert (second.done, second.skipped, second.refused) == (1, 4, [])
        assert [line.page for line in ledger_lines(folder / "rgb.zarr")].count("black.png") == 1

    def test_status_tells_that_all_is_done(self, work, capsys):
        code, out, _ = command("status", work[0] / "archive.zarr", work[0] / "rgb.zarr", "--json", capsys=capsys)
        found = json.loads(out)
        assert code == 0
        assert list(found) == STATUS_KEYS
        assert (found["pages"], found["done"], found["kept"], found["pending"]) == (5, 4, 1, 0)
        assert (found["eta_seconds"], found["failures"]) == (0, [])
        assert found["bytes"] > 0
        assert found["pages_per_second"] > 0

    def test_a_finished_target_needs_no_workers(self, work, model_file, capsys):
        arguments = (work[0] / "archive.zarr", work[0] / "rgb.zarr", "--mode", "rgb", "--model", model_file, "--json")
        code, out, _ = command("run", *arguments, capsys=capsys)
        assert (code, json.loads(out)) == (0, {"files": 4, "pages": 5, "done": 0, "kept": 0, "refused": []})

    def test_a_page_that_lost_an_object_is_done_again(self, work, tmp_path):
        copy = shutil.copytree(work[0] / "rgb.zarr", tmp_path / "rgb.zarr")
        (copy / page_path("boy.jpg") / "0/zarr.json").unlink()
        assert target_status(str(work[0] / "archive.zarr"), str(copy)).pending == 1

    def test_another_mode_is_refused(self, work, model_file, capsys):
        arguments = (work[0] / "archive.zarr", work[0] / "rgb.zarr", "--model", model_file)
        code, out, err = command("run", *arguments, capsys=capsys)
        assert (code, out) == (2, "")
        assert "was made with mode rgb, model random" in err


class TestKilledAndInterruptedRuns:
    """A run that is killed, a run that Ctrl-C ends, then one to the end; over the same target."""

    # every line is a part of the ledger at once, so that the test need not wait for seconds
    PROGRAM = """
import archive_batch.parts
archive_batch.parts.MOST_SECONDS = 0
from archive_batch.cli import main
raise SystemExit(main())
"""

    @pytest.fixture(scope="class")
    @staticmethod
    def work(archive, model_file, tmp_path_factory):
        target = tmp_path_factory.mktemp("killed") / "chroma.zarr"
        arguments = ["run", str(archive), str(target), "--model", str(model_file), "--workers", "1"]
        messages = target.with_name("messages.txt")
        cls = TestKilledAndInterruptedRuns
        record = {"target": target}

        process = cls.start(arguments, messages)
        cls.wait_for_lines(target, 2)  # the kept one, and one that a worker did
        with pytest.raises(OutputError) as refused:
            run_archive(str(archive), str(target), model=str(model_file))
        record["lock"] = str(refused.value)
        process.kill()
        process.wait()
        record["killed"] = cls.times_of_done(target)

        process = cls.start(arguments, messages)
        cls.wait_for_lines(target, len(ledger_lines(target)) + 1)
        os.killpg(process.pid, signal.SIGINT)
        record["interrupted"] = process.wait(timeout=60), cls.times_of_done(target)
        record["messages"] = messages.read_text()

        record["result"] = run_archive(str(archive), str(target), model=str(model_file), workers=1)
        record["finished"] = cls.times_of_done(target)
        return record

    @classmethod
    def start(cls, arguments, messages):
        command = [sys.executable, "-c", cls.PROGRAM, *arguments]
        with messages.open("w") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)

    @staticmethod
    def wait_for_lines(target, count):
        deadline = time.monotonic() + 60
        while not (target / "ledger").is_dir() or len(ledger_lines(target)) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @staticmethod
    def times_of_done(target):
        done = {name for name, line in read_ledger(open_root(target, "target")).items() if line.state == "done"}
        return {
            path: path.stat().st_mtime_ns
            for name in done
            for path in (target / page_path(name)).rglob("*")
            if path.is_file()
        }

    def test_a_second_run_on_the_target_is_refused_while_one_is_at_work(self, work):
        assert "another run is writing to" in work["lock"]

    def test_what_was_finished_before_the_kill_is_not_done_again(self, work):
        assert work["killed"]
        assert work["killed"].items() <= work["finished"].items()

    def test_ctrl_c_says_how_to_go_on(self, work):
        code, times = work["interrupted"]
        assert code == 130
        assert "the same command goes on from here" in work["messages"]
        assert "Traceback" not in work["messages"]
        assert times.items() <= work["finished"].items()

    def test_nothing_is_lost(self, work, archive):
        lines = ledger_lines(work["target"])
        assert {line.page for line in lines if line.state == "done"} == GRAY
        assert len(lines) == len({line.page for line in lines}) == 5
        assert target_status(str(archive), str(work["target"])).pending == 0
        assert work["result"].skipped + work["result"].done == 5


# Unpickled in a worker it ends that process; elsewhere (the scheduler reads tasks too) it is an object like itself.
KILLER = """
__import__("os").kill(__import__("os").getpid(), 9)
if "Dask Worker" in __import__("multiprocessing").current_process().name
else type("Killer", (), {"__reduce__": lambda self: (eval, (program, {"program": program}))})()
""".replace("\n", " ").strip()


def test_a_page_that_kills_its_workers_is_a_failed_one_and_the_others_are_done(archive, model_file, tmp_path):
    from archive_batch.engine import run_tasks

    identity = Identity("chroma", "random", sha256_file(model_file))
    make_target(tmp_path / "target", identity)
    pages = read_catalogue(open_root(archive, "archive"))
    tasks = [PageTask(str(archive), str(tmp_path / "target"), pages[name], identity) for name in sorted(GRAY)]
    object.__setattr__(tasks[1].page, "note", eval(KILLER, {"program": KILLER}))
    lines = {line.page: line for line in run_tasks(tasks, model_file, 1)}
    killer = lines.pop(tasks[1].page.id)
    assert killer.state == "failed"
    assert "its worker died, and died again when it had no other page" in killer.error
    assert {line.state for line in lines.values()} == {"done"}
    assert len(lines) == 3


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("run", "{archive}", "{tmp}/t", "--model", "typo"), "typo: there is no model of this name"),
            (("run", "{tmp}/typo", "{tmp}/t", "--model", "{model}"), "typo: there is no archive here"),
            (("run", "{archive}", "{tmp}/t", "--model", "{scans}/boy.jpg"), "cannot be read as a model"),
            (("run", "{archive}", "{archive}", "--model", "{model}"), "is an archive, not the target"),
            (("run", "{archive}", "{tmp}/t", "--workers", "0"), "must be 1 or more"),
            (("run", "{archive}", "s3://bucket/t", "--model", "{model}"), "are folders in this version"),
            (("status", "{archive}", "{tmp}/typo"), "typo: there is no target here"),
            (("ingest", "{tmp}/typo", "{tmp}/a.zarr"), "typo does not exist"),
            (("ingest", "{scans}"), "requires an argument"),
        ],
    )
    def test_it_is_told_in_a_sentence_and_leaves_nothing(
        self, arguments, sentence, archive, scans, model_file, tmp_path, capsys
    ):
        names = {"archive": archive, "tmp": tmp_path, "model": model_file, "scans": scans}
        code, out, err = command(*(argument.format(**names) for argument in arguments), capsys=capsys)
        assert (code, out) == (2, "")
        assert sentence in " ".join(err.split())
        assert "Traceback" not in err
        assert not list(tmp_path.iterdir())


def test_ingest_tells_what_it_did_as_json(scans, tmp_path, capsys):
    code, out, err = command("ingest", scans, tmp_path / "a.zarr", "--json", capsys=capsys)
    found = json.loads(out)
    assert code == 1
    assert (found["files"], found["pages"]) == (5, 5)
    (refused,) = found["refused"]
    assert (refused["file"], refused["page"]) == (str(scans / "broken.tif"), None)
    assert refused["reason"] in err


@pytest.mark.parametrize("verb", ["ingest", "run", "status"])
def test_help_shows_an_example(verb, capsys):
    code, out, _ = command(verb, "--help", capsys=capsys)
    assert code == 0
    assert f"Example: archive-batch {verb}" in " ".join(out.split())


def test_the_commands_of_the_page_about_archives_are_understood():
    page = (Path(training.__file__).parents[1] / "docs/archives.md").read_text()
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("archive-batch ")]
    assert len(commands) > 4
    for tokens in commands:
        app.parse_args(tokens, exit_on_error=False, print_error=False)


def test_an_identity_is_more_than_its_mode(archive, model_file, tmp_path):
    make_target(tmp_path / "t", Identity("chroma", "other", "ffff"))
    with pytest.raises(SettingsError, match=r"was made with mode chroma, model other \(ffff\)"):
        run_archive(str(archive), str(tmp_path / "t"), model=str(model_file))
