"""The book: which pages it has, what each follows from, and how it is made. The last room: `workflow/book.smk` asks here.

May touch: errors, places, results, explorer, notebooks, handouts, tracking, engine.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from txray_lib import engine, explorer, places
from txray_lib.book import handouts, notebooks
from txray_lib.book.files import CARRIED
from txray_lib.engine.tracking import LIBRARY, code_hash, module_file
from txray_lib.errors import TxrayError
from txray_lib.figures.theme import PICTURES
from txray_lib.results import list_results, open_results

CHAPTERS = "small"
"""The run that the chapters of the paper are shown on, where no other is asked for: the default of their notebooks."""
WORLD = "demo"
"""The profile that a book always shows live."""
PREFIX = "build/notebooks/"
SHARDS = "build/static/explorer"
"""Everything below build/static becomes a static file of the site."""
SITE = "_build/html/index.html"
TRAINED = "trained"
"""A page with this parameter trains encoders for its reader. It is shown as it stands: the book is built from tables alone."""
_PARAMETERS = re.compile(r"^:tags: \[[^\]]*\bparameters\b[^\]]*\]\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TOO_FEW = (
    "This page compares an early, the last but one and the last snapshot of pretraining. The profile {profile} was given fewer"
    " than three, so there is nothing to show here; its pages of RQ2 and RQ3 do not need them."
)


@dataclass(frozen=True)
class Page:
    """A notebook of the book: executed on a profile, or (without the parameter `profile`) once."""

    source: Path
    out: Path
    parameters: dict[str, Any]
    title: str = ""

    @property
    def name(self) -> str:
        """As the table of contents has it, a "-" for each "/": a name for its rule."""
        return self.out.relative_to(places.root() / PREFIX).with_suffix("").as_posix().replace("/", "-")

    @property
    def profile(self) -> str:
        return self.parameters.get("profile", "")

    @property
    def settings(self) -> str:
        return json.dumps([self.parameters, self.title, _needs_snapshots(self)])


@dataclass(frozen=True)
class Book:
    """The book with the paper's chapters on the run of a profile."""

    profile: str

    @cached_property
    def pages(self) -> list[Page]:
        return pages(self.profile)

    @cached_property
    def tables(self) -> str:
        """A hash of all that a page may read beside its source: the tables of every run at hand, and every profile."""
        folders = [open_results(name).folder for name in sorted(list_results())]
        alone = places.root() / "results" / "benchmarks.parquet"
        return _hash_files(*folders, alone, places.profiles_folder())

    @property
    def shards(self) -> Path:
        """The script of the explorer that every run has."""
        return places.root() / SHARDS / self.profile / f"{explorer.shard_of(0)}.js"

    @property
    def sources(self) -> list[Path]:
        """What is read as it stands when the pages become a site."""
        named = [places.root() / name for name in ("_config.yml", "_toc.yml")]
        return [*named, *_files(places.root() / "book"), *_files(LIBRARY / "static")]

    @cached_property
    def carried(self) -> str:
        """A hash of all that the site's archive of the compendium holds."""
        return _hash_files(*(places.root() / name for name in CARRIED))

    def code(self, *modules: str) -> str:
        return code_hash(*map(module_file, modules))

    def page_code(self, page: Page) -> str:
        """A hash of the code in a page's source, of what it imports, and of what executes it."""
        return code_hash(page.source, module_file("book.notebooks"))


def build_book(profile: str = CHAPTERS, strict: bool = True, show: str = "") -> Path:
    """Build the site with the paper's chapters on the run of a profile, and return its first page.

    strict  a warning of the build is an error; show: as in `engine.call`

    Raises TxrayError if a table is missing, a cell fails or the build does.
    """
    run = open_results(profile)
    if run.is_study:
        raise TxrayError(f"{run.profile} is a study, told on a page of every book: name a run, such as {CHAPTERS}")
    os.environ.setdefault(PICTURES, "no")  # the site draws every chart itself
    page = places.root() / SITE
    config = {"profile": run.profile, "strict": "yes" if strict else ""}
    lock = places.root() / "build" / ".book.lock"
    made = engine.call(config, lock, "the book", os.cpu_count() or 1, show, snakefile="book.smk")
    if not show:
        print(f"Built the book: {page}" if made else f"The book is up to date, nothing to do: {page}")
    return page


