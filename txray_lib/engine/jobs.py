"""Calls a function in a process of its own, forked from one that has the large packages loaded. May touch: errors.

What it does to random states stays there, Ctrl-C ends it at once, and it dies with the process that asked for it.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

from txray_lib.errors import TxrayError

ERRORS: list[TxrayError] = []
"""What went wrong in jobs, the first first: Snakemake passes on no more than that something did."""
_LOADED = ["torch._dynamo", "pandas", "pyarrow.parquet", "scipy.stats", "pydantic"]
_LOADED += ["altair", "tqdm.auto", "ipykernel.kernelapp", "papermill", "jupytext"]
"""Packages alone: our own modules are imported by each job, as a process that lives on may see them change. tqdm looks which
kind of bar suits where it is imported, and takes a process with ipykernel for a notebook."""
STOPPED = threading.Event()
"""Set by `end_jobs`: no further process starts until it is cleared."""
_STARTING = threading.RLock()


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own; gives what it gives. Raises TxrayError with the message of what it raises."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait take the cores of others
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    with ProcessPoolExecutor(1, context, _prepare, (dict(os.environ),)) as pool:
        with _without_main():
            if STOPPED.is_set():
                ERRORS.append(TxrayError("stopped"))
                raise ERRORS[-1]
            answer = pool.submit(function, *arguments)
        try:
            return answer.result()
        except TxrayError as error:
            failure = error
        except BrokenProcessPool:
            failure = TxrayError("a process ended without a word; often too little memory is left")
        except Exception as error:
            traceback.print_exception(error)
            failure = TxrayError(f"{type(error).__name__}: {error}")
    ERRORS.append(failure)
    raise failure from None


def end_jobs() -> None:
    """Kill every process that `apart` has started, and those that they started, as the builder of the site."""
    with _STARTING:
        STOPPED.set()
        for child in multiprocessing.active_children():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep the program that asks out of the new process, in which a script without a guard would run again."""
    with _STARTING:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _prepare(environment: dict[str, str]) -> None:
    """Take over the environment of the process that asks, leave Ctrl-C to it, and end where it does, as the head of a group."""
    os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])
    os.killpg(0, signal.SIGKILL)
