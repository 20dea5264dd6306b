# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP as seen from the wire, with scapy as the other end.

What the module sends is opened by scapy and looked at field by field; what
scapy seals must come out byte for byte; everything else must be refused, under
the right name, and leave no trace but a counter.
"""

import itertools
import random
import struct

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6, ICMPv6EchoRequest
from scapy.packet import Raw

from lib.bench import FAR4, FAR6, GW4, GW6, IN4, IN6, WIRE4, WIRE6, seen, until
from lib.espref import CIPHERS, ICV, IV, Esp, addresses, checksum, udp

NATIVE, ENCAP = None, (4500, 4500)
EVERY = [pytest.param(*p, id="%s-%s-v%d-%s" % (p[0], "esn" if p[1] else "seq32", p[2],
                                               "udp" if p[3] else "native"))
         for p in itertools.product(CIPHERS, (False, True), (4, 6), (NATIVE, ENCAP))]
every = pytest.mark.parametrize("cipher,esn,family,encap", EVERY)
FEW = [pytest.param("aes128gcm", False, 4, NATIVE, id="native4"),
       pytest.param("aes256gcm", True, 4, ENCAP, id="udp4-esn"),
       pytest.param("chacha20poly1305", False, 6, NATIVE, id="native6"),
       pytest.param("chacha20poly1305", True, 6, ENCAP, id="udp6-esn")]
few = pytest.mark.parametrize("cipher,esn,family,encap", FEW)


def outbound(size=32, family=4, mark=0, tos=0, df=True, ident=7):
    """An inner UDP datagram to the far side; mark makes it findable."""
    payload = struct.pack("!I", mark) + bytes(i & 255 for i in range(4, size))
    if family == 4:
        return udp(IN4, FAR4, 1000, 2000, payload[:size], tos=tos, df=df, ident=ident)
    return udp(IN6, FAR6, 1000, 2000, payload[:size], tos=tos)


def inbound(size=32, family=4, mark=0, **header):
    payload = struct.pack("!I", mark) + bytes(i & 255 for i in range(4, size))
    if family == 4:
        return udp(FAR4, IN4, 2000, 1000, payload[:size], **header)
    return udp(FAR6, IN6, 2000, 1000, payload[:size], **header)


def mark_of(inner):
    """The mark of an inner datagram."""
    offset = 28 if inner[0] >> 4 == 4 else 48
    return struct.unpack_from("!I", inner, offset)[0]


def refuse_all(net, sa, packets, expected):
    """The packets are dropped for the expected reasons, and that is all."""
    moved, inner = net.feed(sa, packets)
    assert inner == []
    assert moved == {"drops": expected}


class TestSending:
    """What leaves the gateway."""

    @every
    def test_scapy_opens(self, net, cipher, esn, family, encap):
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        packets = [outbound(size, inner, mark=size)
                   for inner in (4, 6) for size in (4, 5, 6, 7, 8, 64, 577, 1360)]

        # Without an SA nothing must leave.
        with net.drop("tx-no-sa", len(packets)):
            net.transmit(packets)
        assert net.wire.drain() == []

        start = 0xFFFFFFF8 if esn else 0
        sa = net.sa("out", cipher, family, encap=encap, esn=esn, sequence=start)
        net.transmit(packets)
        sent = net.wire.take(len(packets))
        ivs = set()
        for i, (inner, packet) in enumerate(zip(packets, sent), start + 1):
            opened = sa.open(packet, high=i >> 32)
            assert opened.seq == i
            assert opened.inner == inner
            assert opened.next_header == (4 if inner[0] >> 4 == 4 else 41)
            assert opened.padding == bytes(range(1, len(opened.padding) + 1))
            assert len(opened.padding) < 4 and len(packet) % 4 == 0
            ivs.add(opened.iv)
            self.check_header(opened.outer, packet, inner, family, encap)
        assert len(ivs) == len(packets)
        state = net.state(sa)
        assert state["packets"] == len(packets)
        assert state["bytes"] == sum(map(len, packets))
        assert state["sequence"] == start + len(packets)
        assert state["drops"] == {}
        assert net.wire.drain() == []

    @staticmethod
    def check_header(outer, packet, inner, family, encap):
        near, far = (GW4, WIRE4) if family == 4 else (GW6, WIRE6)
        assert (outer.src, outer.dst) == (near, far)
        if family == 4:
            assert outer.ihl == 5 and outer.len == len(packet)
            assert outer.proto == (17 if encap else 50)
            assert outer.ttl == 64 and outer.frag == 0 and not outer.flags & 1
            assert checksum(packet[:20]) == 0
            if encap:
                assert outer[UDP].chksum == 0   # RFC 3948 section 2.1
        else:
            assert outer.plen == len(packet) - 40
            assert outer.nh == (17 if encap else 50)
            assert outer.hlim == 64
            if encap:
                assert udp(near, far, *encap, packet[48:])[46:48] == packet[46:48]

    @pytest.mark.parametrize("family", (4, 6))
    def test_dscp_and_ecn(self, net, family):
        """DSCP is copied, ECN as RFC 6040 section 4.1 (normal mode)."""
        net.policy()
        sa = net.sa("out", family=family)
        fields = [dscp << 2 | ecn for dscp in (0, 46, 63) for ecn in range(4)]
        for inner in (4, 6):
            packets = [outbound(family=inner, tos=tos) for tos in fields]
            net.transmit(packets)
            for tos, packet in zip(fields, net.wire.take(len(packets))):
                outer = sa.open(packet).outer
                assert (outer.tos if family == 4 else outer.tc) == tos

    def test_ident(self, net):
        """DF is clear outside, whatever it is inside, so each outer packet
        has an identification of its own."""
        net.policy()
        sa = net.sa("out")
        net.transmit([outbound(df=df) for df in (True, False) * 20])
        sent = [sa.open(p).outer for p in net.wire.take(40)]
        assert not any(o.flags.DF for o in sent)
        assert len({o.id for o in sent}) == 40

    def test_sequence_ends(self, net):
        """Without ESN the number after 2^32-1 is never sent."""
        net.policy()
        sa = net.sa("out", sequence=0xFFFFFFFD)
        with net.nl.events() as events, net.drop("tx-sequence", 3):
            net.transmit([outbound()] * 5)
            last = [sa.open(p).seq for p in net.wire.take(2)]
            assert last == [0xFFFFFFFE, 0xFFFFFFFF]
            event = events.next("expire-ntf", spi=sa.spi)
            assert event["expiry"] == "sequence" and event["direction"] == "out"
        assert net.wire.drain() == []
        assert net.state(sa)["sequence"] == 0xFFFFFFFF

    def test_esn_never_shows_zero_twice(self, net):
        """Past the wrap of the low half, numbers and IVs go on."""
        net.policy()
        sa = net.sa("out", esn=True, sequence=0xFFFFFFFE)
        net.transmit([outbound(mark=i) for i in range(4)])
        sent = net.wire.take(4)
        low = [struct.unpack_from("!I", p, 24)[0] for p in sent]
        assert low == [0xFFFFFFFF, 0, 1, 2]
        opened = [sa.open(p, high=int(i > 0)) for i, p in enumerate(sent)]
        assert [mark_of(o.inner) for o in opened] == [0, 1, 2, 3]
        assert len({o.iv for o in opened}) == 4

    def test_iv_salted(self, net):
        """Two SAs with one key, a mistake of its user, do not start with
        the same IV."""
        net.policy()
        key = bytes(20)
        ivs = set()
        for spi in range(0x2001, 0x2009):
            sa = net.sa("out", spi=spi, key=key)
            net.transmit([outbound()])
            ivs.add(sa.open(net.wire.take(1)[0]).iv)
        assert len(ivs) == 8


class TestReceiving:
    """What enters it and is right."""

    @every
    def test_accepts_scapy(self, net, cipher, esn, family, encap):
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        start = 0xFFFFFFF8 if esn else 0
        sa = net.sa("in", cipher, family, encap=encap, esn=esn, sequence=start)
        inner = [inbound(size, version, mark=size)
                 for version in (4, 6) for size in (4, 5, 6, 7, 8, 64, 577, 1360)]
        packets = [sa.scapy_seal(p, start + i) for i, p in enumerate(inner, 1)]
        moved, out = net.feed(sa, packets)
        assert out == inner
        assert moved == {"packets": len(inner), "bytes": sum(map(len, inner)), "drops": {},
                         "sequence": len(inner)}
        refuse_all(net, sa, packets, {"rx-replay-duplicate": len(packets)})

    @every
    def test_quick_seal_is_scapys(self, cipher, esn, family, encap):
        """The reference used below for its speed makes the same packets."""
        near, far = (WIRE4, GW4) if family == 4 else (WIRE6, GW6)
        sa = Esp(cipher, 0x1001, near, far, esn, encap)
        for version, size in itertools.product((4, 6), (4, 7)):
            for seq in (1, 1 << 32 | 5 if esn else 77):
                inner = inbound(size, version)
                iv = struct.pack("!Q", seq * 3)
                head = sa.headers
                scapys, ours = sa.scapy_seal(inner, seq, iv=iv), sa.seal(inner, seq, iv=iv)
                assert scapys[head:] == ours[head:]
                assert len(scapys) == len(ours)
                if encap:
                    assert scapys[head - 8:head] == ours[head - 8:head]

    @few
    def test_every_padding(self, net, cipher, esn, family, encap):
        """Pad lengths that a sender may choose to hide the true one."""
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        sa = net.sa("in", cipher, family, encap=encap, esn=esn)
        inner = inbound(2 + 32)
        packets = [sa.seal(inner, i + 1, pad=bytes(range(1, 4 * i + 1)))
                   for i in range(64)]
        moved, out = net.feed(sa, packets)
        assert out == [inner] * 64
        assert moved["drops"] == {}

    def test_traffic_flow_confidentiality(self, net):
        """Padding between the inner packet and ESP's own (RFC 4303 2.7)."""
        net.policy()
        sa = net.sa("in")
        inner = [inbound(32, 4), inbound(32, 6)]
        plain = [p + bytes(200) + b"\1\2\2" + bytes([4 if p[0] >> 4 == 4 else 41])
                 for p in inner]
        moved, out = net.feed(sa, [sa.seal(p, i, plain=t)
                                   for i, (p, t) in enumerate(zip(inner, plain), 1)])
        assert out == inner
        assert moved["drops"] == {} and moved["packets"] == 2

    @pytest.mark.parametrize("family", (4, 6))
    def test_ecn(self, net, family):
        """RFC 6040 section 4.2: the outer mark reaches the inner header."""
        net.policy()
        sa = net.sa("in", family=family)
        table = {(0, 0): 0, (0, 1): 0, (0, 2): 0, (0, 3): None,
                 (1, 0): 1, (1, 1): 1, (1, 2): 1, (1, 3): 3,
                 (2, 0): 2, (2, 1): 1, (2, 2): 2, (2, 3): 3,
                 (3, 0): 3, (3, 1): 3, (3, 2): 3, (3, 3): 3}
        seq = 0
        for version in (4, 6):
            cases = list(table.items())
            packets = []
            for (inner, outer), _ in cases:
                seq += 1
                packets.append(sa.seal(inbound(family=version, mark=seq, tos=40 << 2 | inner),
                                       seq, tos=outer))
            moved, out = net.feed(sa, packets)
            assert moved["drops"] == {"rx-ecn": 1}
            found = {}
            for packet in out:
                if version == 4:
                    assert checksum(packet[:20]) == 0
                tos = packet[1] if version == 4 else struct.unpack_from("!H", packet)[0] >> 4 & 255
                assert tos >> 2 == 40
                found[mark_of(packet) - (seq - len(cases)) - 1] = tos & 3
            assert {cases[i][0]: ecn for i, ecn in found.items()} == \
                {k: v for k, v in table.items() if v is not None}

    def test_either_form(self, net):
        """An inbound SA takes both forms, whichever it was told of."""
        net.policy()
        net.nl.do("port-add", port=4500)
        for spi, told in ((0x1001, True), (0x1002, False)):
            sa = net.sa("in", spi=spi, encap=ENCAP, give_encap=told)
            native = Esp("aes128gcm", spi, key=sa.key)
            moved, out = net.feed(sa, [sa.seal(inbound(), 1), native.seal(inbound(), 2)])
            assert len(out) == 2 and moved["drops"] == {}

    @few
    def test_fragments(self, net, cipher, esn, family, encap):
        """Outer fragments are put together first."""
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        sa = net.sa("in", cipher, family, encap=encap, esn=esn)
        inner = inbound(1300)
        whole = sa.seal(inner, 1, df=False, ident=99) if family == 4 else sa.seal(inner, 1)
        if family == 4:
            pieces = [bytes(p) for p in IP(whole).fragment(512)]
        else:
            pieces = fragment6(whole, 512)
        assert len(pieces) >= 3
        for order in (pieces, pieces[::-1]):
            before = net.state(sa)
            net.wire.send(order)
            until(lambda: net.seen(sa) > seen(before),
                  "reassembly")
        state = net.state(sa)
        assert (state["packets"], state["drops"]) == (1, {"rx-replay-duplicate": 1})
        assert net.inside.drain() == [inner]


