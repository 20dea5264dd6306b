# SPDX-License-Identifier: GPL-2.0-or-later
"""The release build's engine, taken over: what can it still do?

It is started here without a keeper, given no sockets, and made to try system
calls from outside (inject.c) once it has locked itself in.
"""

import os
import socket
import struct
import subprocess

import pytest

from ike.conftest import build
from ike.daemons import TREE, Lines

SIGSYS, EPERM = 31, 1
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


@pytest.mark.parametrize("call", ["open", "openat"])
def test_refused(engine, inject, call):
    assert attempt(inject, engine, call) == ["error", str(EPERM)]


@pytest.mark.parametrize("call", [
    "creat", "unlink", "execve", "execveat", "fork", "clone", "socket", "socketpair",
    "connect", "bind", "ptrace", "kill", "setuid", "io_uring_setup", "mmap-exec",
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
