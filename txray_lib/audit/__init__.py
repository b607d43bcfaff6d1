"""The paper's claims beside what a run gives.

    quantities  counts, means and changes that follow from comparisons of stages alone

May touch: errors, definitions, paper, preferences, results, transfer.
"""

from txray_lib.audit.quantities import COMPARISONS, agreement, quantities

__all__ = ["COMPARISONS", "agreement", "quantities"]
