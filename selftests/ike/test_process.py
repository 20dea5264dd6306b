# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as a process: arguments, statuses, ports, its control sockets."""

import json
import os
import socket
import stat
import subprocess

import pytest

from ike.daemons import CommandFailed, until

OK, FAILED, USAGE, CONFIG = range(4)


def cygnetd(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10,
                          check=False)


def test_version(program):
    done = cygnetd(program, "--version")
    assert done.returncode == OK and done.stdout.startswith("cygnetd ")


def test_help(program):
    done = cygnetd(program, "--help")
    assert done.returncode == OK and "usage: cygnetd" in done.stdout


@pytest.mark.parametrize("arguments", [["--bogus"], ["-c"], ["office"]])
def test_usage(program, arguments):
    done = cygnetd(program, *arguments)
    assert done.returncode == USAGE and "usage: cygnetd" in done.stderr


def test_no_configuration(program, folder):
    path = os.path.join(folder, "absent.conf")
    done = cygnetd(program, "-c", path)
    assert done.returncode == CONFIG and path in done.stderr


def test_wrong_configuration(program, folder):
    path = os.path.join(folder, "cygnet.conf")
    with open(path, "w", encoding="ascii") as handle:
        handle.write("connection a {\n\tremote = nonsense!\n}\n")
    for arguments in (["--check"], []):
        done = cygnetd(program, "-c", path, *arguments)
        assert done.returncode == CONFIG
        assert path + ":2:" in done.stderr


def test_check(pair, program):
    pair.start_us()
    done = cygnetd(program, "-c", pair.us.config, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (OK, "", "")


def test_ports_are_taken(pair, program):
    """A second daemon does not steal from the first."""
    pair.start_us()
    done = pair.world.left.run([program, "-c", pair.us.config, "--test-backend=/dev/null"],
                               check=False, timeout=20)
    assert done.returncode == FAILED
    assert "UDP port 500 is taken" in done.stderr
    assert pair.us.command("status")["ok"]


def test_loose_psk(pair):
    """A key that others can read is not used, and the way out is told."""
    pair.start_us()
    pair.us.stop()
    os.chmod(os.path.join(pair.us.folder, "psk"), 0o644)
    pair.us.start()
    pair.us.log.wait("psk.*no key")
    pair.start_them()
    with pytest.raises(CommandFailed, match="psk"):
        pair.us.command("up", "net")
    assert pair.us.count("add") == 0


def test_modes_of_sockets(pair):
    pair.start_us()
    modes = {name: stat.S_IMODE(os.stat(os.path.join(pair.us.control_dir, name)).st_mode)
             for name in os.listdir(pair.us.control_dir)}
    assert modes == {"control": 0o600, "status": 0o660}


def test_stop_and_start(pair):
    """SIGTERM ends it cleanly, with the tunnel left in the datapath."""
    pair.start().up("us")
    engine = pair.us.engine
    assert pair.us.stop() == OK
    assert until(lambda: not os.path.exists("/proc/%d" % engine))
    assert pair.us.count("del") == pair.us.count("down") == 0
    pair.pings()
    pair.us.start()
    pair.us.command("up", "net")
    pair.pings()


def test_bad_engine_is_replaced(pair):
    """Any end of the engine brings another, with growing pauses."""
    pair.start_us()
    for pause in (100, 200, 400):
        engine = pair.us.engine
        os.kill(engine, 9)
        pair.us.log.wait("starts again in %d ms" % pause)
        assert until(lambda: pair.us.command("status"))


class Client:
    def __init__(self, us, name="control"):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(os.path.join(us.control_dir, name))

    def send(self, data):
        self.sock.sendall(data)
        return self

    def answer(self):
        """The last line's object, or None if the daemon hung up without one."""
        data = b""
        try:
            while True:
                part = self.sock.recv(65536)
                if not part:
                    break
                data += part
        except ConnectionResetError:
            pass
        self.sock.close()
        return json.loads(data.splitlines()[-1]) if data else None


@pytest.mark.parametrize("line, reason", [
    (b"garbage", "JSON"),
    (b"[]", ""),
    (b"\"up\"", ""),
    (b"{\"v\":2,\"cmd\":\"status\"}", "version"),
    (b"{\"cmd\":\"status\"}", "version"),
    (b"{\"v\":1,\"cmd\":\"explode\"}", "no such command"),
    (b"{\"v\":1,\"cmd\":7}", "no such command"),
    (b"{\"v\":1,\"cmd\":\"up\"}", "name"),
    (b"{\"v\":1,\"cmd\":\"up\",\"name\":\"nte\"}", "net"),
    (b"{\"v\":1,\"cmd\":\"up\",\"name\":\"\\u0000\"}", ""),
    (b"{\"v\":1,\"cmd\":" + b"[" * 1000 + b"]" * 1000 + b"}", ""),
    (b"{\"v\":1,\"cmd\":\"" + b"x" * 70000 + b"\"}", "long"),
])
def test_bad_requests(pair, line, reason):
    pair.start_us()
    answer = Client(pair.us).send(line + b"\n").answer()
    assert answer["done"] and not answer["ok"]
    assert reason in answer["error"]
    assert pair.us.command("status")["ok"]


def test_status_socket_only_tells(pair):
    pair.start_us()
    for cmd in ("up", "down", "rekey"):
        line = json.dumps({"v": 1, "cmd": cmd, "name": "net"}).encode() + b"\n"
        answer = Client(pair.us, "status").send(line).answer()
        assert not answer["ok"]
    assert Client(pair.us, "status").send(b"{\"v\":1,\"cmd\":\"status\"}\n").answer()["ok"]
    assert pair.us.count("up") == pair.us.count("down") == 0


def test_request_in_pieces(pair):
    pair.start_us()
    client = Client(pair.us)
    for byte in b"{\"v\":1,\"cmd\":\"status\"}":
        client.send(bytes([byte]))
    assert client.send(b"\n").answer()["ok"]


def test_many_clients(pair):
    """Those who only hold connections open keep nobody out for long."""
    pair.start_us()
    idle = [until(lambda: connect(pair)) for _ in range(100)]
    assert until(lambda: try_status(pair), timeout=15)
    for client in idle:
        client.sock.close()
    assert try_status(pair)


def connect(pair):
    try:
        return Client(pair.us)
    except BlockingIOError:     # more at once than wait in the queue
        return None


def try_status(pair):
    try:
        return pair.us.command("status", timeout=2)
    except (CommandFailed, OSError):
        return None


def test_asker_goes_away(pair):
    """The work goes on."""
    pair.start()
    pair.world.drop("ip daddr 10.9.2.1")
    client = Client(pair.us).send(b"{\"v\":1,\"cmd\":\"up\",\"name\":\"net\"}\n")
    pair.us.log.wait("IKE_SA_INIT")
    client.sock.close()
    pair.world.undrop()
    assert until(lambda: pair.us.status()["state"] == "up")
    pair.pings()
