# SPDX-License-Identifier: GPL-2.0-or-later
"""What a gateway does besides, and what goes wrong with it, lets nothing out in
clear: lib/road.py draws the road, and its router watches the wire.

In each test the hazard comes first, and without protection the watch must see
the traffic; so flows that go in clear are there already when the policies come.
Then all of it arrives and none of it in clear; and without SAs nothing arrives.
Forwarded and local, IPv4 and IPv6 each in a tunnel of its family, by routes
into the device (with their unreachable twins) and by policies that steer.
"""

import socket
from contextlib import contextmanager

import pytest

from lib.bench import ESP, PATIENCE, selector, until
from lib.genl import Genl
from lib.nfqueue import Accepting
from lib.road import (CLIENT, GWA, GWA_LAN, GWB, LAN_A, LAN_B, ROUTER_A, SERVER, Road,
                      address, ping)

FAMILIES = (4, 6)
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
WORST = 0xFFFFFFFF
COUNT = 10      # datagrams of each kind


class Tunnel:
    """One gateway's half of it."""

    def __init__(self, ns, steer, near, far, lan, away):
        self.ns, self.steer, self.near, self.far = ns, steer, near, far
        self.lan, self.away, self.table = lan, away, ""
        with ns:
            self.nl = Genl()
        ns.ip("link add cyg0 type cygnet", "link set cyg0 up")
        with ns:
            self.ifindex = socket.if_nametoindex("cyg0")

    def open(self):
        for family in FAMILIES:
            if not self.steer:
                to = self.away[family], self.table
                self.ns.ip("route add unreachable %%s metric %d %%s" % WORST % to,
                           "route add %s dev cyg0 %s" % to)
            self.policy(family)
            self.sa(family, "out", self.near, self.far)
            self.sa(family, "in", self.far, self.near)

    def policy(self, family, priority=0):
        self.nl.do("policy-set", id=family, ifindex=self.ifindex, action="protect", mode="tunnel",
                   priority=priority, steer=self.steer or None,
                   selector=[selector(self.lan[family], self.away[family])])

    def sa(self, family, direction, src, dst):
        """An SPI and key that both ends know from the direction."""
        spi = 0x3000 + 16 * family + (src is GWA)
        self.nl.do("sa-new", direction=direction, protocol=ESP, spi=spi, src=src[family],
                   dst=dst[family], mode="tunnel", policy=family, encr=20,
                   encr_key=bytes([spi & 255]) * 20)

    def forget(self):
        for sa in self.nl.dump("sa-get"):
            self.nl.do("sa-del", protocol=ESP, spi=sa["spi"], dst=sa["dst"])

    def close(self):
        """As if it had never been; the device may be gone already."""
        for policy in self.nl.dump("policy-get"):
            self.nl.do("policy-del", id=policy["id"])
        self.nl.close()
        self.ns.run("ip", "link", "delete", "cyg0", check=False)
        for family in FAMILIES:
            self.ns.run("ip", "route", "delete", "unreachable", self.away[family], "metric",
                        str(WORST), check=False)

    def drops(self):
        return {d["reason"]: d["packets"] for d in self.nl.do("stats-get").get("drops", [])}


