"""The tables of a run as the measures ask for them. May touch: errors, profiles, results, transfer, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml

from txray_lib.audit.intervals import DRAWS, Sample, scattered
from txray_lib.profiles import list_profiles, load_profile
from txray_lib.results import Results
from txray_lib.transfer import SHARED, compare

PAIRS = {
    "early": ("early", "before-last"),
    "late": ("before-last", "last"),
    "zero-shot": ("last", "zero-shot"),
    "supervised": ("zero-shot", "supervised"),
}
"""The roles before and after of each of the four comparisons, by the names of `quantities`."""
T = TypeVar("T")
_Z90 = 1.645
"""The tables of nulls hold the middle 90 %: so many standard deviations on either side."""


@dataclass(frozen=True)
class Run:
    """A run's tables, each read once. Each method raises TxrayError for a stage or a table that the run does not have."""

    results: Results
    _made: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, name: str, make: Callable[[Run], T]) -> T:
        """What `make` gives for this run, made once and kept under a name."""
        if name not in self._made:
            self._made[name] = make(self)
        return self._made[name]

    def table(self, name: str) -> pd.DataFrame:
        return self.once(f"{name}.parquet", lambda run: run.results.table(name))

    @cached_property
    def units(self) -> int:
        return int(self.results.stages["neurons"].max())

    def pair(self, name: str) -> pd.DataFrame:
        """The transfer rows of a comparison in the order of its neurons, with what rearranged blocks make of the distance:
        `expected`, its mean, and `spread`, its standard deviation (NaN where there is none)."""
        return self.once(name, lambda run: run._pair(*map(run.results.stage, PAIRS[name])))

    def column(self, name: str, column: str) -> np.ndarray:
        """A column of a comparison, (units,), NaN where a neuron is not shared."""
        rows = self.pair(name)
        return rows[column].where(rows["state"] == SHARED).to_numpy(dtype=np.float64)

    def shared(self, name: str) -> pd.DataFrame:
        """The shared neurons of a comparison that have a distance by chance; all shared ones where none has."""
        rows = self.pair(name)
        rows = rows[rows["state"] == SHARED]
        return rows[rows["expected"].notna()] if rows["expected"].notna().any() else rows

    def has_state(self, name: str, state: str) -> np.ndarray:
        """Whether each neuron has this preference state, (units,), 0 or 1."""
        return (self.pair(name)["state"] == state).to_numpy(dtype=np.float64)

    def expected(self, name: str, state: str) -> Sample:
        """The share of all neurons that has this state among rearranged blocks; NaN where that was not counted."""
        if not self.results.has("null_states"):
            return Sample(math.nan)
        rows, comparison = self.table("null_states"), ":".join(map(self.results.stage, PAIRS[name]))
        rows = rows[(rows["comparison"] == comparison) & (rows["state"] == state)]
        if rows.empty:
            return Sample(math.nan)
        row = rows.iloc[0]
        spread = (row["null_95"] - row["null_05"]) / (2 * _Z90)
        noise = scattered(np.full(DRAWS, row["expected"]), spread, list(PAIRS).index(name))
        return Sample(row["expected"] / self.units, noise / self.units)

    def shuffled(self) -> list[pd.DataFrame]:
        """The comparison of zero-shot with each fine-tuning on shuffled labels, in the order of its neurons."""
        if not self.results.has("control_transfer"):
            return []
        rows = self.table("control_transfer")
        rows = rows[rows["control"].astype(str).str.startswith("shuffled")]
        return [part.sort_values("neuron") for _, part in rows.groupby("control", sort=False, observed=True)]

    def neurons(self, role: str) -> pd.DataFrame:
        """[length, mass] of every neuron in use in the stage with a role."""
        rows = self.preferences(role)
        lengths = rows[["neuron", "feature"]].drop_duplicates().groupby("neuron").size()
        return pd.DataFrame({"length": lengths, "mass": rows.groupby("neuron")["activation_sum"].sum()})

    def untrained(self) -> pd.DataFrame:
        """`neurons` of the untrained encoder; without a row where the run kept none."""
        has = "untrained" in self.results.roles.values()
        return self.neurons("untrained") if has else pd.DataFrame({"length": [], "mass": []}, dtype=np.float64)

    def preferences(self, role: str) -> pd.DataFrame:
        return self.table(f"preferences/{self.results.stage(role)}")

    @cached_property
    def settings(self) -> Mapping[str, object]:
        """The profile that the run was given; empty where it cannot be told."""
        path = self.results.folder / "profile.yaml"
        given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if "corpora" not in given and self.results.profile in list_profiles():
            given = load_profile(self.results.profile).model_dump()
        return given

    def _pair(self, before: str, after: str) -> pd.DataFrame:
        name = f"{before}:{after}"
        every = self.table("transfer")
        rows = every[(every["comparison"] == name) & every["question"].isin(["rq1", "rq2", "rq3"])]
        if rows.empty:
            sides = (self.table(f"preferences/{stage}") for stage in (before, after))
            rows = compare(*sides, self.units, (before, after))
        rows = rows.sort_values("neuron").reset_index(drop=True)
        if not self.results.has("nulls"):
            return rows.assign(expected=math.nan, spread=math.nan)
        nulls = self.table("nulls")
        nulls = nulls[nulls["comparison"] == name]
        nulls = nulls.assign(spread=(nulls["null_95"] - nulls["null_05"]) / (2 * _Z90))
        return rows.merge(nulls[["neuron", "expected", "spread"]], on="neuron", how="left")
