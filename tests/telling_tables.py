"""Tiny tables in the form a run writes, made from chosen words: what the telling half is tested on."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from chance_tables import chance_tables
from control_tables import control_tables
from sentence_tables import sentence_records, sentence_tables

from txray_lib.audit.measures import PAIRS
from txray_lib.audit.switches import formula_switches, reading_switch, same_weights
from txray_lib.planted.study import list_comparisons
from txray_lib.profiles import TruthStudy
from txray_lib.tables import write_table
from txray_lib.transfer import compare

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
    ("encyclopedia-5", "before-last", "encyclopedia", "epoch-5", 5),
    ("encyclopedia-6", "last", "encyclopedia", "epoch-6", 6),
    ("reviews-zero-shot", "zero-shot", "reviews", "epoch-6", 6),
    ("reviews-supervised", "supervised", "reviews", "supervised", 6),
)
NEURONS = 40


def _write_source(folder: Path, seed: int | list[int], corpora: dict[str, str]) -> dict[str, object]:
    """Make `folder` with its provenance.json, and return what stands there."""
    source = {
        "profile": folder.name,
        "seed": seed,
        "corpora": corpora,
        "versions": {"txray_lib": "0.1.0"},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "command": f"txray run {folder.name}",
        "created": "2020-01-01T00:00:00+00:00",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps(source), encoding="utf-8")
    return source


def write_tables(folder: Path, seed: int = 1, kind: str = "whole") -> Path:
    """Write a set of result tables into `folder`, whose name is the profile's.

    kind  "whole"; "alone", of a run with a single snapshot; "bare", without nulls, controls and whatever else a run may leave
          out; "apart", in which no two stages share a neuron
    """
    source = _write_source(folder, seed, {"encyclopedia": "a1" * 32, "reviews": "b2" * 32})
    (folder / "profile.yaml").write_text(f"name: {folder.name}\nseed: {seed}\n", encoding="utf-8")
    tables = _tables(seed, kind == "apart")
    if kind == "alone":
        tables = {name: alone for name, table in tables.items() if len(alone := _of_one_snapshot(name, table))}
    if kind == "bare":
        tables = {name: table for name, table in tables.items() if name in NEEDED or name.startswith("preferences/")}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    return folder


NEEDED = ("stages", "transfer", "training", "scores", "pruning", "corpora")
LATE = [stage for stage, role, *_ in ROLES if role in ("last", "zero-shot", "supervised")]


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
    tables = {
        "stages": _stages(preferences),
        "transfer": transfer,
        "training": _training(),
        "scores": _scores(),
        "pruning": _pruning(rng),
        "corpora": _corpora(),
        "tag_counts": _tag_counts(preferences),
        "definitions": _definitions(preferences, rng),
        "same_weights": _same_weights(preferences, rng),
        **chance_tables(transfer),
        "truth_words": truth_words(),
        **sentence_tables(HOSTILE),
        "sentence_records": sentence_records(preferences["reviews-zero-shot"], preferences["reviews-supervised"]),
    }
    tables |= control_tables(tables)
    for stage, rows in preferences.items():
        tables[f"preferences/{stage}"] = rows
    return tables


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
    for stage in ("encyclopedia-6", "reviews-zero-shot"):
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


def _training() -> pd.DataFrame:
    rows = [("pretraining", float(e), "valid_perplexity", 40 + 200 / e, 3.0 * e) for e in range(1, 7)]
    rows += [("pretraining", float(e), "train_loss", 4 + 1 / e, 3.0 * e) for e in range(1, 7)]
    rows += [("finetuning", e / 4, "valid_f1", 0.8 - 0.3 / e, 1.0 * e) for e in range(1, 9)]
    return pd.DataFrame(rows, columns=["phase", "epoch", "measure", "value", "seconds"])


def _scores() -> pd.DataFrame:
    rows = [
        (s, t, 200, f1, f1 - 0.02, f1 + 0.02, f1 - 0.01)
        for s, f1 in (("valid", 0.8), ("test", 0.79))
        for t in ("kept", "removed")
    ]
    return pd.DataFrame(rows, columns=["split", "shared_texts", "reviews", "f1", "precision", "recall", "accuracy"])


def _pruning(rng: np.random.Generator) -> pd.DataFrame:
    meanings = {
        "A": "empty after supervision",
        "A-strict": "preferred before supervision, empty after",
        "B": "least mass among the preferred",
        "C": "most mass",
        "D": "gained by supervision",
    }
    rows = []
    for i, (name, meaning) in enumerate(meanings.items()):
        for way in ("before the classifier", "out of the encoder"):
            for split in ("train", "test"):
                f1 = 0.8 + float(rng.normal(0, 0.02))
                chance = (-0.02, 0.0, 0.01) if way == "before the classifier" and name != "A-strict" else (np.nan,) * 3
                change = (f1 - 0.8) / 0.8 if name != "A-strict" else np.nan
                draws = 0 if np.isnan(chance[0]) else 100
                rows.append((name, meaning, 4 + i, 0.1 * i, i, way, split, 200, 0.8, f1, change, draws, *chance))
    columns = (
        "set meaning neurons mass_share overlap_with_gained way split reviews f1_base f1 change "
        "random_sets random_low random_median random_high"
    )
    return pd.DataFrame(rows, columns=columns.split())


def _tag_counts(preferences: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tokens of each tag in each corpus, from the last stage that read it."""
    corpora = {corpus: stage for stage, _, corpus, *_ in ROLES}
    counts = [
        preferences[stage].groupby("tag")["count"].sum().rename("tokens").reset_index().assign(corpus=corpus)
        for corpus, stage in corpora.items()
    ]
    return pd.concat(counts, ignore_index=True)[["corpus", "tag", "tokens"]]


