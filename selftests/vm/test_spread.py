# SPDX-License-Identifier: GPL-2.0-or-later
"""Bursts that other processors work on leave in the order in which they came.

With the parameter "spread" at 2 every burst is given away, on the debug kernel
with its one processor to a workqueue there.  What else the fast paths must do,
test_batch.py and test_merge.py ask; some of that is asked again here.
"""

import os
import random

import pytest

import test_batch
from lib.bench import until
from lib.pair import Pair, Transfer
from lib.superpacket import Offload, segments, udp
from test_batch import (DEBUG, HERE, PORTS, THERE, Producer, inner_packets, late, made_of,
                        parameter, remove)
from test_merge import Observed, stream


@pytest.fixture(autouse=True)
def fixture_spread():
    cpus = os.sched_getaffinity(0)
    # A sender that moves to another processor has its packets overtake each other.
    os.sched_setaffinity(0, {min(cpus)})
    with parameter("spread", "2", "0"):
        yield
    os.sched_setaffinity(0, cpus)


@pytest.fixture(name="producer")
def fixture_producer(net):
    made = Producer(net)
    yield made
    made.close()


@pytest.mark.parametrize("encap", (PORTS, None))
def test_sending_in_order(net, producer, encap):
    """Super-packets and single ones woven: numbered, and sent, as they came."""
    net.policy()
    sa = net.sa("out", encap=encap)
    rng, sent = random.Random(3), []
    for number in range(40):
        if rng.random() < .5:
            header, packet = made_of("tcp", 4, 1300, rng.randrange(1301, 60000), seq=number << 16)
            sent += segments(header, packet)
            assert producer.give(header, packet)
        else:
            packet = udp(HERE[4], THERE[4], payload=bytes([number] * 20))
            sent.append(packet)
            assert producer.give(Offload(), packet)
    assert inner_packets(sa, net.wire.take(len(sent))) == sent
    assert net.state(sa)["drops"] == {}


def test_too_much_waits(net, producer):
    """What cannot wait is a named drop, and holds up nothing after it."""
    net.policy()
    sa = net.sa("out", encap=PORTS)
    header, packet = made_of("tcp", 4, 100, 60000)
    for _ in range(12):
        assert producer.give(header, packet)
    until(lambda: len(net.wire.drain()) == 0, "silence")
    assert set(net.state(sa)["drops"]) <= {"tx-queue"}
    assert producer.give(header, packet)
    found = net.wire.take(len(segments(header, packet)))
    assert inner_packets(sa, found) == segments(header, packet)


@pytest.mark.skipif(not DEBUG, reason="emulated, the first leave before the last come")
def test_just_too_much_waits(net, producer):
    """What cannot wait is a named drop, and holds up nothing after it.  2048
    packets may wait, and cryptography takes so long that none of them leaves."""
    header, packet = made_of("tcp", 4, 100, 60000)
    parts = segments(header, packet)
    with late(1, 2000):
        net.policy()
        sa = net.sa("out", encap=PORTS)
        with net.drop("tx-queue", len(parts)):
            for _ in range(4):
                assert producer.give(header, packet)
        assert net.state(sa)["drops"] == {"tx-queue": len(parts)}
        until(lambda: net.nl.do("stats-get").get("crypto_pending", 0) == 0, "crypto idle")
        until(lambda: not net.wire.drain(), "silence")
        assert producer.give(header, packet)
        assert inner_packets(sa, net.wire.take(len(parts))) == parts
        net.clear()


@pytest.mark.parametrize("window", (32, 128, 1024))
def test_receiving_in_order(gateway, window):
    """Whatever the window: no packet falls out of it by being overtaken."""
    see = Observed(gateway)
    try:
        sa = see.tunnel(replay_window=window)
        inner = [p for size in (1300, 400, 90) for p in stream(size=size).many(150).packets]
        for _ in range(3):
            see.check([see.seal(sa, p) for p in inner], inner)
        assert see.net.state(sa)["drops"] == {}
    finally:
        see.clear()
        see.close()


def test_bulk():
    """TCP: what one side sends the other takes."""
    pair = Pair(("spread-a", "spread-b"))
    transfer = Transfer(pair)
    transfer.run((16 if DEBUG else 4) << 20, 120)
    transfer.close()
    assert test_batch.packets(pair, 0, "out") == test_batch.packets(pair, 1, "in")
    for side in (0, 1):
        assert not any(r.startswith(("rx-", "tx-")) for r in pair.drops(side))
    pair.close()


def test_late(net, producer):
    with late(3):
        net.policy()
        sa = net.sa("out", encap=PORTS)
        expected = []
        for number in range(5):
            header, packet = made_of("tcp", 4, 1300, 40000, seq=number << 16)
            expected += segments(header, packet)
            assert producer.give(header, packet)
        assert inner_packets(sa, net.wire.take(len(expected))) == expected
        net.clear()


@pytest.mark.parametrize("what", ("sa", "device", "namespace", "module"))
def test_removal(what):
    pair = Pair(("spread-a", "spread-b"))
    transfer = Transfer(pair)
    transfer.run_for(.2)
    remove(pair, transfer, what)
