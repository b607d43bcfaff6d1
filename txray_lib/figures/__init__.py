"""One function per kind of figure; each reads tables and returns an Altair chart with alt text.

    front      the first figure of the book: all neurons, and the words of the one that is touched
    idea       one neuron through the three uses of the method (Fig. 1)
    overview   distance against length, a point per shared neuron (Fig. 4, 6, 8)
    linked     that overview with margins and the detail of the neuron that is clicked
    explorer   every neuron of every comparison, which the explorer's page drives
    excess     observed distances against those that chance gives
    changed    avoided and gained neurons beside those that chance gives
    parts      quartiles of the parts of a distance
    agreement  how alike measures of distance rank neurons
    found      what each measure finds above its null
    epochs     perplexity, distances between neighbouring snapshots, lengths, counts over the epochs
    detail     one neuron: its tags and its tokens, stages side by side (Fig. 5, 7, 9)
    states     how many neurons are shared, avoided, gained, never preferred
    mass_and_length  length against mass, the gained neurons marked (Tab. 1)
    pruning    what removing a set of neurons does to F1 (Tab. 2)
    random_sets  each random set behind the paper's pruned set (Tab. 2)
    controls   fine-tunings side by side: the labels, shuffled ones, other seeds (RQ3)
    constant   the schedule's learning rate beside a constant one (RQ1)
    probe      how often a linear probe tells a token's tag (Fig. 3)
    training   a measure over the epochs
    overlaps, nearness, met  what the method cannot see
    lengths    the length of each neuron over stages, a line per neuron (Fig. 2, 10)
    tag_shares activation mass per tag beside the corpus (Fig. 3)
    masses     sorted activation masses and the share of the strongest neurons (Fig. 11)
    moved      by how much each choice of definition moves each number
    rankings   how alike two definitions of distance rank neurons
    recovered_states, rank_correlations, detected, false_alarms  what a study of planted encoders recovers
    winners    the largest activations of a sentence's tokens, the winner marked (§2.1)
    four_ways  TX-Ray, attribution, probing and model diffing on one sentence
    speed      how far each benchmark lies from its limit
    readings   preference states between two readings of one text by the same weights

Importing this room makes charts render offline in the running notebook. May touch: errors, definitions,
preferences, tags, results, telling.
"""

from txray_lib.figures.agreement import agreement, found
from txray_lib.figures.constant import constant
from txray_lib.figures.controls import controls
from txray_lib.figures.counts import mass_and_length, pruning, states
from txray_lib.figures.definitions import moved, rankings, readings
from txray_lib.figures.detail import detail
from txray_lib.figures.epochs import epochs
from txray_lib.figures.excess import changed, excess, parts
from txray_lib.figures.explorer import explorer
from txray_lib.figures.front import front
from txray_lib.figures.idea import idea
from txray_lib.figures.lengths import lengths
from txray_lib.figures.limits import met, nearness, overlaps
from txray_lib.figures.linked import linked
from txray_lib.figures.masses import masses
from txray_lib.figures.overview import overview
from txray_lib.figures.probe import probe
from txray_lib.figures.pruned import random_sets
from txray_lib.figures.recovery import detected, false_alarms, rank_correlations, recovered_states
from txray_lib.figures.sentence import four_ways, winners
from txray_lib.figures.speed import speed
from txray_lib.figures.tag_shares import tag_shares
from txray_lib.figures.theme import MIME, enable, png
from txray_lib.figures.training import training

__all__ = [
    "MIME",
    "agreement",
    "changed",
    "constant",
    "controls",
    "detail",
    "detected",
    "epochs",
    "excess",
    "explorer",
    "false_alarms",
    "found",
    "four_ways",
    "front",
    "idea",
    "lengths",
    "linked",
    "mass_and_length",
    "masses",
    "met",
    "moved",
    "nearness",
    "overlaps",
    "overview",
    "parts",
    "png",
    "probe",
    "pruning",
    "random_sets",
    "rank_correlations",
    "rankings",
    "readings",
    "recovered_states",
    "speed",
    "states",
    "tag_shares",
    "training",
    "winners",
]

enable()
