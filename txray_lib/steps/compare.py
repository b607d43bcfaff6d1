"""What the records say: the steps preferences and transfer, and the same of the controls. May touch: collection … nulls."""

from functools import cache
from pathlib import Path

import pandas as pd

from txray_lib.corpora import UNKNOWN
from txray_lib.encoders.training import kept_updates
from txray_lib.nulls import draw_null
from txray_lib.preferences import NOBODY, aggregate, in_second_half, with_features, write_sum
from txray_lib.stages import Control, comparisons, finetuning_controls, has_constant, stages
from txray_lib.steps import Task
from txray_lib.tables import read_groups, read_table, write_table
from txray_lib.transfer import compare

CONSTANT = "constant"


def sum_preferences(task: Task, folder: Path) -> None:
    """Sum the records of each stage, and of the halves of some, a group of rows at a time."""
    controls = {c.before.partition("/")[0] for c in comparisons(task.profile) if c.question == "control"}
    for stage in stages(task.profile):
        path = task.file(f"collect-{stage.name}", "records.parquet")
        whole = (aggregate(counted(task, records)) for records in read_groups(path))
        write_sum(whole, folder / f"{stage.name}.parquet")
        if stage.name in controls:
            second = in_second_half(group["block"] for group in read_groups(path, ["block"]))
            for name in ("first-half", "second-half"):
                groups = (counted(task, records) for records in read_groups(path))
                half = (aggregate(r[r["block"].isin(second) == (name == "second-half")]) for r in groups)
                write_sum(half, folder / stage.name / f"{name}.parquet")


def counted(task: Task, records: pd.DataFrame) -> pd.DataFrame:
    """Records with the features of the profile; those that hold `<unk>` are nobody's where it leaves that out."""
    features = task.profile.features
    if features:
        records = with_features(records, features.of, features.n)
    if not task.profile.collection.exclude_unknown:
        return records
    unknown = [feature for feature in records["feature"].cat.categories if UNKNOWN in feature.split(" ")]
    return records.assign(neuron=records["neuron"].mask(records["feature"].isin(unknown), NOBODY))


def read_counted(task: Task, stage: str) -> pd.DataFrame:
    """The records of a stage, as `counted` gives them."""
    return counted(task, read_table(task.file(f"collect-{stage}", "records.parquet")))


def compare_stages(task: Task, folder: Path) -> None:
    """Compare the stages, a row for each comparison and neuron."""
    tables = []
    for comparison in comparisons(task.profile):
        names = (comparison.before, comparison.after)
        sides = [read_table(task.file("preferences", f"{name}.parquet")) for name in names]
        table = compare(*sides, task.profile.pretraining.units, names)
        tables.append(table.assign(question=comparison.question))
    write_table(pd.concat(tables, ignore_index=True), folder / "transfer.parquet")


def compare_controls(task: Task, folder: Path) -> None:
    """Compare the controls as the stages are: their transfer, scores and curves."""
    controls, curves = finetuning_controls(task.profile), []
    if controls:
        write_table(_compare_finetuned(task, controls), folder / "control_transfer.parquet")
        write_table(_gather_scores(task, controls), folder / "control_scores.parquet")
    for control in controls:
        curve = read_table(task.file(f"finetune-{control.name}", "curve.parquet"))
        curves.append(curve.assign(phase="finetuning", control=control.name))
    if has_constant(task.profile):
        write_table(_compare_constant(task), folder / "control_epochs.parquet")
        curve = read_table(task.file("pretrain-constant", "curve.parquet"))
        curves.append(curve.assign(phase="pretraining", control=CONSTANT))
    write_table(pd.concat(curves, ignore_index=True), folder / "control_training.parquet")


def _compare_finetuned(task: Task, controls: list[Control]) -> pd.DataFrame:
    """Zero-shot to each control, as the transfer table's rq3 is to the real fine-tuning."""
    by_role = {stage.role: stage.name for stage in stages(task.profile)}
    before, tables = read_table(task.file("preferences", f"{by_role['zero-shot']}.parquet")), []
    for control in controls:
        after = aggregate(read_counted(task, f"{task.profile.corpora.target.name}-{control.name}"))
        names = (by_role["zero-shot"], f"{by_role['supervised']}/{control.name}")
        table = compare(before, after, task.profile.pretraining.units, names)
        tables.append(table.assign(question="rq3", control=control.name))
    return pd.concat(tables, ignore_index=True)


def _compare_constant(task: Task) -> pd.DataFrame:
    """Snapshots at a constant rate, as the transfer table's "rq1" and "epochs" are at the schedule's: RQ1's with the distance
    that chance gives each neuron (`expected`)."""
    units, tables = task.profile.pretraining.units, []
    summed = cache(lambda stage: aggregate(read_counted(task, f"{stage}-{CONSTANT}")))
    for comparison in comparisons(task.profile):
        if comparison.question not in ("rq1", "epochs"):
            continue
        pair = (comparison.before, comparison.after)
        table = compare(*map(summed, pair), units, tuple(f"{stage}/{CONSTANT}" for stage in pair))
        if comparison.question == "rq1":
            sides = [read_counted(task, f"{stage}-{CONSTANT}") for stage in pair]
            null, _ = draw_null("swap", *sides, units, task.profile.nulls.permutations, task.profile.seed)
            table = table.merge(null[["layer", "neuron", "expected"]], on=["layer", "neuron"])
        tables.append(table.assign(question=comparison.question))
    return pd.concat(tables, ignore_index=True).assign(control=CONSTANT)


def _gather_scores(task: Task, controls: list[Control]) -> pd.DataFrame:
    """Scores on the test split, against its true labels: of the real fine-tuning and of each control."""
    settings, seed = task.profile.finetuning, task.profile.seed
    real = read_table(task.file("finetune", "scores.parquet")).query("split == 'test'")
    updates = kept_updates(read_table(task.file("finetune", "curve.parquet")), settings, settings.reviews.train)
    tables = [real.assign(updates=updates, seed=seed, control="real")]
    for control in controls:
        scores = read_table(task.file(f"finetune-{control.name}", "scores.parquet"))
        tables.append(scores.assign(control=control.name))
    return pd.concat(tables, ignore_index=True)
