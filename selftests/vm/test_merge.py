# SPDX-License-Identifier: GPL-2.0-or-later
"""Receiving in bursts: what comes out of cyg0 as super-packets is, once cut up,
byte for byte what went in, packet for packet and in order.

Packets of one test are held back on the wire (sch_netem's slots) and arrive in
one go.  What comes out is seen by a packet socket that is told of offloads, and
lib/superpacket.py cuts it up.
"""

import os
import random
import socket
import struct
import time
from contextlib import contextmanager

import pytest

from lib.bench import FAR4, FAR6, Tap, selector
from lib.espref import ip_header
from lib.superpacket import (ACK, CWR, ECE, FIN, PSH, RST, SYN, TCP, UDP, URG, VNET, Offload,
                             by_flow, describe, flow_of, offload, put, segments, tcp,
                             transport_of, udp, unfinished)

DEBUG = os.environ["GUEST"] == "debug"
# Packet sockets have no words for a super-packet of UDP until Linux 6.2.
UDP_TOLD = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)
SLOT = "60ms" if DEBUG else "150ms"
PORTS = (4500, 4500)
HERE = {4: "10.1.0.77", 6: "fd01::77"}      # nobody, so that nobody answers
THERE = {4: FAR4, 6: FAR6}
FULL = 1300
# Seconds for a burst to come out.
SOON = 1 if DEBUG else 5
PARAMETER = "/sys/module/cygnet/parameters/batch_receive"


class Observed:
    """The gateway with an observer, and a wire that holds packets back."""

    def __init__(self, gateway):
        self.net = gateway
        self.numbers = {}
        gateway.gw.run("ethtool", "-K", "cyg0", "gro", "on", "rx-udp-gro-forwarding", "on")
        gateway.outer.run("tc", "qdisc", "add", "dev", "w0", "root", "netem", "limit", "5000",
                          "slot", SLOT, SLOT, "packets", "5000")
        self.whole = Tap(gateway.gw, "cyg0", False, vnet=True)

    def close(self):
        self.whole.close()
        self.net.outer.run("tc", "qdisc", "del", "dev", "w0", "root")
        self.net.gw.run("ethtool", "-K", "cyg0", "rx-udp-gro-forwarding", "off")

    def clear(self):
        self.net.clear()
        self.numbers = {}
        self.whole.drain()

    def tunnel(self, encap=PORTS, cipher="aes128gcm", **values):
        """A policy, and an SA that brings packets in."""
        self.net.policy()
        if encap:
            self.net.nl.do("port-add", port=encap[1])
        return self.net.sa("in", cipher, encap=encap, **values)

    def seal(self, sa, inner, **how):
        self.numbers[sa.spi] = self.numbers.get(sa.spi, 0) + 1
        return sa.seal(inner, self.numbers[sa.spi], **how)

    def told(self):
        """The next super-packet and its description, or None."""
        packet = self.whole.read()
        return packet and (Offload(*VNET.unpack(self.whole.offload)), packet)

    def untold(self, expected):
        """The same where packet sockets have no words for UDP: its segments are
        as long as the packet that is expected next."""
        packet = self.net.inside.read()
        if not packet:
            return None
        first = expected[flow_of(packet)][0]
        at, protocol = transport_of(packet)
        size = len(first) - at - 8
        if protocol != UDP or len(packet) == len(first) or size <= 0:
            return Offload(), packet
        return offload(packet, size), packet

    def collect(self, expected):
        """What comes out: packets, cut up, and the number of super-packets."""
        told = any(transport_of(p)[1] != UDP for p in expected) or os.uname().release >= "6.2"
        queues, found, supers = by_flow(expected), [], 0
        end = time.monotonic() + SOON
        while len(found) < len(expected) and time.monotonic() < end:
            one = self.told() if told else self.untold(queues)
            if not one:
                time.sleep(.0005)
                continue
            parts = cut_up(*one, queues.get(flow_of(one[1]), []))
            supers += 1
            found += parts
            wanted = queues.get(flow_of(parts[0]), [])
            for part in parts:
                if part in wanted:
                    wanted.remove(part)
        return found, supers

    def burst(self, sealed, expected):
        """What comes out when these packets arrive together."""
        self.whole.drain()
        self.net.inside.drain()
        self.net.wire.send(sealed)
        return self.collect(expected)

    def check(self, sealed, expected, supers=None, ordered=True):
        """They give these packets, in that many super-packets if said."""
        found, count = self.burst(sealed, expected)
        compare(found, expected, ordered)
        assert supers in (None, count), "%d super-packets" % count


