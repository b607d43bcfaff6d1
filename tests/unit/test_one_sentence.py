"""What the pages on one sentence say: numbers that follow by hand from those shown, cases both ways, hostile tokens."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sentence_tables import sentence_tables
from telling_tables import HOSTILE, write_tables

from txray_lib import figures as charts
from txray_lib.answers import by_hand, four_ways, one_sentence
from txray_lib.answers.one_sentence import Sentence
from txray_lib.figures.theme import WIDTH
from txray_lib.errors import TxrayError
from txray_lib.tables import read_table, write_table

COMPARISON = "reviews-zero-shot:reviews-supervised"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    return write_tables(tmp_path / "demo")


@pytest.fixture
def sentence(folder: Path) -> Sentence:
    found = one_sentence.open_sentence("demo")
    assert found
    return found


def rewritten(folder: Path, name: str, change: Any) -> Sentence:
    """The sentence after a table was changed."""
    path = folder / f"{name}.parquet"
    table = read_table(path)
    write_table(change(table), path, table.attrs["provenance"])
    found = one_sentence.open_sentence("demo")
    assert found
    return found


def text(shown: Any) -> str:
    return re.sub(r"<[^>]+>", " ", shown.data)


def everything(sentence: Sentence) -> str:
    """All that both pages say, as they show it."""
    shown = [one_sentence.sentence_chosen(sentence), one_sentence.records_said(sentence)]
    shown += [one_sentence.winners_said(sentence), one_sentence.margins_said(sentence)]
    for side in ("before", "after"):
        shown += [one_sentence.activations_table(sentence, side), one_sentence.records_table(sentence, side)]
    neuron = by_hand.pick_neuron(sentence)
    steps = by_hand.work_out(sentence.results, neuron)
    shown += [by_hand.neuron_said(sentence, neuron), by_hand.distance_table(steps), by_hand.winners_table(sentence)]
    for side in ("before", "after"):
        shown += [by_hand.distribution(steps, side), by_hand.distribution_said(steps, side)]
    shown += [by_hand.distance_said(steps, sentence.results, neuron), by_hand.state_said(sentence, neuron)]
    shown.append(by_hand.chance_said(sentence.results, neuron))
    for said in (four_ways.attributed_said, four_ways.probed_said, four_ways.moved_said, four_ways.agreement_said):
        shown.append(said(sentence))
    shown += [four_ways.agreement_table(sentence), four_ways.ways_table(sentence)]
    return "\n".join(each.data for each in shown)


def test_every_number_follows_from_those_shown_and_the_end_is_the_runs(sentence: Sentence):
    transfer = sentence.results.transfer("rq3")
    shared = transfer[transfer["hellinger"].notna()]
    assert len(shared) > 5
    for row in shared.itertuples():
        steps = by_hand.work_out(sentence.results, row.neuron)
        for side, length in (("before", row.length_before), ("after", row.length_after)):
            own = steps[steps[f"count_{side}"] > 0]
            assert len(own) == length
            total = sum(own[f"mean_{side}"])
            for each in own.to_dict("records"):
                mean = each[f"sum_{side}"] / each[f"count_{side}"]
                assert each[f"mean_{side}"] == pytest.approx(mean, abs=0.00051)
                assert each[f"p_{side}"] == pytest.approx(each[f"mean_{side}"] / total, abs=0.000051)
                assert each[f"root_{side}"] == pytest.approx(math.sqrt(each[f"p_{side}"]), abs=0.000051)
        squares = [round((a - b) ** 2, 4) for a, b in zip(steps["root_before"], steps["root_after"], strict=True)]
        assert by_hand.rounded_distance(steps) == pytest.approx(math.sqrt(sum(squares) / 2), abs=1e-9)
        assert by_hand.rounded_distance(steps) == pytest.approx(row.hellinger, abs=0.005)
        assert (
            f"has {row.hellinger:.3f} in its table" in by_hand.distance_said(steps, sentence.results, row.neuron).data
        )


def test_the_tables_hold_the_numbers_that_are_worked_with(sentence: Sentence):
    neuron = by_hand.pick_neuron(sentence)
    steps = by_hand.work_out(sentence.results, neuron)
    shown = text(by_hand.distance_table(steps))
    for value in [*steps["p_before"], *steps["root_after"], steps["squared"].sum()]:
        assert f"{value:.4f}" in shown
    long = by_hand.work_out(sentence.results, 2)
    assert len(long) > by_hand.MOST
    assert f"the other {len(long) - by_hand.MOST}" in text(by_hand.distance_table(long))
    assert f"{long['squared'].sum():.4f}" in text(by_hand.distance_table(long))


def preferences_of(*sides: dict[str, float]) -> pd.DataFrame:
    """Steps of a neuron whose features have these counts and means."""
    rows = {}
    for side, words in zip(("before", "after"), sides, strict=True):
        for word, mean in words.items():
            rows.setdefault(word, {})[side] = mean
    frame = pd.DataFrame({"feature": list(rows)})
    for side in ("before", "after"):
        mean = pd.Series([rows[word].get(side, 0.0) for word in rows])
        p = mean / mean.sum()
        parts = {"count": (mean > 0).astype(int), "sum": mean, "mean": mean, "p": p, "root": p.pow(0.5)}
        frame = frame.assign(**{f"{name}_{side}": column for name, column in parts.items()})
    return frame.assign(squared=(frame["root_before"] - frame["root_after"]) ** 2)


def test_counts_alone_give_the_example_of_the_method(sentence: Sentence):
    """river and film before, film alone after: the distance worked out in book/method."""
    steps = preferences_of({"river": 0.4, "film": 0.4}, {"film": 0.5})
    assert by_hand.rounded_distance(steps) == pytest.approx(0.541, abs=0.0005)
    neuron = by_hand.pick_neuron(sentence)
    exact = sentence.results.transfer("rq3").set_index("neuron").loc[neuron, "hellinger"]
    said = by_hand.distance_said(steps, sentence.results, neuron).data
    assert "H would be √(1 − 1 / √(2 × 1)) = 0.541" in said
    assert ("measures above all" in said) == (abs(0.541 - exact) < by_hand.NEAR)
    uneven = by_hand.distribution_said(preferences_of({"river": 0.8, "film": 0.2}, {"film": 0.5}), "before").data
    assert "0.800 / 1.000 = 0.8000" in uneven
    assert "plays no part" not in uneven
    assert "plays no part" in by_hand.distribution_said(steps, "before").data


def test_the_neuron_is_the_shortest_shared_winner_with_three_features(sentence: Sentence):
    neuron, results = by_hand.pick_neuron(sentence), sentence.results
    winners = {*sentence.tokens["neuron_before"], *sentence.tokens["neuron_after"]}
    transfer = results.transfer("rq3").set_index("neuron")
    unions = {n: len(by_hand.work_out(results, int(n))) for n in winners if pd.notna(transfer.loc[n, "hellinger"])}
    assert neuron == min((n for n in unions if unions[n] >= 3), key=lambda n: (unions[n], n))
    assert by_hand.pick_neuron(sentence, 2) == 2
    with pytest.raises(TxrayError, match="is not shared"):
        by_hand.pick_neuron(sentence, int(transfer.index[transfer["hellinger"].isna()][0]))


def test_a_sentence_whose_winners_are_not_shared_has_another_neuron_worked_out(sentence: Sentence, folder: Path):
    alone = sentence.results.transfer("rq3").query("state != 'shared'")["neuron"].iloc[0]
    changed = rewritten(folder, "sentence", lambda t: t.assign(neuron_before=alone, neuron_after=-1))
    neuron = by_hand.pick_neuron(changed)
    assert pd.notna(changed.results.transfer("rq3").set_index("neuron").loc[neuron, "hellinger"])
    assert "given nothing, before supervision or after it" in by_hand.neuron_said(changed, neuron).data


@pytest.mark.parametrize(
    ("q", "expected", "said"),
    [
        (0.01, 0.3, "did change by more than chance, and that is the finding"),
        (0.01, 0.1, "did change by more than chance."),
        (0.2, 0.3, "did not change by more than chance, however large"),
    ],
)
def test_a_distance_is_told_beside_its_null(sentence: Sentence, folder: Path, q: float, expected: float, said: str):
    neuron = by_hand.pick_neuron(sentence)

    def change(nulls: pd.DataFrame) -> pd.DataFrame:
        own = (nulls["question"] == "rq3") & (nulls["neuron"] == neuron)
        given = {"q": q, "p": q / 2, "hellinger": 0.5, "expected": expected, "excess": 0.5 - expected, "null_95": 0.4}
        return nulls.assign(**{name: nulls[name].where(~own, value) for name, value in given.items()})

    told = by_hand.chance_said(rewritten(folder, "nulls", change).results, neuron).data
    assert said in told
    assert f"q is {q:.2g}" in told


def test_a_run_without_nulls_says_so(sentence: Sentence, folder: Path):
    (folder / "nulls.parquet").unlink()
    neuron = by_hand.pick_neuron(sentence)
    assert "before nulls were kept" in by_hand.chance_said(sentence.results, neuron).data
    assert "none" in text(by_hand.winners_table(sentence))


def test_the_sentence_and_its_rule_are_told(sentence: Sentence):
    said = one_sentence.sentence_chosen(sentence).data
    assert "has 8 to 14 tokens" in said
    assert "stands after 7 tokens of the negative review" in said
    assert "“dull” is negative and “superb” is positive" in said
    assert "(none here)" in said
    records = one_sentence.records_said(sentence).data
    assert "12 tokens, 12 records" in records
    assert f"{1 / (1 + math.exp(2)):.3f}" in records
    assert f"{1 / (1 + math.exp(0.5)):.3f}" in records
    margins = one_sentence.margins_said(sentence).data
    assert "at “The” by 0.002" in margins
    assert "neuron 30 was excited almost as much as neuron 0" in margins
    with pytest.raises(TxrayError, match="choose 1 to 5"):
        one_sentence.activations_table(sentence, "before", 6)


def test_tokens_that_change_their_neuron_are_told_beside_shuffled_labels(sentence: Sentence, folder: Path):
    said = one_sentence.winners_said(sentence).data
    assert "all 12 tokens have another winner" in said
    assert "In 15,000 tokens of other reviews supervision gives 90.0 % to another neuron" in said
    assert "gives 60.0 %, and in the sentence 0 of 12" in said
    assert "no finding by itself" in said

    def rarer(facts: pd.DataFrame) -> pd.DataFrame:
        own = (facts["side"] == "shuffled") & (facts["measure"] == "other_winner")
        return facts.assign(value=facts["value"].mask(own, 0.1))

    assert "no finding" not in one_sentence.winners_said(rewritten(folder, "sentence_facts", rarer)).data


def test_without_shuffled_labels_all_is_told_without_them(folder: Path):
    bare = rewritten(folder, "sentence", lambda t: t[[c for c in t if not c.endswith("_shuffled")]])
    assert not bare.has_control
    assert "no fine-tuning on shuffled labels to hold beside it" in one_sentence.winners_said(bare).data
    assert "no classifier trained on shuffled labels" in four_ways.attributed_said(bare).data
    assert not re.search(r"\bnan\b", everything(bare), re.IGNORECASE)
    assert "shuffled" not in charts.four_ways(bare.tokens, four_ways.usual_change(bare)).description


def test_attribution_is_told_with_its_sum_its_signs_and_its_baselines(sentence: Sentence):
    said = four_ways.attributed_said(sentence).data
    assert "the logit is −0.50 (ŷ = 0.378)" in said
    assert "divide the difference, +0.50, among the tokens: their shares sum to +0.50" in said
    assert f"give {sentence.tokens['occluded_after'].sum():+.2f}" in said
    assert "“dull”, which is negative, gets −0.15 and −0.05" in said
    assert "against its meaning" not in said
    assert "12 of 12 tokens get another sign, and the rank correlation of the two is −1.00" in said
    assert "In absolute value the shares come to 3.70" in said
    assert "to 0.37" in said


@pytest.mark.parametrize(
    ("elsewhere", "reviews", "told"),
    [
        (0.2, 9.0, "did not learn the word the wrong way round"),
        (-0.2, 9.0, "So it does in 9 other reviews"),
        (0.2, 0.0, "No other review of this text holds the word"),
    ],
)
def test_a_word_that_pushes_against_its_meaning_is_looked_up_elsewhere(
    folder: Path, elsewhere: float, reviews: float, told: str
):
    def change(tokens: pd.DataFrame) -> pd.DataFrame:
        own = tokens["token"] == "superb"
        given = {"integrated_after": -0.4, "occluded_after": -0.5, "elsewhere": elsewhere, "elsewhere_reviews": reviews}
        return tokens.assign(**{name: tokens[name].mask(own, value) for name, value in given.items()})

    said = four_ways.attributed_said(rewritten(folder, "sentence", change)).data
    assert "here “superb” pushes against its meaning" in said
    assert told in said
    assert "“dull” pushes" not in said
    assert ("of the 40 training reviews that hold it 75.0 % are positive" in said) == (reviews > 0)


def test_a_probe_is_told_beside_word_control_task_and_majority(sentence: Sentence):
    said = four_ways.probed_said(sentence).data
    assert "Of the 12 tags the probe tells 11 from the hidden states before supervision and 11 after it" in said
    assert "the word alone, read as the tag that it has most often, tells 12" in said
    assert "90.0 % before and 88.0 % after, against 80.0 % by the word alone and 15.0 %" in said
    assert "20.0 percentage points before and 13.0 percentage points after" in said
    last = sentence.tokens["right_p_after"].iloc[-1]
    assert f"went from 0.900 to {last:.3f}" in said


def test_moves_are_told_beside_usual_ones_and_shuffled_labels(sentence: Sentence):
    said = four_ways.moved_said(sentence).data
    assert "moved by 2.55 in the median" in said
    assert "one of twenty moves further than 3.00, here 1 of 12" in said
    assert "shuffled labels moves them by 0.75 in the median, so 29.4 % of the move needs no sentiment" in said
    rows = sentence.tokens
    seen = int(((rows["moved_after"] == rows["neuron_before"]) | (rows["moved_after"] == rows["neuron_after"])).sum())
    assert f"at {seen} of 12 it is one that TX-Ray saw" in said


def test_rank_correlations_by_hand(sentence: Sentence, folder: Path):
    def change(tokens: pd.DataFrame) -> pd.DataFrame:
        rising = pd.Series(range(len(tokens)), dtype=float)
        given = {"integrated_after": -rising, "occluded_after": rising**2, "change_after": 50 - rising}
        return tokens.assign(**given)

    rows = four_ways.correlations(rewritten(folder, "sentence", change)).set_index(["one", "other"])
    assert rows.loc[("gradients", "occlusion"), "rho"] == pytest.approx(1)
    assert rows.loc[("gradients", "diffing"), "rho"] == pytest.approx(-1)
    assert rows.loc[("gradients", "diffing"), "bound"] == pytest.approx(1.96 / math.sqrt(11))
    said = four_ways.agreement_said(rewritten(folder, "sentence", change)).data
    assert "gradients and occlusion (+1.00)" in said
    assert "With 10 looks, 0.5 would on average" in said


def test_costs_are_those_of_the_run(sentence: Sentence):
    shown = text(four_ways.ways_table(sentence))
    read = int(sentence.results.stages.set_index("role").loc["supervised", "tokens"])
    for cost in (
        f"{2 * read:,} tokens once",
        "256 readings of 12 tokens",
        "13 readings of 12 tokens",
        "40,000 tokens once",
    ):
        assert cost in shown


def test_hostile_tokens_never_become_markup(sentence: Sentence):
    said = everything(sentence)
    assert sentence.tokens["token"].isin(HOSTILE).sum() == 2
    assert not any(token in said for token in HOSTILE[:6])
    assert "&lt;script&gt;" in said
    assert not re.search(r"\bnan\b", said, re.IGNORECASE)


@pytest.mark.parametrize("hostile", [(), HOSTILE])
def test_charts_speak_and_fit(sentence: Sentence, hostile: tuple[str, ...]):
    tables = sentence_tables(hostile)
    tokens = tables["sentence"]
    if hostile:
        tokens = tokens.assign(token=(HOSTILE * 2)[: len(tokens)])
    drawn = {
        "winners": charts.winners(tokens, tables["sentence_activations"]),
        "four_ways": charts.four_ways(tokens, four_ways.usual_change(sentence)),
    }
    for chart in drawn.values():
        for number in range(1, len(tokens) + 1):
            assert f" {number}" in chart.description
        picture = charts.png(chart.to_dict(), scale=1)
        width = int.from_bytes(picture[16:20], "big")
        assert 300 < width <= WIDTH
    assert "neuron 0 (0.900) before, 1 (0.900) after" in drawn["winners"].description
    assert "-0.45 by integrated gradients, -0.35 by occlusion" in drawn["four_ways"].description
    with pytest.raises(TxrayError, match="no token"):
        charts.winners(tokens.iloc[:0], tables["sentence_activations"])


def test_tables_without_a_sentence_have_none(folder: Path):
    assert one_sentence.open_sentence("missing") is None
    assert "profile missing hold no sentence" in one_sentence.no_sentence("missing").data
    write_table(pd.DataFrame(), folder / "sentence.parquet", {})
    assert one_sentence.open_sentence("demo") is None
    (folder / "sentence.parquet").unlink()
    assert one_sentence.open_sentence("demo") is None
