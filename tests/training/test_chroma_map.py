import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imagecodecs import jpegls_encode
from safetensors.numpy import load, save

from training.chroma_map import ChromaMap
from training.errors import MapFileError, OutputError, OutputExistsError, SettingsError
from training.window import Window

RECORD = {"model": "random", "model_sha256": "ab" * 32, "seed": None, "hints": [{"y": 1.0, "rgb": [1, 2, 3]}], "ü": 0.5}


def a_map(**changes) -> ChromaMap:
    rng = np.random.default_rng(3)
    parts = {
        "ab": rng.integers(-120, 120, (2, 12, 16)).astype(np.int8),
        "uncertainty": rng.integers(0, 256, (12, 16), np.uint8),
        "lightness": rng.integers(0, 256, (24, 32), np.uint8),
        "shape": (240, 321),
        "window": Window(0, 4095, (0.0, 0.25, 1.0), "12 bits"),
        "distribution": rng.integers(0, 256, (5, 3, 4), np.uint8),
        "wraps": True,
        "flags": ("blank",),
        "record": RECORD,
    }
    return ChromaMap(**parts | changes)


def assert_equal(one: ChromaMap, other: ChromaMap) -> None:
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name])
        assert array.dtype == other.arrays()[name].dtype
    assert one.metadata() == other.metadata()


def with_metadata(text: str, changed=None, leave_out: str = "") -> bytes:
    """The file of a map with other metadata, or other tensors."""
    tensors = load(a_map().to_bytes()) | (changed or {})
    return save({name: tensor for name, tensor in tensors.items() if name != leave_out}, {"chroma_map": text})


# -- immutable -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ab", "uncertainty", "lightness"])
def test_the_arrays_cannot_be_written(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(a_map(), name)[...] = 0


def test_the_fields_cannot_be_replaced():
    with pytest.raises(AttributeError):
        a_map().shape = (1, 1)


def test_the_record_cannot_be_written():
    with pytest.raises(TypeError):
        a_map().record["model"] = "other"


def test_a_map_does_not_follow_the_arrays_it_was_made_from():
    lightness, record = np.zeros((24, 32), np.uint8), {"seed": 1}
    chroma = a_map(lightness=lightness, record=record)
    lightness[:], record["seed"] = 9, 2
    assert (chroma.lightness == 0).all()
    assert chroma.record["seed"] == 1


@pytest.mark.parametrize("changed", [{"ab": np.full((2, 12, 16), 128)}, {"uncertainty": np.full((12, 16), 0.5)}])
def test_values_beyond_the_steps_are_refused(changed):
    with pytest.raises(MapFileError, match="steps do not reach"):
        a_map(**changed)


@pytest.mark.parametrize(
    "changed", [{"ab": (2, 12, 15)}, {"ab": (1, 12, 16)}, {"uncertainty": (24, 32)}, {"distribution": (5, 3, 5)}]
)
def test_parts_that_do_not_fit_together_are_refused(changed):
    with pytest.raises(MapFileError, match="do not fit together"):
        a_map(**{name: np.zeros(shape, np.uint8) for name, shape in changed.items()})


# -- storage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(2, 2), (2, 34), (24, 32), (514, 6)])
@pytest.mark.parametrize("bins", [0, 1, 70])
def test_a_map_of_any_size_comes_back_from_its_bytes(grid, bins):
    rng = np.random.default_rng(4)
    half, coarse = (grid[0] // 2, grid[1] // 2), (-(-grid[0] // 8), -(-grid[1] // 8))
    chroma = a_map(
        ab=rng.integers(-128, 128, (2, *half)).astype(np.int8),
        uncertainty=rng.integers(0, 256, half, np.uint8),
        lightness=rng.integers(0, 256, grid, np.uint8),
        distribution=rng.integers(0, 256, (bins, *coarse), np.uint8) if bins else None,
    )
    assert_equal(ChromaMap.from_bytes(chroma.to_bytes()), chroma)


@given(
    ab=arrays(np.int8, (2, 3, 4)),
    shape=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    record=st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.floats(allow_nan=False))),
)
def test_a_map_comes_back_from_a_file(ab, shape, record, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "a.chroma"
    chroma = ChromaMap(
        ab, np.zeros((3, 4), np.uint8), np.zeros((6, 8), np.uint8), shape, Window(0.1, 1 / 3), record=record
    )
    chroma.save(path)
    assert_equal(ChromaMap.load(path), chroma)


def test_the_bytes_are_those_of_the_file(tmp_path):
    a_map().save(tmp_path / "a.chroma")
    assert (tmp_path / "a.chroma").read_bytes() == a_map().to_bytes()


def test_the_bytes_are_the_same_every_time():
    assert a_map().to_bytes() == a_map().to_bytes()


def test_arrays_of_any_memory_order_are_stored_alike():
    chroma = a_map()
    turned = a_map(ab=np.asfortranarray(chroma.ab), lightness=np.asfortranarray(chroma.lightness))
    assert turned.to_bytes() == chroma.to_bytes()


def test_paths_may_be_strings(tmp_path):
    path = str(tmp_path / "a.chroma")
    a_map().save(path)
    assert_equal(ChromaMap.load(path), a_map())


@pytest.mark.parametrize("copied", [lambda chroma: pickle.loads(pickle.dumps(chroma)), copy.deepcopy, copy.copy])
def test_a_map_can_be_sent_to_another_process_and_copied(copied):
    """Workers send maps, and napari copies the metadata of layers."""
    assert_equal(copied(a_map()), a_map())
    assert not copied(a_map()).ab.flags.writeable


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path):
    path = tmp_path / "a.chroma"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        a_map().save(path)
    assert path.read_text() == "mine"
    a_map().save(path, overwrite=True)
    assert_equal(ChromaMap.load(path), a_map())


