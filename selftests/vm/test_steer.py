# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies that steer: what they pull in, what they keep out, what they leave.

Nothing is routed to cyg0, which has no address either:

       host                          gw                          wire
    +--------+     +-------------------------------+     +----------------+
    |  lan   |=====| lan        cyg0         eth0  |=====| a packet socket|
    +--------+     +-------------------------------+     +----------------+
    10.1.0.2       10.1.0.1 fd01::1       192.0.2.1      192.0.2.2
    fd01::2        everything else by eth0 2001:db8::1   2001:db8::2
"""

import socket
import struct
from contextlib import contextmanager

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from lib.bench import (FAR4, FAR6, GW4, GW6, IN4, IN6, PATIENCE, WIRE4, WIRE6, Gateway, Netns, Tap,
                       run, selector, sysctl, until)
from lib.espref import ip_header, udp
from lib.genl import refused

HOST4, HOST6 = "10.1.0.2", "fd01::2"
INNER = {4: (IN4, FAR4, HOST4), 6: (IN6, FAR6, HOST6)}
ENDS = {4: (GW4, WIRE4), 6: (GW6, WIRE6)}
ALL = {4: "0.0.0.0/0", 6: "::/0"}
BITS = {4: 32, 6: 128}
families = pytest.mark.parametrize("family", (4, 6))


class Steering(Gateway):
    """The picture above."""

    def __init__(self):
        super().__init__()
        self.host = Netns("host")
        run("ip", "link", "add", "lan", "netns", "gw", "type", "veth", "peer", "name", "lan",
            "netns", "host")
        self.gw.ip("route del 10.2.0.0/24", "route del fd02::/64",
                   "address del %s/24 dev cyg0" % IN4, "address del %s/64 dev cyg0" % IN6,
                   "link set lan address 02:00:00:00:00:03 up",
                   "address add %s/24 dev lan" % IN4, "address add %s/64 dev lan nodad" % IN6,
                   "route add default via " + WIRE4, "route add default via " + WIRE6,
                   *("neigh add %s lladdr 02:00:00:00:00:04 dev lan nud permanent" % a
                     for a in (HOST4, HOST6)))
        self.host.ip("link set lan address 02:00:00:00:00:04 up")
        with self.gw:
            sysctl("ipv4/ip_forward", 1)
            sysctl("ipv6/conf/all/forwarding", 1)
            for name in ("all", "cyg0", "eth0"):
                sysctl("ipv4/conf/%s/rp_filter" % name, 1)
        for ns, device in ((self.gw, "lan"), (self.host, "lan")):
            ns.run("ethtool", "-K", device, "tso", "off", "gso", "off", "tx", "off", check=False)
        self.lan = Tap(self.host, "lan", True)
        self.lan.watch = False
        self.lan.aim("02:00:00:00:00:03", "02:00:00:00:00:04")

    def close(self):
        self.lan.close()
        super().close()
        self.host.delete()

    def clear(self):
        super().clear()
        self.lan.drain()

    def steer(self, ident=1, pairs=None, action="protect", mode="tunnel", **values):
        pairs = pairs or [selector("10.1.0.0/24", "10.2.0.0/24"),
                          selector("fd01::/64", "fd02::/64")]
        return self.nl.do("policy-set", id=ident, ifindex=self.ifindex, action=action, mode=mode,
                          selector=pairs, steer=True, **values)

    @contextmanager
    def in_clear(self):
        """Cleartext of the inner networks may be on the wire for once."""
        self.wire.watch = False
        try:
            yield
        finally:
            assert self.wire.drain() == []
            self.wire.watch = True

    def quiet(self):
        """Nothing more left, protected or not: the packet that says so is the next."""
        marker = udp(GW4, "203.0.113.1", 1, 1, b"marker")
        self.transmit([marker], own=True)
        assert self.wire.take(1) == [marker]


@pytest.fixture(scope="module")
def gateway():
    made = Steering()
    yield made
    made.close()


def hosts(family, **values):
    return selector("%s/%d" % (ENDS[family][0], BITS[family]), ALL[family], **values)


def plain_goes(net, packets, sender):
    """The road is open: without a policy, packets go out as they are."""
    with net.in_clear():
        sender(packets)
        assert len(net.wire.take(len(packets))) == len(packets)


@families
def test_sent(net, family):
    """By this host, and by another through it; the SA's absence is no way out."""
    near, far, host = INNER[family]
    own, other = udp(near, far, 1, 2, b"own"), udp(host, far, 1, 2, b"other")
    plain_goes(net, [own], net.transmit)
    plain_goes(net, [other], net.lan.send)
    net.steer()
    with net.drop("tx-no-sa", 2):
        net.transmit([own])
        net.lan.send([other])
    net.quiet()
    sa = net.sa("out")
    net.transmit([own])
    assert sa.open(net.wire.take(1)[0]).inner == own
    net.lan.send([other])
    found = sa.open(net.wire.take(1)[0]).inner
    assert found[-5:] == b"other" and found[8 if family == 4 else 7] == 63
    # Others are not concerned.
    stranger = udp(GW4, "203.0.113.9", 1, 2, b"x")
    net.transmit([stranger], own=True)
    assert net.wire.take(1) == [stranger]
    net.nl.do("policy-del", id=1)
    plain_goes(net, [own], net.transmit)


