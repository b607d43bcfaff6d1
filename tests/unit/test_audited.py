"""The paper beside ours, as pages show it: rows, filters and their errors, words, escaping, counts that add up."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from telling_tables import write_tables

from txray_lib import answers
from txray_lib.answers import audited
from txray_lib.audit import VERDICTS, measure, verdicts
from txray_lib.errors import TxrayError
from txray_lib.paper import claims
from txray_lib.results import Results
from txray_lib.tables import write_table


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = write_tables(tmp_path_factory.mktemp("results") / "made")
    opened = Results("made", folder, "frozen")
    write_table(measure(opened), folder / "measured.parquet", {})
    return opened


def rows_of(page: str) -> list[list[str]]:
    """The cells of every body row."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    rows = [row for body in bodies for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in rows]


def ids(page: str) -> set[str]:
    return {re.split(r"[: ]", cells[0])[0] for cells in rows_of(page)}


def test_beside_shows_a_row_for_each_part_in_the_order_asked_for(results):
    rows = rows_of(answers.beside(results, "N7", "N1").data)
    assert [cells[0].split(":")[0] for cells in rows] == ["N7", "N1", "N1"]
    expected = verdicts(results).set_index(["id", "part"]).loc[("N7", "shared")]
    assert rows[0][1] == "88.20 % (1,323)"
    assert rows[0][2] == audited.shown(expected["ours"], "neurons")
    assert rows[0][4].startswith(expected["verdict"])


def test_beside_tells_what_a_reader_should_know(results):
    assert "<b>N17</b> (I8): the paper does not say" in answers.beside(results, "N17").data
    assert "<ul>" not in answers.beside(results, "N7").data


def test_beside_refuses_an_unknown_claim(results):
    with pytest.raises(TxrayError, match="no value with the id 'N77'"):
        answers.beside(results, "N1", "N77")


def test_the_table_has_every_part_of_every_claim(results):
    page = answers.audit_table([results]).data
    assert len(rows_of(page)) == len(verdicts(results))
    assert ids(page) == set(claims())


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_filters_the_rows(results, verdict):
    page = answers.audit_table([results], verdict=verdict).data
    rows = rows_of(page)
    assert len(rows) == (verdicts(results)["verdict"] == verdict).sum()
    assert {cells[-1] for cells in rows} <= {verdict}
    assert bool(rows) != ("No claim fits" in page)


def test_a_section_holds_what_lies_below_it_and_nothing_else(results):
    below = ids(answers.audit_table([results], section="§3.3").data)
    assert {"N11", "N13", "N17", "T2-A"} <= below
    assert not below & {"N1", "N7", "K34"}
    assert "K2" not in ids(answers.audit_table([results], section="§2.1").data)


def test_a_claim_that_stands_in_two_sections_is_found_in_both(results):
    for section in ("§3.1", "§3.3.3"):
        assert "S3" in ids(answers.audit_table([results], section=section).data)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"verdict": "difers"}, r"no verdict 'difers'\. Did you mean 'differs'"),
        ({"section": "§3.11"}, r"no section '§3\.11'\. Did you mean '§3"),
    ],
)
def test_a_misspelt_filter_gets_the_nearest_name(results, given, told):
    with pytest.raises(TxrayError, match=told):
        answers.audit_table([results], **given)


def test_reasons_follow_a_table_unless_they_are_left_out(results):
    with_them, without = (answers.audit_table([results], section="§2", reasons=on).data for on in (True, False))
    assert "<summary>Reasons" in with_them
    assert "the paper gives no rule" in with_them
    assert "<details>" not in without


def test_several_runs_stand_together_and_a_claim_is_said_once(results, tmp_path):
    other = Results("other", write_tables(tmp_path / "other", seed=2), "frozen")
    rows = rows_of(answers.audit_table([results, other], section="§3.2").data)
    sevens = [cells for cells in rows if cells[0].startswith("N7")]
    assert [cells[1] for cells in sevens] == ["made", "other"]
    assert [cells[0] for cells in sevens] == [
        "N7: neurons shared between WikiText-2 and IMDB, zero-shot (WikiText-2:IMDB)",
        "N7 (WikiText-2:IMDB)",
    ]


def test_counts_of_verdicts_sum_to_all_parts(results):
    rows = rows_of(answers.verdict_counts([results]).data)
    counts = {cells[0]: int(cells[1]) for cells in rows}
    assert list(counts) == [*VERDICTS, "all"]
    assert sum(counts[verdict] for verdict in VERDICTS) == counts["all"] == len(verdicts(results))
    assert counts["reproduced"] == 0, "one seed, and nobody can tell that its corpora are real"


