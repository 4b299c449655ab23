import io
import json
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import zarr
from PIL import Image
from rich.console import Console
from skimage import data

from training.checkpoints import load_model, save_model
from training.chroma_map import ChromaMap, quantised_ab
from training.color import gray, srgb_to_lab
from training.errors import InputFileError, ModelFileError, SettingsError
from training.evaluation.candidates import Candidate, even_map, find_candidates
from training.evaluation.equal_colourfulness import find_saturation, sample
from training.evaluation.evaluate import evaluate, measure
from training.evaluation.metrics import colourfulness
from training.evaluation.perceptual import Judges
from training.evaluation.table import print_table
from training.evaluation.truths import Truth, pictures_to_measure
from training.torch_threads import torch_threads
from training.window import Window

FIGURES = {
    "pictures",
    "psnr_db",
    "gain_db",
    "gain_se_db",
    "ssim",
    "lpips_squeeze",
    "ciede2000",
    "palette_distance",
    "kid_lite1",
    "same_top1",
    "colourfulness_ratio",
    "curve",
    "at_065",
    "seconds_per_picture",
}
NO_JUDGES = Judges(None, None)


def write_photographs(folder):
    """Three small colour photographs of different shapes."""
    folder.mkdir()
    for name in ("astronaut", "chelsea", "coffee"):
        image = Image.fromarray(getattr(data, name)())
        image.thumbnail((120, 120))
        image.save(folder / f"{name}.png")
    return folder


@pytest.fixture
def photographs(tmp_path):
    return write_photographs(tmp_path / "photographs")


@pytest.fixture(scope="module")
def result(tmp_path_factory, model_file):
    pytest.importorskip("torchmetrics")
    folder = tmp_path_factory.mktemp("evaluate")
    network, info = load_model(model_file)
    save_model(folder / "garish.safetensors", network, replace(info, saturation=5.0, mean_ab=(3.0, 8.0)))
    photographs = write_photographs(folder / "photographs")
    return evaluate(photographs, ["gray", "mean", str(folder / "garish.safetensors")])


def test_each_model_has_exactly_the_figures_of_the_contract(result):
    assert list(result) == ["models"]
    assert list(result["models"]) == ["gray", "mean", "garish"]
    for figures in result["models"].values():
        assert set(figures) == FIGURES
    json.dumps(result, allow_nan=False)


def test_gray_gains_nothing_and_has_no_colour(result):
    figures = result["models"]["gray"]
    assert (figures["pictures"], figures["gain_db"], figures["gain_se_db"]) == (3, 0, 0)
    assert figures["colourfulness_ratio"] == 0
    assert figures["curve"] == [[0, 0]]


def test_mean_is_the_mean_colour_that_the_named_model_was_trained_on(result):
    figures = result["models"]["mean"]
    assert 0 < figures["colourfulness_ratio"] < 0.4
    assert figures["gain_db"] != 0


def test_only_models_are_measured_at_equal_colourfulness(result):
    assert result["models"]["gray"]["at_065"] is None
    assert result["models"]["mean"]["at_065"] is None
    assert set(result["models"]["garish"]["at_065"]) == {
        "saturation",
        "gain_db",
        "lpips_squeeze",
        "ciede2000",
        "palette_distance",
    }


def test_the_curve_rises_in_colourfulness_and_passes_the_model_as_it_ships(result):
    figures = result["models"]["garish"]
    ratios = [ratio for ratio, _ in figures["curve"]]
    assert ratios == sorted(ratios)
    assert [figures["colourfulness_ratio"], figures["gain_db"]] in [pytest.approx(point) for point in figures["curve"]]


def test_without_its_weights_lpips_is_null(result):
    assert {figures["lpips_squeeze"] for figures in result["models"].values()} == {None}


def test_lpips_is_there_with_its_weights(photographs, test_data):
    pytest.importorskip("torchmetrics")
    weights = test_data / "weights" / "lpips-squeeze.safetensors"
    figures = evaluate(photographs, ["gray"], limit=1, lpips_weights=weights)["models"]["gray"]
    assert 0 < figures["lpips_squeeze"] < 1


