# SPDX-License-Identifier: GPL-2.0-or-later
"""Path MTU with real senders, after the scenarios of the kernel's own pmtu.sh: the
road between two gateways (lib/road.py) narrows in the middle, and whatever is
sent arrives: TCP, UDP and pings, from the host behind the gateway and from the
gateway itself, IPv4 and IPv6 outside and inside, with ICMP or without.  Where
ICMP gets through, the sender knows to the byte what fits.

                   1500              1400
    client ===== gwa ===== router ===== gwb ===== server

Filtered inside, the senders hear nothing; outside, the gateways.
"""

import errno
import json
import os
import select
import socket
import time
from collections import namedtuple

import pytest

from lib.bench import ESP, PATIENCE, selector
from lib.genl import Genl
from lib.road import CLIENT, GWA, GWA_LAN, GWB, GWB_LAN, LAN_A, LAN_B, Road, SERVER

NARROW = 1400
PORTS = (4500, 4500)
IP_MTU_DISCOVER, IP_MTU = {4: (0, 10), 6: (41, 23)}, {4: (0, 14), 6: (41, 24)}
INET = {4: socket.AF_INET, 6: socket.AF_INET6}
NO_ICMP = """
table inet noicmp {
    chain c {
        type filter hook %s priority -200
        iifname %s icmp type destination-unreachable drop
        iifname %s icmpv6 type packet-too-big drop
    }
}
"""

Case = namedtuple("Case", "outer encap df filtered way", defaults=("routed",))
# What was learnt on the way stays so for ten minutes: first where it must not be.
CASES = [Case(4, PORTS, "clear", "outside"), Case(4, None, "clear", "inside", "steered"),
         Case(4, None, "set", None), Case(4, PORTS, "set", None, "steered"),
         Case(6, None, "clear", "inside"), Case(6, PORTS, "clear", None),
         Case(6, None, "clear", None, "steered")]


def name_of(case):
    return "v%d-%s-%s%s%s" % (case.outer, "udp" if case.encap else "native", case.df,
                              "-no-icmp-" + case.filtered if case.filtered else "",
                              "-steered" if case.way == "steered" else "")


def inner_mtu(outer, case):
    """Of AES-GCM."""
    room = outer - (20 if case.outer == 4 else 40) - (8 if case.encap else 0) - 8 - 8 - 16
    return room // 4 * 4 - 2


class Tunnel:
    """Between both gateways, as case wants it, over a road that narrows."""

    def __init__(self, road, case):
        self.road, self.nl, self.case = road, [], case
        ends = ((road.gwa, GWA, GWB, LAN_A, LAN_B, GWA_LAN), (road.gwb, GWB, GWA, LAN_B, LAN_A,
                                                              GWB_LAN))
        keys = [os.urandom(20), os.urandom(20)]
        for side, (ns, near, far, lan, peer_lan, own) in enumerate(ends):
            ns.ip("link add cyg0 type cygnet", "link set cyg0 up")
            if case.way == "routed":
                ns.ip(*("route add %s dev cyg0 src %s" % (peer_lan[f], own[f]) for f in (4, 6)))
            with ns:
                self.nl.append(Genl())
                ifindex = socket.if_nametoindex("cyg0")
            nl = self.nl[-1]
            nl.do("policy-set", id=1, ifindex=ifindex, action="protect", mode="tunnel",
                  df=case.df, steer=case.way == "steered",
                  selector=[selector(lan[f], peer_lan[f]) for f in (4, 6)])
            if case.encap:
                nl.do("port-add", port=case.encap[0])
            for direction, src, dst, key in (("out", near, far, side), ("in", far, near, 1 - side)):
                nl.do("sa-new", direction=direction, protocol=ESP, spi=0x5000 + key,
                      src=src[case.outer], dst=dst[case.outer], mode="tunnel", policy=1, encr=20,
                      encr_key=keys[key],
                      **({"encap_sport": case.encap[0], "encap_dport": case.encap[1]}
                         if case.encap else {}))
        self.narrow(NARROW)
        for ns, hook, device in self.filters():
            ns.run("nft", "-f", "-", input=NO_ICMP % (hook, device, device))

    def narrow(self, mtu):
        self.road.router.ip("link set wb mtu %d" % mtu)
        self.road.gwb.ip("link set wan mtu %d" % mtu)

    def filters(self):
        """Where ICMP is dropped."""
        if self.case.filtered == "outside":
            return [(self.road.gwa, "prerouting", "wan"), (self.road.gwb, "prerouting", "wan")]
        if self.case.filtered == "inside":
            return [(self.road.client, "input", "lan"), (self.road.server, "input", "lan"),
                    (self.road.gwa, "input", "lo")]
        return []

    def close(self):
        for ns, _, _ in self.filters():
            ns.run("nft", "delete", "table", "inet", "noicmp")
        self.narrow(1500)
        for ns, nl in zip((self.road.gwa, self.road.gwb), self.nl):
            if self.case.encap:
                nl.do("port-del", port=self.case.encap[0])
            if self.case.way == "steered":
                nl.do("policy-del", id=1)   # it would steer on without its device
            nl.close()
            ns.ip("link delete cyg0")
        for ns in self.road.namespaces:
            for family in "46":
                ns.run("ip", "-" + family, "route", "flush", "cache")

    def path_mtu(self):
        """Of what gwa sends."""
        sa, = (s for s in self.nl[0].dump("sa-get") if s["direction"] == "out")
        return sa["path_mtu"]

    @property
    def learnt(self):
        """What gwa must find out, or must not."""
        return NARROW if self.case.outer == 6 or self.case.df == "set" else 1500


