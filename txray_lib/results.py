"""Finds and opens the tables of a profile: the door through which the telling half reads.

May touch: errors, places, profiles, tables. Imports nothing that computes, draws or builds.
"""

import hashlib
import json
import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import yaml
from annotated_types import Ge, Le
from pydantic import ConfigDict, TypeAdapter, ValidationError

from txray_lib import places
from txray_lib.errors import TxrayError, nearest, require_choice
from txray_lib.profiles import Profile, Seed, list_profiles, load_profile, profile_name
from txray_lib.settings import Count, Positive, Share
from txray_lib.tables import read_groups, read_table

Origin = Literal["live", "frozen"]
NEURON = ["layer", "neuron"]
LEVEL = 0.05
"""The largest q at which a neuron counts as above its null, where a page asks for no other."""
FEW_BLOCKS = 20
"""Below so many blocks in one text, the null that deals the blocks of two texts anew gives p that are too small."""
NEEDED = ("provenance.json", "stages.parquet", "transfer.parquet")
STUDY = ("provenance.json", "truth_states.parquet", "truth_measures.parquet", "truth_detection.parquet")
"""What a study of what is known writes in place of a run's tables."""
_OF_A_SEED = {"name", "about", "seed", "controls", "nulls"}
"""Keys of a profile in which the seeds of one experiment may differ: controls and nulls change no stage."""

VERDICTS = (
    "reproduced",
    "same direction",
    "inconclusive",
    "contradicted",
    "impossible as stated",
    "not stated",
    "not tested",
)
"""What the audit can say of a claim."""


_FORMULA = Literal["paper", "released"]
PARAMETERS: dict[str, Any] = {
    "profile": str,
    "beside": str,
    "other": str,
    "study": str,
    "noise": str,
    "after": str,
    "one": str,
    "word": str,
    "notebook": str,
    "section": str,
    "benchmark": str,
    "level": Share,
    "theme": Share,
    "f1": Share,
    "neuron": Annotated[int, Ge(-1)],
    "min_length": Count,
    "max_length": Count,
    "shortest": Count,
    "longest": Count,
    "rank": Count,
    "rows": Count,
    "top_tokens": Count,
    "tags": Count,
    "top": Count,
    "most": Count,
    "least": Count,
    "arrangements": Count,
    "units": Count,
    "reviews": Count,
    "tokens_a_neuron": Count,
    "largest": Annotated[int, Ge(1), Le(5)],
    "seed": Seed,
    "tokens": Count | list[Positive],
    "lengths_before": list[Count],
    "lengths_after": list[Count],
    "machines": list[Count],
    "memory_gb": Positive,
    "disk_tb": Positive,
    "untrained": bool,
    "stop_words": bool,
    "by": Literal["length", "tag_length"],
    "state": Literal["all", "shared", "avoided", "gained", "never preferred"],
    "distance": _FORMULA,
    "probability": _FORMULA,
    "length": _FORMULA,
    "question": Literal["rq1", "rq2", "rq3"],
    "split": Literal["train", "test"],
    "match": Literal["size", "variance"],
    "order": Literal["mass", "p"],
    "way": Literal["argmax", "top-3", "positive"],
    "texts": Literal["one", "two"],
    "verdict": Literal["all", *VERDICTS],
}
"""What each parameter of notebooks may be; a name means the same on every page. Which neurons and kinds of noise there are, the
tables say; the names of stages and claims are checked by what reads them."""
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Results:
    """The tables of one profile, read when asked for.

    origin  "live" where this checkout computed them (`build/results/`), else "frozen"
    layer   of an encoder of several layers the one whose rows are read; None reads all
    """

    profile: str
    folder: Path
    origin: Origin
    layer: int | None = None

    def table(self, name: str) -> pd.DataFrame:
        """A table by its file's name without ending, as "scores" or "preferences/imdb-supervised"."""
        if self.is_study and not self.has(name):
            raise TxrayError(
                f"{self.profile!r} is a study of planted encoders, which has no {name}: name a run, as demo."
            )
        rows = read_table(self.folder / f"{name}.parquet")
        if self.layer is None or "layer" not in rows:
            return rows
        return rows[rows["layer"] == self.layer].reset_index(drop=True)

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
        """Whether the profile of this name has other parameters now than when the tables were made."""
        path = places.profiles_folder() / f"{self.profile}.yaml"
        places.note_opened(path)
        if not path.is_file():
            return False
        now = load_profile(self.profile)
        return {**read_parameters(self.folder, now.model_dump()), "about": ""} != {**now.parameters, "about": ""}

    @cached_property
    def stages(self) -> pd.DataFrame:
        """A row per stage, in the order of the run."""
        return self.table("stages")

    @cached_property
    def roles(self) -> dict[str, str]:
        """The role of each stage: untrained, early, before-last, last, zero-shot, supervised."""
        return dict(zip(self.stages["stage"], self.stages["role"], strict=True))

    @cached_property
    def layers(self) -> list[int]:
        """The layers of the encoder that have neurons in the tables, whether or not only one of them is read."""
        groups = read_groups(self.folder / "transfer.parquet", ["layer"])
        return sorted({int(layer) for group in groups for layer in group["layer"].unique()})

    @cached_property
    def _transfer(self) -> pd.DataFrame:
        return self.table("transfer")

    def stage(self, role: str) -> str:
        """The name of the stage with this role; the last one where several have it."""
        names = [stage for stage, its in self.roles.items() if its == role]
        require_choice(role, f"stage of {self.profile!r} with the role", self.roles.values())
        return names[-1]

    def asks(self, question: str) -> bool:
        """Whether the run compared stages for a question: RQ1 is not asked of too few snapshots."""
        return question in set(self._transfer["question"])

    def transfer(self, question: str) -> pd.DataFrame:
        """The comparisons of "rq1", "rq2" or "rq3": a row per comparison, layer and neuron (§2.2)."""
        asked = self._transfer["question"]
        require_choice(question, f"comparison of {self.profile!r} for", asked.unique())
        return self._transfer[asked == question].reset_index(drop=True)

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

    @property
    def seed_folders(self) -> list[Path]:
        """The folders of runs named `{profile}-seed-N` that differ from this one in the seed alone and kept what the audit
        measured, live ones before frozen ones."""
        parents, own = (places.live_results(), places.frozen_results()), self.folder.parent
        found = list[Path]()
        for parent in parents if own in parents else (own,):
            places.note_opened(parent / f"{self.profile}-seed-*" / "**")
            found += sorted(parent.glob(f"{self.profile}-seed-*"))
        mine = _settings(self.folder)
        return [folder for folder in found if (folder / "measured.parquet").is_file() and _settings(folder) == mine]

    @cached_property
    def digest(self) -> str:
        """Twelve digits that stand for the contents of all tables, and of what its other seeds measured: what a person read in
        them is pinned to it."""
        whole = hashlib.sha256()
        files = [(file.relative_to(self.folder).as_posix(), file) for file in sorted(self.folder.rglob("*.parquet"))]
        seeds = {folder.name: folder / "measured.parquet" for folder in reversed(self.seed_folders)}
        for name, file in [*files, *sorted(seeds.items())]:
            whole.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
        return whole.hexdigest()[:12]

    @property
    def is_frozen(self) -> bool:
        """Whether neither these tables nor those of another seed were computed in this checkout."""
        return "live" not in {self.origin, *map(_origin, self.seed_folders)}

    def control(self, stage: str) -> pd.DataFrame:
        """The comparison of `stage` with itself on the other half of the text; no row where it was not made."""
        rows = self._transfer
        return rows[(rows["question"] == "control") & rows["before"].str.startswith(f"{stage}/")].reset_index(drop=True)

    def preferences(self, stage: str) -> pd.DataFrame:
        """The preferences of a stage. Raises TxrayError for a stage that the run does not have."""
        require_choice(stage, f"stage of {self.profile!r} named", self.roles)
        return self.table(f"preferences/{stage}")