def cut_up(header, packet, expected):
    """The packets of a super-packet.  What the socket cannot tell is whether
    IPv4 identifications grow: that is asked of what is expected."""
    parts = segments(header, packet)
    if len(parts) > 1 and not all(part in expected for part in parts):
        parts = segments(header, packet, True)
    return parts


def compare(found, expected, ordered=True):
    if ordered and found == expected:
        return
    a, b = by_flow(found), by_flow(expected)
    for flow in a.keys() | b.keys():
        got, want = a.get(flow, []), b.get(flow, [])
        for i, (one, other) in enumerate(zip(got, want)):
            assert one == other, "packet %d of a flow is\n%s\nnot\n%s%s" % (
                i, describe(one), describe(other), ", which came elsewhere" if other in got else "")
        assert len(got) == len(want), "%d of %d packets of %s" % (
            len(got), len(want), describe((got or want)[0]))
    assert not ordered, "out of order between flows"


@contextmanager
def batch(value):
    with open(PARAMETER, "r+", encoding="ascii") as f:
        before = f.read()
        f.seek(0)
        f.write(value)
    try:
        yield
    finally:
        with open(PARAMETER, "w", encoding="ascii") as f:
            f.write(before)


@pytest.fixture(scope="module", name="observed")
def fixture_observed(gateway):
    made = Observed(gateway)
    yield made
    made.close()


@pytest.fixture(name="see")
def fixture_see(observed):
    observed.clear()
    yield observed
    observed.clear()


# Streams: lists of inner packets, and how many super-packets they make.

class Stream:
    """Packets of one flow in a row; each may say how it differs."""

    def __init__(self, family=4, protocol=TCP, size=FULL, **common):
        self.family, self.protocol, self.size, self.common = family, protocol, size, common
        self.seq, self.ident, self.packets = 1000, 100, []

    def add(self, size=None, **differs):
        values = {**self.common, **differs}
        size = self.size if size is None else size
        payload = bytes((len(self.packets) * 7 + i) & 255 for i in range(size))
        if self.family == 4:
            values.setdefault("ident", self.ident & 0xFFFF)
            self.ident += 1
        ends = THERE[self.family], HERE[self.family]
        if self.protocol == TCP:
            values.setdefault("seq", self.seq)
            self.seq = values["seq"] + size
            packet = tcp(*ends, payload=payload, **values)
        else:
            packet = udp(*ends, payload=payload, **values)
        self.packets.append(packet)
        return self

    def many(self, count, size=None, **differs):
        for _ in range(count):
            self.add(size, **differs)
        return self


def stream(*args, **kwargs):
    return Stream(*args, **kwargs)


def same_at(position, form, value):
    """Four packets, one of which has other bytes at position."""
    packets = stream().many(4).packets
    packets[2] = put(packets[2], position, form, value)
    return packets


def around(**differs):
    """Three, one that differs, three."""
    return stream().many(3).add(**differs).many(3).packets


def around6(**differs):
    return stream(6).many(3).add(**differs).many(3).packets


def ids(numbers, df=True):
    made = stream(df=df)
    for number in numbers:
        made.add(ident=number)
    return made.packets


def woven(*lists):
    return [packet for group in zip(*lists) for packet in group]


def reordered(*order):
    packets = stream().many(len(order)).packets
    return [packets[i] for i in order]


def with_ip_options():
    """Router alert in front of TCP."""
    found = []
    for packet in stream().many(3).packets:
        packet = put(packet, 0, "!B", 0x46)
        found.append(put(packet[:20] + bytes.fromhex("94040000") + packet[20:], 2, "!H",
                         len(packet) + 4))
    return found


def with_extension():
    """Destination options in front of TCP."""
    found = []
    for packet in stream(6).many(3).packets:
        packet = put(packet, 6, "!B", 60)[:40] + bytes([6, 0, 1, 4, 0, 0, 0, 0]) + packet[40:]
        found.append(put(packet, 4, "!H", len(packet) - 40))
    return found


def fragments():
    return [put(p, 6, "!H", 0x2000) for p in stream().many(3).packets]


def without_checksum():
    return [put(p, 26, "!H", 0) for p in stream(protocol=UDP).many(4).packets]


