"""Contexts: the strongest tokens of each neuron, counted by hand and against one sort of all records, and the words around."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import HOSTILE

from txray_lib.corpora import Corpus, Document
from txray_lib.corpora.documents import save_corpus
from txray_lib.settings import QUOTABLE
from txray_lib.steps import quote
from txray_lib.tables import read_table, write_tables

FROZEN = Path(__file__).resolve().parents[2] / "results"


def records(rows: list[tuple[int, int, str, int, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["document", "layer", "feature", "neuron", "activation"])
    return frame.astype({"feature": "category", "activation": "float32", "layer": "int8", "neuron": "int32"})


def test_the_strongest_tokens_are_of_different_documents_and_the_first_of_equal_ones():
    rows = [
        *[(0, 0, "a", 7, 0.9), (0, 0, "b", 7, 0.8), (0, 0, "<unk>", 7, 0.95), (1, 0, "c", 7, 0.5)],
        *[(2, 0, "d", 7, 0.5), (3, 0, "e", 7, 0.5), (3, 0, "f", -1, -0.1)],
        *[(0, 1, "a", 7, 0.1), (0, 1, "b", 2, 0.2)],
    ]
    found = quote.strongest_tokens([records(rows[:5]), records(rows[5:])], ["<unk>"])
    assert found.drop(columns="activation").to_numpy().tolist() == [
        *[[0, 7, 0, 0], [0, 7, 1, 0], [0, 7, 2, 0]],
        *[[1, 2, 0, 1], [1, 7, 0, 0]],
    ]
    with_unknown = quote.strongest_tokens([records(rows)])
    assert with_unknown.iloc[0][["document", "place"]].tolist() == [0, 2]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2**32 - 1)), min_size=1, max_size=8),
    st.sets(st.integers(0, 7)),
)
def test_parts_of_the_text_give_what_the_whole_gives(documents: list[tuple[int, int]], ends: set[int]):
    rows, parts = [], [[]]
    for number, (tokens, seed) in enumerate(documents):
        rng = np.random.default_rng(seed)
        read = [(number, layer, "w") for layer in (0, 1) for _ in range(tokens)]
        its = [(*token, int(rng.integers(-1, 3)), float(rng.integers(1, 4))) for token in read]
        rows += its
        parts[-1] += its
        if number in ends:
            parts.append([])
    whole = quote.strongest_tokens([records(rows)])
    pd.testing.assert_frame_equal(quote.strongest_tokens([records(part) for part in parts if part]), whole)
    for (layer, neuron), own in whole.groupby(["layer", "neuron"]):
        its = [row for row in rows if row[1] == layer and row[3] == neuron]
        best = sorted((max(row[4] for row in its if row[0] == d) for d in {row[0] for row in its}), reverse=True)
        assert own["activation"].tolist() == best[:3]


def test_the_words_around_a_token_end_with_its_document():
    texts = [("one",), tuple("abcdefghijk"), HOSTILE]
    documents = [Document(str(i), "train", str(i), tokens) for i, tokens in enumerate(texts)]
    places = [(0, 0), (1, 0), (1, 5), (1, 10), (2, 0)]
    found = pd.DataFrame(places, columns=["document", "place"]).assign(layer=0, neuron=1, activation=0.5)
    assert quote.quote(found, documents)[["before", "token", "after"]].to_numpy().tolist() == [
        *[["", "one", ""], ["", "a", "b c d e"], ["b c d e", "f", "g h i j"], ["g h i j", "k", ""]],
        ["", HOSTILE[0], " ".join(HOSTILE[1:5])],
    ]


def test_of_a_run_only_what_may_be_quoted_is_read(tmp_path: Path):
    """The reviews of this run are IMDB's: their text and records are not even there."""
    tokens = ("The", "river", "flows")
    save_corpus(Corpus("wiki", (Document("0", "train", "0", tokens, tags=("DT", "NN", "VBZ")),)), tmp_path / "text")
    write_tables([records([(0, 0, word.lower(), 1, 0.5) for word in tokens])], tmp_path / "records")
    corpora = {"pretraining": ("wiki", "wikitext-2"), "target": ("imdb", "imdb")}
    profile = SimpleNamespace(
        corpora=SimpleNamespace(**{r: SimpleNamespace(name=n, source=s) for r, (n, s) in corpora.items()}),
        pretraining=SimpleNamespace(snapshots=[0, 1]),
        collection=SimpleNamespace(exclude_unknown=False),
    )
    files = {("collect-wiki-1", "records.parquet"): "records", ("tags", "stage-pretraining.parquet"): "text"}
    quote.quote_stages(SimpleNamespace(profile=profile, file=lambda *at: tmp_path / files[at]), tmp_path)
    (row,) = read_table(tmp_path / "contexts.parquet").to_dict("records")
    assert row == {
        **{"stage": "wiki-1", "source": "wikitext-2", "layer": 0, "neuron": 1, "activation": 0.5},
        **{"before": "", "token": "The", "after": "river flows"},
    }


@pytest.mark.parametrize("path", sorted(FROZEN.glob("*/contexts.parquet")), ids=lambda path: path.parent.name)
def test_frozen_tables_quote_nothing_that_may_not_be(path: Path):
    rows, stages = read_table(path), read_table(path.with_name("stages.parquet")).set_index("stage")
    assert set(rows["source"]) <= set(QUOTABLE)
    assert set(stages.loc[rows["stage"].unique(), "corpus"]) == {"wiki"}
    words = rows[["before", "after"]].stack().str.split().str.len()
    assert words.max() <= quote.AROUND
    assert rows.groupby(["stage", "layer", "neuron"]).size().max() <= quote.EACH
    assert json.loads(path.with_name("provenance.json").read_text(encoding="utf-8"))["steps"]["contexts"]