def test_a_failed_save_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"a\.chroma cannot be written"):
        a_map().save(tmp_path / "file" / "a.chroma")
    assert (tmp_path / "file").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize(
    "change",
    [{"window": Window(255, 0)}, {"wraps": False}, {"shape": (241, 321)}, {"ab": np.zeros((2, 12, 16), np.int8)}],
)
def test_the_content_hash_tells_maps_apart_that_render_otherwise(change):
    assert a_map(**change).content_sha256() != a_map().content_sha256()


def test_the_content_hash_does_not_depend_on_the_record():
    assert a_map(record={}).content_sha256() == ChromaMap.from_bytes(a_map().to_bytes()).content_sha256()


# -- files that are no maps ------------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MapFileError, match=r"no\.chroma: cannot be read"):
        ChromaMap.load(tmp_path / "no.chroma")


def test_a_folder_is_no_map(tmp_path):
    with pytest.raises(MapFileError, match="cannot be read"):
        ChromaMap.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), b"\xff" * 50])
def test_a_foreign_file_is_no_map(tmp_path, content):
    path = tmp_path / "foreign.chroma"
    path.write_bytes(content)
    with pytest.raises(MapFileError, match=r"foreign\.chroma"):
        ChromaMap.load(path)


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path):
    path, whole = tmp_path / "cut.chroma", a_map().to_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(MapFileError, match=r"cut\.chroma"):
            ChromaMap.load(path)


def test_an_enormous_file_is_not_read(tmp_path):
    path = tmp_path / "enormous.chroma"
    with path.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(MapFileError, match="larger than any colour map"):
        ChromaMap.load(path)


def test_a_model_is_no_map(model_file):
    with pytest.raises(MapFileError, match="no colour map of this version"):
        ChromaMap.load(model_file)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "napari-colorize chroma map 9"},
        {"format": None},
        {"shape": [1, 2, 3]},
        {"shape": ["1", None]},
        {"shape": [0, 5]},
        {"shape": 7},
        {"grid": [24, 33]},
        {"grid": [3, 3]},
        {"shape": [float("inf"), 8]},
        {"window": {"lo": 0, "hi": 10**400}},
        {"window": {"lo": 0, "hi": 1, "curve": [0, 1, 0.5]}},
        {"window": {"lo": 0, "hi": 1, "curve": [0, float("nan"), 1]}},
        {"window": {"lo": -1.7e308, "hi": 1.7e308}},
        {"wraps": "no"},
        {"flags": "abc"},
        {"grid": [26, 32]},
        {"grid": [-2, 32]},
        {"grid": [10**6, 10**6]},
        {"bins": 4},
        {"bins": -1},
        {"bins": 10**9},
        {"flags": None},
        {"window": {}},
        {"window": {"lo": 1, "hi": 1}},
        {"window": {"lo": "black", "hi": 1}},
        {"window": {"lo": 0, "hi": 1, "curve": ["a", "b"]}},
        {"window": None},
        {"record": [1, 2]},
        {"record": None},
    ],
)
def test_metadata_that_describes_no_map_is_refused(tmp_path, change):
    path = tmp_path / "wrong.chroma"
    path.write_bytes(with_metadata(json.dumps(a_map().metadata() | change)))
    with pytest.raises(MapFileError, match=r"wrong\.chroma"):
        ChromaMap.load(path)


