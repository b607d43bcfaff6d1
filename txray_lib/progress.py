"""A progress bar that is seen on a terminal and in a log file. May touch: nothing but tqdm."""

import os
import sys

from tqdm import tqdm


def bar(total: int, what: str, unit: str, done: int = 0) -> tqdm:
    """A bar for `total` units of work, `done` of them before; in a log it writes a line every 20 seconds, not ten a second.

    Nothing is shown where `what` is empty.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        mininterval=0.2 if terminal else 20,
        disable=not what or os.environ.get("TXRAY_QUIET") == "1",
        dynamic_ncols=terminal,
    )
