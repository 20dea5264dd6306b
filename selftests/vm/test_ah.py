# SPDX-License-Identifier: GPL-2.0-or-later
"""AH in both modes, with lib/espref.py and scapy as the other end; below, with
kernel xfrm."""

import itertools
import struct

import pytest
from scapy.layers.inet import (IP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_RR,
                               IPOption_Router_Alert, IPOption_Timestamp)
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.packet import Raw

from lib import xfrm
from lib.bench import EVERYTHING, FAR4, GW4, PATIENCE, WIRE4, Gateway, until
from lib.espref import INTEGS, Ah, addresses, checksum, ip_header, udp
from lib.genl import refused
from test_esp import flip, fragment6, inbound, outbound
from test_esp_xfrm import receive, xfrm_packets
from test_transport import ENDS, HostPair, in_packets, normal, out_packets, policy, steer

ROADS = pytest.mark.parametrize("family,esn", [
    pytest.param(f, s, id="v%d-%s" % (f, "esn" if s else "seq32"))
    for f, s in (itertools.product((4, 6), (False, True)) if EVERYTHING else
                 ((4, False), (6, True)))])
families = pytest.mark.parametrize("family", (4, 6))
SIZES = (4, 5, 6, 7, 8, 1300)


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    steer(made.gw)
    yield made
    made.close()


def tunnel_policy(net):
    net.policy(protocol=51)


def own_policy(net):
    pairs = net.nl.do("policy-get", id=policy(net)["id"])["selector"]
    net.nl.do("policy-set", id=1, ifindex=net.ifindex, action="protect", mode="transport",
              protocol=51, selector=pairs)


@ROADS
def test_sending_tunnel(net, family, esn):
    tunnel_policy(net)
    packets = [outbound(size, inner, tos=0x2A) for inner in (4, 6) for size in SIZES]
    with net.drop("tx-no-sa", len(packets)):
        net.transmit(packets)
    start = 0xFFFFFFFC if esn else 0
    for i, name in enumerate(INTEGS):
        sa = net.ah("out", name, family, 0x2001 + i, esn, sequence=start)
        net.transmit(packets)
        sent = net.wire.take(len(packets))
        for seq, (inner, packet) in enumerate(zip(packets, sent), start + 1):
            found, next_header, payload = sa.open(packet, high=seq >> 32)
            assert (found, payload) == (seq, inner), name
            assert next_header == (4 if inner[0] >> 4 == 4 else 41)
            if sa.integ.scapy:
                assert bytes(sa.scapy_open(packet, seq >> 32)) == inner, name
            assert addresses(packet) == [sa.src, sa.dst]
            if family == 4:
                assert checksum(packet[:20]) == 0 and packet[1] == 0x2A and packet[6:8] == b"\0\0"
        state = net.state(sa)
        assert state["packets"] == len(packets) and state["drops"] == {}
        assert state["integ"] == sa.integ.id and "encr" not in state
    assert net.wire.drain() == []


@ROADS
def test_receiving_tunnel(net, family, esn):
    tunnel_policy(net)
    start = 0xFFFFFFFC if esn else 0
    for i, name in enumerate(INTEGS):
        sa = net.ah("in", name, family, 0x1001 + i, esn, sequence=start)
        inner = [inbound(size, version) for version in (4, 6) for size in SIZES]
        sealed = [sa.seal(p, start + k, align=8 if k % 2 else None)
                  for k, p in enumerate(inner, 1)]
        if sa.integ.scapy:
            sealed[2] = sa.scapy_seal(inner[2], start + 3)
        forged = [flip(p, 8 * at) for p in sealed[:2]
                  for at in range(sa_at(p) + 12, len(p), 3)]
        moved, out = net.feed(sa, forged)
        assert out == [] and moved["drops"] == {"rx-auth": len(forged)}, name
        moved, out = net.feed(sa, sealed)
        assert out == inner and moved["drops"] == {}, name
        assert moved["bytes"] == sum(map(len, inner))
        moved, out = net.feed(sa, sealed)
        assert (out, moved) == ([], {"drops": {"rx-replay-duplicate": len(sealed)}})


def sa_at(packet):
    return 20 if packet[0] >> 4 == 4 else 40


