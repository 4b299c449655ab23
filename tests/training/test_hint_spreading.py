import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.grid_colour import GridColour
from training.hint_channels import place_hint
from training.hint_spreading import keep_to_hints

SHAPE = (48, 64)
HALF = (24, 32)


def predicted(ab=(0.0, 0.0)) -> GridColour:
    """The same colour everywhere."""
    even = np.broadcast_to(np.float32(ab)[:, None, None], (2, *HALF)).copy()
    return GridColour(even, np.full(HALF, 6.0, np.float32), np.full((3, 6, 8), 1 / 3))


def hinted(*hints: tuple[float, float, tuple[float, float]]) -> np.ndarray:
    channels = np.zeros((3, *SHAPE), np.float32)
    for y, x, ab in hints:
        place_hint(channels, y, x, np.array(ab))
    return channels


EVEN = np.full(SHAPE, 128, np.uint8)
# dark on the left, bright on the right
TWO = np.broadcast_to(np.where(np.arange(SHAPE[1]) < 32, 60, 200), SHAPE).astype(np.uint8)


def test_without_hints_nothing_changes():
    colour = predicted()
    assert keep_to_hints(colour, EVEN, hinted(), wraps=False) is colour


def test_the_place_of_a_hint_comes_near_its_colour():
    result = keep_to_hints(predicted(), EVEN, hinted((20, 30, (30.0, -20.0))), wraps=False)
    np.testing.assert_allclose(result.ab[:, 10, 15], (30, -20), atol=8)


def test_a_hint_that_was_followed_changes_no_colour():
    result = keep_to_hints(predicted((12.0, 7.0)), TWO, hinted((20, 50, (12.0, 7.0))), wraps=False)
    np.testing.assert_allclose(result.ab, predicted((12.0, 7.0)).ab, atol=1e-4)


def test_the_colour_spreads_over_its_object_and_stops_at_its_edge():
    result = keep_to_hints(predicted(), TWO, hinted((24, 10, (40.0, 0.0))), wraps=False)
    assert (result.ab[0, :, :16] > 15).all()
    assert (np.abs(result.ab[0, :, 16:]) < 0.5).all()


def test_two_hints_each_rule_their_side():
    result = keep_to_hints(predicted(), EVEN, hinted((24, 4, (40.0, 0.0)), (24, 60, (-40.0, 0.0))), wraps=False)
    assert result.ab[0, 12, 0] > 10
    assert result.ab[0, 12, -1] < -10
    assert (np.diff(result.ab[0, 12]) <= 1e-3).all()


def test_less_error_is_expected_near_a_hint():
    result = keep_to_hints(predicted(), TWO, hinted((24, 10, (40.0, 0.0))), wraps=False)
    assert result.error[12, 5] < 4.5
    np.testing.assert_allclose(result.error[:, 20:], 6, atol=0.1)


@pytest.mark.parametrize("wraps", [False, True])
def test_a_hint_at_the_border_reaches_around_a_texture_alone(wraps):
    result = keep_to_hints(predicted(), EVEN, hinted((24, 1, (40.0, 0.0))), wraps=wraps)
    assert (result.ab[0, 12, -1] > result.ab[0, 12, 16]) is np.bool_(wraps)


def test_more_hints_than_are_taken_at_once_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    hints = hinted(*((rng.uniform(0, 47), rng.uniform(0, 63), rng.normal(0, 30, 2)) for _ in range(30)))
    whole = keep_to_hints(predicted(), TWO, hints, wraps=False)
    monkeypatch.setattr("training.hint_spreading.CELLS_AT_ONCE", 7)
    np.testing.assert_allclose(keep_to_hints(predicted(), TWO, hints, wraps=False).ab, whole.ab, atol=1e-4)


@given(st.lists(st.tuples(st.floats(0, 47), st.floats(0, 63), st.tuples(*[st.floats(-80, 80)] * 2)), max_size=5))
def test_no_colour_goes_beyond_those_that_were_asked_for(hints):
    result = keep_to_hints(predicted(), TWO, hinted(*hints), wraps=False)
    asked = np.array([(0.0, 0.0), *(ab for *_, ab in hints)])
    for axis in (0, 1):
        assert asked[:, axis].min() - 1e-3 <= result.ab[axis].min()
        assert result.ab[axis].max() <= asked[:, axis].max() + 1e-3
