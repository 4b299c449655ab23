import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.color import srgb_encode
from training.errors import PlaneError
from training.window import Window, choose_window

GRAY_GAMMA_22 = tuple(srgb_encode(np.linspace(0, 1, 256) ** 2.2).tolist())

bounds = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).filter(lambda pair: abs(pair[0] - pair[1]) > 1e-3)
curves = st.sampled_from([None, (0.0, 1.0), (0.0, 0.1, 0.7, 1.0), GRAY_GAMMA_22])
windows = st.builds(lambda pair, curve: Window(*pair, curve), bounds, curves)


def choose(values, dtype, **options) -> Window:
    return choose_window([np.array(values, dtype, ndmin=2)], **options)


# -- the choice by type and values -----------------------------------------------------------------------------------


@given(arrays(np.uint8, (3, 3)))
def test_8_bit_is_always_0_to_255(plane):
    assert choose_window([plane]) == Window(0, 255)


def test_8_bit_ignores_stated_bits():
    assert choose([1, 2], np.uint8, bits_stored=4) == Window(0, 255)


def test_16_bit_is_0_to_65535_where_a_value_reaches_4096():
    assert choose([0, 4096], np.uint16) == Window(0, 65535)


def test_16_bit_below_4096_is_12_bit_and_says_so():
    window = choose([0, 4095], np.uint16)
    assert (window.lo, window.hi) == (0, 4095)
    assert "12 of 16 bits" in window.note


def test_12_bit_holds_for_the_whole_stack_or_not_at_all():
    dark, bright = np.full((2, 2), 100, np.uint16), np.full((2, 2), 5000, np.uint16)
    assert choose_window([dark, bright, dark]) == Window(0, 65535)


@pytest.mark.parametrize(("bits", "hi"), [(10, 1023), (12, 4095), (14, 16383), (16, 65535)])
def test_stated_bits_decide_at_16_bit(bits, hi):
    window = choose([0, 5000], np.uint16, bits_stored=bits)
    assert (window.lo, window.hi) == (0, hi)


@pytest.mark.parametrize("dtype", [">u2", "<u2"])
def test_16_bit_has_the_same_window_in_either_byte_order(dtype):
    assert choose([7, 60000], dtype) == Window(0, 65535)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.int8])
def test_values_in_0_to_1_are_taken_as_they_are(dtype):
    assert choose([0, 1, 1], dtype) == Window(0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32, np.uint32, np.int64])
def test_other_values_get_their_percentiles_and_the_window_says_so(dtype):
    values = np.random.default_rng(0).normal(5000, 700, (200, 303)).astype(dtype)
    window = choose_window([values])
    expected = np.percentile(values, [0.1, 99.9], method="inverted_cdf")
    np.testing.assert_allclose([window.lo, window.hi], expected, rtol=1e-6)
    assert "percentiles" in window.note


def test_percentiles_are_those_of_the_whole_stack():
    stack = np.random.default_rng(1).normal(-50, 20, (7, 40, 40))
    window = choose_window(list(stack))
    expected = np.percentile(stack, [0.1, 99.9], method="inverted_cdf")
    np.testing.assert_allclose([window.lo, window.hi], expected, rtol=1e-6)


@pytest.mark.parametrize("outlier", [1e9, -1e9, 3e38, -1e300, np.inf, -np.inf, np.nan])
def test_one_outlier_does_not_move_the_percentiles(outlier):
    values = np.random.default_rng(2).normal(100, 10, (300, 300))
    undisturbed = choose_window([values])
    values[5, 5] = outlier
    window = choose_window([values])
    np.testing.assert_allclose([window.lo, window.hi], [undisturbed.lo, undisturbed.hi], rtol=0.02)


