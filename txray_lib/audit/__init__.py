"""The paper's claims beside what a run gives.

    quantities  counts, means and changes that follow from comparisons of stages alone
    switches    how far one choice of definition or of reading moves them
    measures    ours for every part of every claim of paper.yaml, from the tables of one run
    intervals   over neurons, over random sets, over seeds
    verdicts    the claims beside ours, over seeds, and what follows

May touch: errors, definitions, paper, places, preferences, profiles, results, tables, transfer. Needs no torch.
"""

from txray_lib.audit.intervals import Measured
from txray_lib.audit.measures import measure
from txray_lib.audit.quantities import COMPARISONS, agreement, quantities
from txray_lib.audit.switches import FORMULAS, formula_switches, moved, reading_switch, same_weights
from txray_lib.audit.verdicts import VERDICTS, decide, is_generated, judge, seeds, siblings, verdicts

__all__ = [
    "COMPARISONS",
    "FORMULAS",
    "VERDICTS",
    "Measured",
    "agreement",
    "decide",
    "formula_switches",
    "is_generated",
    "judge",
    "measure",
    "moved",
    "quantities",
    "reading_switch",
    "same_weights",
    "seeds",
    "siblings",
    "verdicts",
]
