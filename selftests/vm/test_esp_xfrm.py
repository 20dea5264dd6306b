# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP both ways between cygnet and kernel xfrm, every cipher, both kinds of
sequence number, both families inside and outside, native and in UDP.

              gw, cygnet                              wire, xfrm
    cyg0 10.1.0.1 fd01::1   eth0 192.0.2.1 =====  w0 192.0.2.2   dummy0 10.2.0.1 fd02::1
                                 2001:db8::1         2001:db8::2

On both ends of the veth a tripwire drops and counts packets of the inner
networks as they come off the wire (kernel xfrm sends what it has decrypted
through there once more); xfrm's side has plain routes, so that without its
policies packets do go out in clear.
"""

import hashlib
import itertools
import json
import os
import re
import select
import socket
import time

import pytest

from lib import xfrm
from lib.bench import (FAR4, FAR6, GW4, GW6, IN4, IN6, PATIENCE, WIRE4, WIRE6, Gateway, run,
                       until)
from lib.espref import CIPHERS, udp

INNER = {4: (IN4, FAR4, socket.AF_INET), 6: (IN6, FAR6, socket.AF_INET6)}
ENCAP = (4500, 4500)
CASES = [pytest.param(*c, id="%s-%s-v%d-%s" % (c[0], "esn" if c[1] else "seq32", c[2],
                                               "udp" if c[3] else "native"))
         for c in itertools.product(CIPHERS, (False, True), (4, 6), (None, ENCAP))]
TRIPWIRE = """
table netdev tripwire {
    counter cleartext { }
    chain wire {
        type filter hook ingress device %s priority -500
        meta ipsec exists accept
        ip saddr 10.0.0.0/8 counter name cleartext drop
        ip daddr 10.0.0.0/8 counter name cleartext drop
        ip6 saddr fd00::/8 counter name cleartext drop
        ip6 daddr fd00::/8 counter name cleartext drop
    }
}"""


class Pair(Gateway):
    """The picture above."""

    def __init__(self):
        super().__init__()
        self.wire.watch = False         # the tripwire knows better
        self.outer.ip(
            "address add %s/24 dev w0" % WIRE4, "address add %s/64 dev w0 nodad" % WIRE6,
            "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW4,
            "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW6,
            "link add dummy0 type dummy", "link set dummy0 up",
            "address add %s/24 dev dummy0" % FAR4, "address add %s/64 dev dummy0 nodad" % FAR6,
            "route add 10.1.0.0/24 via %s src %s" % (GW4, FAR4),
            "route add fd01::/64 via %s src %s" % (GW6, FAR6))
        for ns, device in ((self.gw, "eth0"), (self.outer, "w0")):
            ns.run("ethtool", "-K", device, "tx", "on", "tso", "on", "gso", "on",
                   "tx-udp-segmentation", "on", "gro", "on")
            # Receiving in a thread spares the debug kernel's stacks, which
            # softirqs share with whoever sends.
            run("ip", "netns", "exec", ns.name, "sh", "-c",
                "echo 1 > /sys/class/net/%s/threaded" % device)
            ns.run("nft", "-f", "-", input=TRIPWIRE % device)
        self.sockets = {}
        for family, (near, far, domain) in INNER.items():
            for name, ns, address in (("gw", self.gw, near), ("peer", self.outer, far)):
                sock = ns.socket(domain, socket.SOCK_DGRAM)
                sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
                sock.bind((address, 7000))
                self.sockets[name, family] = sock

    def close(self):
        for sock in self.sockets.values():
            sock.close()
        super().close()

    def tripped(self):
        """Cleartext packets so far, both ends."""
        return sum(int(re.search(r"packets (\d+)", ns.run("nft", "list", "counters")).group(1))
                   for ns in (self.gw, self.outer))

    def datagrams(self, family, sizes):
        """Datagrams both ways; a failure names the first one missing."""
        for one, other in (("gw", "peer"), ("peer", "gw")):
            to = INNER[family][1 if other == "peer" else 0], 7000
            for size in sizes:
                data = os.urandom(size)
                self.sockets[one, family].sendto(data, to)
                got = receive(self.sockets[other, family], PATIENCE)
                assert got == data, "%d bytes from %s over IPv%d" % (size, one, family)

    def blocked(self, family):
        """Neither direction has a way."""
        for one, other in (("gw", "peer"), ("peer", "gw")):
            to = INNER[family][1 if other == "peer" else 0], 7000
            try:
                self.sockets[one, family].sendto(b"plain", to)
            except OSError:
                pass            # an ICMP error of the last one
            assert receive(self.sockets[other, family], .05) is None

    def transfer(self, family, count, reverse=False):
        """count bytes by TCP, one way; their checksums agree."""
        near, far, domain = INNER[family]
        (ns_a, _), (ns_b, address) = (((self.outer, far), (self.gw, near)) if reverse else
                                      ((self.gw, near), (self.outer, far)))
        server, client = ns_b.socket(domain), ns_a.socket(domain)
        with server, client:
            server.bind((address, 0))
            server.listen()
            client.settimeout(60)
            client.connect((address, server.getsockname()[1]))
            conn, _ = server.accept()
            with conn:
                return pump(client, conn, count)


def pump(client, conn, count):
    """count bytes from client to conn; true if they arrived unchanged."""
    data = os.urandom(count)
    sent, got, digest, end = 0, 0, hashlib.sha256(), time.monotonic() + 90
    client.setblocking(False)
    conn.setblocking(False)
    while got < count:
        writers = [client] if sent < count else []
        ready = select.select([conn], writers, [], max(0, end - time.monotonic()))
        if not any(ready):
            raise TimeoutError("TCP stands at %d of %d bytes" % (got, count))
        if ready[1]:
            sent += client.send(data[sent:sent + (1 << 18)])
        if ready[0]:
            part = conn.recv(1 << 18)
            assert part, "closed after %d bytes" % got
            digest.update(part)
            got += len(part)
    return digest.digest() == hashlib.sha256(data).digest()


def receive(sock, seconds):
    if select.select([sock], [], [], seconds)[0]:
        return sock.recv(1 << 16)
    return None


@pytest.fixture(scope="module")
def gateway():
    made = Pair()
    yield made
    made.close()


def connect(net, cipher="aes128gcm", esn=False, family=4, encap=None, spis=(0x1001, 0x2001)):
    """Both directions, both sides; the two SAs."""
    near, far = (GW4, WIRE4) if family == 4 else (GW6, WIRE6)
    net.policy()
    if encap:
        net.nl.do("port-add", port=4500)
    into = net.sa("in", cipher, family, spis[0], encap, esn)
    out = net.sa("out", cipher, family, spis[1], encap, esn)
    for src, dst, sa in ((far, near, into), (near, far, out)):
        xfrm.state(net.outer, src, dst, sa.spi, sa.key, cipher, esn, encap)
    xfrm.policy(net.outer, far, near, "10.2.0.0/24", "10.1.0.0/24")
    xfrm.policy(net.outer, far, near, "fd02::/64", "fd01::/64")
    return into, out


def xfrm_packets(net):
    """Packets that xfrm counts, by SPI."""
    found = {}
    spi = None
    for line in net.outer.run("ip", "-s", "xfrm", "state").splitlines():
        match = re.search(r"spi 0x([0-9a-f]+)", line)
        if match:
            spi = int(match.group(1), 16)
        match = re.search(r"(\d+)\(bytes\), (\d+)\(packets\)", line)
        if match:
            found[spi] = int(match.group(2))
    return found


@pytest.fixture
def pair(net):
    """Plain roads are proven open, and closed to us, before any test."""
    before = net.tripped()
    for family in (4, 6):
        net.blocked(family)
    until(lambda: net.tripped() >= before + 2, "the tripwire")
    net.before = net.tripped()
    yield net
    xfrm.flush(net.outer)
    assert net.tripped() == net.before, "cleartext on the wire"
    for sock in net.sockets.values():
        while receive(sock, 0):
            pass


@pytest.mark.parametrize("cipher,esn,family,encap", CASES)
def test_both_ways(pair, cipher, esn, family, encap):
    sock = xfrm.encap_socket(pair.outer, family, 4500) if encap else None
    errors = xfrm.counters(pair.outer)
    into, out = connect(pair, cipher, esn, family, encap)
    try:
        for inner, (_, far, _) in INNER.items():
            pair.gw.run("ping", "-n", "-q", "-c", "2", "-i", "0.01", "-w", "30", far)
            pair.datagrams(inner, (0, 1, 2, 3, 100, 1480, 4000))
            assert pair.transfer(inner, 20000)
            assert pair.transfer(inner, 20000, reverse=True)

        # Every packet that one side sent the other one took, exactly.
        def settled():
            theirs = xfrm_packets(pair)
            ours = {sa.spi: pair.state(sa)["packets"] for sa in (into, out)}
            return theirs == ours and ours
        until(settled, "equal counters")
        for sa in (into, out):
            state = pair.state(sa)
            assert state["drops"] == {}
            assert state["sequence"] == state["packets"] > 30
        assert xfrm.counters(pair.outer) == errors
    finally:
        if sock:
            sock.close()


@pytest.mark.parametrize("offload", (False, True), ids=("plain", "esp_offload"))
def test_xfrm_in_the_same_namespace(pair, offload):
    """The gateway has kernel xfrm states and policies too, for other networks
    and other SPIs; both tunnels carry on."""
    if offload:     # they stay: xfrm gives states back when it pleases
        pair.gw.run("modprobe", "-a", "esp4_offload", "esp6_offload")
    key = os.urandom(20)
    pair.gw.ip("link add dummy0 type dummy", "link set dummy0 up",
               "address add 10.3.0.1/24 dev dummy0",
               "route add 10.4.0.0/24 via %s src 10.3.0.1" % WIRE4)
    pair.outer.ip("address add 10.4.0.1/24 dev dummy0",
                  "route add 10.3.0.0/24 via %s src 10.4.0.1" % GW4)
    try:
        into, out = connect(pair)
        for ns, local, remote, nets in ((pair.gw, GW4, WIRE4, ("10.3.0.0/24", "10.4.0.0/24")),
                                        (pair.outer, WIRE4, GW4,
                                         ("10.4.0.0/24", "10.3.0.0/24"))):
            xfrm.state(ns, GW4, WIRE4, 0x50000001, key, "aes128gcm", reqid=2)
            xfrm.state(ns, WIRE4, GW4, 0x50000002, key, "aes128gcm", reqid=2)
            xfrm.policy(ns, local, remote, *nets, reqid=2)
        for _ in range(3):
            pair.gw.run("ping", "-n", "-q", "-c", "3", "-i", "0.01", "-w", "30", "-I",
                        "10.3.0.1", "10.4.0.1")
            pair.outer.run("ping", "-n", "-q", "-c", "3", "-i", "0.01", "-w", "30", "-I",
                           "10.4.0.1", "10.3.0.1")
            for family in (4, 6):
                pair.datagrams(family, (100, 1400))
                assert pair.transfer(family, 100000)
                assert pair.transfer(family, 100000, reverse=True)
        assert pair.state(into)["drops"] == pair.state(out)["drops"] == {}
        theirs = xfrm_packets(pair)
        assert theirs[0x50000001] == theirs[0x50000002] == 18
    finally:
        xfrm.flush(pair.gw)
        pair.gw.ip("link del dummy0")
        pair.outer.ip("address del 10.4.0.1/24 dev dummy0")     # and the route from it


@pytest.mark.parametrize("family", (4, 6))
def test_unknown_spi_is_xfrms(pair, family):
    """An SPI that nobody holds is counted by xfrm, as without us."""
    sa = pair.sa("in", family=family, spi=0x77000000) if pair.policy() else None
    pair.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
    before = xfrm.counters(pair.gw).get("XfrmInNoStates", 0)
    pair.wire.send([sa.seal(udp(FAR4, IN4, 1, 2, b"x"), 1)])
    until(lambda: xfrm.counters(pair.gw).get("XfrmInNoStates", 0) == before + 1, "xfrm's count")


@pytest.mark.parametrize("inner", (4, 6))
def test_too_big(pair, inner):
    """A packet with DF that does not fit is told so; without DF it goes
    through in pieces."""
    connect(pair)
    near, far, domain = INNER[inner]
    mtu = json.loads(pair.gw.run("ip", "-j", "link", "show", "cyg0"))[0]["mtu"]
    header = 28 if inner == 4 else 48
    sock = pair.sockets["gw", inner]
    level, name = (0, 10) if inner == 4 else (41, 23)   # IP_MTU_DISCOVER
    sock.setsockopt(level, name, 2)
    try:
        sock.sendto(bytes(mtu - header), (far, 7000))
        assert len(receive(pair.sockets["peer", inner], 30)) == mtu - header
        with pytest.raises(OSError):
            sock.sendto(bytes(mtu - header + 1), (far, 7000))
    finally:
        sock.setsockopt(level, name, 1)
    pair.datagrams(inner, (mtu - header, mtu - header + 1, 20000, 60000))


@pytest.mark.parametrize("family", (4, 6))
def test_rekey_under_traffic(pair, family):
    """A new pair takes over from the old one and no datagram is lost."""
    old = connect(pair, family=family)
    received = 0
    near, far = (GW4, WIRE4) if family == 4 else (GW6, WIRE6)
    for round_ in range(1, 6):
        for _ in range(5):
            pair.datagrams(4, (100, 1200))
            received += 4
        spis = (0x1001 + round_, 0x2001 + round_)
        into = pair.sa("in", family=family, spi=spis[0])
        xfrm.state(pair.outer, near, far, spis[1], new_key := os.urandom(20), "aes128gcm")
        xfrm.state(pair.outer, far, near, spis[0], into.key, "aes128gcm")
        out = pair.sa("out", family=family, spi=spis[1], key=new_key)
        pair.datagrams(6, (100,))
        for sa in old:
            pair.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
            pair.outer.ip("xfrm state del src %s dst %s proto esp spi %#x" % (
                sa.src, sa.dst, sa.spi))
        old = into, out
    assert received == 100
    assert pair.state(old[1])["drops"] == {}
