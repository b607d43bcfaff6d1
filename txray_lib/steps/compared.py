"""What the records say: the steps preferences, transfer and prune. May touch: collection … pruning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from txray_lib.flow import Run
from txray_lib.stages import comparisons, stages
from txray_lib.steps.files import read_texts, read_vocabulary, write_frame
from txray_lib.tables import read_table

if TYPE_CHECKING:
    from torch import Tensor

    from txray_lib.training.encoder import Classifier
    from txray_lib.training.texts import Texts

_SCORED = ("train", "test")


def preferences(run: Run, folder: Path) -> None:
    from txray_lib.collection import halves
    from txray_lib.preferences import aggregate

    def preferences(records: pd.DataFrame) -> pd.DataFrame:
        return excluding_unknown(run, aggregate(records))

    controls = {c.before.partition("/")[0] for c in comparisons(run.profile) if c.question == "control"}
    for stage in stages(run.profile):
        records = read_table(run.file(f"collect-{stage.name}", "records.parquet"))
        write_frame(preferences(records), folder / f"{stage.name}.parquet")
        if stage.name in controls:
            for half, part in zip(("first-half", "second-half"), halves(records), strict=True):
                write_frame(preferences(part), folder / stage.name / f"{half}.parquet")


def excluding_unknown(run: Run, preferences: pd.DataFrame) -> pd.DataFrame:
    """Preferences without `<unk>` where the profile leaves it out, else as they are."""
    from txray_lib.corpora import UNKNOWN
    from txray_lib.preferences import without_features

    return without_features(preferences, [UNKNOWN]) if run.profile.collection.exclude_unknown else preferences


def transfer(run: Run, folder: Path) -> None:
    from txray_lib.transfer import compare

    tables = []
    for comparison in comparisons(run.profile):
        before, after = (
            read_table(run.file("preferences", f"{side}.parquet")) for side in (comparison.before, comparison.after)
        )
        table = compare(before, after, run.profile.pretraining.units, (comparison.before, comparison.after))
        tables.append(table.assign(question=comparison.question))
    write_frame(pd.concat(tables, ignore_index=True), folder / "transfer.parquet")


def prune(run: Run, folder: Path) -> None:
    from txray_lib.pruning import pruning_sets, pruning_tables

    settings = run.profile.pruning
    transfer = read_table(run.file("transfer", "transfer.parquet")).query("question == 'rq3'").reset_index(drop=True)
    classifier, texts, hidden = read_scored(run)
    table, random = pruning_tables(
        classifier,
        transfer,
        pruning_sets(transfer, settings.set_size),
        texts,
        hidden,
        settings,
        run.profile.seed,
        run.device,
    )
    write_frame(table, folder / "pruning.parquet")
    write_frame(random, folder / "pruning_random.parquet")


def read_scored(run: Run) -> tuple[Classifier, dict[str, Texts], dict[str, Tensor]]:
    """The classifier, the reviews that pruning is scored on, and their last hidden states, by split."""
    import torch

    from txray_lib.training import load_classifier

    texts = read_texts(run)
    hidden = {
        split: torch.from_numpy(np.load(run.file("finetune", f"hidden-{split}.npy"), allow_pickle=False))
        for split in _SCORED
    }
    classifier = load_classifier(run.file("finetune", "supervised.safetensors"), read_vocabulary(run).digest())
    return classifier, {split: texts[split] for split in _SCORED}, hidden