def _definitions(preferences: dict[str, pd.DataFrame], rng: np.random.Generator) -> pd.DataFrame:
    """The formulas; another reading of zero-shot, made of a half of it; and Tab. 2 both ways."""
    sides = list(preferences.values())[1:]
    pairs = dict(zip(PAIRS, pairwise(sides), strict=True))
    half, _ = _halves(preferences["reviews-zero-shot"], rng)
    read = {**pairs, "zero-shot": (pairs["zero-shot"][0], half), "supervised": (half, pairs["supervised"][1])}
    sets = [(f"T2-{name}", split) for name in ("A", "A-strict", "B", "C", "D") for split in ("test", "train")]
    cut = pd.DataFrame(sets, columns=["id", "part"]).assign(switch="pruning", code="C21", paper=-0.04, switched=-0.01)
    other = reading_switch("reset", "C9", pairs, read, NEURONS)
    others = [other, other.assign(switch="casing", code="C10"), other.assign(switch="marks", code="C13")]
    return pd.concat([formula_switches(pairs, NEURONS), cut, *others], ignore_index=True)


def _same_weights(preferences: dict[str, pd.DataFrame], rng: np.random.Generator) -> pd.DataFrame:
    """Each reading as a half of what the stage read."""
    rows = []
    for stage in ("encyclopedia-6", "reviews-zero-shot"):
        half, _ = _halves(preferences[stage], rng)
        row = same_weights("sentence", "C9", stage, preferences[stage], half, NEURONS)
        rows += [row, {**row, "reading": "cased", "code": "C10"}, {**row, "reading": "marks", "code": "C13"}]
    return pd.DataFrame(rows)


def _corpora() -> pd.DataFrame:
    rows = [
        (c, m, v)
        for c in ("encyclopedia", "reviews")
        for m, v in (("documents", 12.0), ("tokens", 400.0), ("stage_blocks", 9.0), ("unknown_share", 0.08))
    ]
    return pd.DataFrame(rows, columns=["corpus", "measure", "value"])


