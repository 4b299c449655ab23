import numpy as np
import pytest

from training.evaluation.colour_groups import GROUPS, group_means


def even(lightness: float, a: float, b: float) -> np.ndarray:
    return np.broadcast_to(np.float32([lightness, a, b]), (30, 20, 3))


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((75, 15, 18), "skin colours, light"),
        ((55, 15, 18), "skin colours, medium"),
        ((30, 12, 14), "skin colours, dark"),
        ((70, -5, -25), "blue sky"),
        ((50, -25, 30), "green"),
    ],
)
def test_a_colour_belongs_to_its_group_alone(colour, name):
    assert [group for group in GROUPS if GROUPS[group].holds(even(*colour)).any()] == [name]


def test_gray_belongs_to_no_group():
    assert not any(group.holds(even(60, 0, 0)).any() for group in GROUPS.values())


def test_sky_is_above():
    inside = GROUPS["blue sky"].holds(even(70, -5, -25))
    assert inside[:10].all()
    assert not inside[10:].any()


def test_means_are_over_the_pixels_of_all_pictures():
    means = group_means([(even(50, 0, 0), even(50, -20, 30)), (even(50, -10, 4), even(50, -30, 40))])
    assert means["green"] == {"pixels": 1200, "true_a": -25, "true_b": 35, "a": -5, "b": 2}
    assert means["blue sky"] == {"pixels": 0}
