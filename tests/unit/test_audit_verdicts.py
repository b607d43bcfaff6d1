"""The judge: each verdict by hand, the laws, seeds and siblings, the frozen tables."""

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from txray_lib import audit
from txray_lib.audit import CONTRADICTED, IMPOSSIBLE, INCONCLUSIVE, NOT_STATED, NOT_TESTED, REPRODUCED, SAME
from txray_lib.audit.intervals import SEEDS, Measured, around, plain
from txray_lib.audit.pruning import effect
from txray_lib.paper import Claim, judged
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

FROZEN = Path(__file__).resolve().parents[2] / "results"
REAL = {"pretraining": {"name": "wiki", "source": "wikitext-2"}, "target": {"name": "imdb", "source": "imdb"}}
WORLD = {"pretraining": {"name": "wiki", "source": "wikitext-2"}, "target": {"name": "reviews", "source": "world"}}


def made(paper: float = math.nan, asked: str = "", **status: str) -> Claim:
    entry = {"claim": "a thing", "section": "§3", "unit": "share", "against": "no change"}
    return Claim(id="X1", paper=paper, asked=asked, **entry, **status)


def ours(value: float, half: float, chance: float = 0.0) -> Measured:
    return around(value, half, half, SEEDS, chance)


def verdict(its, measured: Measured, number: int = audit.ENOUGH_SEEDS, generated: bool = False) -> str:
    return audit.decide(its, measured, number, generated)[0]


@pytest.mark.parametrize(
    ("its", "measured", "expected"),
    [
        # a direction: beyond a border, and beyond chance
        (made(asked="positive"), ours(0.5, 0.1), SAME),
        (made(asked="positive"), ours(0.5, 0.6), INCONCLUSIVE),
        (made(asked="positive"), ours(-0.5, 0.6), INCONCLUSIVE),
        (made(asked="positive"), ours(-0.5, 0.1), CONTRADICTED),
        (made(asked="positive"), ours(0.0, 0.0), CONTRADICTED),
        (made(asked="negative"), ours(-0.4, 0.1), SAME),
        (made(asked="negative"), ours(-0.4, 0.1, chance=-0.37), INCONCLUSIVE),
        (made(asked="negative"), ours(-0.3, 0.05, chance=-0.37), INCONCLUSIVE),
        (made(asked="positive"), ours(0.35, 0.1, chance=3.34), INCONCLUSIVE),
        (made(asked="more than 0.5"), ours(0.9, 0.1), SAME),
        (made(asked="more than 0.5"), ours(0.9, 0.1, chance=0.95), INCONCLUSIVE),
        (made(asked="more than 0.5"), ours(0.55, 0.1), INCONCLUSIVE),
        (made(asked="more than 0.5"), ours(0.2, 0.1), CONTRADICTED),
        (made(asked="less than 1"), ours(0.9, 0.05, chance=0.99), SAME),
        (made(asked="more than chance"), ours(0.3, 0.1, chance=0.1), SAME),
        (made(asked="more than chance"), ours(0.3, 0.1, chance=0.25), INCONCLUSIVE),
        (made(asked="more than chance"), ours(0.3, 0.1, chance=0.5), CONTRADICTED),
        # a number alone: nearer to it than half-way to chance
        (made(0.5), ours(0.45, 0.05), REPRODUCED),
        (made(0.5), ours(0.4, 0.2), INCONCLUSIVE),
        (made(0.5), ours(0.02, 0.02), CONTRADICTED),
        (made(0.5), ours(0.5, 0.01, chance=0.5), INCONCLUSIVE),
        (made(0.5), ours(0.6, 0.01, chance=0.5), CONTRADICTED),
        # a number with a direction
        (made(0.5, "positive"), ours(0.5, 0.1), REPRODUCED),
        (made(0.5, "positive"), ours(0.5, 0.4), SAME),
        (made(0.5, "positive"), ours(0.1, 0.05), SAME),
        (made(0.5, "positive"), ours(0.1, 0.45), INCONCLUSIVE),
        (made(-0.5, "positive"), ours(-0.5, 0.1), CONTRADICTED),
        # what was not measured, and what the paper rules out
        (made(0.5), plain(0.5, 0.0, "few sets"), INCONCLUSIVE),
        (made(asked="positive"), Measured(why="no scores"), NOT_TESTED),
        (made(asked="more than chance"), ours(0.5, 0.1, chance=math.nan), NOT_TESTED),
        (made(asked="positive"), ours(0.5, 0.1, chance=math.nan), INCONCLUSIVE),
        (made(asked="positive"), ours(-0.5, 0.1, chance=math.nan), CONTRADICTED),
        (made(0.5, impossible="they do not add up"), ours(0.5, 0.1), IMPOSSIBLE),
        (made(not_stated="no rule"), Measured(why="not there"), NOT_STATED),
        (made(0.5, not_tested="a setting"), ours(0.5, 0.1), NOT_TESTED),
    ],
)
def test_the_seven_verdicts(its, measured, expected):
    assert verdict(its, measured) == expected


