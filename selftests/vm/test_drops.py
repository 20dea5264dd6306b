# SPDX-License-Identifier: GPL-2.0-or-later
"""Reasons of drops that belong to no other file's subject.

Each is provoked, and its counter is the only one that changes.  On the debug
kernel, since no other fails allocations when it is asked to.
"""

import json
import socket
from contextlib import contextmanager

import pytest

from lib.bench import FAR4, FAR6, IN4, IN6, WIRE4, run, seen, until
from lib.espref import Esp, udp
from lib.faults import failing
from lib.nfqueue import Queue
from test_batch import DEBUG, PORTS, Producer, late, made_of

SO_SNDBUFFORCE = 32
families = pytest.mark.parametrize("family", (4, 6))
pytestmark = pytest.mark.skipif(not DEBUG, reason="the debug kernel's part")
INNER = {4: (IN4, FAR4), 6: (IN6, FAR6)}
NOBODY = {4: "10.1.0.77", 6: "fd01::77"}    # who would answer with ICMP


def inbound(family=4, size=40):
    return udp(INNER[family][1], NOBODY[family], 2, 1, bytes(size))


def outbound(family=4, size=40):
    near, far = INNER[family]
    return udp(near, far, 1, 2, bytes(size))


def give(net, packet):
    """Straight to the device, with nothing that the stack would need for it."""
    net.inside.sock.sendto(packet, ("cyg0", 0x800 if packet[0] >> 4 == 4 else 0x86DD))


def only(net, sa, reason, count):
    """All that sa has ever counted."""
    assert net.state(sa)["drops"] == {reason: count}


