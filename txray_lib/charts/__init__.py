"""One function per kind of figure; each reads tables and returns an Altair chart with alt text.

    overview   distance against length, a point per shared neuron (Fig. 4, 6, 8)
    detail     one neuron: its tags and its tokens, stages side by side (Fig. 5, 7, 9)
    states     how many neurons are shared, avoided, gained, never preferred
    pruning    what removing a set of neurons does to F1 (Tab. 2)
    training   a measure over the epochs

Importing this room makes charts render offline in the running notebook. May touch: errors, preferences.
"""

from txray_lib.charts.counts import pruning, states
from txray_lib.charts.detail import detail
from txray_lib.charts.overview import overview
from txray_lib.charts.theme import MIME, enable, png
from txray_lib.charts.training import training

__all__ = ["MIME", "detail", "overview", "png", "pruning", "states", "training"]

enable()
