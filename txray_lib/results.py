"""Finds and opens the tables of a profile: the door through which the telling half reads.

May touch: errors, places, profiles, tables, definitions, transfer. Imports nothing that computes, draws or builds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import ValidationError

from txray_lib import places
from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile, list_profiles, load_profile, profile_name
from txray_lib.tables import read_table
from txray_lib.transfer import Definitions, compare

Origin = Literal["live", "frozen"]
NEURON = ["layer", "neuron"]
LEVEL = 0.05
"""The largest q at which a neuron counts as above its null, where a page asks for no other."""
FEW_BLOCKS = 20
"""Below so many blocks in one text, the null that deals the blocks of two texts anew gives p that are too small."""
NEEDED = ("provenance.json", "stages.parquet", "transfer.parquet")
STUDY = ("provenance.json", "truth_states.parquet", "truth_measures.parquet", "truth_detection.parquet")
"""What a study of what is known writes in place of a run's tables."""


@dataclass(frozen=True)
class Results:
    """The tables of one profile, read when asked for.

    origin  "live" where this checkout computed them (`build/results/`), else "frozen"
    """

    profile: str
    folder: Path
    origin: Origin

    def table(self, name: str) -> pd.DataFrame:
        """A table by its file's name without ending, as "scores" or "preferences/imdb-supervised"."""
        if self.is_study and not self.has(name):
            raise TxrayError(
                f"the profile {self.profile!r} is a study of planted encoders, which has no {name}: show a run here, such as"
                " demo, and the study in the notebook truth."
            )
        return read_table(self.folder / f"{name}.parquet")

    def has(self, name: str) -> bool:
        """Whether the run wrote this table."""
        return (self.folder / f"{name}.parquet").is_file()

    @property
    def is_study(self) -> bool:
        """Whether these are the tables of a study of what is known, which has no stages, and not of a run."""
        return (self.folder / STUDY[1]).is_file()

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Profile, seed, hashes of the corpora, versions, commit, command, time."""
        return json.loads((self.folder / "provenance.json").read_text(encoding="utf-8"))

    @cached_property
    def is_outdated(self) -> bool:
        """Whether the profile of this name has other parameters now than when the tables were made; a parameter that did not
        exist then had its default."""
        made_with = self.folder / "profile.yaml"
        if self.profile not in list_profiles() or not made_with.is_file():
            return False
        before, now = yaml.safe_load(made_with.read_text(encoding="utf-8")), load_profile(self.profile)
        given = {name: value for name, value in before.items() if value is not None}
        try:
            then = Profile.model_validate({**now.model_dump(), **given})
        except ValidationError:
            return True
        return {**then.parameters, "about": ""} != {**now.parameters, "about": ""}

    @cached_property
    def stages(self) -> pd.DataFrame:
        """A row per stage, in the order of the run."""
        return self.table("stages")

    @cached_property
    def roles(self) -> dict[str, str]:
        """The role of each stage: untrained, early, before-last, last, zero-shot, supervised."""
        return dict(zip(self.stages["stage"], self.stages["role"], strict=True))

    @cached_property
    def _transfer(self) -> pd.DataFrame:
        return self.table("transfer")

    def stage(self, role: str) -> str:
        """The name of the stage with this role; the last one where several have it."""
        names = [stage for stage, its in self.roles.items() if its == role]
        if not names:
            raise TxrayError(
                f"the results of {self.profile!r} hold no stage with the role {role!r}. {nearest(role, self.roles.values())}"
            )
        return names[-1]

    def asks(self, question: str) -> bool:
        """Whether the run compared stages for a question: RQ1 is not asked of too few snapshots."""
        return question in set(self._transfer["question"])

    def transfer(self, question: str) -> pd.DataFrame:
        """The comparisons of "rq1", "rq2" or "rq3": a row per comparison, layer and neuron (§2.2)."""
        rows = self._transfer[self._transfer["question"] == question]
        if rows.empty:
            raise TxrayError(
                f"the transfer table of {self.profile!r} has no comparison for {question!r}. "
                f"{nearest(question, self._transfer['question'].unique())}"
            )
        return rows.reset_index(drop=True)

    def compared(self, question: str, definitions: Definitions | None = None) -> pd.DataFrame:
        """`transfer(question)`, computed anew from the preferences where a definition is not the paper's."""
        rows = self.transfer(question)
        if definitions is None or definitions.is_papers:
            return rows
        units = int(self.stages["neurons"].max())
        pairs = rows[["before", "after"]].drop_duplicates().itertuples(index=False)
        parts = [
            compare(*(self.preferences(stage) for stage in pair), units, tuple(pair), definitions) for pair in pairs
        ]
        return pd.concat(parts, ignore_index=True).assign(question=question)

    def beside_null(self, question: str, level: float = LEVEL) -> pd.DataFrame:
        """`transfer(question)` with what chance gives each neuron: `expected` (the mean distance over rearranged blocks),
        `q` (Benjamini-Hochberg over the comparison) and `above`, whether q ≤ level; missing and False without nulls. No row
        where the run has too few snapshots for "rq1"."""
        few = question == "rq1" and not self.asks(question)
        rows = self._transfer.iloc[:0] if few else self.transfer(question)
        if not self.has("nulls"):
            return rows.assign(expected=np.nan, q=np.nan, above=False)
        nulls = self.table("nulls")[["comparison", *NEURON, "expected", "q"]]
        both = rows.merge(nulls, on=["comparison", *NEURON], how="left", validate="one_to_one")
        return both.assign(above=both["q"] <= level)

    @cached_property
    def digest(self) -> str:
        """Twelve digits that stand for the contents of all tables: what a person read in them is pinned to it."""
        files = sorted(self.folder.rglob("*.parquet"))
        whole = hashlib.sha256()
        for file in files:
            whole.update(file.relative_to(self.folder).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
        return whole.hexdigest()[:12]

    def control(self, stage: str) -> pd.DataFrame:
        """The comparison of `stage` with itself on the other half of the text; no row where it was not made."""
        rows = self._transfer
        return rows[(rows["question"] == "control") & rows["before"].str.startswith(f"{stage}/")].reset_index(drop=True)

    def blocks(self, question: str) -> dict[str, int]:
        """How many blocks the text of each stage has that a question compares: what nulls deal. See FEW_BLOCKS for "rq2". Empty
        where the run kept no table of corpora."""
        if not self.has("corpora"):
            return {}
        rows = self.table("corpora").query("measure == 'stage_blocks'").set_index("corpus")["value"]
        corpus = self.stages.set_index("stage")["corpus"]
        compared = self.transfer(question)[["before", "after"]].drop_duplicates().to_numpy().ravel()
        return {stage: int(rows[corpus[stage]]) for stage in dict.fromkeys(compared)}

    def preferences(self, stage: str) -> pd.DataFrame:
        """The preferences of a stage. Raises TxrayError for a stage that the run does not have."""
        if stage not in self.roles:
            raise TxrayError(f"the results of {self.profile!r} have no stage {stage!r}. {nearest(stage, self.roles)}")
        return self.table(f"preferences/{stage}")


def open_results(profile: str) -> Results:
    """The tables of a profile, by its name or its YAML file: below `TXRAY_RESULTS` if that is set, else live ones, else frozen.

    A folder in which a table is missing (a run that was stopped) is passed over. Raises TxrayError for a misspelt
    profile, and for one without tables, with the way to get them.
    """
    given, profile = profile, profile_name(profile)
    candidates = list(_folders(profile))
    for folder in candidates:
        if not _missing(folder):
            return Results(profile, folder, _origin(folder))
    raise TxrayError(_advice(given, profile, candidates))


def list_results() -> dict[str, Origin]:
    """Profiles whose tables are at hand, and which of them were computed in this checkout."""
    parents = [next(_folders("x")).parent] if _given() else [f.parent for f in _folders("x")]
    names = sorted({f.name for parent in parents if parent.is_dir() for f in parent.iterdir() if not _missing(f)})
    return {name: open_results(name).origin for name in names}


def check_neuron(run: Results, neuron: int) -> int:
    """The number of a neuron of this run, or −1, by which a page picks one by its own rule; the parameter `neuron` of notebooks.

    Raises TxrayError for any other number.
    """
    last = int(run.stages["neurons"].max()) - 1
    if not -1 <= neuron <= last:
        raise TxrayError(
            f"the parameter neuron is {neuron}, and {run.profile!r} has the neurons 0 to {last}: give one of them, or -1 for those"
            " that the page picks by its rule"
        )
    return neuron


def extremes(transfer: pd.DataFrame, min_length: int, rank: int = 1) -> pd.DataFrame:
    """The most and the least changed neuron: the `rank`-th largest and smallest distance among neurons with at least
    `min_length` features on both sides; of equals the lowest index first. Two rows at most, named "most" and "least": no
    neuron has both names, and none has one if too few are that long. Raises TxrayError for a rank below 1."""
    if rank < 1:
        raise TxrayError(f"the rank is {rank}: 1 is the most and the least changed neuron, 2 the next of each")
    long = transfer[transfer[["length_before", "length_after"]].min(axis=1) >= min_length]
    long = long[long["hellinger"].notna()].sort_values(NEURON, kind="stable")
    falling = long.sort_values("hellinger", ascending=False, kind="stable")
    rising = long.drop(index=falling.index[:rank]).sort_values("hellinger", kind="stable")
    sides = {"most": falling, "least": rising}
    picked = {name: rows.index[rank - 1] for name, rows in sides.items() if len(rows) >= rank}
    return long.loc[list(picked.values())].set_axis(list(picked), axis=0)


def benchmarks_file() -> Path:
    """Where the frozen benchmarks lie, beside the tables of profiles."""
    return (Path(given) if (given := _given()) else places.root() / "results") / "benchmarks.parquet"


def _given() -> str | None:
    return os.environ.get("TXRAY_RESULTS") or None


def _folders(profile: str) -> Iterator[Path]:
    """Where to look, best first. With `TXRAY_RESULTS` nowhere else: a reader who points at tables means those."""
    if given := _given():
        yield Path(given) / profile
    else:
        yield places.live_results(profile)
        yield places.frozen_results(profile)


def _missing(folder: Path) -> list[str]:
    needed = STUDY if (folder / STUDY[1]).is_file() else NEEDED
    return [name for name in needed if not (folder / name).is_file()]


def _origin(folder: Path) -> Origin:
    live = places.live_results(folder.name)
    return "live" if live.exists() and folder.resolve() == live.resolve() else "frozen"


def _advice(given: str, profile: str, candidates: list[Path]) -> str:
    way = f"Compute them with `txray run {given}`, or set TXRAY_RESULTS to a folder that holds {profile}/."
    if not places.profiles_folder().is_dir():
        way = (
            "txray_lib stands here without its repository, which holds tables in results/: get the repository and set the "
            f"environment variable TXRAY_RESULTS to that folder (`%env TXRAY_RESULTS=…/results` in a notebook), or "
            f"compute them there with `txray run {profile}`."
        )
    if elsewhere := _given():
        there = "does not exist" if not Path(elsewhere).is_dir() else f"holds no {profile}/"
        way = f"TXRAY_RESULTS is {elsewhere}, which {there}: unset it, or name a folder of profiles' tables."
    known = set(list_results()) | {p.stem for p in places.profiles_folder().glob("*.yaml")}
    if given == profile and profile not in known:
        return (
            f"there is no profile {profile!r}. {nearest(profile, known)}"
            if known
            else f"there are no results at all. {way}"
        )
    for folder in candidates:
        if folder.is_dir():
            return (
                f"the tables of {profile!r} in {folder} are not complete: {', '.join(_missing(folder))} missing. {way}"
            )
    return f"the tables of {profile!r} are not there. {way}"
