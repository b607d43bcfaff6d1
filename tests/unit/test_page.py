"""What a page shows is escaped, whole, and says where it comes from."""

import json
import math

import altair as alt
import numpy as np
import pandas as pd
import pytest
from running import displayed
from telling_tables import HOSTILE, write_second_layer, write_tables

from txray_lib import page
from txray_lib.errors import TxrayError
from txray_lib.results import Results, open_results
from txray_lib.tables import write_table


@pytest.fixture
def run(tmp_path, monkeypatch) -> Results:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    write_tables(tmp_path / "tiny")
    return open_results("tiny")


@pytest.mark.parametrize("token", HOSTILE)
def test_tokens_never_become_markup(token: str) -> None:
    from markdown_it import MarkdownIt

    parsed = MarkdownIt("commonmark").parseInline(f"before {page.word(token)} after")[0]
    assert {child.type for child in parsed.children} <= {"text", "text_special"}
    assert "".join(child.content for child in parsed.children) == f"before “{page.shorten(token)}” after"
    html = displayed(page.show, pd.DataFrame({token: [token], "b": [(token, ",")]}), token)
    assert "<" not in token or token not in html
    assert html.count('class="txray-token"') == 2


@pytest.mark.parametrize(
    ("value", "form", "written"),
    [
        (3, None, "3"),
        (np.int64(12345), None, "12,345"),
        (0.123456, None, "0.123"),
        (-0.5, None, "−0.5"),
        (12345.6, None, "12,346"),
        (-0.021, "+.1%", "−2.1\u00a0%"),
        (math.nan, ".1%", "–"),
        (True, None, "True"),
    ],
)
def test_numbers_are_written_as_a_reader_expects(value, form: str | None, written: str) -> None:
    frame = pd.DataFrame({"x": pd.Series([value], dtype=object)})
    assert f">{written}</td>" in displayed(page.show, frame, "a", {"x": form} if form else None)


def test_a_verdict_is_a_chip_with_its_reason_and_long_tables_can_be_searched() -> None:
    frame = pd.DataFrame({"verdict": ["contradicted"], "why": ["<so>"]})
    html = displayed(page.show, frame, "a")
    assert all(part in html for part in ('class="txray-chip txray-no">contradicted', "&lt;so&gt;"))
    assert html.count("<th ") == html.count('data-name="verdict"') == html.count("txray-cards") == 1
    assert "txray-long" not in html
    plain = displayed(page.show, frame.rename(columns={"verdict": "told"}), "a")
    assert not any(part in plain for part in ("txray-cards", "data-name"))
    assert "txray-long" in displayed(page.show, pd.concat([frame] * 13), "a")


def test_an_undefined_number_is_a_dash_and_the_word_nan_stays() -> None:
    assert displayed(page.say, f"{math.nan:+.2f}, {math.nan:.1%}, {page.word('nan')}, banana") == "–, –, “nan”, banana"


def test_a_chart_without_words_is_an_error() -> None:
    with pytest.raises(TxrayError, match="description"):
        page.draw(alt.Chart(pd.DataFrame({"a": [1]})).mark_point(), " ")


def test_a_page_names_profile_seed_corpora_and_commit_and_whether_its_profile_has_changed(run: Results) -> None:
    told = displayed(page.source, run)
    for part in ("tiny", "seed 1", "encyclopedia a1a1a1a1a1a1", "commit 0123456789ab", "txray run tiny"):
        assert part in told
    assert "other parameters" not in told
    (run.folder / "profile.yaml").write_text("name: tiny\nseed: 99\n", encoding="utf-8")
    assert "other parameters" in displayed(page.source, open_results("tiny"))


def test_a_page_names_the_other_seeds_of_its_intervals(run: Results) -> None:
    assert "tiny-seed-2" not in displayed(page.source, run)
    other = run.folder.with_name("tiny-seed-2")
    write_tables(other, seed=2)
    write_table(pd.DataFrame({"id": ["N1"]}), other / "measured.parquet")
    its = {**open_results("tiny-seed-2").provenance, "commit": "fedcba9876543210"}
    (other / "provenance.json").write_text(json.dumps(its), encoding="utf-8")
    assert "tiny-seed-2 (commit fedcba987654)" in displayed(page.source, run)


def test_colours_follow_the_role_of_a_stage(run: Results) -> None:
    stages = [run.stage("last"), run.stage("supervised")]
    scale = page.colours(run, stages)
    assert scale.domain == stages
    assert scale.range == [page.colour(run, stage) for stage in stages]
    assert len(set(scale.range)) == 2


def test_claims_show_the_judges_rows(run: Results) -> None:
    told = displayed(page.claims, run, "N11", "N12")
    assert told.count("txray-chip") == 2
    assert "(N12)" in told


@pytest.mark.parametrize(("given", "told"), [("tiny@0", "tiny@2"), ("tiny@2", "tiny@0"), ("tiny", "tiny@0")])
def test_a_page_of_one_layer_says_which_and_names_another(run: Results, given: str, told: str) -> None:
    write_second_layer(run.folder)
    assert f"`{told}` is another" in displayed(page.source, open_results(given))


def test_a_page_of_the_only_layer_says_nothing_of_layers(run: Results) -> None:
    assert "This page shows" not in displayed(page.source, open_results("tiny@0"))
