# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP in transport mode, from host to host.

Until policies steer, a rule of the gateway's routing sends what is for the
other host to cyg0, but not what is protected already.
"""

import itertools
import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop,
                                ICMPv6EchoRequest)
from scapy.packet import Raw

from lib import xfrm
from lib.bench import EVERYTHING, GW4, GW6, PATIENCE, WIRE4, WIRE6, Gateway, selector, sysctl, until
from lib.espref import SUITES, addresses, checksum, ip_header, udp
from lib.genl import refused
from test_esp_xfrm import Pair as XfrmPair, pump, receive, xfrm_packets

ENCAP = (4500, 4500)
ROADS = pytest.mark.parametrize("family,encap,esn", [
    pytest.param(f, e, s, id="v%d-%s-%s" % (f, "udp" if e else "native", "esn" if s else "seq32"))
    for f, e, s in (itertools.product((4, 6), (None, ENCAP), (False, True)) if EVERYTHING else
                    ((4, ENCAP, False), (6, None, True)))])
ENDS = {4: (GW4, WIRE4), 6: (GW6, WIRE6)}
NAMES = ("aes128gcm", "chacha20poly1305", "aes256-sha256", "aes128ctr-aescmac", "null-sha512",
         "aes128ccm16", "aes192gmac")
families = pytest.mark.parametrize("family", (4, 6))


def steer(ns):
    """The rules of the picture above."""
    for family, (near, far) in ENDS.items():
        for pref, what in ((10, "ipproto 50"), (11, "ipproto 51"),
                           (12, "ipproto udp sport 4500")):
            rule(ns, family, "add", pref, what, "main")
        rule(ns, family, "add", 20, "to " + far, "100")
        ns.ip("route add %s dev cyg0 src %s table 100" % (far, near))


def rule(ns, family, verb, pref, what, table):
    ns.run("ip", "-%d" % family, "rule", verb, "pref", str(pref), *what.split(), "lookup", table)


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    steer(made.gw)
    yield made
    made.close()


def policy(net, ident=1, **values):
    pairs = values.pop("pairs", None) or [selector(GW4 + "/32", WIRE4 + "/32", **values),
                                          selector(GW6 + "/128", WIRE6 + "/128", **values)]
    return net.nl.do("policy-set", id=ident, ifindex=net.ifindex, action="protect",
                     mode="transport", selector=pairs)


def sa_of(net, *args, **values):
    return net.sa(*args, mode="transport", **values)


def out_packets(family):
    """Of hosts that talk plainly, and what of each stays in front."""
    near, far = ENDS[family]
    ip = IP(src=near, dst=far, ttl=9, tos=0x2A, id=77) if family == 4 else \
        IPv6(src=near, dst=far, hlim=9, tc=0x2A, fl=0x12345)
    found = [(ip / UDP(sport=1000, dport=2000) / Raw(bytes(n)), None) for n in (0, 1, 2, 3, 1300)]
    found += [(ip / TCP(sport=1, dport=2) / Raw(b"tcp"), None)]
    nothing = ip.copy()
    nothing.setfieldval("proto" if family == 4 else "nh", 253)
    found.append((nothing, None))
    if family == 4:
        found += [(ip / ICMP() / Raw(b"ping"), None),
                  (IP(src=near, dst=far, flags="DF", id=0) / UDP() / Raw(b"df"), None),
                  (IP(src=near, dst=far, id=5, options=[IPOption_Router_Alert()]) / UDP() /
                   Raw(b"options"), (24, 9))]
    else:
        hop = IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=0x1E, optdata=b"1234")])
        dest = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=b"5678")])
        found += [(ip / ICMPv6EchoRequest() / Raw(b"ping"), None),
                  (ip / hop / UDP() / Raw(b"hop"), (48, 40)),
                  (ip / hop / dest / UDP() / Raw(b"both"), (56, 48))]
    return [(bytes(packet), split or ((20, 9) if family == 4 else (40, 6)))
            for packet, split in found]


@ROADS
def test_sending(net, family, encap, esn):
    policy(net)
    start = 0xFFFFFFFC if esn else 0
    packets = out_packets(family)
    with net.drop("tx-no-sa", len(packets)):
        net.transmit([p for p, _ in packets], own=True)
    assert net.wire.drain() == []
    for i, name in enumerate(NAMES):
        sa = sa_of(net, "out", name, family, 0x2001 + i, encap, esn, sequence=start)
        net.transmit([p for p, _ in packets], own=True)
        sent = net.wire.take(len(packets))
        for seq, ((packet, (head, at)), out) in enumerate(zip(packets, sent), start + 1):
            inner = head + (8 if encap else 0)
            found, _, plain = sa.unseal(out, seq >> 32, inner)
            assert found == seq
            assert plain[-1] == packet[at]
            assert plain[:-2 - plain[-2]] == packet[head:], (name, seq)
            self_header(packet, out, head, at, encap)
        state = net.state(sa)
        assert state["packets"] == len(packets) and state["mode"] == "transport"
        assert state["drops"] == {}
    assert net.wire.drain() == []


def self_header(packet, out, head, at, encap):
    """The header is the packet's own, but for what it says of length, payload
    and fragments."""
    was, now = bytearray(packet[:head]), bytearray(out[:head])
    assert now[at] == (17 if encap else 50)
    if encap:
        assert out[head:head + 4] == struct.pack("!HH", *encap)
    was[at] = now[at] = 0
    if was[0] >> 4 == 4:
        assert checksum(out[:head]) == 0
        assert struct.unpack_from("!H", out, 2)[0] == len(out)
        if was[6] & 0x40:
            was[4:8] = now[4:8]
            assert now[6:8] == b"\0\0"
        was[2:4] = now[2:4]
        was[10:12] = now[10:12]
    else:
        assert struct.unpack_from("!H", out, 4)[0] == len(out) - 40
        was[4:6] = now[4:6]
        if encap:
            assert udp(*addresses(out), *encap, out[head + 8:])[46:48] == out[head + 6:head + 8]
    assert was == now


def in_packets(family):
    """The same, from the other side, checksums right."""
    found = []
    for packet, split in out_packets(family):
        p = IP(packet) if family == 4 else IPv6(packet)
        p.src, p.dst = p.dst, p.src
        for layer in (UDP, TCP):
            if layer in p:
                del p[layer].chksum
        if ICMPv6EchoRequest in p:
            del p[ICMPv6EchoRequest].cksum
        if family == 4:
            del p.chksum
        found.append((bytes(p), split))
    return found


@ROADS
def test_receiving(net, family, encap, esn):
    """Comes out of the device as it was sent, header and all; changed, or for
    the second time, it does not."""
    policy(net)
    if encap:
        net.nl.do("port-add", port=4500)
    start = 0xFFFFFFFC if esn else 0
    packets = in_packets(family)
    if encap and family == 6:
        # UDP behind destination options is left to a socket (encap.c).
        packets = [(p, split) for p, split in packets if split[0] < 56]
    for i, name in enumerate(NAMES):
        sa = sa_of(net, "in", name, family, 0x1001 + i, encap, esn, sequence=start)
        sealed = [sa.seal_own(p, start + k, *split) for k, (p, split) in enumerate(packets, 1)]
        if sa.scapy_can():
            for k in (0, 5):
                sealed[k] = sa.scapy_seal(packets[k][0], start + k + 1, tunnel=False)
        forged = [forge(s, split[0], encap) for s, (_, split) in zip(sealed, packets)]
        moved, out = net.feed(sa, forged)
        assert (out, moved) == ([], {"drops": {"rx-auth": len(forged)}})
        moved, out = net.feed(sa, sealed)
        wanted = [p for p, _ in packets]
        assert [normal(p) for p in out] == [normal(p) for p in wanted], name
        assert moved["bytes"] == sum(map(len, wanted)) and moved["drops"] == {}
        moved, out = net.feed(sa, sealed)
        assert (out, moved) == ([], {"drops": {"rx-replay-duplicate": len(sealed)}})


def forge(packet, head, encap):
    """With another last byte, and UDP none the wiser."""
    packet = packet[:-1] + bytes([packet[-1] ^ 1])
    if encap and packet[0] >> 4 == 6:
        whole = udp(*addresses(packet), *encap, packet[head + 8:])
        packet = packet[:head] + whole[40:]
    return packet


def normal(packet):
    """Without the checksum of the next layer, which may be left to others."""
    p = IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)
    if p.version == 4:
        assert checksum(packet[:(packet[0] & 15) * 4]) == 0
    for layer in (UDP, TCP):
        if layer in p:
            p[layer].chksum = 0
    if ICMPv6EchoRequest in p:
        p[ICMPv6EchoRequest].cksum = 0
    return bytes(p)


def listener(net, family, port=7000):
    sock = net.gw.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    sock.bind((ENDS[family][0], port))
    return sock


@families
def test_checksum_behind_nat(net, family):
    """Made for an address that a NAT has changed since: right again for an SA
    in UDP, and only there."""
    policy(net)
    net.nl.do("port-add", port=4500)
    near, far = ENDS[family]
    hidden = "10.9.9.9" if family == 4 else "fd09::9"
    wrong = udp(hidden, near, 9000, 7000, b"translated")
    packet = ip_header(far, near, 17, 18) + wrong[20 if family == 4 else 40:]
    into = sa_of(net, "in", family=family, encap=ENCAP)
    native = sa_of(net, "in", family=family, spi=0x1002)
    sock = listener(net, family)
    try:
        moved, out = net.feed(native, [native.seal_own(packet, 1)])
        assert len(out) == 1 and moved["drops"] == {}
        moved, out = net.feed(into, [into.seal_own(packet, 1)])
        assert len(out) == 1 and moved["drops"] == {}
        assert sock.recv(100) == b"translated"
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        # None is none.
        if family == 4:
            sock.setblocking(True)
            bare = packet[:26] + b"\0\0" + packet[28:]
            net.feed(into, [into.seal_own(bare, 2)])
            assert sock.recv(100) == b"translated"
    finally:
        sock.close()


@families
@pytest.mark.parametrize("fragments", (False, True))
def test_delivered(net, family, fragments):
    """To the socket that it is for, also where reverse path filters are strict,
    and where the outside came in fragments."""
    from test_esp import fragment6
    policy(net)
    sa = sa_of(net, "in", family=family)
    near, far = ENDS[family]
    sock = listener(net, family)
    with net.gw:
        for name in ("all", "cyg0", "eth0"):
            sysctl("ipv4/conf/%s/rp_filter" % name, 1)
    try:
        for seq, size in enumerate((0, 5, 1200), 1):
            packet = sa.seal_own(udp(far, near, 9000, 7000, bytes(size), df=False, ident=seq)
                                 if family == 4 else udp(far, near, 9000, 7000, bytes(size)), seq)
            if fragments and size > 1000:
                net.wire.send([bytes(p) for p in IP(packet).fragment(512)] if family == 4 else
                              fragment6(packet, 512))
            else:
                net.wire.send([packet])
            assert len(sock.recv(2000)) == size
        assert net.state(sa)["drops"] == {}
    finally:
        sock.close()
        with net.gw:
            for name in ("all", "cyg0", "eth0"):
                sysctl("ipv4/conf/%s/rp_filter" % name, 0)


@families
def test_selectors(net, family):
    """Protocol, ports, and ICMP's type and code."""
    near, far = ENDS[family]
    echo, proto = (8, 1) if family == 4 else (128, 58)
    bits = "/32" if family == 4 else "/128"

    def pair(protocol, first=None, last=None):
        ports = {} if first is None else dict(remote_port_first=first, remote_port_last=last)
        if protocol in (1, 58) and first is not None:
            ports.update(local_port_first=first, local_port_last=last)
        return selector(near + bits, far + bits, protocol=protocol, **ports)
    policy(net, pairs=[pair(17, 7000, 7010), pair(proto, echo << 8, echo << 8), pair(6)])
    into, out = sa_of(net, "in", family=family), sa_of(net, "out", family=family)
    ip = IP if family == 4 else IPv6
    ping = {True: lambda t, c: ICMP(type=t, code=c) / Raw(bytes(8)),
            False: lambda t, c: ICMPv6EchoRequest(type=t, code=c)}[family == 4]
    good = [lambda s, d: UDP(sport=7005, dport=d) if s else UDP(sport=5, dport=7005),
            lambda s, d: ping(echo, 0), lambda s, d: TCP(sport=4, dport=4)]
    bad = [lambda s, d: UDP(sport=7011, dport=7000) if s else UDP(sport=7000, dport=6999),
           lambda s, d: ping(echo, 1), lambda s, d: ping(echo + 1, 0)]
    for seq, make in enumerate(good, 1):
        packet = bytes(ip(src=near, dst=far) / make(False, 1))
        net.transmit([packet], own=True)
        assert out.unseal(net.wire.take(1)[0])[0] == seq
        packet = bytes(ip(src=far, dst=near) / make(True, 1))
        _, got = net.feed(into, [into.seal_own(packet, seq)])
        assert len(got) == 1
    for seq, make in enumerate(bad, 10):
        with net.drop("tx-no-policy"):
            net.transmit([bytes(ip(src=near, dst=far) / make(False, 1))], own=True)
        packet = bytes(ip(src=far, dst=near) / make(True, 1))
        moved, got = net.feed(into, [into.seal_own(packet, seq)])
        assert got == [] and moved["drops"] == {"rx-selector": 1}
    # Another source than the selectors': the SA does not make it right.
    other = "192.0.2.77" if family == 4 else "2001:db8::77"
    moved, got = net.feed(into, [into.seal_own(udp(other, near, 7005, 1, b"x"), 20)])
    assert got == [] and moved["drops"] == {"rx-selector": 1}
    net.wire.drain()


