"""The Sphinx extension on a site of one page: figures, formulas, icons, what a host is given, buttons for Binder and Colab."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import altair as alt
import nbformat
import pandas as pd
import pytest
from telling_tables import HOSTILE

from txray_lib.book.extension import VegaLiteRenderer
from txray_lib.figures import theme

ADDRESS = "https://github.com/somebody/a-fork"


def spec() -> dict[str, object]:
    chart = alt.Chart(pd.DataFrame({"x": [1, 2], "w": list(HOSTILE[:2])})).mark_point().encode(x="x:Q", y="w:N")
    return theme.finish(chart, 'Two points. One is "</script>", the other not.').to_dict()


def build(folder: Path, address: str, formula: str = r"\frac{1}{\sqrt 2}") -> subprocess.CompletedProcess[str]:
    """Build the page into `folder`/html, in a process of its own since Sphinx keeps much for all of a process."""
    source = folder / "src"
    source.mkdir()
    output = nbformat.v4.new_output("display_data", {theme.MIME: spec(), "text/plain": "chart"})
    cells = [
        nbformat.v4.new_markdown_cell(f"# Page\n\nInline $a_n$.\n\n$$\n{formula}\n$$"),
        nbformat.v4.new_code_cell("chart", outputs=[output]),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"orphan": True})
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, source / "index.ipynb")
    options = {
        "path_to_docs": "_sources",
        "repository_url": address,
        "repository_branch": "gh-pages",
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        },
    }
    settings = {
        "extensions": ["myst_nb", "txray_lib.book.extension"],
        "html_theme": "sphinx_book_theme",
        "html_theme_options": options,
        "html_math_renderer": "mathml",
        "myst_enable_extensions": ["dollarmath"],
        "nb_execution_mode": "off",
    }
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    (source / "conf.py").write_text("\n".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(source),
        str(folder / "html"),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a book whose repository has an address."""
    folder = tmp_path_factory.mktemp("with")
    done = build(folder, ADDRESS)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_buttons_lead_to_what_the_build_publishes(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    colab = re.search(r'href="(https://colab[^"]+)"', page)
    binder = re.search(r'href="(https://mybinder[^"]+)"', page)
    assert colab
    assert binder
    assert colab[1].startswith("https://colab.research.google.com/github/somebody/a-fork/blob/gh-pages/")
    assert (site / colab[1].split("/blob/gh-pages/")[1]).is_file()
    assert binder[1].startswith("https://mybinder.org/v2/gh/somebody/a-fork/gh-pages?urlpath=lab/tree/")
    assert (site / binder[1].split("lab/tree/")[1]).is_file()
    first = nbformat.read(site / "_sources" / "index.ipynb", 4).cells[0].source
    assert ADDRESS in first
    compile(first, "first cell", "exec")


def test_a_page_has_its_formulas_caption_icons_and_the_source(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert page.count("<math") == 2
    assert not re.search(r'src="[^"]*mathjax', page, re.IGNORECASE)
    assert "<figcaption>Two points." in page
    assert '<a class="txray-source" href="_sources/index.ipynb"' in page
    assert (site / "_static" / "scripts" / "fontawesome.js").stat().st_size < 200
    with zipfile.ZipFile(site / "compendium.zip") as archive:
        assert any(name.endswith("_config.yml") for name in archive.namelist())


def test_a_formula_that_cannot_be_drawn_fails_a_strict_build_and_without_an_address_no_button_leads_anywhere(
    tmp_path: Path,
) -> None:
    done = build(tmp_path, "", "\\nosuchcommand{x}\n$$\n\n$$\n\\tfrac12")
    assert done.returncode != 0
    assert done.stderr.count("cannot be drawn") == 2
    assert "nosuch" in done.stderr
    assert "tfrac1" in done.stderr
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert "colab.research" not in page
    assert "mybinder" not in page


def test_a_chart_without_alt_text_is_a_warning() -> None:
    told: list[str] = []
    logger = SimpleNamespace(warning=lambda text, **_: told.append(text))
    renderer = SimpleNamespace(logger=logger, renderer=SimpleNamespace(sphinx_env=None))
    data = SimpleNamespace(mime_type=theme.MIME, line=1, content={"mark": "point"})
    assert VegaLiteRenderer.handle_mime(renderer, data, inline=False)
    assert told == ["a chart has no description (alt text)"]
