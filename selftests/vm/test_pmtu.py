# SPDX-License-Identifier: GPL-2.0-or-later
"""How large packets may be, byte for byte: the MTU inside for each MTU outside,
what its senders are told, fragments in front of and behind encryption, what is
learnt from routers and what not from strangers; and the rest of outer headers.

test_pmtu_road.py has the same with real senders.
"""

import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, IPOption_NOP, IPOption_Router_Alert, IPOption_RR
from scapy.layers.inet6 import HBHOptUnknown, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt
from scapy.packet import Raw

from lib.bench import (AH, ESP, FAR4, FAR6, GW4, GW6, IN4, IN6, WIRE4, WIRE6, Gateway, selector,
                       until)
from lib.espref import SUITES, checksum, udp
from lib.genl import refused

PORTS = (4500, 4500)
GW, WIRE = {4: GW4, 6: GW6}, {4: WIRE4, 6: WIRE6}
INNER, FAR = {4: IN4, 6: IN6}, {4: FAR4, 6: FAR6}
ROUTER = {4: "192.0.2.9", 6: "2001:db8::9"}
LIFETIME = "/sys/module/cygnet/parameters/pmtu_seconds"


@pytest.fixture(scope="module", name="gateway")
def fixture_gateway():
    made = Gateway(mtu=9000)
    made.gw.ip("link set cyg0 mtu 9100", "link set eth0 mtu 1500")     # so that the SA decides
    made.told = {4: made.gw.socket(socket.AF_INET, socket.SOCK_RAW, 1),
                 6: made.gw.socket(socket.AF_INET6, socket.SOCK_RAW, 58)}
    # The stack, which is told too, passes on what it is given all the same.
    made.transmit([packet(100), packet(100, 6)])
    for family, sock in made.ip_socket.items():
        sock.setsockopt(*((0, 10) if family == 4 else (41, 23)), 4)
    yield made
    for sock in made.told.values():
        sock.close()
    made.close()


@pytest.fixture(name="path")
def fixture_path(net):
    """Set the MTU of the route to the wire."""
    def change(mtu, family):
        net.gw.ip("route replace %s/%d dev eth0 mtu %d" % (WIRE[family], 32 if family == 4 else 128,
                                                           mtu))
    yield change
    net.gw.run("ip", "route", "del", WIRE4 + "/32", check=False)
    net.gw.run("ip", "route", "del", WIRE6 + "/128", check=False)


