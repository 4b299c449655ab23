import os
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_models.v05 import Image as OmeImage
from PIL import Image

from archive_batch.catalogue import page_path, read_catalogue
from archive_batch.gray_pages import open_gray
from archive_batch.ingest import ingest
from archive_batch.pyramid import level_shapes, reduced
from archive_batch.sources import find_files
from archive_batch.stores import only_writer, open_root
from training.errors import InputFileError, OutputError, OutputExistsError
from training.hashes import sha256_file
from training.window import Window

TWO = ["box 1/two.tif#0", "box 1/two.tif#1"]


def take_in(folder, archive, **options):
    return ingest(find_files([folder])[0], str(archive), **options)


def test_every_page_of_every_picture_is_in_the_catalogue(scans, archive):
    pages = read_catalogue(open_root(archive, "archive"))
    assert list(pages) == ["astronaut.png", "black.png", "boy.jpg", *TWO]
    first = pages[TWO[0]]
    assert (first.file, first.number, first.shape, first.dtype) == ("box 1/two.tif", 0, (621, 534), "uint16")
    assert first.sha256 == sha256_file(scans / "box 1/two.tif")


def test_pixels_are_stored_as_they_are(scans, archive):
    stored = [open_gray(archive, name)[...] for name in TWO]
    assert (np.stack(stored) == tifffile.imread(scans / "box 1/two.tif")).all()
    assert (open_gray(archive, "boy.jpg")[...] == np.asarray(Image.open(scans / "boy.jpg"))).all()


def test_levels_are_means_of_the_finest(archive):
    finest, coarse = (open_gray(archive, TWO[0], level)[...] for level in (0, 1))
    assert (coarse == reduced(finest, level_shapes(finest.shape)[1])).all()


def test_pages_are_images_of_ome_zarr(archive):
    root = open_root(archive, "archive")
    for name in TWO:
        image = OmeImage.from_zarr(zarr.open_group(root.store, path=page_path(name), mode="r"))
        assert [axis.name for axis in image.attributes.ome.multiscales[0].axes] == ["y", "x"]


def test_what_cannot_be_read_is_refused_with_its_reason(ingested):
    (refusal,) = ingested[1].refused
    assert (refusal.file.rsplit("/", 1)[-1], refusal.page) == ("broken.tif", None)
    assert "broken.tif" in refusal.reason


def test_a_damaged_page_does_not_take_the_others_with_it(scans, tmp_path):
    with tifffile.TiffFile(scans / "box 1/two.tif") as tif:
        start = tif.pages[1].dataoffsets[0]
    content = bytearray((scans / "box 1/two.tif").read_bytes())
    content[start : start + 400] = bytes(400)
    (tmp_path / "two.tif").write_bytes(content)
    for _ in range(2):  # and it stays refused when the same is ingested again
        result = take_in(tmp_path, tmp_path / "a.zarr")
        assert [refusal.page for refusal in result.refused] == [1]
        assert list(read_catalogue(open_root(tmp_path / "a.zarr", "archive"))) == ["two.tif#0"]


def test_a_colour_photograph_is_kept_without_pixels(archive):
    page = read_catalogue(open_root(archive, "archive"))["astronaut.png"]
    assert page.kept
    assert "colour photograph" in page.note
    with pytest.raises(InputFileError, match=r"holds no array pages/astronaut.png/0"):
        open_gray(archive, "astronaut.png")


def test_all_pages_of_a_file_have_one_window(tmp_path):
    dark, bright = np.full((2, 40, 30), 100, np.uint16)
    bright[0, 0] = 60000
    tifffile.imwrite(tmp_path / "two.tif", np.stack([dark, bright]), photometric="minisblack")
    take_in(tmp_path, tmp_path / "a.zarr")
    pages = read_catalogue(open_root(tmp_path / "a.zarr", "archive"))
    assert {page.window for page in pages.values()} == {Window(0, 65535, note=pages["two.tif#0"].window.note)}


def test_negatives_change_dark_and_light(tmp_path):
    Image.new("L", (20, 30)).save(tmp_path / "film.png")
    take_in(tmp_path, tmp_path / "a.zarr", negative=True)
    (page,) = read_catalogue(open_root(tmp_path / "a.zarr", "archive")).values()
    assert (page.window.lo, page.window.hi) == (255, 0)