def fragment6(packet, size):
    """An IPv6 packet in fragments of size bytes of payload, a multiple of 8."""
    header, payload = bytearray(packet[:40]), packet[40:]
    following, header[6] = header[6], 44
    out = []
    for offset in range(0, len(payload), size):
        part = payload[offset:offset + size]
        more = offset + size < len(payload)
        header[4:6] = struct.pack("!H", 8 + len(part))
        out.append(bytes(header) + struct.pack("!BBHI", following, 0, offset | more, 4711) + part)
    return out


class TestRefusing:
    """What enters it and is wrong."""

    @every
    def test_every_bit(self, net, cipher, esn, family, encap):
        """No bit from the SPI to the ICV can be flipped."""
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        top, window = 0x10005, 64
        sa = net.sa("in", cipher, family, encap=encap, esn=esn, sequence=top,
                    replay_window=window)
        good = sa.seal(inbound(7), top + 1)
        packets, expected = [], {"rx-auth": 0, "rx-replay-old": 0, "rx-replay-duplicate": 0}
        for bit in range((sa.headers + 4) * 8, len(good) * 8):
            packets.append(flip(good, bit))
            low, = struct.unpack_from("!I", packets[-1], sa.headers + 4)
            if low > top or (esn and low <= top - window):
                expected["rx-auth"] += 1
            elif low <= top - window:
                expected["rx-replay-old"] += 1
            else:
                expected["rx-replay-duplicate"] += 1
        assert len(packets) == (len(good) - sa.headers - 4) * 8
        refuse_all(net, sa, packets, {k: v for k, v in expected.items() if v})

        # Another SPI is another SA, or none.
        before = net.state(sa)
        packets = [flip(good, bit) for bit in range(sa.headers * 8, (sa.headers + 4) * 8)]
        net.wire.send(packets)
        moved, inner = net.feed(sa, [good])
        assert inner == [inbound(7)]
        assert moved == {"packets": 1, "bytes": len(inbound(7)), "sequence": 1, "drops": {}}
        assert net.state(sa)["packets"] == before["packets"] + 1

    @few
    def test_every_truncation(self, net, cipher, esn, family, encap):
        """Cut anywhere, with headers that agree, and lengthened."""
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        sa = net.sa("in", cipher, family, encap=encap, esn=esn)
        good = sa.seal(inbound(), 1)
        esp = good[sa.headers:]
        packets, expected = [], {"rx-short": 0, "rx-auth": 0}
        for length in range(8, len(esp)):
            packets.append(sa.wrap(esp[:length]))
            # SPI, number, IV, pad length, next header, ICV
            expected["rx-short" if length < 8 + IV + 2 + ICV else "rx-auth"] += 1
        for length in (1, 2, 3, 4, 5, 8, 16, 100):
            packets.append(sa.wrap(esp + bytes(length)))
            expected["rx-auth"] += 1
        refuse_all(net, sa, packets, expected)

        # Too short to have a number: perhaps nobody's.
        packets = [sa.wrap(esp[:length]) for length in range(8)]
        net.wire.send(packets)
        moved, out = net.feed(sa, [good])
        assert out == [inbound()]
        moved["drops"].pop("rx-short", None)
        assert moved == {"packets": 1, "bytes": len(inbound()), "sequence": 1, "drops": {}}

    @few
    def test_bad_plaintext(self, net, cipher, esn, family, encap):
        """Authentic packets whose content is wrong: counted as used up, so
        that none can be played again, and never delivered."""
        net.policy()
        if encap:
            net.nl.do("port-add", port=4500)
        sa = net.sa("in", cipher, family, encap=encap, esn=esn)
        inner = inbound(34)     # leaves 2 bytes for the trailer
        cases = [
            ("rx-padding", dict(plain=inner + b"\xff\x04")),            # beyond the packet
            ("rx-padding", dict(plain=b"\xff\x04")),
            ("rx-padding", dict(plain=b"\x01\x04")),
            ("rx-padding", dict(pad=b"\1\2\3\5")),
            ("rx-padding", dict(pad=b"\0\0\0\0")),
            ("rx-padding", dict(pad=bytes(range(0, 4)))),
            ("rx-next-header", dict(next_header=6)),
            ("rx-next-header", dict(next_header=0)),
            ("rx-next-header", dict(next_header=50)),
            ("rx-next-header", dict(next_header=255)),
            ("rx-dummy", dict(next_header=59)),
            ("rx-dummy", dict(plain=bytes(98) + b"\0\x3b")),
            ("rx-inner", dict(next_header=41)),                         # but it is IPv4
            ("rx-inner", dict(plain=b"\0\x04")),                        # nothing
            ("rx-inner", dict(plain=inner[:18] + b"\0\x04")),
            ("rx-inner", dict(plain=inner[:30] + b"\0\x04")),           # cut short
            ("rx-inner", dict(plain=b"\x44" + inner[1:] + b"\0\x04")),  # header of 16 bytes
            ("rx-inner", dict(plain=b"\x4f" + inbound(10)[1:] + b"\0\x04")),  # of 60
            ("rx-inner", dict(plain=inner[:2] + b"\0\x10" + inner[4:] + b"\0\x04")),
            ("rx-inner", dict(plain=b"\x60" + bytes(37) + b"\0\x04")),
            ("rx-inner", dict(plain=inbound(34, 6)[:38] + b"\0\x29")),
            ("rx-selector", dict(plain=udp("10.3.0.1", IN4, 1, 2, b"12") + b"\0\x04")),
            ("rx-selector", dict(plain=udp(FAR4, "10.3.0.1", 1, 2, b"12") + b"\0\x04")),
            ("rx-selector", dict(plain=udp(FAR6, "fd03::1", 1, 2, b"12") + b"\0\x29")),
        ]
        for seq, (reason, wrong) in enumerate(cases, 1):
            packet = sa.seal(inner, seq, **wrong)
            moved, out = net.feed(sa, [packet])
            assert out == [], "%s %r delivered" % (reason, wrong)
            assert moved["drops"] == {reason: 1}, "case %d: %s %r" % (seq, reason, wrong)
            moved, out = net.feed(sa, [packet])
            assert moved == {"drops": {"rx-replay-duplicate": 1}}
        moved, out = net.feed(sa, [sa.seal(inner, len(cases) + 1)])
        assert out == [inner]

    def test_outer_destination(self, net):
        """An SA has one destination; the gateway has two."""
        net.gw.ip("address add 192.0.2.7/24 dev eth0")
        net.policy()
        net.nl.do("port-add", port=4500)
        for encap in (NATIVE, ENCAP):
            sa = net.sa("in", spi=0x1001 + bool(encap), encap=encap)
            packet = bytearray(sa.seal(inbound(), 1))
            packet[16:20] = bytes((192, 0, 2, 7))
            packet[10:12] = b"\0\0"
            packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
            refuse_all(net, sa, [bytes(packet)], {"rx-endpoint": 1})
            _, out = net.feed(sa, [sa.seal(inbound(mark=2), 2)])
            assert [mark_of(p) for p in out] == [2]

    def test_device_down(self, net):
        net.policy()
        sa = net.sa("in")
        net.gw.ip("link set cyg0 down")
        try:
            moved, _ = net.feed(sa, [sa.seal(inbound(), 1)])
            assert moved["drops"] == {"rx-device": 1}
        finally:
            net.gw.ip("link set cyg0 up", "route replace 10.2.0.0/24 dev cyg0",
                      "address replace %s/64 dev cyg0 nodad" % IN6,
                      "route replace fd02::/64 dev cyg0")
        _, out = net.feed(sa, [sa.seal(inbound(), 2)])
        assert out == [inbound()]

    def test_narrow_selectors(self, net):
        """The policy's protocol and ports are asked for, not only addresses."""
        net.nl.do("policy-set", id=1, ifindex=net.ifindex, action="protect", mode="tunnel",
                  selector=[dict(local_first=IN4, local_last=IN4, remote_first=FAR4,
                                 remote_last=FAR4, protocol=17, local_port_first=1000,
                                 local_port_last=1001, remote_port_first=2000,
                                 remote_port_last=2000)])
        sa = net.sa("in")
        inner = [udp(FAR4, IN4, 2000, 1000, b"1"), udp(FAR4, IN4, 2000, 1001, b"2"),
                 udp(FAR4, IN4, 2000, 1002, b"3"), udp(FAR4, IN4, 2001, 1000, b"4"),
                 udp(FAR4, IN4, 1000, 2000, b"5"),
                 bytes(IP(src=FAR4, dst=IN4) / ICMP()),
                 bytes(IP(src=FAR4, dst=IN4, proto=17, frag=10) / Raw(bytes(16)))]
        moved, out = net.feed(sa, [sa.seal(p, i) for i, p in enumerate(inner, 1)])
        assert out == inner[:2]
        assert moved["drops"] == {"rx-selector": 5}
        with net.drop("tx-no-policy", 1):
            net.transmit([udp(IN4, FAR4, 1002, 2000, b"6")])


