"""Verdicts: each of the six by hand, the order of the rules, seeds and siblings."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import write_tables

from txray_lib.audit import Measured, decide, is_generated, measure, seeds, siblings, verdicts
from txray_lib.audit.intervals import SEEDS, missing, plain
from txray_lib.audit.verdicts import (
    DIFFERS,
    ENOUGH_SEEDS,
    IMPOSSIBLE,
    NOT_STATED,
    NOT_TESTED,
    REPRODUCED,
    SAME,
    VERDICTS,
    says,
)
from txray_lib.paper import claims, parse
from txray_lib.profiles import load_profile
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

REAL = {"pretraining": {"name": "wiki", "source": "wikitext-2"}, "target": {"name": "imdb", "source": "imdb"}}
WORLD = {"pretraining": {"name": "wiki", "source": "wikitext-2"}, "target": {"name": "reviews", "source": "world"}}


def claim(value: float | None = None, direction: str = "", unit: str = "share", **status: object):
    part = [value, "the part", direction] if direction else [value, "the part"]
    return parse("X1", {"what": "a thing", "section": "§3", "unit": unit, "parts": {"one": part}, **status})


def decided(its, ours: Measured, effect: Measured | None = None, seeds: int = 5, generated: bool = False):
    return decide(its, "one", ours, effect or ours, seeds, generated)


INSIDE, OUTSIDE = Measured(0.5, 0.4, 0.6, SEEDS), Measured(0.8, 0.7, 0.9, SEEDS)


@pytest.mark.parametrize(
    ("its", "ours", "verdict", "because"),
    [
        (claim(0.5), INSIDE, REPRODUCED, "over 5 seeds"),
        (claim(0.5, "positive"), INSIDE, REPRODUCED, "over 5 seeds"),
        (claim(750, unit="neurons"), INSIDE, REPRODUCED, "over 5 seeds"),
        (claim(0.5), OUTSIDE, DIFFERS, "outside our interval"),
        (claim(0.5, "positive"), OUTSIDE, SAME, "claim's sign"),
        (claim(None, "positive"), INSIDE, SAME, "claim's sign"),
        (claim(None, "greater than 0.3"), INSIDE, SAME, "claim's sign"),
        (claim(None, "less than 0.3"), INSIDE, DIFFERS, "goes the other way"),
        (claim(None, "greater than 0.45"), INSIDE, DIFFERS, "interval holds no effect"),
        (claim(None, "negative"), Measured(-0.1, -0.3, 0.1, SEEDS), DIFFERS, "interval holds no effect"),
        (claim(None, "negative"), Measured(0.0, 0.0, 0.0, SEEDS), DIFFERS, "there is no effect"),
        (claim(0.5), plain(0.5), NOT_TESTED, "without an interval"),
        (claim(None, "positive"), plain(0.5), NOT_TESTED, "without an interval"),
        (claim(0.5), missing("the run kept no scores"), NOT_TESTED, "kept no scores"),
        (claim(0.5, impossible="they do not add up"), INSIDE, IMPOSSIBLE, "they do not add up"),
        (claim(None, not_stated="no rule"), INSIDE, NOT_STATED, "no rule"),
        (claim(0.5, not_tested="a setting"), INSIDE, NOT_TESTED, "a setting"),
    ],
)
def test_the_six_verdicts(its, ours, verdict, because):
    found, why = decided(its, ours)
    assert found == verdict
    assert because in why


@pytest.mark.parametrize("few", range(1, ENOUGH_SEEDS))
def test_fewer_than_five_seeds_reproduce_nothing_and_say_so(few):
    verdict, why = decided(claim(0.5), INSIDE, seeds=few)
    assert verdict == NOT_TESTED
    assert "takes five seeds" in why
    for its, ours in ((claim(0.5), OUTSIDE), (claim(None, "positive"), INSIDE), (claim(None, "negative"), INSIDE)):
        assert "fewer than five" in decided(its, ours, seeds=few)[1]
        assert "fewer than five" not in decided(its, ours, seeds=5)[1]


@pytest.mark.parametrize("ours", [INSIDE, OUTSIDE])
@pytest.mark.parametrize("direction", ["", "positive", "negative"])
def test_a_generated_world_never_reproduces_a_number_however_many_seeds(ours, direction):
    verdict, _ = decided(claim(0.5, direction), ours, seeds=99, generated=True)
    assert verdict != REPRODUCED
    assert decided(claim(0.5), INSIDE, seeds=99, generated=True) == (
        NOT_TESTED,
        "the paper's number lies in our interval, but the corpora are generated",
    )


def test_where_the_number_and_the_sign_could_both_be_asked_the_number_comes_first():
    wide = Measured(0.2, -0.1, 0.6, SEEDS)
    assert decided(claim(0.5, "positive"), wide)[0] == REPRODUCED, "inside, though the interval holds no effect"
    assert decided(claim(0.5, "positive"), wide, seeds=4)[0] == DIFFERS, (
        "too few seeds: the sign is asked, and not told"
    )


def test_a_status_of_the_paper_comes_before_anything_measured():
    assert decided(claim(0.5, impossible="no"), missing("not there"))[0] == IMPOSSIBLE
    assert decided(claim(0.5, not_stated="no"), missing("not there"))[0] == NOT_STATED


def test_what_is_missing_comes_before_the_sign():
    assert decided(claim(None, "positive"), missing("no table"), effect=OUTSIDE) == (NOT_TESTED, "no table")


def test_a_comparison_of_parts_is_decided_by_their_difference_and_not_by_the_value():
    parts = {"one": [None, "a", "greater than two"], "two": [None, "b"]}
    its = parse("X1", {"what": "a thing", "section": "§3", "unit": "share", "parts": parts})
    assert decided(its, INSIDE, effect=Measured(0.1, 0.05, 0.15))[0] == SAME
    assert decided(its, INSIDE, effect=Measured(0.1, -0.05, 0.15))[0] == DIFFERS
    assert decided(its, INSIDE, effect=Measured(-0.1, -0.2, -0.05))[0] == DIFFERS
    assert decided(its, INSIDE, effect=missing("the other was not kept")) == (NOT_TESTED, "the other was not kept")


shares = st.floats(-1, 1)


@given(
    shares,
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["positive", "negative"]),
    st.integers(1, 9),
    st.booleans(),
)
def test_a_claim_without_a_number_has_the_verdict_of_its_mirror_image(value, below, above, direction, seeds, generated):
    ours, mirrored = Measured(value, value - below, value + above), Measured(-value, -value - above, -value + below)
    other = {"positive": "negative", "negative": "positive"}[direction]
    found = decided(claim(None, direction), ours, seeds=seeds, generated=generated)
    assert found == decided(claim(None, other), mirrored, seeds=seeds, generated=generated)
    assert found[0] in (SAME, DIFFERS)
    assert (found[0] == SAME) == ((ours.low > 0) if direction == "positive" else (ours.high < 0))


@given(
    shares,
    shares,
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["", "positive"]),
    st.integers(1, 9),
    st.booleans(),
)
def test_reproduced_needs_the_number_inside_five_seeds_and_real_text(
    paper, value, below, above, direction, seeds, generated
):
    ours = Measured(value, value - below, value + above)
    verdict, _ = decided(claim(paper, direction), ours, seeds=seeds, generated=generated)
    wanted = ours.low <= paper <= ours.high and seeds >= 5 and not generated
    assert (verdict == REPRODUCED) == wanted


# Tables of runs


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of one run on real text, with what the audit measures in them."""
    folder = write_tables(tmp_path_factory.mktemp("template") / "made")
    named(folder)
    write_table(measure(Results("made", folder, "frozen")), folder / "measured.parquet", {})
    return folder


