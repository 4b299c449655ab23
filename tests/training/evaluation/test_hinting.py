import numpy as np

from training.evaluation.hinting import random_points, true_hints
from training.hints import Hint

LEFT, RIGHT = (200, 60, 40), (40, 80, 190)


def test_a_hint_has_the_true_colour_of_its_spot():
    rgb8 = np.zeros((64, 96, 3), np.uint8)
    rgb8[:, :48], rgb8[:, 48:] = LEFT, RIGHT
    hints = true_hints(rgb8, [(30, 10), (5, 80)], (32, 48))
    assert hints == [Hint(30, 10, LEFT), Hint(5, 80, RIGHT)]


def test_a_hint_at_an_edge_has_a_colour_between():
    rgb8 = np.zeros((64, 96, 3), np.uint8)
    rgb8[:, :48], rgb8[:, 48:] = LEFT, RIGHT
    (hint,) = true_hints(rgb8, [(30, 48)], (32, 48))
    assert all(min(a, b) < value < max(a, b) for value, a, b in zip(hint.rgb, LEFT, RIGHT) if a != b)


def test_random_points_lie_within_the_picture():
    points = random_points((7, 3), 200, np.random.default_rng(0))
    assert {y for y, _ in points} == set(range(7))
    assert {x for _, x in points} == set(range(3))