class Window:
    """The replay window of RFC 4303 appendix A, as a set of numbers."""

    def __init__(self, size, top, esn):
        self.size, self.top, self.esn, self.bottom, self.seen = size, top, esn, top, set()

    def meaning(self, low):
        """Appendix A2.2, its cases written out."""
        if not self.esn:
            return low
        high, t = self.top >> 32, self.top & 0xFFFFFFFF
        if t >= self.size - 1:
            return (high if low >= t - self.size + 1 else high + 1) << 32 | low
        if low >= (t - self.size + 1) % (1 << 32):
            return (high - 1) << 32 | low if high else 0
        return high << 32 | low

    def judge(self, seq):
        meant = self.meaning(seq & 0xFFFFFFFF)
        if meant <= 0 or meant <= self.top - self.size:
            return "rx-replay-old"
        if meant <= self.bottom or meant in self.seen:
            return "rx-replay-duplicate"
        if meant != seq:
            return "rx-auth"
        self.seen.add(seq)
        self.top = max(self.top, seq)
        return None


def flip(packet, bit):
    """packet with one bit flipped; UDP over IPv6 with the checksum made good."""
    changed = bytearray(packet)
    changed[bit // 8] ^= 0x80 >> bit % 8
    if packet[0] >> 4 == 6 and packet[6] == 17:
        changed = bytearray(udp(*addresses(packet), *struct.unpack_from("!HH", packet, 40),
                                bytes(changed[48:])))
    return bytes(changed)


WINDOWS = [pytest.param(w, esn, id="%d-%s" % (w, "esn" if esn else "seq32"))
           for w in (32, 64, 1024, 4096) for esn in (False, True)]


class TestReplay:
    """The window's edges, exactly."""

    reasons_known = True        # packets still inside can hide them

    def play(self, net, window, esn, start, numbers, encap=NATIVE):
        sa = net.sa("in", esn=esn, sequence=start, replay_window=window, encap=encap,
                    spi=0x1100)
        model = Window(window, start, esn)
        packets, expected, verdicts = [], {}, []
        for i, seq in enumerate(numbers):
            packets.append(sa.seal(inbound(4, mark=i), seq))
            verdicts.append(model.judge(seq))
            if verdicts[-1]:
                expected[verdicts[-1]] = expected.get(verdicts[-1], 0) + 1
        moved, out = net.feed(sa, packets)
        accepted = [i for i, verdict in enumerate(verdicts) if not verdict]
        assert [mark_of(p) for p in out] == accepted
        if self.reasons_known:
            assert moved["drops"] == expected
        assert sum(moved["drops"].values()) == len(numbers) - len(accepted)
        assert moved.get("packets", 0) == len(accepted)
        assert net.state(sa)["sequence"] == model.top
        net.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)

    @pytest.mark.parametrize("window,esn", WINDOWS)
    def test_edges(self, net, window, esn):
        net.policy()
        w, t = window, 100000
        self.play(net, w, esn, 0, [
            0, 1, 1, 2, 4, 3, 3, 0,             # from nothing; 0 is no number
            t, t, t - w, t - w + 1, t - w + 1,  # a jump beyond the window, both edges
            t - w + 2, t - 1, t - 1, 4, 5, 1,
            t + 1, t - w + 1, t - w + 2,        # the left edge moves by one
            t + w, t + 1, t + 2, t + w,         # as far as can be kept
            t + 2 * w, t + w, t + w + 1,        # a whole window ahead
            t + 5 * w + 7, t + 4 * w + 7, t + 4 * w + 8, t + 5 * w + 6,
            t + 5 * w + 7 + 64, t + 5 * w + 7 + 63, t + 5 * w + 7 + 65, t + 5 * w + 7])

    @pytest.mark.parametrize("window,esn", WINDOWS)
    def test_upper_end(self, net, window, esn):
        """Around 2^32: the last numbers, and with ESN beyond."""
        net.policy()
        w, e = window, 1 << 32
        numbers = [e - 3, e - 1, e - 2, e - 1, e - w, e - w - 1]
        if esn:
            numbers = [e - w - 5, e - 5, e, e - 4, e + 1, e, e + 2, e - 1, e - 2, e - 1,
                       e + w // 2, e - w // 2, e - w // 2 + 1, e - w // 2 + 1,  # before the wrap
                       e + w, e, e + 1, e + 1, e + 3, e + 2 * w, e + w, e + w + 1,
                       e - 3, 2 * e + 5, 2 * e + w + 5]
        self.play(net, w, esn, e - 2 * w, numbers)

    @pytest.mark.parametrize("window,esn", WINDOWS)
    def test_any_order(self, net, window, esn):
        """A walk with everything in it, from a seed."""
        net.policy()
        rng = random.Random(window * 2 + esn)
        top = start = (1 << 32) - 3000 if esn else 5000
        numbers = []
        for _ in range(600):
            step = rng.choice((1, 1, 1, 2, 3, window - 1, window, window + 1, 64, 65, 127))
            if rng.random() < .5:
                top += step if rng.random() < .9 else step * 3
                numbers.append(top)
            else:
                numbers.append(max(1, top - rng.randrange(window + 80)))
        self.play(net, window, esn, start, numbers)

    def test_forged_number_moves_nothing(self, net):
        """A packet far ahead that does not authenticate."""
        net.policy()
        sa = net.sa("in", replay_window=32)
        good = sa.seal(inbound(), 5)
        forged = bytearray(good)
        forged[24:28] = struct.pack("!I", 0xFFFFFFFF)
        refuse_all(net, sa, [bytes(forged)], {"rx-auth": 1})
        moved, out = net.feed(sa, [good, sa.seal(inbound(), 4)])
        assert len(out) == 2 and moved["drops"] == {}