@families
def test_received(net, family):
    """In clear it does not get in, decrypted it does, although no route leads
    back to the device and reverse path filters are strict."""
    near, far, host = INNER[family]
    to_us, through = udp(far, near, 5, 7000, b"us"), udp(far, host, 5, 7000, b"through")
    sock = net.gw.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    with sock:
        sock.bind((near, 7000))
        net.wire.send([to_us, through])
        assert sock.recv(100) == b"us" and len(net.lan.take(1)) == 1
        net.steer()
        sa = net.sa("in", family=family)
        with net.drop("rx-cleartext", 2):
            net.wire.send([to_us, through])
        net.feed(sa, [sa.seal(to_us, 1), sa.seal(through, 2)])
        assert sock.recv(100) == b"us"
        assert net.lan.take(1)[0][-7:] == b"through"
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        assert net.lan.drain() == []


def test_marked(net):
    """nftables knows what came protected."""
    net.gw.run("nft", "-f", "-", input="""table inet marks {
        counter marked { }
        chain pre { type filter hook prerouting priority 0
            iifname "cyg0" meta ipsec exists counter name marked
        }
        }""")
    try:
        net.policy()
        sa = net.sa("in")
        net.feed(sa, [sa.seal(udp(FAR4, IN4, 1, 2, b""), 1)])
        net.steer()
        net.feed(sa, [sa.seal(udp(FAR4, IN4, 1, 2, b""), 2)])
        listed = net.gw.run("nft", "list", "counter", "inet", "marks", "marked")
        assert "packets 1 " in listed
    finally:
        net.gw.run("nft", "delete", "table", "inet", "marks")


@families
def test_actions(net, family):
    """First match: discard, bypass and protect, in both directions."""
    near, far, host = INNER[family]
    bits = BITS[family]
    odd = "10.2.0.77" if family == 4 else "fd02::77"
    none = "10.2.0.99" if family == 4 else "fd02::99"

    def pairs(to):
        return [selector("10.1.0.0/24" if family == 4 else "fd01::/64", "%s/%d" % (to, bits))]
    net.steer()
    net.steer(2, pairs(odd), "bypass")
    net.steer(3, pairs(none), "discard")
    with net.in_clear():
        packet = udp(near, odd, 1, 2, b"bypass")
        net.transmit([packet], own=True)
        assert net.wire.take(1) == [packet]
    net.wire.send([udp(odd, host, 1, 2, b"bypass")])
    assert net.lan.take(1)[0][-6:] == b"bypass"
    with net.drop("tx-discard", 2):
        net.transmit([udp(near, none, 1, 2, b"")], own=True)
        net.lan.send([udp(host, none, 1, 2, b"")])
    assert len(net.lan.take(1)) == 1        # administratively prohibited
    with net.drop("rx-discard", 2):
        net.wire.send([udp(none, near, 1, 2, b""), udp(none, host, 1, 2, b"")])
    with net.drop("rx-cleartext"):
        net.wire.send([udp(far, host, 1, 2, b"")])
    # Routed into the device it is past bypassing.
    net.gw.ip("route add %s/%d dev cyg0" % (odd, bits))
    try:
        with net.drop("tx-bypass"):
            net.transmit([udp(near, odd, 1, 2, b"")], own=True)
    finally:
        net.gw.ip("route del %s/%d dev cyg0" % (odd, bits))
    net.quiet()


def test_order(net):
    """Priority, whatever the device's own order."""
    net.steer(1, priority=2)
    net.steer(2, [selector("10.1.0.0/16", "10.2.0.0/16")], "discard", priority=1)
    with net.drop("tx-discard"):
        net.transmit([udp(IN4, FAR4, 1, 2, b"")])
    net.nl.do("policy-del", id=2)
    with net.drop("tx-no-sa"):
        net.transmit([udp(IN4, FAR4, 1, 2, b"")])


