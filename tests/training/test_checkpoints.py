import hashlib
import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import save_file

from training.checkpoints import MODEL_FORMAT, ModelInfo, load_model, read_tensors, save_model, write_tensors
from training.errors import ModelFileError, OutputError
from training.hashes import sha256_file
from training.model_files import METADATA_KEY, available_models, find_model
from training.network import UNetGenerator

INFO = ModelInfo("mine", "efficientnet_lite0", 128, 160, saturation=1.25, mean_ab=(1.5, -2.25), samples=3200)


@pytest.fixture(scope="module")
def network() -> UNetGenerator:
    """Random, with statistics of batch norm that single precision alone can hold."""
    torch.manual_seed(4)
    network = UNetGenerator().eval()
    network.encoder.stem[2].running_var.fill_(1e6)
    return network


@pytest.fixture
def path(tmp_path, network):
    save_model(tmp_path / "mine.safetensors", network, INFO)
    return tmp_path / "mine.safetensors"


def rewrite(path, change_tensors=lambda tensors: tensors, **metadata):
    """The same file with other tensors or metadata."""
    tensors, old = read_tensors(path, 10**9)
    save_file(change_tensors(tensors), path, {METADATA_KEY: json.dumps(old | metadata)})


# -- round trip ------------------------------------------------------------------------------------------------------


def test_a_model_comes_back_within_half_precision(path, network):
    loaded, _ = load_model(path)
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(loaded.state_dict()[key], value, rtol=2**-11, atol=2**-24)


def test_the_statistics_of_batch_norm_come_back_exactly(path, network):
    loaded, _ = load_model(path)
    assert torch.equal(loaded.encoder.stem[2].running_var, network.encoder.stem[2].running_var)


def test_a_loaded_model_is_ready_to_predict(path):
    loaded, _ = load_model(path)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())


def test_the_description_comes_back(path):
    assert load_model(path)[1] == INFO


def test_a_model_saved_again_has_the_same_weights(path, tmp_path):
    loaded, info = load_model(path)
    save_model(tmp_path / "again.safetensors", loaded, info)
    again, first = (read_tensors(p, 10**9)[0] for p in (tmp_path / "again.safetensors", path))
    assert again.keys() == first.keys()
    assert all(torch.equal(again[key], first[key]) for key in first)


def test_a_model_is_half_as_large_as_its_network(path, network):
    full = sum(value.numel() * 4 for value in network.state_dict().values())
    assert path.stat().st_size < 0.55 * full


def test_pix2pix_comes_back_in_its_own_depth(tmp_path):
    network = UNetGenerator("pix2pix", size=32)
    info = replace(INFO, encoder="pix2pix", size=32)
    save_model(tmp_path / "p.safetensors", network, info)
    loaded, _ = load_model(tmp_path / "p.safetensors")
    assert loaded.stride == 32


def test_a_model_is_written_with_the_same_bytes_each_time(path, network):
    first = path.read_bytes()
    save_model(path, network, INFO)
    assert path.read_bytes() == first