def inner_mtu(outer, sa, encap=None):
    """The longest inner packet, by trying, of which no more than outer bytes come."""
    header = 20 if sa.family == 4 else 40

    def length(inner):
        if sa.protocol == AH:
            return header + sa.length() + inner
        suite = SUITES[sa.name]
        return (header + (8 if encap else 0) + 8 + suite.iv + suite.icv +
                -(-(inner + 2) // suite.block) * suite.block)
    return max(n for n in range(68, outer) if length(n) <= outer)


def packet(size, family=4, df=True, ident=7):
    """Of size bytes, inside."""
    more = {"df": df, "ident": ident} if family == 4 else {}
    return udp(INNER[family], FAR[family], 1000, 2000,
               bytes(size - (28 if family == 4 else 48)), **more)


def told(net, family, mtu):
    """That mtu is what a sender on the gateway was told, once."""
    found = []

    def look():
        net.told[family].setblocking(False)
        try:
            data = net.told[family].recv(2000)
        except BlockingIOError:
            return found
        if family == 4 and data[20:22] == b"\3\4":
            found.append(struct.unpack_from("!H", data, 26)[0])
        if family == 6 and data[0] == 2:
            found.append(struct.unpack_from("!I", data, 4)[0])
        return False
    until(look, "being told of the MTU")
    assert found.count(mtu) == 1 and found[-1] == mtu     # behind what routers said


def mtus(net, sa):
    """Of the SA, inside and outside, after it has sent a small packet."""
    net.transmit([packet(100)])
    net.wire.take(1)
    state = net.state(sa)
    return state["mtu"], state["path_mtu"]


def inners(sa, packets):
    opened = map(sa.open, packets)
    return [o[2] if sa.protocol == AH else o.inner for o in opened]


def join4(pieces):
    """The payload of IPv4 fragments, which follow each other."""
    at = 0
    payload = b""
    for piece in pieces:
        flags, = struct.unpack_from("!H", piece, 6)
        assert flags & 0x1FFF == at // 8
        assert bool(flags & 0x2000) == (piece is not pieces[-1])
        header = (piece[0] & 15) * 4
        assert not checksum(piece[:header])
        payload += piece[header:]
        at = len(payload)
    return payload


@pytest.mark.parametrize("cipher,family,encap", [
    ("aes128gcm", 4, None), ("chacha20poly1305", 6, PORTS), ("aes256-sha512", 4, PORTS),
    ("aes128ccm8", 6, None), ("null-sha256", 4, None), ("ah-sha256", 4, None),
    ("ah-sha512", 6, None)])
def test_what_fits(net, path, cipher, family, encap):
    """The largest packet goes through whole.  One byte more is told so, or goes in
    two fragments that each fit."""
    if cipher.startswith("ah"):
        net.policy(protocol=AH)
        sa = net.ah("out", cipher[3:], family)
    else:
        net.policy()
        sa = net.sa("out", cipher, family, encap=encap)
    for outer in (1500, 1407):
        path(outer, family)
        mtu = inner_mtu(outer, sa, encap)
        assert mtus(net, sa) == (mtu, outer)
        for inner in (4, 6):
            net.transmit([packet(mtu, inner)])
            assert len(net.wire.take(1)[0]) <= outer
            with net.drop("tx-too-big"):
                net.transmit([packet(mtu + 1, inner)])
            told(net, inner, mtu)
        whole = packet(mtu + 1, df=False)
        net.transmit([packet(mtu, df=False), whole])
        sent = net.wire.take(3)
        assert all(len(p) <= outer for p in sent)
        pieces = inners(sa, sent)[1:]
        assert join4(pieces) == whole[20:] and pieces[0][4:6] == whole[4:6]
    assert net.wire.drain() == []


def test_jumbo(net):
    net.policy()
    sa = net.sa("out", family=6)
    net.gw.ip("link set eth0 mtu 9000")
    try:
        mtu = inner_mtu(9000, sa)
        assert mtus(net, sa) == (mtu, 9000)
        net.transmit([packet(mtu)])
        assert len(net.wire.take(1)[0]) <= 9000
        net.transmit([packet(mtu + 1, df=False)])
        assert all(len(p) <= 9000 for p in net.wire.take(2))
    finally:
        net.gw.ip("link set eth0 mtu 1500")


def test_many_fragments(net):
    """Of a fragment, too; and options go where they belong (RFC 791)."""
    net.policy()
    sa = net.sa("out")
    options = [IPOption_RR(length=7, routers=["0.0.0.0"]), IPOption_Router_Alert(), IPOption_NOP()]
    whole = bytes(IP(src=IN4, dst=FAR4, id=9, flags="MF", frag=16, proto=17, options=options) /
                  Raw(bytes(range(250)) * 16))
    net.transmit([whole])
    pieces = inners(sa, net.wire.take(3))
    assert [IP(p).frag for p in pieces][0] == 16 and all(IP(p).flags == "MF" for p in pieces)
    assert b"".join(p[(p[0] & 15) * 4:] for p in pieces) == whole[(whole[0] & 15) * 4:]
    header = (whole[0] & 15) * 4
    assert pieces[0][20:header] == whole[20:header]
    for piece in pieces[1:]:
        assert piece[20:header] == b"\1" * 7 + whole[27:header]
        assert not checksum(piece[:header])


def whole4(pieces):
    """One packet of IPv4 fragments."""
    payload = join4(pieces)
    return (pieces[0][:2] + struct.pack("!HHHBBH", 20 + len(payload), 7, 0, 64, pieces[0][9], 0) +
            pieces[0][12:20] + payload)


def test_ports_stay_whole(net):
    """Fragments show no ports, which the policy asks for: then the outside is
    fragmented."""
    pair = selector("10.1.0.0/24", "10.2.0.0/24", protocol=17, remote_port_first=2000,
                    remote_port_last=2000)
    net.nl.do("policy-set", id=1, ifindex=net.ifindex, action="protect", mode="tunnel",
              selector=[pair])
    sa = net.sa("out")
    net.transmit([packet(2000, df=False)])
    sent = net.wire.take(2)
    assert all(len(p) <= 1500 for p in sent)
    assert sa.open(whole4(sent)).inner == packet(2000, df=False)


@pytest.mark.parametrize("family", (4, 6))
def test_narrow(net, path, family):
    """Where not even 1280 bytes fit, IPv6 stays whole inside, and the outside is
    fragmented: also where a policy wants the fragment bit."""
    net.policy(df="set")
    sa = net.sa("out", family=family)
    path(1280, family)
    mtu = inner_mtu(1280, sa)
    assert mtus(net, sa) == (mtu, 1280)
    net.transmit([packet(1280, 6)])
    sent = net.wire.take(2)
    assert all(len(p) <= 1280 for p in sent)
    if family == 4:
        whole = whole4(sent)
    else:
        assert all(p[6] == 44 for p in sent)
        payload = b"".join(p[48:] for p in sent)
        whole = sent[0][:4] + struct.pack("!H", len(payload)) + b"\x32\x40" + sent[0][8:40] + \
            payload
    assert sa.open(whole).inner == packet(1280, 6)
    with net.drop("tx-too-big"):
        net.transmit([packet(1281, 6)])
    told(net, 6, 1280)


def error(sent, mtu, family, cut=None):
    """A router's answer to an outer packet."""
    quote = Raw(sent[:cut or 540])
    if family == 4:
        return bytes(IP(src=ROUTER[4], dst=GW4) / ICMP(type=3, code=4, nexthopmtu=mtu) / quote)
    return bytes(IPv6(src=ROUTER[6], dst=GW6) / ICMPv6PacketTooBig(mtu=mtu) / quote)


def exceptions(net, family):
    """What the stack notes about the route."""
    return net.gw.run("ip", "route", "get", WIRE[family])


ROADS = [(4, None, ESP), (6, None, ESP), (4, PORTS, ESP), (6, PORTS, ESP), (4, None, AH),
         (6, None, AH)]


def make_sa(net, family, encap, protocol, **values):
    if not net.nl.dump("policy-get"):
        net.policy(protocol=protocol)
        if encap:
            net.nl.do("port-add", port=encap[0])
    if protocol == AH:
        return net.ah("out", family=family, **values)
    return net.sa("out", family=family, encap=encap, **values)


@pytest.fixture(name="lifetime")
def fixture_lifetime():
    """Of what is learnt."""
    def change(seconds):
        with open(LIFETIME, "w", encoding="ascii") as f:
            f.write(str(seconds))
    yield change
    change(600)


@pytest.mark.parametrize("family,encap,protocol", ROADS)
def test_learn(net, lifetime, family, encap, protocol):
    """A router that quotes what we sent is believed, down to what every link
    carries; all SAs of the endpoint know; the stack's routes do not; and it is
    forgotten in time."""
    sa = make_sa(net, family, encap, protocol)
    net.transmit([packet(1400)])
    sent, = net.wire.take(1)
    lifetime(3)
    net.wire.send([error(sent, 1400, family)])
    mtu = inner_mtu(1400, sa, encap)
    until(lambda: mtus(net, sa) == (mtu, 1400), "the path's MTU")
    # What fits by the route is carried all the same, until its sender has heard.
    net.transmit([packet(mtu + 1)])
    told(net, 4, mtu)
    assert len(net.wire.take(2)[0]) <= 1400
    other = make_sa(net, family, encap, protocol, spi=0x2002)
    assert mtus(net, other) == (mtu, 1400)
    net.transmit([packet(mtu)])
    sent, = net.wire.take(1)
    net.wire.send([error(sent, 100, family)])
    least = 576 if family == 4 else 1280
    until(lambda: mtus(net, other)[1] == least, "the least MTU")
    assert "mtu" not in exceptions(net, family)
    until(lambda: mtus(net, other)[1] == 1500, "forgetting")


def changed(sent, at, data):
    return sent[:at] + data + sent[at + len(data):]


@pytest.mark.parametrize("family,encap,protocol", ROADS)
def test_forged(net, lifetime, family, encap, protocol):
    """What quotes anything that was not sent changes nothing."""
    net.gw.run("ip", "-%d" % family, "route", "flush", "cache")     # of other roads' errors
    sa = make_sa(net, family, encap, protocol, sequence=1000)
    net.transmit([packet(1400)])
    sent, = net.wire.take(1)
    src, dst = (12, 16) if family == 4 else (8, 24)
    at = (20 if family == 4 else 40) + (8 if encap else 0)
    spi = at + (4 if protocol == AH else 0)
    forged = [changed(sent, spi, b"\0\0\x77\x77"), changed(sent, src + 3, b"\x99"),
              changed(sent, dst + 3, b"\x99"),
              changed(sent, spi + 4, struct.pack("!I", 1002)),
              changed(sent, spi + 4, struct.pack("!I", 0)),
              changed(sent, 9 if family == 4 else 6, b"\x06")]
    if encap:
        forged += [changed(sent, at - 8, b"\x22\x22"), changed(sent, at - 6, b"\x22\x22"),
                   changed(sent, spi, bytes(3) + b"\1")]
    errors = [error(f, 1300, family) for f in forged]
    good = error(sent, 1300, family)
    errors.append(changed(good, len(good) - 1, bytes([good[-1] ^ 1])))      # a wrong checksum
    for cut in (8, at + 4) if not encap else (8,):
        errors.append(error(sent, 1300, family, cut))
    before = exceptions(net, family)
    net.wire.send(errors)
    for _ in range(3):
        assert mtus(net, sa)[1] == 1500
    if not encap:
        assert exceptions(net, family) == before
    lifetime(2)
    net.wire.send([good])
    until(lambda: mtus(net, sa)[1] == 1300, "the same, unforged")
    until(lambda: mtus(net, sa)[1] == 1500, "forgetting")


def test_short_quote(net, lifetime):
    """Of UDP over IPv4, 8 bytes say no SPI: then addresses and both ports."""
    sa = make_sa(net, 4, PORTS, ESP)
    net.transmit([packet(1400)])
    sent, = net.wire.take(1)
    net.wire.send([error(changed(sent, 20, b"\x22\x22"), 1350, 4, 28)])
    assert mtus(net, sa)[1] == 1500
    lifetime(2)     # and one quote a second is looked into

    def learnt():
        net.wire.send([error(sent, 1350, 4, 28)])
        return mtus(net, sa)[1] == 1350
    until(learnt, "the path's MTU")
    until(lambda: mtus(net, sa)[1] == 1500, "forgetting")


def test_short_quote6(net, lifetime):
    """RFC 4443 section 2.4: an ICMPv6 error has room for more."""
    sa = make_sa(net, 6, PORTS, ESP)
    net.transmit([packet(1400)])
    sent, = net.wire.take(1)
    lifetime(2)
    net.wire.send([error(sent, 1350, 6, 48), error(sent, 1450, 6)])
    until(lambda: mtus(net, sa)[1] == 1450, "the path's MTU")
    until(lambda: mtus(net, sa)[1] == 1500, "forgetting")


@pytest.mark.parametrize("family", (4, 6))
def test_stack_is_not_asked(net, family):
    """What the stack believes, because someone quoted a datagram of some socket,
    is not the tunnel's MTU."""
    sa = make_sa(net, family, None, ESP)
    sock = net.gw.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(*((0, 10) if family == 4 else (41, 23)), 2)
    sock.connect((WIRE[family], 9999))
    sock.send(bytes(1000))
    sent, = net.wire.take(1)
    net.wire.send([error(sent, 1300, family)])
    until(lambda: "mtu 1300" in exceptions(net, family), "an exception")
    sock.close()
    assert mtus(net, sa)[1] == 1500
    net.gw.ip("link set eth0 mtu 1499", "link set eth0 mtu 1500")
    assert mtus(net, sa)[1] == 1500
    if family == 4:
        net.transmit([packet(1400)])
        assert len(net.wire.take(1)[0]) > 1400
    net.gw.run("ip", "-%d" % family, "route", "flush", "cache")


def test_device_narrows(net):
    """The device's MTU at this moment counts."""
    net.policy()
    sa = net.sa("out")
    assert mtus(net, sa)[1] == 1500
    net.gw.ip("link set eth0 mtu 1450")
    try:
        assert mtus(net, sa) == (inner_mtu(1450, sa), 1450)
    finally:
        net.gw.ip("link set eth0 mtu 1500")
    assert mtus(net, sa)[1] == 1500


@pytest.mark.parametrize("df", ("clear", "copy", "set"))
def test_df(net, df):
    """Of the outer header, with and without that of the inner one; in place."""
    net.policy(df=df)
    sa = net.sa("out")
    expected = {"clear": (0, 0, 0), "copy": (0, 1, 1), "set": (1, 1, 1)}[df]
    packets = [packet(100, df=False), packet(100), packet(100, 6)]
    net.transmit(packets)
    assert tuple(p[6] >> 6 & 1 for p in net.wire.take(3)) == expected
    net.policy()
    net.transmit(packets)
    assert [p[6] >> 6 & 1 for p in net.wire.take(3)] == [0, 0, 0]
    assert net.state(sa)["packets"] == 6
    assert net.nl.do("policy-get", id=1)["df"] == "clear"


def test_df_learnt(net, lifetime):
    """Where routers are to say what fits, more is not carried."""
    net.policy(df="set")
    sa = net.sa("out")
    net.transmit([packet(1400)])
    sent, = net.wire.take(1)
    lifetime(3)
    net.wire.send([error(sent, 1300, 4)])
    until(lambda: mtus(net, sa)[1] == 1300, "the path's MTU")
    with net.drop("tx-too-big"):
        net.transmit([packet(1400)])
    told(net, 4, inner_mtu(1300, sa))
    until(lambda: mtus(net, sa)[1] == 1500, "forgetting")


@pytest.mark.parametrize("family", (4, 6))
def test_header_options(net, family):
    """DSCP, TTL and flow label; ECN is as RFC 6040 says in any case."""
    net.policy()
    net.sa("out", family=family)
    inner = udp(IN4, FAR4, 1, 2, b"x", tos=0x2E << 2 | 2)
    net.transmit([inner])
    first = net.wire.take(1)[0]
    net.policy(dscp=10, ttl=99, flow_label=0x12345)
    net.transmit([inner])
    second = net.wire.take(1)[0]
    net.policy(dscp=0, flow_label=0)
    net.transmit([inner])
    third = net.wire.take(1)[0]
    if family == 4:
        assert [(p[1], p[8]) for p in (first, second, third)] == [
            (0x2E << 2 | 2, 64), (10 << 2 | 2, 99), (2, 64)]
        return
    found = [IPv6(p) for p in (first, second, third)]
    assert [(p.tc, p.hlim) for p in found] == [(0x2E << 2 | 2, 64), (10 << 2 | 2, 99), (2, 64)]
    assert found[0].fl != 0x12345 and [p.fl for p in found[1:]] == [0x12345, 0]


def test_own_flow_labels(net):
    """Each SA has one, and keeps it."""
    net.policy()
    labels = []
    for spi in range(0x2001, 0x2005):
        net.sa("out", family=6, spi=spi)
        net.transmit([packet(100), packet(100, 6)])
        a, b = (IPv6(p).fl for p in net.wire.take(2))
        assert a == b
        labels.append(a)
    assert len(set(labels)) > 1


def test_options_refused(net):
    assert "20 bits" in refused(34, net.policy, flow_label=1 << 20).message
    for bad in ({"dscp": 64}, {"ttl": 0}, {"df": 3}):
        refused(34, net.policy, **bad)
    net.policy()
    for direction, more, word in (("in", {}, "outbound"), ("out", {"mode": "transport"}, "mode")):
        assert word in refused(22, net.sa, direction, tfc=100, **more).message
    assert "AH" in refused(22, net.ah, "out", tfc=100).message


@pytest.mark.parametrize("encap", (None, PORTS))
def test_traffic_flow_padding(net, encap):
    """Short packets look like longer ones; never beyond what the path carries."""
    net.policy()
    sa = net.sa("out", encap=encap, tfc=1000)
    packets = [packet(n, f) for n in (60, 999, 1000, 1200) for f in (4, 6)]
    net.transmit(packets)
    sent = net.wire.take(len(packets))
    assert len({len(p) for p in sent[:6]}) == 1 and len(sent[6]) > len(sent[0])
    for given, found in zip(packets, inners(sa, sent)):
        assert found[:len(given)] == given and not any(found[len(given):])
        assert len(found) == max(1000, len(given))
    net.nl.do("sa-del", protocol=ESP, spi=sa.spi, dst=sa.dst)
    sa = net.sa("out", encap=encap, tfc=9000, spi=0x2002)
    net.transmit([packet(60)])
    sent, = net.wire.take(1)
    assert len(sent) <= 1500 and len(sa.open(sent).inner) == inner_mtu(1500, sa, encap)


@pytest.mark.parametrize("mode", ("tunnel", "transport"))
def test_dummy(net, mode):
    """RFC 4303 section 2.6: sent when asked for, and numbered like all."""
    net.policy(mode=mode)
    sa = net.sa("out", mode=mode, cipher="aes128gcm")
    name = {"protocol": ESP, "spi": sa.spi, "dst": sa.dst}
    net.nl.do("sa-dummy", **name)
    net.nl.do("sa-dummy", tfc=300, **name)
    net.nl.do("sa-dummy", tfc=65535, **name)
    sent = net.wire.take(3)
    found = [sa.open(p) for p in sent]
    assert [(o.seq, o.next_header) for o in found] == [(1, 59), (2, 59), (3, 59)]
    assert [len(o.inner) for o in found[:2]] == [64, 300] and len(sent[2]) <= 1500
    assert found[1].inner != bytes(300)
    assert net.state(sa)["packets"] == 3
    refused(2, net.nl.do, "sa-dummy", protocol=ESP, spi=0x7777, dst=sa.dst)
    refused(22, net.nl.do, "sa-dummy", protocol=AH, spi=sa.spi, dst=sa.dst)


def syn(local, remote, flags="S", mss=1460, odd=False, extension=False):
    ip = IP(src=local, dst=remote) if "." in local else IPv6(src=local, dst=remote)
    if extension:
        ip = ip / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=b"1234")])
    options = [("NOP", None)] * odd + [("MSS", mss), ("SAckOK", b""), ("NOP", None)]
    return bytes(ip / TCP(sport=1, dport=2, flags=flags, options=options))