@pytest.fixture
def run(template: Path, tmp_path: Path) -> Callable[..., Results]:
    """Makes a copy of the template under another name, with another seed, corpora and settings."""

    def make(name: str, measured: bool = True, **settings: object) -> Results:
        folder = tmp_path / name
        shutil.copytree(template, folder)
        named(folder, **settings)
        if not measured:
            (folder / "measured.parquet").unlink()
        return Results(name, folder, "frozen")

    return make


def named(folder: Path, seed: int = 1, corpora: dict | None = None, **settings: object) -> None:
    profile = {"name": folder.name, "about": folder.name, "seed": seed, "corpora": corpora or REAL, **settings}
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")


def change(results: Results, number: str, part: str, value: float) -> None:
    """Another measured value of one part."""
    table = read_table(results.folder / "measured.parquet")
    key = (table["id"] == number) & (table["part"] == part)
    assert key.sum() == 1
    write_table(table.assign(value=table["value"].mask(key, value)), results.folder / "measured.parquet", {})


def row(results: Results, number: str, part: str) -> pd.Series:
    return verdicts(results).set_index(["id", "part"]).loc[(number, part)]


def test_every_part_that_says_something_has_one_row_in_the_order_of_the_paper(run):
    rows = verdicts(run("made"))
    expected = [(name, part) for name, its in claims().items() for part in its.parts if says(its, part)]
    assert list(zip(rows["id"], rows["part"], strict=True)) == expected
    assert set(rows["verdict"]) <= set(VERDICTS)
    assert (rows["because"].str.len() > 0).all()


