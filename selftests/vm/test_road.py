# SPDX-License-Identifier: GPL-2.0-or-later
"""Between two gateways: one of them cygnet's, the other kernel xfrm's.

The kernel's own IPsec at both ends goes first: it shows that the road, the
tripwire and the peer are in order, before cygnet is blamed.
"""

import itertools
import os
import socket

import pytest

from lib import xfrm
from lib.bench import ESP, selector
from lib.espref import CIPHERS, SUITES
from lib.genl import Genl
from lib.road import GWA, GWA_LAN, GWB, LAN_A, LAN_B, Road

OUT, IN = 0x10000A, 0x10000B
NATIVE, ENCAP = None, (4500, 4500)


@pytest.fixture(scope="module", name="road")
def fixture_road():
    with Road() as road:
        yield road


def test_tripwire_bites(road):
    road.needs_protection()
    assert road.cleartext() >= 2
    with pytest.raises(AssertionError):
        road.seen = 0
        road.no_cleartext()


@pytest.mark.parametrize("outer", (4, 6))
def test_xfrm_at_both_ends(road, outer):
    keys = os.urandom(20), os.urandom(20)
    road.needs_protection()
    try:
        for ns, local, remote, nets in ((road.gwa, GWA, GWB, (LAN_A, LAN_B)),
                                        (road.gwb, GWB, GWA, (LAN_B, LAN_A))):
            xfrm.state(ns, GWA[outer], GWB[outer], OUT, keys[0], "aes128gcm")
            xfrm.state(ns, GWB[outer], GWA[outer], IN, keys[1], "aes128gcm")
            for inner in (4, 6):
                xfrm.policy(ns, local[outer], remote[outer], nets[0][inner], nets[1][inner])
        for inner in (4, 6):
            road.ping(inner)
        road.no_cleartext()
    finally:
        xfrm.flush(road.gwa)
        xfrm.flush(road.gwb)
    road.needs_protection()


class Cygnet:
    """gwa with a device cyg0 that the other LAN is routed to."""

    def __init__(self, road):
        self.road = road
        road.gwa.ip("link add cyg0 type cygnet", "link set cyg0 up",
                    *("route add %s dev cyg0 src %s" % (LAN_B[f], GWA_LAN[f]) for f in (4, 6)))
        with road.gwa:
            self.nl = Genl()
            ifindex = socket.if_nametoindex("cyg0")
        self.nl.do("policy-set", id=1, ifindex=ifindex, action="protect", mode="tunnel",
                   selector=[selector(LAN_A[f], LAN_B[f]) for f in (4, 6)])

    def close(self):
        self.nl.close()
        self.road.gwa.ip("link delete cyg0")

    def drops(self):
        found = self.nl.do("stats-get").get("drops", [])
        return {d["reason"]: d["packets"] for d in found}

    def sa(self, direction, src, dst, spi, key, cipher, esn, encap):
        ports = {"encap_sport": encap[0], "encap_dport": encap[1]} if encap else {}
        self.nl.do("sa-new", direction=direction, protocol=ESP, spi=spi, src=src, dst=dst,
                   mode="tunnel", policy=1, encr=CIPHERS[cipher].encr, encr_key=key, esn=esn,
                   **ports)

    def carried(self):
        """Packets out, packets in."""
        packets = {sa["direction"]: sa["packets"] for sa in self.nl.dump("sa-get")}
        return packets["out"], packets["in"]

    def flush(self):
        for sa in self.nl.dump("sa-get"):
            self.nl.do("sa-del", protocol=ESP, spi=sa["spi"], dst=sa["dst"])


@pytest.fixture(scope="module", name="cygnet")
def fixture_cygnet(road):
    road.needs_protection()
    cygnet = Cygnet(road)
    yield cygnet
    cygnet.close()


# test_esp_xfrm.py has every algorithm; here the road is what matters.
CASES = [pytest.param(*p, id="v%d-%s" % (p[0], "udp" if p[1] else "native"))
         for p in itertools.product((4, 6), (NATIVE, ENCAP))]


@pytest.mark.parametrize("outer,encap", CASES)
def test_cygnet_and_xfrm(road, cygnet, outer, encap):
    cipher, esn = ("chacha20poly1305", True) if encap else ("aes256gcm", False)
    keys = [os.urandom(SUITES[cipher].key_len + SUITES[cipher].salt) for _ in range(2)]
    near, far = GWA[outer], GWB[outer]
    before = cygnet.drops().get("tx-no-sa", 0)
    for inner in (4, 6):
        lost = before + 1 if inner == 4 else before + 2
        road.unanswered(lambda n=lost: cygnet.drops().get("tx-no-sa", 0) >= n, inner)

    sock = xfrm.encap_socket(road.gwb, outer, 4500) if encap else None
    if encap:
        cygnet.nl.do("port-add", port=4500)
    try:
        cygnet.sa("out", near, far, OUT, keys[0], cipher, esn, encap)
        cygnet.sa("in", far, near, IN, keys[1], cipher, esn, encap)
        xfrm.state(road.gwb, near, far, OUT, keys[0], cipher, esn, encap)
        xfrm.state(road.gwb, far, near, IN, keys[1], cipher, esn, encap)
        for inner in (4, 6):
            xfrm.policy(road.gwb, far, near, LAN_B[inner], LAN_A[inner])
        drops = cygnet.drops()
        for inner in (4, 6):
            road.ping(inner)
            road.ping(inner, reverse=True)
        road.ping(4, size=1300)
        assert cygnet.carried() == (15, 15)
        assert cygnet.drops() == drops
        road.no_cleartext()
    finally:
        if encap:
            cygnet.nl.do("port-del", port=4500)
            sock.close()
        cygnet.flush()
        xfrm.flush(road.gwb)