def datagrams(*sizes, family=4, **kwargs):
    made = stream(family, UDP, **kwargs)
    for size in sizes:
        made.add(size)
    return made.packets


def many_headers():
    """Headers of many lengths behind each other, with payloads shorter and longer."""
    found = []
    for i, (family, options) in enumerate(((4, b""), (6, b"\1" * 40), (4, b"\1" * 20), (6, b""),
                                           (4, b"\1" * 40), (6, b"\1" * 12))):
        for size in (1, 30, 70, 600):
            found += stream(family, options=options, sport=10 + i, dport=size,
                            size=size).many(2).packets
    return found


def two_ports(**kwargs):
    return stream(sport=5, **kwargs), stream(sport=6, **kwargs)


OTHER_TIME = bytes.fromhex("0101080a0001000300030004")
# Each: packets, number of super-packets
STREAMS = {
    "ipv4": (lambda: stream().many(20).packets, 1),
    "ipv6": (lambda: stream(6).many(20).packets, 1),
    "ipv6-label": (lambda: stream(6, label=0x54321).many(5).packets, 1),
    "id-fixed": (lambda: ids([7] * 6), 1),
    "id-zero": (lambda: ids([0] * 6), 1),
    "id-fixed-no-df": (lambda: ids([7] * 4, df=False), 4),
    "id-grows-no-df": (lambda: ids(range(5), df=False), 1),
    "id-wraps": (lambda: ids([65533, 65534, 65535, 0, 1]), 1),
    "id-jumps": (lambda: ids([1, 2, 3, 10, 11]), 2),
    "id-fixed-then-grows": (lambda: ids([5, 5, 6, 7]), 2),
    "id-grows-then-fixed": (lambda: ids([5, 6, 6, 6]), 2),
    "id-falls": (lambda: ids([5, 4, 3]), 3),
    "timestamps": (lambda: around(options=OTHER_TIME), 3),
    "other-options": (lambda: around(options=b"\1" * 12), 3),
    "fewer-options": (lambda: around(options=b""), 3),
    "no-options": (lambda: stream(options=b"").many(5).packets, 1),
    "most-options": (lambda: stream(options=b"\1" * 40).many(5).packets, 1),
    "ack": (lambda: around(ack=2), 3),
    "window": (lambda: around(window=999), 3),
    "psh": (lambda: around(flags=ACK | PSH), 2),
    "psh-first": (lambda: stream().add(flags=ACK | PSH).many(3).packets, 2),
    "fin": (lambda: around(flags=ACK | FIN), 2),
    "cwr": (lambda: around(flags=ACK | CWR), 2),
    "ece": (lambda: around(flags=ACK | ECE), 3),
    "all-ece": (lambda: stream(flags=ACK | ECE).many(4).packets, 1),
    "urg": (lambda: around(flags=ACK | URG, urgent=5), 3),
    "urgent-pointer-alone": (lambda: around(urgent=5), 3),
    "syn": (lambda: around(flags=SYN), 3),
    "rst": (lambda: around(flags=ACK | RST), 3),
    "reserved-bits": (lambda: around(reserved=4), 3),
    "accurate-ecn": (lambda: around(reserved=1), 3),
    "gap": (lambda: reordered(0, 1, 2, 3, 4, 5)[:2] + reordered(0, 1, 2, 3, 4, 5)[3:], 2),
    "out-of-order": (lambda: reordered(0, 1, 3, 2, 4), None),
    "retransmission": (lambda: reordered(0, 1, 2, 3) + reordered(0, 1, 2, 3)[1:], None),
    "overlap": (lambda: around(seq=1000 + 2 * FULL + 600), None),
    "sequence-wraps": (lambda: stream().add(seq=0xFFFFFFFF - 2000).many(5).packets, 1),
    "short-last": (lambda: stream().many(4).add(100).packets, 1),
    "short-then-full": (lambda: stream().many(4).add(100).many(4).packets, 2),
    "short-first": (lambda: stream().add(100).many(3).packets, 2),
    "longer": (lambda: stream().many(2, 1200).many(2, 1300).packets, 2),
    "no-payload": (lambda: stream().many(2).add(0).many(2).packets, 3),
    "only-acks": (lambda: stream(size=0).many(5).packets, 5),
    "tiny": (lambda: stream(size=1).many(50).packets, None),
    "tiny-udp": (lambda: stream(protocol=UDP, size=18).many(50).packets, 1),
    "two-flows": (lambda: woven(*(s.many(6).packets for s in two_ports())), 12),
    "two-tiny-flows": (lambda: woven(*(s.many(20).packets for s in two_ports(size=3))), 40),
    "two-families": (lambda: woven(stream().many(5).packets, stream(6).many(5).packets), 10),
    "ttl": (lambda: around(ttl=63), 3),
    "hop-limit": (lambda: around6(ttl=63), 3),
    "dscp": (lambda: around(tos=0x20), 3),
    "inner-ecn": (lambda: around(tos=1), 3),
    "traffic-class": (lambda: around6(tos=0x20), 3),
    "df": (lambda: around(df=False), 3),
    "label": (lambda: around6(label=7), 3),
    "ip-options": (with_ip_options, 3),
    "extension": (with_extension, 3),
    "fragments": (fragments, 3),
    "tcp-checksum": (lambda: same_at(36, "!H", 0x1234), 3),
    "tcp-checksum-first": (lambda: [put(p, 36, "!H", 0x1234) if not i else p for i, p in
                                    enumerate(stream().many(4).packets)], 2),
    "ip-checksum": (lambda: same_at(10, "!H", 0x1234), 3),
    "doff": (lambda: same_at(32, "!B", 0x40), 3),
    "doff-too-long": (lambda: [put(p, 32, "!B", 0xF0) for p in stream(size=5).many(3).packets], 3),
    "many-headers": (many_headers, None),
    "more-than-one-holds": (lambda: stream().many(60).packets, 2),
    "udp": (lambda: datagrams(*[1200] * 10), 1),
    "udp-ipv6": (lambda: datagrams(*[1200] * 10, family=6), 1),
    "udp-id-fixed": (lambda: datagrams(*[1200] * 5, ident=0), 1),
    "udp-short-last": (lambda: datagrams(1200, 1200, 500), 1),
    "udp-short-then-full": (lambda: datagrams(1200, 1200, 500, 1200), 2),
    "udp-longer": (lambda: datagrams(1200, 1201), 2),
    "udp-no-payload": (lambda: datagrams(100, 0, 100), 3),
    "udp-no-checksum": (without_checksum, 4),
    "udp-checksum": (lambda: [put(p, 26, "!H", 0x1234) if i == 2 else p for i, p in
                              enumerate(datagrams(*[500] * 5))], 3),
    "udp-length": (lambda: [put(p, 24, "!H", 100) if i == 2 else p for i, p in
                            enumerate(datagrams(*[500] * 5))], 3),
    "udp-ports": (lambda: woven(datagrams(*[500] * 4), datagrams(*[500] * 4, sport=3)), 8),
    "icmp": (lambda: [ip_header(FAR4, HERE[4], 1, 400) + bytes([0]) * 400] * 3, 3),
    "other-protocol": (lambda: [ip_header(FAR4, HERE[4], 99, 400) + bytes([1]) * 400] * 3, 3),
}


