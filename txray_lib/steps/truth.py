"""What is known, and how much of it is recovered: the steps truth-seed-K and truth-words.

May touch: corpora, truth, tables. Each seed of the study is a step of its own: a workflow engine makes them side by side,
a run that was killed loses one seed at most, and a seed more computes that one alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from txray_lib import places
from txray_lib.stages import comparisons
from txray_lib.steps.files import write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_table

TABLES = ("truth_states", "truth_measures", "truth_detection")


def plant_and_recover(task: Task, folder: Path, seed: int, study: dict[str, Any]) -> None:
    """The study on planted encoders with one seed: its three tables, and the hash of the text it samples."""
    from txray_lib.corpora.documents import content_hash
    from txray_lib.truth import Study, study_tables

    planned = Study.of({**study, "seeds": [seed]})
    for name, table in study_tables(planned, f"seed {seed}").items():
        write_frame(table, folder / f"{name}.parquet")
    hashes = {f"encyclopedia-{seed}": content_hash(planned.corpus(seed))}
    places.write_text(json.dumps({"hashes": hashes}), folder / "facts.json")


def truth_words(task: Task, folder: Path) -> None:
    """Of a run on the worlds: whether gained neurons prefer evaluative words, against chance."""
    from txray_lib.truth import gained_words

    compared = next(c for c in comparisons(task.profile) if c.question == "rq3")
    preferences = [
        read_table(task.file("preferences", f"{name}.parquet")) for name in (compared.before, compared.after)
    ]
    transfer = read_table(task.file("transfer", "transfer.parquet")).query("question == 'rq3'")
    words = read_table(task.file("corpora", "truth.parquet"))
    write_frame(gained_words(*preferences, transfer, words, task.profile.seed), folder / "truth_words.parquet")
