# SPDX-License-Identifier: GPL-2.0-or-later
"""cygnetd on a gateway, and the command line to talk to it.

    with Daemon(road.gwa, CONNECTION) as gwa:
        gwa.cygnet("up", "office")
"""

import json
import os
import shutil

from lib.bench import run
from lib.road import Process

PROGRAMS = os.environ.get("CYGNET_BIN", "")


class Daemon:
    """One daemon, with a folder for its configuration, key, sockets and log."""

    def __init__(self, ns, connections, psk="correct horse battery staple", level="info",
                 more=""):
        self.ns, self.folder = ns, "/run/selftest-%s" % ns.name
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, mode=0o755)
        self.config = os.path.join(self.folder, "cygnet.conf")
        self.write("office.psk", psk, 0o600)
        self.write("cygnet.conf", "global {\n\tcontrol-dir = %s/run\n\tlog-level = %s\n%s}\n\n%s" %
                   (self.folder, level, more, connections))
        self.start()

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)

    def start(self):
        self.process = Process(self.ns, os.path.join(self.folder, "log"),
                               os.path.join(PROGRAMS, "cygnetd"), "-c", self.config)
        self.process.says("engine locked in", 60)

    def argv(self, *words):
        return [os.path.join(PROGRAMS, "cygnet"), "--config", self.config, *words]

    def cygnet(self, *words, check=True):
        """What cygnet prints; raises with what it says if it fails."""
        with self.ns:
            return run(*self.argv(*words), check=check)

    def status(self, name="office"):
        """The connection, as cygnet show sees it."""
        return json.loads(self.cygnet("--json", "show", name))["connections"][0]

    def log(self):
        return self.process.output()

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
