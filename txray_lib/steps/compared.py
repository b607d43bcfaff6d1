"""What the records say: the steps preferences, transfer and prune. May touch: collection … pruning."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from txray_lib.stages import comparisons, stages
from txray_lib.steps.files import read_texts, read_vocabulary, write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_groups, read_table

if TYPE_CHECKING:
    from torch import Tensor

    from txray_lib.encoders.encoded import Texts
    from txray_lib.encoders.lstm import Classifier

_SCORED = ("train", "test")


def preferences(task: Task, folder: Path) -> None:
    """The records of each stage, and of the halves of some, summed a group of rows at a time."""
    from txray_lib.collection import in_second_half
    from txray_lib.preferences import aggregate
    from txray_lib.spilling import SpillingSum

    controls = {c.before.partition("/")[0] for c in comparisons(task.profile) if c.question == "control"}
    for stage in stages(task.profile):
        path = task.file(f"collect-{stage.name}", "records.parquet")
        names = ["", *(("first-half", "second-half") if stage.name in controls else ())]
        second = in_second_half(group["block"] for group in read_groups(path, ["block"]))
        with ExitStack() as stack:
            sums = {name: stack.enter_context(SpillingSum(folder)) for name in names}
            for records in read_groups(path):
                half = records["block"].isin(second)
                parts = {"": records, "first-half": records[~half], "second-half": records[half]}
                for name, total in sums.items():
                    total.add(excluding_unknown(task, aggregate(parts[name])))
            for name, total in sums.items():
                total.write(folder / stage.name / f"{name}.parquet" if name else folder / f"{stage.name}.parquet")


def excluding_unknown(task: Task, preferences: pd.DataFrame) -> pd.DataFrame:
    """Preferences without `<unk>` where the profile leaves it out, else as they are."""
    from txray_lib.corpora import UNKNOWN
    from txray_lib.preferences import without_features

    return without_features(preferences, [UNKNOWN]) if task.profile.collection.exclude_unknown else preferences


def transfer(task: Task, folder: Path) -> None:
    from txray_lib.transfer import compare

    tables = []
    for comparison in comparisons(task.profile):
        before, after = (
            read_table(task.file("preferences", f"{side}.parquet")) for side in (comparison.before, comparison.after)
        )
        table = compare(before, after, task.profile.pretraining.units, (comparison.before, comparison.after))
        tables.append(table.assign(question=comparison.question))
    write_frame(pd.concat(tables, ignore_index=True), folder / "transfer.parquet")


def prune(task: Task, folder: Path) -> None:
    from txray_lib.pruning import pruning_sets, pruning_tables

    settings = task.profile.pruning
    transfer = read_table(task.file("transfer", "transfer.parquet")).query("question == 'rq3'").reset_index(drop=True)
    classifier, texts, hidden = read_scored(task)
    table, random = pruning_tables(
        classifier,
        transfer,
        pruning_sets(transfer, settings.set_size),
        texts,
        hidden,
        settings,
        task.profile.seed,
        task.device,
    )
    write_frame(table, folder / "pruning.parquet")
    write_frame(random, folder / "pruning_random.parquet")


def read_scored(task: Task) -> tuple[Classifier, dict[str, Texts], dict[str, Tensor]]:
    """The classifier, the reviews that pruning is scored on, and their last hidden states, by split."""
    import torch

    from txray_lib.encoders import load_classifier

    texts = read_texts(task)
    hidden = {
        split: torch.from_numpy(np.load(task.file("finetune", f"hidden-{split}.npy"), allow_pickle=False))
        for split in _SCORED
    }
    classifier = load_classifier(task.file("finetune", "supervised.safetensors"), read_vocabulary(task).digest())
    return classifier, {split: texts[split] for split in _SCORED}, hidden
