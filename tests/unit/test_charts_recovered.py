"""Lines over the amount of text: in the order of the rows, the control apart, the paper marked."""

from __future__ import annotations

import pandas as pd

from txray_lib.figures import theme
from txray_lib.figures.recovered import over_text


def spec(control: str = "") -> dict:
    rows = pd.DataFrame(
        {
            "tokens_a_neuron": [10, 100] * 3,
            "share": [0.1, 0.9, 0.2, 0.8, 0.0, 0.03],
            "size": ["small", "small", "large", "large", "nothing", "nothing"],
        }
    )
    chart = over_text(rows, "share", "size", 50, "Found", "share that changed:", control)
    return theme.finish(chart, "Two sizes.").to_dict()


def encoding(drawn: dict, channel: str) -> dict:
    return next(layer["encoding"][channel] for layer in drawn["layer"] if channel in layer["encoding"])


def test_lines_keep_the_order_of_the_rows_and_the_control_is_told_apart():
    drawn = spec("nothing")
    assert encoding(drawn, "color")["scale"]["domain"] == ["small", "large", "nothing"]
    dashes = encoding(drawn, "strokeDash")["scale"]["range"]
    assert dashes[0] == dashes[1] != dashes[2]
    plain = encoding(spec(), "strokeDash")["scale"]["range"]
    assert plain[0] == plain[2]


def test_every_colour_has_one_for_dark_pages_and_the_paper_is_marked():
    drawn = spec("nothing")
    assert set(encoding(drawn, "color")["scale"]["range"]) <= set(drawn["usermeta"]["txray"]["dark"])
    assert [{"tokens_a_neuron": 50}] in drawn["datasets"].values()
