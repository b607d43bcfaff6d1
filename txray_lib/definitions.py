"""The paper's formulas and those of its released code, as parameters: which is used changes a number, not the data.

Below preferences; may touch: errors.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from txray_lib.errors import TxrayError, nearest

PAPER, RELEASED = CHOICES = ("paper", "released")


@dataclass(frozen=True)
class Definitions:
    """Three formulas, each the paper's or the released code's.

    distance     "paper": the Hellinger distance (§2.2); "released": divided by the size of the union of features (C1)
    probability  "paper": a feature's mean activation over the sum of the means (§2.1), which sums to 1; "released": over
                 the sum of all activations of the neuron, which does not (C2)
    length       "paper": the features a neuron prefers (§2.2); "released": those of both stages together (C3)

    Raises TxrayError for another value.
    """

    distance: str = PAPER
    probability: str = PAPER
    length: str = PAPER

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value not in CHOICES:
                raise TxrayError(
                    f"the definition {field.name} is {value!r}, which is neither of the two. {nearest(str(value), CHOICES)}"
                )

    @property
    def is_papers(self) -> bool:
        """Whether all three are the paper's."""
        return self == Definitions()

    def __str__(self) -> str:
        changed = [field.name for field in fields(self) if getattr(self, field.name) != PAPER]
        return "the paper's definitions" if not changed else f"the released code's {' and '.join(changed)}"