class Hostile:
    """The tunnel on a road, and who talks."""

    def __init__(self, road, steer):
        self.road, self.steer = road, steer
        self.client, self.gwa, self.gwb, self.server = (road.client, road.gwa, road.gwb,
                                                        road.server)
        self.a = Tunnel(self.gwa, steer, GWA, GWB, LAN_A, LAN_B)
        self.b = Tunnel(self.gwb, steer, GWB, GWA, LAN_B, LAN_A)
        self.receivers = {f: self.udp(self.server, f, SERVER) for f in FAMILIES}
        self.senders = {f: [self.udp(self.client, f, CLIENT), self.udp(self.gwa, f, GWA_LAN)]
                        for f in FAMILIES}

    @staticmethod
    def udp(ns, family, addresses):
        sock = ns.socket(AF[family], socket.SOCK_DGRAM)
        sock.bind((addresses[family], 0))
        sock.setblocking(False)
        return sock

    def close(self):
        for family in FAMILIES:
            for sock in self.senders[family] + [self.receivers[family]]:
                sock.close()
        for end in (self.a, self.b):
            end.close()

    def open(self):
        """A flow that was masqueraded until now forgets that at its first packet,
        which the stack drops."""
        self.a.open()
        self.b.open()
        for family in FAMILIES:
            self.send(family)
        self.settled()
        for family in FAMILIES:
            self.received(family)
        self.road.no_cleartext()

    def send(self, family, count=COUNT):
        """From the client, and from the gateway itself; what was sent."""
        sent, to = set(), self.receivers[family].getsockname()[:2]
        for who, sock in enumerate(self.senders[family]):
            for number in range(count):
                data = b"%d %d %d" % (family, who, number)
                try:
                    sock.sendto(data, to)
                except OSError:         # unreachable, not permitted
                    pass
                sent.add(data)
        return sent

    def received(self, family):
        """All that is there."""
        found = set()
        while True:
            try:
                found.add(self.receivers[family].recv(1000))
            except BlockingIOError:
                return found

    def settled(self):
        """What was sent before is through the gateway, or lost: what is no
        policy's came later and has gone that way."""
        for family in FAMILIES:
            assert ping(self.client, ROUTER_A[family]) == 1, "no way to the router"

    def is_exposed(self):
        """Without protection, the watch sees all of it."""
        for family in FAMILIES:
            before = self.road.cleartext()
            count = len(self.send(family))
            until(lambda b=before, c=count: self.road.cleartext() >= b + c, "all of it in clear")
            assert self.received(family) == set()
        self.road.seen = self.road.cleartext()

    def arrives(self, tcp=True):
        """All of it, and nothing is seen."""
        for family in FAMILIES:
            sent, found = self.send(family), set()

            def all_of_it():
                found.update(self.received(family))     # pylint: disable=cell-var-from-loop
                return found >= sent                    # pylint: disable=cell-var-from-loop
            try:
                until(all_of_it, "datagrams")
            except TimeoutError as error:
                raise AssertionError("%r got lost: %r %r" % (
                    sorted(sent - found), self.a.drops(), self.b.drops())) from error
            if tcp:
                self.talks(family)
        self.road.no_cleartext()

    def talks(self, family):
        """TCP both ways, enough for more than one segment at a time."""
        data = bytes(range(256)) * 400
        listener = self.server.socket(AF[family], socket.SOCK_STREAM)
        client = self.client.socket(AF[family], socket.SOCK_STREAM)
        with listener, client:
            listener.bind((SERVER[family], 0))
            listener.listen()
            client.settimeout(PATIENCE)
            client.connect((SERVER[family], listener.getsockname()[1]))
            server, _ = listener.accept()
            with server:
                server.settimeout(PATIENCE)
                for one, other in ((client, server), (server, client)):
                    left = memoryview(data)
                    got = b""
                    while len(got) < len(data):
                        # In parts that fit into any socket's buffer.
                        left = left[one.send(left[:8192]):]
                        want = len(data) - len(left)
                        while len(got) < want:
                            got += other.recv(65536)
                    assert got == data

    def is_lost(self):
        """None of it arrives, and nothing is seen."""
        for family in FAMILIES:
            self.send(family)
        self.settled()
        for family in FAMILIES:
            assert self.received(family) == set()
        self.road.no_cleartext()

    def is_gone(self):
        """The same once what was on its way has arrived, which may be all of it."""
        self.settled()
        self.b.forget()
        for family in FAMILIES:
            self.received(family)
        self.is_lost()

    def without_sas(self):
        """No more than that may come of it."""
        self.a.forget()
        self.is_lost()


@pytest.fixture(scope="module", name="road")
def fixture_road():
    with Road() as road:
        yield road


@pytest.fixture(params=["routed", "steered"])
def net(request, road):
    made = Hostile(road, request.param == "steered")
    yield made
    made.close()


@pytest.fixture(name="own", params=["routed", "steered"])
def fixture_own(request):
    """On a road of its own, for what changes too much; instead of the other one,
    so these come last."""
    with Road() as road:
        made = Hostile(road, request.param == "steered")
        yield made
        made.close()


@contextmanager
def rules(ns, text):
    """A table of nftables, called hazard."""
    ns.run("nft", "-f", "-", input="table inet hazard {\n%s\n}\n" % text)
    try:
        yield
    finally:
        ns.run("nft", "delete", "table", "inet", "hazard")


MASQUERADE = """
    chain post { type nat hook postrouting priority 100
        oifname { "wan", "brw" } masquerade
    }
"""
FLOWTABLE = """
    counter slow { }
    flowtable fast { hook ingress priority 0; devices = { lan, wan, cyg0 }; }
    chain forward { type filter hook forward priority 0
        ip protocol { tcp, udp } flow add @fast
        ip6 nexthdr { tcp, udp } flow add @fast
        meta l4proto udp counter name slow
    }
"""
QUEUED = """
    chain %s { type filter hook %s priority 0
        meta l4proto { tcp, udp, icmp } queue num 0
        icmpv6 type { echo-request, echo-reply } queue num 0
    }
"""


