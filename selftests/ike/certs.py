# SPDX-License-Identifier: GPL-2.0-or-later
"""Both daemons with certificates; Pair is conftest's."""

import pytest

from ike import world as stage
from ike.daemons import Charon, CommandFailed, Cygnetd

CONF = """
connection net {
    local = %s
    remote = %s
    protect = 10.1.0.0/16 <-> 10.2.0.0/16
    ike = aes256gcm-sha256-x25519
    esp = aes256gcm
    encapsulation = udp
%s
}
"""
LOAD = "pem pkcs1 pkcs8 x509 pubkey constraints revocation"


class CertSides:
    """Both sides with certificates, unless a test says otherwise."""

    def us_with(self, pki, name="left", **keys):
        """Our configuration; a value of None takes a line away."""
        settings = {"cert": pki.path(name), "key": pki.path(name, "key"),
                    "trust": pki.path("ca"), "local-id": "left.test",
                    "remote-id": "right.test"}
        settings.update({key.replace("_", "-"): value for key, value in keys.items()})
        lines = "".join("    %s = %s\n" % item for item in settings.items() if item[1])
        self.us = Cygnetd(self.world.left, self._subfolder("us"), self.program,
                          CONF % (stage.LEFT, stage.RIGHT, lines), esp=self.esp)

    def them_with(self, pki, name="right", ca="ca", local=None, remote=None, more="",
                  extra=(), certs=None):
        self.them = Charon(self.world.right, self._subfolder("them"), more, load=LOAD)
        call = self.them.vici.call
        for authority in [ca, *extra]:
            call("load-cert", {"type": "X509", "flag": "CA", "data": pki.read(authority)})
        mine = {"auth": "pubkey", "id": "right.test"}
        if name:
            call("load-key", {"type": "any", "data": pki.read(name, "key")})
            mine["certs"] = [pki.read(name)]
        mine.update(local or {})
        theirs = {"auth": "pubkey", "id": "left.test"}
        theirs.update(remote or {})
        self.them.load({"addr": stage.RIGHT, "id": mine["id"]},
                       {"addr": stage.LEFT, "id": theirs["id"]}, local=mine, remote=theirs)

    def refused(self, words, initiator="us"):
        """It does not come up, and our log says so in these words."""
        if initiator == "us":
            with pytest.raises(CommandFailed):
                self.us.command("up", "net")
        else:
            self.them.initiate(check=False)
        self.us.log.wait(words)
        assert not self.esp.current
        assert not self.world.ping(wait=0.1)


def both_sides(pki, kind, **kwargs):
    for name in ("left", "right"):
        pki.issue("%s-%s" % (name, kind), by="ca", kind=kind, san="DNS:%s.test" % name,
                  **kwargs)
