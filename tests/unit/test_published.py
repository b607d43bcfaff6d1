"""A run's perplexity beside published ones, and none where the text was generated."""

from __future__ import annotations

import pytest
import yaml

from txray_lib import answers, places
from txray_lib.results import Results, open_results


@pytest.fixture
def frozen(monkeypatch):
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    if not (places.frozen_results("small") / "training.parquet").is_file():
        pytest.skip("results/small is not here")
    return open_results("small")


def test_a_run_on_wikitext_stands_first_with_its_own_words(frozen):
    table = answers.beside_published(frozen).data
    last = frozen.table("training").query("phase == 'pretraining' and measure == 'valid_perplexity'")["value"].iloc[-1]
    assert f"<td>{last:.1f}</td>" in table
    assert table.index("small, 5 epochs") < table.index("VD-LSTM+REAL") < table.index("AWD-LSTM")
    assert "<td>512</td>" in table
    assert table.count("33,278") == 2


def test_generated_text_has_no_published_perplexity(frozen, monkeypatch):
    monkeypatch.setattr("txray_lib.answers.published.is_generated", lambda results: True)
    assert "generated text" in answers.beside_published(frozen).data


@pytest.mark.parametrize(("given", "said"), [({}, False), ({"encoder": {"files": {}}}, True)])
@pytest.mark.parametrize("source", ["wikitext-2", "file"])
def test_only_what_was_pretrained_on_wikitext_stands_beside_the_published(frozen, tmp_path, given, said, source):
    settings = yaml.safe_load((frozen.folder / "profile.yaml").read_text(encoding="utf-8"))
    settings["corpora"]["pretraining"]["source"] = source
    for name in ("training", "stages", "corpora"):
        (tmp_path / f"{name}.parquet").write_bytes((frozen.folder / f"{name}.parquet").read_bytes())
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump({**settings, **given}), encoding="utf-8")
    told = answers.beside_published(Results("small", tmp_path, "live")).data
    assert ("a text of its own" in told) == (said or source == "file")
    assert ("VD-LSTM+REAL" in told) == (not said and source == "wikitext-2")
