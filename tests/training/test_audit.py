import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from training.audit import REASONS, audit
from training.cli import app
from training.console import DONE, SOME_FAILED, WRONG_USE, run

ASTRONAUT = Image.fromarray(data.astronaut())
NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def good_pictures() -> dict[str, Image.Image]:
    return {name: Image.fromarray(getattr(data, name)()).resize((200, 160)) for name in NAMES}


def spoiled() -> dict[str, Image.Image]:
    """One picture for each reason that a single picture can show."""
    chelsea = Image.fromarray(data.chelsea()).resize((200, 160))
    luma = np.asarray(chelsea.convert("L"), np.float32)[..., None]
    framed = Image.new("RGB", (220, 200), "white")
    framed.paste(ASTRONAUT.crop((0, 200, 300, 400)).resize((180, 150)), (20, 25))
    page = Image.new("RGB", (200, 150), (225, 225, 225))
    for number, picture in enumerate(good_pictures().values()):
        page.paste(picture.resize((60, 50)), (20 + 100 * (number % 2), 15 + 70 * (number // 2)))
    return {
        "gray": chelsea.convert("L").convert("RGB"),
        "single hue": Image.fromarray((luma * [1, 0.85, 0.65]).clip(0, 255).astype(np.uint8)),
        "enlarged": ASTRONAUT.resize((40, 40)).resize((200, 200), Image.Resampling.BICUBIC),
        "frame": framed,
        "collage": page,
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, picture in good_pictures().items():
        picture.save(tmp_path / f"{name}.png")
    return tmp_path


def test_good_pictures_are_left_alone(folder):
    found = audit([folder])
    assert found.pictures == 4
    assert not any(found.findings.values())


@pytest.mark.parametrize("reason", spoiled())
def test_each_reason_is_found(folder, reason):
    spoiled()[reason].save(folder / "spoiled.png")
    found = audit([folder])
    assert list(found.findings[reason]) == ["spoiled.png"]
    assert "spoiled.png" in found.previews


def test_even_ground_and_dark_skies_are_no_frame(folder):
    plate = Image.new("RGB", (200, 160), (30, 60, 160))
    plate.paste(ASTRONAUT.resize((100, 100)), (50, 30))
    blurred = plate.filter(ImageFilter.GaussianBlur(12))
    blurred.save(folder / "ground.png")
    assert not audit([folder]).findings["frame"]


def test_heavy_compression_is_found(folder):
    ASTRONAUT.save(folder / "low.jpg", quality=15)
    ASTRONAUT.crop((0, 0, 300, 300)).save(folder / "high.jpg", quality=85)
    assert list(audit([folder]).findings["compressed"]) == ["low.jpg"]


def test_doubles_are_found_and_the_first_stays(folder):
    (folder / "zz copy.png").write_bytes((folder / "coffee.png").read_bytes())
    good_pictures()["rocket"].resize((150, 120)).save(folder / "zz rocket.jpg", quality=80)
    found = audit([folder])
    assert found.findings["duplicate"] == {"zz copy.png": "as coffee.png"}
    assert found.findings["near-duplicate"] == {"zz rocket.jpg": "as rocket.png"}


def test_pictures_that_a_model_is_measured_on_are_leaks(folder, tmp_path_factory):
    held_out = tmp_path_factory.mktemp("held out")
    good_pictures()["chelsea"].save(held_out / "cat.jpg", quality=90)
    assert audit([folder], held_out).findings["leak"] == {"chelsea.png": "as cat.jpg"}
    assert not audit([folder], None).findings["leak"]


def test_what_cannot_be_read_is_listed_with_its_reason(folder):
    (folder / "torn.png").write_bytes((folder / "coffee.png").read_bytes()[:500])
    Image.new("RGB", (8, 8), "red").save(folder / "tiny.png")
    unusable = audit([folder]).findings["unusable"]
    assert set(unusable) == {"torn.png", "tiny.png"}
    assert "smaller than" in unusable["tiny.png"]


@pytest.fixture
def unreadable(monkeypatch):
    """What is called locked.png cannot be read, whoever tries."""
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)


def test_files_that_cannot_be_read_are_findings_and_the_audit_goes_on(folder, tmp_path_factory, unreadable):
    other = tmp_path_factory.mktemp("other")
    for place in (folder, other):
        (place / "locked.png").touch()
    found = audit([folder, other], other)
    assert found.pictures == 6
    unusable = found.findings["unusable"]
    assert list(unusable) == [f"{place.name}/locked.png" for place in (folder, other)]
    assert all("cannot be read (Permission denied)" in note for note in unusable.values())
    assert not found.findings["duplicate"]
    assert not found.findings["leak"]
    assert not found.previews


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_near_duplicates_are_found_however_many_are_compared_at_once(folder, monkeypatch, at_once):
    for name, size in (("zz rocket", (150, 120)), ("zzz rocket", (120, 100)), ("a coffee", (150, 120))):
        good_pictures()[name.split()[-1]].resize(size).save(folder / f"{name}.jpg", quality=80)
    monkeypatch.setattr("training.audit.COMPARED_AT_ONCE", at_once)
    found = audit([folder], folder)
    assert {name: note for name, note in found.findings["near-duplicate"].items() if "zz" not in note} == {
        "coffee.png": "as a coffee.jpg",
        "zz rocket.jpg": "as rocket.png",
        "zzz rocket.jpg": found.findings["near-duplicate"]["zzz rocket.jpg"],
    }
    assert len(found.findings["leak"]) == 7


def test_progress_is_told_picture_by_picture(folder):
    told = []
    audit([folder], report=told.append)
    assert told == [1, 2, 3, 4]


# -- command line ----------------------------------------------------------------------------------------------------


def test_the_command_counts_lists_and_shows(folder, capsys):
    assert run(app, ["audit", str(folder)]) == DONE
    spoiled()["gray"].save(folder / "spoiled <b>.png")
    capsys.readouterr()
    assert run(app, ["audit", str(folder), "--json", "-o", str(folder / "audit.html")]) == SOME_FAILED
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 5
    assert found["counts"] == dict.fromkeys(REASONS, 0) | {"gray": 1}
    page = (folder / "audit.html").read_text()
    assert "spoiled &lt;b&gt;.png" in page
    assert "data:image/jpeg;base64," in page


@pytest.mark.parametrize("words", [("missing",), (".", "-o", "scan.tif")])
def test_what_cannot_be_done_is_refused(folder, capsys, monkeypatch, words):
    monkeypatch.chdir(folder)
    assert run(app, ["audit", *words]) == WRONG_USE
    assert capsys.readouterr().err


def test_a_tar_is_read_like_a_folder(folder, tmp_path_factory):
    import tarfile

    path = tmp_path_factory.mktemp("tar") / "set.tar"
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.iterdir()):
            content = file.read_bytes()
            entry = tarfile.TarInfo(file.name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    assert audit([path]).pictures == 4
    Image.fromarray(data.camera()).save(path.with_name("camera.png"))
    assert audit([path.parent]).findings["gray"] == {"camera.png": ""}
    assert audit([path.parent]).pictures == 5
