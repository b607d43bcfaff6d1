"""Makes a step as a job of a run does, and notes which files of the library its process loaded."""

import json
import sys
from pathlib import Path

from txray_lib.engine import _perform
from txray_lib.places import root
from txray_lib.steps import Task

LIBRARY = Path(__file__).resolve().parents[1] / "txray_lib"


def perform_watched(task: Task, threads: int | None) -> None:
    """Perform a step; which modules and data files below the library it loaded stands in `loaded` in the compendium."""
    opened: set[str] = set()
    sys.addaudithook(lambda event, given: opened.add(str(given[0])) if event == "open" else None)
    _perform(task, threads)
    modules = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    data = {path for path in opened if not path.endswith((".py", ".pyc"))}
    loaded = [path for path in modules | data if Path(path).is_relative_to(LIBRARY)]
    note = root() / "loaded" / f"{task.name}.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text(json.dumps(loaded), encoding="utf-8")
