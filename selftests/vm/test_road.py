# SPDX-License-Identifier: GPL-2.0-or-later
"""Between two gateways: one of them cygnet's, the other kernel xfrm's.

The kernel's own IPsec at both ends goes first: it shows that the road, the
tripwire and the peer are in order, before cygnet is blamed.
"""

import os

import pytest

from lib import xfrm
from lib.road import GWA, GWB, LAN_A, LAN_B, Road

OUT, IN = 0x10000A, 0x10000B
ENCAP = (4500, 4500)


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