@pytest.mark.parametrize("name", STREAMS)
def test_stream(see, name):
    make, supers = STREAMS[name]
    packets = make()
    sa = see.tunnel()
    see.check([see.seal(sa, p) for p in packets], packets, supers)
    assert see.net.state(sa)["packets"] == len(packets)
    assert see.net.state(sa)["drops"] == {}


@pytest.mark.parametrize("name", ("ipv4", "ipv6", "udp", "many-headers", "short-then-full"))
@pytest.mark.parametrize("encap,family,cipher", ((None, 4, "aes256gcm"), (None, 6, "aes128gcm"),
                                                 (PORTS, 6, "chacha20poly1305")))
def test_other_roads(see, name, encap, family, cipher):
    """Protocol 50 and IPv6 outside; other algorithms."""
    make, supers = STREAMS[name]
    packets = make()
    sa = see.tunnel(encap, cipher, family=family)
    see.check([see.seal(sa, p) for p in packets], packets, supers)


@pytest.mark.parametrize("name", ("ipv4", "id-fixed", "two-flows", "tcp-checksum", "udp",
                                  "udp-id-fixed", "many-headers"))
def test_one_by_one(see, name):
    """batch_receive=N gives the same packets."""
    packets = STREAMS[name][0]()
    sa = see.tunnel()
    with batch("N"):
        found, _ = see.burst([see.seal(sa, p) for p in packets], packets)
        assert sorted(found) == sorted(packets)     # the stack's own GRO lets some overtake


