"""The book's side of a chart: a Sphinx extension and a MyST-NB renderer. May touch: figures, files.

`VegaLiteRenderer` (entry point `myst_nb.mime_renderers`) turns a Vega-Lite output into a figure: its alt text, and the spec as
inert JSON for the loader in `static/`. `setup` adds the loaders and what the site brings along to its pages.
"""

import html
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

from txray_lib.book.files import provide_static_files, publish
from txray_lib.figures.theme import MIME

if TYPE_CHECKING:
    from myst_nb.core.render import MimeData, NbElementRenderer
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.writers.html5 import HTML5Translator

UNBRACED = re.compile(r"\\[dt]?frac\s*[^\s{]")
LOGGER = logging.getLogger(__name__)
LONG = 200
"""Letters of a caption; a longer sentence is cut at its first pause, and told whole where the figure is told in words."""
PAUSE = re.compile(r"[:;] ")
SENTENCE_END = re.compile(r"(?<=[^.]\.) (?=[A-Z])")
EXPLORER = 'class="txray-explorer"'
AXIS = 45
"""Pixels that an axis with its title takes."""
LONG_TABLE = "txray-long"


class VegaLiteRenderer:
    """Renders `application/vnd.vegalite.v6+json`. A chart without a description is a warning, which fails a strict build."""

    mime_priority_overrides: ClassVar = [(builder, MIME, 1) for builder in ("html", "dirhtml", "singlehtml")]

    @staticmethod
    def handle_mime(renderer: "NbElementRenderer", data: "MimeData", inline: bool) -> list[nodes.Element] | None:
        if inline or data.mime_type != MIME:
            return None
        spec = data.content if isinstance(data.content, dict) else json.loads(data.content)
        if not str(spec.get("description", "")).strip():
            renderer.logger.warning("a chart has no description (alt text)", subtype="alt", line=data.line)
        env = renderer.renderer.sphinx_env
        return [nodes.raw(text=figure(spec, env.docname if env else None), format="html", classes=["output", "txray"])]


def figure(spec: dict[str, Any], page: str | None = None) -> str:
    """The HTML of a chart, with its caption: its alt text, the first sentence in sight and the rest folded away.

    page  the name of the document it stands in, whose executed notebook the caption links to

    The loader draws it, and adds downloads of its data and its picture. Without scripts its words stand there alone. Text from
    a corpus stays text: it can neither end the script element nor an attribute.
    """
    description = str(spec.get("description", ""))
    alt = html.escape(description, quote=True)
    body = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<figure class="txray-chart"><div class="txray-vega" role="img" aria-label="{alt}"'
        f' style="min-height:{_height(spec):.0f}px"></div>'
        f'<script type="application/json" class="txray-spec">{body}</script>{_caption(description, page)}</figure>'
    )


def _height(spec: dict[str, Any]) -> float:
    """About how many pixels a chart takes, so that a page keeps its place while charts are drawn."""
    if below := spec.get("vconcat"):
        return sum(map(_height, below))
    if side := spec.get("hconcat"):
        return max(map(_height, side))
    own = spec.get("height")
    return (own if isinstance(own, int | float) else 150) + AXIS


def _caption(description: str, page: str | None) -> str:
    first, *rest = SENTENCE_END.split(description, maxsplit=1)
    if len(first) > LONG and (cut := PAUSE.search(first, 40)):
        first, rest = f"{first[: cut.start()]}.", [description]
    more = f"<details><summary>The figure in words</summary>{html.escape(rest[0])}</details>" if rest else ""
    link = ""
    if page:
        address = html.escape(f"{'../' * page.count('/')}_sources/{page}.ipynb", quote=True)
        link = f'<a class="txray-source" href="{address}" download>source notebook</a>'
    return f'<figcaption>{html.escape(first)} <span class="txray-links">{link}</span>{more}</figcaption>'


def setup(app: "Sphinx") -> dict[str, Any]:
    """Sphinx's entry to this extension."""
    app.connect("config-inited", provide_static_files)
    app.connect("config-inited", _launch_only_from_a_repository)
    app.connect("build-finished", publish)
    app.connect("html-page-context", _add_scripts)
    app.connect("html-page-context", _mend_theme, priority=900)
    app.add_html_math_renderer("mathml", inline_renderers=(_inline_math, None), block_renderers=(_block_math, None))
    app.add_js_file("txray-charts.js", loading_method="defer")
    app.add_css_file("txray-charts.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _launch_only_from_a_repository(app: "Sphinx", config: "Config") -> None:
    """Without the address of a repository there is nothing that Binder or Colab could open, and the theme would fail."""
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options["launch_buttons"] = {}


def _add_scripts(app: "Sphinx", pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """The explorer's script and style on the pages that have one, and the package that searches tables where one is long."""
    body = context.get("body", "")
    if EXPLORER in body:
        app.add_js_file("txray-explorer.js", loading_method="defer")
        app.add_css_file("txray-explorer.css")
    if LONG_TABLE in body:
        app.add_js_file("txray/tables.js", loading_method="defer")
        app.add_js_file("txray-tables.js", loading_method="defer")
        app.add_css_file("txray/tables.css")


def _mend_theme(app: "Sphinx", pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """What screen readers and browsers complain of in the theme's pages, mended.

    An entry of the literature has a role that ARIA has given up, inside a list that then has no items. Two scripts for live
    code, that no page here uses, are declared twice. The arrows that unfold the pages below a page have no name.
    """
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
    scripts = context.get("script_files", [])
    context["script_files"] = [each for each in scripts if "THEBE" not in str(getattr(each, "attributes", {}))]
    if generate := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda *given, **options: _named(generate(*given, **options))


def _named(tree: Any) -> Any:
    for toggle in tree.find_all("summary") if hasattr(tree, "find_all") else ():
        toggle["aria-label"] = f"pages below: {toggle.find_previous('a').get_text(strip=True)}"
    return tree


def _inline_math(translator: "HTML5Translator", node: nodes.math) -> None:
    translator.body.append(_mathml(node))
    raise nodes.SkipNode


def _block_math(translator: "HTML5Translator", node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, as_block: bool = False) -> str:
    """Formulas as MathML, which browsers draw by themselves: MathJax is 265 kB (compressed) on a page and needs JavaScript.
    A formula that cannot be read is shown as it stands, with a warning, which fails a strict build."""
    try:
        if UNBRACED.search(node.astext()):
            raise MathError("write \\frac{1}{2}, as \\frac12 would be drawn as 12")
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        LOGGER.warning("the formula %r cannot be drawn: %s", node.astext(), error, location=node)
        return f"<code>{html.escape(node.astext())}</code>"