def open_results(profile: str, every_layer: bool = False, **parameters: Any) -> Results:
    """The tables of a profile, by its name or its YAML file: below `TXRAY_RESULTS` if that is set, else live ones, else frozen.
    `minilm@3` are the rows of its layer 3.

    every_layer whether the rows of all layers are read where no layer is named; else those of the last one, for what reads a
                neuron by its number alone
    parameters  of a notebook, by name: they are checked before anything is computed (`PARAMETERS`)
    A folder in which a table is missing (a run that was stopped) is passed over. Raises TxrayError for a misspelt
    profile, for one without tables, with the way to get them, for a layer that it does not have, and for a parameter beyond
    its limits.
    """
    check_parameters(**parameters)
    profile, layer = str(profile), None  # papermill reads 2024 as a number
    if re.search(r"@[0-9]+$", profile):
        profile, _, number = profile.rpartition("@")
        layer = int(number)
    name = profile_name(profile)
    folders = [parent / name for parent in _parents()]
    places.note_opened(*(folder / "**" for folder in folders))
    for folder in folders:
        if not _missing(folder):
            found = Results(name, folder, _origin(folder), layer)
            if layer is None and not every_layer and not found.is_study and len(found.layers) > 1:
                found = replace(found, layer=found.layers[-1])
            _check_in_run(found, **parameters)
            return found
    raise TxrayError(_advice(profile, name, folders))


def list_results() -> dict[str, Origin]:
    """Profiles whose tables are at hand, and which of them were computed in this checkout."""
    places.note_opened(*(parent / "*" / NEEDED[0] for parent in _parents()))
    folders = [folder for parent in reversed(_parents()) for folder in parent.glob("*") if not _missing(folder)]
    origins = {folder.name: _origin(folder) for folder in folders}
    return {name: origins[name] for name in sorted(origins)}