class TestInner:
    """Packets that the stack makes, beside those that we forge."""

    def test_echo(self, net):
        """A ping from the far side is answered, through the tunnel."""
        net.policy()
        sa_in, sa_out = net.sa("in"), net.sa("out")
        asks = [IP(src=FAR4, dst=IN4) / ICMP(id=7, seq=1) / Raw(b"x" * 40),
                IPv6(src=FAR6, dst=IN6) / ICMPv6EchoRequest(id=7, seq=1, data=b"y" * 40)]
        for i, ask in enumerate(asks, 1):
            net.wire.send([sa_in.seal(bytes(ask), i)])
            answer = sa_out.open(net.wire.take(1)[0]).inner
            assert answer[-40:] == bytes(ask)[-40:]
            assert answer[0] >> 4 == ask.version

    def test_fragments_inside(self, net):
        """Fragments of an inner packet travel as they are."""
        net.policy()
        sa_in, sa_out = net.sa("in"), net.sa("out")
        pieces = [bytes(p) for p in IP(outbound(1200, df=False)).fragment(400)]
        for piece in pieces:
            net.inside.sock.send(piece)
        assert [sa_out.open(p).inner for p in net.wire.take(len(pieces))] == pieces
        back = [bytes(p) for p in IP(inbound(1200, df=False, ident=9)).fragment(400)]
        moved, out = net.feed(sa_in, [sa_in.seal(p, i) for i, p in enumerate(back, 1)])
        assert out == back and moved["drops"] == {}