def plain(net):
    """With whatever is there."""
    net.is_exposed()
    net.open()
    net.arrives()
    net.without_sas()


def test_nothing_else(net):
    """The road itself."""
    plain(net)


def test_masquerade(net):
    with rules(net.gwa, MASQUERADE):
        plain(net)


def test_flowtable(net):
    """One-way UDP and TCP; flows that took the short cut in clear do so no more."""
    with rules(net.gwa, MASQUERADE + FLOWTABLE):
        net.is_exposed()
        listing = net.gwa.run("nft", "list", "counter", "inet", "hazard", "slow")
        assert "packets %d " % (2 * COUNT) not in listing, "no flow took the short cut"
        net.open()
        net.arrives()
        net.arrives()
        net.without_sas()


def test_nfqueue(net):
    """Reinjected, and what was queued while its policy was set anew, and its
    device went."""
    with rules(net.gwa, "".join(QUEUED % (h, h) for h in ("forward", "output", "postrouting"))), \
            Accepting(net.gwa) as queue:
        net.is_exposed()
        net.open()
        net.arrives()
        seen = queue.seen
        queue.hold = True
        for family in FAMILIES:
            net.send(family)
        until(lambda: queue.seen >= seen + 4 * COUNT, "packets in the queue")
        if net.steer:
            net.a.policy(4, 1)
        net.gwa.ip("link delete cyg0")
        queue.hold = False
        until(lambda: not queue.held, "an empty queue")
        net.is_gone()


def test_fib_rules(net):
    """The same with nftables, which must be told of what steering brings."""
    rule = "meta ipsec missing " if net.steer else ""
    text = """chain pre { type filter hook prerouting priority -150
        %sfib saddr . iif oif missing drop
        }""" % rule
    with rules(net.gwa, text), rules(net.gwb, text):
        plain(net)


@pytest.mark.parametrize("how", ["link set cyg0 down", "link delete cyg0"])
def test_device_goes(net, how):
    """In the midst of traffic, with short cuts taken."""
    with rules(net.gwa, MASQUERADE + FLOWTABLE):
        net.is_exposed()
        net.open()
        net.arrives()
        for family in FAMILIES:
            net.send(family)
        net.gwa.ip(how)
        net.is_gone()


def test_policy_reload(net):
    """Set anew in the midst of traffic, and no packet is lost."""
    with rules(net.gwa, MASQUERADE + FLOWTABLE):
        net.is_exposed()
        net.open()
        for round_ in range(5):
            net.arrives(tcp=False)
            for family in FAMILIES:
                net.a.policy(family, round_ % 2)
        net.arrives()
        net.without_sas()


def test_rp_filter(own):
    """Strict, and loose."""
    own.is_exposed()
    own.open()
    for how in (1, 2):
        for ns in (own.gwa, own.gwb):
            ns.run("sysctl", "-qw", *("net.ipv4.conf.%s.rp_filter=%d" % (device, how)
                                      for device in ("all", "lan", "wan", "cyg0")))
        own.arrives()
    own.without_sas()


def test_br_netfilter(own):
    """Both sides are bridges, whose frames the hooks of IP see."""
    own.gwa.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1",
                "net.bridge.bridge-nf-call-ip6tables=1")
    for bridge, port, addresses in (("br0", "lan", GWA_LAN), ("brw", "wan", GWA)):
        own.gwa.ip("link add %s type bridge" % bridge, "address flush dev %s" % port,
                   "link set %s master %s" % (port, bridge))
        address(own.gwa, bridge, addresses)
    own.gwa.ip(*("route replace default via %s" % ROUTER_A[f] for f in FAMILIES))
    with rules(own.gwa, MASQUERADE):
        plain(own)


def test_vrf(own):
    """LAN, WAN and device in a VRF."""
    own.gwa.run("sysctl", "-qw", "net.ipv6.conf.all.keep_addr_on_down=1",
                "net.ipv4.udp_l3mdev_accept=1")
    own.gwa.ip("link add red type vrf table 66", "link set red up",
               *("link set %s master red" % d for d in ("lan", "wan", "cyg0")),
               *("route add default via %s dev wan table 66" % ROUTER_A[f] for f in FAMILIES))
    own.a.table = "table 66"
    with own.gwa:
        red = socket.if_nametoindex("red")
    own.a.nl.do("device-set", ifindex=own.a.ifindex, underlay=red)
    for family in FAMILIES:
        own.senders[family][1].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"red")
    with rules(own.gwa, MASQUERADE):
        plain(own)