def _origin(folder: Path) -> Origin:
    return "live" if folder.resolve() == places.live_results(folder.name).resolve() else "frozen"


def read_parameters(folder: Path, below: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the tables in a folder were made with, laid over the values `below`; a parameter that did not exist then had its
    default. Unchecked where it is no profile of today."""
    path = folder / "profile.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    given = {name: value for name, value in given.items() if value is not None}
    with suppress(ValidationError):
        return Profile.model_validate({**(below or {}), **given}).parameters
    return given


def _settings(folder: Path) -> dict[str, Any]:
    """What a run was given but for what its seeds may differ in."""
    return {key: value for key, value in read_parameters(folder).items() if key not in _OF_A_SEED}


def check_parameters(**given: Any) -> None:
    """Raise TxrayError for the first parameter of a notebook that is not what its name may be (`PARAMETERS`)."""
    for name, value in given.items():
        if name not in PARAMETERS:
            raise TxrayError(
                f"no page has a parameter {name!r}: say in `PARAMETERS` of txray_lib/results.py what it may be"
            )
        try:
            TypeAdapter(PARAMETERS[name], config=_STRICT).validate_python(value)
        except ValidationError as error:
            said = max(error.errors(), key=lambda each: len(each["loc"]))["msg"].removeprefix("Input should be ")
            raise TxrayError(f"the parameter {name} is {value!r}, and should be {said}") from None
    for least, most in (("min_length", "max_length"), ("shortest", "longest")):
        if given.get(least, 0) > given.get(most, math.inf):
            raise TxrayError(f"the parameter {least} is {given[least]}, above {most}, which is {given[most]}")
    if len(given.get("lengths_before", ())) != len(given.get("lengths_after", ())):
        raise TxrayError("the parameters lengths_before and lengths_after hold pairs, and are not of one length")
    profiles = places.profiles_folder()
    for name in ("profile", "beside", "other", "study"):
        run = re.sub(r"@[0-9]+$", "", given.get(name, ""))
        if run and run not in list_results() and profiles.is_dir() and not (profiles / f"{run}.yaml").is_file():
            hint = nearest(run, {*list_results(), *list_profiles()})
            raise TxrayError(f"the parameter {name} names the run {run!r}, which there is not. {hint}")


def benchmarks_file() -> Path:
    """Where the frozen benchmarks lie, beside the tables of profiles."""
    path = _parents()[-1] / "benchmarks.parquet"
    places.note_opened(path)
    return path


def _parents() -> list[Path]:
    """Where folders of tables lie, best first. With `TXRAY_RESULTS` nowhere else: a reader who points at tables means those."""
    if given := os.environ.get(places.RESULTS_VARIABLE):
        if not Path(given).is_dir():
            raise TxrayError(
                f"TXRAY_RESULTS is {given!r}, which is no folder: name one that holds a folder for each run"
            )
        return [Path(given)]
    return [places.live_results(), places.frozen_results()]


def _missing(folder: Path) -> list[str]:
    needed = STUDY if (folder / STUDY[1]).is_file() else NEEDED
    return [name for name in needed if not (folder / name).is_file()]


def _check_in_run(run: Results, neuron: int = -1, noise: str = "", **others: Any) -> None:
    """Raise TxrayError for a neuron or a noise that the run does not have; −1 leaves the choice to a page's rule."""
    if run.layer is not None and run.layer not in run.layers:
        raise TxrayError(f"{run.profile!r} has no layer {run.layer}: its layers are {', '.join(map(str, run.layers))}")
    if neuron >= 0 and neuron > (last := int(run.stages["neurons"].max()) - 1):
        raise TxrayError(f"the parameter neuron is {neuron}, and {run.profile!r} has the neurons 0 to {last}, or -1")
    if noise and not run.is_study:
        raise TxrayError(f"{run.profile!r} is a run, and a study of planted encoders is wanted, such as truth")
    if noise:
        require_choice(noise, "noise", read_parameters(run.folder)["truth"]["noises"])


def _advice(given: str, name: str, folders: list[Path]) -> str:
    """Why a profile has no tables to open, and what to do."""
    known = {*list_results(), *list_profiles()}
    if given == name and known and name not in known:
        return f"there is no profile {name!r}. {nearest(name, known)}"
    begun = next((folder for folder in folders if folder.is_dir()), None)
    lacks = f"in {begun} are not complete: {', '.join(_missing(begun))} missing" if begun else "are not there"
    now = f" (now {folders[0].parent})" if os.environ.get(places.RESULTS_VARIABLE) else ""
    way = f"Compute them with `txray run {given}`, or set TXRAY_RESULTS{now} to a folder that holds {name}/."
    return f"the tables of {name!r} {lacks}. {way}"
