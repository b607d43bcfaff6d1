"""What a run needs of the machine: too small a disk and a device that does not compute are told before anything starts."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

from txray_lib.costs import require_device, require_disk
from txray_lib.errors import TxrayError
from txray_lib.flow import Run
from txray_lib.profiles import list_profiles, load_profile


@pytest.mark.parametrize("name", list_profiles())
def test_a_disk_too_small_is_an_error_that_says_how_much_is_needed(workplace, monkeypatch, name):
    usage = namedtuple("usage", "total used free")
    run = Run(load_profile(name))
    require_disk(run)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    with pytest.raises(TxrayError, match=r"needs about [1-9]\d* MB .* 0 MB are free"):
        require_disk(run)


def test_a_device_that_does_not_compute_is_an_error():
    require_device("cpu")
    with pytest.raises(TxrayError, match="cannot compute on the device 'warp'"):
        require_device("warp")
