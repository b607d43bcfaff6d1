"""Sentences and tables that a page says about its results: a module for each kind of page.

    questions  what rq1–rq3 say
    audited    the paper's claims beside ours, with verdicts
    rerunning  which parameters there are, of notebooks and of profiles
    tables     Tab. 1 and Tab. 2
    lengths    how long neurons are and how that changes (Fig. 2, 10)
    tag_shares activation mass per tag beside the corpus (Fig. 3)
    single     which single neurons are shown, what they keep, lose and take on (Fig. 5, 7, 9)
    front      the first page of the book
    exploring  the frames of the neuron explorer
    idea       one neuron through the three uses of the method (Fig. 1)
    overview   distance against length (Fig. 4, 6, 8)
    epochs     whether distance and length converge as perplexity does (RQ1)
    masses     how activation mass is spread over neurons (Fig. 11)
    definitions how far a choice of definition moves the numbers
    recovered  what a study of planted encoders recovers
    known      the verdict where the truth is known, and the words of the worlds
    readings   what other preprocessing does at equal weights
    nulls      what of a comparison exceeds chance
    measures   measures beside the paper's distance: where they agree, what each finds
    against    the paper's claims against the nulls, and what words of one text alone make of a distance
    worked     one neuron's distance worked out by hand
    flaws      arithmetic with the paper's own numbers (I1–I9)
    controls   what shuffled labels and other seeds do beside supervision (RQ3)
    constant   whether distances fall where the learning rate does not (RQ1)
    probing    what a linear probe reads of tags (Fig. 3)
    places_of_sets where pruned sets lie among random ones (Tab. 2)
    published  a run's language model beside published ones
    speed      what the benchmarks measured beside what was asked
    scaling    what a larger corpus costs, and what breaks first
    one_sentence, by_hand, four_ways  the pages on one sentence, which import these modules by their names
    departures where the released code departs from the paper (C1–C36)
    limits     what the method cannot see, each limit measured
    overlaps   what a distance is made of, and what a neuron's number is worth
    lessons    what the paper got wrong, by pattern, with the guard against it

May touch: errors, places, tables, definitions, preferences, transfer, paper, profiles, results, audit, truth, notebooks,
telling, explorer, charts (names).
"""

