"""The book's side of a chart: a Sphinx extension and a MyST-NB renderer. May touch: charts.

`VegaLiteRenderer` (entry point `myst_nb.mime_renderers`) turns a Vega-Lite output into a figure: a picture, and beside it the
spec as inert JSON for the loader in `static/`. `setup` puts the Vega bundle that ships inside vl-convert, MathJax and the
loaders into the site, so that no page asks another server for anything.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes

from txray_lib.charts.theme import MIME, VEGA_LITE, png

if TYPE_CHECKING:
    from myst_nb.core.render import MimeData, NbElementRenderer
    from sphinx.application import Sphinx
    from sphinx.config import Config

STATIC = Path(__file__).parent / "static"
MATHJAX = "output/chtml/fonts/woff-v2"
PICTURE_SCALE = 2


class VegaLiteRenderer:
    """Renders `application/vnd.vegalite.v6+json`. A chart without a description is a warning, which fails a strict build."""

    mime_priority_overrides: ClassVar = [(builder, MIME, 1) for builder in ("html", "dirhtml", "singlehtml")]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        if inline or data.mime_type != MIME:
            return None
        spec = data.content if isinstance(data.content, dict) else json.loads(data.content)
        if not str(spec.get("description", "")).strip():
            renderer.logger.warning("a chart has no description (alt text)", subtype="alt", line=data.line)
        return [nodes.raw(text=figure(spec), format="html", classes=["output", "txray"])]


def figure(spec: dict[str, Any]) -> str:
    """The HTML of a chart. Text from a corpus stays text: it can neither end the script element nor an attribute."""
    alt = html.escape(str(spec.get("description", "")), quote=True)
    body = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c")
    picture = png(spec, scale=PICTURE_SCALE)
    width = struct.unpack(">I", picture[16:20])[0] // PICTURE_SCALE
    source = base64.b64encode(picture).decode()
    return (
        f'<figure class="txray-chart"><div class="txray-vega" role="img" aria-label="{alt}">'
        f'<img alt="{alt}" width="{width}" src="data:image/png;base64,{source}"></div>'
        f'<script type="application/json" class="txray-spec">{body}</script></figure>'
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry to this extension."""
    app.connect("config-inited", _provide_static_files)
    app.add_js_file("txray-charts.js", loading_method="defer")
    app.add_js_file("txray-tables.js", loading_method="defer")
    app.add_css_file("txray-charts.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _provide_static_files(app: Sphinx, config: Config) -> None:
    folder = Path(app.outdir).parent / ".txray-static"
    _write_bundle(folder / "txray" / "vega-bundle.js")
    if _copy_mathjax(folder / "mathjax"):
        config.mathjax_path = "mathjax/tex-mml-chtml.js"
    config.html_static_path = [*config.html_static_path, str(folder), str(STATIC)]


def _write_bundle(path: Path) -> None:
    """Vega, Vega-Lite and vega-embed in a function scope: their top-level names would collide with Sphinx's `_`."""
    import vl_convert

    head = f"/* vl-convert {vl_convert.__version__}, vega-lite {VEGA_LITE} */"
    if path.exists():
        with path.open(encoding="utf-8") as old:
            if old.readline().rstrip("\n") == head:
                return
    path.parent.mkdir(parents=True, exist_ok=True)
    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    path.write_text(f"{head}\n(function(){{{bundle}\n}})();", encoding="utf-8")


def _copy_mathjax(folder: Path) -> bool:
    """The part of MathJax that HTML output needs, out of the package that carries all of it."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        return False
    source = Path(package.origin).parent / "static" / "mathjax"
    if not (folder / MATHJAX).exists():
        shutil.copytree(source / MATHJAX, folder / MATHJAX)
        shutil.copy(source / "tex-mml-chtml.js", folder)
    return True