@families
def test_all_of_a_host(net, family):
    """A policy for everything to and from this host is no loop: ESP is not for it."""
    near, far = ENDS[family]
    net.steer(1, [hosts(family)])
    out, into = net.sa("out", family=family), net.sa("in", family=family)
    packet = udp(near, "203.0.113.9" if family == 4 else "2001:db8:9::9", 1, 2, b"all")
    net.transmit([packet], own=True)
    assert out.open(net.wire.take(1)[0]).inner == packet
    assert net.wire.drain() == []
    moved, _ = net.feed(into, [into.seal(udp(far, near, 1, 2, b"in"), 1)])
    assert moved["packets"] == 1 and moved["drops"] == {}
    net.wire.take(1)        # nobody listens at that port
    # The very peer, and the very addresses of the outside.
    packet = udp(near, far, 3, 4, b"peer")
    net.transmit([packet], own=True)
    assert out.open(net.wire.take(1)[0]).inner == packet


@families
def test_link_control(net, family):
    """What makes a link work goes in clear, from and to this host."""
    near, far = ENDS[family]
    net.steer(1, [hosts(family)])
    away = "203.0.113.9" if family == 4 else "2001:db8:9::9"
    free, held = [], []
    if family == 4:
        free += [ip_header(near, far, 2, 8) + bytes(8), udp(near, far, 68, 67, b"dhcp"),
                 udp(near, "224.0.0.9", 1, 2, b"multicast"), udp(near, "169.254.1.1", 1, 2, b"")]
        held += [udp(near, far, 68, 68, b""), udp(near, far, 546, 547, b""),
                 bytes(IP(src=near, dst=far) / ICMP())]
    else:
        for kind in (130, 133, 135, 136, 137, 143):
            free.append(bytes(IPv6(src=near, dst=far) / ICMPv6EchoRequest(type=kind)))
        free.append(udp(near, far, 546, 547, b"dhcp"))
        for kind in (128, 129, 138, 142, 144, 1, 2):
            held.append(bytes(IPv6(src=near, dst=away) / ICMPv6EchoRequest(type=kind)))
        held += [udp(near, far, 68, 67, b""), udp(near, far, 547, 548, b"")]
    net.gw.ip("route add 224.0.0.9 dev eth0", "route add 169.254.1.1 via %s dev eth0" % WIRE4)
    try:
        for packet in free:
            net.transmit([packet], own=True)
            assert net.wire.take(1) == [packet]
        with net.drop("tx-no-sa", len(held)):
            net.transmit(held, own=True)
    finally:
        net.gw.ip("route del 224.0.0.9", "route del 169.254.1.1")
    # And in: answers of DHCP, neighbours; but echo requests do not get in.
    before = net.drops()
    if family == 4:
        net.wire.send([udp(far, near, 67, 68, b"dhcp"), ip_header(far, near, 2, 8) + bytes(8)])
        bad = bytes(IP(src=far, dst=near) / ICMP())
    else:
        net.wire.send([udp(far, near, 547, 546, b"dhcp"),
                       bytes(IPv6(src=far, dst=near, hlim=255) / ICMPv6EchoRequest(type=136))])
        bad = bytes(IPv6(src=far, dst=near) / ICMPv6EchoRequest())
    with net.drop("rx-cleartext"):
        net.wire.send([bad])
    assert net.drops().get("rx-cleartext", 0) == before.get("rx-cleartext", 0) + 1


@families
def test_not_for_others(net, family):
    """Through this host nothing of that goes in clear."""
    _, far, host = INNER[family]
    net.steer()
    packets = [udp(host, far, 500, 500, b"ike"), udp(host, far, 68, 67, b"")]
    if family == 6:
        packets = [udp(host, far, 500, 500, b"ike"), udp(host, far, 546, 547, b""),
                   bytes(IPv6(src=host, dst=far) / ICMPv6EchoRequest(type=135))]
    with net.drop("tx-no-sa", len(packets)):
        net.lan.send(packets)
    net.quiet()


