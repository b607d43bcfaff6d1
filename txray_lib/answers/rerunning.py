"""What can be changed and where: the parameters of notebooks, the settings of profiles, and how long runs took.

May touch: errors, places, profiles, results, telling. The parameters of notebooks are read from their sources.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib import places
from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile, TruthStudy, list_profiles, load_profile
from txray_lib.results import list_results, open_results
from txray_lib.telling import count, paragraph, plural, table

CELL = re.compile(r"```\{code-cell\}[^\n]*\n:tags: \[[^\]\n]*\bparameters\b[^\]\n]*\]\n(.*?)```", re.DOTALL)
SETTINGS = {
    "what it reads": "corpora.pretraining.source corpora.target.source",
    "units": "pretraining.units",
    "embedding": "pretraining.embedding_size",
    "vocabulary": "vocabulary.size",
    "epochs": "pretraining.epochs",
    "snapshots": "pretraining.snapshots",
    "schedule": "pretraining.schedule",
    "tokens a stage": "collection.tokens",
    "reviews (train, valid, test)": "finetuning.reviews",
    "F1 to stop at": "finetuning.target_f1",
    "neurons in B and C": "pruning.set_size",
    "random sets": "pruning.random_sets",
    "seed": "seed",
}
"""Columns of the table of profiles, and the keys whose values they show."""

COMMON = {
    "profile": "whose tables are shown: a name of a file in profiles/",
    "neuron": "the neuron that is drawn; -1: chosen by the rule of the page",
    "top_tokens": "tokens shown of a neuron",
    "min_length": "features that a neuron must prefer to be chosen",
    "distance": 'the formula of the Hellinger distance: "paper" or "released" code',
    "probability": 'the formula of P: "paper" or "released" code',
    "length": 'what the length axis shows: "paper" or "released" code',
}
"""What a parameter does that many notebooks have, where its line has no comment."""


def notebook_parameters(notebook: str = "") -> HTML:
    """Every parameter of every notebook with its default and what its comment says; of one notebook, if it is named."""
    sources = {path.stem: path for path in sorted((places.root() / "notebooks").glob("*.md"))}
    if notebook and notebook not in sources:
        raise TxrayError(f"there is no notebook {notebook!r}. {nearest(notebook, sources)}")
    chosen = {notebook: sources[notebook]} if notebook else sources
    rows = [
        {"notebook": name, "parameter": parameter, "default": default, "what it does": about}
        for name, path in chosen.items()
        for parameter, default, about in _parameters(path)
    ]
    columns = ["notebook", "parameter", "default", "what it does"]
    frame = pd.DataFrame(rows, columns=columns)
    return table(frame, "Parameters of the notebooks, with their defaults", words=columns)


def _parameters(path: Path) -> list[tuple[str, str, str]]:
    """Name, default and comment of each line of the cell that is tagged `parameters`."""
    found = CELL.search(path.read_text(encoding="utf-8"))
    code = found.group(1) if found else ""
    lines = code.splitlines()
    rows = []
    for line in ast.parse(code).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            rest = lines[line.end_lineno - 1].encode()[line.end_col_offset :].decode()
            name, about = line.targets[0].id, rest.strip().removeprefix("#").strip()
            rows.append((name, ast.unparse(line.value).replace("'", '"'), about or COMMON.get(name, "")))
    return rows


def profile_settings() -> HTML:
    """The main settings of every profile in the repository, a row each."""
    profiles = [load_profile(name) for name in list_profiles()]
    frame = pd.DataFrame(
        [
            {
                "profile": profile.name,
                **(_run_settings(profile) if profile.truth is None else _study_settings(profile.truth)),
            }
            for profile in profiles
        ],
        columns=["profile", *SETTINGS],
    )
    return table(frame, "Profiles in profiles/, and what they compute with", words=["what it reads"])


def _run_settings(profile: Profile) -> dict[str, str]:
    return {title: _value(profile, keys) for title, keys in SETTINGS.items()}


def _study_settings(study: TruthStudy) -> dict[str, str]:
    """What a study of what is known has of these: it trains nothing."""
    read = {
        "what it reads": "planted encoders",
        "units": count(study.plan.units),
        "tokens a stage": _said(study.tokens),
        "seed": plural(study.seeds, "seed"),
    }
    return {title: read.get(title, "–") for title in SETTINGS}


def _value(profile: Profile, keys: str) -> str:
    return " + ".join(_said(profile.part(key)) for key in keys.split())


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(_said(each) for each in value.values())
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) if len(value) < 8 else f"{len(value)}: {value[0]} … {value[-1]}"
    return count(value) if isinstance(value, int) else str(value)


def profile_times() -> HTML | Markdown:
    """How long the runs took whose tables are at hand, the slowest steps by name."""
    rows = []
    for name, origin in list_results().items():
        source = open_results(name).provenance
        seconds = {step: each["seconds"] for step, each in source.get("steps", {}).items() if "seconds" in each}
        if seconds:
            slow = sorted(seconds, key=seconds.__getitem__, reverse=True)[:3]
            rows.append(
                {
                    "profile": name,
                    "results": origin,
                    "minutes in all": f"{sum(seconds.values()) / 60:,.1f}",
                    "longest steps (minutes)": ", ".join(f"{step} ({seconds[step] / 60:,.1f})" for step in slow),
                }
            )
    if not rows:
        return paragraph("No run whose tables are at hand says how long it took.")
    caption = "Computing time of the runs at hand, on the machines that made them, each step once"
    return table(pd.DataFrame(rows), caption, words=["longest steps (minutes)", "results"])