def test_the_sha256_is_that_of_the_bytes(path):
    assert sha256_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        write_tensors(tmp_path / "file" / "model.safetensors", {"a": torch.zeros(2)}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_tensors_of_any_memory_order_can_be_written(tmp_path):
    tensor = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    write_tensors(tmp_path / "t.safetensors", {"t": tensor}, {"number": 3})
    tensors, metadata = read_tensors(tmp_path / "t.safetensors", 10**6)
    assert torch.equal(tensors["t"], tensor)
    assert metadata == {"number": 3}


# -- files that are no models ----------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"no\.safetensors: cannot be read as a model"):
        load_model(tmp_path / "no.safetensors")


@pytest.mark.parametrize("content", [b"", b"just some text", b"\x80\x04\x95", b"\xff" * 100, b"\x08" + bytes(200)])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    (tmp_path / "odd.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"odd\.safetensors: cannot be read as a model"):
        load_model(tmp_path / "odd.safetensors")


def test_nothing_is_unpickled(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "pickle.safetensors")
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_model(tmp_path / "pickle.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_file_is_named(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelFileError, match=r"mine\.safetensors: cannot be read"):
        load_model(path)


def test_an_enormous_file_is_not_read(tmp_path):
    with (tmp_path / "enormous.safetensors").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ModelFileError, match="larger than"):
        load_model(tmp_path / "enormous.safetensors")


def test_a_safetensors_file_of_others_is_named(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="not a model of napari-colorize"):
        load_model(tmp_path / "other.safetensors")


def test_metadata_that_is_no_json_is_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors", {METADATA_KEY: "pt"})
    with pytest.raises(ModelFileError, match=r"other\.safetensors"):
        load_model(tmp_path / "other.safetensors")


def test_another_version_is_refused(path):
    rewrite(path, format=MODEL_FORMAT.replace("1", "2"))
    with pytest.raises(ModelFileError, match="model 2"):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": "resnet50"},
        {"encoder": 7},
        {"encoder": "pix2pix", "size": "128"},
        {"encoder": "pix2pix", "size": 2},
        {"encoder": "pix2pix", "size": 2**40},
        {"encoder": "pix2pix", "size": -5},
        {"working_size": 0},
        {"working_size": "large"},
        {"working_size": 10**7},
        {"saturation": "vivid"},
        {"saturation": 0},
        {"saturation": float("nan")},
        {"mean_ab": None},
        {"mean_ab": 3},
        {"colour": "of a later version"},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(path, change):
    rewrite(path, info=asdict(INFO) | change)
    with pytest.raises(ModelFileError, match=r"mine\.safetensors: its description"):
        load_model(path)


@pytest.mark.parametrize("info", [None, 7, [], "text", {}, {"name": "mine"}])
def test_a_description_that_is_incomplete_is_refused(path, info):
    rewrite(path, info=info)
    with pytest.raises(ModelFileError, match=r"mine\.safetensors: its description"):
        load_model(path)


def test_another_architecture_than_stated_is_refused(path):
    rewrite(path, info=asdict(replace(INFO, encoder="pix2pix")))
    with pytest.raises(ModelFileError, match="of another architecture than it says"):
        load_model(path)


def drop(tensors):
    return {key: value for key, value in tensors.items() if key != "chroma_head.bias"}


def add(tensors):
    return tensors | {"extra": torch.zeros(1)}


def reshape(tensors):
    return tensors | {"chroma_head.bias": torch.zeros(4)}


@pytest.mark.parametrize(
    ("change", "name"), [(drop, "chroma_head.bias"), (add, "extra"), (reshape, "chroma_head.bias")]
)
def test_missing_foreign_and_misshapen_parts_are_refused_by_name(path, change, name):
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=f"1 parts .* for example {name}"):
        load_model(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(path, value):
    rewrite(path, lambda tensors: tensors | {"chroma_head.bias": torch.full((3,), value)})
    with pytest.raises(ModelFileError, match="not finite"):
        load_model(path)


# -- by name ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    """A folder of the user's own models."""
    monkeypatch.setenv("COLORIZE_MODELS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    for name in ("zebra", "alpha"):
        (tmp_path / "own" / f"{name}.safetensors").touch()
    (tmp_path / "own" / "alpha.md").touch()
    return tmp_path / "own"


def test_models_of_the_user_are_found_by_name(own_models):
    assert find_model("zebra") == own_models / "zebra.safetensors"
    assert {"zebra", "alpha"} <= available_models().keys()


def test_models_are_found_by_path(own_models, tmp_path):
    (tmp_path / "elsewhere.safetensors").touch()
    for path in (tmp_path / "elsewhere.safetensors", str(tmp_path / "elsewhere.safetensors")):
        assert find_model(path) == tmp_path / "elsewhere.safetensors"


@pytest.mark.parametrize("wrong", ["zebar", "", "/nowhere/model.safetensors", "a\0b", "/"])
def test_an_unknown_model_is_refused_with_a_list_of_those_there_are(own_models, wrong):
    with pytest.raises(ModelFileError, match=r"the models are: .*alpha, zebra"):
        find_model(wrong)


def test_a_folder_of_models_that_is_missing_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("COLORIZE_MODELS", str(tmp_path / "nowhere"))
    assert isinstance(available_models(), dict)
