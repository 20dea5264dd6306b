# SPDX-License-Identifier: GPL-2.0-or-later
"""All that two gateways may agree on, against strongSwan: how they prove who they are, by
which algorithms, on which road, who begins, who makes new keys, who ends it.

By default every two of these meet in some case. With MATRIX set every kind of proof meets
every algorithm on every road, begun by either side. Transport mode and AH, for which
strongSwan needs a kernel, are in selftests/vm/test_hosts.py.
"""

import itertools
import os

import pytest

from ike import world as stage
from ike.certs import LOAD, both_sides
from ike.conftest import Pair
from ike.daemons import Charon, Cygnetd, until
from ike.test_exchanges import rekey_ike
from ike.test_suites import ESP_SUITES, IKE_SUITES
from ike.test_tunnel import one_child
from lib.pairwise import covering

AUTHS = {"psk": None, "rsa": "rsa", "rsa-pss": "rsa", "ecdsa": "p256", "ed25519": "ed25519"}
MAIN = {"auth": list(AUTHS), "ike": IKE_SUITES, "esp": ESP_SUITES,
        "road": ["v4", "v6", "nat-left", "nat-right"], "initiator": ["us", "them"]}
MORE = {"fragments": ["off", "576"], "child_by": ["us", "them"], "ike_by": ["us", "them"],
        "end": ["us", "them", "child"]}

CONF = """
connection net {
    local = %(local)s
    remote = %(remote)s
    local-id = left.test
    remote-id = right.test
    protect = 10.1.0.0/16 <-> 10.2.0.0/16
    ike = %(ike)s
    esp = %(esp)s
    encapsulation = %(encapsulation)s
    fragment-size = %(fragments)s
%(proof)s
}
"""


def product():
    """The large dimensions with each other, the small ones in turn."""
    rest = itertools.cycle(covering(MORE))
    for values in itertools.product(*MAIN.values()):
        yield dict(zip(MAIN, values), **next(rest))


CASES = list(product()) if "MATRIX" in os.environ else covering({**MAIN, **MORE})


def name_of(case):
    return "-".join(v if isinstance(v, str) else v[0] for v in case.values())


class MatrixPair(Pair):
    def start_case(self, pki, case):
        kind, ends = AUTHS[case["auth"]], self.ends(case["road"])
        if kind:
            both_sides(pki, kind)
        proof = self.our_proof(pki, case["auth"], kind)
        conf = CONF % {"local": ends[0], "remote": ends[1], "ike": case["ike"][0],
                       "esp": case["esp"][0], "fragments": case["fragments"], "proof": proof,
                       "encapsulation": "auto" if "nat" in case["road"] else "udp"}
        self.us = Cygnetd(self.world.left, self._subfolder("us"), self.program, conf,
                          esp=self.esp)
        self.start_peer(pki, case, kind, ends)

    def ends(self, road):
        """Ours and the peer's address as we see them, then as the peer does."""
        if road == "v6":
            return stage.LEFT6, stage.RIGHT6, stage.LEFT6, stage.RIGHT6
        if road == "nat-left":
            self.world.nat("left")
            return stage.LEFT, stage.RIGHT, stage.NAT_LEFT, stage.RIGHT
        if road == "nat-right":
            self.world.nat("right")
            return stage.LEFT, stage.NAT_RIGHT, stage.LEFT, stage.RIGHT
        return stage.LEFT, stage.RIGHT, stage.LEFT, stage.RIGHT

    @staticmethod
    def our_proof(pki, auth, kind):
        if not kind:
            return "    psk = psk"
        lines = {"cert": pki.path("left-" + kind), "key": pki.path("left-" + kind, "key"),
                 "trust": pki.path("ca")}
        if auth == "rsa":
            lines["signatures"] = "rsa-pkcs1"
        return "\n".join("    %s = %s" % item for item in lines.items())

    def start_peer(self, pki, case, kind, ends):
        more = "fragment_size = 576\n" if case["fragments"] != "off" else ""
        more += "rsa_pss = yes\n" if case["auth"] == "rsa-pss" else ""
        self.them = Charon(self.world.right, self._subfolder("them"), more, load=LOAD)
        settings = {}
        if kind:
            call = self.them.vici.call
            call("load-cert", {"type": "X509", "flag": "CA", "data": pki.read("ca")})
            call("load-key", {"type": "any", "data": pki.read("right-" + kind, "key")})
            settings = {"local": {"auth": "pubkey", "id": "right.test",
                                  "certs": [pki.read("right-" + kind)]},
                        "remote": {"auth": "pubkey", "id": "left.test"}}
        self.them.load({"addr": ends[3], "id": "right.test"}, {"addr": ends[2], "id": "left.test"},
                       proposals=[case["ike"][1]], child={"esp_proposals": [case["esp"][1]]},
                       fragmentation="no" if case["fragments"] == "off" else "yes", **settings)

    def rekey_child(self, by):
        if by == "us":
            self.us.command("rekey", "net")
        else:
            self.them.vici.call("rekey", {"child": "net"})
        assert one_child(self)

    def end(self, by):
        before = self.us.count("del")
        if by == "us":
            self.us.command("down", "net")
            assert until(lambda: not self.them.vici.sas())
        else:
            self.them.vici.call("terminate", {"child" if by == "child" else "ike": "net"})
            assert until(lambda: self.us.count("del") > before)


@pytest.fixture
def matrix(request, world, folder, program):
    both = MatrixPair(world, folder, program)
    yield both
    both.stop(getattr(request.node, "failed", False))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_matrix(matrix, pki, case):
    matrix.start_case(pki, case)
    matrix.up(case["initiator"])
    matrix.rekey_child(case["child_by"])
    matrix.pings(count=3)
    rekey_ike(matrix, case["ike_by"])
    matrix.pings(count=3)
    matrix.end(case["end"])
