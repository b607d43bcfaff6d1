"""Charts: colours that everybody can tell apart, words that stay text, a neuron up close."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import altair as alt
import numpy as np
import pytest
from telling_tables import HOSTILE, write_tables

from txray_lib.book.extension import figure
from txray_lib.errors import TxrayError
from txray_lib.figures import theme
from txray_lib.figures.detail import detail
from txray_lib.results import Results

STAGES = ["encyclopedia-1", "encyclopedia-5", "encyclopedia-6"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = tmp_path_factory.mktemp("results") / "demo"
    return Results("demo", write_tables(folder), "frozen")


def test_a_neuron_that_prefers_nothing_anywhere_is_an_error(results: Results) -> None:
    with pytest.raises(TxrayError, match=r"neuron 999 prefers nothing"):
        detail({s: results.preferences(s) for s in STAGES}, results.roles, neuron=999)


def test_rare_tags_are_folded_and_no_probability_is_lost(results: Results) -> None:
    spec = detail(
        {"encyclopedia-6": results.preferences("encyclopedia-6")}, results.roles, neuron=2, top_tokens=5
    ).to_dict()
    tables = spec["datasets"].values()
    tags = next(rows for rows in tables if rows and {"stage", "tag", "class", "value"} <= set(rows[0]))
    assert len(tags) == 9
    assert sum(row["value"] for row in tags) == pytest.approx(1, abs=1e-4)
    marks = next(rows for rows in spec["datasets"].values() if rows and "feature" in rows[0])
    assert len({row["word"] for row in marks}) == 5


def test_every_role_of_a_stage_has_a_colour_and_a_shape() -> None:
    """A profile may keep more epochs than the roles of the paper name."""
    from txray_lib.profiles import load_profile
    from txray_lib.stages import stages

    tiny = load_profile("tiny")
    longer = tiny.pretraining.model_copy(update={"epochs": 6, "snapshots": [0, 1, 3, 5, 6]})
    roles = {stage.role for stage in stages(tiny.model_copy(update={"pretraining": longer}))}
    assert roles == set(theme.ROLES) == set(theme.SHAPES)


def test_a_chart_without_a_description_is_an_error() -> None:
    with pytest.raises(TxrayError, match="description"):
        theme.finish(alt.Chart(), " ")


def test_hostile_tokens_stay_text_in_a_page(results: Results) -> None:
    spec = detail({s: results.preferences(s) for s in STAGES}, results.roles, neuron=2, top_tokens=80).to_dict()
    assert any(HOSTILE[0] in json.dumps(row) for rows in spec["datasets"].values() for row in rows)
    page = figure({**spec, "description": f'{HOSTILE[0]} " onload="x'})
    body = page.split('class="txray-spec">', 1)[1].split("</script>")[0]
    assert "<" not in body
    assert json.loads(body)["datasets"] == spec["datasets"]
    assert page.count("<script") == 1
    assert '" onload="' not in page


FINE_TUNINGS = {
    **{role: theme.ROLES[role] for role in ("untrained", "last", "zero-shot", "supervised")},
    **{kind: theme.CONTROLS[kind] for kind in ("shuffled", "seed")},
}
RATES = {"schedule": theme.ROLES["last"], "constant": theme.CONTROLS["constant"]}

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ linear / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _contrast(one: str, other: str) -> float:
    dim, bright = sorted(float(TO_XYZ[1] @ _linear(colour)) for colour in (one, other))
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("page", ["light", "dark"])
@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize(
    "palette",
    [theme.ROLES, theme.STATES, theme.WAYS, theme.CHANCE, dict(enumerate(theme.SERIES)), FINE_TUNINGS, RATES],
    ids=["roles", "states", "ways", "chance", "series", "fine-tunings", "rates"],
)
def test_colours_differ_for_all_eyes(palette: dict[str, theme.Ink], eyes: str, page: str) -> None:
    seen = {name: _lab(np.clip(EYES[eyes] @ _linear(getattr(ink, page)), 0, 1)) for name, ink in palette.items()}
    nearest = min((np.linalg.norm(seen[a] - seen[b]), a, b) for a, b in itertools.combinations(seen, 2))
    assert nearest[0] > 16, nearest


@pytest.mark.parametrize("page", ["light", "dark"])
def test_colours_stand_out_from_the_page(page: str) -> None:
    ground = getattr(theme.PAGE, page)
    for ink in (
        *theme.SERIES,
        *theme.ROLES.values(),
        *theme.STATES.values(),
        *theme.WAYS.values(),
        *theme.CONTROLS.values(),
        *theme.CHANCE.values(),
    ):
        assert _contrast(getattr(ink, page), ground) >= 3
    assert _contrast(getattr(theme.TEXT, page), ground) >= 7
