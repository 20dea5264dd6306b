# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer that moves: followed by the newest authentic packet, and by nothing else."""

import errno
import struct

import pytest

from lib.bench import FAR4, GW4, IN4, WIRE4
from lib.espref import checksum, udp
from lib.genl import refused

ESP = 50
PORTS = (4500, 4500)
ELSEWHERE = "192.0.2.77"


def inbound(mark=1):
    return udp(FAR4, IN4, 2000, 1000, b"%08d" % mark)


def outbound(mark=1):
    return udp(IN4, FAR4, 1000, 2000, b"%08d" % mark)


def moved(packet, address=ELSEWHERE, port=1024):
    """The same datagram from another place."""
    packet = bytearray(packet)
    packet[12:16] = bytes(map(int, address.split(".")))
    packet[20:22] = struct.pack("!H", port)
    packet[10:12] = b"\0\0"
    packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
    return bytes(packet)


@pytest.fixture
def roaming(net):
    net.policy()
    net.nl.do("port-add", port=4500)
    net.gw.ip("neigh replace %s lladdr 02:00:00:00:00:02 dev eth0 nud permanent" % ELSEWHERE)
    sas = net.sa("in", encap=PORTS, roam=True), net.sa("out", encap=PORTS)
    yield net, *sas


def peer(net):
    """Where both SAs think that the peer is: address and port of each."""
    found = {s["direction"]: s for s in net.nl.dump("sa-get")}
    return ((found["in"]["src"], found["in"]["encap_sport"]),
            (found["out"]["dst"], found["out"]["encap_dport"]))


HOME = ((WIRE4, 4500), (WIRE4, 4500))
AWAY = ((ELSEWHERE, 1024), (ELSEWHERE, 1024))


def test_followed(roaming):
    net, sa_in, sa_out = roaming
    net.feed(sa_in, [sa_in.seal(inbound(), 1)])
    assert peer(net) == HOME
    with net.nl.events() as events:
        _, out = net.feed(sa_in, [moved(sa_in.seal(inbound(2), 2))])
        assert out == [inbound(2)]
        events.next("sa-set-ntf", direction="in", src=ELSEWHERE, encap_sport=1024)
        events.next("sa-set-ntf", direction="out", dst=ELSEWHERE, encap_dport=1024)
    assert peer(net) == AWAY
    net.wire.drain()
    net.transmit([outbound()])
    packet = net.wire.take(1)[0]
    assert packet[16:20] == bytes((192, 0, 2, 77)) and packet[22:24] == struct.pack("!H", 1024)
    # And back again, with only the port another.
    net.feed(sa_in, [moved(sa_in.seal(inbound(3), 3), WIRE4, 4501)])
    assert peer(net) == ((WIRE4, 4501), (WIRE4, 4501))


def test_not_followed(roaming):
    """Forged, replayed, or older than another: a stranger may send them."""
    net, sa_in, _ = roaming
    old, newest = sa_in.seal(inbound(5), 5), sa_in.seal(inbound(9), 9)
    net.feed(sa_in, [newest])
    forged = bytearray(sa_in.seal(inbound(20), 20))
    forged[-1] ^= 1
    change, out = net.feed(sa_in, [moved(bytes(forged)), moved(newest), moved(newest)])
    assert out == [] and change["drops"] == {"rx-auth": 1, "rx-replay-duplicate": 2}
    assert peer(net) == HOME
    _, out = net.feed(sa_in, [moved(old)])
    assert out == [inbound(5)]
    assert peer(net) == HOME


def test_only_where_allowed(net):
    net.policy()
    net.nl.do("port-add", port=4500)
    sa_in, _ = net.sa("in", encap=PORTS), net.sa("out", encap=PORTS)
    _, out = net.feed(sa_in, [moved(sa_in.seal(inbound(), 1))])
    assert out == [inbound()]
    assert peer(net) == HOME
    for bad in (dict(direction="out", src=GW4, dst=WIRE4, encap_sport=1, encap_dport=1),
                dict(direction="in", src=WIRE4, dst=GW4)):
        refused(errno.EINVAL, net.nl.do, "sa-new", protocol=ESP, spi=0x7777, policy=1, encr=20,
                encr_key=bytes(20), roam=True, **bad)


def test_rejected_summary(net):
    """Once a second: what was dropped, how often, where."""
    net.policy()
    sa_in = net.sa("in")
    packet = bytearray(sa_in.seal(inbound(), 1))
    packet[-1] ^= 1
    with net.nl.events() as events:
        # What earlier tests left is told of first.
        net.transmit([outbound()])
        while "tx-no-sa" not in [drop["reason"] for drop in events.next("rejected-ntf")["drops"]]:
            pass
        net.feed(sa_in, [bytes(packet)] * 3)
        net.transmit([outbound()])
        found = {}
        while not {"rx-auth", "tx-no-sa"} <= found.keys():
            for drop in events.next("rejected-ntf")["drops"]:
                found.setdefault(drop["reason"], []).append(drop)
    assert sum(drop["packets"] for drop in found["rx-auth"]) == 3
    assert found["rx-auth"][0]["spi"] == sa_in.spi
    assert found["rx-auth"][0]["ifindex"] == net.ifindex
    assert sum(drop["packets"] for drop in found["tx-no-sa"]) == 1