STUDY = {
    "tokens": [1_000, 4_000],
    "noises": {
        "none": {"jitter": 0.0, "flips": 0.0, "strays": 0.0},
        "some": {"jitter": 0.1, "flips": 0.1, "strays": 0.02},
    },
    "ways": ["argmax", "top-3", "positive"],
    "texts": ["one", "two"],
    "plan": {
        **{"units": 20, "replaced": 0.2, "lost": 0.1, "silenced": 0.05, "unused": 0.05},
        **{"sizes": [0.1, 0.5, 1.0], "depth": 4},
    },
    "permutations": 20,
    "cap": 20,
    "population": 10_000,
    "words": 2_500,
}
"""A study of 20 neurons, read with 50 and with 200 tokens a neuron."""


def write_study(folder: Path, seeds: tuple[int, ...] = (1, 2)) -> Path:
    """Write a study of what is known into `folder`; without noise all is found, with it less the more text there is."""
    source = _write_source(folder, list(seeds), {f"encyclopedia-{seed}": "c3" * 32 for seed in seeds})
    group = json.dumps({**STUDY, "seeds": len(seeds)})
    (folder / "profile.yaml").write_text(f"name: {folder.name}\nseed: {seeds[0]}\ntruth: {group}\n", encoding="utf-8")
    for name, table in study_tables_of(TruthStudy(**STUDY, seeds=len(seeds)), seeds).items():
        write_table(table, folder / f"{name}.parquet", source)
    return folder


def study_tables_of(study: TruthStudy, seeds: tuple[int, ...]) -> dict[str, pd.DataFrame]:
    """Tables of a study in its form, by simple rules: `share` is found of what is to be found."""
    made: dict[str, list[dict[str, object]]] = {"truth_states": [], "truth_measures": [], "truth_detection": []}
    for seed in seeds:
        for tokens, noise, way, texts in list_comparisons(study):
            clean, last = noise == "none", tokens == max(study.tokens)
            share = 1.0 if clean else 0.0 if last else 0.5
            where = {"texts": texts, "noise": noise, "tokens": tokens, "tokens_a_neuron": tokens / study.plan.units}
            where |= {"seed": seed, "way": way}
            for rule in ("one token", "a tenth", "tested"):
                for state, true in (("shared", 15), ("avoided", 2), ("gained", 4)):
                    part = 0.75 if rule == "a tenth" and state != "shared" else 1.0 if state == "shared" else share
                    found = int(true * part)
                    row = {"rule": rule, "state": state, "true": true, "found": found, "recall": found / true}
                    made["truth_states"].append({**where, **row, "precision": 1.0 if found else np.nan})
            for place, measure in enumerate(("hellinger", "mass_hellinger", "jensen_shannon", "ochiai", "rarefied")):
                rho = 1.0 if clean else 0.5 + 0.1 * (place == 1)
                row = {"measure": measure, "neurons": 15, "rho": rho, "rho_changed": rho, "auc": rho}
                distances = {"unchanged": 0.0 if clean else 0.2 + 0.2 * last, "changed": 0.7, "error": 0.1}
                made["truth_measures"].append({**where, **row, **distances})
                for size, neurons in (("0–0.2", 2), ("0.2–0.4", 0), ("0.8–1", 2), ("all", 4)) if place < 4 else ():
                    power = np.nan if not neurons else float(last) if size != "0–0.2" else 0.25 * last
                    row = {"measure": measure, "size": size, "neurons": neurons, "power": power}
                    wrong = {"false_discoveries": 0.0 if clean else 0.04, "false_positives": 0.0 if clean else 0.02}
                    made["truth_detection"].append({**where, **row, **wrong})
    return {name: pd.DataFrame(rows) for name, rows in made.items()}


def truth_words() -> pd.DataFrame:
    """What a run on the worlds keeps of evaluative words: gained neurons have more than chance, avoided as many."""
    rows = []
    for state, side, neurons, seen, chance in (
        ("gained", "after", 3, 0.4, 0.01),
        ("avoided", "before", 2, 0.2, 0.9),
        ("shared", "after", 10, 0.2, 0.9),
        ("shared", "before", 10, 0.2, 0.9),
    ):
        for of in ("features", "mass", "neurons"):
            rows.append((state, side, of, neurons, 13, seen, 0.2, 0.1, 0.3, chance))
    columns = ["state", "side", "of", "neurons", "preferred", "observed", "expected", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)
