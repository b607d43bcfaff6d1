"""Stages and comparisons: those of the paper, in the order of training, for any profile."""

import pytest

from txray_lib.engine.plan import Step, declare
from txray_lib.profiles import list_profiles, load_profile
from txray_lib.stages import comparisons, control_stages, finetuning_controls, has_constant, quoted_stages, stages


def with_snapshots(epochs: int, snapshots: list[int]):
    tiny = load_profile("tiny")
    changed = tiny.pretraining.model_copy(update={"epochs": epochs, "snapshots": snapshots})
    return tiny.model_copy(update={"pretraining": changed})


def test_the_papers_stages_and_those_between_in_whatever_order_snapshots_are_named():
    found = stages(with_snapshots(50, [50, 1, 7, 49, 0]))
    assert [(s.name, s.role, s.corpus, s.snapshot, s.epoch) for s in found] == [
        ("encyclopedia-0", "untrained", "encyclopedia", "epoch-0", 0),
        ("encyclopedia-1", "early", "encyclopedia", "epoch-1", 1),
        ("encyclopedia-7", "between", "encyclopedia", "epoch-7", 7),
        ("encyclopedia-49", "before-last", "encyclopedia", "epoch-49", 49),
        ("encyclopedia-50", "last", "encyclopedia", "epoch-50", 50),
        ("reviews-zero-shot", "zero-shot", "reviews", "epoch-50", 50),
        ("reviews-supervised", "supervised", "reviews", "supervised", 50),
    ]


def test_the_comparisons_of_the_research_questions_and_of_neighbours():
    compared: dict[str, list[tuple[str, str]]] = {}
    for c in comparisons(with_snapshots(50, [50, 1, 7, 49, 0])):
        assert c.name == f"{c.before}:{c.after}"
        short = tuple(side.replace("encyclopedia", "e").replace("reviews", "r") for side in (c.before, c.after))
        compared.setdefault(c.question, []).append(short)
    halves = [(f"{s}/first-half", f"{s}/second-half") for s in ("e-1", "e-50", "r-zero-shot", "r-supervised")]
    assert compared == {
        "rq1": [("e-0", "e-1"), ("e-1", "e-49"), ("e-49", "e-50")],
        "rq2": [("e-50", "r-zero-shot")],
        "rq3": [("r-zero-shot", "r-supervised")],
        "epochs": [("e-0", "e-1"), ("e-1", "e-7"), ("e-7", "e-49"), ("e-49", "e-50")],
        "control": halves,
    }


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
    names = [stage.name for stage in control_stages(tiny)[2:5]]
    assert names == ["reviews-seed-2", "encyclopedia-0-constant", "encyclopedia-1-constant"]
    constant = tiny.pretraining.model_copy(update={"schedule": "constant"})
    assert not has_constant(tiny.model_copy(update={"pretraining": constant}))


def test_more_controls_undo_no_earlier_one_and_none_at_all_need_no_step():
    tiny = load_profile("tiny")

    def steps(**asked: object) -> dict[str, Step]:
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
