"""A run's language model beside published ones. May touch: errors, places, results, audit, telling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from IPython.display import HTML, Markdown

from txray_lib import telling
from txray_lib.audit import is_generated
from txray_lib.results import Results

VOCABULARY = 33_278
"""Words of WikiText-2 in its own case, which the published models predict."""


def beside_published(results: Results) -> HTML | Markdown:
    """Validation perplexity of a run on WikiText-2 and of published LSTMs, a row each; a sentence for generated text."""
    if is_generated(results):
        return telling.paragraph("This run reads generated text, on which nobody else has measured a perplexity.")
    if not _reads_wikitext(results):
        return telling.paragraph(
            "This run's encoder learned from a text of its own, on which nobody else has measured a perplexity."
        )
    curve = results.table("training").query("phase == 'pretraining' and measure == 'valid_perplexity'")
    ours = {
        "model": f"{results.profile}, {curve['epoch'].max():g} epochs",
        "layers": "1",
        "units": telling.count(results.stages["neurons"].max()),
        "words predicted": telling.count(_words(results)),
        "validation perplexity": f"{curve.sort_values('epoch')['value'].iloc[-1]:.1f}",
    }
    theirs = [
        {
            "model": each["model"],
            "layers": str(each["layers"]),
            "units": telling.count(each["units"]),
            "words predicted": telling.count(VOCABULARY),
            "validation perplexity": f"{each['perplexity']:.1f}",
        }
        for each in _published()
    ]
    return telling.table(pd.DataFrame([ours, *theirs]), "Language models on WikiText-2", words=["model"])


def _reads_wikitext(results: Results) -> bool:
    """Whether the language model was pretrained on WikiText-2, as the published ones were."""
    made_with = results.folder / "profile.yaml"
    settings = yaml.safe_load(made_with.read_text(encoding="utf-8")) if made_with.is_file() else {}
    return (
        "encoder" not in settings and settings.get("corpora", {}).get("pretraining", {}).get("source") == "wikitext-2"
    )


def _published() -> list[dict[str, Any]]:
    return yaml.safe_load((Path(__file__).parents[1] / "published.yaml").read_text(encoding="utf-8"))


def _words(results: Results) -> float:
    measures = results.table("corpora")
    return float(measures.loc[measures["measure"] == "vocabulary", "value"].iloc[0])
