"""The paper's claims beside what a run gives: one verdict for each.

    quantities   counts, means and changes that follow from comparisons of stages alone
    switches     how far one choice of definition or of reading moves them
    intervals    a number beside chance, with its interval
    statistics   of neurons
    run          the tables of a run as the measures ask for them
    pretraining  ours for the claims of §3.1
    supervision  ours for those of §3.2 and §3.3
    pruning      F1, and what pruning does to it
    verdicts     the judge

May touch: errors, definitions, paper, places, preferences, profiles, results, tables, transfer. Needs no torch.
"""

from txray_lib.audit.intervals import Measured
from txray_lib.audit.quantities import COMPARISONS, agreement, quantities
from txray_lib.audit.switches import FORMULAS, formula_switches, moved, reading_switch, same_weights
from txray_lib.audit.verdicts import VERDICTS, decide, is_generated, judge, measure, measured, pruned, seeds, siblings

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
    "measured",
    "moved",
    "pruned",
    "quantities",
    "reading_switch",
    "same_weights",
    "seeds",
    "siblings",
]