from txray_lib.answers.against import against_null, distance_parts, vocabulary_said
from txray_lib.answers.audited import (
    audit_table,
    beside,
    chosen_runs,
    seeds_said,
    untested_table,
    verdict_counts,
    verdicts_said,
)
from txray_lib.answers.constant import constant_said, has_constant, rate_curves, rate_steps
from txray_lib.answers.controls import (
    control_rows,
    control_scores,
    controls_said,
    gained_by_controls,
    has_controls,
    lengths_by_controls,
    masses_by_controls,
    with_controls,
)
from txray_lib.answers.definitions import (
    LABELS,
    SWITCHES,
    compared_by,
    effects,
    every_switch,
    formulas,
    headings,
    most_distant,
    most_distant_said,
    moved_table,
    not_kept,
    ranking,
    ranking_said,
    recomputed,
    which_move,
)
from txray_lib.answers.departures import departures, departures_table
from txray_lib.answers.epochs import converges, epoch_table, halves_median, kept, lengths_settle, neighbours, optimiser
from txray_lib.answers.exploring import explored_first, explored_neuron, explorer_detail, explorer_panel
from txray_lib.answers.front import front_answers, front_neuron, front_said, largest
from txray_lib.answers.idea import USES, followed, followed_said, followed_table, most_typical, three_uses
from txray_lib.answers.known import live_said, recovery_verdict, words_said, words_table
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
from txray_lib.answers.measures import (
    agreement,
    agreement_said,
    found_by,
    found_said,
    found_table,
    kept_no_measures,
    measured,
    noise_floors,
    noise_floors_said,
    rarefied_said,
    separation,
    separation_said,
    separation_source,
    separation_table,
)
from txray_lib.answers.nulls import (
    beside_null,
    exceeding,
    excess_table,
    has_nulls,
    states_by_chance,
    states_by_chance_said,
    states_table,
    which_null,
)
from txray_lib.answers.overview import (
    CONCENTRATION,
    beside_control,
    concentrated,
    fell,
    in_use,
    short_neurons,
    spread,
    without_distance,
)
from txray_lib.answers.places_of_sets import has_places, places_said, places_table, random_draws
from txray_lib.answers.probing import has_probe, probe_said, probed
from txray_lib.answers.published import beside_published
from txray_lib.answers.questions import (
    Control,
    absorbed,
    claim,
    control,
    distances,
    learning_curve,
    perplexity,
    preferred,
    scores,
    setting,
    states_said,
    supervised,
    zero_shot,
)
from txray_lib.answers.readings import READINGS, readings, readings_said, readings_table
from txray_lib.answers.recovered import (
    Recovered,
    alarms_said,
    beside_live,
    checked,
    detected_said,
    needed_table,
    open_study,
    planted_said,
    ranks_said,
    recovery_said,
    recovery_table,
    study_line,
    study_source,
)
from txray_lib.answers.rerunning import (
    notebook_parameters,
    profile_settings,
    profile_times,
)
from txray_lib.answers.scaling import breaking_said, breaking_table, cost_table, machines_said
from txray_lib.answers.single import chosen, exchanged, introduced, singled_out, singles_table
from txray_lib.answers.speed import (
    benchmarks,
    no_benchmarks,
    speed_beside,
    speed_notes,
    speed_points,
    speed_said,
    speed_source,
    speed_table,
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
from txray_lib.answers.worked import neuron_by_hand, worked, worked_distance, worked_probabilities

__all__ = [
    "CONCENTRATION",
    "LABELS",
    "READINGS",
    "SWITCHES",
    "USES",
    "Control",
    "Recovered",
    "absorbed",
    "against_null",
    "agreement",
    "agreement_said",
    "alarms_said",
    "audit_table",
    "benchmarks",
    "beside",
    "beside_control",
    "beside_live",
    "beside_null",
    "beside_published",
    "breaking_said",
    "breaking_table",
    "checked",
    "chosen",
    "chosen_runs",
    "claim",
    "compared_by",
    "concentrated",
    "concentration",
    "constant_said",
    "control",
    "control_rows",
    "control_scores",
    "controls_said",
    "converges",
    "corpus_source",
    "cost_table",
    "departures",
    "departures_table",
    "detected_said",
    "distance_parts",
    "distances",
    "effects",
    "epoch_table",
    "every_switch",
    "exceeding",
    "excess_table",
    "exchanged",
    "explored_first",
    "explored_neuron",
    "explorer_detail",
    "explorer_panel",
    "fell",
    "followed",
    "followed_said",
    "followed_table",
    "formulas",
    "found_by",
    "found_said",
    "found_table",
    "front_answers",
    "front_neuron",
    "front_said",
    "gained",
    "gained_by_controls",
    "halves_median",
    "has_constant",
    "has_controls",
    "has_nulls",
    "has_places",
    "has_probe",
    "headings",
    "in_use",
    "introduced",
    "kept",
    "kept_no_measures",
    "largest",
    "learning_curve",
    "least_preferred",
    "length_changes",
    "length_shifts",
    "length_table",
    "length_verdict",
    "lengths_bounded",
    "lengths_by_controls",
    "lengths_settle",
    "live_said",
    "machines_said",
    "mass_table",
    "mass_verdict",
    "masses_by_controls",
    "meanings",
    "measured",
    "most_distant",
    "most_distant_said",
    "most_typical",
    "moved_table",
    "needed_table",
    "neighbours",
    "neuron_by_hand",
    "neuron_table",
    "no_benchmarks",
    "noise_floors",
    "noise_floors_said",
    "not_kept",
    "notebook_parameters",
    "open_study",
    "optimiser",
    "outside_by_chance",
    "perplexity",
    "places_said",
    "places_table",
    "planted_said",
    "preferred",
    "probe_said",
    "probed",
    "profile_settings",
    "profile_times",
    "pruned",
    "pruned_sets_checked",
    "pruning_rows",
    "pruning_verdict",
    "random_draws",
    "ranking",
    "ranking_said",
    "ranks_said",
    "rarefied_said",
    "rate_curves",
    "rate_steps",
    "readings",
    "readings_said",
    "readings_table",
    "recomputed",
    "recovery_said",
    "recovery_table",
    "recovery_verdict",
    "scores",
    "seeds_said",
    "separation",
    "separation_said",
    "separation_source",
    "separation_table",
    "setting",
    "short_neurons",
    "side_by_side",
    "singled_out",
    "singles_table",
    "specialised",
    "speed_beside",
    "speed_notes",
    "speed_points",
    "speed_said",
    "speed_source",
    "speed_table",
    "spread",
    "states_by_chance",
    "states_by_chance_said",
    "states_said",
    "states_table",
    "study_line",
    "study_source",
    "supervised",
    "tag_distances",
    "tag_shares",
    "tag_table",
    "tag_verdict",
    "three_uses",
    "untested_table",
    "verdict_counts",
    "verdicts_said",
    "vocabulary_said",
    "which_move",
    "which_null",
    "with_controls",
    "without_distance",
    "words_said",
    "words_table",
    "worked",
    "worked_distance",
    "worked_probabilities",
    "zero_shot",
]
