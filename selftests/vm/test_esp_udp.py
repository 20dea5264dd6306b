# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP encapsulation (RFC 3948): ESP, IKE and keepalives on one port.

The wire end has addresses here, so that its stack can send UDP super-packets.
"""

import socket
import struct

import pytest

from lib.bench import (FAR4, GW4, GW6, IN4, PATIENCE, WIRE4, WIRE6, Gateway, change, seen,
                       until)
from lib.espref import Esp, udp

UDP_SEGMENT, UDP_ENCAP, UDP_ENCAP_ESPINUDP = 103, 100, 2
PORTS = (4500, 4500)
ENDS = {4: (GW4, WIRE4, socket.AF_INET), 6: (GW6, WIRE6, socket.AF_INET6)}
families = pytest.mark.parametrize("family", (4, 6))


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    made.outer.ip("address add %s/24 dev w0" % WIRE4, "address add %s/64 dev w0 nodad" % WIRE6,
                  "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW4,
                  "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW6)
    for ns, device in ((made.gw, "eth0"), (made.outer, "w0")):
        ns.run("ethtool", "-K", device, "tx", "on", "gso", "on", "tx-udp-segmentation", "on")
    yield made
    made.close()


@pytest.fixture
def peer(net):
    """The peer's UDP sockets on port 4500, by family."""
    sockets = {}
    for family, (near, far, domain) in ENDS.items():
        sock = net.outer.socket(domain, socket.SOCK_DGRAM)
        sock.bind((far, 4500))
        sock.connect((near, 4500))
        sock.settimeout(PATIENCE)
        sockets[family] = sock
    yield sockets
    for sock in sockets.values():
        sock.close()


def listener(net, family, encap=False):
    """The daemon's socket."""
    near, _, domain = ENDS[family]
    sock = net.gw.socket(domain, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    if encap:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    sock.bind((near, 4500))
    return sock


def esp(sa, number, size=40):
    """The payload of a datagram."""
    return sa.seal(udp(FAR4, IN4, 2, 1, bytes(size)), number)[sa.headers:]


def received(before, after):
    """Drops of what came in; what was delivered to a port that nobody holds is
    answered by ICMP, which finds no SA."""
    changed = change({"drops": before}, {"drops": after})["drops"]
    return {reason: n for reason, n in changed.items() if reason.startswith("rx-")}


@pytest.mark.parametrize("encap", (None, False, True), ids=("alone", "socket", "encap-socket"))
@families
def test_esp_ike_keepalive(net, peer, family, encap):
    """ESP is ours whether or not there is a socket, and of what kind; IKE and
    what is not ours are the socket's; a keepalive is nobody's."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", family=family, encap=PORTS)
    sock = listener(net, family, encap) if encap is not None else None
    before = net.drops()
    ike = bytes(4) + bytes(range(28))
    try:
        for number in range(1, 4):
            peer[family].send(b"\xff")
            if sock:
                peer[family].send(ike)
            peer[family].send(esp(sa, number))
        until(lambda: net.state(sa)["packets"] == 3, "ESP")
        assert len(net.inside.drain()) == 3
        if sock:
            assert [sock.recv(2000) for _ in range(3)] == [ike] * 3
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(2000)
        assert received(before, net.drops()) == {}
        # Nobody answered, not with an ICMP error either.
        assert net.wire.drain() == []
    finally:
        if sock:
            sock.close()


@families
def test_unknown_spi(net, peer, family):
    """With nobody to take it, a datagram with a foreign SPI is counted."""
    net.nl.do("port-add", port=4500)
    sock = listener(net, family)
    stranger = Esp("aes128gcm", 0xDEAD00, ENDS[family][1], ENDS[family][0], encap=PORTS)
    payload = esp(stranger, 1)
    try:
        peer[family].send(payload)
        assert sock.recv(2000) == payload
    finally:
        sock.close()


@families
def test_port_not_registered(net, peer, family):
    """Nothing is taken from a port that nobody registered."""
    net.policy()
    sa = net.sa("in", family=family, encap=PORTS)
    sock = listener(net, family)
    try:
        payload = esp(sa, 1)
        peer[family].send(payload)
        assert sock.recv(2000) == payload
        assert seen(net.state(sa)) == 0
    finally:
        sock.close()


@families
def test_super_packet(net, peer, family):
    """A GSO skb of ESP datagrams, straight from the peer's stack."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", family=family, encap=PORTS)
    parts = [esp(sa, i, 1200) for i in range(1, 21)] + [esp(sa, 21, 300)]
    peer[family].setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(parts[0]))
    net.outer.run("ethtool", "-K", "w0", "tx-udp-segmentation", "on")
    peer[family].send(b"".join(parts))
    until(lambda: seen(net.state(sa)) == 21, "21 packets")
    assert net.state(sa)["drops"] == {}
    out = net.inside.drain()
    assert len(out) == 21
    assert {len(p) for p in out} == {1228, 328}


