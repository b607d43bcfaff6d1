"""What a run is said to cost: sharding divides the reading and adds nothing."""

from __future__ import annotations

import pytest

from txray_lib import costs
from txray_lib.flow import Run
from txray_lib.profiles import load_profile


def test_shards_cost_together_what_the_whole_costs(workplace, monkeypatch):
    monkeypatch.setattr(costs, "_matrix_rate", lambda device: 1e9)
    whole = load_profile("tiny")
    sharded = whole.model_copy(update={"collection": whole.collection.model_copy(update={"shards": 4})})
    before, after = (costs.estimate(Run(profile)) for profile in (whole, sharded))
    shards = [after[f"collect-reviews-supervised-shard-{k}"] - 1 for k in range(4)]
    assert sum(shards) == pytest.approx(before["collect-reviews-supervised"] - 1)
    assert after["collect-reviews-supervised"] == 1
    assert after["collect-control-seed-1"] == before["collect-control-seed-1"]
