"""Files that the site brings along so that no page asks another server: Vega, icons. May touch: results, charts.

The theme loads every icon there is on every page, as a script of 1.5 MB (542 kB compressed) or as a web font; here its own font
is cut to the icons in use and lies in a style sheet, and the script is empty.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from txray_lib import places
from txray_lib.errors import TxrayError
from txray_lib.figures.theme import VEGA_LITE
from txray_lib.results import list_results, open_results

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

STATIC = Path(__file__).parents[1] / "static"
ICONS = (
    "f00d f010 f015 f019 f030 f044 f05a f058 f05e f057 f060 f062 f064 f065 f066 f06a f06e f071 f078 f0c9 f0eb f0f3"
    " f002 f03a f03b f03e f04b f042 f104 f105 f106 f107 f0e2 f121 f128 f135 f15b f15c f185 f186 f1c1 f303 f35d f040 f06b"
)
"""Code points of the icons of the theme's templates and of its admonitions; one that is missing comes from the whole font."""
ENVIRONMENT = """name: txray
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip: ["txray-lib[book] @ git+{address}"]
"""
FETCH = """# Where the library is not installed, as on Colab: get it, and the tables that this page reads.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("txray_lib") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "txray-lib[book] @ git+{address}"], check=True)
    subprocess.run(["git", "clone", "-q", "--depth", "1", "--branch", "{branch}", "{address}", "txray-site"], check=True)
    os.environ["TXRAY_RESULTS"] = os.path.abspath("txray-site/results")"""
