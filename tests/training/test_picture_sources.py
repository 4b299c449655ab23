import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from training.errors import InputFileError
from training.picture_sources import decode_rgb, iter_picture_files

CONTENTS = {f"{number}.png": bytes([number]) * (100 + number) for number in range(10)}  # found by name, not decoded


def pack(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def contents(source: Path) -> list[tuple[str, bytes]]:
    return [(picture.name, picture.read()) for picture in iter_picture_files(source)]


def test_a_folder_is_read_in_the_order_of_names_with_its_subfolders(tmp_path):
    fill(tmp_path, CONTENTS | {"sub/a.JPG": b"a", "sub/notes.txt": b"no picture"})
    (tmp_path / "folder.png").mkdir()
    assert contents(tmp_path) == [*CONTENTS.items(), ("sub/a.JPG", b"a")]


def test_a_folder_comes_before_a_file_whose_name_goes_on(tmp_path):
    fill(tmp_path, {"a.png": b"1", "a/z.png": b"2", "a-b.png": b"3"})
    assert [name for name, _ in contents(tmp_path)] == ["a/z.png", "a-b.png", "a.png"]


def test_a_tar_is_read_in_its_own_order(tmp_path):
    path = pack(tmp_path / "shard.tar", {"b.png": b"first", "readme.txt": b"no picture", "a/a.png": b"second"})
    assert contents(path) == [("b.png", b"first"), ("a/a.png", b"second")]


def test_the_tars_of_a_folder_are_read_in_their_place(tmp_path):
    fill(tmp_path, {"a.png": b"1", "c.png": b"3"})
    pack(tmp_path / "b.tar", {"x.png": b"2"})
    assert contents(tmp_path) == [("a.png", b"1"), ("b.tar/x.png", b"2"), ("c.png", b"3")]


def test_a_single_file_is_a_source(tmp_path):
    fill(tmp_path, CONTENTS)
    assert contents(tmp_path / "3.png") == [("3.png", CONTENTS["3.png"])]


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_pictures_of_a_tar_can_be_read_in_any_order(tmp_path, layout):
    """With names so long that they take headers of their own."""
    names = [f"{'long' * 20}/{'name' * 10}-{number}.png" for number in range(5)]
    with tarfile.open(tmp_path / "shard.tar", "w", format=layout) as tar:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = 700 * number
            tar.addfile(info, io.BytesIO(bytes([number]) * info.size))
    pictures = list(iter_picture_files(tmp_path / "shard.tar"))
    assert [picture.name for picture in pictures] == names
    for number in (3, 0, 4, 1, 2):
        assert pictures[number].read() == bytes([number]) * 700 * number


def test_references_are_small_and_travel_to_other_processes(tmp_path):
    fill(tmp_path, {"a.png": bytes(100_000)})
    pack(tmp_path / "b.tar", {"b.png": bytes(100_000)})
    zarr.create_array(tmp_path / "c.zarr", data=np.zeros((64, 64, 3), np.uint8))
    for picture in iter_picture_files(tmp_path):
        pickled = pickle.dumps(picture)
        assert len(pickled) < 500
        assert pickle.loads(pickled) == picture
        assert pickle.loads(pickled).read() == picture.read()


def test_a_zarr_hierarchy_in_a_folder_is_read_in_its_place(tmp_path):
    fill(tmp_path, {"a.png": b"1", "c.png": b"3"})
    drawn = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    zarr.create_group(tmp_path / "b").create_array("scans/first", data=drawn)
    first, second, third = iter_picture_files(tmp_path)
    assert [first.name, second.name, third.name] == ["a.png", "b/scans/first", "c.png"]
    np.testing.assert_array_equal(np.asarray(decode_rgb(second.read())), drawn)


def test_the_chunks_of_a_zarr_hierarchy_are_no_picture_files(tmp_path):
    zarr.create_array(tmp_path / "gray.zarr", data=np.ones((64, 64), np.uint8), chunks=(32, 32))
    fill(tmp_path / "gray.zarr", {"c/odd.png": b"within"})
    assert contents(tmp_path) == []


def test_nothing_of_a_tar_leaves_its_place(tmp_path):
    path = pack(tmp_path / "hostile.tar", {"../../escaped.png": b"1", "/absolute.png": b"2"})
    assert len(contents(path)) == 2
    assert list(tmp_path.iterdir()) == [path]
    assert not (tmp_path.parents[1] / "escaped.png").exists()


def test_links_and_devices_of_a_tar_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert contents(tmp_path / "odd.tar") == []


@pytest.mark.parametrize("kept", [4 * 1024 + 520, 4 * 1024 + 100, 500, 0])
def test_a_cut_tar_is_named(tmp_path, kept):
    path = pack(tmp_path / "cut.tar", CONTENTS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputFileError, match=r"cut\.tar: the tar is damaged"):
        list(iter_picture_files(tmp_path))


def test_a_tar_with_a_damaged_header_is_named(tmp_path):
    """`tarfile` alone would take it for the end."""
    path = pack(tmp_path / "torn.tar", CONTENTS)
    content = bytearray(path.read_bytes())
    content[4 * 1024 : 4 * 1024 + 200] = b"\xff" * 200
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"torn\.tar: the tar is damaged"):
        list(iter_picture_files(path))


def test_a_compressed_tar_is_refused_with_advice(tmp_path):
    path = pack(tmp_path / "shard.tar", CONTENTS, "w:gz")
    with pytest.raises(InputFileError, match=r"shard\.tar is a compressed tar.*decompress it"):
        list(iter_picture_files(path))


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(InputFileError, match="nowhere: there is no such folder or file"):
        list(iter_picture_files(tmp_path / "nowhere"))


@pytest.mark.parametrize("kind", ["file", "tar", "zarr"])
def test_a_picture_that_vanished_is_named(tmp_path, kind):
    if kind == "file":
        fill(tmp_path, {"a.png": b"1"})
    elif kind == "tar":
        pack(tmp_path / "a.tar", {"a.png": b"1"})
    else:
        zarr.create_array(tmp_path / "a.zarr", data=np.zeros((64, 64, 3), np.uint8))
    (picture,) = iter_picture_files(tmp_path)
    os.rename(next(tmp_path.iterdir()), tmp_path / "moved")
    with pytest.raises(InputFileError, match=r"/a\.(png|tar|zarr) .*(check that it still is there|put it back)"):
        picture.read()


def test_a_tar_that_was_cut_later_is_named(tmp_path):
    path = pack(tmp_path / "shard.tar", CONTENTS)
    *_, last = iter_picture_files(path)
    path.write_bytes(path.read_bytes()[: 512 * 18])
    with pytest.raises(InputFileError, match=r"shard\.tar ends within 9\.png"):
        last.read()


def test_a_jpeg_may_come_smaller_but_not_below_the_side_that_is_asked_for():
    y, x = np.mgrid[:600, :900] / 150
    waves = Image.fromarray(np.uint8(127 + 90 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)))
    buffer = io.BytesIO()
    waves.save(buffer, "JPEG", quality=95)
    small = decode_rgb(buffer.getvalue(), least_side=140)
    assert small.size == (225, 150)
    means = np.asarray(waves.reduce(4), int)
    assert np.abs(np.asarray(small, int) - means).mean() < 3
    assert decode_rgb(buffer.getvalue(), least_side=400).size == (900, 600)
