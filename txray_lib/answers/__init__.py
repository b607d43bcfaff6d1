"""Sentences and tables that a page says about its results: a module for each kind of page.

    questions  what rq1–rq3 say
    rerunning  which parameters there are, of notebooks and of profiles
    tables     Tab. 1 and Tab. 2
    lengths    how long neurons are and how that changes (Fig. 2, 10)
    tag_shares activation mass per tag beside the corpus (Fig. 3)
    overview   distance against length (Fig. 4, 6, 8)
    epochs     whether distance and length converge as perplexity does (RQ1)
    masses     how activation mass is spread over neurons (Fig. 11)

May touch: errors, preferences, paper, results, telling.
"""

from txray_lib.answers.epochs import converges, epoch_table, kept, neighbours, optimiser
from txray_lib.answers.lengths import (
    concentration,
    length_changes,
    length_shifts,
    length_table,
    length_verdict,
    lengths_bounded,
    neuron_table,
    side_by_side,
)
from txray_lib.answers.masses import mass_table, mass_verdict
from txray_lib.answers.overview import (
    CONCENTRATION,
    beside_control,
    concentrated,
    fell,
    short_neurons,
    spread,
    without_distance,
)
from txray_lib.answers.questions import (
    Control,
    absorbed,
    chosen,
    claim,
    control,
    distances,
    perplexity,
    preferred,
    scores,
    setting,
    states_said,
    supervised,
    zero_shot,
)
from txray_lib.answers.rerunning import (
    notebook_parameters,
    profile_settings,
    profile_times,
)
from txray_lib.answers.tables import (
    gained,
    least_preferred,
    meanings,
    outside_by_chance,
    pruned,
    pruned_sets_checked,
    pruning_rows,
    pruning_verdict,
    specialised,
)
from txray_lib.answers.tag_shares import corpus_source, tag_distances, tag_shares, tag_table, tag_verdict

__all__ = [
    "CONCENTRATION",
    "Control",
    "absorbed",
    "beside_control",
    "chosen",
    "claim",
    "concentrated",
    "concentration",
    "control",
    "converges",
    "corpus_source",
    "distances",
    "epoch_table",
    "fell",
    "gained",
    "kept",
    "least_preferred",
    "length_changes",
    "length_shifts",
    "length_table",
    "length_verdict",
    "lengths_bounded",
    "mass_table",
    "mass_verdict",
    "meanings",
    "neighbours",
    "neuron_table",
    "notebook_parameters",
    "optimiser",
    "outside_by_chance",
    "perplexity",
    "preferred",
    "profile_settings",
    "profile_times",
    "pruned",
    "pruned_sets_checked",
    "pruning_rows",
    "pruning_verdict",
    "scores",
    "setting",
    "short_neurons",
    "side_by_side",
    "specialised",
    "spread",
    "states_said",
    "supervised",
    "tag_distances",
    "tag_shares",
    "tag_table",
    "tag_verdict",
    "without_distance",
    "zero_shot",
]
