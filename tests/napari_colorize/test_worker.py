import numpy as np
import pytest

from napari_colorize import gray
from napari_colorize._source import Source
from napari_colorize._worker import Begun, ColoredPlane, Failed, Identity, Progress, Task, measure, run
from training.color import gray as gray_of
from training.hashes import sha256_pixels
from training.provenance import SENTENCE
from training.window import Window

RNG = np.random.default_rng(5)
STACK = RNG.integers(0, 256, (3, 40, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def events(model_file):
    """Of a stack of three planes, the middle one shown."""
    source = Source("film", (STACK,))
    return list(run(Task(source, source.nearest_first((1,)), str(model_file))))


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_the_shown_plane_comes_first_and_each_once(events):
    assert [plane.index for plane in of_kind(events, ColoredPlane)] == [(1,), (0,), (2,)]
    assert not of_kind(events, Failed)


def test_gray_of_each_plane_is_the_plane(events):
    for plane in of_kind(events, ColoredPlane):
        assert plane.rgb[0].dtype == np.uint8
        assert (gray(plane.rgb[0]) == STACK[plane.index]).all()
        assert (plane.rgb[0] != plane.rgb[0][..., :1]).any()


def test_the_canvas_is_gray_until_planes_are_put_in(events):
    (begun,) = of_kind(events, Begun)
    assert begun.identity.window == Window(0, 255)
    (canvas,) = begun.canvas
    assert (canvas == STACK[..., None]).all()


def test_a_plane_carries_what_made_it(events, model_file):
    plane = of_kind(events, ColoredPlane)[0]
    record = plane.record
    assert record["statement"] == SENTENCE
    assert record["colour"]["model"] == "random"
    assert record["colour"]["model_sha256"] == of_kind(events, Begun)[0].identity.model_sha256
    assert record["source"] == {"file": "film", "page": 1, "sha256": sha256_pixels(STACK[1])}
    assert record["result"]["pixels_sha256"] == sha256_pixels(plane.rgb[0])
    assert record["bits"] == 8
    assert (plane.chroma.render(STACK[1]) == plane.rgb[0]).all()


def test_progress_rises_from_0_to_1(events):
    fractions = [event.fraction for event in of_kind(events, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1


def test_a_result_of_the_same_model_and_window_needs_no_canvas(events, model_file):
    known = of_kind(events, Begun)[0].identity
    source = Source("film", (STACK,))
    again = list(run(Task(source, [(0,)], str(model_file), known=[Identity("other", known.window), known])))
    assert of_kind(again, Begun)[0].canvas is None
    assert of_kind(again, ColoredPlane)[0].rgb[0].tobytes() == of_kind(events, ColoredPlane)[1].rgb[0].tobytes()


def test_all_levels_are_rendered_from_the_same_map(model_file):
    fine = RNG.integers(0, 256, (80, 96), dtype=np.uint8)
    levels = (fine, fine[::2, ::2].copy())
    (plane,) = of_kind(run(Task(Source("scan", levels), [()], str(model_file))), ColoredPlane)
    assert [rgb.shape for rgb in plane.rgb] == [(80, 96, 3), (40, 48, 3)]
    assert all((gray(rgb) == level).all() for rgb, level in zip(plane.rgb, levels))


def test_the_given_window_is_used(model_file):
    window = Window(200, 20)
    (plane,) = of_kind(run(Task(Source("scan", (STACK[0],)), [()], str(model_file), window)), ColoredPlane)
    assert (gray_of(plane.rgb[0]) == window.apply(STACK[0], 8)).all()
    assert plane.chroma.window == window


def test_one_window_is_chosen_from_all_planes(model_file):
    deep = STACK.astype(np.uint16)
    deep[2, 0, 0] = 4096
    begun = of_kind(run(Task(Source("film", (deep,)), [(0,)], str(model_file))), Begun)[0]
    assert begun.identity.window == Window(0, 65535)
    assert list(measure(Source("film", (deep,)))) == [Window(0, 65535)]


def test_bad_values_end_in_a_sentence(model_file):
    events = list(run(Task(Source("film", (np.full((2, 8, 8), np.nan),)), [(0,)], str(model_file))))
    assert events[-1].sentence.startswith("film cannot be coloured: it holds no finite value")
    assert not of_kind(events, ColoredPlane)


def test_a_blank_plane_beside_others_is_coloured(model_file):
    stack = np.stack([np.full((8, 8), np.nan), np.ones((8, 8))])
    assert len(of_kind(run(Task(Source("film", (stack,)), [(0,), (1,)], str(model_file))), ColoredPlane)) == 2


def test_a_damaged_model_ends_in_a_sentence(tmp_path):
    model = tmp_path / "torn.safetensors"
    model.write_bytes(b"no model")
    *_, last = run(Task(Source("film", (STACK,)), [(0,)], str(model)))
    assert isinstance(last, Failed)
    assert "torn.safetensors: cannot be read as a model" in last.sentence


def test_an_error_of_any_kind_ends_in_a_sentence(model_file):
    # a thread worker would swallow a RuntimeError and never end
    class Trap(np.lib.mixins.NDArrayOperatorsMixin):
        shape, dtype, size = (8, 8), np.dtype(np.uint8), 64

        def __getitem__(self, key):
            raise RuntimeError("no such device")

    *_, last = run(Task(Source("film", (Trap(),)), [()], str(model_file)))
    assert last == Failed("film cannot be coloured: plane [] cannot be read (no such device)")
