"""What a choice of definition or of reading does: the steps recollect and definitions. May touch: collection … audit.

A reading is the same text read as the released code reads it in places: other preprocessing, same weights (C9, C10, C13).
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from txray_lib.audit.measures import PAIRS
from txray_lib.audit.switches import compare_pairs, formula_switches, same_weights, what_moves
from txray_lib.collection import Collected, collect
from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.preferences import aggregate
from txray_lib.stages import READ_OTHERWISE, Stage, stages
from txray_lib.steps import Task
from txray_lib.steps.collect import text_of
from txray_lib.steps.compare import counted
from txray_lib.steps.train import load_model, read_vocabulary
from txray_lib.tables import read_table, write_table

READINGS = {"sentence": "C9", "never": "C9", "cased": "C10", "marks": "C13"}
"""Each reading, with its id among the departures of the released code: the hidden state starts anew at every sentence; it runs
through the whole text; tokens keep their capitals, which the vocabulary does not know; ends of sentences and of documents are
features too."""

END_OF_PARAGRAPH = "<eop>"
MARK_TAG = "MARK"
_MARK = "\N{NULL}"

_OF_SNAPSHOTS = ("N1", "N2", "N3", "N8")
"""The quantities that the comparisons "early" and "late" have a part in."""

_SWITCHES = {"reset": ("sentence", ("zero-shot",)), "casing": ("cased", ()), "marks": ("marks", ())}
"""The reading of each switch, and the roles that the released code reads so (none named: all that were read so)."""


def recollect(task: Task, folder: Path, reading: str) -> None:
    """Read stages again, as the released code does, and sum what they prefer."""
    for stage in _stages_of(task, reading):
        collected = collect_as(
            reading,
            load_model(task, stage),
            load_corpus_file(task.file("tags", f"stage-{text_of(task, stage)}.parquet")),
            read_vocabulary(task),
            task.profile.collection.batch_size,
            task.device,
            f"{stage.name}, reading {reading}",
        )
        write_table(aggregate(counted(task, collected.records)), folder / f"{stage.name}.parquet")


def compare_definitions(task: Task, folder: Path) -> None:
    """Tell how far each definition and each reading moves the numbers, and what the same weights prefer."""
    units = task.profile.pretraining.units
    own = {s.role: read_table(task.file("preferences", f"{s.name}.parquet")) for s in stages(task.profile)}
    absent = [name for name, roles in PAIRS.items() if not own.keys() >= set(roles)]
    for role in ("early", "before-last"):
        own.setdefault(role, own["last"].iloc[:0])
    paper = compare_pairs(own, units)
    tables, rows = [formula_switches(own, paper, units)], []
    for name, code in READINGS.items():
        read = {
            stage.role: read_table(task.file(f"recollect-{name}", f"{stage.name}.parquet"))
            for stage in _stages_of(task, name)
        }
        for stage in _stages_of(task, name):
            sides = own[stage.role], read[stage.role]
            rows.append(same_weights(name, code, stage.name, *sides, units))
        for switch in (switch for switch, (used, _) in _SWITCHES.items() if used == name):
            roles = _SWITCHES[switch][1] or tuple(read)
            other = {**own, **{role: read[role] for role in roles}}
            tables.append(what_moves(switch, code, paper, {**paper, **compare_pairs(other, units, roles)}))
    table = pd.concat(tables, ignore_index=True)
    if absent:
        of_absent = (table["id"] == "ranking") & table["part"].astype(str).str.split().str[0].isin(absent)
        table = table[~table["id"].isin(_OF_SNAPSHOTS) & ~of_absent].reset_index(drop=True)
    write_table(table, folder / "definitions.parquet")
    write_table(pd.DataFrame(rows), folder / "same_weights.parquet")


def _stages_of(task: Task, reading: str) -> list[Stage]:
    """The stages that are collected again in this reading."""
    return [stage for stage in stages(task.profile) if stage.role in READ_OTHERWISE[reading]]


def collect_as(
    reading: str,
    model: Encoder | Classifier,
    corpus: Corpus,
    vocabulary: Vocabulary,
    batch_size: int = 64,
    device: str = "cpu",
    what: str = "",
) -> Collected:
    """Collect a tagged corpus in one of the `READINGS`."""
    if reading == "sentence":
        corpus = start_at_sentences(corpus)
    elif reading == "never":
        corpus = carry_through(corpus, batch_size)
    elif reading == "cased":
        vocabulary = replace(vocabulary, lowercase=False)
    else:
        corpus, vocabulary = mark_ends(corpus), _MarkedVocabulary(vocabulary.words, vocabulary.lowercase)
    collected = collect(model, corpus, vocabulary, batch_size, device, what)
    if reading != "marks":
        return collected
    feature = collected.records["feature"].cat.add_categories([END_OF_PARAGRAPH])
    feature.iloc[np.cumsum([len(document) for document in corpus]) - 1] = END_OF_PARAGRAPH
    return replace(collected, records=collected.records.assign(feature=feature))


def start_at_sentences(corpus: Corpus) -> Corpus:
    """Every sentence a document of its own, so that the hidden state starts from zero at each (C9)."""
    return Corpus(corpus.name, tuple(sentence for document in corpus for sentence in _sentences(document)))


def carry_through(corpus: Corpus, lanes: int) -> Corpus:
    """The whole text in at most `lanes` long documents, through each of which the hidden state runs (C9).

    Documents stay in order and whole. A lane has no label, and its block is its own.
    """
    ends = np.cumsum([len(document) for document in corpus])
    lane = np.maximum(ends - 1, 0) * min(lanes, len(corpus)) // max(int(ends[-1]), 1)
    carried = []
    for number in np.unique(lane):
        parts = [corpus.documents[i] for i in np.flatnonzero(lane == number)]
        tokens = tuple(token for part in parts for token in part.tokens)
        tags = tuple(tag for part in parts for tag in part.tags or ())
        carried.append(Document(f"lane {number}", parts[0].split, f"lane {number}", tokens=tokens, tags=tags))
    return Corpus(corpus.name, tuple(carried))


def mark_ends(corpus: Corpus) -> Corpus:
    """A mark after each sentence, and another one after each document (C13)."""
    marked = []
    for document in (document for document in corpus if len(document)):
        tokens, tags = list[str](), list[str]()
        for sentence in _sentences(document):
            tokens += [*sentence.tokens, _MARK]
            tags += [*(sentence.tags or ()), MARK_TAG]
        marked.append(replace(document, tokens=(*tokens, _MARK), tags=(*tags, MARK_TAG), gold=None, sentences=(0,)))
    return Corpus(corpus.name, tuple(marked))


@dataclass(frozen=True)
class _MarkedVocabulary(Vocabulary):
    """Feeds a mark as `<eos>`, the one mark that the encoder knows."""

    def encode(self, tokens: tuple[str, ...]) -> np.ndarray:
        ids = super().encode(tokens)
        ids[[token == _MARK for token in tokens]] = self.end
        return ids


def _sentences(document: Document) -> list[Document]:
    return [
        replace(
            document,
            name=f"{document.name}:{start}",
            tokens=document.tokens[start:end],
            tags=document.tags and document.tags[start:end],
            gold=None,
            sentences=(0,),
        )
        for start, end in pairwise((*document.sentences, len(document)))
        if end > start
    ]
