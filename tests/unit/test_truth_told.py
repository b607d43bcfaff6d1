"""What is said and drawn of a study of what is known: each number by hand, every value told truly, absent tables told."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pandas as pd
import pytest
from telling_tables import STUDY, study_tables_of, truth_words, write_study

from txray_lib import answers, figures as charts
from txray_lib.answers import known, recovered
from txray_lib.answers.recovered import Recovered
from txray_lib.figures import theme
from txray_lib.figures.recovery import MEASURES
from txray_lib.errors import TxrayError
from txray_lib.measures import MEASURES as MEASURED
from txray_lib.results import NEEDED, Results
from txray_lib.truth import RAREFIED, Study, small_study

NAN = math.nan
LIVE = Study.of({**STUDY, "seeds": [7]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def found() -> Recovered:
    return Recovered(LIVE, *study_tables_of(LIVE).values())


def without(found: Recovered, /, **columns: float) -> Recovered:
    """The same study with other values in the columns of its tables that have them."""
    tables = (found.states, found.measures, found.detection)
    changed = (t.assign(**{name: value for name, value in columns.items() if name in t}) for t in tables)
    return Recovered(found.study, *changed)


def text(shown: object) -> str:
    return shown.data  # type: ignore[attr-defined]


def test_every_measure_of_a_study_has_a_name() -> None:
    assert set(MEASURES) == {*MEASURED, RAREFIED}


def test_frozen_tables_are_read_with_what_was_planted(folder: Path) -> None:
    write_study(folder / "truth", seeds=(4, 5, 6))
    found = answers.open_study("truth", LIVE, {})
    assert found.study.seeds == (4, 5, 6)
    assert (found.study.plan.units, found.sizes) == (20, [50, 200])
    assert "profile truth (frozen tables of an earlier run), seeds 4, 5, 6," in text(
        answers.study_source(found, "truth")
    )


def test_without_tables_the_live_study_stands_in_and_is_told(folder: Path) -> None:
    found = answers.open_study("truth", LIVE, study_tables_of(LIVE))
    assert found.results is None
    assert "`txray run truth` makes them" in text(answers.study_source(found, "truth"))
    assert "this page computes" in text(answers.study_line(found))
    html = text(answers.beside_live(found, found))
    assert html.count("–</td>") == len(found.sizes) * len(LIVE.noises) * 6, "a study does not stand beside itself"


@pytest.mark.parametrize(("name", "says"), [("trueth", "Did you mean 'truth'"), ("tiny", "plants nothing")])
def test_a_profile_that_is_no_study_is_told(folder: Path, name: str, says: str) -> None:
    for name_of_file in NEEDED:
        (folder / "tiny").mkdir(parents=True, exist_ok=True)
        (folder / "tiny" / name_of_file).write_text("{}", encoding="utf-8")
    with pytest.raises(TxrayError, match=says):
        answers.open_study(name, LIVE, {})


def test_a_noise_or_a_share_that_cannot_be_is_told(found: Recovered) -> None:
    assert answers.checked(found, "some", 1.0) == ("some", 1.0)
    with pytest.raises(TxrayError, match="Did you mean 'some'"):
        answers.checked(found, "sme", 0.8)
    for share in (0, 1.2):
        with pytest.raises(TxrayError, match="above 0 and up to 1"):
            answers.checked(found, "some", share)


def test_what_was_planted_is_counted_from_the_plan(found: Recovered) -> None:
    """Of 20: 4 exchange words, 2 lose text, 1 is silenced, 3 revived, 1 unused, 9 unchanged; shared 4 + 2 + 9 = 15."""
    said = text(answers.planted_said(found))
    assert "4 exchange 10 % to 100 % of their words" in said
    assert "2 lose 10 % to 50 % of their text and 1 all of it to 3 that held none before, 1 never" in said
    assert "15 are shared, 1 avoided and 3 gained" in said
    assert "1,000 and 4,000 tokens of a generated encyclopedia, 50 to 200 tokens a neuron, with 1 seed" in said
    assert "400,000 tokens are 267 for each of its 1,500 neurons" in said
    assert "noise “none”: nothing; noise “some”: activations vary by up to 10 %, at 10 % of tokens" in said


def test_precision_and_recall_of_several_rows_together_by_hand() -> None:
    """2 of 4 named are right, then none is named of 6: 2 right, 4 named, 8 + 6 to find."""
    rows = pd.DataFrame({"true": [8, 6], "found": [4, 0], "precision": [0.5, NAN], "recall": [0.25, 0]})
    assert recovered.pooled(rows) == (0.5, 2 / 14)
    assert recovered.balance(rows) == pytest.approx(2 * 0.5 * (2 / 14) / (0.5 + 2 / 14))
    assert recovered.balance(rows[1:]) == 0
    assert all(map(math.isnan, recovered.pooled(rows[:0])))


def test_the_amounts_of_text_that_are_enough(found: Recovered) -> None:
    assert recovered.enough_text(found, "none", 0.8) == [50, 200]
    assert recovered.enough_text(found, "some", 0.8) == []
    assert recovered.enough_text(found, "some", 0.5) == [50]
    assert recovered.enough_text(found, "some", 0.7, rule="a tenth") == []
    assert recovered.enough_text(found, "some", 0.6, rule="a tenth") == [50, 200]


def test_what_is_said_of_states_by_hand(found: Recovered) -> None:
    """With noise half of 2 and of 4 is found at 50 tokens a neuron; by a tenth of an even share 1 of 2 and 3 of 4."""
    said = text(answers.recovery_said(found, "some"))
    assert "with noise “none” 100.0 % at 50 and 100.0 % at 200 tokens a neuron" in said
    assert "with noise “some” 50.0 % at 50 and 0.0 % at 200 tokens a neuron" in said
    assert "“a tenth of an even share” does best: it finds 66.7 % of the avoided and gained neurons" in said
    nothing = without(found, found=0, precision=NAN, recall=0.0)
    assert "no rule finds any" in text(answers.recovery_said(nothing, "some"))
    html = text(answers.recovery_table(found, "some"))
    assert html.count("<tr>") == 1 + 4 * 3
    assert "<td>–</td><td>0.0 %</td>" in html


def test_what_is_said_of_distances_by_hand(found: Recovered) -> None:
    said = text(answers.ranks_said(found, "some"))
    assert "of 0.50 at 50 tokens a neuron and of 0.50 at 200 tokens a neuron" in said
    assert "the four distances is 0.60, that of Hellinger by mass" in said
    assert "lie 0.20 apart on average with the least text and 0.40 with the most" in said
    assert "it takes a null" in said
    assert "it takes a null" not in text(answers.ranks_said(found, "none"))


def test_what_is_said_of_tests_by_hand(found: Recovered) -> None:
    said = text(answers.detected_said(found, "some"))
    assert "finds 100.0 % by argmax, 100.0 % by top-3 and 100.0 % by positive of the changed neurons" in said
    assert "25.0 % of the smallest changes (0–0.2 of" in said
    alarms = text(answers.alarms_said(found))
    assert "Over 64 settings" in alarms
    assert (
        "1.0 % of the neurons that did not change, unused ones included, are found on average, and 2.0 % at most"
        in alarms
    )
    assert "it is more in none of the settings" in alarms
    assert "The largest is 4.0 %" in alarms
    assert "it is more in 64 of the settings" in text(answers.alarms_said(without(found, false_discoveries=0.06)))
    assert "The largest" not in text(answers.alarms_said(without(found, false_discoveries=0.0)))


def test_the_text_that_is_needed_by_hand(found: Recovered) -> None:
    assert recovered.needed_for(found, "some", 0.8) == 200
    assert math.isnan(recovered.needed_for(without(found, power=0.1), "some", 0.8))
    html = text(answers.needed_table(found, "some", 0.8))
    assert '<th scope="col">size 0–0.2</th>' in html
    assert "<td>–</td><td>–</td><td>200</td><td>200</td>" in html, (
        "small ones are not reached, and the empty bin neither"
    )


def test_the_live_study_stands_beside_the_same_setting(folder: Path, found: Recovered) -> None:
    write_study(folder / "truth")
    html = text(answers.beside_live(answers.open_study("truth", LIVE, {}), found))
    assert "<td>0.50</td><td>0.50 (0.50 to 0.50)</td>" in html
    elsewhere = Recovered(
        small_study(), *(t.assign(tokens_a_neuron=7.0) for t in (found.states, found.measures, found.detection))
    )
    assert "(0" not in text(answers.beside_live(answers.open_study("truth", LIVE, {}), elsewhere))


def verdict(found: Recovered, enough: float, runs: list[Results] | None = None) -> dict[str, str]:
    """The parts of the verdict by their names."""
    lines = text(answers.recovery_verdict(found, enough, runs or [])).split("\n")
    assert not any("nan" in line for line in lines)
    return dict(line.removeprefix("- **").split(".** ", 1) for line in lines if line.startswith("- **"))


def test_the_verdict_by_hand(found: Recovered) -> None:
    said = verdict(found, 0.8)
    assert list(said) == ["When it works", "When it fails", "How much text it needs"]
    works, fails, needs = said.values()
    assert "by the paper's rule, are both enough with noise “none” at every amount of text." in works
    assert "the most text, is 1.00 with noise “none”." in works
    assert "of the changed neurons, 100.0 % with noise “none”, 100.0 % with noise “some”." in works
    assert "Of what such nulls find 2.0 % is unchanged, on average over 64 settings" in works
    assert "are both enough with noise “some” at no amount of text (recall with the most text: 0.0 %;" in fails
    assert "“a tenth of an even share” has 66.7 % at a precision of 100.0 %)" in fails
    assert "is 0.50 with noise “some” (Hellinger by mass: 0.60)." in fails
    assert "with noise “some” 200, by mass 200" in needs
    assert "The paper reads 267. Nearest to that is 200, which finds 100.0 % of all changes and 25.0 % of the" in needs


def test_a_verdict_follows_its_tables(found: Recovered) -> None:
    assert (
        "with noise “some” at 50 tokens a neuron, and no longer with more text" in verdict(found, 0.5)["When it fails"]
    )
    rising = found.states.assign(recall=1.0, precision=1.0, found=found.states["true"])
    early = rising["tokens_a_neuron"] == 50
    rising.loc[early, ["recall", "found"]] = [0.0, 0]
    late = Recovered(found.study, rising, found.measures, found.detection)
    assert "with noise “none” from 200 tokens a neuron on" in verdict(late, 0.8)["When it works"]


def test_one_setting_above_the_promise_is_no_failure(found: Recovered) -> None:
    """1 false of 12 in one setting is 8.3 %, and on average over 64 nothing is."""
    rows = found.detection.assign(false_discoveries=0.0)
    keys = ["texts", "noise", "way", "tokens_a_neuron", "measure"]
    one = (rows[keys] == rows.iloc[0][keys]).all(axis=1)
    rows.loc[one, "false_discoveries"] = 1 / 12
    said = verdict(Recovered(found.study, found.states, found.measures, rows), 0.8)
    assert "0.1 % is unchanged, on average over 64 settings" in said["When it works"]
    assert "it is more in 1 of them" in said["When it works"]
    assert "such nulls find" not in said["When it fails"]


def test_the_live_study_is_told_beside_the_other(folder: Path, found: Recovered) -> None:
    write_study(folder / "truth", seeds=(4, 5, 6))
    other = answers.open_study("truth", LIVE, {})
    said = text(answers.live_said(other, found))
    assert "1 seed, 2 noises and 20 neurons, where the study above has 3 seeds, 2 noises and 20 neurons" in said
    assert "another number of words" not in said
    live = Recovered(small_study(), found.states, found.measures, found.detection)
    assert "1 noise and 100 neurons" in text(answers.live_said(other, live))
    assert "another number of words" in text(answers.live_said(other, live))
    assert "No other is at hand" in text(answers.live_said(found, found))


def test_false_alarms_are_drawn_as_what_q_promises(found: Recovered) -> None:
    spec = DRAWN["alarms"](found).to_dict()
    ruled = ["level" in str(panel["hconcat"][0]) for panel in spec["vconcat"]]
    assert ruled == [True, False], "q bounds what is false of the found, and not the share of the unchanged"
    assert "unused ones included, that is found" in spec["description"]


def test_the_commit_of_changes_that_none_holds_is_marked(folder: Path) -> None:
    write_study(folder / "truth")
    found = answers.open_study("truth", LIVE, {})
    found.results.provenance["commit"] = "0123456789abcdef+changes"  # type: ignore[union-attr]
    assert "commit 0123456789ab+changes;" in text(answers.study_line(found))


def test_a_verdict_where_nothing_works_and_where_nothing_fails(found: Recovered) -> None:
    weak = verdict(without(found, power=0.3, rho=NAN, false_discoveries=0.2, precision=0.1), 0.8)
    assert weak["When it works"] == "Nowhere in what was tried."
    assert "by the paper's rule, are both enough with noise “none” at no amount" in weak["When it fails"]
    assert "30.0 % with noise “none”, 30.0 % with noise “some”" in weak["When it fails"]
    assert "rank correlation" not in weak["When it fails"]
    assert "20.0 % is unchanged, on average over 64 settings" in weak["When it fails"]
    assert "it is more in 64 of them" in weak["When it fails"]
    assert "with noise “none” more than was read, by mass more than was read" in weak["How much text it needs"]
    every = found.states.assign(recall=1.0, precision=1.0, found=found.states["true"])
    strong = Recovered(found.study, every, found.measures.assign(rho=1.0), found.detection)
    assert verdict(strong, 0.8)["When it fails"] == "Nowhere in what was tried."
    missed = found.states.assign(recall=0.0, precision=NAN, found=0)
    lost = Recovered(found.study, missed, found.measures, found.detection)
    assert "and no other rule does better" in verdict(lost, 0.8)["When it fails"]


def run_with(folder: Path, words: pd.DataFrame | None) -> Results:
    folder.mkdir(parents=True)
    if words is not None:
        words.to_parquet(folder / "truth_words.parquet")
    return Results(folder.name, folder, "frozen")


def test_what_is_said_of_known_words_by_hand(tmp_path: Path, found: Recovered) -> None:
    """Six tests of gained and avoided neurons and six of shared ones; 3 have p = 0.01, which times 12 is 0.12."""
    run = run_with(tmp_path / "demo", truth_words())
    assert "On the world of demo, what gained neurons prefer" in verdict(found, 0.8, [run])["On trained encoders"]
    said = text(answers.words_said([run]))
    assert "Of the 13 neurons preferred after supervision 3 are gained." in said
    assert "40.0 % of their words (chance: 20.0 %; more than chance)" in said
    assert "20.0 % of their mass (chance: 20.0 %; as chance)" in said
    assert "Of its 12 tests, 3 have p ≤ 0.05 and none where p is multiplied" in said
    assert "gained neurons prefer of evaluative words is not told" in known._words_in_short("demo", truth_words())
    clear = known._words_in_short("demo", truth_words(p=0.001))
    assert "of gained neurons, more than chance of their words and more than chance of their mass and" in clear
    assert "and what avoided neurons prefer of evaluative words is not told from chance" in clear
    assert "less than chance of their words" in known._words_in_short("demo", truth_words(gained=0.05, p=0.001))
    html = text(answers.words_table([run]))
    assert html.count("<tr>") == 13
    assert "<td>20.0 % (10.0 % to 30.0 %)</td><td>0.010</td>" in html


def test_words_where_no_neuron_is_gained_and_where_none_were_kept(tmp_path: Path) -> None:
    words = truth_words()
    words.loc[words["state"] == "gained", ["observed", "expected", "low", "high", "p"]] = NAN
    run, none = run_with(tmp_path / "demo", words), run_with(tmp_path / "small", None)
    assert "No neuron is gained." in text(answers.words_said([run]))
    assert "Of its 9 tests, none have" in text(answers.words_said([run]))
    assert "no neuron is gained, and what avoided" in known._words_in_short("demo", words)
    assert "<td>–</td><td>–</td><td>–</td>" in text(answers.words_table([run]))
    assert "None of the runs" in text(answers.words_said([none]))
    assert text(answers.words_table([none])) == ""


DRAWN = {
    "rules": lambda f: charts.recovered_states(f.where("states", noise="some"), "rule"),
    "noises": lambda f: charts.recovered_states(f.where("states", rule="one token"), "noise"),
    "ways": lambda f: charts.recovered_states(f.where("states", rule="one token", noise="some", way=None), "way"),
    "ranks": lambda f: charts.rank_correlations(f.where("measures", noise="some", way=None, texts=None)),
    "found": lambda f: charts.detected(f.where("detection", noise="some", way=None, texts=None, size="all")),
    "sizes": lambda f: charts.detected(f.where("detection", noise="some", measure="hellinger"), "size"),
    "alarms": lambda f: charts.false_alarms(f.where("detection", noise="some", way=None, texts=None, size="all")),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_chart_of_a_study_speaks_and_fits(kind: str, found: Recovered) -> None:
    spec = DRAWN[kind](found).to_dict()
    assert any(sign.isdigit() for sign in spec["description"])
    assert "nan" not in spec["description"]
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650
    dark = spec["usermeta"]["txray"]["dark"]
    assert {ink.light for ink in theme.SERIES} <= set(dark)


def test_a_chart_says_its_own_numbers(found: Recovered) -> None:
    assert "recall, gained, one token (the paper's): 0.50 at 50, 0.00 at 200" in _spoken(DRAWN["rules"](found))
    assert "argmax, two texts, Hellinger by mass: 0.60 at 50, 0.60 at 200" in DRAWN["ranks"](found).description
    assert "argmax, 0–0.2: 0.00 at 50, 0.25 at 200" in DRAWN["sizes"](found).description
    assert "0.2–0.4: not defined" in DRAWN["sizes"](found).description


def _spoken(chart: object) -> str:
    """The description, its panels' parts spelt out."""
    head, precision, recall = chart.description.partition("recall, ")  # type: ignore[attr-defined]
    return head + precision + "; recall, ".join(recall.split("; "))


def test_a_chart_of_nothing_is_told_and_one_of_a_single_text_is_drawn(found: Recovered) -> None:
    with pytest.raises(TxrayError, match="nothing to draw"):
        charts.rank_correlations(found.measures[:0])
    with pytest.raises(TxrayError, match="Did you mean 'rule'"):
        charts.recovered_states(found.states, "rules")
    one = found.where("measures", noise="some", tokens=1_000)
    assert theme.png(charts.rank_correlations(one).to_dict(), scale=1)
    undefined = found.where("measures", noise="some").assign(rho=NAN)
    chart = charts.rank_correlations(undefined)
    assert "not defined" in chart.description
    assert theme.png(chart.to_dict(), scale=1)
