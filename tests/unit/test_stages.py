"""Stages and comparisons: those of the paper, in the order of training, for any profile."""

from __future__ import annotations

from typing import Any

import pytest

from txray_lib.engine.plan import Step, declare
from txray_lib.profiles import list_profiles, load_profile
from txray_lib.stages import comparisons, control_stages, finetuning_controls, has_constant, quoted_stages, stages


def with_snapshots(epochs: int, snapshots: list[int]):
    tiny = load_profile("tiny")
    return tiny.model_copy(
        update={"pretraining": tiny.pretraining.model_copy(update={"epochs": epochs, "snapshots": snapshots})}
    )


def test_the_papers_stages():
    found = stages(with_snapshots(50, [0, 1, 49, 50]))
    assert [(s.name, s.role, s.snapshot, s.epoch) for s in found] == [
        ("encyclopedia-0", "untrained", "epoch-0", 0),
        ("encyclopedia-1", "early", "epoch-1", 1),
        ("encyclopedia-49", "before-last", "epoch-49", 49),
        ("encyclopedia-50", "last", "epoch-50", 50),
        ("reviews-zero-shot", "zero-shot", "epoch-50", 50),
        ("reviews-supervised", "supervised", "supervised", 50),
    ]
    assert [s.corpus for s in found] == ["encyclopedia"] * 4 + ["reviews"] * 2


def test_the_comparisons_of_the_research_questions():
    found = comparisons(with_snapshots(50, [0, 1, 49, 50]))
    assert [(c.question, c.name) for c in found] == [
        ("rq1", "encyclopedia-0:encyclopedia-1"),
        ("rq1", "encyclopedia-1:encyclopedia-49"),
        ("rq1", "encyclopedia-49:encyclopedia-50"),
        ("rq2", "encyclopedia-50:reviews-zero-shot"),
        ("rq3", "reviews-zero-shot:reviews-supervised"),
        ("epochs", "encyclopedia-0:encyclopedia-1"),
        ("epochs", "encyclopedia-1:encyclopedia-49"),
        ("epochs", "encyclopedia-49:encyclopedia-50"),
        ("control", "encyclopedia-1/first-half:encyclopedia-1/second-half"),
        ("control", "encyclopedia-50/first-half:encyclopedia-50/second-half"),
        ("control", "reviews-zero-shot/first-half:reviews-zero-shot/second-half"),
        ("control", "reviews-supervised/first-half:reviews-supervised/second-half"),
    ]


def test_snapshots_in_between_are_compared_with_their_neighbours_alone_and_order_does_not_matter():
    profile = with_snapshots(9, [9, 4, 8, 0, 2])
    assert [(s.epoch, s.role) for s in stages(profile)][:5] == [
        (0, "untrained"),
        (2, "early"),
        (4, "between"),
        (8, "before-last"),
        (9, "last"),
    ]
    compared = [(c.question, c.before, c.after) for c in comparisons(profile)]
    assert [c[1:] for c in compared if c[0] == "epochs"] == [
        ("encyclopedia-0", "encyclopedia-2"),
        ("encyclopedia-2", "encyclopedia-4"),
        ("encyclopedia-4", "encyclopedia-8"),
        ("encyclopedia-8", "encyclopedia-9"),
    ]
    assert {c[0] for c in compared if "encyclopedia-4" in c} == {"epochs"}


@pytest.mark.parametrize("name", list_profiles())
def test_all_but_one_research_comparison_hold_the_text_fixed(name):
    """RQ1, its epochs and RQ3 change the weights alone, RQ2 the text alone; every side of a comparison is a stage."""
    profile = load_profile(name)
    by_name = {s.name: s for s in stages(profile)}
    assert len(by_name) == len(stages(profile))
    for c in comparisons(profile):
        before, after = (by_name[side.partition("/")[0]] for side in (c.before, c.after))
        if c.question != "control":
            assert (before.corpus == after.corpus) == (c.question != "rq2")
            assert (before.snapshot == after.snapshot) == (c.question == "rq2")


def test_the_controls_of_a_profile():
    tiny = load_profile("tiny")
    asked = tiny.controls.model_copy(update={"finetuning_seeds": 2, "shuffled_labels": 1})
    tiny = tiny.model_copy(update={"controls": asked})
    found = finetuning_controls(tiny)
    assert [control.name for control in found] == ["shuffled-1", "seed-1", "seed-2"]
    assert [control.seed(tiny) for control in found] == [tiny.seed, tiny.seed + 1000, tiny.seed + 2000]
    assert [stage.name for stage in control_stages(tiny)[2:5]] == [
        "reviews-seed-2",
        "encyclopedia-0-constant",
        "encyclopedia-1-constant",
    ]
    constant = tiny.pretraining.model_copy(update={"schedule": "constant"})
    assert not has_constant(tiny.model_copy(update={"pretraining": constant}))


def test_more_controls_undo_no_earlier_one_and_none_at_all_need_no_step():
    tiny = load_profile("tiny")

    def steps(**asked: Any) -> dict[str, Step]:
        changed = tiny.model_copy(update={"controls": tiny.controls.model_copy(update=asked)})
        return {step.name: step for step in declare(changed)}

    assert "finetune-seed-3" in steps(finetuning_seeds=3)
    assert not any(key.startswith("controls") for key in steps()["finetune-seed-1"].settings)
    none = steps(finetuning_seeds=0, shuffled_labels=0, constant_rate=False)
    assert not [name for name in none if any(word in name for word in ("controls", "shuffled", "seed", "constant"))]
    assert "probe" in none["tables"].needs


@pytest.mark.parametrize("pretraining", ["world", "wikitext-2", "file"])
@pytest.mark.parametrize("target", ["world", "imdb", "file"])
def test_neither_imdb_nor_a_file_of_ones_own_is_quoted(pretraining: str, target: str):
    tiny = load_profile("tiny")
    paths = {"file": "own.txt"}
    corpora = {
        role: getattr(tiny.corpora, role).model_copy(update={"source": source, "path": paths.get(source)})
        for role, source in (("pretraining", pretraining), ("target", target))
    }
    profile = tiny.model_copy(update={"corpora": tiny.corpora.model_copy(update=corpora)})
    quoted = [stage.role for stage in quoted_stages(profile)]
    assert ("last" in quoted) == (pretraining != "file")
    assert {"zero-shot", "supervised"} <= set(quoted) if target == "world" else {*quoted} <= {"last"}
    steps = {step.name: step for step in declare(profile)}
    assert ("contexts" in steps) == bool(quoted)
    if quoted:
        read = {need.removeprefix("collect-") for need in steps["contexts"].needs} - {"tags"}
        assert read == {stage.name for stage in quoted_stages(profile)}