def test_gro_off(see):
    packets = stream().many(5).packets + stream(6, UDP).many(5).packets
    sa = see.tunnel()
    see.net.gw.run("ethtool", "-K", "cyg0", "gro", "off")
    try:
        see.check([see.seal(sa, p) for p in packets], packets, 10)
    finally:
        see.net.gw.run("ethtool", "-K", "cyg0", "gro", "on")


def test_udp_forwarding_off(see):
    packets = stream().many(5).packets + stream(6, UDP).many(5).packets
    sa = see.tunnel()
    see.net.gw.run("ethtool", "-K", "cyg0", "rx-udp-gro-forwarding", "off")
    try:
        see.check([see.seal(sa, p) for p in packets], packets, 6)
    finally:
        see.net.gw.run("ethtool", "-K", "cyg0", "rx-udp-gro-forwarding", "on")


# In the middle of a burst

def test_padding(see):
    """Traffic flow padding behind the inner packet is nobody's."""
    packets = stream(size=900).many(4).packets + stream(6, size=900, sport=9).many(4).packets
    sa = see.tunnel()
    sealed = []
    for i, packet in enumerate(packets):
        pad = -(len(packet) + 40 * i + 2) % 4
        plain = packet + b"\xa5" * (40 * i) + bytes(range(1, pad + 1)) + \
            bytes([pad, 4 if packet[0] >> 4 == 4 else 41])
        sealed.append(see.seal(sa, packet, plain=plain))
    see.check(sealed, packets, 2)


def test_wrong_next_header(see):
    """What the trailer says has to be what is there."""
    packets = stream(6).many(5).packets
    sa = see.tunnel()
    sealed = [see.seal(sa, p, next_header=4 if i in (1, 3) else None)
              for i, p in enumerate(packets)]
    see.check(sealed, packets[::2], 3)
    assert see.net.state(sa)["drops"] == {"rx-inner": 2}


def test_disguised_version(see):
    """An IPv6 packet whose label would do as the length of IPv4."""
    packets = stream(6, label=40 + 32 + FULL).many(4).packets
    sa = see.tunnel()
    see.check([see.seal(sa, p, next_header=4 if i == 2 else None)
               for i, p in enumerate(packets)], packets[:2] + packets[3:], 2)
    assert see.net.state(sa)["drops"] == {"rx-inner": 1}


@pytest.mark.parametrize("bad", ("icv", "replay", "dummy", "padding", "selector", "short"))
def test_bad_among_good(see, bad):
    """Neighbours stay intact, also where a new block of pages begins."""
    packets = stream().many(58).packets
    foreign = tcp("10.9.9.9", HERE[4], payload=bytes(FULL))
    sa = see.tunnel()
    sealed = []
    for packet in packets:
        sealed.append(see.seal(sa, packet))
        if bad == "replay":
            sealed.append(sealed[-1])
        elif bad == "icv":
            broken = bytearray(sealed[-1])
            broken[-1] ^= 1
            sealed.insert(-1, bytes(broken))
        elif bad == "dummy":
            sealed.append(see.seal(sa, packet, plain=bytes(400) + bytes([0, 59])))
        elif bad == "padding":
            sealed.append(see.seal(sa, packet, pad=b"\7\7"))
        elif bad == "selector":
            sealed.append(see.seal(sa, foreign))
        else:
            sealed.append(sa.wrap(sa.seal_plain(b"", 1)[:20]))
    for i in range(0, len(packets), 29):
        see.check(sealed[2 * i:2 * i + 58], packets[i:i + 29])
    reason = {"icv": "rx-auth", "replay": "rx-replay-duplicate", "dummy": "rx-dummy",
              "padding": "rx-padding", "selector": "rx-selector", "short": "rx-short"}[bad]
    assert see.net.state(sa)["drops"] == {reason: len(packets)}


def test_bad_by_size(see):
    """A forged packet as long as it takes to need a new block, wherever the
    last one ended."""
    sa = see.tunnel()
    for first in range(20, 26):
        packets = stream(sport=first).many(40).packets
        sealed = [see.seal(sa, p) for p in packets]
        broken = bytearray(see.seal(sa, packets[0]))
        broken[40] ^= 255
        sealed.insert(first, bytes(broken))
        see.check(sealed, packets, ordered=True)
    assert see.net.state(sa)["drops"] == {"rx-auth": 6}


