# SPDX-License-Identifier: GPL-2.0-or-later
"""The release build's engine, taken over: what can it still do?

It is started here without a keeper, given no sockets, and made to try system
calls from outside (inject.c) once it has locked itself in. Then one with its keeper,
which is asked by rebel.c for what it must not give.
"""

import os
import socket
import struct
import subprocess

import pytest

from ike import world as stage
from ike.conftest import build
from ike.daemons import TREE, Lines, until

SIGSYS = 31
# struct ipc_msg with a struct ipc_sockets of none, at log level debug
SOCKETS = struct.pack("@3I64s4x", 0, 0, 0, b"") + struct.pack("@10I", *[0] * 9, 3)


@pytest.fixture(scope="module")
def release():
    return build("userspace")


@pytest.fixture(scope="module")
def inject():
    out = os.path.join(TREE, "build", "inject")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-o", out,
                    os.path.join(TREE, "selftests", "ike", "inject.c")], check=True)
    return out


class Engine:
    def __init__(self, program):
        self.keeper, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with end:
            self.process = subprocess.Popen(
                ["cygnetd-engine"], executable=program, stderr=subprocess.PIPE, text=True,
                close_fds=False, preexec_fn=lambda: os.dup2(end.fileno(), 3))
        self.log = Lines(self.process.stderr)
        self.keeper.send(SOCKETS)
        self.log.wait("engine locked in")

    def status(self, key):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as handle:
            for line in handle:
                if line.startswith(key + ":"):
                    return line.split()[1:]
        return None


@pytest.fixture
def engine(release):
    started = Engine(release)
    yield started
    started.process.kill()
    started.process.wait(5)
    started.keeper.close()


def attempt(inject, engine, call):
    return subprocess.run([inject, str(engine.process.pid), call], capture_output=True,
                          text=True, check=True).stdout.split()


def test_state(engine):
    assert "0" not in engine.status("Uid")
    assert "0" not in engine.status("Gid")
    assert engine.status("Groups") == []
    assert all(engine.status(cap) == ["0" * 16]
               for cap in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert engine.status("NoNewPrivs") == ["1"]
    assert engine.status("Seccomp") == ["2"]
    # Nothing but standard streams, the pair and what libuv and the timer need.
    names = [os.readlink("/proc/%d/fd/%s" % (engine.process.pid, fd))
             for fd in os.listdir("/proc/%d/fd" % engine.process.pid) if int(fd) > 3]
    assert all(name.startswith(("anon_inode:", "pipe:")) for name in names), names


def test_every_thread_is_locked_in(engine):
    tasks = "/proc/%d/task" % engine.process.pid
    for task in os.listdir(tasks):
        with open("%s/%s/status" % (tasks, task), encoding="ascii") as handle:
            text = handle.read()
        assert "\nSeccomp:\t2\n" in text
        assert "\nNoNewPrivs:\t1\n" in text


def test_the_probe_works(engine, inject):
    assert attempt(inject, engine, "getpid") == ["returned", str(engine.process.pid)]


@pytest.mark.parametrize("call", [
    "open", "openat", "creat", "unlink", "execve", "execveat", "fork", "clone", "socket",
    "socketpair", "connect", "bind", "ptrace", "kill", "setuid", "io_uring_setup", "mmap-exec",
    "mprotect-exec", "bpf", "mount"])
def test_deadly(engine, inject, call):
    assert attempt(inject, engine, call) == ["killed", str(SIGSYS)]
    assert engine.process.wait(5) == -SIGSYS


def test_ends_with_its_keeper(engine):
    engine.keeper.close()
    assert engine.process.wait(5) == 0


def test_without_a_keeper(release):
    done = subprocess.run(["cygnetd-engine"], executable=release, capture_output=True,
                          text=True, timeout=5, check=False)
    assert done.returncode == 1
    assert "run cygnetd" in done.stderr


@pytest.fixture(scope="module")
def rebel():
    out = os.path.join(TREE, "build", "rebel")
    user = os.path.join(TREE, "userspace")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-Wall", "-Werror", "-O1", "-o", out,
                    "-I", os.path.join(TREE, "include"), "-I", user, "-I", user + "/lib",
                    "-I", user + "/cygnetd", os.path.join(TREE, "selftests", "ike", "rebel.c"),
                    user + "/cygnetd/ipc.c"], check=True)
    return out


def ask(rebel, pair, what):
    subprocess.run([rebel, str(pair.us.engine), what, stage.LEFT, stage.RIGHT], check=True)


def assert_ended(pair, mark, *words):
    """Logged, ended, started anew, while the tunnel carries on."""
    for word in words:
        pair.us.log.wait(word, mark)
    pair.pings()
    pair.us.log.wait("engine locked in", mark)
    pair.us.command("up", "net")
    pair.pings()


def test_what_is_allowed(pair, rebel):
    pair.start()
    pair.up("us")
    pid, before = pair.us.engine, pair.us.count("add")
    ask(rebel, pair, "honest")
    assert until(lambda: pair.us.count("add") > before)
    assert pair.us.engine == pid


@pytest.mark.parametrize("what, said", [
    ("everything", "0.0.0.0/0 .*is wider than protect"),
    ("bypass", "an SA that protects nothing"),
    ("null", "an SA that protects nothing"),
    ("remote", "remote address 198.51.100.66, but"),
    ("local", "local address 198.51.100.66, but"),
    ("spi", "local address 198.51.100.66, but"),
    ("identity", "an identity that is not the connection's"),
    ("signature", "a signature of the peer's"),
])
def test_rebellious_request(pair, rebel, what, said):
    pair.rebels = True
    pair.start()
    pair.up("us")
    mark, before = pair.us.log.mark(), len(pair.us.records)
    ask(rebel, pair, what)
    assert_ended(pair, mark, "refused: " + said,
                 "engine: asked for what none of ours would and was ended",
                 "engine ended by signal 9")
    assert not any("198.51.100.66" in str(r) or "0.0.0.0/0" in str(r)
                   for r in pair.us.records[before:])


def test_message_of_the_keeper(pair, rebel):
    pair.start()
    pair.up("us")
    mark = pair.us.log.mark()
    ask(rebel, pair, "type")
    assert_ended(pair, mark, "engine: sent nonsense")


@pytest.mark.parametrize("call", ["open", "execve", "socket"])
def test_rebellious_call(pair, inject, call):
    pair.rebels = True
    pair.start()
    pair.up("us")
    mark = pair.us.log.mark()
    done = subprocess.run([inject, str(pair.us.engine), call], capture_output=True,
                          text=True, check=True)
    assert done.stdout.split() == ["killed", str(SIGSYS)]
    assert_ended(pair, mark, "engine tried a forbidden system call and was ended")
