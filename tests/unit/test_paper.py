"""The file of the paper's values: what it must hold, what each entry may say, and how a wrong entry is told."""

import math
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from txray_lib import paper
from txray_lib.audit import MEASURES
from txray_lib.errors import TxrayError
from txray_lib.paper import Claim, claim, claims, judged, value

PUBLISHED = """
S1 units 1500, S2 epochs 50, S3 tokens 400000, S4 f1 0.8, N1 early 544, N1 late 1335, N2 early 944.76, N2 before_last 524.55,
N2 last 519.34, N3 share 0.9992, N4 low 10, N4 high 200, N7 shared 1323, N7 units 1500, N8 drop 12, N9 length 2,
N11 shared 675, N13 gained 85, N14 empty 740, N15 share 1, N15 neurons 20, N16 before 9, N16 after 15, N17 tokens 0.0462,
N17 tags -0.3283, N18 tokens -0.4253, T2-0 example -0.0375, T2-B mass 0.00004, T2-C mass 0.8312, T2-D mass 0.03006,
F6 shared 1323, F8 shared 675, T2-A train 0.0365, T2-A test 0.0280, T2-B train -0.0379, T2-B test 0.0, T2-C train -0.0499,
T2-C test -0.0143, T2-D train -0.0371, T2-D test -0.0387
"""
"""Values as the paper prints them, typed once more."""
JUDGED = {
    "N1": (1335 - 544) / 1500,
    "N7": 1323 / 1500,
    "N8": 12 / 1500,
    "N11": (675 - 1323) / 1500,
    "N12": (1323 - 675) / 1323,
    "N13": 85 / 1500,
    "N17 POS": -0.3283,
    "T2-A train": 0.0365,
    "K8": 519.34 / 944.76 - 1,
    "K26": 0.0280 - 0.0365,
    "K31": -0.0387 - (0.0 - 0.0143) / 2,
    "K54": (0.0280 + 0.0) / 2 - (-0.0143 - 0.0387) / 2,
}
"""The numbers that are judged, from those that are printed."""
ENTRY = {"claim": "a thing", "section": "§3.1", "unit": "share", "paper": 0.5, "asked": "positive", "against": "none"}


def test_values_are_the_papers_and_what_is_judged_follows_from_them():
    for each in PUBLISHED.replace("\n", " ").split(","):
        number, part, printed = each.split()
        assert value(number, part) == pytest.approx(float(printed), rel=1e-12), each
    assert {number: claim(number).paper for number in JUDGED} == pytest.approx(JUDGED, abs=5e-5)
    assert value("N14", "empty") == 1500 - 675 - 85


def test_every_entry_is_judged_by_a_measure_or_a_status_or_repeats_others_or_holds_values():
    assert {its.id for its in judged() if not its.why} <= set(MEASURES) <= {its.id for its in judged()}
    for its in claims().values():
        assert bool(its.unit) != bool(its.see) or its.values, its.id
        assert not its.unit or (its.claim and its.section)
        assert not its.unit or its.why or (its.against and (its.asked or not math.isnan(its.paper)))


def test_every_number_and_figure_of_the_reference_has_a_verdict_or_points_at_one():
    wanted = [f"N{i}" for i in range(1, 19)] + [f"F{i}" for i in range(2, 12)]
    for number in [*wanted, "S2", "S4", "T1", *(f"T2-{name}" for name in "0ABCD")]:
        assert judged(number), number
    assert all(re.match(r"§[23]", its.section) for its in judged())


def test_ids_that_the_file_names_in_its_sentences_exist():
    text = Path(paper.__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\bK\d+\b", body)) <= set(claims())
    assert set(re.findall(r"\bI\d+\b", body)) <= {f"I{i}" for i in range(1, 10)}
    assert set(re.findall(r"\bC(\d+)\b", body)) <= {str(i) for i in range(1, 37)}


def test_an_id_that_points_at_others_gives_those_once_and_in_order():
    assert [its.id for its in judged("F8", "N11", "T2-A")] == ["N11", "T2-A train", "T2-A test", "T2-A C21"]


def test_unknown_ids_and_parts_get_the_nearest_name():
    with pytest.raises(TxrayError, match=r"no value of the paper with the id 'N77'"):
        judged("N1", "N77")
    with pytest.raises(TxrayError, match=r"no part of the paper's N7 'sharde'\. Did you mean 'shared'"):
        value("N7", "sharde")
    with pytest.raises(TxrayError, match="S1 is a setting"):
        judged("S1")


@pytest.mark.parametrize(("key", "given"), [("wat", "x"), ("unit", "words"), ("asked", "less than tow")])
def test_a_wrong_entry_is_told(key, given):
    with pytest.raises(ValidationError, match=key):
        Claim(id="X1", **{**ENTRY, key: given})


@pytest.mark.parametrize(
    ("asked", "side", "threshold"),
    [
        ("positive", 1, 0.0),
        ("negative", -1, 0.0),
        ("more than 0.5", 1, 0.5),
        ("less than -2", -1, -2.0),
        ("less than chance", -1, math.nan),
        ("", 0, math.nan),
    ],
)
def test_a_direction_in_words_is_a_side_and_a_threshold(asked, side, threshold):
    its = Claim(id="X1", **{**ENTRY, "asked": asked, "paper": [-648, 1500]})
    assert (its.side, its.paper) == (side, -648 / 1500)
    assert its.threshold == pytest.approx(threshold, nan_ok=True)
