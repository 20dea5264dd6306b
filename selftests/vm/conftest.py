# SPDX-License-Identifier: GPL-2.0-or-later
"""What every test in a guest may count on: cygnet.ko is loaded."""

import os

import pytest

from lib.bench import Gateway
from lib.module import insmod


@pytest.fixture(scope="session", autouse=True)
def module():
    """Loaded once, and unloaded when the guest ends."""
    if "GUEST" not in os.environ:
        pytest.exit("these tests load a kernel module: run them with make check-vm", 1)
    insmod()


@pytest.fixture(scope="module")
def gateway():
    """lib/bench.py draws it."""
    made = Gateway()
    yield made
    made.close()


@pytest.fixture
def net(gateway):
    """The same, without SAs, policies or packets left by another test."""
    gateway.clear()
    yield gateway
    gateway.clear()