@families
def test_not_for_this_sa(net, family):
    """A wide policy (a trap) takes what its SA then does not; fragments are
    nobody's."""
    near, far = ENDS[family]
    other = "192.0.2.3" if family == 4 else "2001:db8::3"
    policy(net, pairs=[dict(selector(near + ("/32" if family == 4 else "/128"), far +
                                     ("/32" if family == 4 else "/128")),
                            remote_first=far, remote_last=other)])
    sa = sa_of(net, "out", family=family)
    net.gw.ip("route add %s dev cyg0" % other)
    try:
        with net.drop("tx-endpoint"):
            net.transmit([udp(near, other, 1, 2, b"x")], own=True)
        whole = udp(near, far, 1, 2, bytes(1000), **({"df": False} if family == 4 else {}))
        if family == 4:
            pieces = [bytes(p) for p in IP(whole).fragment(512)]
        else:
            from test_esp import fragment6
            pieces = fragment6(whole, 512)
        with net.drop("tx-fragment", len(pieces)):
            net.transmit(pieces, own=True)
        assert net.wire.drain() == []
        assert net.state(sa)["packets"] == 0
    finally:
        net.gw.ip("route del %s dev cyg0" % other)


def test_refused(net):
    """An SA is of its policy's mode, and a policy with SAs stays what it is."""
    policy(net)
    message = refused(22, net.sa, "out").message
    assert "mode" in message
    sa = sa_of(net, "out")
    assert "mode" in refused(16, net.policy).message
    assert net.nl.do("policy-get", id=1)["mode"] == "transport"
    net.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
    net.policy()
    assert net.nl.do("policy-get", id=1)["mode"] == "tunnel"
    assert "mode" in refused(22, sa_of, net, "out").message


