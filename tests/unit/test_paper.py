"""The file of the paper's values: what it must hold, what each entry may say, and how a wrong entry is told."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from txray_lib import paper
from txray_lib.errors import TxrayError
from txray_lib.paper import claims, parse, value

TABLE_2 = {"A": (0.0365, 0.0280), "B": (-0.0379, 0.0), "C": (-0.0499, -0.0143), "D": (-0.0371, -0.0387)}
ENTRY = {"what": "a thing", "section": "§3.1", "unit": "share", "parts": {"one": [0.5, "its label", "positive"]}}


def entry(**changes: object) -> dict[str, object]:
    return {**ENTRY, **changes}


@pytest.mark.parametrize(
    ("number", "part", "expected"),
    [
        ("S1", "units", 1500),
        ("S2", "epochs", 50),
        ("S3", "tokens", 400_000),
        ("S4", "f1", 0.8),
        ("N1", "early", 544),
        ("N1", "late", 1335),
        ("N2", "early", 944.76),
        ("N2", "before_last", 524.55),
        ("N2", "last", 519.34),
        ("N3", "share", 0.9992),
        ("N4", "low", 10),
        ("N4", "high", 200),
        ("N7", "shared", 1323),
        ("N8", "drop", 12),
        ("N9", "length", 2),
        ("N11", "shared", 675),
        ("N13", "gained", 85),
        ("N14", "empty", 740),
        ("N15", "share", 1),
        ("N15", "neurons", 20),
        ("N16", "before", 9),
        ("N16", "after", 15),
        ("N17", "tokens", 0.0462),
        ("N17", "tags", -0.3283),
        ("N18", "tokens", -0.4253),
        ("T2-0", "example", (77 - 80) / 80),
        ("T2-B", "mass", 0.00004),
        ("T2-C", "mass", 0.8312),
        ("T2-D", "mass", 0.03006),
        ("F6", "shared", 1323),
        ("F8", "shared", 675),
    ],
)
def test_values_are_the_papers(number, part, expected):
    assert value(number, part) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "changes"), TABLE_2.items())
def test_table_2_is_the_papers_for_both_ways_of_pruning(name, changes):
    its = claims()[f"T2-{name}"].parts
    assert tuple(its[split].value for split in ("train", "test")) == changes
    assert tuple(its[f"{split}_classifier"].value for split in ("train", "test")) == changes


def test_what_follows_from_other_values_of_the_paper_does_follow():
    (a_train, a_test), (b_train, b_test), (c_train, c_test), (d_train, d_test) = TABLE_2.values()
    derived = {
        ("N12", "lost"): (1323 - 675) / 1323,
        ("K26", "gap"): a_test - a_train,
        ("K27", "gap"): b_test - b_train,
        ("K28", "gap"): c_train - min(a_train, b_train, d_train),
        ("K29", "gap"): c_test - c_train,
        ("K30", "gap"): d_test - d_train,
        ("K31", "d_b"): d_test - b_test,
        ("K31", "d_c"): d_test - c_test,
        ("K54", "gap"): min(a_test, b_test) - max(c_test, d_test),
    }
    for (number, part), expected in derived.items():
        assert value(number, part) == pytest.approx(expected, abs=5e-5), number


def test_table_1_is_the_papers():
    listed = {
        200: (1307.42, 141),
        1210: (501.97, 161),
        125: (299.12, 77),
        1289: (7.92, 14),
        372: (4.18, 1),
        688: (0.48, 1),
    }
    assert {n: (value("T1", f"{n} mass"), value("T1", f"{n} length")) for n in listed} == listed
    assert value("T1", "most_length") == sorted(length for _, length in list(listed.values())[:3])[1]
    assert value("T1", "least_length") == sorted(length for _, length in list(listed.values())[3:])[1]


def test_every_id_of_the_reference_and_every_figure_has_a_row():
    wanted = [f"S{i}" for i in range(1, 6)] + [f"N{i}" for i in range(1, 19)] + [f"F{i}" for i in range(1, 12)]
    wanted += ["T1", *(f"T2-{name}" for name in "0ABCD")]
    assert set(wanted) <= set(claims())
    sentences = sorted(int(name[1:]) for name in claims() if name.startswith("K"))
    assert sentences == list(range(1, len(sentences) + 1))


def test_every_claim_has_a_place_in_the_paper_and_every_part_says_something_or_is_compared_with():
    for name, claim in claims().items():
        assert re.match(r"§[123]", claim.section), name
        others = {part.than for part in claim.parts.values() if isinstance(part.than, str)}
        for part, its in claim.parts.items():
            says = its.direction or part in claim.statuses or not math.isnan(its.value)
            assert says or part in others, f"{name}.{part}"


def test_ids_that_the_file_names_in_its_sentences_exist():
    text = Path(paper.__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\bK\d+\b", body)) <= set(claims())
    assert set(re.findall(r"\bI\d+\b", body)) <= {f"I{i}" for i in range(1, 10)}
    assert set(re.findall(r"\bC(\d+)\b", body)) <= {str(i) for i in range(1, 37)}


def test_counts_of_neurons_are_compared_as_shares_and_nothing_else_is():
    assert claims()["N7"].compared("shared") == pytest.approx(0.882)
    assert claims()["N3"].compared("share") == 0.9992
    assert math.isnan(claims()["K5"].compared("longer"))


def test_unknown_ids_and_parts_get_the_nearest_name():
    with pytest.raises(TxrayError, match=r"no value with the id 'N77'"):
        value("N77", "shared")
    with pytest.raises(TxrayError, match=r"N7 has no part 'sharde'\. Did you mean 'shared'"):
        value("N7", "sharde")
    with pytest.raises(TxrayError, match=r"K5 has no part 'longer'"):
        value("K5", "longer")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (entry(wat="x"), r"X1: no such key as 'wat'\. Did you mean 'what'"),
        ({"what": "a thing", "unit": "share"}, r"X1: parts, section missing"),
        (entry(unit="shares"), r"X1: no such unit as 'shares'\. Did you mean 'share'"),
        (entry(parts={"one": 0.5}), r"X1\.one: a part is"),
        (entry(parts={"one": [0.5]}), r"X1\.one: a part is"),
        (entry(parts={"one": [0.5, "a", "positive", "b"]}), r"X1\.one: a part is"),
        (entry(parts={"one": [0.5, "a", "upward"]}), r"X1\.one: 'upward' is no direction"),
        (entry(parts={"one": [0.5, "a", "less than tow"], "two": [None, "b"]}), r"X1\.one: 'tow' is neither .* 'two'"),
        (entry(not_tested={"won": "why"}), r"X1: not_tested names no part of it: 'won'\. Did you mean 'one'"),
        (entry(not_tested="why", impossible={"one": "so"}), r"X1\.one is both impossible and not_tested"),
    ],
)
def test_a_wrong_entry_is_told_with_its_id_and_what_is_wrong(wrong, told):
    with pytest.raises(TxrayError, match=told):
        parse("X1", wrong)


def test_an_entry_is_read_as_it_stands():
    parts = {"one": [None, "a", "less than 0.5"], "two": [3, "b", "greater than one"], "three": [-1, "c", "negative"]}
    claim = parse("X1", entry(parts=parts, not_stated={"two": "no rule"}, flag="I3", also={"four": 4}))
    assert [(part.direction, part.than) for part in claim.parts.values()] == [
        ("less", 0.5),
        ("greater", "one"),
        ("less", 0.0),
    ]
    assert math.isnan(claim.parts["one"].value)
    assert claim.statuses == {"two": ("not_stated", "no rule")}
    assert (claim.flag, claim.also) == ("I3", {"four": 4})


def test_one_sentence_of_status_is_for_all_parts():
    claim = parse("X1", entry(parts={"one": [1, "a"], "two": [2, "b"]}, impossible="it cannot be"))
    assert claim.statuses == dict.fromkeys(("one", "two"), ("impossible", "it cannot be"))