def test_congestion(see):
    """RFC 6040: an outer CE marks that packet only, and drops what is not
    ECN-capable."""
    sa = see.tunnel()
    packets = stream(tos=2).many(7).packets + stream(sport=9).many(7).packets
    sealed = [see.seal(sa, p, tos=3 if i % 7 == 3 else 2) for i, p in enumerate(packets)]
    expected = packets[:10] + packets[11:]
    marked = put(put(expected[3], 1, "!B", 3), 10, "!H", 0)
    total = sum(struct.unpack("!10H", marked[:20]))
    expected[3] = put(marked, 10, "!H", ~(total + (total >> 16)) & 0xFFFF)
    see.check(sealed, expected, 5)
    assert see.net.state(sa)["drops"] == {"rx-ecn": 1}


def test_rekeyed_in_a_burst(see):
    """Packets by two SAs are not merged, and stay in order."""
    one = see.tunnel()
    two = see.net.sa("in", encap=PORTS, spi=0x1002)
    packets = stream().many(12).packets
    see.check([see.seal(one if i < 4 else two, p) for i, p in enumerate(packets)], packets, 2)
    see.check([see.seal((one, two)[i & 1], p) for i, p in enumerate(packets)], packets, 12)


def test_two_devices(see):
    """Whose SAs come in one super-packet."""
    sa = see.tunnel()
    net = see.net
    net.gw.ip("link add cyg1 type cygnet", "link set cyg1 up")
    net.gw.run("ethtool", "-K", "cyg1", "gro", "off")
    try:
        with net.gw:
            ifindex = socket.if_nametoindex("cyg1")
        net.nl.do("policy-set", id=2, ifindex=ifindex, action="protect", mode="tunnel",
                  selector=[selector("10.1.0.0/24", "10.2.0.0/24")])
        other = net.sa("in", encap=PORTS, spi=0x1005, policy=2)
        tap = Tap(net.gw, "cyg1", False)
        mine, theirs = stream().many(8).packets, stream(sport=9).many(8).packets
        sealed = woven([see.seal(sa, p) for p in mine], [see.seal(other, p) for p in theirs])
        see.check(sealed, mine, 1)      # each device has cells of its own
        assert tap.take(8) == theirs
        tap.close()
    finally:
        net.gw.ip("link del cyg1")


def super_packet(net, sealed):
    """ESP datagrams of one size, but for the last, as one super-packet."""
    tap = Tap(net.outer, "w0", True, vnet=True)
    try:
        headers = 28
        outer = put(sealed[0][:headers], 2, "!H", headers + sum(len(s) - headers for s in sealed))
        whole = outer + b"".join(s[headers:] for s in sealed)
        from lib.superpacket import offload, unfinished    # pylint: disable=C0415
        whole = put(whole, 24, "!H", len(whole) - 20)
        whole = put(put(whole, 10, "!H", 0), 10, "!H", 0)
        whole = unfinished(whole)
        from lib.espref import checksum                     # pylint: disable=C0415
        whole = put(whole, 10, "!H", checksum(whole[:20]))
        header = offload(whole, len(sealed[0]) - headers)
        frame = bytes.fromhex("020000000001" "020000000002" "0800")
        shifted = header._replace(csum_start=header.csum_start + 14, hdr_len=headers + 14)
        tap.sock.send(VNET.pack(*shifted) + frame + whole)
    finally:
        tap.close()


@pytest.mark.skipif(not UDP_TOLD, reason="packet sockets cannot tell of them until 6.2")
@pytest.mark.parametrize("uso", ("on", "off"))
def test_super_packets(see, uso):
    """ESP in a super-packet of UDP, whole or cut up on the way."""
    sa = see.tunnel()
    packets = stream().many(40).packets
    sealed = [see.seal(sa, p) for p in packets]
    outer = udp(sa.src, sa.dst, *PORTS, b"".join(p[28:] for p in sealed))
    header = offload(outer, len(sealed[0]) - 28)
    header = header._replace(csum_start=header.csum_start + 14, hdr_len=header.hdr_len + 14)
    frame = bytes.fromhex("0200000000010200000000020800") + unfinished(outer)
    see.net.outer.run("ethtool", "-K", "w0", "tx", uso, "sg", uso, "tx-udp-segmentation", uso,
                      check=False)
    tap = Tap(see.net.outer, "w0", True, vnet=True)
    try:
        tap.sock.send(VNET.pack(*header) + frame)
        found, _ = see.collect(packets)
        compare(found, packets)
    finally:
        tap.close()
        see.net.outer.run("ethtool", "-K", "w0", "tx-udp-segmentation", "off", "tx", "off")


