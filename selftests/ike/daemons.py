# SPDX-License-Identifier: GPL-2.0-or-later
"""The two daemons, each with a folder of its own, and ways to await what they
say: nothing here sleeps for luck."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from ike.vici import Vici

PSK = "correct horse battery staple"
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Lines(threading.Thread):
    """What a stream says, kept, and awaited by regular expression.  Where each line
    is a record for somebody, an empty one ends it."""

    def __init__(self, stream, each=None):
        super().__init__(daemon=True)
        self.stream, self.each = stream, each
        self.lines, self.changed, self.over = [], threading.Condition(), False
        self.start()

    def run(self):
        with self.stream:
            for line in self.stream:
                if self.each:
                    if line == "\n":
                        break
                    self.each(line)
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def mark(self):
        """Where await_() and seen() should begin."""
        return len(self.lines)

    def seen(self, pattern, start=0):
        for line in self.lines[start:]:
            found = re.search(pattern, line)
            if found:
                return found
        return None

    def wait(self, pattern, start=0, timeout=10):
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                found = self.seen(pattern, start)
                if found:
                    return found
                left = end - time.monotonic()
                if left <= 0 or self.over:
                    raise AssertionError("nothing like %r in:\n%s" % (
                        pattern, "\n".join(self.lines[start:])))
                self.changed.wait(left)


def until(condition, timeout=10):
    """Polls for what nothing announces."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.005)


class CommandFailed(Exception):
    pass