@given(arrays(np.float32, (4, 5), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_every_float_plane_has_a_window_within_its_range(plane):
    window = choose_window([plane])
    assert window.lo < window.hi
    if not (0 <= plane.min() and plane.max() <= 1) and plane.min() < plane.max():
        assert plane.min() <= window.lo
        assert window.hi <= plane.max()


def test_values_that_nearly_agree_are_told_apart():
    window = choose([1000.0, 1000.0 + 1e-9], np.float64)
    np.testing.assert_array_equal(window.apply(np.array([1000.0, 1000.0 + 1e-9]), 8), [0, 255])


def test_a_plane_of_nearly_one_value_gets_its_whole_range():
    values = np.full((100, 100), 5, np.int32)
    values[0, 0] = 9
    window = choose_window([values])
    assert (window.lo, window.hi) == (5, 9)


def test_a_constant_plane_is_black_and_the_window_says_so():
    window = choose(np.full((3, 3), 7.5), np.float32)
    assert "all values are 7.5" in window.note
    assert window.apply(np.float32([7.5]), 8) == [0]


def test_a_plane_of_nan_is_black_and_the_window_says_so():
    window = choose([np.nan, np.inf], np.float32)
    assert "no finite value" in window.note


def test_booleans_are_black_and_white_in_8_bit():
    window = choose([False, True], bool)
    np.testing.assert_array_equal(window.apply(np.array([False, True]), 8), [0, 255])
    assert window.result_bits(np.dtype(bool)) == 8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_a_negative_changes_dark_and_light(dtype):
    positive, negative = choose([0, 1], dtype), choose([0, 1], dtype, negative=True)
    assert (negative.lo, negative.hi) == (positive.hi, positive.lo)
    assert negative.negative
    assert not positive.negative


def test_the_curve_of_the_file_is_kept():
    assert choose([0], np.uint8, curve=(0.0, 0.5, 1.0)).curve == (0.0, 0.5, 1.0)


@pytest.mark.parametrize("dtype", [complex, "U3", "S3", "datetime64[s]", object])
def test_values_that_are_no_gray_are_refused(dtype):
    with pytest.raises(PlaneError, match="no gray"):
        choose_window([np.zeros((2, 2), dtype)])


@pytest.mark.parametrize(("lo", "hi"), [(5, 5), (np.nan, 1), (0, np.inf), (-np.inf, 1)])
def test_a_window_needs_two_different_finite_values(lo, hi):
    with pytest.raises(PlaneError, match="two different finite values"):
        Window(lo, hi)


# -- from stored values to gray --------------------------------------------------------------------------------------


@given(window=windows, bits=st.sampled_from([8, 16]))
def test_a_window_is_monotone(window, bits):
    raw = np.linspace(-1.5e6, 1.5e6, 2001)
    steps = np.diff(window.apply(raw, bits).astype(int))
    assert (steps <= 0 if window.negative else steps >= 0).all()


@given(window=windows, bits=st.sampled_from([8, 16]), dtype=st.sampled_from([np.uint8, np.uint16, ">u2"]))
def test_integers_get_by_table_what_floats_get_directly(window, bits, dtype):
    raw = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (30, 30)).astype(dtype)
    codes = window.apply(raw, bits)
    assert codes.dtype == f"uint{bits}"
    np.testing.assert_array_equal(codes, window.apply(raw.astype(np.float64), bits))


def test_values_beyond_the_window_are_black_and_white():
    np.testing.assert_array_equal(Window(10, 20).apply(np.array([-5.0, 10, 15, 20, 99]), 8), [0, 0, 128, 255, 255])


@pytest.mark.parametrize("window", [Window(0, 1), Window(1, 0), Window(0, 1, GRAY_GAMMA_22)])
def test_nan_is_black(window):
    assert window.apply(np.array([np.nan]), 16) == [0]


def test_infinities_are_the_ends():
    np.testing.assert_array_equal(Window(0, 1).apply(np.array([-np.inf, np.inf]), 8), [0, 255])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_full_window_is_the_identity(dtype):
    codes = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    np.testing.assert_array_equal(Window(0, np.iinfo(dtype).max).apply(codes, dtype().itemsize * 8), codes)


def test_the_curve_comes_after_the_bounds():
    window = Window(100, 300, curve=(0.0, 0.25, 1.0))
    np.testing.assert_allclose(window.value([100, 150, 200, 250, 300]), [0, 0.125, 0.25, 0.625, 1])


# -- depth of the result ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (bool, 8), (np.uint16, 16), (np.float32, 16), ("i2", 16)])
def test_results_are_as_deep_as_the_plane(dtype, bits):
    assert Window(0, 255).result_bits(np.dtype(dtype)) == bits


def test_an_8_bit_gamma_22_scan_needs_16_bits():
    window = Window(0, 255, GRAY_GAMMA_22)
    codes = np.arange(256, dtype=np.uint8)
    assert len(np.unique(window.apply(codes, 8))) == 246
    assert len(np.unique(window.apply(codes, 16))) == 256
    assert window.result_bits(np.dtype(np.uint8)) == 16


def test_an_8_bit_negative_stays_8_bit():
    assert Window(255, 0).result_bits(np.dtype(np.uint8)) == 8


def test_a_window_that_clips_8_bit_values_stays_8_bit():
    assert Window(100, 200).result_bits(np.dtype(np.uint8)) == 8


# -- storage ---------------------------------------------------------------------------------------------------------


@given(windows)
def test_a_window_comes_back_from_json(window):
    assert Window.from_dict(json.loads(json.dumps(window.to_dict()))) == window
