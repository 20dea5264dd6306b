# SPDX-License-Identifier: GPL-2.0-or-later
"""Every algorithm of ESP both ways between cygnet and kernel xfrm, on the
road of test_esp_xfrm.py.

What carries a packet (UDP or not, family) knows nothing of algorithms, so that
two roads show all; with MATRIX=1 in the environment (make check-matrix) all do.
"""

import itertools
import os

import pytest

from lib import xfrm
from lib.bench import GW4, GW6, WIRE4, WIRE6, until
from lib.espref import SUITES
from test_esp_xfrm import ENCAP, INNER, gateway, pair, xfrm_packets   # noqa: F401

ROADS = [pytest.param(f, e, s, id="v%d-%s-%s" % (f, "udp" if e else "native",
                                                 "esn" if s else "seq32"))
         for f, e, s in (itertools.product((4, 6), (None, ENCAP), (False, True))
                         if "MATRIX" in os.environ else ((4, None, False), (6, ENCAP, True)))]


@pytest.mark.parametrize("family,encap,esn", ROADS)
def test_both_ways(pair, family, encap, esn):      # noqa: F811
    # pylint: disable=redefined-outer-name
    near, far = (GW4, WIRE4) if family == 4 else (GW6, WIRE6)
    sock = xfrm.encap_socket(pair.outer, family, 4500) if encap else None
    errors = xfrm.counters(pair.outer)
    pair.policy()
    if encap:
        pair.nl.do("port-add", port=4500)
    xfrm.policy(pair.outer, far, near, "10.2.0.0/24", "10.1.0.0/24")
    xfrm.policy(pair.outer, far, near, "fd02::/64", "fd01::/64")
    try:
        for i, name in enumerate(SUITES):
            # From before the low half wraps to behind it.
            start = 0xFFFFFFFC if esn else 0
            into = pair.sa("in", name, family, 0x1001 + i, encap, esn, sequence=start)
            out = pair.sa("out", name, family, 0x2001 + i, encap, esn, sequence=start)
            pair.outer.ip("xfrm state flush")
            for src, dst, sa in ((far, near, into), (near, far, out)):
                xfrm.state(pair.outer, src, dst, sa.spi, sa.key, name, esn, encap,
                           integ_key=sa.integ_key, sequence=start)
            for inner in INNER:
                pair.datagrams(inner, (0, 1, 2, 3, 1300))

            def settled():
                return xfrm_packets(pair) == {  # pylint: disable=cell-var-from-loop
                    sa.spi: pair.state(sa)["packets"] for sa in (into, out)}
            until(settled, "equal counters of " + name)
            for sa in (into, out):
                state = pair.state(sa)
                assert (state["packets"], state["drops"]) == (10, {}), name
                pair.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
        assert xfrm.counters(pair.outer) == errors
    finally:
        if sock:
            sock.close()
