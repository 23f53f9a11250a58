"""The axis of time: long pauses are cut, nothing is drawn outside, ticks have room."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.report import timeline

HOUR = 3600.0
MOMENTS = st.floats(0, 4e9, allow_nan=False)
INTERVALS = st.lists(st.tuples(MOMENTS, st.floats(0, 1e9)), max_size=30).map(
    lambda pairs: [(began, began + lasted) for began, lasted in pairs]
)


def test_what_runs_at_once_is_one_stretch() -> None:
    made = timeline.build([(0, 60), (30, 100)], 100, 200)
    assert made.pieces == ((0, 100, 100, 200),)
    assert (made.x(0), made.x(50), made.x(100)) == (100, 150, 200)


def test_a_short_pause_is_shown_as_long_as_it_was() -> None:
    made = timeline.build([(0, 100), (150, 200)], 0, 200)
    assert made.cuts == ()
    assert made.x(125) == 125


def test_a_night_is_cut_short() -> None:
    made = timeline.build([(0, 100), (12 * HOUR, 12 * HOUR + 100)], 0, 224)
    assert [(piece.left, piece.right) for piece in made.pieces] == [(0, 100), (124, 224)]
    assert made.cuts == (112,)


@pytest.mark.parametrize(
    ("seconds", "step"), [(5, 1), (60, 10), (600, 120), (HOUR, 600), (9e9, 13_021 * 86_400)]
)
def test_there_are_at_most_eight_steps(seconds: float, step: int) -> None:
    made = timeline.build([(0, seconds)], 0, 800)
    assert made.step == step
    assert seconds / made.step <= 8


def test_nothing_at_all_is_no_fault() -> None:
    assert timeline.build([], 0, 100).x(5) == 100


@given(INTERVALS)
def test_every_moment_lies_inside_and_in_order(intervals: list[tuple[float, float]]) -> None:
    made = timeline.build(intervals, 120, 750)
    ends = sorted(at for pair in intervals for at in pair)
    places = [made.x(at) for at in ends]
    assert all(119.9 <= place <= 750.1 for place in places)
    assert all(one <= other + 0.01 for one, other in pairwise(places))


@given(INTERVALS)
def test_ticks_keep_their_distance(intervals: list[tuple[float, float]]) -> None:
    made = timeline.build(intervals, 120, 750)
    places = [made.x(at) for at in made.ticks(64)]
    assert len(places) <= 10
    assert all(other - one >= 64 for one, other in pairwise(places))