def test_one_picture_has_no_standard_error_and_no_kernel_distance(photographs):
    pytest.importorskip("torchmetrics")
    figures = evaluate(photographs, ["gray"], limit=1)["models"]["gray"]
    assert (figures["pictures"], figures["gain_se_db"], figures["kid_lite1"]) == (1, None, None)


def true_map(truth: Truth) -> ChromaMap:
    """The true colours of a picture, on a map of the usual kind."""
    rows, columns = (side // 2 for side in truth.plane.shape)
    halves = truth.lab[: 2 * rows, : 2 * columns, 1:].reshape(rows, 2, columns, 2, 2).mean(axis=(1, 3))
    return ChromaMap(
        ab=quantised_ab(halves.transpose(2, 0, 1)),
        uncertainty=np.zeros((rows, columns)),
        lightness=np.zeros((2 * rows, 2 * columns)),
        shape=truth.plane.shape,
        window=Window(0, 255),
    )


def test_true_colours_win_in_every_figure_and_are_equal_in_colourfulness_at_065(photographs):
    pytest.importorskip("torchmetrics")
    pictures = pictures_to_measure(photographs)
    maps = {(t := Truth(encoded, NO_JUDGES)).plane.tobytes(): true_map(t) for encoded in pictures.encoded}
    candidates = [
        Candidate("true", lambda plane: maps[plane.tobytes()], is_model=True),
        Candidate("brown", lambda plane: even_map(plane, (5, 12)), is_model=False),
    ]
    steps = []
    figures = measure(candidates, pictures, NO_JUDGES, lambda *step: steps.append(step))["models"]
    best, brown = figures["true"], figures["brown"]
    assert best["gain_db"] > max(6, brown["gain_db"] + 4)
    assert best["ssim"] > brown["ssim"]
    assert best["ciede2000"] < brown["ciede2000"] / 2
    assert best["palette_distance"] < 0.05 < brown["palette_distance"]
    assert best["colourfulness_ratio"] == pytest.approx(1, abs=0.05)
    assert 0.5 < best["at_065"]["saturation"] < 0.8
    assert 0 < best["at_065"]["gain_db"] < best["gain_db"]
    assert steps == [(done, 6) for done in range(1, 7)]


def test_a_model_without_colour_has_no_saturation_of_equal_colourfulness(photographs):
    pytest.importorskip("torchmetrics")
    colorless = Candidate("colorless", lambda plane: even_map(plane, (0, 0)), is_model=True)
    pale = Candidate("pale", lambda plane: even_map(plane, (1, 1)), is_model=True)
    figures = measure([colorless, pale], pictures_to_measure(photographs, 1), NO_JUDGES)["models"]
    assert figures["colorless"]["at_065"] is None
    assert figures["pale"]["at_065"] is None


def test_the_found_saturation_makes_a_set_so_many_times_as_colourful(photographs):
    truths = [Truth(encoded, NO_JUDGES) for encoded in pictures_to_measure(photographs).encoded]
    maps = [true_map(truth) for truth in truths]
    saturation = find_saturation(maps, [sample(truth.plane) for truth in truths], 0.65)
    before, after = (
        sum(colourfulness(m.with_saturation(s).render(t.plane)) for m, t in zip(maps, truths)) for s in (1, saturation)
    )
    assert after / before == pytest.approx(0.65, abs=0.005)


def test_a_flat_colour_map_keeps_the_gray(photographs):
    truth = Truth(pictures_to_measure(photographs, 1).encoded[0], NO_JUDGES)
    rendered = even_map(truth.plane, (6.2, -3.1)).render(truth.plane)
    assert (gray(rendered) == truth.plane).all()
    middle = srgb_to_lab(rendered[(truth.plane > 90) & (truth.plane < 160)] / np.float32(255))
    np.testing.assert_allclose(middle[:, 1:].mean(axis=0), (6.0, -3.0), atol=0.4)


def test_pictures_that_say_nothing_are_left_out_with_the_reason(photographs):
    Image.new("RGB", (40, 40), (90, 90, 90)).save(photographs / "even.png")
    Image.new("RGB", (40, 9), (90, 20, 90)).save(photographs / "tiny.png")
    (photographs / "text.jpg").write_text("no picture")
    whole = (photographs / "coffee.png").read_bytes()
    (photographs / "torn.png").write_bytes(whole[: len(whole) // 2])
    pictures = pictures_to_measure(photographs)
    assert pictures.names == ["astronaut.png", "chelsea.png", "coffee.png"]
    assert pictures.left_out["even.png"] == "gray"
    assert pictures.left_out["tiny.png"] == "smaller than 32 pixels"
    assert pictures.left_out["text.jpg"] == "cannot be read (no picture of a known format)"
    assert pictures.left_out["torn.png"].startswith("cannot be read (")


def test_a_plane_that_cannot_be_read_is_left_out_with_its_sentence(photographs):
    zarr.create_array(
        photographs / "loud.zarr", data=np.full((40, 40, 3), 9, np.float32), dimension_names=("y", "x", "c")
    )
    pictures = pictures_to_measure(photographs)
    assert pictures.names == ["astronaut.png", "chelsea.png", "coffee.png"]
    assert pictures.left_out["loud.zarr"] == "loud.zarr has values from 9 to 9: floats must lie in 0..1"


def test_measuring_leaves_the_threads_of_torch_as_they_were(photographs):
    pytest.importorskip("torchmetrics")
    used, before = [], torch.get_num_threads()
    candidate = Candidate(
        "looks", lambda plane: used.append(torch.get_num_threads()) or even_map(plane, (0.0, 0.0)), False
    )
    with torch_threads(2):
        measure([candidate], pictures_to_measure(photographs, 1), NO_JUDGES)
        assert torch.get_num_threads() == 2
    assert used == [1]
    assert torch.get_num_threads() == before


def test_a_tar_gives_the_same_pictures_as_its_folder(photographs, tmp_path):
    archive = tmp_path / "photographs.tar"
    with tarfile.open(archive, "w") as tar:
        for path in sorted(photographs.iterdir()):
            tar.add(path, path.name)
    assert pictures_to_measure(archive, 2) == pictures_to_measure(photographs, 2)


def test_a_torn_tar_is_refused_with_its_name(photographs, tmp_path):
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        tar.add(photographs / "coffee.png", "coffee.png")
    archive = tmp_path / "torn.tar"
    archive.write_bytes(memory.getvalue()[:3000])
    with pytest.raises(InputFileError, match=r"torn\.tar"):
        pictures_to_measure(archive)


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(photographs, limit):
    with pytest.raises(SettingsError, match="one picture or more"):
        pictures_to_measure(photographs, limit)


def test_a_folder_without_colour_pictures_is_refused_with_examples(tmp_path):
    with pytest.raises(InputFileError, match="no colour picture"):
        pictures_to_measure(tmp_path)
    Image.new("L", (40, 40), 90).save(tmp_path / "gray.png")
    with pytest.raises(InputFileError, match=r"gray\.png: gray"):
        pictures_to_measure(tmp_path)


def test_a_model_named_twice_counts_once_and_goes_by_its_stem(model_file):
    assert [c.name for c in find_candidates([str(model_file), "gray", str(model_file)])] == ["random", "gray"]


def test_two_files_of_one_stem_are_refused(model_file, tmp_path):
    other = shutil.copy(model_file, tmp_path / model_file.name)
    with pytest.raises(SettingsError, match="two of the models go by the name random"):
        find_candidates([str(model_file), str(other)])


def test_models_that_are_not_there_are_refused(model_file):
    with pytest.raises(ModelFileError, match="nowhere"):
        find_candidates(["nowhere"])
    with pytest.raises(SettingsError, match="name at least one"):
        find_candidates([])


def test_the_table_names_each_model_and_leaves_a_dash_for_what_could_not_be_had(result):
    console = Console(width=200, file=io.StringIO())
    print_table(result, console)
    text = console.file.getvalue()
    assert all(name in text for name in ("gray", "mean", "garish", "LPIPS (squeeze)", "0.65", "–"))