def test_large_datagrams(see):
    """Scattered over fragments, longer than a block, and small ones between:
    in order."""
    see.net.gw.ip("link set cyg0 mtu 65000")
    try:
        sa = see.tunnel()
        packets = stream(size=100).many(2).add(40000).many(2).add(9000).many(2).add(1400) \
            .many(2).packets
        sealed = []
        for packet in packets:
            sealed += fragmented(see.seal(sa, packet))
        see.check(sealed, packets)
    finally:
        see.net.gw.ip("link set cyg0 mtu 1410")


def fragmented(packet, size=1480):
    """IPv4 fragments of a packet (RFC 791)."""
    if len(packet) <= 20 + size:
        return [packet]
    found = []
    fragmented.ident += 1
    for at in range(0, len(packet) - 20, size):
        part = packet[20 + at:20 + at + size]
        more = 0x2000 if at + size < len(packet) - 20 else 0
        header = put(packet[:20], 2, "!HHH", 20 + len(part), fragmented.ident, more | at // 8)
        header = put(header, 10, "!H", 0)
        total = sum(struct.unpack("!10H", header))
        header = put(header, 10, "!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
        found.append(header + part)
    return found


fragmented.ident = 1


# Whatever comes

def random_flow(rng, i):
    protocol = rng.choice((TCP, TCP, UDP if UDP_TOLD else TCP))
    values = {"options": rng.choice((b"", b"\1" * 12, b"\1" * 40))} if protocol == TCP else {}
    return stream(rng.choice((4, 4, 6)), protocol, rng.choice((1, 18, 100, 536, 1200, FULL)),
                  sport=1000 + i, **values)


def random_packets(rng, count):
    """Flows that mostly go on as they should, and sometimes do not."""
    flows = [random_flow(rng, i) for i in range(8)]
    packets, flow = [], flows[0]
    while len(packets) < count:
        if rng.random() < .15:
            flow = rng.choice(flows)
        differs = {}
        if rng.random() < .2:
            what = rng.choice(sorted(MISCHIEF if flow.protocol == TCP else
                                     MISCHIEF.keys() - TCP_ONLY))
            differs = {what: MISCHIEF[what](rng, flow)}
        if flow.family == 6:
            differs = {k: v for k, v in differs.items() if k not in ("ident", "df")}
        elif "label" in differs:
            differs = {}
        packet = flow.add(**differs).packets[-1]
        if rng.random() < .02:
            # Not the addresses: the packet would be outside its selectors.
            at = rng.choice((8, 10, 36, 26, len(packet) - 1) if flow.family == 4 else
                            (7, 50, 44, 66, len(packet) - 1))
            packet = packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1:] \
                if at < len(packet) else packet
        packets.append(packet)
    return packets


MISCHIEF = {
    "size": lambda rng, flow: rng.randrange(0, 1301),
    "ident": lambda rng, flow: flow.ident - 1,
    "df": lambda rng, flow: False,
    "ttl": lambda rng, flow: 9,
    "tos": lambda rng, flow: rng.randrange(256),
    "label": lambda rng, flow: rng.randrange(1 << 20),
    "seq": lambda rng, flow: flow.seq + rng.randrange(-2000, 2000),
    "ack": lambda rng, flow: rng.randrange(3),
    "flags": lambda rng, flow: rng.randrange(256),
    "window": lambda rng, flow: rng.randrange(2),
    "urgent": lambda rng, flow: rng.randrange(2),
    "reserved": lambda rng, flow: rng.randrange(16),
}
TCP_ONLY = {"seq", "ack", "flags", "window", "urgent", "reserved"}


@pytest.mark.parametrize("seed", (1, 2, 3, 4))
def test_random(see, seed):
    """Cut up again, bursts give the packets that were sent."""
    rng = random.Random(seed)
    packets = random_packets(rng, 900 if DEBUG else 360)
    sa = see.tunnel(replay_window=4096)
    merged = 0
    for i in range(0, len(packets), 60):
        part = packets[i:i + 60]
        found, supers = see.burst([see.seal(sa, p) for p in part], part)
        compare(found, part)
        merged += len(part) - supers
    assert merged > len(packets) // 4, "%d merged" % merged
