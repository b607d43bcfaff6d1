"""Texts through slots: every token of every text once, in order, from a state of zero, and hardly a slot idle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib.encoders.lstm import Encoder
from txray_lib.slots import WINDOW, windows

UNITS = 3


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(10, 4, UNITS)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 70), max_size=12), st.integers(1, 8))
def test_each_text_is_read_as_if_alone(lengths: list[int], slots: int):
    torch.manual_seed(0)
    encoder, random = Encoder(10, 4, UNITS), np.random.default_rng(1)
    texts = [random.integers(0, 10, n) for n in lengths]
    read = [np.full((n, UNITS), np.nan, np.float32) for n in lengths]
    for window in windows(encoder, iter(texts), slots):
        assert window.activations.shape == (len(window.text), WINDOW, UNITS)
        assert 0 < len(window.text) <= slots
        assert len(set(window.text.tolist())) == len(window.text)
        assert ((window.size > 0) & (window.size <= WINDOW)).all()
        for text, offset, size, rows in zip(window.text, window.offset, window.size, window.activations, strict=True):
            assert np.isnan(read[text][offset : offset + size]).all(), "a token was read twice"
            read[text][offset : offset + size] = rows[:size].numpy()
    for ids, rows in zip(texts, read, strict=True):
        if len(ids):
            with torch.no_grad():
                alone = encoder(torch.from_numpy(ids).unsqueeze(0))[0][0]
            np.testing.assert_allclose(rows, alone.numpy(), atol=2e-6)


def test_no_slot_stays_empty_while_a_text_waits(encoder):
    random = np.random.default_rng(2)
    lengths = np.sort(random.integers(1, 400, 200))[::-1]
    texts = [np.zeros(n, np.int64) for n in lengths]
    rows, begun = [], set()
    for window in windows(encoder, texts, 16):
        begun |= set(window.text.tolist())
        rows.append(len(window.text))
        assert len(window.text) == 16 or len(begun) == len(texts)
    assert lengths.sum() / (sum(rows) * WINDOW) > 0.9, "of all slots of all windows"


def test_texts_are_taken_only_when_a_slot_is_free(encoder):
    taken = []

    def texts():
        for number in range(100):
            taken.append(number)
            yield np.zeros(WINDOW * (1 + number % 3), np.int64)

    latest = -1
    for window in windows(encoder, texts(), 4):
        latest = max(latest, *window.text.tolist())
        assert max(taken) == latest
    assert latest == 99


def test_no_text_gives_no_window(encoder):
    assert [*windows(encoder, [], 4)] == []
    assert [*windows(encoder, [np.empty(0, np.int64)], 4)] == []