def push(sock, data):
    """Where xfrm has no handler for ESP, it answers a foreign SPI with ICMP,
    and the next call on the connected socket says so instead of sending."""
    while True:
        try:
            return sock.send(data)
        except ConnectionRefusedError:
            pass


@families
def test_mixed_super_packet(net, peer, family):
    """One with IKE, a foreign SPI, a forgery, a replay and a keepalive in it:
    each datagram for itself."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", family=family, encap=PORTS)
    stranger = Esp("aes128gcm", 0xDEAD00, ENDS[family][1], ENDS[family][0], encap=PORTS)
    size = len(esp(sa, 1))
    forged = bytearray(esp(sa, 4))
    forged[-1] ^= 1
    ike = bytes(4) + bytes(size - 4)
    orders = [
        [esp(sa, 1), ike, esp(sa, 2), bytes(forged), esp(stranger, 1), esp(sa, 2), esp(sa, 3)],
        [ike, esp(sa, 5), esp(sa, 6)],
        [esp(stranger, 2), esp(sa, 7), ike, esp(sa, 8), b"\xff"],
    ]
    sock = listener(net, family, encap=True)
    peer[family].setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
    before = net.drops()
    try:
        for parts in orders:
            push(peer[family], b"".join(parts))
        until(lambda: seen(net.state(sa)) == 9, "ESP")
        got = [sock.recv(2000) for _ in range(3)]
    finally:
        sock.close()
    assert received(before, net.drops()) == {"rx-auth": 1, "rx-replay-duplicate": 1, "rx-no-sa": 2}
    state = net.state(sa)
    assert state["packets"] == 7
    assert state["drops"] == {"rx-auth": 1, "rx-replay-duplicate": 1}
    assert len(net.inside.drain()) == 7
    assert got == [ike] * 3


def test_keepalives_are_sent(net):
    """After that many seconds of silence, one byte of 255."""
    net.policy()
    sa = net.sa("out", encap=PORTS, keepalive=1)
    packet = net.wire.take(1)[0]
    assert packet[9] == 17 and packet[20:22] == packet[22:24] == struct.pack("!H", 4500)
    assert packet[28:] == b"\xff"
    assert net.state(sa)["packets"] == 0 and net.state(sa)["sequence"] == 0
    net.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)


def test_firewall_sees_it(net, peer):
    """The outer firewall's drop is final: ESP in UDP passes INPUT."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", encap=PORTS)
    net.gw.run("nft", "-f", "-", input="""
        table ip wall {
            counter hits { }
            chain in {
                type filter hook input priority 0
                udp dport 4500 counter name hits drop
            }
        }""")
    try:
        peer[4].send(esp(sa, 1))
        until(lambda: "packets 1 " in net.gw.run("nft", "list", "counters"), "the firewall")
        assert seen(net.state(sa)) == 0
    finally:
        net.gw.run("nft", "delete", "table", "ip", "wall")
    peer[4].send(esp(sa, 1))
    until(lambda: seen(net.state(sa)) == 1, "ESP")


def test_conntrack_confirms(net, peer):
    """A connection that is tracked becomes known, though the stack never
    delivers its packets."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", encap=PORTS)
    net.gw.run("nft", "-f", "-", input="""
        table ip wall {
            chain in {
                type filter hook input priority 0
                udp dport 4500 ct state invalid drop
            }
        }""")
    try:
        for i in range(1, 6):
            peer[4].send(esp(sa, i))
        until(lambda: seen(net.state(sa)) == 5, "ESP")
        known = net.gw.run("conntrack", "-L", "-p", "udp")
        assert "src=%s dst=%s sport=4500 dport=4500" % (WIRE4, GW4) in known
    finally:
        net.gw.run("nft", "delete", "table", "ip", "wall")