@families
def test_ike(net, family):
    """By its sockets, at its ports: 500, and what is registered."""
    near, far = ENDS[family]
    net.steer(1, [hosts(family)])
    domain = socket.AF_INET if family == 4 else socket.AF_INET6
    for port, sent, registered in ((500, True, False), (4500, False, False), (4500, True, True),
                                   (4501, False, True)):
        if registered and port == 4500:
            net.nl.do("port-add", port=4500)
        sock = net.gw.socket(domain, socket.SOCK_DGRAM)
        with sock:
            sock.bind((near, port))
            sock.settimeout(PATIENCE)
            if sent:
                sock.sendto(b"ike", (far, 500))
                assert net.wire.take(1)[0][-3:] == b"ike"
                net.wire.send([udp(far, near, 500, port, b"answer")])
                assert sock.recv(100) == b"answer"
            else:
                with net.drop("tx-no-sa"):
                    try:
                        sock.sendto(b"ike", (far, 500))
                    except PermissionError:
                        pass
                with net.drop("rx-cleartext"):
                    net.wire.send([udp(far, near, 500, port, b"answer")])
    # The port alone is not the socket's.
    with net.drop("tx-no-sa"):
        net.transmit([udp(near, far, 500, 500, b"raw")], own=True)


def test_named(net):
    """Who means multicast or link-local addresses says so."""
    net.gw.ip("route add 224.0.0.0/4 dev eth0", "route add 169.254.0.0/16 via %s dev eth0" % WIRE4)
    try:
        for to, prefix in (("224.1.2.3", "224.1.0.0/16"), ("169.254.9.9", "169.254.9.0/24")):
            packet = udp(GW4, to, 1, 2, b"named")
            net.steer(1, [hosts(4)])
            net.transmit([packet], own=True)
            assert net.wire.take(1) == [packet]
            net.steer(1, [hosts(4), selector(GW4 + "/32", prefix)])
            with net.drop("tx-no-sa"):
                net.transmit([packet], own=True)
        assert net.wire.drain() == []
    finally:
        net.gw.ip("route del 224.0.0.0/4", "route del 169.254.0.0/16")


@families
def test_transport(net, family):
    """Host to host, everything but what makes the tunnel; no rule, no route."""
    near, far = ENDS[family]
    bits = "/%d" % BITS[family]
    net.steer(1, [selector(near + bits, far + bits)], mode="transport")
    out, into = (net.sa(d, family=family, mode="transport") for d in ("out", "in"))
    packet = udp(near, far, 1, 7000, b"transport")
    net.transmit([packet], own=True)
    sent = net.wire.take(1)[0]
    head = 20 if family == 4 else 40
    _, _, plain = out.unseal(sent, 0, head)
    assert plain[:-2 - plain[-2]] == packet[head:]
    sock = net.gw.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(PATIENCE)
        sock.bind((near, 7000))
        back = udp(far, near, 9, 7000, b"back")
        with net.drop("rx-cleartext"):
            net.wire.send([back])
        net.feed(into, [into.seal_own(back, 1)])
        assert sock.recv(100) == b"back"


def test_two_behind_one_nat(net):
    """Told apart by their selectors, or the second is refused; a renewed SA is
    of the same host."""
    def policy(ident, port=None):
        ports = dict(protocol=17, remote_port_first=port, remote_port_last=port) if port else {}
        net.steer(ident, [selector(GW4 + "/32", WIRE4 + "/32", **ports)], mode="transport")

    def sa(ident, spi, port):
        return net.sa("out", policy=ident, spi=spi, encap=(4500, port), mode="transport")
    policy(1)
    policy(2)
    sa(1, 0x2004, 1024)
    sa(1, 0x2001, 4500)
    net.nl.do("sa-del", protocol=50, spi=0x2004, dst=WIRE4)
    assert "behind the same NAT" in refused(17, sa, 2, 0x2002, 1025).message
    policy(1, 7)
    policy(2, 8)
    sa(2, 0x2002, 1025)
    for port, dport in ((7, 4500), (8, 1025)):
        net.transmit([udp(GW4, WIRE4, 1, port, b"")], own=True)
        assert struct.unpack_from("!H", net.wire.take(1)[0], 22)[0] == dport


def test_source_nat(net):
    """What matches only behind source NAT does not leave."""
    net.gw.run("nft", "-f", "-", input="""table ip leak {
        chain post { type nat hook postrouting priority 100
            ip daddr 203.0.113.9 snat to 192.0.2.1
        }
        }""")
    try:
        packet = udp(HOST4, "203.0.113.9", 1000, 2, b"translated")
        net.lan.send([packet])
        assert net.wire.take(1)[0][12:16] == socket.inet_aton(GW4)
        net.steer(1, [selector(GW4 + "/32", "203.0.113.0/24")])
        with net.drop("tx-would-leak", 2):
            net.lan.send([packet, udp(HOST4, "203.0.113.9", 1001, 2, b"translated")])
        assert net.wire.drain() == []
    finally:
        net.gw.run("nft", "delete", "table", "ip", "leak")


