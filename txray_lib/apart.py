"""Calls a function in a process of its own, forked from one that has the large packages loaded. May touch: errors.

What it does to random states stays there, Ctrl-C ends it at once, and it dies with the process that asked for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from txray_lib.errors import TxrayError

ERRORS: list[BaseException] = []
"""What went wrong in jobs, the first first: Snakemake passes on no more than that something did."""
CHILDREN: set[Any] = set()
_STARTING = threading.Lock()
_LOADED = ["torch", "pandas", "pyarrow.parquet", "scipy.special", "pydantic", "papermill", "jupytext"]


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own; gives what it gives. Raises TxrayError with the message of what it raises."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    here, there = context.Pipe()
    child = context.Process(target=_answer, args=(there, dict(os.environ), function, arguments))
    with _without_main():
        child.start()
    there.close()
    CHILDREN.add(child)
    try:
        error, value = here.recv()
    except EOFError:
        child.join()
        error, value = f"it ended without a word ({child.exitcode}); often too little memory is left", None
    finally:
        child.join()
        CHILDREN.discard(child)
    if error:
        failure = TxrayError(error)
        ERRORS.append(failure)
        raise failure
    return value


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep the program that asks out of the new process, in which a script without a guard would run again."""
    with _STARTING:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _answer(
    asker: Connection, environment: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_die_with, args=(asker,), daemon=True).start()
    try:
        answer = ("", function(*arguments))
    except TxrayError as error:
        answer = (str(error), None)
    except KeyboardInterrupt:
        answer = ("stopped", None)
    except Exception as error:
        traceback.print_exc()
        answer = (f"{type(error).__name__}: {error}", None)
    asker.send(answer)


def _die_with(asker: Connection) -> None:
    """End this process where the one that asked for it is gone."""
    with contextlib.suppress(EOFError, OSError):
        asker.poll(None)
        asker.recv()
    os._exit(1)
