"""The file of the paper's values: what it must hold, what each entry may say, and how a wrong entry is told."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from txray_lib import paper
from txray_lib.audit.verdicts import MEASURES
from txray_lib.errors import TxrayError
from txray_lib.paper import claim, claims, judged, parse, value

TABLE_2 = {"A": (0.0365, 0.0280), "B": (-0.0379, 0.0), "C": (-0.0499, -0.0143), "D": (-0.0371, -0.0387)}
ENTRY = {
    "claim": "a thing",
    "section": "§3.1",
    "unit": "share",
    "paper": 0.5,
    "asked": "positive",
    "against": "no change",
}


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
        ("N7", "units", 1500),
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
def test_table_2_is_the_papers_in_every_reading_of_it(name, changes):
    assert tuple(value(f"T2-{name}", split) for split in ("train", "test")) == changes
    assert tuple(claim(f"T2-{name} {split}").paper for split in ("train", "test", "C21")) == (*changes, changes[1])


def test_the_number_that_is_judged_follows_from_the_values():
    (a_train, a_test), (_, b_test), (_, c_test), (_, d_test) = TABLE_2.values()
    derived = {
        "S4": value("S4", "f1"),
        "N1": (value("N1", "late") - value("N1", "early")) / 1500,
        "N3": value("N3", "share"),
        "N7": value("N7", "shared") / 1500,
        "N8": (value("N1", "late") - value("N7", "shared")) / 1500,
        "N11": (value("N11", "shared") - value("N7", "shared")) / 1500,
        "N12": value("N12", "lost"),
        "N13": value("N13", "gained") / 1500,
        "N15": value("N15", "neurons") / value("N15", "of"),
        "N17 tokens": value("N17", "tokens"),
        "N17 ratios": value("N17", "mean_of_ratios"),
        "N17 POS": value("N17", "tags"),
        "N18": value("N18", "tokens"),
        "T2-B mass": value("T2-B", "mass"),
        "T2-C mass": value("T2-C", "mass"),
        "T2-D mass": value("T2-D", "mass"),
        "K8": value("N2", "last") / value("N2", "early") - 1,
        "K26": a_test - a_train,
        "K31": d_test - (b_test + c_test) / 2,
        "K54": (a_test + b_test) / 2 - (c_test + d_test) / 2,
    }
    for number, expected in derived.items():
        assert claim(number).paper == pytest.approx(expected, abs=5e-5), number
    assert value("N12", "lost") == pytest.approx((1323 - 675) / 1323, abs=5e-5)
    assert value("N14", "empty") == 1500 - 675 - 85


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


def test_every_number_and_figure_of_the_reference_has_a_verdict_or_points_at_one():
    wanted = [f"N{i}" for i in range(1, 19)] + [f"F{i}" for i in range(2, 12)]
    for number in [*wanted, "S2", "S4", "T1", *(f"T2-{name}" for name in "0ABCD")]:
        assert judged(number), number


def test_every_claim_without_a_status_is_measured_and_nothing_else_is():
    open_claims = {its.id for its in judged() if not its.status}
    assert open_claims <= set(MEASURES) <= {its.id for its in judged()}


def test_every_judged_claim_has_a_place_in_the_paper():
    for its in judged():
        assert re.match(r"§[23]", its.section), its.id
        assert its.claim[-1] not in ".:", its.id


def test_ids_that_the_file_names_in_its_sentences_exist():
    text = Path(paper.__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\bK\d+\b", body)) <= set(claims())
    assert set(re.findall(r"\bI\d+\b", body)) <= {f"I{i}" for i in range(1, 10)}
    assert set(re.findall(r"\bC(\d+)\b", body)) <= {str(i) for i in range(1, 37)}


def test_an_id_that_points_at_others_gives_those_once_and_in_order():
    assert [its.id for its in judged("F8", "N11", "T2-A")] == ["N11", "T2-A train", "T2-A test", "T2-A C21"]


def test_unknown_ids_and_parts_get_the_nearest_name():
    with pytest.raises(TxrayError, match=r"no value with the id 'N77'"):
        value("N77", "shared")
    with pytest.raises(TxrayError, match=r"no value with the id 'N77'"):
        judged("N1", "N77")
    with pytest.raises(TxrayError, match=r"N7 has no part 'sharde'\. Did you mean 'shared'"):
        value("N7", "sharde")
    with pytest.raises(TxrayError, match="S1 is a setting"):
        judged("S1")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (entry(wat="x"), r"X1: no such key as 'wat'"),
        ({"unit": "share", "paper": 1, "against": "x"}, r"X1: claim, section missing"),
        ({"claim": "a thing"}, r"X1: it needs a unit, see, or values"),
        (entry(unit="shares"), r"X1: no such unit as 'shares'\. Did you mean 'share'"),
        (entry(see="N7"), r"X1: it is judged \(unit\) and repeats another"),
        (entry(asked="upward"), r"X1: 'upward' is no direction"),
        (entry(asked="less than tow"), r"X1: 'less than tow' is no direction"),
        (entry(not_tested="why", impossible="so"), r"X1 is both impossible and not_tested"),
        ({key: ENTRY[key] for key in ("claim", "section", "unit", "paper")}, r"X1: a claim needs"),
    ],
)
def test_a_wrong_entry_is_told_with_its_id_and_what_is_wrong(wrong, told):
    with pytest.raises(TxrayError, match=told):
        parse("X1", wrong)


@pytest.mark.parametrize(
    ("asked", "side", "threshold"),
    [
        ("positive", 1, 0.0),
        ("negative", -1, 0.0),
        ("more than 0.5", 1, 0.5),
        ("less than -2", -1, -2.0),
        ("more than chance", 1, math.nan),
        ("less than chance", -1, math.nan),
        ("", 0, math.nan),
    ],
)
def test_a_direction_in_words_is_a_side_and_a_threshold(asked, side, threshold):
    its = parse("X1", entry(asked=asked))
    assert its.side == side
    assert its.threshold == pytest.approx(threshold, nan_ok=True)


def test_a_pair_of_numbers_is_a_share():
    assert parse("X1", entry(paper=[-648, 1500])).paper == -648 / 1500
