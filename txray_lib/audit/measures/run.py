"""The tables of a run as the measures ask for them. May touch: errors, profiles, results, transfer, intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import yaml

from txray_lib.audit.intervals import Measured, missing
from txray_lib.errors import TxrayError
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
TOP = 10
"""The paper picks its neurons from "the top 10" and "the 10 least" by distance (§3.1, §3.2)."""


@dataclass(frozen=True)
class Run:
    """A run's tables. stand_ins: for a role of which the run has no stage, that whose preferences take its place; "" for none
    at all."""

    results: Results
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def units(self) -> int:
        return int(self.results.stages["neurons"].max())

    @cached_property
    def compared(self) -> dict[str, pd.DataFrame]:
        """Transfer rows of the four comparisons, each in the order of its neurons; computed where the table lacks one."""
        return {name: self._pair(*roles) for name, roles in PAIRS.items()}

    @cached_property
    def shared(self) -> dict[str, pd.DataFrame]:
        """`compared`, the shared neurons alone."""
        return {name: rows[rows["state"] == SHARED] for name, rows in self.compared.items()}

    def column(self, name: str, column: str) -> np.ndarray:
        """A column of a comparison, (units,), NaN where a neuron is not shared."""
        rows = self.compared[name]
        return rows[column].where(rows["state"] == SHARED).to_numpy(dtype=np.float64)

    def preferred(self, name: str, side: str) -> np.ndarray:
        """Whether each neuron prefers anything on one side ("before", "after") of a comparison, (units,)."""
        return (self.compared[name][f"length_{side}"] > 0).to_numpy()

    def extremes(self, name: str, most: bool, number: int = TOP) -> pd.DataFrame:
        """The shared neurons of largest or smallest distance; of equals the lowest index."""
        rows = self.shared[name].sort_values(["hellinger", "neuron"], ascending=[not most, True], kind="stable")
        return rows.head(min(number, max(len(rows) // 2, 1)))

    @cached_property
    def settings(self) -> dict[str, object]:
        """The profile that the run was given; empty where it cannot be told."""
        path = self.results.folder / "profile.yaml"
        given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if "corpora" not in given and self.results.profile in list_profiles():
            given = load_profile(self.results.profile).model_dump()
        return given

    def preferences(self, role: str) -> pd.DataFrame:
        """The preferences of the stage with a role, or of what stands in for it."""
        if role not in self.stand_ins:
            return self.results.preferences(self.results.stage(role))
        other = self.results.preferences(self.results.stage(self.stand_ins[role] or "last"))
        return other if self.stand_ins[role] else other.iloc[:0]

    def _pair(self, before: str, after: str) -> pd.DataFrame:
        if before in self.stand_ins or after in self.stand_ins:
            return compare(self.preferences(before), self.preferences(after), self.units)
        stages = self.results.stage(before), self.results.stage(after)
        name = ":".join(stages)
        every = self.results.table("transfer")
        rows = every[(every["comparison"] == name) & every["question"].isin(["rq1", "rq2", "rq3"])]
        if rows.empty:
            rows = compare(*(self.results.preferences(stage) for stage in stages), self.units, stages)
        return rows.sort_values("neuron").reset_index(drop=True)


def attempt(make: Callable[[], dict[str, Measured]], parts: tuple[str, ...]) -> dict[str, Measured]:
    """What `make` gives; where the run lacks a table or a stage, the reason for every part."""
    try:
        return make()
    except TxrayError as error:
        return dict.fromkeys(parts, missing(f"this run kept too little: {str(error).splitlines()[0]}"))
