"""Files that the site brings along so that no page asks another server, and what a host needs beside the pages.

May touch: errors, places, figures.theme.
"""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from txray_lib import places
from txray_lib.errors import TxrayError

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

STATIC = Path(__file__).parents[1] / "static"
FETCH = """# Where the library is not installed, as on Binder or Colab: get it, with the tables that this page reads.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("txray_lib") is None:
    subprocess.run(["git", "clone", "-q", "--depth", "1", "{address}", "txray"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "./txray[book]"], check=True)
    os.environ["TXRAY_ROOT"] = os.path.abspath("txray")"""
ARCHIVE = "compendium.zip"
CARRIED = (
    *("README.md", "environment.yml", "pyproject.toml", "requirements.lock", "Makefile", "_config.yml", "_toc.yml"),
    *("CITATION.cff", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", ".gitignore"),
    *("book", "notebooks", "txray_lib", "profiles", "workflow", "results", "benchmarks", "tests"),
)
"""What the archive of the source holds."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive, so that equal contents make an equal archive."""


def list_files(*paths: Path) -> list[Path]:
    """Files, and all files in folders, but for what programs leave behind."""
    hidden = ("__pycache__", ".egg-info", ".hypothesis", ".pytest_cache")
    found = {path for path in paths if path.is_file()} | {file for path in paths for file in path.rglob("*")}
    return sorted(f for f in found if f.is_file() and not any(part.endswith(hidden) for part in f.parts))


def carried_files() -> list[Path]:
    """The compendium's source with its frozen tables: all that is needed to build this site again."""
    return list_files(*(places.root() / name for name in CARRIED))


def write_archive(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write names and contents as a zip file, whole or not at all."""
    with places.whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return path


def provide_static_files(app: "Sphinx", config: "Config") -> None:
    """Sphinx's `config-inited`: write what is missing into a folder beside the site, and name it as a static path."""
    folder = Path(app.outdir).parent / ".txray-static"
    write_bundle(folder / "txray" / "vega-bundle.js")
    write_tables(folder / "txray")
    written = [folder, Path(app.srcdir) / "build" / "static"]
    config.html_static_path = [*config.html_static_path, *(str(f) for f in written if f.is_dir()), str(STATIC)]


def publish(app: "Sphinx", error: Exception | None) -> None:
    """Sphinx's `build-finished`: what a host needs beside the pages.

    Always an empty `.nojekyll`, since some hosts leave out folders that begin with an underscore, and an archive of the source.
    Where `_config.yml` names the repository, its buttons for Binder and Colab lead to notebooks in `_sources`, which then fetch
    the library where it is missing.
    """
    if error or app.builder.format != "html":
        return
    site, root = Path(app.outdir), places.root()
    (site / ".nojekyll").touch()
    names = ((f"txray-compendium/{f.relative_to(root).as_posix()}", f.read_bytes()) for f in carried_files())
    write_archive(site / ARCHIVE, names)
    if address := app.config.html_theme_options.get("repository_url"):
        for path in (site / "_sources").rglob("*.ipynb"):
            _prepend(path, FETCH.format(address=address))


def _prepend(path: Path, code: str) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    if notebook.cells[0].source != code:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(code, metadata={"tags": ["hide-input"]}))
        nbformat.write(notebook, path)


def write_bundle(path: Path) -> None:
    """Vega, Vega-Lite and vega-embed in a function scope: their top-level names would collide with Sphinx's `_`."""
    import vl_convert

    from txray_lib.figures.theme import VEGA_LITE

    head = f"/* vl-convert {vl_convert.__version__}, vega-lite {VEGA_LITE} */"
    if not _begins(path, head):
        places.write_text(f"{head}\n(function(){{{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}\n}})();", path)


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
    places.write_text(f"{head}\n(function(){{{body}\n}})();", folder / "tables.js")
    places.write_text((source / "dt_bundle.css").read_text(encoding="utf-8"), folder / "tables.css")


def _begins(path: Path, head: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8").startswith(f"{head}\n")
