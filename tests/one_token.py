"""What collection is held to: recurrent cells that take one token at a time, and records that may differ in near ties alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from txray_lib.collection import NEAR_TIE
from txray_lib.preferences import NOBODY


@torch.no_grad()
def step_through(
    weights: Mapping[str, Tensor], values: Tensor, backwards: bool = False, silent: Sequence[int] = ()
) -> Tensor:
    """Hidden states (tokens, units) of a direction of one layer, given (tokens, size), by single steps of torch's cells.

    weights  those of a `torch.nn.LSTM` or `torch.nn.GRU`
    silent   units whose hidden state is put to 0 after each step
    """
    end = "_l0_reverse" if backwards else "_l0"
    own = {name.removesuffix(end): value for name, value in weights.items() if name.endswith(end)}
    units = own["weight_hh"].shape[1]
    is_lstm = len(own["weight_hh"]) == 4 * units
    cell = (nn.LSTMCell if is_lstm else nn.GRUCell)(values.shape[1], units)
    cell.load_state_dict(own)
    state, rows = torch.zeros(1, units), []
    state = (state, state) if is_lstm else state
    for value in values.flip(0) if backwards else values:
        state = cell(value[None], state)
        rows.append(state[0] if is_lstm else state)
        rows[-1][:, list(silent)] = 0
    states = torch.cat([*rows, torch.empty(0, units)])
    return states.flip(0) if backwards else states


def assert_same_but_for_near_ties(records: pd.DataFrame, activations: np.ndarray, near_ties: int) -> None:
    """The neuron is the argmax of `activations` (tokens, units), or one within a near tie; and no more of these than counted."""
    strongest = activations.max(axis=1)
    expected = np.where(strongest > 0, activations.argmax(axis=1), NOBODY)
    neuron = records["neuron"].to_numpy()
    np.testing.assert_allclose(records["activation"], strongest, atol=2e-6)
    other = np.flatnonzero(neuron != expected)
    assert len(other) <= near_ties
    for token in other:
        chosen = strongest[token] if neuron[token] == NOBODY else activations[token, neuron[token]]
        assert abs(chosen - strongest[token]) < 2 * NEAR_TIE or abs(strongest[token]) < 2 * NEAR_TIE