def test_the_paragraph_of_verdicts_has_the_numbers_of_the_table(results):
    said = answers.verdicts_said([results]).data
    counts = verdicts(results)["verdict"].value_counts()
    tested = int(counts.reindex(VERDICTS[:3]).sum())
    assert f"of {len(verdicts(results))} parts of {len(claims())} claims {tested} could be held" in said
    assert f"{counts['differs']} differ." in said
    assert f"{counts['impossible as stated']} are impossible as stated" in said
    assert "1 seed, fewer than 5" in said


def test_reasons_of_what_was_not_tested_add_up(results):
    rows = rows_of(answers.untested_table([results]).data)
    assert sum(int(cells[2]) for cells in rows) == (verdicts(results)["verdict"] == "not tested").sum()
    settings = next(cells for cells in rows if cells[0].startswith("it is a choice of the experiment, not a finding"))
    assert "S1" in settings[1]
    assert len({cells[0] for cells in rows}) == len(rows)


def test_text_of_a_table_of_measures_is_escaped(results, tmp_path):
    folder = write_tables(tmp_path / "made")
    table = results.table("measured")
    hostile = "<script>alert(1)</script> & more"
    write_table(table.assign(why=hostile, low=math.nan, high=math.nan), folder / "measured.parquet", {})
    opened = Results("made", folder, "frozen")
    for page in (answers.beside(opened, "N7"), answers.audit_table([opened]), answers.untested_table([opened])):
        assert "<script>" not in page.data
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page.data


def test_profiles_are_named_with_commas_and_each_once(results, monkeypatch):
    monkeypatch.setenv("TXRAY_RESULTS", str(results.folder.parent))
    assert [run.profile for run in answers.chosen_runs(" made, ,made")] == ["made"]
    with pytest.raises(TxrayError, match="no profile is named"):
        answers.chosen_runs(" , ")
    with pytest.raises(TxrayError, match=r"there is no profile 'mad'\. Did you mean 'made'"):
        answers.chosen_runs("mad")


def test_the_seeds_of_a_page_are_said(results, tmp_path):
    assert "Only one run of made is at hand" in answers.seeds_said(results).data
    first = Results("tiny", tmp_path / "tiny", "frozen")
    for name in ("tiny", "tiny-seed-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "profile.yaml").write_text(f"name: {name}\n", encoding="utf-8")
        write_table(results.table("measured"), tmp_path / name / "measured.parquet", {})
    assert answers.seeds_said(first).data == "Intervals are over 2 seeds: tiny, tiny-seed-2."


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.882, "neurons", "88.20 %"),
        (0.00004, "share", "0.004 %"),
        (0.9992, "share", "99.92 %"),
        (-0.4253, "change", "−42.53 %"),
        (0.0365, "change", "+3.65 %"),
        (0.0, "change", "0 %"),
        (0.99954, "correlation", "0.99954"),
        (-0.446, "correlation", "−0.446"),
        (1.0, "distance", "1"),
        (944.76, "features", "944.76"),
        (400_000, "number", "400,000"),
        (math.nan, "share", "–"),
    ],
)
def test_a_value_in_its_unit(value, unit, said):
    assert audited.shown(value, unit) == said


@pytest.mark.parametrize(
    ("difference", "unit", "said"),
    [
        (0.1073, "neurons", "+10.73 pp"),
        (-0.025, "share", "−2.50 pp"),
        (0.04, "change", "+4 pp"),
        (-340_000.0, "number", "−340,000"),
        (0.0, "number", "0"),
        (math.nan, "share", "–"),
    ],
)
def test_differences_have_a_sign_and_shares_differ_by_points(difference, unit, said):
    assert audited._difference(SimpleNamespace(difference=difference, unit=unit)) == said


def test_a_verdict_in_words():
    assert audited.verdict_said("not tested", "it is a setting") == "not tested, because it is a setting"
    assert audited.verdict_said("differs", "ours goes the other way") == "differs: ours goes the other way"


def test_the_sections_a_place_names():
    assert audited.sections("§3.1, §3.3.3, Fig. 2") == ["§3.1", "§3.3.3"]
    assert audited.sections("§3, fn 3") == ["§3"]
    assert pd.Series([row.section for row in claims().values()]).map(audited.sections).str.len().min() >= 1