def test_counts_are_compared_as_shares_and_the_difference_is_ours_minus_the_papers(run):
    results = run("made")
    shared = (results.transfer("rq2")["state"] == "shared").mean()
    its = row(results, "N7", "shared")
    assert (its["paper"], its["ours"]) == pytest.approx((1323 / 1500, shared))
    assert its["difference"] == pytest.approx(shared - 1323 / 1500)


def test_siblings_differ_in_the_seed_alone(run):
    first = run("made")
    run("made-seed-2", seed=2)
    run("made-seed-3", seed=3, tokens=9)
    run("other-seed-4", seed=4)
    run("made-seed-5", seed=5, measured=False)
    assert [folder.name for folder in siblings(first)] == ["made-seed-2"], "the others: settings, name, not measured"
    assert set(seeds(first)["profile"]) == {"made", "made-seed-2"}


def test_a_run_made_before_a_parameter_existed_is_still_a_sibling(run):
    """Its profile lacks the parameter, and had what is the default now."""
    first, second = run("made"), run("made-seed-2", seed=2)
    settings = load_profile("demo").model_dump()
    (first.folder / "profile.yaml").write_text(yaml.safe_dump({**settings, "name": "made"}), encoding="utf-8")
    del settings["collection"]["shards"], settings["pretraining"]["precision"]
    older = {**settings, "name": "made-seed-2", "seed": 2}
    (second.folder / "profile.yaml").write_text(yaml.safe_dump(older), encoding="utf-8")
    assert [folder.name for folder in siblings(first)] == ["made-seed-2"]
    older["collection"]["tokens"] += 1
    (second.folder / "profile.yaml").write_text(yaml.safe_dump(older), encoding="utf-8")
    assert siblings(first) == []


def test_with_siblings_the_value_is_the_mean_over_seeds_and_five_real_ones_can_reproduce(run):
    first = run("made")
    ours = row(first, "N7", "shared")["ours"]
    for seed in range(2, 6):
        other = run(f"made-seed-{seed}", seed=seed)
        change(other, "N7", "shared", 1.8 - ours if seed % 2 else ours)
    its = row(first, "N7", "shared")
    assert its["ours"] == pytest.approx((3 * ours + 2 * (1.8 - ours)) / 5)
    assert (its["seeds"], its["basis"], its["verdict"]) == (5, SEEDS, REPRODUCED)
    alike = row(first, "N11", "shared")
    assert alike["low"] == pytest.approx(alike["ours"])
    assert alike["high"] == pytest.approx(alike["ours"]), "all seeds agree on everything else"


def test_five_seeds_of_a_world_reproduce_nothing(run):
    first = run("made", corpora=WORLD)
    for seed in range(2, 6):
        run(f"made-seed-{seed}", seed=seed, corpora=WORLD)
    rows = verdicts(first)
    assert rows["seeds"].max() == 5
    assert REPRODUCED not in set(rows["verdict"])


def test_a_run_is_generated_if_any_corpus_is_or_if_nobody_can_tell(run):
    assert not is_generated(run("real"))
    assert is_generated(run("half", corpora=WORLD))
    unknown = run("unknown")
    (unknown.folder / "profile.yaml").write_text("name: unknown\n", encoding="utf-8")
    assert is_generated(unknown)


def test_a_measured_table_is_used_unless_it_lacks_todays_claims(run):
    kept, old = run("kept"), run("old")
    for results in (kept, old):
        change(results, "N7", "shared", 7.0)
    table = read_table(old.folder / "measured.parquet")
    write_table(table[table["id"] != "K5"], old.folder / "measured.parquet", {})
    assert row(kept, "N7", "shared")["ours"] == 7.0
    assert row(old, "N7", "shared")["ours"] <= 1


def test_what_was_not_measured_has_no_seeds_and_no_difference(run):
    its = row(run("made"), "K3", "target")
    assert (its["seeds"], its["verdict"]) == (0, NOT_TESTED)
    assert math.isnan(its["ours"])
    assert math.isnan(its["difference"])
    assert "true tags" in its["because"]