def mss_of(data):
    """With right checksums, whatever stands in front."""
    made = IP(data) if data[0] >> 4 == 4 else IPv6(data)
    again = made.copy()
    del again[TCP].chksum
    assert made[TCP].chksum == made.__class__(bytes(again))[TCP].chksum
    return dict(made[TCP].options)["MSS"]


@pytest.mark.parametrize("family", (4, 6))
def test_mss(net, family):
    """In SYNs of both directions, whatever stands in front of them."""
    net.policy()
    out, back = net.sa("out", family=family), net.sa("in", family=family)
    mtu = inner_mtu(1500, out)
    shapes = [{}, {"flags": "SA"}, {"odd": True}, {"mss": 1000}, {"flags": "A"}]
    for inner in (4, 6):
        near, far = ("10.1.0.77" if inner == 4 else "fd01::77"), FAR[inner]
        most = mtu - (40 if inner == 4 else 60)
        more = shapes + [{"extension": True}] if inner == 6 else shapes
        expected = [min(s.get("mss", 1460), most) if s.get("flags", "S") != "A" else 1460
                    for s in more]
        # The first to come finds an SA that has not sent anything.
        sealed = [back.seal(syn(far, near, **s), i + 1 + 100 * inner) for i, s in enumerate(more)]
        _, found = net.feed(back, sealed)
        assert [mss_of(p) for p in found] == expected
        net.transmit([syn(near, far, **s) for s in more])
        found = inners(out, net.wire.take(len(more)))
        assert [mss_of(p) for p in found] == expected
    net.policy(no_mss_clamp=True)
    net.transmit([syn("10.1.0.77", FAR4)])
    assert mss_of(inners(out, net.wire.take(1))[0]) == 1460
    _, found = net.feed(back, [back.seal(syn(FAR4, "10.1.0.77"), 2000)])
    assert mss_of(found[0]) == 1460