def test_bad_plaintext(net):
    """Dummies go; a packet in a packet is one more protocol."""
    policy(net)
    sa = sa_of(net, "in")
    base = ip_header(WIRE4, GW4, 59, 0)
    moved, out = net.feed(sa, [sa.seal_own(base + b"dummy", 1)])
    assert (out, moved["drops"]) == ([], {"rx-dummy": 1})
    inside = udp("10.2.0.1", "10.1.0.1", 1, 2, b"x")
    packet = ip_header(WIRE4, GW4, 4, len(inside)) + inside
    moved, out = net.feed(sa, [sa.seal_own(packet, 2)])
    assert out == [packet] and moved["drops"] == {}
    esp = sa.seal_plain(b"data\x01\x09\x0b", 3)
    moved, out = net.feed(sa, [sa.wrap(esp)])
    assert out == [] and moved["drops"] == {"rx-padding": 1}


TRIPWIRE = """
table netdev hosts {
    counter cleartext { }
    chain wire {
        type filter hook ingress device %s priority -400
        meta ipsec exists accept
        meta l4proto { tcp, icmp } counter name cleartext drop
        meta l4proto ipv6-icmp icmpv6 type { echo-request, echo-reply } counter name cleartext drop
        udp dport != 4500 counter name cleartext drop
    }
}"""


