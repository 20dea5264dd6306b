# SPDX-License-Identifier: GPL-2.0-or-later
"""Engines that die and daemons that are replaced, while strongSwan notices nothing."""

import array
import os
import signal
import socket
import subprocess

import pytest

from ike.daemons import CommandFailed, until
from ike.test_sandbox import inject  # noqa: F401, pylint: disable=unused-import
from ike.test_tunnel import installed

NAME = "cygnet-records"


def theirs(pair):
    """What strongSwan has: its number of the IKE SA, SPIs of it and the child."""
    return [(ike["uniqueid"], ike["initiator-spi"], ike["responder-spi"],
             sorted(child["spi-in"] for child in ike["child-sas"].values()
                    if child["state"] == "INSTALLED"))
            for _, ike in pair.them.vici.sas()]


def spi(pair):
    status = pair.us.status()
    return status and status["ike"] and status["ike"]["spi-i"]


def kill_engine(pair):
    """Under traffic: not one ping is lost."""
    before, mark = pair.us.engine, pair.us.log.mark()
    os.kill(before, signal.SIGKILL)
    pair.pings(count=20)
    pair.us.log.wait("IKE SAs go on where they were", mark, timeout=30)
    assert until(pair.us._answers, timeout=30)
    assert pair.us.engine != before


def both_rekey(pair):
    """Message ids and keys are right in both directions."""
    before = installed(pair)[0]["spi-in"]
    pair.us.command("rekey", "net")
    before = until(lambda: changed(pair, before))
    assert before and pair.them.vici.call("rekey", {"child": "net"})["success"] == "yes"
    assert until(lambda: changed(pair, before))
    assert until(lambda: rekeyed(pair))
    pair.pings()


def changed(pair, before):
    now = installed(pair)
    return now and now[0]["spi-in"] != before and now[0]["spi-in"]


def rekeyed(pair):
    """strongSwan wants its own rekey to be over."""
    try:
        return pair.us.command("rekey-ike", "net")
    except CommandFailed as failed:
        assert "TEMPORARY_FAILURE" in str(failed)
        return None


def test_engine_is_killed(pair, initiator):
    pair.start().up(initiator)
    before = theirs(pair), installed(pair)[0]["spi-in"], len(pair.us.records)
    kill_engine(pair)
    assert (theirs(pair), installed(pair)[0]["spi-in"], len(pair.us.records)) == before
    both_rekey(pair)
    before = theirs(pair)
    kill_engine(pair)
    assert theirs(pair) == before
    pair.us.command("down", "net")
    assert until(lambda: not theirs(pair))


def test_killed_while_it_asks(pair):
    """The request outstanding is sent again; strongSwan's answer fits."""
    pair.start().up("us")
    before = [sa[:3] for sa in theirs(pair)], installed(pair)[0]["spi-in"]
    pair.world.drop("ip daddr 10.9.2.1 udp dport { 500, 4500 } @th,64,32 0")
    request = pair.us.log.mark()
    with pytest.raises(Exception):
        pair.us.command("rekey", "net", timeout=0.5)
    pair.us.log.wait("child rekey.*-> message", request)
    os.kill(pair.us.engine, signal.SIGKILL)
    pair.us.log.wait("IKE SAs go on where they were", request, timeout=30)
    pair.world.undrop()
    assert until(lambda: changed(pair, before[1]), timeout=30)
    assert [sa[:3] for sa in theirs(pair)] == before[0]
    pair.pings()


def test_down_stays_down(pair):
    pair.start().up("us")
    pair.us.command("down", "net")
    os.kill(pair.us.engine, signal.SIGKILL)
    pair.us.log.wait("starts again")
    assert until(pair.us._answers, timeout=30)
    assert pair.them.initiate(check=False)["success"] == "no"
    assert not pair.world.ping(wait=0.1)


def start_with_kernel(pair):
    """The test backend's SAs outlive it, as a kernel's do."""
    os.environ["CYGNET_TEST_SAS"] = os.path.join(pair.folder, "sas")
    try:
        pair.start()
    finally:
        del os.environ["CYGNET_TEST_SAS"]
    pair.up("us")


