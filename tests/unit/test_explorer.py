"""The explorer on hand-made tables: what its scripts and frames hold, and which neuron its page shows first."""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from by_hand import preferences_of
from telling_tables import HOSTILE, write_second_layer, write_tables

from txray_lib import explorer
from txray_lib.preferences import distributions
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results("tiny", write_tables(tmp_path / "tiny"), "frozen")


def body(path: Path) -> object:
    found = re.fullmatch(r'txrayShard\("([^"]+)",(.*)\)', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    assert found[1] == f"{path.parent.name}/{path.stem}"
    return json.loads(found[2])


def test_the_scripts_hold_every_preference_of_every_stage(results: Results, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "tiny"
    folder.mkdir(parents=True)
    (folder / "n999.js").write_text("old")
    paths = explorer.write_shards(results, folder)
    assert sorted(folder.iterdir()) == sorted(paths), "old scripts do not stay"
    neurons = {int(n): own for path in paths if path.stem[1:].isdigit() for n, own in body(path).items()}
    for number, stage in enumerate(results.roles):
        table = results.preferences(stage)
        for neuron, rows in distributions(table).groupby("neuron"):
            own = neurons[neuron]["s"][str(number)]
            words = [neurons[neuron]["w"][t] for t in own["t"]]
            assert dict(zip(words, own["c"], strict=True)) == rows.set_index("feature")["count"].to_dict()
            assert sum(own["p"]) == pytest.approx(1e6, abs=len(own["p"]))
            assert sum(part for _, part in own["g"]) == pytest.approx(1e6, abs=len(own["g"]))
            assert own["p"] == sorted(own["p"], reverse=True)
            assert own["k"] == rows["count"].sum()


def test_the_words_around_strong_tokens_stand_with_their_neuron_and_their_source(results: Results, tmp_path) -> None:
    rows = results.table("contexts")
    paths = explorer.write_shards(results, tmp_path / "made")
    made = {n: own for path in paths if path.stem[1:].isdigit() for n, own in body(path).items()}
    number = list(results.roles).index("encyclopedia-5")
    for row in rows.itertuples():
        assert made[str(row.neuron)]["s"][str(number)]["x"] == [[row.before, row.token, row.after, 0.5]]
    assert {stage for own in made.values() for stage, its in own["s"].items() if "x" in its} == {str(number)}
    told = json.loads(re.search(r'json">(.*?)</script>', explorer.frames(results, 0.05, 1, 7)[0].data, re.DOTALL)[1])
    credits = {stage["name"]: stage["credit"] for stage in told["stages"]}
    assert credits.pop("encyclopedia-5")["licence"] == "CC BY-SA 4.0"
    assert set(credits.values()) == {None}
    bare = Results("bare", write_tables(tmp_path / "bare", kind="bare"), "frozen")
    assert not any('"x"' in path.read_text(encoding="utf-8") for path in explorer.write_shards(bare, tmp_path / "b"))


def test_each_neuron_and_word_is_in_the_script_that_its_name_says(results: Results, tmp_path: Path) -> None:
    paths = explorer.write_shards(results, tmp_path / "made" / "tiny")
    for path in paths:
        if path.stem[1:].isdigit():
            assert {explorer.shard_of(int(n)) for n in body(path)} == {path.stem}
        else:
            assert {explorer.bucket_of(word) for word, _ in body(path)} == {path.stem}
    words = [word for path in paths if path.stem.startswith("t") for word, _ in body(path)]
    assert len(words) == len(set(words))
    assert set(HOSTILE) <= set(words)
    known = dict(body(next(path for path in paths if path.stem == "tr")))
    total, *pairs = known["river"]["0"]
    counts = results.preferences(next(iter(results.roles))).groupby(["feature", "neuron"], observed=True)["count"].sum()
    assert total == counts["river"].sum()
    assert pairs[1::2] == sorted(pairs[1::2], reverse=True)
    assert all(counts["river"][neuron] == wins for neuron, wins in zip(pairs[::2], pairs[1::2], strict=True))


def test_neighbours_are_those_of_least_hellinger_distance() -> None:
    rows = [(1, "a", "NN", 1, 1.0), (1, "b", "NN", 1, 1.0), (4, "a", "NN", 2, 2.0), (9, "z", "NN", 1, 1.0)]
    table = preferences_of(rows)
    found = explorer.similar(table)
    assert [n for n, _ in found[1]] == [4]
    assert found[1][0][1] == pytest.approx(math.sqrt(1 - math.sqrt(0.5)))
    assert found[9] == []
    assert explorer.similar(table.iloc[:0]) == {}


def test_points_are_all_neurons_but_those_never_preferred(results: Results) -> None:
    points = explorer.points(results, 0.05)
    for row in explorer.explored(results).itertuples():
        own = points[points["comparison"] == row.comparison]
        transfer = results.transfer(row.question)
        wanted = transfer[(transfer["comparison"] == row.comparison) & (transfer["state"] != "never preferred")]
        assert sorted(own["neuron"]) == sorted(wanted["neuron"])
    tested = points.dropna(subset=["q"])
    assert (tested["above"] == (tested["q"] <= 0.05)).all()
    assert points.loc[points["q"].isna(), "above"].isna().all()


def test_a_comparison_of_two_questions_is_explored_once(results: Results) -> None:
    path = results.folder / "transfer.parquet"
    rows = read_table(path)
    again = rows[rows["question"] == "rq1"].assign(question="epochs")
    write_table(pd.concat([rows, again], ignore_index=True), path, results.provenance)
    points = explorer.points(Results("tiny", results.folder, "frozen"), 0.05)
    assert not points.duplicated(["comparison", "neuron"]).any()


def test_a_record_leaves_out_what_a_point_does_not_have(results: Results) -> None:
    points = explorer.points(results, 0.05).assign(x=3.0)
    for record, row in zip(explorer.records(points), points.itertuples(), strict=True):
        assert ("d" in record) == (row.state == "shared")
        assert ("o" in record) == (not pd.isna(row.q))
        assert record["n"] == row.neuron


def test_the_frames_name_stages_and_comparisons_and_hold_no_markup_of_a_corpus(results: Results) -> None:
    path = results.folder / "preferences" / f"{next(iter(results.roles))}.parquet"
    rows = read_table(path)
    hostile = rows.assign(tag=rows["tag"].cat.rename_categories({"NN": "</script><script>alert(1)</script>"}))
    write_table(hostile, path, results.provenance)
    controls, detail = (frame.data for frame in explorer.frames(results, 0.05, 1, 7))
    told = json.loads(re.search(r'json">(.*?)</script>', controls, re.DOTALL)[1])
    assert "<script>alert" not in controls
    assert [stage["name"] for stage in told["stages"]] == list(results.roles)
    for row, its in zip(explorer.explored(results).itertuples(), told["comparisons"], strict=True):
        assert [told["stages"][its[side]]["name"] for side in ("before", "after")] == [row.before, row.after]
    assert 'data-comparison="1" data-neuron="7"' in detail


def test_the_chart_draws_every_point_and_begins_with_what_was_asked(results: Results) -> None:
    points = explorer.points(results, 0.05)
    spec = explorer.chart(points, 1, 7).to_dict()
    begins = {each["name"]: each["value"] for each in spec["params"] if "value" in each}
    assert begins == {"comparison": 1, "chosen": 7}
    (rows,) = spec["datasets"].values()
    assert len(rows) == len(points)
    assert explorer.chart(points.iloc[:0], 0, -1).to_dict()


def test_neurons_of_several_layers_are_counted_through_them(results: Results, tmp_path: Path) -> None:
    alone = {path.stem: body(path) for path in explorer.write_shards(results, tmp_path / "one" / "tiny")}
    write_second_layer(results.folder)
    units, results = explorer.units_of(results), Results("tiny", results.folder, "frozen")
    both = {path.stem: body(path) for path in explorer.write_shards(results, tmp_path / "two" / "tiny")}
    neurons = [
        {int(n): own for name, each in made.items() if name[1:].isdigit() for n, own in each.items()}
        for made in (alone, both)
    ]
    assert {n for n in neurons[1] if n < units} == set(neurons[0])
    assert len(neurons[1]) == 2 * len(neurons[0])
    for n, own in neurons[0].items():
        second = neurons[1][2 * units + units - 1 - n]
        for stage, its in own["s"].items():
            assert neurons[1][n]["s"][stage] == its
            theirs = second["s"][stage]
            assert {second["w"][t] for t in theirs["t"]} == {own["w"][t] for t in its["t"]}
            assert all(other // units == 2 for other, _ in theirs["n"])
    won = dict(both["tr"])["river"]
    assert won["0"] == dict(alone["tr"])["river"]["0"]
    assert won["0.2"][0] == won["0"][0]
    assert all(n // units == 2 for n in won["0.2"][1::2])
    points = explorer.points(results, 0.05)
    assert not points.duplicated(["comparison", "number"]).any()
    drawn = explorer.chart(points, 1, 2 * units + 7, units).to_dict()
    assert {each["name"]: each.get("value") for each in drawn["params"]}["layer"] == 2
    told = json.loads(re.search(r'json">(.*?)</script>', explorer.frames(results, 0.05, 1, 7)[0].data, re.DOTALL)[1])
    assert told["layers"] == [0, 2]
