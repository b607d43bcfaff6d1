"""What the paper says, kept in one file, `paper.yaml`: its values and its claims. May touch: errors."""

import math
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from txray_lib.errors import TxrayError, require_choice

Unit = Literal["", "share", "change", "features", "distance", "correlation", "number"]
"""A `change` is a signed share; counts of neurons are shares of all."""
Asked = Annotated[str, StringConstraints(pattern=r"^(|positive|negative|(more|less) than (chance|-?\d+(\.\d+)?))$")]
Ratio = Annotated[float, BeforeValidator(lambda given: given[0] / given[1] if isinstance(given, list) else given)]
Ids = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]


class Claim(BaseModel):
    """An entry of the file, one of three: a claim that is judged once (it has a unit), one that only repeats others (`see`),
    or values alone.

    claim, section    in our words, and where it stands
    paper             the paper's number in the claim's unit, NaN where it gives none; a pair is a ratio
    asked             its direction in words: "positive", "negative", "more than X", "less than X", X a number or "chance"
    against           what gives the claim's number by chance, in words
    impossible, not_stated, not_tested  the reason, where a claim has this status whatever a run gives
    see               ids of the claims that this one repeats
    values            the paper's numbers, for `value`
    short             the claim in three words, for an axis
    flag, caution     an inconsistency (I1–I9) or a departure (C1–C36) beside it; what a reader should know
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    claim: str = ""
    section: str = ""
    unit: Unit = ""
    paper: Ratio = math.nan
    asked: Asked = ""
    against: str = ""
    impossible: str = ""
    not_stated: str = ""
    not_tested: str = ""
    see: Ids = ()
    values: dict[str, float] = Field(default_factory=dict)
    flag: str = ""
    caution: str = ""
    short: str = ""

    @property
    def why(self) -> str:
        """The reason for a status that no run changes; empty where a run decides."""
        return self.impossible or self.not_stated or self.not_tested

    @property
    def side(self) -> int:
        """1 or −1, the side of the threshold on which the claim is true; 0 where only the number is claimed."""
        if not self.asked:
            return 0
        return -1 if self.asked.startswith(("negative", "less")) else 1

    @property
    def threshold(self) -> float:
        """The value beyond which the claim is true, NaN for chance and where only the number is claimed."""
        if not self.asked or self.asked.endswith("chance"):
            return math.nan
        return float(self.asked.split()[-1]) if "than" in self.asked else 0.0


def value(number: str, part: str) -> float:
    """One value of the paper by its id and part: `value("N7", "shared")`. Raises TxrayError for an unknown one."""
    known = claim(number).values
    require_choice(part, f"part of the paper's {number}", known)
    return known[part]


def claim(number: str) -> Claim:
    """An entry by its id. Raises TxrayError for an unknown one."""
    known = claims()
    require_choice(number, "value of the paper with the id", known)
    return known[number]


def judged(*ids: str) -> list[Claim]:
    """The claims that these ids name or point at, each once and in this order; without ids all, in the order of the file.

    Raises TxrayError for an unknown id, and for one of values alone.
    """
    if not ids:
        return [its for its in claims().values() if its.unit]
    found: dict[str, Claim] = {}
    for its in map(claim, ids):
        if not its.unit and not its.see:
            raise TxrayError(f"{its.id} is a setting of the paper, not a claim: there is nothing to judge.")
        found |= {target: claim(target) for target in its.see or (its.id,)}
    return list(found.values())


@cache
def claims() -> dict[str, Claim]:
    """Every entry by its id, in the order of the file."""
    text = Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    return {name: Claim(id=name, **entry) for name, entry in yaml.safe_load(text).items()}