@pytest.mark.parametrize("metadata", ["", "{", "[]", "null", "7"])
def test_metadata_that_is_no_json_object_is_refused(tmp_path, metadata):
    path = tmp_path / "wrong.chroma"
    path.write_bytes(with_metadata(metadata))
    with pytest.raises(MapFileError, match=r"wrong\.chroma"):
        ChromaMap.load(path)


@pytest.mark.parametrize("key", ["format", "grid", "bins", "shape", "window", "wraps", "flags", "record"])
def test_missing_metadata_is_refused(key):
    metadata = {k: v for k, v in a_map().metadata().items() if k != key}
    with pytest.raises(MapFileError):
        ChromaMap.from_bytes(with_metadata(json.dumps(metadata)))


@pytest.mark.parametrize("name", ["ab", "uncertainty", "lightness", "distribution"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xd8\xff\xf7" + bytes(40), jpegls_encode(np.zeros((900, 900), np.uint8))]
)
def test_damaged_arrays_are_refused(name, content):
    with pytest.raises(MapFileError):
        ChromaMap.from_bytes(with_metadata(json.dumps(a_map().metadata()), {name: np.frombuffer(content, np.uint8)}))


@pytest.mark.parametrize("name", ["ab", "uncertainty", "lightness", "distribution"])
def test_a_missing_array_is_named(name):
    with pytest.raises(MapFileError, match=name):
        ChromaMap.from_bytes(with_metadata(json.dumps(a_map().metadata()), leave_out=name))


def test_metadata_that_is_too_deep_is_refused():
    with pytest.raises(MapFileError):
        ChromaMap.from_bytes(with_metadata("[" * 100_000))


@pytest.mark.parametrize("grid", [(3, 3), (3, 8), (1, 1), (0, 2)])
def test_a_small_lightness_of_odd_sides_is_refused(grid):
    half = (grid[0] // 2, grid[1] // 2)
    with pytest.raises(MapFileError, match="even sides"):
        a_map(ab=np.zeros((2, *half)), uncertainty=np.zeros(half), lightness=np.zeros(grid), distribution=None)


# -- saturation ------------------------------------------------------------------------------------------------------


def test_saturation_scales_chroma_and_nothing_else():
    chroma = a_map()
    vivid = chroma.with_saturation(1.5)
    np.testing.assert_array_equal(vivid.ab, np.rint(chroma.ab * 1.5).clip(-128, 127))
    np.testing.assert_array_equal(vivid.lightness, chroma.lightness)
    np.testing.assert_array_equal(vivid.uncertainty, chroma.uncertainty)
    assert (vivid.shape, vivid.window) == (chroma.shape, chroma.window)


def test_saturation_is_recorded_and_multiplies():
    assert a_map().with_saturation(1.5).with_saturation(2).record["saturation"] == 3.0
    assert a_map(record=RECORD | {"saturation": 0.8}).with_saturation(0.5).record["saturation"] == 0.4


def test_saturation_1_changes_nothing():
    np.testing.assert_array_equal(a_map().with_saturation(1).ab, a_map().ab)


def test_saturation_0_is_gray():
    assert (a_map().with_saturation(0).ab == 0).all()


def test_saturation_does_not_overflow():
    extreme = a_map(ab=np.full((2, 12, 16), 100, np.int8)).with_saturation(10)
    assert (extreme.ab == 127).all()


@pytest.mark.parametrize("factor", [-0.1, 10.1, np.nan, np.inf])
def test_saturation_outside_0_to_10_is_refused(factor):
    with pytest.raises(SettingsError, match="between 0 and 10"):
        a_map().with_saturation(factor)


def test_a_map_cannot_change_by_changing_the_saturation():
    chroma = a_map()
    before = chroma.to_bytes()
    chroma.with_saturation(2)
    assert chroma.to_bytes() == before
