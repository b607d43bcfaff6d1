"""Distance against length (Fig. 4, 6, 8) and the drawing of the idea (Fig. 1): charts and sentences against cases by hand."""

from __future__ import annotations

import itertools
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from telling_tables import HOSTILE, write_tables

from txray_lib import answers, figures as charts
from txray_lib.answers.overview import concentration_share, correlation, lengths
from txray_lib.answers.questions import Control
from txray_lib.book import figure
from txray_lib.figures import theme
from txray_lib.figures.linked import first_shown, histogram
from txray_lib.figures.overview import fit_axes, running, summarise
from txray_lib.figures.view import MAX_LETTERS, View, strongest
from txray_lib.definitions import Definitions
from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions
from txray_lib.results import Results
from txray_lib.transfer import compare

RELEASED = Definitions(distance="released", probability="released", length="released")
ROLES = {"a": "early", "b": "before-last", "c": "last"}
STAGES = ["encyclopedia-1", "encyclopedia-5", "encyclopedia-6"]
EARLY = {"encyclopedia-1:encyclopedia-5": "early"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = tmp_path_factory.mktemp("results") / "demo"
    return Results("demo", write_tables(folder), "frozen")


def rq1(results: Results, definitions: Definitions = Definitions()) -> pd.DataFrame:  # noqa: B008
    rows = results.compared("rq1", definitions)
    return rows[rows["before"] != "encyclopedia-0"]


def linked(results: Results, **changed: Any) -> Any:
    definitions = changed.get("definitions", Definitions())
    preferences = {stage: results.preferences(stage) for stage in STAGES}
    return charts.linked(rq1(results, definitions), results.roles, preferences, **{"painted": EARLY, **changed})


def idea(results: Results, neuron: int = -1, top_tokens: int = 4) -> Any:
    own = answers.followed(answers.three_uses(results), neuron)
    stages = dict.fromkeys([*own["before"], *own["after"]])
    return charts.idea(own, results.stages, {stage: results.preferences(stage) for stage in stages}, top_tokens)


KINDS: dict[str, Callable[[Results], Any]] = {
    "overview": lambda r: charts.overview(rq1(r), r.roles, control=0.25),
    "linked": lambda r: linked(r, control=0.25, span=(10, 200)),
    "hostile": lambda r: linked(r, neuron=2, top_tokens=80),
    "released": lambda r: linked(r, definitions=RELEASED),
    "idea": lambda r: idea(r),
    "idea, hostile": lambda r: idea(r, neuron=2, top_tokens=80),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_speaks_draws_fits_and_has_its_dark_colours(kind: str, results: Results) -> None:
    spec = KINDS[kind](results).to_dict()
    assert any(sign.isdigit() for sign in spec["description"])
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650
    text = json.dumps({k: v for k, v in spec.items() if k not in ("usermeta", "datasets")})
    colours = {part[:7] for part in text.split('"') if part.startswith("#") and len(part) == 7}
    assert len(colours) > 3
    assert colours <= set(spec["usermeta"]["txray"]["dark"])


@pytest.mark.parametrize("before", ["wiki-1", "encyclopedia-10", "reviews-zero-shot"])
def test_long_names_of_stages_do_not_widen_the_figure(before: str) -> None:
    names = [before, f"{before}2", f"{before}3"]
    roles = dict(zip(names, ROLES.values(), strict=True))
    sides = {name: prefers({n: {"x": 1.0, "y": 0.5} for n in range(30)}) for name in names}
    rows = pd.concat([compare(sides[a], sides[b], 30, (a, b)) for a, b in itertools.pairwise(names)])
    chart = charts.linked(rows.assign(question="rq1"), roles, sides, control=0.5, span=(10, 1e6))
    assert struct.unpack(">I", theme.png(chart.to_dict(), scale=1)[16:20])[0] <= 650


def prefers(neurons: dict[int, dict[str, float]], count: int = 1) -> pd.DataFrame:
    """Preferences from the mean activation of each neuron's features, every feature met `count` times."""
    rows = [(n, word, mean * count) for n, words in neurons.items() for word, mean in words.items()]
    table = pd.DataFrame(rows, columns=["neuron", "feature", "activation_sum"])
    return table.assign(layer=0, tag="NN", y=-1, count=count, prediction_sum=math.nan)


# Neuron 0 keeps its two words, 1 exchanges its one, 2 is avoided, 3 gained, 4 never preferred, 5 keeps one of two.
BEFORE = prefers({0: {"x": 3, "y": 1}, 1: {"x": 1}, 2: {"z": 1}, 5: {"x": 1, "y": 1}})
AFTER = prefers({0: {"x": 3, "y": 1}, 1: {"z": 1}, 3: {"z": 1, "y": 1, "x": 1}, 5: {"x": 1}})
HAND = compare(BEFORE, AFTER, 6, ("a", "b")).assign(question="rq1")
SIDES = {"a": BEFORE, "b": AFTER}
KEPT_ONE = math.sqrt(1 - math.sqrt(0.5))


def chart_by_hand(**changed: Any) -> dict[str, Any]:
    return charts.linked(HAND, ROLES, SIDES, **{"min_length": 1, **changed}).to_dict()


def records(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The view's rows, wherever Altair put them."""
    found: list[list[dict[str, Any]]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            if node and isinstance(node[0], dict) and {"k", "w", "b", "a"} <= set(node[0]):
                found.append(node)
            else:
                for value in node:
                    walk(value)

    walk(spec)
    return found[0]


def test_the_rows_of_the_figure_by_hand() -> None:
    by_neuron = {row["n"]: row for row in records(chart_by_hand())}
    assert sorted(by_neuron) == [0, 1, 2, 3, 5]
    assert by_neuron[0]["d"] == 0
    assert by_neuron[1]["d"] == 1
    assert by_neuron[5]["d"] == pytest.approx(KEPT_ONE, abs=1e-3)
    assert by_neuron[2]["d"] is None
    assert (by_neuron[0]["w"], by_neuron[0]["b"]) == (["x", "y"], [0.75, 0.25])
    assert (by_neuron[2]["b"], by_neuron[2]["a"]) == ([1.0], [None])
    assert [by_neuron[n]["x"] for n in (0, 1, 2, 3, 5)] == [2, 1, 1, 3, 1.5]
    assert by_neuron[5]["x"] == 1.5


def test_the_description_counts_by_hand() -> None:
    text = chart_by_hand()["description"]
    assert f"a to b: 3 shared neurons, mean distance {(1 + KEPT_ONE) / 3:.2f}, median {KEPT_ONE:.2f}" in text
    assert "1 avoided, 1 gained" in text
    assert "first neuron 1 in a to b: length 1 before and 1 after, strongest tokens x, z" in text


def test_definitions_move_points_as_the_formulas_say() -> None:
    """By C3 the union of neuron 5 has two features; by C2 a feature met ten times has a tenth of its probability."""
    released = compare(BEFORE, AFTER, 6, ("a", "b"), RELEASED)
    sides = {"a": prefers({0: {"x": 3, "y": 1}}, count=10), "b": AFTER}
    spec = charts.linked(released, ROLES, sides, definitions=RELEASED, min_length=1).to_dict()
    by_neuron = {row["n"]: row for row in records(spec)}
    assert by_neuron[5]["x"] == 2
    assert by_neuron[0]["b"] == [0.075, 0.025]
    assert "size of the union" in json.dumps(spec)
    assert "size of the union" not in json.dumps(chart_by_hand())


def test_the_papers_distance_has_the_whole_axis_and_the_released_one_its_own() -> None:
    shared = HAND[HAND["state"] == "shared"].assign(x=1.0)
    assert fit_axes(shared, 0.3).y_domain == (0.0, 1.0)
    small = shared.assign(hellinger=0.01)
    assert fit_axes(small, None, RELEASED).y_domain == (0.0, pytest.approx(0.0105))
    assert fit_axes(small, None, rest=500).x_domain[1] > 500


@pytest.mark.parametrize(
    ("neuron", "min_length", "shown"), [(-1, 1, 1), (-1, 2, 0), (-1, 99, 1), (3, 1, 3), (2, 1, 2), (0, 1, 0)]
)
def test_the_neuron_shown_first_follows_the_rule(neuron: int, min_length: int, shown: int) -> None:
    """With 2, neuron 0 alone is long enough; with 99 none is, so the most changed of all."""
    rows = HAND[HAND["state"] != "never preferred"]
    start = first_shown(rows, neuron, min_length)
    assert start is not None
    assert start["neuron"] == shown


@pytest.mark.parametrize("neuron", [4, 6])
def test_a_neuron_that_prefers_nothing_is_an_error_that_says_what_to_do(neuron: int) -> None:
    with pytest.raises(TxrayError, match=rf"neuron {neuron} prefers nothing in a:b: choose"):
        chart_by_hand(neuron=neuron)


@pytest.mark.parametrize("top_tokens", [0, -3])
def test_fewer_than_one_token_is_an_error(top_tokens: int, results: Results) -> None:
    with pytest.raises(TxrayError, match="at least 1"):
        chart_by_hand(top_tokens=top_tokens)
    with pytest.raises(TxrayError, match="at least 1"):
        idea(results, top_tokens=top_tokens)


def test_nothing_shared_and_nothing_preferred_still_draw() -> None:
    apart = compare(prefers({0: {"x": 1}}), prefers({1: {"x": 1}}), 2, ("a", "b"))
    sides = {"a": prefers({0: {"x": 1}}), "b": prefers({1: {"x": 1}})}
    spec = charts.linked(apart, ROLES, sides).to_dict()
    assert "no shared neuron" in spec["description"]
    assert theme.png(spec, scale=1)
    empty = prefers({0: {"x": 1}}).head(0)
    nothing = charts.linked(compare(empty, empty, 2, ("a", "b")), ROLES, {"a": empty, "b": empty}).to_dict()
    assert "0 avoided, 0 gained" in nothing["description"]
    assert theme.png(nothing, scale=1)


def test_painted_comparisons_take_the_colour_of_a_role_and_others_that_of_the_stage_after() -> None:
    both = pd.concat([HAND, compare(AFTER, BEFORE, 6, ("b", "c"))], ignore_index=True)
    shared = both[both["state"] == "shared"]
    plain = summarise(shared, both, ROLES)
    assert list(plain["comparison"]) == ["a:b", "b:c"]
    assert list(plain["colour"]) == [theme.ROLES[role].light for role in ("before-last", "last")]
    painted = summarise(shared, both, ROLES, {"a:b": "early"})
    assert list(painted["colour"]) == [theme.ROLES[role].light for role in ("early", "last")]
    assert list(painted["shape"]) == [theme.SHAPES[role] for role in ("early", "last")]


def test_running_quartiles_by_hand() -> None:
    """Twelve neurons of length 1 at 0.1 … 1.2 and twelve of length 10 at 0.5: two bins; fewer have no line."""
    rows = pd.DataFrame(
        {
            "comparison": "a:b",
            "x": [1.0] * 12 + [10.0] * 12,
            "hellinger": [*(np.arange(1, 13) / 10), *([0.5] * 12)],
        }
    )
    summary = pd.DataFrame({"comparison": ["a:b"], "label": ["one"]})
    found = running(rows, summary)
    assert list(found["x"]) == [1, 10]
    assert list(found["median"]) == [0.65, 0.5]
    assert (found["low"][0], found["high"][0]) == (0.375, 0.925)
    assert running(rows.head(23), summary).empty


def test_a_histogram_counts_every_shared_neuron_once_in_its_bin() -> None:
    rows = pd.DataFrame({"comparison": "a:b", "x": [1.0, 1.0, 9.99, 10.0, 300.0]})
    found = histogram(rows, pd.DataFrame({"comparison": ["a:b"], "label": ["one"]}))
    assert found["neurons"].sum() == 5
    for x, neurons in ((1.0, 2), (9.99, 1), (10.0, 1), (300.0, 1)):
        own = found[(found["low"] <= x + 1e-3) & (x < found["high"])]
        assert list(own["neurons"]) == [neurons]


def test_the_strongest_tokens_of_both_sides_with_what_the_other_gives_them() -> None:
    before, after = (
        distributions(prefers({0: words}))[["layer", "neuron", "feature", "p"]].sort_values("p", ascending=False)
        for words in ({"a": 6, "b": 3, "c": 1}, {"c": 8, "a": 2})
    )
    row = strongest(before, after, 1).iloc[0]
    assert row["w"] == ["c", "a"]
    assert row["b"] == pytest.approx([0.1, 0.6])
    assert row["a"] == pytest.approx([0.8, 0.2])


def test_tokens_that_would_look_alike_are_told_apart() -> None:
    start = "w" * MAX_LETTERS
    sides = {stage: prefers({0: {f"{start}1": 2, f"{start}2": 1}}) for stage in ("a", "b")}
    rows = compare(*sides.values(), 1, ("a", "b"))
    (row,) = records(charts.linked(rows, ROLES, sides).to_dict())
    assert len(set(row["w"])) == 2
    assert all(len(word) <= MAX_LETTERS + 4 for word in row["w"])


EXPRESSIONS = {"calculate", "filter", "labelExpr", "expr"}


def expressions(node: Any) -> list[str]:
    """All strings of a spec that Vega would evaluate."""
    if isinstance(node, list):
        return [text for value in node for text in expressions(value)]
    if not isinstance(node, dict):
        return []
    own = [str(value) for key, value in node.items() if key in EXPRESSIONS]
    return own + [text for value in node.values() for text in expressions(value)]


@pytest.mark.parametrize("kind", ["hostile", "idea, hostile"])
def test_hostile_tokens_are_drawn_and_stay_data(kind: str, results: Results) -> None:
    spec = KINDS[kind](results).to_dict()
    assert HOSTILE[0][: MAX_LETTERS - 1] in json.dumps(spec)
    evaluated = " ".join(expressions(spec))
    assert kind != "hostile" or "datum.d" in evaluated
    assert not any(token[: MAX_LETTERS - 1] in evaluated for token in HOSTILE if len(token) > 1)
    page = figure({**spec, "description": f'{HOSTILE[0]} " onload="x'})
    body = page.split('class="txray-spec">', 1)[1].split("</script>")[0]
    assert "<" not in body


def test_the_view_keeps_rows_of_a_neuron_together() -> None:
    both = pd.concat([HAND, compare(AFTER, BEFORE, 6, ("b", "c"))], ignore_index=True)
    rows = both[both["state"] != "never preferred"].assign(x=1.0)
    shared = rows[rows["state"] == "shared"]
    summary = summarise(shared, both, ROLES).reset_index(drop=True)
    view = View(rows, summary, ROLES, {**SIDES, "c": BEFORE}, 3, "paper")
    neurons = [record["n"] for record in view.records]
    assert neurons == sorted(neurons)
    assert len({record["k"] for record in view.records}) == len(rows)


# ------------------------------------------------------------------ sentences


def shared_rows(x: list[int], h: list[float], comparison: str = "a:b") -> pd.DataFrame:
    before, after = comparison.split(":")
    return pd.DataFrame(
        {
            "comparison": comparison,
            "before": before,
            "after": after,
            "layer": 0,
            "neuron": range(len(x)),
            "state": "shared",
            "length_before": x,
            "length_after": x,
            "union": [2 * n for n in x],
            "hellinger": h,
        }
    )


TEN = list(range(1, 11))


def test_a_correlation_by_hand_and_none_for_few_or_without_spread() -> None:
    falling = [1 - n / 20 for n in TEN]
    assert correlation(shared_rows(TEN, falling)).value == pytest.approx(-1)
    assert math.isnan(correlation(shared_rows(TEN[:9], falling[:9])).value)
    assert math.isnan(correlation(shared_rows(TEN, [0.5] * 10)).value)
    assert math.isnan(correlation(shared_rows([4] * 10, falling)).value)


def test_lengths_and_the_share_in_a_range_by_hand() -> None:
    rows = shared_rows([4, 10, 200, 201], [0.5] * 4)
    assert concentration_share(rows) == 0.5
    assert concentration_share(rows, "released") == 0.25
    assert list(lengths(rows, "released")) == [8, 20, 400, 402]
    assert math.isnan(concentration_share(rows.assign(state="avoided")))
    text = answers.concentrated(rows).data
    assert "50.0 % in a → b have a length from 10 to 200" in text
    assert "the mean length of all points is 103.8, their median 105.0" in text
    assert "(I7)" not in text
    assert "(I7)" in answers.concentrated(shared_rows([1, 1, 1, 97], [0.5] * 4)).data
    assert "No neuron is shared" in answers.concentrated(rows.assign(state="gained")).data


def test_short_neurons_are_judged_by_sign_and_interval(results: Results) -> None:
    def said(h: list[float], definitions: Definitions = Definitions()) -> str:  # noqa: B008
        return answers.short_neurons(results, shared_rows(TEN, h), None, definitions).data

    falling = [1 - n / 20 for n in TEN]
    assert "So it is here: the rank correlation of distance with length is −1.00 [−1.00, −1.00] in a → b" in said(
        falling
    )
    assert "Here that does not hold" in said(falling[::-1])
    unclear = [0.5, 0.9, 0.4, 0.8, 0.7, 0.5, 0.6, 0.9, 0.4, 0.5]
    assert -0.4 < correlation(shared_rows(TEN, unclear)).value < 0
    assert "but not clearly" in said(unclear)
    assert "divided by the size of the union" in said(falling, RELEASED)
    assert "paper's definitions alone" in said(falling, RELEASED)
    assert "No halves of one text" in said(falling)
    few = answers.short_neurons(results, shared_rows([1, 2], [0.1, 0.2]), None).data
    assert "cannot be told here" in few


def test_the_halves_correlation_stands_beside_and_decides_what_is_said(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = Control("c", 0.5, 0.5, 10)
    falling = [1 - n / 20 for n in TEN]
    for own, words in ((falling, "takes no learning"), (falling[::-1], "no sign that few occurrences")):
        monkeypatch.setattr(Results, "control", lambda _, stage, own=own: shared_rows(TEN, own, "c/1:c/2"))
        text = answers.short_neurons(results, shared_rows(TEN, falling), halves).data
        assert words in text
        assert "halves of the text of c" in text


def test_neurons_are_held_against_their_own_halves(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neuron 0 moves less than its halves lie apart, 1 and 2 more; 3 has no halves."""
    own = shared_rows([5, 5, 5], [0.5, 0.5, 0.1], "c/1:c/2")
    monkeypatch.setattr(Results, "control", lambda _, stage: own)
    rows = shared_rows([5] * 4, [0.4, 0.6, 0.2, 1.0])
    halves = Control("c", 0.37, 0.3, 3)
    text = answers.beside_control(results, rows, halves).data
    assert "0.37 apart on average (the dashed line)" in text
    assert "66.7 % of 3 in a → b" in text
    assert "No neuron has both" in answers.beside_control(results, rows.assign(state="gained"), halves).data
    assert "were not compared" in answers.beside_control(results, rows, None).data
    assert "no such distance is drawn" in answers.beside_control(results, rows, halves, RELEASED).data


def test_neurons_in_use_by_hand() -> None:
    """Before: 0, 1, 2, 5; after: 0, 1, 3, 5; both: 0, 1, 5."""
    text = answers.in_use(HAND).data
    assert "In a → b 4 neurons of 6 prefer anything before and 4 after; 3 are shared, 75.0 % of those before." in text
    assert "in a → b 1 avoided and 1 gained neuron." in answers.without_distance(HAND).data
    nobody = HAND.assign(length_before=0, state="gained")
    assert "0 are shared, not defined of those before" in answers.in_use(nobody).data


def test_the_fall_by_hand(results: Results) -> None:
    """Means 0.8 and 0.2, medians 0.9 and 0.1: 75 % less as a mean; a ratio of medians of 1/9."""
    early = shared_rows([5] * 3, [0.6, 0.9, 0.9], "encyclopedia-1:encyclopedia-5")
    late = shared_rows([5] * 3, [0.1, 0.1, 0.4], "encyclopedia-5:encyclopedia-6")
    text = answers.fell(results, pd.concat([early, late])).data
    assert "from 0.80 (encyclopedia-1 → encyclopedia-5) to 0.20 (encyclopedia-5 → encyclopedia-6), 75.0 % less" in text
    assert "the median from 0.90 to 0.10, 88.9 % less" in text
    assert "ratio of the medians is 0.111" in text
    assert "no shared neuron" in answers.fell(results, early).data


def test_the_table_has_a_row_for_each_comparison_and_control(results: Results) -> None:
    html = answers.spread(results, rq1(results)).data
    assert html.count("<tr>") == 1 + 2 + 1
    assert "control: halves of encyclopedia-6" in html
    released = answers.spread(results, rq1(results, RELEASED), RELEASED).data
    assert "control" not in released
    assert released.count("<tr>") == 1 + 2


# ------------------------------------------------------------------ Fig. 1


def uses_of(distances: dict[int, list[float]], sizes: dict[int, int]) -> pd.DataFrame:
    """The table of three uses from each neuron's three distances; NaN means that it is gained."""
    parts = []
    for i, (use, pair) in enumerate(zip(answers.USES, ("a:b", "b:c", "c:d"), strict=True)):
        rows = shared_rows([sizes[n] for n in distances], [h[i] for h in distances.values()], pair)
        gained = rows["hellinger"].isna()
        rows = rows.assign(neuron=list(distances), use=use, state=np.where(gained, "gained", "shared"))
        parts.append(rows.assign(length_before=rows["length_before"].where(~gained, 0)))
    return pd.concat(parts, ignore_index=True)


NAN = math.nan
USES = uses_of(
    {0: [0.1, 0.1, 0.1], 1: [0.5, 0.5, 0.5], 2: [0.9, 0.9, 0.9], 3: [0.2, NAN, 0.2], 4: [0.3, 0.3, 0.3]},
    {0: 2, 1: 20, 2: 20, 3: 20, 4: 500},
)


@pytest.mark.parametrize(
    ("limits", "neuron"), [({}, 1), ({"min_length": 1}, 0), ({"max_length": 500}, 4), ({"min_length": 30}, 0)]
)
def test_the_neuron_followed_is_the_least_changed_of_readable_length(limits: dict[str, int], neuron: int) -> None:
    """0 is too short, 4 too long, 3 not shared three times; with no neuron in the range, the least changed of all."""
    own = answers.followed(USES, **limits)
    assert list(own["neuron"]) == [neuron] * 3
    assert list(own["use"]) == list(answers.USES)


def test_a_named_neuron_is_followed_and_one_that_prefers_nothing_is_an_error() -> None:
    assert list(answers.followed(USES, neuron=3)["state"]) == ["shared", "gained", "shared"]
    with pytest.raises(TxrayError, match="neuron 99 prefers nothing"):
        answers.followed(USES, neuron=99)
    with pytest.raises(TxrayError, match="from 9 to 3"):
        answers.followed(USES, min_length=9, max_length=3)
    only = uses_of({7: [NAN, NAN, NAN], 8: [0.1, NAN, 0.1]}, {7: 5, 8: 5})
    assert set(answers.followed(only)["neuron"]) == {8}


def test_the_neurons_place_among_all_is_said() -> None:
    """Sums of 0, 1, 2, 4: 0.3, 1.5, 2.7, 0.9; their median is 1.2. Medians of the distances 0.4: 1 and 4 lie as near."""
    text = answers.followed_said(USES, answers.followed(USES, 1)).data
    assert "4 neurons are shared in all three comparisons" in text
    assert "sum to 1.50, those of the median neuron to 1.20, and 25.0 % of these neurons have a larger sum" in text
    assert answers.most_typical(USES) == 1
    assert "No other neuron's distances lie nearer" in text
    assert "is neuron 1." in answers.followed_said(USES, answers.followed(USES, 0)).data
    assert "not shared in all three" in answers.followed_said(USES, answers.followed(USES, 3)).data
    assert answers.most_typical(uses_of({0: [NAN, 0.1, 0.1]}, {0: 3})) is None


def test_three_uses_agree_with_the_runs_own_comparisons(results: Results) -> None:
    uses = answers.three_uses(results)
    for use, question in (("zero-shot", "rq2"), ("supervision", "rq3")):
        own, theirs = uses[uses["use"] == use], results.transfer(question)
        assert list(own["state"]) == list(theirs["state"])
        assert np.allclose(own["hellinger"], theirs["hellinger"], equal_nan=True)
    table = answers.followed_table(results, uses, answers.followed(uses, 1)).data
    assert table.count("<tr>") == 4
    assert "10 → 10" in table


def test_the_drawing_says_what_stays_the_same_and_draws_the_tables_probabilities(results: Results) -> None:
    chart = idea(results, neuron=1, top_tokens=3)
    text = chart.description
    assert text.count("same text, other weights") == 2
    assert text.count("other text, same weights") == 1
    assert "length 10 before and 10 after" in text
    rows = [row for table in chart.to_dict()["datasets"].values() for row in table if "p" in row]
    assert {row["p"] for row in rows} == {0.1}
    assert {row["stage"] for row in rows} == {
        "encyclopedia-1",
        "encyclopedia-6",
        "reviews-zero-shot",
        "reviews-supervised",
    }
    assert len({row["word"] for row in rows}) == 3


def test_rows_of_the_drawing_follow_the_order_in_which_stages_bring_their_tokens() -> None:
    stages = pd.DataFrame(
        {"stage": ["a", "b"], "role": ["early", "last"], "corpus": "text", "snapshot": ["one", "two"]}
    )
    sides = {"a": prefers({0: {"x": 3, "y": 2, "z": 1}}), "b": prefers({0: {"q": 3, "x": 1}})}
    own = compare(*sides.values(), 1, ("a", "b")).assign(use="pretraining")
    spec = charts.idea(own, stages, sides, top_tokens=2).to_dict()
    bars = next(rows for rows in spec["datasets"].values() if rows and "p" in rows[0])
    assert list(dict.fromkeys(row["word"] for row in bars)) == ["x", "y", "q"]
    assert {(row["stage"], row["word"]): row["p"] for row in bars} == {
        ("a", "x"): 0.5,
        ("a", "y"): 0.33333,
        ("b", "q"): 0.75,
        ("b", "x"): 0.25,
    }
    assert "3 → 2 tokens, 1 in both" in json.dumps(spec, ensure_ascii=False)
