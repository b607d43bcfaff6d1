"""The paper's own numbers: arithmetic of I1–I9 by hand, bounds as laws, and the list of departures C1–C36."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from txray_lib import answers
from txray_lib.answers import flaws
from txray_lib.answers.departures import GROUPS
from txray_lib.errors import TxrayError
from txray_lib.transfer import compare


def test_i1_the_means_need_more_tokens_than_were_read():
    found = flaws.lengths_needed(400_000).set_index("of")
    assert found.loc["epoch 1, shared in 1:48", "features"] == pytest.approx(544 * 944.76)
    assert found.loc["epoch 48, shared in 48:49", "over"] == pytest.approx(700_274.25 - 400_000)
    assert found.loc["epoch 48, shared in 1:48", "over"] < 0
    assert "1 of 4 means can hold" in flaws.lengths_said(400_000).data
    assert "at least 700,275 tokens" in flaws.lengths_said(400_000).data
    assert "4 of 4 means can hold" in flaws.lengths_said(700_275).data
    assert "113,949" in flaws.lengths_table(400_000).data


def test_i2_up_to_92_of_the_740_were_never_preferred():
    found = flaws.empty_neurons(1_500)
    assert found == {"empty": (740, 740), "avoided": (648, 740), "never": (0, 92), "before": (1_323, 1_415)}
    said = flaws.empty_said(1_500).data
    assert "just as many as were pruned" in said
    assert "up to 92 were never preferred" in said
    assert "where 740 were pruned" in flaws.empty_said(1_600).data
    with pytest.raises(TxrayError, match="cannot hold"):
        flaws.empty_neurons(700)


def test_i3_the_gained_neurons_lie_outside_the_shared_ones():
    said = flaws.mass_said().data
    assert "675 + 85 = 760 neurons" in said
    assert "0.004 + 83.120 + 3.006 = 86.130 %" in said


def test_i4_a_difference_of_intersections_bounds_what_was_left_unused():
    assert flaws.drop_bounds(1_500) == (12, 177)
    assert "1,335 − 1,323 = 12" in flaws.drop_said(1_500).data
    with pytest.raises(TxrayError, match="cannot hold"):
        flaws.drop_bounds(1_000)


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_i4_the_bound_holds_for_any_three_stages(before, last, new):
    lost, difference = len(last - new), len(before & last) - len(last & new)
    assert difference <= lost <= 10 - len(last & new)


def test_i5_one_review_moves_f1_by_a_few_thousandths_of_a_per_cent():
    steps = flaws.f1_steps(25_000, 0.8)
    assert steps["a negative review is taken for positive"] == pytest.approx(25_000 / 25_001 - 1)
    lost = (2 * 9_999 / (2 * 9_999 + 2_500 + 2_501)) / 0.8 - 1
    assert steps["a positive review is lost"] == pytest.approx(lost)
    assert flaws.f1(8, 2, 2) == pytest.approx(0.8)
    said = flaws.steps_said(25_000, 0.8).data
    assert "at most 1 review" in said
    assert "at least 617 reviews" in said
    assert "0.0040 %" in flaws.steps_table(25_000, 0.8).data


@given(st.integers(50, 2_000), st.floats(0.1, 0.95), st.floats(-0.5, -0.001))
def test_i5_the_fewest_flips_are_enough_and_one_less_is_not(reviews, score, change):
    flips = flaws.reviews_flipped(reviews, score, change)
    positive = reviews / 2
    tp, wrong = score * positive, (1 - score) * positive

    def after(n: int) -> float:
        return flaws.f1(tp - n, wrong, wrong + n) / score - 1

    assert after(flips) <= change < after(flips - 1)


def test_i5_chance_of_no_net_change_is_a_binomial_and_nonsense_is_refused():
    assert flaws.no_net_change(2) == pytest.approx(0.5)
    assert flaws.no_net_change(4) == pytest.approx(6 / 16)
    assert flaws.no_net_change(3) == flaws.no_net_change(4)
    with pytest.raises(TxrayError, match="between 0 and 1"):
        flaws.f1_steps(100, 1.0)


def test_i7_the_fewer_long_neurons_there_are_the_longer_they_must_be():
    half = flaws.rest_needed(0.5).set_index("of")
    assert half.loc["epoch 48", "rest"] == pytest.approx(2 * 524.55 - 200)
    assert flaws.rest_needed(0.0)["rest"].tolist() == pytest.approx([944.76, 524.55, 519.34])
    assert (flaws.rest_needed(0.9)["rest"] > half["rest"].to_numpy()).all()
    assert "7,648" in flaws.rest_table([0.5, 0.9]).data
    with pytest.raises(TxrayError, match="below 1"):
        flaws.rest_needed(1.0)


def test_i8_readings_of_on_average_differ_even_in_sign():
    found = flaws.averages([1, 10, 100, 0], [10, 10, 50, 5])
    assert found["ratio of means, all neurons"] == pytest.approx(75 / 111 - 1)
    assert found["ratio of means, shared neurons"] == pytest.approx(70 / 111 - 1)
    assert found["mean of ratios, all neurons"] == math.inf
    assert found["mean of ratios, shared neurons"] == pytest.approx((10 + 1 + 0.5) / 3 - 1)
    assert found["median of ratios, shared neurons"] == pytest.approx(0)
    assert "infinite" in flaws.averages_table([1, 10, 100, 0], [10, 10, 50, 5]).data
    with pytest.raises(TxrayError, match="2 lengths before and 1 after"):
        flaws.averages([1, 2], [1])


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(1, 5))
def test_i8_readings_agree_where_every_neuron_changes_by_the_same_factor(before, factor):
    found = flaws.averages(before, [factor * n for n in before])
    assert list(found.values()) == pytest.approx([factor - 1] * 5)


def test_i8_the_footnote_excludes_one_reading():
    found = flaws.footnote_readings(1_500)
    assert found["mean of ratios, neurons preferred before"] == pytest.approx(
        ((675 * 0.0462 - 740) / 1_415, (675 * 0.0462 - 648) / 1_323)
    )
    said = flaws.footnote_said(1_500).data
    assert "excludes the paper's −42.5 %" in said
    assert "allows the paper's −42.5 %" in said
    low, high = found["length of an avoided neuron"]
    for avoided, length in ((740, low), (648, high)):
        assert 675 * 1.0462 / (675 + avoided * length) - 1 == pytest.approx(-0.4253)


def test_i9_an_even_loss_is_far_above_what_n3_allows():
    found = flaws.fall_bounds()
    assert found["lost"] == pytest.approx(5.21)
    assert found["even"] == pytest.approx(0.0706, abs=1e-4)
    assert found["allowed"] == pytest.approx(0.0008)
    assert flaws.even_distance(found["probability"]) == pytest.approx(found["allowed"])
    assert "88 times less" in flaws.fall_said().data
    with pytest.raises(TxrayError, match="between 0 and 1"):
        flaws.even_distance(1.1)


@given(st.integers(1, 60), st.integers(0, 60))
def test_i9_the_formula_is_the_distance_that_the_library_computes(features, lost):
    assume(lost < features)
    frame = pd.DataFrame({"feature": [f"f{i}" for i in range(features)], "count": 1, "activation_sum": 0.5})
    frame = frame.assign(layer=0, neuron=0, tag="NN", y=-1)
    found = compare(frame, frame.head(features - lost), 1)["hellinger"][0]
    assert found == pytest.approx(flaws.even_distance(lost / features), abs=1e-7)


def test_every_departure_from_c1_to_c36_is_listed_once():
    ids: list[int] = []
    for text in answers.departures()["id"]:
        for part in text.split(", "):
            first, *last = (int(n) for n in re.findall(r"\d+", part))
            ids += range(first, (last or [first])[0] + 1)
    assert sorted(ids) == list(range(1, 37))


def test_departures_are_grouped_and_every_field_says_something():
    rows = answers.departures()
    assert set(rows["group"]) == set(GROUPS)
    assert (rows[["code", "paper", "effect"]].map(len) > 0).all().all()
    assert sum(len(answers.departures(group)) for group in GROUPS) == len(rows)
    page = answers.departures_table("scores").data
    assert "C21" in page
    assert "–" in page
    with pytest.raises(TxrayError, match="no group 'texts'"):
        answers.departures("texts")


def test_every_switch_of_the_page_on_definitions_is_a_departure_that_can_be_switched():
    rows = answers.departures()
    switched = rows[rows["switch"] != ""]["id"].str.split(", ").explode()
    assert {switch.code for switch in answers.SWITCHES.values()} <= set(switched)