@families
def test_device_gone(net, family):
    """Down or deleted, the device takes the road away, not the policy."""
    near, far, host = INNER[family]
    net.steer()
    net.sa("out")
    net.gw.ip("link set cyg0 down")
    net.transmit([udp(near, far, 1, 2, b"")])
    net.lan.send([udp(host, far, 1, 2, b"")])
    net.quiet()
    net.gw.ip("link set cyg0 up")
    net.transmit([udp(near, far, 1, 2, b"")])
    assert len(net.wire.take(1)) == 1
    with net.nl.events() as events:
        net.gw.ip("link del cyg0")
        assert "ifindex" not in events.next("policy-set-ntf", id=1)
    try:
        found = net.nl.do("policy-get", id=1)
        assert found["steer"] and "ifindex" not in found
        until(lambda: net.nl.do("stats-get")["sas"] == 0, "the end of the SA")
        with net.drop("tx-device", 2):
            net.transmit([udp(near, far, 1, 2, b"")])
            net.lan.send([udp(host, far, 1, 2, b"")])
        with net.drop("rx-cleartext"):
            net.wire.send([udp(far, host, 1, 2, b"")])
        net.quiet()
        assert "device is gone" in refused(19, net.sa, "out").message
    finally:
        net.gw.ip("link add cyg0 type cygnet", "link set cyg0 up")
        with net.gw:
            sysctl("ipv4/conf/cyg0/rp_filter", 1)
        net.find_device()
    net.steer()
    sa = net.sa("out")
    net.transmit([udp(near, far, 1, 2, b"again")])
    assert sa.open(net.wire.take(1)[0]).inner[-5:] == b"again"


@families
def test_fragments(net, family):
    """A policy that asks for ports sees whole packets, on their way through too."""
    near, far, host = INNER[family]
    net.steer(1, [selector("10.1.0.0/24", "10.2.0.0/24", protocol=17, remote_port_first=7,
                           remote_port_last=7),
                  selector("fd01::/64", "fd02::/64", protocol=17, remote_port_first=7,
                           remote_port_last=7)])
    sa = net.sa("out")
    if family == 4:
        whole = udp(host, far, 1, 7, bytes(1800), df=False, ident=9)
        pieces = [bytes(p) for p in IP(whole).fragment(1000)]
    else:
        from test_esp import fragment6
        whole = udp(host, far, 1, 7, bytes(1800))
        pieces = fragment6(whole, 1000)
    inside = Tap(net.gw, "cyg0", False, outgoing=True)
    net.lan.send(pieces)
    assert len(inside.take(1)[0]) == len(whole)
    assert inside.drain() == []
    inside.close()
    until(lambda: net.state(sa)["packets"] or net.drops().get("tx-too-big"), "its end")
    net.wire.drain()


def test_lone_fragment(net):
    """Where nothing reassembles, what hides its ports does not pass for what no policy is about."""
    net.steer(1, [selector("10.1.0.0/24", "10.2.0.0/24", protocol=17, remote_port_first=7,
                           remote_port_last=7)])
    piece = bytes(IP(udp(IN4, FAR4, 1, 7, bytes(100), df=False, ident=9)).fragment(48)[1])
    sock = net.gw.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sock:
        sock.setsockopt(socket.IPPROTO_IP, 22, 1)       # IP_NODEFRAG
        with net.drop("tx-fragment"):
            with pytest.raises(PermissionError):
                sock.sendto(piece, (FAR4, 0))
    net.quiet()


def test_refused(net):
    """Only who steers can bypass."""
    message = refused(95, net.nl.do, "policy-set", id=9, ifindex=net.ifindex, action="bypass",
                      selector=[selector("10.1.0.0/24", "10.2.0.0/24")]).message
    assert "steers" in message
    net.steer(9, action="bypass")
    assert net.nl.do("policy-get", id=9)["action"] == "bypass"
    net.policy(9)
    assert "steer" not in net.nl.do("policy-get", id=9)


