"""The text around the strongest tokens of each neuron, where it may be published: the step contexts.

Which text that is stands in `settings.QUOTABLE`; what is quoted is escaped wherever it is shown (law 10).
May touch: corpora, preferences, stages, steps, tables.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from txray_lib.corpora import UNKNOWN, Document
from txray_lib.corpora.documents import stream_corpus_file
from txray_lib.preferences import NOBODY
from txray_lib.stages import quoted_stages
from txray_lib.steps import Task
from txray_lib.steps.collect import text_of
from txray_lib.tables import read_groups, write_table

EACH = 3
"""Contexts of a neuron."""
AROUND = 4
"""Words on either side of its token."""
_READ = ["document", "layer", "feature", "neuron", "activation"]


def quote_stages(task: Task, folder: Path) -> None:
    """Quote the words around the strongest tokens of each neuron, of text that may be published."""
    tables = []
    for stage in quoted_stages(task.profile):
        text = text_of(task, stage)
        records = read_groups(task.file(f"collect-{stage.name}", "records.parquet"), _READ)
        left_out = [UNKNOWN] if task.profile.collection.exclude_unknown else []
        found = strongest_tokens(records, left_out)
        quoted = quote(found, stream_corpus_file(task.file("tags", f"stage-{text}.parquet")))
        source = getattr(task.profile.corpora, text).source
        tables.append(quoted.assign(stage=stage.name, source=source))
    columns = ["stage", "source", "layer", "neuron", "activation", "before", "token", "after"]
    write_table(pd.concat(tables, ignore_index=True)[columns], folder / "contexts.parquet")


def strongest_tokens(groups: Iterable[pd.DataFrame], left_out: Sequence[str] = ()) -> pd.DataFrame:
    """The `EACH` tokens, of different documents, that excited each neuron most; of equal ones the first in the text.

    groups    records, whole documents in each, those of a layer in the order of the text
    left_out  features that are no neuron's

    Columns layer, neuron, document, place (of the token in its document, from 0), activation; of a neuron the strongest first.
    """
    columns = ["layer", "neuron", "document", "place", "activation"]
    held = list[pd.DataFrame]()
    for group in groups:
        place = group.groupby(["layer", "document"], sort=False).cumcount()
        somebodys = (group["neuron"] != NOBODY) & ~group["feature"].isin(left_out)
        both = pd.concat([*held, group.assign(place=place).loc[somebodys, columns]], ignore_index=True)
        both = both.sort_values(["layer", "neuron", "activation"], ascending=[True, True, False], kind="stable")
        both = both.drop_duplicates(["layer", "neuron", "document"])
        held = [both.groupby(["layer", "neuron"]).head(EACH)]
    return held[0].reset_index(drop=True)


def quote(found: pd.DataFrame, documents: Iterable[Document]) -> pd.DataFrame:
    """Rows of `strongest_tokens` with the `AROUND` words before and after each token, in their document's spelling."""
    wanted = found.groupby("document")["place"].unique()
    words = {}
    for number, document in enumerate(documents):
        for place in wanted.get(number, ()):
            before = document.tokens[max(0, place - AROUND) : place]
            after = document.tokens[place + 1 : place + 1 + AROUND]
            words[number, place] = (" ".join(before), document.tokens[place], " ".join(after))
    quoted = [words[at] for at in zip(found["document"], found["place"], strict=True)]
    parts = pd.DataFrame(quoted, columns=["before", "token", "after"], index=found.index)
    return found.drop(columns=["document", "place"]).join(parts)