class HostPair(XfrmPair):
    """The road of test_esp_xfrm.py, both ends being the hosts themselves."""

    def __init__(self):
        super().__init__()
        steer(self.gw)
        for ns, device in ((self.gw, "eth0"), (self.outer, "w0")):
            ns.run("nft", "-f", "-", input=TRIPWIRE % device)
        self.udp = {}
        for family, (near, far) in ENDS.items():
            domain = socket.AF_INET if family == 4 else socket.AF_INET6
            for ns, address in ((self.gw, near), (self.outer, far)):
                sock = ns.socket(domain, socket.SOCK_DGRAM)
                sock.bind((address, 7001))
                self.udp[address] = sock

    def close(self):
        for sock in self.udp.values():
            sock.close()
        super().close()

    def exchange(self, family, sizes):
        """Datagrams and one TCP connection, both ways."""
        near, far = ENDS[family]
        for one, other in ((near, far), (far, near)):
            for size in sizes:
                self.udp[one].sendto(bytes(size), (other, 7001))
                got = receive(self.udp[other], PATIENCE)
                assert got is not None and len(got) == size, (one, size)
            domain = socket.AF_INET if family == 4 else socket.AF_INET6
            here, there = ((self.gw, self.outer) if one == near else (self.outer, self.gw))
            server, client = there.socket(domain), here.socket(domain)
            with server, client:
                server.bind((other, 0))
                server.listen()
                client.settimeout(60)
                client.connect((other, server.getsockname()[1]))
                conn, _ = server.accept()
                with conn:
                    assert pump(client, conn, 20000)


