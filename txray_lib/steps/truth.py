"""What is known, and how much of it is recovered: the steps truth and truth-words. May touch: corpora, truth, tables."""

from __future__ import annotations

import json
from pathlib import Path

from txray_lib import places
from txray_lib.flow import Run
from txray_lib.stages import comparisons
from txray_lib.steps.files import write_frame
from txray_lib.tables import read_table


def truth(run: Run, folder: Path) -> None:
    """The study on planted encoders of the profile's group `truth`: its three tables, and the hashes of its texts."""
    from txray_lib.corpora.documents import content_hash
    from txray_lib.truth import Study, study_tables

    study = Study.of(run.profile.part("truth"))
    for name, table in study_tables(study, "planted encoders").items():
        write_frame(table, folder / f"{name}.parquet")
    hashes = {f"encyclopedia-{seed}": content_hash(study.corpus(seed)) for seed in study.seeds}
    places.write_text(json.dumps({"hashes": hashes}), folder / "facts.json")


def truth_words(run: Run, folder: Path) -> None:
    """Of a run on the worlds: whether gained neurons prefer evaluative words, against chance."""
    from txray_lib.truth import gained_words

    compared = next(c for c in comparisons(run.profile) if c.question == "rq3")
    preferences = [read_table(run.file("preferences", f"{name}.parquet")) for name in (compared.before, compared.after)]
    transfer = read_table(run.file("transfer", "transfer.parquet")).query("question == 'rq3'")
    words = read_table(run.file("corpora", "truth.parquet"))
    write_frame(gained_words(*preferences, transfer, words, run.profile.seed), folder / "truth_words.parquet")
