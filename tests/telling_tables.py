"""Small tables in the form a run writes: neurons made from chosen words, the rest out of the frozen tables of `small`."""

import json
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from chance_tables import chance_tables
from sentence_tables import sentence_records, sentence_tables

from txray_lib.audit import measure
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import compare

FROZEN = Path(__file__).resolve().parents[1] / "results"
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><b>x</b>",
    "$x^2$",
    "[a](b)",
    "**bold**",
    "`code`",
    "|",
    "&amp;",
    "w" * 300,
    "<unk>",
)
WORDS = {
    "NN": "river castle film plot actor scene ending winter engine village",
    "NNP": "london danube marlowe teresa",
    "VBD": "was became praised filmed watched lost",
    "JJ": "dull great superb old northern terrible",
    "IN": "of in with by from",
    "DT": "the a this every",
    "RB": "slowly never barely",
    "CD": "two 1914",
    ",": ",",
    ".": ".",
    "PRP": "he it",
    "CC": "and but",
}
ROLES = (
    ("encyclopedia-0", "untrained", "encyclopedia", "epoch-0", 0),
    ("encyclopedia-1", "early", "encyclopedia", "epoch-1", 1),
    ("encyclopedia-4", "before-last", "encyclopedia", "epoch-4", 4),
    ("encyclopedia-5", "last", "encyclopedia", "epoch-5", 5),
    ("reviews-zero-shot", "zero-shot", "reviews", "epoch-5", 5),
    ("reviews-supervised", "supervised", "reviews", "supervised", 5),
)
NEURONS = 40
BARE = ("stages", "transfer", "training", "scores", "pruning", "corpora")
AS_FROZEN = (
    *BARE[2:],
    *("pruning_random", "tag_counts", "definitions", "same_weights", "probe", "control_scores", "control_training"),
)
"""Tables that tell of no neuron."""
LATE = [stage for stage, role, *_ in ROLES if role in ("last", "zero-shot", "supervised")]


def write_tables(folder: Path, seed: int = 1, kind: str = "whole") -> Path:
    """Write a set of result tables into `folder`, whose name is the profile's.

    kind  "whole"; "alone", of a run with a single snapshot; "bare", without nulls, controls and whatever else a run may leave
          out; "apart", in which no two stages share a neuron
    """
    source = {
        "profile": folder.name,
        "seed": seed,
        "corpora": {"encyclopedia": "a1" * 32, "reviews": "b2" * 32},
        "versions": {"txray_lib": "0.1.0"},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "command": f"txray run {folder.name}",
        "created": "2020-01-01T00:00:00+00:00",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps(source), encoding="utf-8")
    (folder / "profile.yaml").write_text(f"name: {folder.name}\nseed: {seed}\n", encoding="utf-8")
    tables = _tables(seed, kind == "apart")
    if kind == "alone":
        tables = {name: alone for name, table in tables.items() if len(alone := _of_one_snapshot(name, table))}
    if kind == "bare":
        tables = {name: table for name, table in tables.items() if name in BARE or name.startswith("preferences/")}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    return folder


def write_second_layer(folder: Path) -> None:
    """A layer 2 beside the layer 0 of all tables in `folder`: the same neurons in reversed order."""
    for path in folder.rglob("*.parquet"):
        rows = read_table(path)
        if {"layer", "neuron"} <= {*rows}:
            second = rows.assign(layer=2, neuron=NEURONS - 1 - rows["neuron"]).astype(rows.dtypes)
            write_table(pd.concat([rows, second], ignore_index=True), path, rows.attrs["provenance"])


def write_measured(folder: Path) -> None:
    """What the audit measures in the tables in `folder`, as a run leaves it, so that no page has to measure it anew."""
    results = Results(folder.name, folder, "frozen")
    write_table(measure(results), folder / "measured.parquet", results.provenance)


def write_study(folder: Path) -> Path:
    """Write the frozen study of what is known into `folder`."""
    return shutil.copytree(FROZEN / "truth", folder)


def write_benchmarks(path: Path) -> None:
    """Write the frozen benchmarks."""
    shutil.copy(FROZEN / "benchmarks.parquet", path)