def more_packets(family):
    """With all that AH must look into."""
    near, far = ENDS[family]
    if family == 4:
        ip = IP(src=near, dst=far, ttl=9, id=3)
        found = []
        for options in ([IPOption_Router_Alert()], [IPOption_RR(routers=["0.0.0.0"] * 2)],
                        [IPOption_NOP(), IPOption_NOP(), IPOption_Timestamp()],
                        [IPOption_RR(routers=["0.0.0.0"]), IPOption_NOP(),
                         IPOption_Router_Alert()]):
            packet = ip.copy()
            packet.options = options
            packet = IP(bytes(packet / UDP() / Raw(b"options")))
            found.append((bytes(packet), (packet.ihl * 4, 9)))
        return found
    ip = IPv6(src=near, dst=far, hlim=9, tc=7, fl=99)
    mutable = HBHOptUnknown(otype=0x3E, optdata=b"changes")
    fixed = HBHOptUnknown(otype=0x1E, optdata=b"stays")
    hop = IPv6ExtHdrHopByHop(options=[mutable, fixed])
    dest = IPv6ExtHdrDestOpt(options=[fixed, mutable])
    at = 40 + len(hop)
    return [(bytes(ip / hop / UDP() / Raw(b"x")), (at, 40)),
            (bytes(ip / hop / dest / UDP() / Raw(b"x")), (at + len(dest), at))]


@ROADS
def test_sending_own(net, family, esn):
    """Transport mode, with options and extension headers."""
    own_policy(net)
    start = 0xFFFFFFFC if esn else 0
    packets = out_packets(family) + more_packets(family)
    for i, name in enumerate(INTEGS):
        sa = net.ah("out", name, family, 0x2001 + i, esn, sequence=start, mode="transport")
        net.transmit([p for p, _ in packets], own=True)
        sent = net.wire.take(len(packets))
        for seq, ((packet, (head, at)), out) in enumerate(zip(packets, sent), start + 1):
            found, next_header, payload = sa.open(out, head, seq >> 32)
            assert (found, next_header, payload) == (seq, packet[at], packet[head:]), (name, seq)
            if sa.integ.scapy and (head == 20 or head == 40):
                whole = sa.scapy_open(out, seq >> 32, tunnel=False)
                assert bytes(whole)[head:] == packet[head:]
            if family == 4:
                assert checksum(out[:head]) == 0
        assert net.state(sa)["drops"] == {}
    assert net.wire.drain() == []


@ROADS
def test_receiving_own(net, family, esn):
    own_policy(net)
    start = 0xFFFFFFFC if esn else 0
    packets = in_packets(family)
    for i, name in enumerate(INTEGS):
        sa = net.ah("in", name, family, 0x1001 + i, esn, sequence=start, mode="transport")
        sealed = [sa.seal_own(p, start + k, *split) for k, (p, split) in enumerate(packets, 1)]
        if sa.integ.scapy:
            sealed[0] = sa.scapy_seal(packets[0][0], start + 1, tunnel=False)
        moved, out = net.feed(sa, [s[:-1] + bytes([s[-1] ^ 1]) for s in sealed])
        assert out == [] and moved["drops"] == {"rx-auth": len(sealed)}
        moved, out = net.feed(sa, sealed)
        assert [normal(p) for p in out] == [normal(p) for p, _ in packets], name
        assert moved["drops"] == {}
        moved, out = net.feed(sa, sealed)
        assert (out, moved) == ([], {"drops": {"rx-replay-duplicate": len(sealed)}})


def mend4(p):
    p = bytearray(p)
    head = (p[0] & 15) * 4
    p[10:12] = bytes(2)
    p[10:12] = struct.pack("!H", checksum(bytes(p[:head])))
    return bytes(p)


@families
def test_what_may_change(net, family):
    """What routers change on the way is not looked at; each other byte of the
    headers is."""
    tunnel_policy(net)
    sa = net.ah("in", family=family, spi=0x1001)
    seq = 0
    if family == 4:
        may = {1: 0x14, 8: 3}
    else:
        may = {0: 0x6F, 1: 0xAB, 2: 0xCD, 3: 0xEF, 7: 3}
    for at, value in may.items():
        seq += 1
        packet = bytearray(sa.seal(inbound(), seq))
        packet[at] = value
        packet = mend4(packet) if family == 4 else bytes(packet)
        moved, out = net.feed(sa, [packet])
        assert len(out) == 1 and moved["drops"] == {}, at
    seq += 1
    good = sa.seal(inbound(), seq)
    fixed = (4, 5, *range(12, 16)) if family == 4 else range(8, 24)
    bad = [flip(good, 8 * at + 1) for at in fixed]
    if family == 4:
        bad = [mend4(p) for p in bad]
    moved, out = net.feed(sa, bad)
    assert (out, moved) == ([], {"drops": {"rx-auth": len(bad)}})
    moved, out = net.feed(sa, [good])
    assert len(out) == 1


