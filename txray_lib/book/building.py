"""The book: which pages it has, what each follows from, and how it is made. The last room: `workflow/book.smk` asks here.

What a page opened while it was executed, tables of runs or profiles, is noted beside it, as a compiler notes the headers of a
file. A note that no longer holds is removed, and Snakemake makes the part anew. Code is followed by imports (`engine.tracking`).
May touch: errors, places, results, explorer, engine, and its own room.
"""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from txray_lib import engine, places
from txray_lib.book import handouts, notebooks
from txray_lib.book.files import carried_files
from txray_lib.errors import TxrayError
from txray_lib.results import open_results

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
    def note(self) -> Path:
        """Where it is noted what the page opened."""
        return self.out.with_suffix(".opened")

    @property
    def settings(self) -> str:
        return json.dumps([self.parameters, self.title, os.environ.get(places.RESULTS_VARIABLE, "")])


def build_book(profile: str = CHAPTERS, show: str = "") -> Path:
    """Build the site with the paper's chapters on the run of a profile, and return its first page. `show`: see `engine.call`.

    Raises TxrayError if a table is missing, a cell fails or the build does.
    """
    run = open_results(profile, every_layer=True)
    if run.layer is not None:
        raise TxrayError(f"the book shows every layer of a run: name {run.profile}, and a layer on a page of your own")
    if run.is_study:
        raise TxrayError(f"{run.profile} is a study, told on a page of every book: name a run, such as {CHAPTERS}")
    page = places.root() / SITE
    lock = places.root() / "build" / ".book.lock"
    config = {"profile": run.profile, "show": show}
    made = engine.call(config, lock, "the book", os.cpu_count() or 1, show, snakefile="book.smk")
    if not show:
        print(f"Built the book: {page}" if made else f"The book is up to date, nothing to do: {page}")
    return page


def list_pages(profile: str) -> list[Page]:
    """The notebooks that `_toc.yml` names, with the parameters that they are executed with.

    `demo-rq1` is the notebook rq1 on the profile demo; one whose default is `CHAPTERS` is executed on `profile`; another on
    its own default. Raises TxrayError where that file is no table of contents.
    """
    from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

    try:
        table_of_contents = parse_toc_yaml(places.root() / "_toc.yml")
    except MalformedError as error:
        raise TxrayError(f"_toc.yml is no table of contents: {error}") from None
    found = []
    for file, its in table_of_contents.items():
        if not file.startswith(PREFIX):
            continue
        on_profile, _, name = file.removeprefix(PREFIX).rpartition("-")
        source = notebooks.find_notebook(name)
        default = notebooks.parameters_of(source).get("profile", "")
        on = on_profile or (profile if default == CHAPTERS else default)
        out = places.root() / f"{file}.ipynb"
        found.append(Page(source, out, {"profile": on} if default else {}, its.title or ""))
    return found


def list_handouts() -> list[Path]:
    """The files that students get."""
    folder, names = places.root() / "build" / "course", handouts.course_notebooks()
    return [folder / name for name in (*(f"{name}.ipynb" for name in names), handouts.ARCHIVE)] if names else []


def hash_archive() -> str:
    """A hash of all that the site's archive of the compendium holds, and so of all that is no notebook in the site."""
    return _hash_files(os.path.relpath(file, places.root()) for file in carried_files())


def make_noted(note: Path, make: Callable[..., object], *given: Any) -> None:
    """Call what makes a part of the book, and note what it opens, and a hash of that."""
    draft, began = note.with_suffix(".draft"), time.time()
    places.write_text("", draft)
    os.environ[places.OPENED_VARIABLE] = str(draft)
    try:
        make(*given)
        lines = set(draft.read_text(encoding="utf-8").splitlines())
    finally:
        del os.environ[places.OPENED_VARIABLE]
        draft.unlink()
    opened = sorted(os.path.relpath(line, places.root()) for line in lines)
    found = _find_opened(opened)
    is_older = all((places.root() / name).stat().st_mtime <= began for name in found)
    said = {"opened": opened, "hash": _hash_files(found) if is_older else "changed meanwhile"}
    places.write_text(json.dumps(said, indent=1), note)


def settle_note(note: Path, show: str) -> str:
    """Remove the note of a part of the book that opened what is not the same any more, so that the part is made anew. With
    `show` (see `engine.call`) nothing is removed, and the reason is given."""
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    if _hash_files(_find_opened(said["opened"])) == said["hash"]:
        return ""
    if show:
        return "what it opened has changed"
    note.unlink(missing_ok=True)
    return ""


def _find_opened(patterns: list[str]) -> list[str]:
    """Names below the root of the files that patterns stand for."""
    names = [n for each in patterns for n in sorted(glob.glob(each, root_dir=places.root(), recursive=True))]
    return [name for name in names if (places.root() / name).is_file()]


def _hash_files(names: Iterable[str]) -> str:
    """A hash of names below the root and contents of files."""
    digest = hashlib.sha256()
    for name in names:
        path = places.root() / name
        if path.is_file():
            its = path.stat()
            digest.update(f"{name}\0{_hash_content(path, its.st_mtime_ns, its.st_size)}".encode())
    return digest.hexdigest()


@cache
def _hash_content(path: Path, modified: int, size: int) -> str:
    return places.file_hash(path)


def make_page(page: Page) -> None:
    """The notebook that becomes a page: executed, or as it stands.

    For a process of its own that has computed nothing: what it imports here, the kernel has.
    """
    os.environ.setdefault("TXRAY_PICTURES", "no")  # the site draws every chart itself
    if TRAINED in notebooks.parameters_of(page.source):
        notebooks.write_unexecuted(page.source, page.out)
        return
    import txray_lib.page  # noqa: F401
    from txray_lib.book.kernels import CopiedKernel

    notebooks.execute(page.source, page.out, page.parameters, cwd=places.root(), title=page.title, kernel=CopiedKernel)


def make_shards(profile: str) -> None:
    """The explorer's scripts of one run; those of another are gone."""
    from txray_lib import explorer

    folder = places.root() / SHARDS
    shutil.rmtree(folder, ignore_errors=True)
    explorer.write_shards(open_results(profile, every_layer=True), folder / profile)


def make_site(pages: list[Path]) -> None:
    """The site, of the pages that are named and no others. Raises TxrayError with what the builder complains of."""
    for old in set((places.root() / PREFIX).rglob("*.ipynb")) - set(pages):
        old.unlink()  # what is not shown must not be published by accident
    shutil.rmtree(places.root() / "_build" / "html", ignore_errors=True)
    _build()


def _build() -> None:
    builder = shutil.which("jupyter-book", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not builder:
        raise TxrayError("jupyter-book is not installed in this environment: `make book` sets one up")
    command = [builder, "build", ".", "--all", "-W", "-n", "--keep-going"]
    done = subprocess.run(command, cwd=places.root(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise TxrayError(
            f"the book did not build (jupyter-book ended with {done.returncode}):\n{_problems(done.stdout + done.stderr)}"
        )


def _problems(output: str) -> str:
    """The lines that say what is wrong, or the last ones if none does."""
    lines = [line for line in output.splitlines() if line.strip()]
    signs = ("WARNING", "ERROR", "Exception", "Extension error")
    told = [line for line in lines if any(sign in line for sign in signs)]
    return "\n".join(f"  {line.strip()}" for line in (told or lines)[-20:])
