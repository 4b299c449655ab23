import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from training.errors import InputFileError
from training.picture_sources import decode_rgb
from training.zarr_pictures import iter_zarr_pictures

RGB = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
LEVELS = [(1100, 1300), (550, 650), (275, 325)]
COLOURS = ["FF0000", "00FF00", "0000FF"]


def pixels(picture) -> np.ndarray:
    return np.asarray(decode_rgb(picture.read()))


def array(folder: Path, data: np.ndarray, *, version: int = 3, names=None, **options) -> Path:
    if version == 2 and names:
        options["attributes"] = {"_ARRAY_DIMENSIONS": names}
        names = None
    zarr.create_array(folder, data=data, zarr_format=version, dimension_names=names, **options)
    return folder


def ome_image(folder: Path, levels: list[np.ndarray], *, version: str = "0.5", axes="cyx", **metadata) -> Path:
    """An OME-Zarr image whose metadata are written by hand."""
    kinds = {"c": "channel", "t": "time"}
    multiscale = {
        "axes": [{"name": name, "type": kinds.get(name, "space")} for name in axes],
        "datasets": [{"path": str(number)} for number in range(len(levels))],
    }
    new = version == "0.5"
    attributes = {"multiscales": [multiscale], **metadata}
    group = zarr.create_group(
        folder,
        zarr_format=3 if new else 2,
        attributes={"ome": {"version": version, **attributes}} if new else attributes,
    )
    for number, level in enumerate(levels):
        options = {} if new else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        group.create_array(str(number), data=level, dimension_names=list(axes) if new else None, **options)
    return folder


def channels(colours: list[str]) -> dict:
    return {"channels": [{"color": colour, "window": {"min": 0, "max": 255}} for colour in colours]}


# -- plain arrays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("data", "names"),
    [
        (RGB, None),
        (RGB.transpose(2, 0, 1), None),
        (np.dstack([RGB, np.full((40, 50), 90, np.uint8)]), None),
        (RGB, ["y", "x", "c"]),
        (RGB.transpose(2, 0, 1), ["c", "y", "x"]),
        (RGB.transpose(2, 1, 0), ["c", "x", "y"]),
        (RGB.transpose(0, 2, 1), ["row", "channel", "column"]),
    ],
)
def test_an_rgb_array_is_a_picture(tmp_path, data, names, version):
    (picture,) = iter_zarr_pictures(array(tmp_path / "scan.zarr", data, names=names, version=version))
    assert picture.name == "scan.zarr"
    np.testing.assert_array_equal(pixels(picture), RGB)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (RGB[..., 0], None),
        (RGB[..., :2], None),
        (RGB.transpose(2, 0, 1), ["z", "y", "x"]),
        (np.zeros((5, 40, 50), np.uint8), ["c", "y", "x"]),
        (RGB.astype(np.int16), None),
        (RGB.astype(np.uint32), None),
        (RGB > 100, None),
        (np.zeros((0, 50, 3), np.uint8), None),
        (np.zeros(3), None),
    ],
)
def test_other_arrays_are_passed_over(tmp_path, data, names):
    assert list(iter_zarr_pictures(array(tmp_path / "other.zarr", data, names=names))) == []


@pytest.mark.parametrize("channel", [1, 4])
def test_each_index_of_the_other_axes_is_a_picture(tmp_path, channel):
    stack = np.random.default_rng(1).integers(0, 256, (2, 3, 40, 50, 3), np.uint8)
    stored = np.moveaxis(stack, 4, channel)
    names = ["t", "z", "y", "x"]
    names.insert(channel, "c")
    store = array(tmp_path / "stack.zarr", stored, names=names, chunks=(1,) * 2 + stored.shape[2:])
    pictures = list(iter_zarr_pictures(store, "films/a"))
    assert [picture.name for picture in pictures] == [f"films/a#{number}" for number in range(6)]
    for picture, plane in zip(pictures, stack.reshape(6, 40, 50, 3)):
        np.testing.assert_array_equal(pixels(picture), plane)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "float16", "float32", "float64"])
