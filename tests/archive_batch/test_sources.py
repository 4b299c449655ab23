import pytest
from PIL import Image

from archive_batch.sources import find_files
from training.errors import InputFileError, SettingsError


def write_picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3)).save(path, format="png")


def ids(*inputs):
    return [file.id for file in find_files(inputs)[0]]


def test_an_id_is_the_path_from_the_folder_that_was_named(tmp_path):
    for name in ("b/c/2.png", "b/1.png", "a.png"):
        write_picture(tmp_path / name)
    assert ids(tmp_path) == ["a.png", "b/1.png", "b/c/2.png"]
    assert ids(tmp_path / "b", tmp_path / "a.png") == ["1.png", "c/2.png", "a.png"]


def test_pictures_are_known_by_their_suffix_or_their_first_bytes(tmp_path):
    write_picture(tmp_path / "no_suffix")
    (tmp_path / "damaged.tif").write_text("this is said to be a picture: it is refused later, not passed over")
    (tmp_path / "notes.txt").write_text("text")
    files, others = find_files([tmp_path])
    assert [file.id for file in files] == ["damaged.tif", "no_suffix"]
    assert [path.name for path in others] == ["notes.txt"]


def test_hidden_files_and_zarr_hierarchies_are_passed_over(tmp_path):
    for name in ("a.png", ".b.png", ".cache/c.png", "archive.zarr/d.png"):
        write_picture(tmp_path / name)
    (tmp_path / "archive.zarr/zarr.json").write_text("{}")
    assert ids(tmp_path) == ["a.png"]


def test_links_to_files_are_pages_and_links_to_folders_are_told_of(tmp_path):
    write_picture(tmp_path / "x/a.png")
    (tmp_path / "x/b.png").symlink_to(tmp_path / "x/a.png")
    (tmp_path / "x/loop").symlink_to(tmp_path / "x")
    files, others = find_files([tmp_path / "x"])
    assert [file.id for file in files] == ["a.png", "b.png"]
    assert others == [tmp_path / "x/loop"]


def test_a_file_that_is_named_twice_is_taken_once(tmp_path):
    write_picture(tmp_path / "b/a.png")
    assert ids(tmp_path, tmp_path / "b/a.png") == ["b/a.png"]


def test_two_files_that_would_become_one_page_are_refused(tmp_path):
    for name in ("x/a.png", "y/a.png"):
        write_picture(tmp_path / name)
    with pytest.raises(SettingsError, match=r"x/a.png and .*y/a.png would both become the page a.png"):
        find_files([tmp_path / "x", tmp_path / "y"])


def test_a_page_inside_the_image_of_another_is_refused(tmp_path):
    for name in ("x/a", "y/a/0"):
        write_picture(tmp_path / name)
    with pytest.raises(SettingsError, match="a is a picture, and a folder of the picture a/0"):
        find_files([tmp_path / "x", tmp_path / "y"])


def test_an_input_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputFileError, match=r"typo does not exist"):
        find_files([tmp_path / "typo"])