def test_a_tinted_scan_is_stored_as_its_16_bit_luminance(tmp_path):
    gray = np.tile(np.arange(256, dtype=np.uint8), (200, 1))
    sepia = np.stack([gray, gray // 10 * 9, gray // 10 * 7], axis=-1)
    Image.fromarray(sepia).save(tmp_path / "sepia.png")
    result = take_in(tmp_path, tmp_path / "a.zarr")
    (page,) = read_catalogue(open_root(tmp_path / "a.zarr", "archive")).values()
    assert (page.dtype, page.kept) == ("uint16", False)
    assert result.notes == ["sepia.png is tinted: only its luminance was used"]


def test_transparency_is_left_out_and_that_is_noted(tmp_path):
    Image.new("LA", (20, 30), (90, 40)).save(tmp_path / "a.png")
    assert take_in(tmp_path, tmp_path / "a.zarr").notes == ["a.png its transparency was left out"]


def test_pages_that_are_in_the_archive_are_passed_over(scans, archive, tmp_path):
    copy = shutil.copytree(archive, tmp_path / "a.zarr")
    before = sorted((path, path.stat().st_mtime_ns) for path in (copy / "pages").rglob("*") if path.is_file())
    again = take_in(scans, copy)
    assert (again.pages, again.added, len(again.refused)) == (5, 0, 1)
    assert sorted((path, path.stat().st_mtime_ns) for path in (copy / "pages").rglob("*") if path.is_file()) == before


def test_pages_that_a_kill_left_without_a_line_are_written_again(scans, archive, tmp_path):
    copy = shutil.copytree(archive, tmp_path / "a.zarr")
    shutil.rmtree(copy / "catalogue")
    (copy / page_path("boy.jpg") / "0/zarr.0123.partial").write_text("half")
    assert take_in(scans, copy).added == 5
    assert read_catalogue(open_root(copy, "archive")) == read_catalogue(open_root(archive, "archive"))
    assert not list(copy.rglob("*.partial"))


def test_new_files_are_added(archive, tmp_path):
    copy = shutil.copytree(archive, tmp_path / "a.zarr")
    Image.new("L", (20, 30), 9).save(tmp_path / "new.png")
    assert take_in(tmp_path, copy).added == 1
    assert len(read_catalogue(open_root(copy, "archive"))) == 6


def test_a_file_that_changed_is_refused(tmp_path):
    Image.new("L", (20, 30), 9).save(tmp_path / "a.png")
    take_in(tmp_path, tmp_path / "a.zarr")
    Image.new("L", (20, 30), 10).save(tmp_path / "a.png")
    (refusal,) = take_in(tmp_path, tmp_path / "a.zarr").refused
    assert "has changed since it was taken in" in refusal.reason
    assert (open_gray(tmp_path / "a.zarr", "a.png")[...] == 9).all()


def test_an_archive_that_another_run_writes_to_is_refused(scans, tmp_path):
    with only_writer(tmp_path / "a.zarr"), pytest.raises(OutputError, match="another run is writing to"):
        take_in(scans, tmp_path / "a.zarr")


def test_a_folder_with_something_else_is_left_alone(scans, tmp_path):
    (tmp_path / "thesis.doc").write_text("three years")
    with pytest.raises(OutputExistsError, match="holds something else already"):
        take_in(scans, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_zarr_hierarchy_of_others_is_left_alone(scans, tmp_path):
    other = zarr.create_group(tmp_path / "other.zarr", zarr_format=3)
    other.create_array("pages/boy.jpg", data=np.arange(6))
    before = {path: path.read_bytes() for path in (tmp_path / "other.zarr").rglob("*") if path.is_file()}
    with pytest.raises(InputFileError, match="another zarr hierarchy"):
        take_in(scans, tmp_path / "other.zarr")
    after = {path: path.read_bytes() for path in (tmp_path / "other.zarr").rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if path.name != ".lock"} == before


def test_the_pages_of_a_file_are_never_in_two_parts(scans, tmp_path, monkeypatch):
    """A kill between the parts would leave a file known in part, and its other pages get another window."""
    monkeypatch.setattr("archive_batch.parts.MOST_SECONDS", 0)
    take_in(scans, tmp_path / "archive.zarr")
    for part in (tmp_path / "archive.zarr/catalogue").glob("*.jsonl"):
        assert part.read_text().count("two.tif#") in (0, 2)


def test_asking_for_negatives_too_late_is_refused(scans, tmp_path):
    take_in(scans, tmp_path / "archive.zarr")
    result = take_in(scans, tmp_path / "archive.zarr", negative=True)
    assert sum("was taken in as a positive" in refusal.reason for refusal in result.refused) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_picture_and_is_not_waited_for(tmp_path):
    (tmp_path / "scans").mkdir()
    os.mkfifo(tmp_path / "scans/x.tif")
    (refusal,) = take_in(tmp_path / "scans", tmp_path / "archive.zarr").refused
    assert "x.tif" in refusal.reason