def test_reload(net):
    """A policy that is set again loses no packet of those that are on their way."""
    net.steer()
    sa = net.sa("out")
    for seq in range(1, 60):
        net.transmit([udp(IN4, FAR4, 1, 2, struct.pack("!I", seq))])
        net.steer(priority=seq % 2)
        if seq % 3 == 0:
            net.gw.ip("route add 203.0.113.77 dev eth0", "route del 203.0.113.77 dev eth0")
    found = [sa.open(p).inner[-4:] for p in net.wire.take(59)]
    assert found == [struct.pack("!I", seq) for seq in range(1, 60)]


class TestOuter:
    """How a device's outer packets go."""

    @pytest.fixture(autouse=True)
    def plain(self, net):
        yield
        net.nl.do("device-set", ifindex=net.ifindex, fwmark=0, underlay=0, tos=0)

    @families
    def test_mark_and_class(self, net, family):
        near, far, _ = INNER[family]
        net.steer()
        sa = net.sa("out", family=family)
        net.gw.run("nft", "-f", "-", input="""table inet marks {
            counter marked { }
            chain out { type filter hook output priority 0
                meta mark 0x77 meta l4proto esp counter name marked
            }
        }""")
        try:
            net.nl.do("device-set", ifindex=net.ifindex, fwmark=0x77, tos=0xB8)
            assert net.nl.do("device-get", ifindex=net.ifindex) == {
                "ifindex": net.ifindex, "fwmark": 0x77, "underlay": 0, "tos": 0xB8}
            net.transmit([udp(near, far, 1, 2, b"x", tos=0x21)])
            out = net.wire.take(1)[0]
            assert sa.open(out).inner[-1:] == b"x"
            found = out[1] if family == 4 else (out[0] << 4 | out[1] >> 4) & 255
            assert found == 0xB8 | 1
            listed = net.gw.run("nft", "list", "counter", "inet", "marks", "marked")
            assert "packets 1 " in listed
        finally:
            net.gw.run("nft", "delete", "table", "inet", "marks")

    @families
    def test_default_route(self, net, family):
        """Everything is routed into the device, what comes out of it is not: by
        a rule for its mark, or by its interface."""
        near, _, _ = INNER[family]
        v = "-%d" % family
        away = "203.0.113.5" if family == 4 else "2001:db8:9::5"
        gateway = WIRE4 if family == 4 else WIRE6
        net.policy(local=ALL[family], remote=ALL[family])
        sa = net.sa("out", family=family)
        net.gw.run("ip", v, "route", "replace", "default", "dev", "cyg0")
        net.gw.run("ip", v, "rule", "add", "pref", "9", "fwmark", "5", "lookup", "77")
        net.gw.run("ip", v, "route", "add", "default", "via", gateway, "dev", "eth0", "table", "77")
        net.gw.run("ip", v, "route", "flush", "cache")
        try:
            for values in ({"fwmark": 5}, {"fwmark": 0, "underlay": self.eth0(net)}):
                net.nl.do("device-set", ifindex=net.ifindex, **values)
                packet = udp(near, away, 1, 2, b"away")
                net.transmit([packet], own=True)
                assert sa.open(net.wire.take(1)[0]).inner == packet
        finally:
            net.gw.run("ip", v, "rule", "del", "pref", "9")
            net.gw.run("ip", v, "route", "replace", "default", "via", gateway)

    @staticmethod
    def eth0(net):
        with net.gw:
            return socket.if_nametoindex("eth0")

    def test_underlay_gone(self, net):
        """By that interface or not at all."""
        net.gw.ip("link add spare type dummy", "link set spare up")
        with net.gw:
            spare = socket.if_nametoindex("spare")
        net.policy()
        net.sa("out")
        net.gw.ip("route add 10.2.0.0/24 dev cyg0")
        try:
            net.nl.do("device-set", ifindex=net.ifindex, underlay=spare)
            net.transmit([udp(IN4, FAR4, 1, 2, b"")])
            net.gw.ip("link del spare")
            with net.drop("tx-no-route"):
                net.transmit([udp(IN4, FAR4, 1, 2, b"")])
            assert net.wire.drain() == []
        finally:
            net.gw.ip("route del 10.2.0.0/24 dev cyg0")

    def test_refused(self, net):
        call = net.nl.do
        assert "ECN" in refused(22, call, "device-set", ifindex=net.ifindex, tos=3).message
        assert "interface" in refused(19, call, "device-set", ifindex=net.ifindex,
                                      underlay=9999).message
        assert refused(40, call, "device-set", ifindex=net.ifindex, underlay=net.ifindex)
        assert "no cygnet device" in refused(19, call, "device-set", ifindex=1, tos=0).message
        assert len(net.nl.dump("device-get")) == 1
