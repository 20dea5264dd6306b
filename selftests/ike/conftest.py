# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: the test build of cygnetd, the stage, and a pair of daemons.

Where a test fails, its folder with logs, configuration and records is named.
"""

import os
import shutil
import subprocess
import tempfile

import pytest

from ike import world as stage
from ike.certs import CertSides
from ike.daemons import TREE, Charon, Cygnetd, until
from ike.esp import EspEnd
from ike.pki import Pki

# name of a cygnet connection and of strongSwan's: "net"
CONNECTION = """
connection net {
    local = %(left)s
    remote = %(right)s
    local-id = %(left_id)s
    remote-id = %(right_id)s
    psk = psk
    protect = %(protect)s
    ike = %(ike)s
    esp = %(esp)s
    encapsulation = %(encapsulation)s
    %(more)s
}
"""


def build(name, *variables):
    out = os.path.join(TREE, "build", name)
    subprocess.run(["make", "-s", "-j2", "-C", os.path.join(TREE, "userspace"), "OUT=" + out,
                    *variables, os.path.join(out, "cygnetd")], check=True)
    return os.path.join(out, "cygnetd")


@pytest.fixture(scope="session")
def program():
    """cygnetd with the backend that only negotiates."""
    return build("userspace-test", "CPPFLAGS=-DCYGNET_TEST_BACKEND")


@pytest.fixture(scope="session")
def asan_program():
    return build("userspace-test-asan", "CPPFLAGS=-DCYGNET_TEST_BACKEND", "ASAN=1")


@pytest.fixture(scope="session")
def whole_world():
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces: run them as root", 4)
    place = stage.World()
    yield place
    place.delete()


@pytest.fixture
def world(whole_world):
    whole_world.reset()
    yield whole_world
    assert whole_world.cleartext() == 0, "cleartext on the wire"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.failed = True


@pytest.fixture
def folder(request):
    path = tempfile.mkdtemp(prefix="cygnet-ike-")
    yield path
    if getattr(request.node, "failed", False):
        kept = os.path.join(TREE, "build", "check-ike", request.node.name)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(path, kept, ignore=shutil.ignore_patterns("records", "vici", "run"))
        print("logs are in", kept)
    shutil.rmtree(path)


class Pair:
    """cygnetd on the left and strongSwan on the right, not yet connected."""

    def __init__(self, world, folder, program):
        self.world, self.folder, self.program = world, folder, program
        self.esp = EspEnd(world.left)
        self.us = self.them = None
        self.ids = "left.test", "right.test"
        self.rebels = False             # whether our engine is made to

    def _subfolder(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def start_us(self, left=stage.LEFT, right=stage.RIGHT,
                 protect="10.1.0.0/16 <-> 10.2.0.0/16",
                 ike="aes256gcm-sha256-x25519", esp="aes256gcm", encapsulation="udp",
                 more="", **kwargs):
        conf = CONNECTION % {"left": left, "right": right, "protect": protect, "ike": ike,
                             "esp": esp, "encapsulation": encapsulation, "more": more,
                             "left_id": self.ids[0], "right_id": self.ids[1]}
        self.us = Cygnetd(self.world.left, self._subfolder("us"), self.program, conf,
                          esp=self.esp, **kwargs)
        return self.us

    def start_them(self, left=stage.LEFT, right=stage.RIGHT, more="", **kwargs):
        self.them = Charon(self.world.right, self._subfolder("them"), more)
        self.them.load({"addr": right, "id": self.ids[1]},
                       {"addr": left, "id": self.ids[0]}, **kwargs)
        return self.them

    def start(self):
        self.start_us()
        self.start_them()
        return self

    def up(self, initiator):
        """Brings the tunnel up from either side and proves that it carries."""
        assert not self.world.ping(wait=0.1), "a ping got through without an SA"
        if initiator == "us":
            self.us.command("up", "net")
        else:
            self.them.initiate()
        self.pings()

    def pings(self, count=1, **kwargs):
        assert until(lambda: self.esp.current), "no outbound SA"
        before = self.esp.sealed, self.esp.opened
        assert self.world.ping(count=count, **kwargs)
        assert self.esp.sealed > before[0] and self.esp.opened > before[1]

    def stop(self, failed):
        if self.us:
            with open(os.path.join(self.folder, "us", "log"), "w", encoding="utf-8") as out:
                status = self.us.stop(check=False)
                out.write("\n".join(self.us.log.lines) + "\nexit %d\n" % status)
            self.us.close()
            if not failed:
                assert status == 0
                assert not self.us.log.seen("Sanitizer|runtime error")
                assert self.rebels or not self.us.log.seen(
                    "engine: asked for|forbidden system call")
        if self.them:
            self.them.stop()
        self.esp.stop()


@pytest.fixture
def pair(request, world, folder, program):
    both = Pair(world, folder, program)
    yield both
    both.stop(getattr(request.node, "failed", False))


@pytest.fixture(params=["us", "them"])
def initiator(request):
    """Who begins."""
    return request.param


@pytest.fixture(scope="module")
def pki():
    folder = tempfile.mkdtemp(prefix="cygnet-pki-")
    made = Pki(folder)
    made.authority("ca")
    made.authority("other")
    yield made
    shutil.rmtree(folder)


class CertPair(CertSides, Pair):
    """A pair with certificates."""


@pytest.fixture
def certs(request, world, folder, program):
    both = CertPair(world, folder, program)
    yield both
    both.stop(getattr(request.node, "failed", False))