ARCHIVE = "compendium.zip"
READS = ("profile", "other", "data", "study")
"""Parameters of notebooks that name whose tables are read."""
CARRIED = (
    *("README.md", "environment.yml", "pyproject.toml", "requirements.lock", "Makefile", "_config.yml", "_toc.yml"),
    *("CITATION.cff", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", ".gitignore"),
    *("book", "notebooks", "txray_lib", "profiles", "workflow", "results", "benchmarks", "tests"),
)
"""What the archive of the source holds."""
EPOCH = (1980, 1, 1, 0, 0, 0)
SCRIPT = "scripts/fontawesome.js"


def provide_static_files(app: Sphinx, config: Config) -> None:
    """Sphinx's `config-inited`: write what is missing into a folder beside the site, and name it as a static path."""
    folder = Path(app.outdir).parent / ".txray-static"
    write_bundle(folder / "txray" / "vega-bundle.js")
    write_tables(folder / "txray")
    write_icons(folder)
    written = [folder, Path(app.srcdir) / "build" / "static"]
    config.html_static_path = [*config.html_static_path, *(str(f) for f in written if f.is_dir()), str(STATIC)]


def publish(app: Sphinx, error: Exception | None) -> None:
    """Sphinx's `build-finished`: what a host needs beside the pages.

    Always an empty `.nojekyll`, since some hosts leave out folders that begin with an underscore, and an archive of the source
    with the frozen tables. Where `_config.yml` names the repository, also what its buttons for Binder and Colab lead to:
    notebooks in `_sources` that fetch the library where it is missing, the tables they read in `results`, and an environment.
    """
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    _write(site / ".nojekyll", "")
    write_archive(site / ARCHIVE)
    options = app.config.html_theme_options
    address, branch = options.get("repository_url", ""), options.get("repository_branch", "")
    if not address:
        return
    _write(site / "environment.yml", ENVIRONMENT.format(address=address))
    _write(site / "start", '#!/bin/bash\nexport TXRAY_RESULTS="$PWD/results"\nexec "$@"\n')
    cell = FETCH.format(address=address, branch=branch)
    for path in sorted((site / "_sources").rglob("*.ipynb")):
        _prepend(path, cell)
    for profile in sorted(_read_by(site) & set(list_results())):
        folder = open_results(profile).folder
        shutil.copytree(
            folder, site / "results" / profile, ignore=shutil.ignore_patterns("step.json"), dirs_exist_ok=True
        )


def _read_by(site: Path) -> set[str]:
    """The profiles whose tables the published notebooks read: another run at hand may be private."""
    import nbformat

    given = [
        nbformat.read(path, 4).metadata.get("papermill", {}).get("parameters", {})
        for path in site.glob("_sources/**/*.ipynb")
    ]
    return {str(value) for parameters in given for name, value in parameters.items() if name in READS}


def write_archive(path: Path) -> None:
    """The compendium's source with its frozen tables: all that is needed to build this site again."""
    files = [file for name in CARRIED for file in _files(places.root() / name)]
    with places.whole_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            name = f"txray-compendium/{file.relative_to(places.root()).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name, EPOCH), file.read_bytes(), zipfile.ZIP_DEFLATED)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    hidden = ("__pycache__", ".egg-info", ".hypothesis", ".pytest_cache")
    return sorted(f for f in path.rglob("*") if f.is_file() and not any(part.endswith(hidden) for part in f.parts))


def _prepend(path: Path, code: str) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    if notebook.cells and notebook.cells[0].source == code:
        return
    notebook.cells.insert(0, nbformat.v4.new_code_cell(code, metadata={"tags": ["hide-input"]}))
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


def write_bundle(path: Path) -> None:
    """Vega, Vega-Lite and vega-embed in a function scope: their top-level names would collide with Sphinx's `_`."""
    import vl_convert

    head = f"/* vl-convert {vl_convert.__version__}, vega-lite {VEGA_LITE} */"
    if _begins(path, head):
        return
    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    _write(path, f"{head}\n(function(){{{bundle}\n}})();")


def write_tables(folder: Path) -> None:
    """DataTables with search and export, as the package itables carries it: a module, which a page opened from disk may not
    load, made a script whose one name is `ITable`."""
    import itables

    source = Path(itables.__file__).parent / "html"
    head = f"/* itables {itables.__version__}: DataTables and jQuery, MIT */"
    if _begins(folder / "tables.js", head):
        return
    module = (source / "dt_bundle.js").read_text(encoding="utf-8")
    exported = re.search(r"export\{[^}]*?([\w$]+) as ITable[^}]*\}", module)
    if exported is None:
        raise TxrayError(f"itables {itables.__version__} exports no ITable: the book was made for 2.9")
    body = module.replace(exported[0], f"window.ITable={exported[1]}")
    _write(folder / "tables.js", f"{head}\n(function(){{{body}\n}})();")
    _write(folder / "tables.css", (source / "dt_bundle.css").read_text(encoding="utf-8"))


def write_icons(folder: Path) -> None:
    """The theme's icon font cut to `ICONS`, in a style sheet, and an empty file in place of the theme's script."""
    import pydata_sphinx_theme

    head = f"/* icons of pydata-sphinx-theme {pydata_sphinx_theme.__version__}: {ICONS} */"
    style = folder / "txray-icons.css"
    if _begins(style, head):
        return
    fonts = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor/fontawesome/webfonts"
    source = base64.b64encode(_cut(fonts / "fa-solid-900.ttf")).decode()
    licence = "/* Font Awesome Free, icons CC BY 4.0, font SIL OFL 1.1, https://fontawesome.com/license/free */"
    face = f'@font-face{{font-family:"Font Awesome 6 Free";font-weight:900;src:url(data:font/woff;base64,{source})}}'
    _write(folder / SCRIPT, "/* The icons in use are in txray-icons.css. */\n")
    _write(style, f"{head}\n{licence}\n{face}\n")


def _cut(font: Path) -> bytes:
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=False, glyph_names=False, hinting=False)
    loaded = subset.load_font(str(font), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[int(code, 16) for code in ICONS.split()])
    cutter.subset(loaded)
    out = io.BytesIO()
    loaded.flavor = "woff"
    loaded.save(out)
    return out.getvalue()


def _begins(path: Path, head: str) -> bool:
    if not path.exists():
        return False
    with path.open(encoding="utf-8") as old:
        return old.readline().rstrip("\n") == head


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
