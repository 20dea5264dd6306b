# SPDX-License-Identifier: GPL-2.0-or-later
"""What every test in a guest may count on: cygnet.ko is loaded."""

import os
import subprocess

import pytest

from lib.bench import Gateway


def insmod(path):
    depends = subprocess.check_output(["modinfo", "-F", "depends", path], text=True).strip()
    if depends:
        subprocess.check_call(["modprobe", "-a"] + depends.split(","))
    subprocess.check_call(["insmod", path])


@pytest.fixture(scope="session", autouse=True)
def module():
    """Process 1 of the guest unloads it again, and judges that."""
    path = os.environ.get("CYGNET_KO", "")
    if "GUEST" not in os.environ:
        pytest.exit("these tests load a kernel module: run them with make check-vm", 1)
    if not os.path.exists("/sys/module/cygnet"):
        insmod(path)


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