def test_other_depths_become_8_bits(tmp_path, dtype):
    stored = (RGB.astype(np.uint32) * 257 if "u2" in dtype else RGB / 255).astype(dtype)
    (picture,) = iter_zarr_pictures(array(tmp_path / "deep.zarr", stored))
    np.testing.assert_array_equal(pixels(picture), RGB)


def test_16_bits_are_rounded_to_the_nearest(tmp_path):
    stored = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    (picture,) = iter_zarr_pictures(array(tmp_path / "deep.zarr", stored))
    np.testing.assert_array_equal(pixels(picture), np.rint(stored / 257))


def test_floats_beyond_black_and_white_and_missing_ones_are_cut_off(tmp_path):
    stored = (RGB / 255).astype(np.float32)
    stored[0, 0], stored[0, 1], stored[0, 2] = -0.1, 1.1, np.nan
    (picture,) = iter_zarr_pictures(array(tmp_path / "float.zarr", stored))
    assert pixels(picture)[0, :3].tolist() == [[0] * 3, [255] * 3, [0] * 3]


def test_floats_of_another_range_are_no_picture(tmp_path):
    (picture,) = iter_zarr_pictures(array(tmp_path / "float.zarr", RGB.astype(np.float32)))
    with pytest.raises(InputFileError, match=r"float\.zarr has values from 0 to 255: floats must lie in 0\.\.1"):
        picture.read()


# -- hierarchies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_nested_groups_are_named_by_their_paths(tmp_path, version):
    root = zarr.create_group(tmp_path / "set.zarr", zarr_format=version)
    for path in ("b/second", "a/deep/first", "c"):
        root.create_array(path, data=RGB)
    root.create_array("a/mask", data=RGB[..., 0])
    (tmp_path / "set.zarr" / "notes.txt").write_text("of no kind")
    names = [picture.name for picture in iter_zarr_pictures(tmp_path / "set.zarr")]
    assert names == ["a/deep/first", "b/second", "c"]


def test_consolidated_metadata_that_are_older_hide_nothing(tmp_path):
    root = zarr.create_group(tmp_path / "set.zarr", zarr_format=2)
    root.create_array("early", data=RGB)
    zarr.consolidate_metadata(tmp_path / "set.zarr")
    zarr.open_group(tmp_path / "set.zarr", mode="r+", use_consolidated=False).create_array("late", data=RGB)
    assert [picture.name for picture in iter_zarr_pictures(tmp_path / "set.zarr")] == ["early", "late"]


def test_damaged_metadata_are_named(tmp_path):
    root = zarr.create_group(tmp_path / "set.zarr")
    root.create_array("torn", data=RGB)
    (tmp_path / "set.zarr" / "torn" / "zarr.json").write_text('{"zarr_format": 3, "node')
    with pytest.raises(InputFileError, match=r"set\.zarr/torn: the zarr metadata cannot be read .*copy it again"):
        list(iter_zarr_pictures(tmp_path / "set.zarr"))


def test_arrays_of_unknown_kinds_are_passed_over(tmp_path):
    root = zarr.create_group(tmp_path / "set.zarr")
    for name in ("odd", "known"):
        root.create_array(name, data=RGB)
    metadata = tmp_path / "set.zarr" / "odd" / "zarr.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"data_type": "of tomorrow"}))
    assert [picture.name for picture in iter_zarr_pictures(tmp_path / "set.zarr")] == ["known"]


def test_a_damaged_chunk_is_named(tmp_path):
    store = array(tmp_path / "torn.zarr", RGB)
    next(path for path in store.rglob("c/*/*/*") if path.is_file()).write_bytes(b"torn")
    (picture,) = iter_zarr_pictures(store)
    with pytest.raises(InputFileError, match=r"torn\.zarr cannot be read"):
        picture.read()


