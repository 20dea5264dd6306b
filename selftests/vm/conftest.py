# SPDX-License-Identifier: GPL-2.0-or-later
"""What every test in a guest may count on: cygnet.ko is loaded."""

import os
import re

import pytest

from lib.bench import EVERYTHING, Gateway, Tap, run
from lib.module import insmod


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """What a failed test leaves beside the runner's logs: the last packets that
    its taps saw, and the end of the kernel's log."""
    report = (yield).get_result()
    if not report.failed or "GUEST" not in os.environ:
        return
    name = re.sub(r"[^\w.-]+", "_", item.nodeid.split("/")[-1])
    folder = "/run/selftest/failed/" + name
    os.makedirs(folder, exist_ok=True)
    Tap.recent[True].save(folder + "/wire.pcap")
    Tap.recent[False].save(folder + "/inside.pcap")
    with open(folder + "/dmesg", "w", encoding="utf-8") as f:
        f.write("\n".join(run("dmesg").splitlines()[-300:]) + "\n")
    report.sections.append(("logs", "wire.pcap, inside.pcap and dmesg are in failed/%s, where "
                            "the runner's logs are" % name))


def pytest_collection_modifyitems(config, items):
    """What loads the offload of ESP comes last: the modules stay, since xfrm
    gives its states back when it pleases, and with them it counts super-packets
    instead of packets.  Paths of all widths wait a lot, too long for emulation:
    the debug kernel walks them, the VM where they are named and with MATRIX=1."""
    if not EVERYTHING and "pmtu" not in config.option.keyword:
        named = [item for item in items if "test_pmtu" in item.nodeid]
        config.hook.pytest_deselected(items=named)
        items[:] = [item for item in items if item not in named]
    items.sort(key=lambda item: "offload" in item.name or "test_strongswan.py" in item.nodeid)


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