def test_fewer_than_five_seeds_and_generated_worlds_reproduce_nothing():
    for its in (made(0.5), made(0.5, "positive")):
        assert verdict(its, ours(0.5, 0.1), audit.ENOUGH_SEEDS) == REPRODUCED
        assert verdict(its, ours(0.5, 0.1), audit.ENOUGH_SEEDS - 1) != REPRODUCED
        assert verdict(its, ours(0.5, 0.1), 99, generated=True) != REPRODUCED


values, halves, sides = st.floats(-1, 1), st.floats(0, 1), st.sampled_from(["positive", "negative"])
STRENGTH = {CONTRADICTED: 1, INCONCLUSIVE: 0, SAME: 1, REPRODUCED: 2}


@given(values, halves, values, values)
def test_a_claim_is_contradicted_exactly_where_the_interval_excludes_it(value, half, chance, paper):
    is_far = max(value - half - paper, paper - value - half) > abs(paper - chance) / 2
    for its, excluded in ((made(asked="positive"), value + half <= 0), (made(paper), is_far)):
        assert (verdict(its, ours(value, half, chance)) == CONTRADICTED) == excluded


@given(values, halves, halves, values, values, st.sampled_from(["", "positive", "negative", "more than chance"]))
def test_noise_never_makes_a_verdict_stronger_or_turns_it_round(value, half, more, chance, paper, asked):
    its = made(paper, asked)
    before, after = verdict(its, ours(value, half, chance)), verdict(its, ours(value, half + more, chance))
    assert STRENGTH[after] <= STRENGTH[before]
    assert after in (before, INCONCLUSIVE, SAME)
    assert (before, after) != (CONTRADICTED, SAME)


@given(values, halves, values, values, st.integers(1, 9), st.booleans())
def test_a_claim_has_the_verdict_of_its_mirror_image(value, half, chance, paper, number, generated):
    found = verdict(made(paper, "positive"), ours(value, half, chance), number, generated)
    assert found == verdict(made(-paper, "negative"), ours(-value, half, -chance), number, generated)


@given(values, halves, values, values, sides)
def test_what_chance_gives_is_never_found_again(value, half, chance, paper, asked):
    found = verdict(made(paper, asked), ours(value, half, chance))
    if abs(value - chance) <= half:
        assert found in (INCONCLUSIVE, CONTRADICTED)


def test_an_effect_is_the_change_less_the_median_random_set_with_both_sources_of_chance():
    random = np.linspace(-0.01, 0.03, 401)
    found = effect(0.05, 0.01, random)
    spread = math.hypot(1.959964 * 0.01, 0.019)
    assert (found.value, found.chance, found.beyond) == pytest.approx((0.05, 0.01, 0.04))
    assert (found.beyond_low, found.beyond_high) == pytest.approx((0.04 - spread, 0.04 + spread))