@families
def test_options_on_the_way(net, family):
    """Mutable options may arrive changed, immutable ones not."""
    own_policy(net)
    sa = net.ah("in", family=family, mode="transport")
    near, far = ENDS[family]
    if family == 4:
        ip = IP(src=far, dst=near, options=[IPOption_RR(routers=["0.0.0.0"] * 2),
                                            IPOption_NOP(), IPOption_Router_Alert()])
        packet = bytes(ip / UDP(sport=1, dport=2) / Raw(b"x"))
        head, at, mutable, fixed = (packet[0] & 15) * 4, 9, 23, 34
    else:
        hop = IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=0x3E, optdata=b"changes"),
                                          HBHOptUnknown(otype=0x1E, optdata=b"stays")])
        packet = bytes(IPv6(src=far, dst=near) / hop / UDP(sport=1, dport=2) / Raw(b"x"))
        head, at, mutable, fixed = 40 + len(hop), 40, 44, 53
    for seq, where in ((1, mutable), (2, fixed)):
        changed = bytearray(sa.seal_own(packet, seq, head, at))
        changed[where] ^= 4
        changed = mend4(changed) if family == 4 else bytes(changed)
        moved, out = net.feed(sa, [changed])
        assert len(out) == (seq == 1)
        assert moved["drops"] == ({} if seq == 1 else {"rx-auth": 1})


def test_source_route(net):
    """The address authenticated is the one at the end of the route."""
    own_policy(net)
    sa = net.ah("out", mode="transport")
    packet = IP(src=GW4, dst=WIRE4, id=9,
                options=[IPOption_LSRR(routers=["192.0.2.9"]), IPOption_NOP()])
    packet = bytes(IP(bytes(packet / UDP() / Raw(b"route"))))
    net.transmit([packet], own=True)
    out = net.wire.take(1)[0]
    _, _, payload = sa.open(out, 28)
    assert payload == packet[28:]


def test_routing_headers(net):
    """Of type 2 (and 0) it is known how they arrive; of others not."""
    own_policy(net)
    near, far = ENDS[6]
    sa = net.ah("out", family=6, mode="transport")

    def routed(kind, left, stops, src=near, dst=far):
        return bytes(IPv6(src=src, dst=dst) / IPv6ExtHdrRouting(
            type=kind, segleft=left, addresses=stops) / UDP(sport=1, dport=2) / Raw(b"r"))
    stops = ["2001:db8::77"]
    packet = routed(2, 1, stops)
    net.transmit([packet], own=True)
    _, next_header, payload = sa.open(net.wire.take(1)[0], 64)
    assert (next_header, payload) == (17, packet[64:])
    for kind in (3, 4, 253):
        with net.drop("tx-routing-header"):
            net.transmit([routed(kind, 0, stops)], own=True)
    assert net.wire.drain() == []

    into = net.ah("in", family=6, mode="transport")
    unknown = into.seal_own(routed(253, 0, stops, far, near), 1, 64, 40)
    moved, out = net.feed(into, [unknown])
    assert (out, moved) == ([], {"drops": {"rx-routing-header": 1}})


@families
def test_lengths(net, family):
    """The header's own length, and packets cut anywhere."""
    tunnel_policy(net)
    sa = net.ah("in", "sha256", family)
    good = sa.seal(inbound(), 1)
    head = sa_at(good)
    wrong = []
    for words in range(256):
        if (words + 2) * 4 not in (28, 32) or (family == 6 and (words + 2) * 4 == 28):
            packet = bytearray(good)
            packet[head + 1] = words
            wrong.append(bytes(packet))
    moved, out = net.feed(sa, wrong)
    assert (out, moved) == ([], {"drops": {"rx-ah": len(wrong)}})
    cut = []
    for length in range(12, len(good) - head):
        packet = bytearray(good[:head + length])
        if family == 4:
            packet[2:4] = struct.pack("!H", len(packet))
            packet = mend4(packet)
        else:
            packet[4:6] = struct.pack("!H", length)
        cut.append(bytes(packet))
    moved, out = net.feed(sa, cut)
    assert out == []
    assert moved["drops"] == {"rx-short": sa.length() - 12,
                              "rx-auth": len(good) - head - sa.length()}
    moved, out = net.feed(sa, [good])
    assert out == [inbound()]


@families
def test_fragments(net, family):
    """The whole is put together first, and authenticated then."""
    tunnel_policy(net)
    sa = net.ah("in", family=family)
    inner = inbound(1300)
    whole = sa.seal(inner, 1, df=False, ident=9) if family == 4 else sa.seal(inner, 1)
    net.wire.send([bytes(p) for p in IP(whole).fragment(512)] if family == 4 else
                  fragment6(whole, 512))
    until(lambda: net.state(sa)["packets"] == 1, "reassembly")
    assert net.inside.drain() == [inner]


