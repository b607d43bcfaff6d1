"""Makes a step in a process of its own and tells which files of the library it loaded there."""

from __future__ import annotations

import sys
from pathlib import Path

from txray_lib.steps import Task, perform

LIBRARY = Path(__file__).resolve().parents[1] / "txray_lib"


def watched(task: Task) -> set[str]:
    """Perform a step; the modules and the data files below the library that it loaded."""
    opened: set[str] = set()
    sys.addaudithook(lambda event, given: opened.add(str(given[0])) if event == "open" else None)
    perform(task)
    modules = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    data = {path for path in opened if not path.endswith((".py", ".pyc"))}
    return {path for path in modules | data if Path(path).is_relative_to(LIBRARY)}
