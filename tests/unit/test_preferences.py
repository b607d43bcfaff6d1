"""Preferences: means per feature, sums that add up, and tokens that are nobody's."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib import preferences as room
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY, add, aggregate, distributions, with_features
from txray_lib.tables import read_table
from txray_lib.transfer import compare

Row = tuple[int, str, str, int, float]
PLAIN = {"feature": object, "tag": object}


def records(rows: list[Row], predictions: list[float] | None = None, labels: list[int] | None = None) -> pd.DataFrame:
    """Records of (document, feature, tag, neuron, activation)."""
    table = pd.DataFrame(rows, columns=["document", "feature", "tag", "neuron", "activation"])
    table = table.assign(layer=0, prediction=predictions or np.nan, y=labels or -1)
    types = {"document": "int32", "layer": "int8", "neuron": "int32", "activation": "float32"}
    types |= {"prediction": "float32", "y": "int8", "feature": "category", "tag": "category"}
    return table.assign(block=("b" + table["document"].astype(str)).astype("category")).astype(types)


HAND = [
    (0, "a", "NN", 0, 1.0),
    (0, "a", "NN", 0, 3.0),
    (0, "a", "VB", 0, 8.0),
    (1, "b", "NN", 0, 4.0),
    (1, "a", "VB", 2, 5.0),
    (1, "c", "JJ", NOBODY, -0.5),
    (2, "d", "JJ", NOBODY, 0.0),
]

rows_of_records = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from("abcdé<"),
        st.sampled_from(["NN", "VB", ","]),
        st.integers(NOBODY, 4),
        st.integers(1, 64).map(lambda eighths: eighths / 8),
    ),
    max_size=40,
)


def test_pairs_and_triples_are_worked_out_by_hand_and_cross_no_document():
    rows = records(HAND)
    pairs = with_features(rows, n=2)
    assert pairs["feature"].tolist() == ["a a", "a a", "b a", "a c"]
    assert pairs["activation"].tolist() == [3.0, 8.0, 5.0, -0.5]
    assert with_features(rows, "tags", 3)["feature"].tolist() == ["NN NN VB", "NN VB JJ"]
    assert with_features(rows, "tags")["feature"].tolist() == rows["tag"].tolist()
    assert aggregate(pairs)[["neuron", "feature", "tag", "count", "activation_sum"]].to_numpy().tolist() == [
        [0, "a a", "NN", 1, 3.0],
        [0, "a a", "VB", 1, 8.0],
        [2, "b a", "VB", 1, 5.0],
    ]


@given(rows_of_records, st.sampled_from([("tokens", "feature"), ("tags", "tag")]), st.integers(1, 3), st.integers(1, 2))
def test_each_token_but_the_first_of_its_document_ends_an_n_gram_in_each_layer(rows, named, n, layers):
    of, column = named
    rows.sort(key=lambda row: row[0])
    text = pd.concat([records(rows).assign(layer=np.int8(layer)) for layer in range(layers)], ignore_index=True)
    found = with_features(text, of, n)
    wanted = []
    for _, document in text.groupby(["layer", "document"]):
        words = document[column].tolist()
        wanted += [" ".join(words[end - n : end]) for end in range(n, len(words) + 1)]
    assert found["feature"].tolist() == wanted
    lengths = text.groupby(["layer", "document"]).size()
    assert len(found) == (lengths - (n - 1)).clip(lower=0).sum()
    assert aggregate(found)["count"].sum() == (found["neuron"] != NOBODY).sum()


def test_by_feature_and_by_tag_are_worked_out_by_hand():
    preferences = aggregate(records(HAND))
    features = distributions(preferences).set_index(["neuron", "feature"])["p"]
    assert features.to_dict() == pytest.approx({(0, "a"): 0.5, (0, "b"): 0.5, (2, "a"): 1.0})
    assert distributions(preferences)["count"].tolist() == [3, 1, 1]
    assert distributions(preferences)["mass"].tolist() == [12.0, 4.0, 5.0]
    tags = distributions(preferences, "tag").set_index(["neuron", "tag"])["p"]
    assert tags.to_dict() == pytest.approx({(0, "NN"): 0.25, (0, "VB"): 0.75, (2, "VB"): 1.0})


def test_probabilities_grouped_by_tag_are_those_of_the_tokens():
    """Neuron 0: a has p 0.5, seen twice as NN and once as VB; b has p 0.5, as NN."""
    grouped = room.grouped_by_tag(aggregate(records(HAND))).set_index(["neuron", "tag"])["p"]
    assert grouped.to_dict() == pytest.approx({(0, "NN"): 0.5 * 2 / 3 + 0.5, (0, "VB"): 0.5 / 3, (2, "VB"): 1.0})


def test_rows_are_kept_apart_by_tag_and_y():
    table = aggregate(records(HAND[:2] + HAND[2:3], predictions=[0.25, 0.5, 0.75], labels=[1, 0, 1]))
    rows = [tuple(r) for r in table[["neuron", "feature", "tag", "y", "count"]].itertuples(index=False)]
    assert sorted(rows) == [(0, "a", "NN", 0, 1), (0, "a", "NN", 1, 1), (0, "a", "VB", 1, 1)]
    by_key = table.set_index(["tag", "y"])
    assert by_key["activation_sum"].to_dict() == {("NN", 0): 3.0, ("NN", 1): 1.0, ("VB", 1): 8.0}
    assert by_key["prediction_sum"].to_dict() == {("NN", 0): 0.5, ("NN", 1): 0.25, ("VB", 1): 0.75}
    assert aggregate(records(HAND))["prediction_sum"].isna().all(), "without a classifier"
    assert distributions(table)["p"].tolist() == [1.0], "y splits the rows, not the distribution"


def test_a_stage_in_which_every_token_is_nobodys_is_an_empty_table():
    preferences = aggregate(records(HAND[-2:]))
    assert len(preferences) == len(distributions(preferences)) == len(room.neurons(preferences)) == 0
    assert list(preferences.columns[:5]) == room.KEYS


@given(rows_of_records)
def test_every_token_is_somebodys_and_lengths_sum_to_no_more(rows: list[Row]):
    preferences = aggregate(records(rows))
    somebodys = [row for row in rows if row[3] != NOBODY]
    assert preferences["count"].sum() == len(somebodys)
    pd.testing.assert_frame_equal(preferences.astype(PLAIN), aggregate(records(rows[::-1])).astype(PLAIN))
    assert math.isclose(preferences["activation_sum"].sum(), sum(row[4] for row in somebodys))
    sizes = room.neurons(preferences)
    assert sizes["length"].sum() <= len(somebodys)
    for size in sizes.itertuples():
        mine = [row for row in somebodys if row[3] == size.neuron]
        features, tags = {row[1] for row in mine}, {row[2] for row in mine}
        assert (size.length, size.tag_length, size.count) == (len(features), len(tags), len(mine))


@settings(max_examples=15)
@given(rows_of_records, st.lists(st.integers(0, 40), max_size=5), st.integers(1, 30))
def test_any_parts_add_to_the_whole_in_memory_and_on_disk(tmp_path_factory, rows: list[Row], cuts, held: int):
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))}) if rows else [0, 0]
    parts = [aggregate(records(rows[start:stop])) for start, stop in pairwise(bounds)]
    whole, path = aggregate(records(rows)).astype(PLAIN), tmp_path_factory.mktemp("sum") / "preferences.parquet"
    pd.testing.assert_frame_equal(add(parts).astype(PLAIN), whole)
    room.write_sum(parts, path, held)
    written = read_table(path)
    pd.testing.assert_frame_equal(written.astype(PLAIN), whole, rtol=1e-12)
    assert written["count"].tolist() == whole["count"].tolist()
    assert written["feature"].cat.categories.is_monotonic_increasing
    assert [p.name for p in path.parent.iterdir()] == ["preferences.parquet"]


def many(layer: int = 0) -> pd.DataFrame:
    """300 rows over 4 neurons, with sums that no float holds exactly."""
    rows = [(i, f"w{i % 75:02}", "NN", i % 4, 0.1 + 1e-3 * i) for i in range(300)]
    return aggregate(records(rows, predictions=[0.1] * 300)).assign(layer=np.int8(layer))


def test_layers_are_added_apart_and_compared_with_themselves(tmp_path):
    parts = [many(layer) for layer in (1, 0, 1, 2)] * 5
    whole = add(parts)
    assert whole.groupby("layer")["count"].sum().to_dict() == {0: 1500, 1: 3000, 2: 1500}
    room.write_sum(iter(parts), tmp_path / "disk.parquet", 100)
    pd.testing.assert_frame_equal(read_table(tmp_path / "disk.parquet").astype(PLAIN), whole.astype(PLAIN), rtol=1e-12)
    assert set(compare(many(5), many(5), 4)["layer"]) == {5}
    with pytest.raises(TxrayError, match="give the same layers of both"):
        compare(whole, many(0), 4)


def test_tables_out_of_anything_are_added_and_sums_need_no_block():
    tables = [many(), many()]
    pd.testing.assert_frame_equal(add(table for table in tables), add(tables))
    pd.testing.assert_frame_equal(aggregate(records(HAND).drop(columns="block")), aggregate(records(HAND)))


def test_what_are_no_preferences_is_told():
    for give, told in (
        (lambda: add([]), "no preferences to add"),
        (lambda: add(None), "no preferences to add"),
        (lambda: aggregate(records(HAND).drop(columns=["y", "prediction"])), "DataFrame without prediction, y"),
        (lambda: add([many(), many().drop(columns=["tag", "y"])]), "numbered 1 are a DataFrame without tag, y"),
        (
            lambda: compare(many(), records(HAND), 4),
            "the preferences after are a DataFrame without activation_sum, count",
        ),
        (lambda: compare(None, many(), 4), "the preferences before are a NoneType without"),
    ):
        with pytest.raises(TxrayError, match=told):
            give()


def test_what_cannot_be_summed_is_told_and_leaves_the_table_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    path.write_text("the old one")
    unnamed = many()
    unnamed["feature"] = unnamed["feature"].where(np.arange(len(unnamed)) > 0)
    with pytest.raises(TxrayError, match="1 rows of the preferences numbered 1 have no feature"):
        room.write_sum([many(), unnamed], path)
    with pytest.raises(TxrayError, match="NOT NULL"):
        room.write_sum([many(), unnamed], path, 10)
    monkeypatch.setitem(room._DUCKDB, "memory_limit", "1MB")
    with pytest.raises(TxrayError, match=r"cannot be summed in .*Free some"):
        room.write_sum([many()] * 3, path, 10)
    assert path.read_text() == "the old one"
    assert [p.name for p in Path(tmp_path).iterdir()] == ["t.parquet"]


@given(st.lists(st.sampled_from("zyxab"), min_size=1, max_size=30), st.integers(0, 30))
def test_the_second_half_is_every_second_block_in_order_of_appearance(blocks: list[str], middle: int):
    parts = [pd.Series(part, dtype="category") for part in (blocks[:middle], blocks[middle:])]
    assert room.in_second_half(parts) == list(dict.fromkeys(blocks))[1::2]


@given(rows_of_records, st.sampled_from(["feature", "tag"]))
def test_a_p_is_a_probability_distribution_of_means(rows: list[Row], by: str):
    table = distributions(aggregate(records(rows)), by)
    assert (table["p"] >= 0).all()
    for neuron, part in table.groupby("neuron"):
        assert part["p"].sum() == pytest.approx(1)
        seen: dict[str, list[float]] = {}
        for row in rows:
            if row[3] == neuron:
                seen.setdefault(row[1 if by == "feature" else 2], []).append(row[4])
        means = {key: sum(values) / len(values) for key, values in seen.items()}
        expected = {key: mean / sum(means.values()) for key, mean in means.items()}
        assert dict(zip(part[by], part["p"], strict=True)) == pytest.approx(expected)
