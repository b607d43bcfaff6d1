"""Flair, imported quietly and run on one thread. A corner of tagging; may touch: errors."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from txray_lib.errors import TxrayError


def import_flair() -> ModuleType:
    """The flair package with its log at warnings; about 4 s and 500 MB the first time.

    Flair reads the environment variable FLAIR_CACHE_ROOT at this moment.
    """
    try:
        flair = importlib.import_module("flair")
    except ImportError as error:
        raise TxrayError(
            f"tagging needs Flair, which cannot be imported ({error}). "
            "Install it with: pip install 'txray-lib[tag]'. A corpus that has tags already needs no tagger."
        ) from error
    logging.getLogger("flair").setLevel(logging.WARNING)
    return flair


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, the caller's number after: on a busy machine two were up to six times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def on_cpu() -> Iterator[None]:
    """Flair's device set to the CPU inside, the caller's after.

    Our tagger is small, and its word embeddings refuse to be built while Flair's device is a GPU.
    """
    import torch

    flair = import_flair()
    before = flair.device
    flair.device = torch.device("cpu")
    try:
        yield
    finally:
        flair.device = before