@pytest.fixture(scope="module")
def hosts():
    made = HostPair()
    yield made
    made.close()


@ROADS
def test_with_xfrm(hosts, family, encap, esn):
    hosts.clear()
    near, far = ENDS[family]
    # The plain road is open, up to the tripwire.
    before = hosts.gw.run("nft", "list", "counter", "netdev", "hosts", "cleartext")
    hosts.udp[far].sendto(b"plain", (near, 7001))
    until(lambda: hosts.gw.run("nft", "list", "counter", "netdev", "hosts", "cleartext") != before,
          "the tripwire")
    sock = xfrm.encap_socket(hosts.outer, family, 4500) if encap else None
    errors = xfrm.counters(hosts.outer)
    if encap:
        hosts.nl.do("port-add", port=4500)
    bits = "/32" if family == 4 else "/128"
    xfrm.policy(hosts.outer, far, near, far + bits, near + bits, mode="transport")
    if encap:   # which is for these hosts too
        for src, dst in ((far, near), (near, far)):
            xfrm.bypass(hosts.outer, "src", src, "dst", dst, "proto udp sport 4500 dport 4500")
    policy(hosts)
    tripped = [ns.run("nft", "list", "counters") for ns in (hosts.gw, hosts.outer)]
    try:
        for i, name in enumerate(SUITES if EVERYTHING and family == 4 and not encap else NAMES):
            start = 0xFFFFFFF0 if esn else 0
            into, out = (sa_of(hosts, d, name, family, spi + i, encap, esn, sequence=start)
                         for d, spi in (("in", 0x1001), ("out", 0x2001)))
            hosts.outer.ip("xfrm state flush")
            for src, dst, sa in ((far, near, into), (near, far, out)):
                xfrm.state(hosts.outer, src, dst, sa.spi, sa.key, name, esn, encap,
                           integ_key=sa.integ_key, sequence=start, mode="transport")
            if i == 0:
                hosts.gw.run("ping", "-n", "-q", "-c", "2", "-i", "0.01", "-w", "30", far)
                hosts.exchange(family, (0, 1, 2, 3, 1300))
            else:
                hosts.exchange(family, (0, 7)) if i < len(NAMES) else None
                for one, other in ((near, far), (far, near)):
                    hosts.udp[one].sendto(bytes(33), (other, 7001))
                    assert receive(hosts.udp[other], PATIENCE) == bytes(33), name

            def settled():
                return xfrm_packets(hosts) == {     # pylint: disable=cell-var-from-loop
                    sa.spi: hosts.state(sa)["packets"] for sa in (into, out)}
            until(settled, "equal counters of " + name)
            for sa in (into, out):
                assert hosts.state(sa)["drops"] == {}, name
                hosts.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
        assert xfrm.counters(hosts.outer) == errors
        assert [ns.run("nft", "list", "counters") for ns in (hosts.gw, hosts.outer)] == tripped
    finally:
        xfrm.flush(hosts.outer)
        if sock:
            sock.close()
