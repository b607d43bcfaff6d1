"""The paper's claims beside what a run gives.

    quantities  counts, means and changes that follow from comparisons of stages alone
    switches    how far one choice of definition or of reading moves them

May touch: errors, definitions, paper, preferences, results, transfer.
"""

from txray_lib.audit.quantities import COMPARISONS, agreement, quantities
from txray_lib.audit.switches import FORMULAS, formula_switches, moved, reading_switch, same_weights

__all__ = [
    "COMPARISONS",
    "FORMULAS",
    "agreement",
    "formula_switches",
    "moved",
    "quantities",
    "reading_switch",
    "same_weights",
]