def test_a_plane_that_is_too_large_for_memory_is_refused_before_it_is_read(tmp_path):
    zarr.create_array(tmp_path / "huge.zarr", shape=(400_000, 400_000, 3), chunks=(512, 512, 3), dtype="uint8")
    (picture,) = iter_zarr_pictures(tmp_path / "huge.zarr")
    with pytest.raises(InputFileError, match="160000000000 pixels"):
        picture.read()


# -- OME-Zarr --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_image_is_one_picture_of_a_level_that_is_large_enough(tmp_path, version):
    levels = [np.full((3, *shape), 50 * number, np.uint8) for number, shape in enumerate(LEVELS)]
    ome_image(tmp_path / "set.zarr", levels, version=version)
    (picture,) = iter_zarr_pictures(tmp_path / "set.zarr")
    assert picture.name == "set.zarr"
    assert pixels(picture).shape == (550, 650, 3)
    assert (pixels(picture) == 50).all()


def test_of_a_small_ome_image_the_finest_level_is_taken(tmp_path):
    ome_image(tmp_path / "set.zarr", [np.zeros((3, 80, 90), np.uint8), np.zeros((3, 40, 45), np.uint8)])
    (picture,) = iter_zarr_pictures(tmp_path / "set.zarr")
    assert pixels(picture).shape == (80, 90, 3)


def test_an_ome_stack_gives_a_picture_for_each_plane(tmp_path):
    stack = np.random.default_rng(2).integers(0, 256, (3, 4, 40, 50), np.uint8)
    zarr.create_group(tmp_path / "set.zarr")
    ome_image(tmp_path / "set.zarr" / "stack", [stack], axes="czyx")
    pictures = list(iter_zarr_pictures(tmp_path / "set.zarr"))
    assert [picture.name for picture in pictures] == [f"stack#{number}" for number in range(4)]
    np.testing.assert_array_equal(pixels(pictures[2]), stack[:, 2].transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("count", "colours", "is_rgb"),
    [
        (3, COLOURS, True),
        (3, [], True),
        (3, ["0000FF", "00FF00", "FF0000"], False),
        (4, [*COLOURS, "FFFFFF"], True),
        (4, [], False),
        (2, [], False),
    ],
)
def test_channels_of_a_microscope_are_no_colours(tmp_path, count, colours, is_rgb):
    metadata = {"omero": channels(colours)} if colours else {}
    ome_image(tmp_path / "set.zarr", [np.zeros((count, 80, 90), np.uint8)], **metadata)
    assert len(list(iter_zarr_pictures(tmp_path / "set.zarr"))) == is_rgb


def test_labels_and_levels_of_an_ome_image_are_no_pictures_of_their_own(tmp_path):
    folder = ome_image(tmp_path / "set.zarr", [np.zeros((3, 80, 90), np.uint8)] * 2)
    zarr.open_group(folder, mode="r+").create_array("labels/cells/0", data=np.zeros((80, 90, 3), np.uint8))
    assert len(list(iter_zarr_pictures(folder))) == 1


@pytest.mark.parametrize(
    "multiscales",
    [
        [],
        [None],
        "text",
        [{}],
        [{"datasets": [{"path": "0"}]}],
        [{"axes": [{"name": None}], "datasets": [{"path": "0"}]}],
        [{"axes": "cyx", "datasets": [{"path": "missing"}]}],
        [{"axes": "cyx", "datasets": [{"path": "../outside"}]}],
        [{"axes": "cyx", "datasets": 3}],
    ],
)
def test_odd_ome_metadata_give_no_picture(tmp_path, multiscales):
    array(tmp_path / "outside", RGB.transpose(2, 0, 1))
    group = zarr.create_group(tmp_path / "set.zarr", attributes={"ome": {"multiscales": multiscales}})
    group.create_array("0", data=RGB.transpose(2, 0, 1))
    assert list(iter_zarr_pictures(tmp_path / "set.zarr")) == []


def test_stores_of_others_hold_no_rgb_and_are_looked_through(test_data):
    for store in sorted((test_data / "zarr").iterdir()):
        assert list(iter_zarr_pictures(store)) == []