def test_few_random_sets_and_reviews_without_an_error_give_no_interval():
    for error, drawn, has_interval in ((0.01, 0, False), (0.01, 19, False), (0.01, 20, True), (math.nan, 200, False)):
        found = effect(0.05, error, np.zeros(drawn))
        assert (found.value, found.has_interval) == (0.05, has_interval)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Results]:
    """Makes a run of which nothing is left but what was measured in small, with a name, seed, corpora and settings."""

    def make(name: str, **settings: object) -> Results:
        (tmp_path / name).mkdir()
        shutil.copy(FROZEN / "small" / "measured.parquet", tmp_path / name)
        profile = {"name": name, "about": name, "seed": 1, "corpora": REAL, **settings}
        (tmp_path / name / "profile.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
        return Results(name, tmp_path / name, "frozen")

    return make


def change(results: Results, number: str, **cells: float) -> None:
    """Other measured cells of one claim."""
    table = read_table(results.folder / "measured.parquet")
    for column, cell in cells.items():
        table.loc[table["id"] == number, column] = cell
    write_table(table, results.folder / "measured.parquet")


def row(results: Results, number: str) -> pd.Series:
    return audit.judge(results, number).iloc[0]


def test_every_claim_has_one_row_and_no_number_is_judged_without_what_chance_gives(run):
    rows = audit.judge(run("made"))
    assert list(rows["id"]) == [its.id for its in judged()]
    assert set(rows["verdict"]) <= set(audit.VERDICTS)
    assert (rows["because"].str.len() > 0).all()
    page = (FROZEN.parent / "notebooks" / "audit.md").read_text(encoding="utf-8")
    reasons = rows.loc[rows["low"].notna() & ~rows["verdict"].isin([IMPOSSIBLE, NOT_STATED, NOT_TESTED]), "because"]
    assert {reason.split(",")[0] for reason in reasons} <= set(re.findall(r"^\| ([a-z' ]+) \|", page, re.MULTILINE))
    told = rows[rows["verdict"].isin([SAME, REPRODUCED])]
    assert len(told)
    assert told[["ours", "low", "high", "chance", "beyond_low"]].notna().all(axis=None)
    assert (told["against"].str.len() > 0).all()


def test_siblings_differ_in_the_seed_alone(run):
    first = run("made")
    run("made-seed-2", seed=2)
    run("made-seed-3", seed=3, tokens=9)
    run("other-seed-4", seed=4)
    (run("made-seed-5", seed=5).folder / "measured.parquet").unlink()
    old = run("made-seed-6", seed=6).folder / "measured.parquet"
    write_table(read_table(old).drop(columns="chance"), old)
    assert set(audit.seeds(first)["profile"]) == {"made", "made-seed-2"}, "settings, name, no table, another table"


def test_a_live_seed_of_other_claims_does_not_hide_the_frozen_one(run, workplace):
    for folder in ("results/made", "results/made-seed-2", "build/results/made-seed-2"):
        source = run(folder.replace("/", "-"), seed=int(folder.endswith("2")) + 1).folder
        shutil.copytree(source, workplace / folder)
    first = Results("made", workplace / "results" / "made", "frozen")
    live = workplace / "build" / "results" / "made-seed-2" / "measured.parquet"
    write_table(read_table(live).drop(columns="chance"), live)
    assert set(audit.seeds(first)["profile"]) == {"made", "made-seed-2"}
    assert not first.is_frozen
    with_live = first.digest
    shutil.rmtree(live.parent)
    assert Results("made", first.folder, "frozen").is_frozen
    assert Results("made", first.folder, "frozen").digest != with_live


def test_with_siblings_number_and_chance_are_means_over_seeds_and_five_real_ones_can_reproduce(run):
    first = run("made")
    change(first, "N13", value=0.05, chance=0.01)
    for seed in range(2, 6):
        other = run(f"made-seed-{seed}", seed=seed)
        change(other, "N13", value=0.06 if seed % 2 else 0.05, chance=0.02 if seed % 2 else 0.01)
    its = row(first, "N13")
    assert its[["ours", "chance", "beyond"]].tolist() == pytest.approx([0.054, 0.014, 0.04])
    assert (its["seeds"], its["basis"], its["verdict"]) == (5, SEEDS, REPRODUCED)


def test_seeds_without_the_control_of_the_run_do_not_count(run):
    first = run("made")
    ours_alone = row(first, "K23")
    other = run("made-seed-2", seed=2)
    change(other, "K23", chance=math.nan)
    assert row(first, "K23")["seeds"] == ours_alone["seeds"] == 1
    assert row(first, "N13")["seeds"] == 2


def test_a_run_is_generated_if_any_corpus_is_or_if_nobody_can_tell(run):
    assert not audit.is_generated(run("real"))
    assert audit.is_generated(run("half", corpora=WORLD))
    unknown = run("unknown")
    (unknown.folder / "profile.yaml").write_text("name: unknown\n", encoding="utf-8")
    assert audit.is_generated(unknown)


def test_a_measured_table_is_used_unless_it_lacks_todays_claims(run):
    kept, old = run("kept"), run("old")
    table = read_table(old.folder / "measured.parquet")
    write_table(table[table["id"] != "K5"], old.folder / "measured.parquet")
    assert row(kept, "N7")["ours"] == table.set_index("id").loc["N7", "value"]
    assert "kept too little" in row(old, "N7")["because"], "it was measured anew"


@pytest.mark.parametrize("profile", ["small", "paper-cpu"])
def test_frozen_measured_tables_are_what_is_measured_today(profile):
    results = Results(profile, FROZEN / profile, "frozen")
    pd.testing.assert_frame_equal(results.table("measured"), audit.measure(results), rtol=1e-9, check_dtype=False)
