import json
from dataclasses import replace

import pytest

from training.stopping import Look, Stopping

FIRST = Look(
    samples=1000,
    gain_db=1.0,
    lpips_squeeze=0.15,
    ciede2000=11.0,
    palette_distance=0.15,
    own_gain_db=1.1,
    colourfulness_ratio=0.5,
    kid_lite1=0.008,
    hue=80.0,
    unsteadiness=1.0,
)


@pytest.fixture
def adversarial() -> Stopping:
    """At the beginning of an adversarial stage."""
    return Stopping.from_beginning(FIRST, adversarial=True, patience=3)


@pytest.fixture
def alone() -> Stopping:
    """At the beginning of a stage of the generator alone."""
    return Stopping.from_beginning(FIRST, adversarial=False, patience=2)


def test_the_first_model_is_the_best_so_far():
    stopping = Stopping.from_beginning(None, adversarial=False, patience=3)
    assert stopping.decide(FIRST) == (True, False)


@pytest.mark.parametrize(("gain", "best"), [(1.01, True), (1.0, False), (0.9, False), (None, False)])
def test_alone_the_larger_gain_is_better(alone, gain, best):
    assert alone.decide(replace(FIRST, gain_db=gain, palette_distance=0.5)).best is best


def test_of_models_that_do_not_reach_the_colourfulness_the_larger_own_gain_is_better():
    stopping = Stopping.from_beginning(None, adversarial=False, patience=0)
    looks = [replace(FIRST, gain_db=None, own_gain_db=gain) for gain in (0.1, 0.3, 0.2)]
    assert [stopping.decide(look).best for look in looks] == [True, True, False]


def test_an_adversarial_stage_without_a_beginning_goes_by_gain_and_never_stops():
    stopping = Stopping.from_beginning(None, adversarial=True, patience=2)
    gains = (-1.0, 0.5, *[0.4] * 10)
    verdicts = [stopping.decide(replace(FIRST, gain_db=gain, hue=10.0 * number)) for number, gain in enumerate(gains)]
    assert [verdict.best for verdict in verdicts[:3]] == [True, True, False]
    assert not any(verdict.stop for verdict in verdicts)


def test_small_losses_of_palette_do_not_add_up(adversarial):
    looks = [
        replace(FIRST, palette_distance=0.15 + 0.0015 * number, kid_lite1=0.008 - 0.001 * number) for number in (1, 2)
    ]
    assert [adversarial.decide(look).best for look in looks] == [True, False]


def test_a_model_that_reaches_the_colourfulness_is_better_than_one_that_does_not():
    stopping = Stopping(adversarial=False, patience=0)
    stopping.decide(replace(FIRST, gain_db=None))
    assert stopping.decide(replace(FIRST, gain_db=-2.0)).best


@pytest.mark.parametrize(
    ("change", "best"),
    [
        ({"palette_distance": 0.10}, True),
        ({"palette_distance": 0.10, "gain_db": 0.81}, True),
        ({"palette_distance": 0.10, "gain_db": 0.79}, False),
        ({"palette_distance": 0.10, "hue": 101.0}, False),
        ({"palette_distance": 0.10, "hue": 59.0}, False),
        ({"palette_distance": 0.10, "unsteadiness": 1.6}, False),
        ({"palette_distance": 0.20, "gain_db": 1.5}, False),
        ({"palette_distance": 0.151, "kid_lite1": 0.007}, True),
        ({"palette_distance": 0.149, "kid_lite1": 0.009}, False),
        ({"palette_distance": 0.149, "kid_lite1": None}, False),
    ],
)
def test_against_the_discriminator_the_smaller_palette_distance_is_better_within_bounds(adversarial, change, best):
    assert adversarial.decide(replace(FIRST, **change)).best is best


def test_hues_are_compared_around_the_circle(adversarial):
    stopping = Stopping.from_beginning(replace(FIRST, hue=-175.0), adversarial=True, patience=3)
    assert stopping.decide(replace(FIRST, hue=175.0, palette_distance=0.1)).best


def test_the_bounds_are_those_of_the_beginning_of_the_stage(adversarial):
    for gain, best in ((0.9, True), (0.81, True), (0.75, False)):
        palette = adversarial.best.palette_distance - 0.01
        assert adversarial.decide(replace(FIRST, gain_db=gain, palette_distance=palette)).best is best


def test_what_is_wrong_is_said(adversarial):
    assert adversarial.what_is_wrong(FIRST) is None
    assert adversarial.what_is_wrong(replace(FIRST, gain_db=0.5)) == "0.50 dB of gain lost"
    assert adversarial.what_is_wrong(replace(FIRST, hue=120.0)) == "the mean hue turned by 40 degrees"
    assert adversarial.what_is_wrong(replace(FIRST, unsteadiness=2.0)).startswith("unsteady: two sizes differ by 200%")


def test_a_stage_stops_after_its_patience_and_a_better_model_renews_it(alone):
    worse, better = replace(FIRST, gain_db=0.5), replace(FIRST, gain_db=1.1)
    assert [alone.decide(figures).stop for figures in (worse, better, worse, worse)] == [False, False, False, True]


def test_without_patience_it_never_stops():
    stopping = Stopping(adversarial=False, patience=0)
    assert not any(stopping.decide(replace(FIRST, gain_db=-float(number))).stop for number in range(100))


def test_it_goes_on_from_plain_values(adversarial):
    adversarial.decide(replace(FIRST, gain_db=0.1))
    again = Stopping.from_dict(json.loads(json.dumps(adversarial.to_dict())))
    assert again == adversarial
    assert Stopping.from_dict(Stopping(adversarial=False, patience=0).to_dict()).best is None