def test_upgrade_by_signal(pair):
    start_with_kernel(pair)
    before, engine = theirs(pair), pair.us.engine
    child, mark = installed(pair)[0]["spi-in"], pair.us.log.mark()
    for _ in range(2):
        pair.us.process.send_signal(signal.SIGUSR2)
        pair.us.log.wait("1 IKE SAs go on where they were", mark, timeout=30)
        mark = pair.us.log.mark()
        pair.pings(count=5)
        assert until(pair.us._answers, timeout=30)
    assert pair.us.engine != engine and theirs(pair) == before
    assert installed(pair)[0]["spi-in"] == child
    both_rekey(pair)


class Manager:
    """As much of systemd as keeps descriptors."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(20)

    def receive(self):
        data, control, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(64))
        fds = array.array("i")
        for _, kind, value in control:
            assert kind == socket.SCM_RIGHTS
            fds.frombytes(value)
        return data.decode().splitlines(), list(fds)

    def stored(self):
        lines, fds = self.receive()
        assert lines == ["FDSTORE=1", "FDNAME=" + NAME] and len(fds) == 1
        lines, barrier = self.receive()
        assert lines == ["BARRIER=1"]
        os.close(barrier[0])
        return fds[0]


def start_from_store(pair, fd, names=NAME):
    """systemd's way: descriptors from 3 on, and the process's own id."""
    script = "import os,sys;os.dup2(%d,3);os.set_inheritable(3,True);" \
        "os.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS='1',LISTEN_FDNAMES='%s');" \
        "os.execv(sys.argv[1],sys.argv[1:])" % (fd, names)
    argv, popen = pair.us.argv, subprocess.Popen
    pair.us.argv = ["/usr/bin/python3", "-c", script, *argv]
    subprocess.Popen = lambda *a, **k: popen(*a, pass_fds=[fd], **k)
    try:
        pair.us.start()
    finally:
        subprocess.Popen = popen
        pair.us.argv = argv


def restart(pair, manager, between=lambda: None):
    """Returns what was kept, for a second use."""
    pair.us.process.send_signal(signal.SIGTERM)
    fd = manager.stored()
    assert pair.us.process.wait(20) == 0
    between()
    pair.pings()
    start_from_store(pair, fd)
    assert manager.receive() == (["FDSTOREREMOVE=1", "FDNAME=" + NAME], [])
    return fd


def test_restart_with_systemd(pair, folder):
    manager = Manager(folder)
    os.environ["NOTIFY_SOCKET"] = manager.path
    try:
        start_with_kernel(pair)
    finally:
        del os.environ["NOTIFY_SOCKET"]
    before, child = theirs(pair), installed(pair)[0]["spi-in"]
    fd = restart(pair, manager)
    pair.us.log.wait("1 IKE SAs go on where they were", timeout=30)
    assert theirs(pair) == before and installed(pair)[0]["spi-in"] == child
    with pytest.raises(OSError):
        os.write(fd, b"nobody changes it")
    both_rekey(pair)

    # Another peer's address under the same name: none of what was is of use.
    def edit():
        with open(pair.us.config, encoding="ascii") as handle:
            text = handle.read()
        with open(pair.us.config, "w", encoding="ascii") as handle:
            handle.write(text.replace("10.2.0.0/16", "10.2.0.0/17"))
    restart(pair, manager, edit)
    pair.us.log.wait("other settings than before", timeout=30)


def test_no_snapshot(pair):
    """A descriptor that is something else is not believed."""
    pair.start_us()
    pair.us.stop()
    reading, writing = os.pipe()
    os.write(writing, b"cygnetd snapshot" + bytes(1000))
    start_from_store(pair, reading)
    pair.us.log.wait("no snapshot of its IKE SAs")
    assert pair.us.command("status")["ok"]


def test_records_of_a_rebel(pair, inject):   # noqa: F811
    """What an engine wrote that broke out is not used; the tunnel carries on."""
    pair.rebels = True
    pair.start().up("us")
    before, mark = theirs(pair), pair.us.log.mark()
    subprocess.run([inject, str(pair.us.engine), "socket"], check=True, stdout=subprocess.DEVNULL)
    pair.us.log.wait("tried a forbidden system call", mark)
    pair.us.log.wait("records are not trusted", mark)
    pair.pings()
    assert until(lambda: pair.us._answers() and pair.us.status()["state"] == "up", timeout=30)
    assert theirs(pair)[0][0] != before[0][0] or len(theirs(pair)) > 1
    assert not pair.us.log.seen("go on where they were", mark)
    pair.pings()
