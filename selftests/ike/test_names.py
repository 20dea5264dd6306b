# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers by name, and on other ports."""

import contextlib
import os
import shutil

import pytest

from ike import world as stage
from ike.daemons import CommandFailed, until


@pytest.fixture
def hosts(world):
    """The left one's /etc/hosts; call it with lines. It asks nobody else."""
    folder = "/etc/netns/" + world.left.name
    path = os.path.join(folder, "hosts")

    def write(*lines):
        with open(path, "w", encoding="ascii") as handle:
            handle.write("127.0.0.1 localhost\n" + "".join(line + "\n" for line in lines))
    os.makedirs(folder)
    with open(os.path.join(folder, "resolv.conf"), "w", encoding="ascii") as handle:
        handle.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    write()
    yield write
    shutil.rmtree(folder)
    with contextlib.suppress(OSError):
        os.rmdir("/etc/netns")


def resolver(daemon):
    """Its process, or None."""
    with open("/proc/%d/task/%d/children" % (daemon.process.pid, daemon.process.pid),
              encoding="ascii") as handle:
        for pid in handle.read().split():
            with open("/proc/%s/cmdline" % pid, "rb") as line:
                if line.read().startswith(b"cygnetd-resolver"):
                    return int(pid)
    return None


def test_name(pair, hosts):
    """It is the expected identity too; and who looks it up is nobody."""
    hosts("%s right.test" % stage.RIGHT)
    pair.start_us(right="right.test", more="# remote-id is right.test anyway")
    pair.start_them()
    pair.up("us")
    pair.us.log.wait("resolve: right.test is %s from %s" % (stage.RIGHT, stage.LEFT))
    pid = resolver(pair.us)
    with open("/proc/%d/status" % pid, encoding="ascii") as handle:
        status = dict(line.split(":", 1) for line in handle if ":" in line)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"


def test_answers_a_name(pair, hosts):
    """Who has a name may begin, from wherever it is."""
    hosts("10.9.2.77 right.test")
    pair.start_us(right="right.test")
    pair.start_them()
    pair.up("them")


def test_next_address(pair, hosts):
    """Nobody at the first address: the second has its turn, the third is of another family."""
    hosts("10.9.2.77 right.test", "%s right.test" % stage.RIGHT, "%s right.test" % stage.RIGHT6)
    pair.start_us(right="right.test", more="retransmit-timeout = 2s\n start = start")
    pair.start_them()
    pair.us.log.wait("right.test is 10.9.2.77")
    pair.us.log.wait("right.test is %s" % stage.RIGHT, timeout=30)
    pair.pings()


def test_name_that_comes_later(pair, hosts):
    """Unknown at first; it is asked for again and again, and then it is there."""
    pair.start_us(right="right.test", more="start = start", speed=4)
    pair.us.log.wait("not up: no way to the peer: right.test: ", timeout=30)
    with pytest.raises(CommandFailed, match="right.test: "):
        pair.us.command("up", "net", timeout=30)
    pair.start_them()
    hosts("%s right.test" % stage.RIGHT)
    assert until(lambda: pair.esp.current, timeout=60)
    pair.pings()


def test_resolver_dies(pair, hosts):
    hosts("%s right.test" % stage.RIGHT)
    pair.start_us(right="right.test")
    pair.start_them()
    for _ in range(2):
        pair.up("us")
        stage.kill(resolver(pair.us))
        assert until(lambda: resolver(pair.us) is None)
        pair.us.command("down", "net")
        pair.esp.current = None


def test_port(pair):
    """From the first message on at 4500, as UDP encapsulation has it."""
    pair.world.drop("udp dport 500")
    pair.start_us(more="remote-port = 4500")
    pair.start_them()
    pair.up("us")
    assert pair.us.status()["remote"] == stage.RIGHT + ":4500"
    pair.us.command("rekey", "net")
    pair.pings()
    pair.world.undrop()
