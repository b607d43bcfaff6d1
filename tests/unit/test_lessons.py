"""Patterns of what went wrong: all that they name exists, all that went wrong is among them, outcomes by hand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
import pytest
from telling_tables import write_tables

from txray_lib.answers import lessons
from txray_lib.audit.verdicts import verdicts
from txray_lib.errors import TxrayError
from txray_lib.results import Results

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY = {"id": "x", "name": "X", "ask": "Why?", "guards": [{"what": "A habit"}]}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results("tiny", write_tables(tmp_path_factory.mktemp("results") / "tiny"), "frozen")


def guards() -> list[lessons.Guard]:
    return [guard for own in lessons.lessons().values() for guard in own.guards]


def test_every_test_that_guards_exists():
    named = [guard.test for guard in guards() if guard.test]
    assert named
    for test in named:
        file, _, function = test.partition("::")
        tree = ast.parse((REPOSITORY / "tests" / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_every_page_that_guards_exists_and_stands_where_the_link_says():
    named = [guard.page for guard in guards() if guard.page]
    assert named
    for page in named:
        folder, _, name = page.rpartition("/")
        source = REPOSITORY / ("book" if folder == "book" else "notebooks") / f"{name}.md"
        assert folder in {"", "book", "{profile}"}
        assert ("\nprofile = " in source.read_text(encoding="utf-8")) == (folder == "{profile}")


def test_every_flaw_and_every_departure_is_an_instance_of_some_pattern():
    own = lessons.lessons().values()
    assert {flaw for each in own for flaw in each.flaws} == set(lessons.FLAWS)
    assert {code for each in own for code in each.departures} == {f"C{n}" for n in range(1, 37)}
    assert all(each.flaws or each.departures or each.claims for each in own)


def test_flaws_have_the_headings_of_the_page_on_reproduction():
    text = (REPOSITORY / "notebooks" / "reproduction.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^### (I\d): (.+)$", text, re.MULTILINE)) == lessons.FLAWS


def test_the_page_tells_every_pattern_once_under_its_name_and_in_the_order_of_the_table():
    text = (REPOSITORY / "notebooks" / "wrong.md").read_text(encoding="utf-8")
    shown = re.findall(r'lesson_shown\("([\w-]+)"', text)
    assert shown == list(lessons.lessons())
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    names = [own.name for own in lessons.lessons().values()]
    assert [name for name in headings if name in names] == names
    assert "## Twelve patterns" in text
    assert len(names) == 12


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"gaurds": []}, "no such key as 'gaurds'. Did you mean 'guards'"),
        ({"ask": None, "id": "y"}, ""),
        ({"guards": []}, "a guard says what"),
        ({"guards": [{"test": "a"}]}, "a guard says what"),
        ({"guards": [{"what": "a", "law": 11}]}, "no law 11"),
        ({"flaws": ["I10"]}, "flaws have no 'I10'"),
        ({"departures": ["C37"]}, "departures have no 'C37'"),
        ({"claims": ["N99"]}, "claims have no 'N99'"),
    ],
)
def test_a_wrong_entry_is_told(wrong, told):
    if not told:
        with pytest.raises(TxrayError, match="ask missing"):
            lessons.parse({key: value for key, value in {**ENTRY, **wrong}.items() if value})
        return
    with pytest.raises(TxrayError, match=told):
        lessons.parse({**ENTRY, **wrong})


def test_an_unknown_pattern_gets_the_nearest_name():
    with pytest.raises(TxrayError, match="Did you mean 'formula'"):
        lessons.lesson("formulas")


def test_instances_in_a_row_are_a_span():
    entry = {**ENTRY, "flaws": ["I1"], "departures": ["C6", "C7", "C8", "C10", "C12", "C13"]}
    assert lessons.parse(entry).instances == "I1, C6–C8, C10, C12, C13"
    assert lessons.parse(ENTRY).instances == "–"


def test_outcomes_are_counted_by_part():
    rows = pd.DataFrame(
        [
            ("N1", "reproduced"),
            ("N1", "same direction"),
            ("N2", "differs"),
            ("N2", "impossible as stated"),
            ("N3", "not tested"),
            ("N4", "differs"),
        ],
        columns=["id", "verdict"],
    )
    assert lessons._outcome(rows, ["N1", "N2"]) == "2 of 3 held, 1 impossible"
    assert lessons._held(rows, ["N1", "N2"]) == "2 of 3"
    assert lessons._held(rows, ["N3"]) == "–"
    assert lessons._outcome(rows, ["N3"]) == "none tested"
    assert lessons._outcome(rows, []) == "none tested"


def test_what_held_is_what_no_run_contradicts(results: Results, monkeypatch: pytest.MonkeyPatch):
    other = Results("other", results.folder, "frozen")
    rows = verdicts(results)[["id", "part", "verdict"]].assign(verdict="not tested").set_index(["id", "part"])
    said = {
        "tiny": {("N3", "share"): "same direction", ("N1", "late"): "same direction", ("N7", "shared"): "differs"},
        "other": {("N3", "share"): "reproduced", ("N1", "late"): "differs", ("N11", "shared"): "not stated"},
    }

    def made(run: Results) -> pd.DataFrame:
        own = rows.copy()
        for key, verdict in said[run.profile].items():
            own.loc[key, "verdict"] = verdict
        return own.reset_index()

    monkeypatch.setattr(lessons, "verdicts", made)
    page = lessons.held_table([results, other]).data
    assert page.count("<tr>") == 2
    assert "N3: fall of the mean distance" in page
    assert "every run" in page
    alone = lessons.held_table([results]).data
    assert alone.count("<tr>") == 3


def test_the_table_and_each_pattern_are_told(results: Results):
    page = lessons.lessons_table([results]).data
    assert page.count("<tr>") == len(lessons.lessons()) + 1
    for own in lessons.lessons().values():
        assert own.name in page
        shown = lessons.lesson_shown(own.id, [results]).data
        assert all(f"<b>{code}" in shown for code in (*own.flaws, *own.claims))
        assert shown.count("<li>") == int(re.search(r"Its (\d+) instances", shown)[1]) + len(own.guards)
    assert 'href="tiny/definitions.html"' in lessons.lesson_shown("formula", [results]).data
    assert 'href="../../book/method.html"' in lessons.lesson_shown("formula", [results]).data
    assert "law 1: same weights, same text" in lessons.lesson_shown("formula", [results]).data
    assert lessons.lesson_shown("unrun", [results]).data.count("C32–C36") == 1