def test_bad_content(net):
    """Authentic, and yet nothing for us."""
    tunnel_policy(net)
    sa = net.ah("in")
    cases = (("rx-next-header", ip_header(WIRE4, GW4, 17, 12) + bytes(12)),
             ("rx-dummy", ip_header(WIRE4, GW4, 59, 4) + bytes(4)),
             ("rx-inner", ip_header(WIRE4, GW4, 4, 12) + bytes(12)),
             ("rx-selector", ip_header(WIRE4, GW4, 4, 29) + udp(FAR4, "10.9.0.1", 1, 2, b"x")))
    for seq, (reason, packet) in enumerate(cases, 1):
        moved, out = net.feed(sa, [sa.seal_own(packet, seq)])
        assert out == [] and moved["drops"] == {reason: 1}


def test_refused(net):
    tunnel_policy(net)
    base = dict(direction="in", protocol=51, spi=0x1001, src=WIRE4, dst=GW4, policy=1, integ=12,
                integ_key=bytes(32))
    for changes, text in ((dict(encap_sport=4500, encap_dport=4500), "NAT"),
                          (dict(encr=20), "encrypt"), (dict(encr_key=bytes(20)), "encrypt"),
                          (dict(integ=None), "integrity algorithm is missing"),
                          (dict(integ_key=None), "key is missing"),
                          (dict(integ_key=bytes(31)), "length"),
                          (dict(protocol=50, encr=12, encr_key=bytes(16)), "other protocol")):
        assert text in refused(22, net.nl.do, "sa-new", **dict(base, **changes)).message
    for integ in (1, 2, 3):
        refused(95, net.nl.do, "sa-new", **dict(base, integ=integ, integ_key=bytes(20)))
    net.nl.do("sa-new", **base)
    assert "protocol" in refused(16, net.policy).message


@pytest.fixture(scope="module")
def hosts():
    made = HostPair()
    yield made
    made.close()


@ROADS
@pytest.mark.parametrize("mode", ("tunnel", "transport"))
def test_with_xfrm(hosts, family, esn, mode):
    """Both ways, every algorithm; in IPv4 what xfrm sends with the padding that
    it makes by itself is taken too."""
    hosts.clear()
    near, far = ENDS[family]
    bits = "/32" if family == 4 else "/128"
    errors = xfrm.counters(hosts.outer)
    if mode == "transport":
        own_policy(hosts)
        xfrm.policy(hosts.outer, far, near, far + bits, near + bits, mode=mode, proto="ah")
    else:
        tunnel_policy(hosts)
        xfrm.policy(hosts.outer, far, near, "10.2.0.0/24", "10.1.0.0/24", proto="ah")
        xfrm.policy(hosts.outer, far, near, "fd02::/64", "fd01::/64", proto="ah")
    try:
        for i, name in enumerate(INTEGS):
            start = 0xFFFFFFFC if esn else 0
            into, out = (hosts.ah(d, name, family, spi + i, esn, mode=mode, sequence=start)
                         for d, spi in (("in", 0x1001), ("out", 0x2001)))
            hosts.outer.ip("xfrm state flush")
            for src, dst, sa in ((far, near, into), (near, far, out)):
                xfrm.ah_state(hosts.outer, src, dst, sa.spi, sa.key, name, esn, mode=mode,
                              sequence=start, align4=family == 4 and sa is out)
            if mode == "transport":
                hosts.exchange(family, (0, 7, 1300)) if i == 0 else None
                for one, other in ((near, far), (far, near)):
                    hosts.udp[one].sendto(bytes(33), (other, 7001))
                    assert receive(hosts.udp[other], PATIENCE) == bytes(33), name
            else:
                for inner in (4, 6):
                    hosts.datagrams(inner, (0, 1, 2, 3, 1300))

            def settled():
                return xfrm_packets(hosts) == {     # pylint: disable=cell-var-from-loop
                    sa.spi: hosts.state(sa)["packets"] for sa in (into, out)}
            until(settled, "equal counters of " + name)
            for sa in (into, out):
                assert hosts.state(sa)["drops"] == {}, name
                hosts.nl.do("sa-del", protocol=51, spi=sa.spi, dst=sa.dst)
        assert xfrm.counters(hosts.outer) == errors
    finally:
        xfrm.flush(hosts.outer)


def test_reference_is_scapys():
    for name, esn in itertools.product(INTEGS, (False, True)):
        if not INTEGS[name].scapy:
            continue
        for near, far in ENDS.values():
            sa = Ah(name, 7, near, far, esn)
            packet = udp(near, far, 1, 2, b"scapy")
            assert sa.scapy_seal(packet, 9, tunnel=False) == sa.seal_own(packet, 9), name