@pytest.fixture(scope="module", name="road")
def fixture_road():
    with Road() as road:
        yield road


@pytest.fixture(scope="module", name="tunnel", params=CASES, ids=name_of)
def fixture_tunnel(road, request):
    road.needs_protection()
    tunnel = Tunnel(road, request.param)
    yield tunnel
    tunnel.close()


SENDERS = pytest.mark.parametrize("sender,inner", [("client", 4), ("client", 6), ("gwa", 4),
                                                   ("gwa", 6)])


def ends(tunnel, sender, inner):
    """The sender's namespace and address, and the other end's."""
    road = tunnel.road
    return (getattr(road, sender), (CLIENT if sender == "client" else GWA_LAN)[inner], road.server,
            SERVER[inner])


def sockets(tunnel, sender, inner, kind):
    near, src, far, dst = ends(tunnel, sender, inner)
    there = far.socket(INET[inner], kind)
    there.bind((dst, 0))
    here = near.socket(INET[inner], kind)
    here.bind((src, 0))
    here.settimeout(PATIENCE)
    there.settimeout(PATIENCE)
    return here, there


def pump(writer, reader, total):
    """That many bytes through a connection."""
    writer.setblocking(False)
    data, sent, got = bytes(65536), 0, 0
    end = time.monotonic() + 3 * PATIENCE
    while got < total:
        assert time.monotonic() < end, "%d of %d bytes" % (got, total)
        readable, writable, _ = select.select([reader], [writer] if sent < total else [], [], 1)
        if writable:
            sent += writer.send(data[:total - sent])
        if readable:
            got += len(reader.recv(1 << 20))


@SENDERS
def test_tcp(tunnel, sender, inner):
    """The first thing that is sent over that road, with nothing known."""
    here, there = sockets(tunnel, sender, inner, socket.SOCK_STREAM)
    there.listen(1)
    here.connect(there.getsockname()[:2])
    peer, _ = there.accept()
    pump(here, peer, 200000)
    pump(peer, here, 200000)
    for sock in (here, there, peer):
        sock.close()
    tunnel.road.no_cleartext()


def attempt(here, there, size):
    """Whether a datagram of size bytes arrives, and what it is thought to need."""
    try:
        here.send(os.urandom(8) + bytes(size - 8))
    except OSError as error:
        assert error.errno == errno.EMSGSIZE
        return False
    return bool(select.select([there], [], [], 1)[0]) and len(there.recv(65536)) == size


@SENDERS
def test_udp_told(tunnel, sender, inner):
    """With fragments forbidden, the sender finds the largest that passes."""
    case = tunnel.case
    here, there = sockets(tunnel, sender, inner, socket.SOCK_DGRAM)
    here.setsockopt(*IP_MTU_DISCOVER[inner], 2)
    here.connect(there.getsockname()[:2])
    headers = 28 if inner == 4 else 48
    mtu = inner_mtu(tunnel.learnt, case)
    if case.filtered == "inside":
        # Told or not, it passes: fragments outside carry it, once the first that
        # was too large has been lost for the gateway to learn.
        mtu = inner_mtu(1500, case)
        assert any(attempt(here, there, min(mtu, 1408) - headers) for _ in range(2))
        tunnel.road.no_cleartext()
        return
    end = time.monotonic() + 2 * PATIENCE
    while True:
        known = here.getsockopt(*IP_MTU[inner])
        if attempt(here, there, known - headers) and \
                here.getsockopt(*IP_MTU[inner]) == known and known <= mtu:
            break
        assert time.monotonic() < end, "%d bytes, and no end" % known
    assert known == min(mtu, tunnel_device(tunnel))
    assert tunnel.path_mtu() == tunnel.learnt
    for sock in (here, there):
        sock.close()
    tunnel.road.no_cleartext()


def tunnel_device(tunnel):
    """The MTU that cyg0 has by itself."""
    return json.loads(tunnel.road.gwa.run("ip", "-j", "link", "show", "cyg0"))[0]["mtu"]


def sizes(tunnel, inner, wanted):
    """A host that does not listen to ICMPv6 must not send larger packets than every
    link carries (RFC 8200 section 5)."""
    return (1232,) if inner == 6 and tunnel.case.filtered == "inside" else wanted


@SENDERS
def test_udp_large(tunnel, sender, inner):
    """What may be fragmented arrives, however large."""
    here, there = sockets(tunnel, sender, inner, socket.SOCK_DGRAM)
    here.setsockopt(*IP_MTU_DISCOVER[inner], 0)
    here.connect(there.getsockname()[:2])
    for size in sizes(tunnel, inner, (1300, 1372, 4000, 20000)):
        # The first may be lost for the gateway to learn, the next for the sender.
        assert any(attempt(here, there, size) for _ in range(10)), size
    for sock in (here, there):
        sock.close()
    tunnel.road.no_cleartext()


@SENDERS
def test_ping_large(tunnel, sender, inner):
    """And so do pings and their answers, which the kernel itself sends."""
    near, src, _, dst = ends(tunnel, sender, inner)
    for size in sizes(tunnel, inner, (1360, 5000)):
        output = near.run("ping", "-n", "-q", "-I", src, "-c", "2", "-i", "0.2", "-w",
                          str(PATIENCE), "-s", str(size), dst, check=False)
        assert " 0 received" not in output, output
    tunnel.road.no_cleartext()