def _of_one_snapshot(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """What of a table is left where the last snapshot is the only one."""
    if name.startswith("preferences/") and name.split("/")[1] not in LATE:
        return table.iloc[:0]
    if "question" in table:
        return table[table["question"] != "rq1"].reset_index(drop=True)
    return table[table["stage"].isin(LATE)].reset_index(drop=True) if name in ("stages", "probe") else table


@cache
def _tables(seed: int, apart: bool) -> dict[str, pd.DataFrame]:
    """The tables, made once: it takes seconds, and nearly every test of the telling half writes them."""
    rng = np.random.default_rng(seed)
    preferences = {stage: _preferences(rng, i) for i, (stage, *_) in enumerate(ROLES)}
    if apart:
        sides = {stage: rows[rows["neuron"] % 2 == i % 2] for i, (stage, rows) in enumerate(preferences.items())}
        preferences = {stage: rows.reset_index(drop=True) for stage, rows in sides.items()}
    transfer = _transfer(preferences, rng)
    return {
        **{name: _of_small(name) for name in AS_FROZEN},
        "stages": _stages(preferences),
        "transfer": transfer,
        "control_transfer": _with_shuffled_labels(transfer),
        "control_epochs": _at_a_constant_rate(transfer),
        **chance_tables(transfer),
        **sentence_tables(HOSTILE),
        "contexts": _contexts(preferences["encyclopedia-5"]),
        "sentence_records": sentence_records(preferences["reviews-zero-shot"], preferences["reviews-supervised"]),
        **{f"preferences/{stage}": rows for stage, rows in preferences.items()},
    }


def _contexts(preferences: pd.DataFrame) -> pd.DataFrame:
    """A context of each neuron, its first feature among hostile words."""
    rows = preferences.drop_duplicates("neuron").reset_index(drop=True)
    named = rows.astype({"feature": str})[["layer", "neuron", "feature"]].rename(columns={"feature": "token"})
    around = {"before": " ".join(HOSTILE[:4]), "after": " ".join(HOSTILE[4:8])}
    return named.assign(stage="encyclopedia-5", source="wikitext-2", activation=np.float32(0.5), **around)


def _of_small(name: str) -> pd.DataFrame:
    """A frozen table, its stages and corpora called as here."""
    table = read_table(FROZEN / "small" / f"{name}.parquet")
    for column in table.columns.intersection(["stage", "corpus"]):
        table[column] = table[column].str.replace("wiki", "encyclopedia").str.replace("imdb", "reviews")
    return table


def _preferences(rng: np.random.Generator, stage: int) -> pd.DataFrame:
    """Neuron 0 changes wholly, neuron 1 not at all; neurons of the stage's own prefer nothing."""
    vocabulary = [(word, tag) for tag, text in WORDS.items() for word in text.split()]
    vocabulary += [(word, "NN") for word in HOSTILE]
    of_few = {0: range(3 * stage, 3 * stage + 3), 1: range(20, 30), 2: range(len(vocabulary))}
    rows = []
    for neuron in range(NEURONS):
        if neuron > 5 and (neuron + 3 * stage) % 5 == 0:
            continue
        some = rng.choice(len(vocabulary), size=int(rng.integers(1, 20)), replace=False)
        for index in of_few.get(neuron, some):
            count = 5 if neuron == 1 else int(rng.integers(1, 20))
            activation = count * (0.4 if neuron == 1 else float(rng.uniform(0.1, 0.9)))
            y = int(rng.integers(0, 2)) if stage >= 4 else -1
            rows.append((0, neuron, *vocabulary[index], y, count, activation, 0.5 * count if stage == 5 else np.nan))
    columns = ["layer", "neuron", "feature", "tag", "y", "count", "activation_sum", "prediction_sum"]
    types = {"layer": "int8", "neuron": "int32", "y": "int8", "feature": "category", "tag": "category"}
    return pd.DataFrame(rows, columns=columns).astype(types)


def _stages(preferences: dict[str, pd.DataFrame]) -> pd.DataFrame:
    made = pd.DataFrame(ROLES, columns=["stage", "role", "corpus", "snapshot", "epoch"])
    tokens = [preferences[stage]["count"].sum() for stage in made["stage"]]
    preferred = [preferences[stage]["neuron"].nunique() for stage in made["stage"]]
    return made.assign(documents=12, tokens=tokens, nobody=0, near_ties=0, preferred=preferred, neurons=NEURONS)


def _transfer(preferences: dict[str, pd.DataFrame], rng: np.random.Generator) -> pd.DataFrame:
    names = list(preferences)
    questions = ("rq1", "rq1", "rq1", "rq2", "rq3")
    rows = [
        compare(preferences[before], preferences[after], NEURONS, (before, after)).assign(question=question)
        for question, (before, after) in zip(questions, pairwise(names), strict=True)
    ]
    for stage in ("encyclopedia-5", "reviews-zero-shot"):
        halves = (f"{stage}/first-half", f"{stage}/second-half")
        rows.append(compare(*_halves(preferences[stage], rng), NEURONS, halves).assign(question="control"))
    return pd.concat(rows, ignore_index=True)


def _halves(rows: pd.DataFrame, rng: np.random.Generator) -> list[pd.DataFrame]:
    """A stage's occurrences dealt to two halves at random."""
    first = rng.binomial(rows["count"], 0.5)
    halves = []
    for count in (first, rows["count"] - first):
        mass = rows["activation_sum"] * count / rows["count"] * rng.uniform(0.8, 1.2, len(rows))
        half = rows.assign(count=count, activation_sum=mass)
        halves.append(half[half["count"] > 0])
    return halves


def _with_shuffled_labels(transfer: pd.DataFrame) -> pd.DataFrame:
    """Distances halve and no neuron is avoided: it keeps its length."""
    made = transfer[transfer["question"] == "rq3"].assign(control="shuffled-1").reset_index(drop=True)
    made["after"] += "/shuffled-1"
    made["comparison"] += "/shuffled-1"
    avoided = made["state"] == "avoided"
    made.loc[avoided, "state"] = "shared"
    for size in ("length", "tag_length", "count", "mass"):
        made.loc[avoided, f"{size}_after"] = made.loc[avoided, f"{size}_before"]
    return made.assign(hellinger=(made["hellinger"] / 2).mask(avoided, 0.0))


def _at_a_constant_rate(transfer: pd.DataFrame) -> pd.DataFrame:
    """The steps of RQ1, each an epoch too: no distance falls below 0.6, and chance gives a tenth less."""
    made = transfer[transfer["question"] == "rq1"].assign(control="constant")
    made["before"] += "/constant"
    made["after"] += "/constant"
    made["comparison"] = made["before"] + ":" + made["after"]
    made["hellinger"] = made["hellinger"].clip(lower=0.6)
    made["expected"] = made["hellinger"] - 0.1
    return pd.concat([made, made.assign(question="epochs", expected=np.nan)], ignore_index=True)