@families
def test_checksum(net, family):
    """UDP's may be zero, but not wrong."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", family=family, encap=PORTS)
    good = udp(sa.src, sa.dst, *PORTS, sa.seal(inbound(), 1)[sa.headers:])
    bad = bytearray(good)
    bad[(20 if family == 4 else 40) + 6] ^= 1
    with net.drop("rx-checksum"):
        net.wire.send([bytes(bad)])
    assert seen(net.state(sa)) == 0
    assert len(net.feed(sa, [good])[1]) == 1


def test_conntrack(net):
    """Two connections in the making that NAT gave the same reply: the first to
    be confirmed has it."""
    net.policy()
    net.nl.do("port-add", port=4500)
    sa = net.sa("in", encap=PORTS)
    others = [Esp(spi=sa.spi, encap=(port, 4500), key=sa.key) for port in (1001, 1002)]
    net.gw.run("nft", "-f", "-", input="""
        table ip same {
            chain nat {
                type nat hook input priority 100
                udp dport 4500 snat to %s:7777
            }
            chain hold {
                type filter hook input priority 200
                udp dport 4500 queue num 5
            }
        }""" % WIRE4)
    queue = Queue(net.gw, 5)
    try:
        net.wire.send([other.seal(inbound(), i + 1) for i, other in enumerate(others)])
        first, second = queue.take(), queue.take()
        queue.accept(first)
        until(lambda: net.state(sa)["packets"] == 1, "the first")
        with net.drop("rx-conntrack"):
            queue.accept(second)
        assert seen(net.state(sa)) == 1
    finally:
        queue.close()
        net.gw.run("nft", "delete", "table", "ip", "same")


@contextmanager
def core(**values):
    """net.core.name=value for a while."""
    before = {name: run("sysctl", "-n", "net.core." + name).strip() for name in values}

    def write(to):
        for name, value in to.items():
            run("sysctl", "-qw", "net.core.%s=%s" % (name, value))
    write(values)
    try:
        yield
    finally:
        write(before)


def test_rx_queue(net):
    """A thousand may wait for the poll.  The wire holds back what is sent until
    it is told otherwise and reminded by one packet more."""
    def slots(command, length):
        net.outer.run("tc", "qdisc", command, "dev", "w0", "root", "netem", "limit", "5000",
                      "slot", length, length, "packets", "5000")
    net.policy()
    sa = net.sa("in", replay_window=4096)
    net.wire.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20)
    first, *packets, last = [sa.seal(inbound(), i) for i in range(1, 1203)]
    with core(dev_weight=5000, netdev_max_backlog=5000):
        net.feed(sa, [first])   # a poll takes what the one before was told
        slots("add", "1000s")
        try:
            net.wire.send(packets)
            slots("change", "1ms")
            with net.drop("rx-queue", len(packets) - 1000):
                net.wire.send([last])
            until(lambda: net.state(sa)["packets"] == 1002, "the others")
        finally:
            net.outer.run("tc", "qdisc", "del", "dev", "w0", "root")
    only(net, sa, "rx-queue", len(packets) - 1000)


def test_malformed(net):
    """A packet socket hands over what it likes."""
    net.policy()
    net.sa("out")
    good4, good6 = outbound(4), outbound(6)
    bad = [b"\x45", bytes(20), b"\x55" + good4[1:], b"\x44" + good4[1:], good4[:-1], good6[:-1],
           good4[:2] + b"\x00\x13" + good4[4:]]
    with net.drop("tx-malformed", len(bad)):
        for packet in bad:
            give(net, packet)
    assert net.drops(net.ifindex)["tx-malformed"] >= len(bad)
    assert net.wire.drain() == []


def test_loop(net):
    """To where the peer is it is not far: through the same tunnel."""
    net.policy()
    sa = net.sa("out")
    give(net, outbound())
    sa.open(net.wire.take(1)[0])
    net.gw.ip("route add %s/32 dev cyg0" % WIRE4)
    try:
        with net.drop("tx-loop", 2):
            give(net, outbound())
            give(net, outbound(6))
        only(net, sa, "tx-loop", 2)
        assert net.wire.drain() == []
    finally:
        net.gw.ip("route del %s/32 dev cyg0" % WIRE4)


def test_crypto(net):
    """The crypto API fails at once and later, for single packets and bursts."""
    producer = Producer(net)
    try:
        with late(2, fail=1):
            net.policy()
            net.nl.do("port-add", port=4500)
            sa_in, sa_out = net.sa("in", encap=PORTS), net.sa("out", encap=PORTS)
            with net.drop("rx-crypto", 20):
                net.wire.send([sa_in.seal(inbound(), i) for i in range(1, 21)])
            only(net, sa_in, "rx-crypto", 20)
            with net.drop("tx-crypto", 30):
                for _ in range(20):
                    give(net, outbound())
                assert producer.give(*made_of("tcp", 4, 500, 5000))
            only(net, sa_out, "tx-crypto", 30)
            assert net.state(sa_in)["packets"] == 0 and net.wire.drain() == []
            until(lambda: net.nl.do("stats-get").get("crypto_pending", 0) == 0, "crypto idle")
            net.clear()
    finally:
        producer.close()


SAS = ("aes128gcm", "aes128-sha256", "ah")


def make_sa(net, direction, name):
    net.policy(protocol=51 if name == "ah" else 50)
    return net.ah(direction) if name == "ah" else net.sa(direction, name)


@pytest.mark.parametrize("name", SAS)
def test_tx_memory(net, name):
    sa = make_sa(net, "out", name)
    with net.drop("tx-memory", 20):
        with failing(kinds=("failslab",)):
            for _ in range(20):
                give(net, outbound())
    only(net, sa, "tx-memory", 20)
    assert net.wire.drain() == []
    give(net, outbound())
    assert len(net.wire.take(1)) == 1


def arrived(net):
    """Packets that came out of the device."""
    return json.loads(net.gw.run("ip", "-s", "-j", "link", "show", "cyg0"))[0]["stats64"]["rx"]


@pytest.mark.parametrize("name", SAS)
def test_rx_memory(net, name):
    """Some memory has been put by, so that some get through."""
    sa = make_sa(net, "in", name)
    packets = [sa.seal(inbound(size=i), i) for i in range(1, 201)]
    before, drops = arrived(net), net.drops()
    with failing(kinds=("failslab",)):
        net.wire.send(packets)
    until(lambda: seen(net.state(sa)) >= len(packets), "all")
    lost = len(packets) - arrived(net)["packets"] + before["packets"]
    assert lost > 100
    only(net, sa, "rx-memory", lost)
    assert net.drops() == {**drops, "rx-memory": drops.get("rx-memory", 0) + lost}
    net.inside.drain()
    assert len(net.feed(sa, [sa.seal(inbound(), 201)])[1]) == 1