class Cygnetd:
    """Our daemon. With an ESP end, the test build, which records what it would install;
    its IKE then lives at that speed: 20 makes seconds of a minute."""

    def __init__(self, namespace, folder, program, connections, esp=None, level="debug",
                 psk=PSK, speed=1, arguments=()):
        self.namespace, self.folder, self.esp = namespace, folder, esp
        self.control_dir = os.path.join(folder, "run")
        self.config = os.path.join(folder, "cygnet.conf")
        self.environment = dict(os.environ, CYGNET_TEST_SPEED=str(speed))
        self.records = []
        self.write_psk(psk)
        with open(self.config, "w", encoding="ascii") as handle:
            handle.write("global {\n\tcontrol-dir = %s\n\tlog-level = %s\n}\n%s" % (
                self.control_dir, level, connections))
        self.argv = [program, "-c", self.config, *arguments]
        if esp:
            fifo = os.path.join(folder, "records")
            if not os.path.exists(fifo):
                os.mkfifo(fifo)
            # Both ways, so that it neither blocks nor ends with the daemon.
            self.fifo = os.fdopen(os.open(fifo, os.O_RDWR), "r", encoding="ascii")
            self.said = Lines(self.fifo, self._record)
            self.argv.append("--test-backend=" + fifo)
        self.start()

    def write_psk(self, psk):
        path = os.path.join(self.folder, "psk")
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(psk)
        os.chmod(path, 0o600)

    def _record(self, line):
        record = json.loads(line)
        if self.esp:
            self.esp.record(record)
        self.records.append(record)

    def start(self):
        self.process = subprocess.Popen(self.namespace.argv(self.argv),
                                        stderr=subprocess.PIPE, text=True,
                                        errors="replace", env=self.environment)
        self.log = Lines(self.process.stderr)
        if not until(self._answers):
            self.process.kill()
            raise AssertionError("cygnetd does not start:\n%s" % "\n".join(self.log.lines))

    def _answers(self):
        try:
            return self.command("status")
        except (OSError, CommandFailed):
            return None

    @property
    def engine(self):
        """The engine's process id."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid),
                  encoding="ascii") as handle:
            return int(handle.read().split()[0])

    def command(self, cmd, name=None, timeout=10):
        """The last line's object; raises CommandFailed with its error."""
        request = {"v": 1, "cmd": cmd}
        if name:
            request["name"] = name
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(os.path.join(self.control_dir, "control"))
            sock.sendall(json.dumps(request).encode() + b"\n")
            for line in sock.makefile():
                answer = json.loads(line)
                if answer.get("done"):
                    if not answer["ok"]:
                        raise CommandFailed(answer["error"])
                    return answer
        raise CommandFailed("the daemon has gone")

    def status(self, name="net"):
        for conn in self.command("status")["connections"]:
            if conn["name"] == name:
                return conn
        return None

    def count(self, do, dirs=3):
        return sum(1 for r in self.records if r["do"] == do and r.get("dirs", 0) & dirs)

    def stop(self, check=True):
        """Ends it as systemd would; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(5)
        if check:
            assert status == 0, "exit %d:\n%s" % (status, "\n".join(self.log.lines))
            assert not self.log.seen("Sanitizer|runtime error")
        return status

    def close(self):
        """Reads no more records."""
        if self.esp:
            os.write(self.fifo.fileno(), b"\n")


STRONGSWAN_CONF = """
charon-systemd {
    load = random nonce openssl gcm hmac kdf curve25519 %(kernel)s socket-default vici %(load)s
    plugins {
        vici {
            socket = unix://%(folder)s/vici
        }
    }
    filelog {
        log {
            path = %(folder)s/charon.log
            default = 1
            ike = 2
            enc = 1
            flush_line = yes
        }
    }
    journal {
        default = -1
    }
    retransmit_timeout = 0.2
    retransmit_base = 1.4
    retransmit_tries = 4
    %(more)s
}
"""


class Charon:
    """strongSwan, configured and commanded over VICI alone."""

    def __init__(self, namespace, folder, more="", kernel="kernel-libipsec kernel-netlink",
                 load=""):
        self.namespace, self.folder = namespace, folder
        self.conf = os.path.join(folder, "strongswan.conf")
        with open(self.conf, "w", encoding="ascii") as handle:
            handle.write(STRONGSWAN_CONF % {"folder": folder, "more": more,
                                            "kernel": kernel, "load": load})
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.namespace.argv("/usr/sbin/charon-systemd"),
            env={"STRONGSWAN_CONF": self.conf, "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.vici = until(self._connect, timeout=60)
        assert self.vici, "charon does not start, see %s" % self.folder

    def _connect(self):
        try:
            return Vici(os.path.join(self.folder, "vici"))
        except OSError:
            return None

    def load(self, local, remote, /, psk=PSK, name="net", child=None, **conn):
        """A connection with one child; keywords are VICI's, _ for -."""
        self.vici.call("load-shared", {"type": "IKE", "data": psk,
                                       "owners": [local["id"], remote["id"]]})
        kid = {"local_ts": ["10.2.0.0/16"], "remote_ts": ["10.1.0.0/16"],
               "esp_proposals": ["aes256gcm16"], "rekey_time": "0",
               "dpd_action": "clear"}
        kid.update(child or {})
        message = {"version": "2", "local_addrs": [local["addr"]],
                   "remote_addrs": [remote["addr"]],
                   "proposals": ["aes256gcm16-prfsha256-curve25519"],
                   "rekey_time": "0", "encap": "yes", "mobike": "no", "fragmentation": "no",
                   "local": {"auth": "psk", "id": local["id"]},
                   "remote": {"auth": "psk", "id": remote["id"]},
                   "children": {name: kid}}
        message.update(conn)
        self.vici.call("load-conn", {name: message})

    def initiate(self, child="net", timeout=5000, check=True):
        return self.vici.call("initiate", {"child": child, "timeout": timeout}, check)

    def children(self, state="INSTALLED"):
        return [child for _, ike in self.vici.sas()
                for child in ike.get("child-sas", {}).values() if child["state"] == state]

    def log(self):
        with open(os.path.join(self.folder, "charon.log"), encoding="utf-8",
                  errors="replace") as handle:
            return handle.read()

    def kill(self):
        self.process.kill()
        self.process.wait(5)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