def pages(profile: str) -> list[Page]:
    """The notebooks that `_toc.yml` names, with the parameters that they are executed with.

    `demo-rq1` is the notebook rq1 on the profile demo; one whose default is `CHAPTERS` is executed on `profile`; another on
    its own default.
    """
    found = []
    for chapter in _chapters(yaml.safe_load((places.root() / "_toc.yml").read_text(encoding="utf-8"))):
        if not chapter["file"].startswith(PREFIX):
            continue
        on_profile, _, name = chapter["file"].removeprefix(PREFIX).rpartition("-")
        source = notebooks.find_notebook(name)
        default = _default_profile(source)
        on = on_profile or (profile if default == CHAPTERS else default)
        out = places.root() / f"{chapter['file']}.ipynb"
        found.append(Page(source, out, {"profile": on} if default else {}, chapter.get("title", "")))
    return found


def _default_profile(source: Path) -> str:
    """The profile in a notebook's parameters; empty where it has none. All pages are looked at whenever a book is: no parser."""
    cell = _PARAMETERS.search(source.read_text(encoding="utf-8"))
    found = re.search(r'^profile = "([^"]*)"', cell[1], re.MULTILINE) if cell else None
    return found[1] if found else ""


def _chapters(entry: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Every page of a table of contents, in its order."""
    if "root" in entry:
        yield {"file": entry["root"]}
    elif "file" in entry:
        yield entry
    for below in (*entry.get("parts", ()), *entry.get("chapters", ()), *entry.get("sections", ())):
        yield from _chapters(below)


def make_page(page: Page) -> None:
    """The notebook that becomes a page: executed, or as it stands, or with the reason why it is empty."""
    if TRAINED in notebooks.parameters_of(page.source):
        notebooks.write_unexecuted(page.source, page.out)
    elif _needs_snapshots(page):
        notebooks.write_empty(page.source, page.out, _TOO_FEW.format(profile=page.profile))
    else:
        notebooks.execute(page.source, page.out, page.parameters, cwd=places.root(), title=page.title)


def _needs_snapshots(page: Page) -> bool:
    """Whether a page compares snapshots of pretraining (it says so in its head), of which its run has too few."""
    if "compares_snapshots" not in page.source.read_text(encoding="utf-8").partition("\n---")[0]:
        return False
    return "early" not in open_results(page.profile).roles.values()


def make_shards(profile: str) -> None:
    """The explorer's scripts of one run; those of another are gone."""
    folder = places.root() / SHARDS
    shutil.rmtree(folder, ignore_errors=True)
    explorer.write_shards(open_results(profile), folder / profile)


def make_site(pages: list[Path], strict: bool) -> None:
    """The site, of the pages that are named and no others. Raises TxrayError with what the builder complains of."""
    for old in set((places.root() / PREFIX).rglob("*.ipynb")) - set(pages):
        old.unlink()  # what is not shown must not be published by accident
    _build(strict)


def _build(strict: bool) -> None:
    root = places.root()
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    options = ["-W", "-n", "--keep-going"] if strict else []
    command = [_jupyter_book(), "build", ".", "--all", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TxrayError(
            f"the book did not build (jupyter-book ended with {done.returncode}):\n{_problems(done.stdout + done.stderr)}"
        )


def _jupyter_book() -> str:
    beside = Path(sys.executable).with_name("jupyter-book")
    found = str(beside) if beside.exists() else shutil.which("jupyter-book")
    if not found:
        raise TxrayError(
            "jupyter-book is not installed in this environment; `make book` sets one up, or `pip install -e .[book]`"
        )
    return found


def _problems(output: str) -> str:
    """The lines that say what is wrong, or the last ones if none does."""
    lines = [line for line in output.splitlines() if line.strip()]
    signs = ("WARNING", "ERROR", "Exception", "Extension error")
    told = [line for line in lines if any(sign in line for sign in signs)]
    return "\n".join(f"  {line.strip()}" for line in (told or lines)[-20:])


def _hash_files(*paths: Path) -> str:
    """A hash of names and contents of files, and of all files in folders; what does not exist counts as empty."""
    digest = hashlib.sha256()
    for path in paths:
        for file in _files(path):
            digest.update(f"{file.relative_to(path.parent).as_posix()}\0{places.file_hash(file)}".encode())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    hidden = ("__pycache__", ".egg-info")
    found = (f for f in path.rglob("*") if f.is_file() and not f.name.startswith(".") and f.name != "step.json")
    return sorted(f for f in found if not any(part.endswith(hidden) for part in f.parts))


def student_files() -> list[Path]:
    """The files that students get."""
    folder = places.root() / "build" / "course"
    names = [f"{name}.ipynb" for name in handouts.course_notebooks()]
    return [folder / name for name in (*names, handouts.ARCHIVE)] if names else []
