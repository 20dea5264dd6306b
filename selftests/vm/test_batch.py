# SPDX-License-Identifier: GPL-2.0-or-later
"""Sending in bursts: a super-packet leaves as the ESP packets that hold exactly
what it stands for; and bulk traffic through both fast paths while crypto is
late, memory short, or something is taken away.
"""

import errno
import fcntl
import os
import random
import socket
import struct
import subprocess
import termios
from contextlib import contextmanager

import pytest

from lib.bench import FAR4, FAR6, IN4, IN6, Tap, run, until
from lib.pair import Pair, Transfer
from lib.superpacket import (ACK, CWR, ECE, FIN, PSH, VNET, offload, segments, tcp, udp,
                             unfinished)
from test_merge import Observed, stream

DEBUG = os.environ["GUEST"] == "debug"
PORTS = (4500, 4500)
HERE, THERE = {4: IN4, 6: IN6}, {4: FAR4, 6: FAR6}
PARAMETERS = "/sys/module/cygnet/parameters/"
UDP_SEGMENT = 103
# Packet sockets have no words for a super-packet of UDP until Linux 6.2.
UDP_TOLD = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)


@contextmanager
def parameter(name, value, after="Y"):
    with open(PARAMETERS + name, "w", encoding="ascii") as f:
        f.write(value)
    try:
        yield
    finally:
        with open(PARAMETERS + name, "w", encoding="ascii") as f:
            f.write(after)


def inner_packets(sa, packets, high=0):
    """What is in them, numbers in a row."""
    found, last = [], None
    for packet in packets:
        sequence, _, plain = sa.unseal(packet, high)
        assert last is None or sequence == last + 1
        last = sequence
        pad, kind = plain[-2:]
        assert plain[len(plain) - 2 - pad:-2] == bytes(range(1, pad + 1)) and pad < 4
        inner = plain[:len(plain) - 2 - pad]
        assert kind == {4: 4, 6: 41}[inner[0] >> 4]
        found.append(inner)
    return found


class Producer(Tap):
    """Hands super-packets to cyg0, as nobody whom it need trust."""

    def __init__(self, net):
        super().__init__(net.gw, "cyg0", False, vnet=True)

    def give(self, header, packet):
        """Whether the packet socket takes it."""
        kind = 0x800 if packet[0] >> 4 == 4 else 0x86DD
        try:
            self.sock.sendto(VNET.pack(*header) + packet, ("cyg0", kind))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOBUFS, errno.EMSGSIZE,
                                   errno.ENOMEM):
                raise
            return False
        return True


@pytest.fixture(name="producer")
def fixture_producer(net):
    made = Producer(net)
    yield made
    made.close()


def made_of(protocol, family, size, total, **values):
    """A super-packet and what describes it."""
    make = tcp if protocol == "tcp" else udp
    if family == 4:
        values.setdefault("ident", 65530)
    packet = make(HERE[family], THERE[family], payload=bytes(i * 7 & 255 for i in range(total)),
                  **values)
    return offload(packet, size), unfinished(packet)


# protocol, inner family, segment, all payload, more, outer family, ports, cipher
SUPERS = {
    "tcp4": ("tcp", 4, 1300, 20000, {}, 4, PORTS, "aes128gcm"),
    "tcp6": ("tcp", 6, 1300, 20000, {}, 4, PORTS, "aes256gcm"),
    "tcp4-outer6": ("tcp", 4, 1300, 20000, {}, 6, PORTS, "chacha20poly1305"),
    "tcp4-flags": ("tcp", 4, 500, 1999, {"flags": ACK | PSH | FIN | CWR | ECE}, 4, PORTS,
                   "aes128gcm"),
    "tcp4-no-options": ("tcp", 4, 1301, 14000, {"options": b""}, 4, PORTS, "aes128gcm"),
    "tcp6-options": ("tcp", 6, 1003, 9000, {"options": b"\1" * 40}, 4, PORTS, "aes128gcm"),
    "tcp4-many": ("tcp", 4, 536, 60000, {}, 4, PORTS, "aes128gcm"),
    # Four fill a page without a rest.
    "tcp4-pages": ("tcp", 4, 950, 40000, {"options": b""}, 4, PORTS, "aes128gcm"),
    "tcp4-tiny": ("tcp", 4, 8, 300, {}, 4, PORTS, "aes128gcm"),
    "tcp4-sequence": ("tcp", 4, 1000, 5000, {"seq": 0xFFFFFFFF - 1500}, 4, PORTS, "aes128gcm"),
    "tcp4-exact": ("tcp", 4, 1000, 5000, {"tos": 0xBA}, 4, PORTS, "aes128gcm"),
    "udp4": ("udp", 4, 1200, 20000, {}, 4, PORTS, "aes128gcm"),
    "udp6": ("udp", 6, 1200, 20000, {}, 6, PORTS, "aes128gcm"),
    "udp4-odd": ("udp", 4, 333, 333 * 30 + 1, {}, 4, PORTS, "aes128gcm"),
    "native": ("tcp", 4, 1300, 20000, {}, 4, None, "aes128gcm"),
    "native6": ("udp", 6, 1200, 9000, {}, 6, None, "aes128gcm"),
    "cbc": ("tcp", 4, 1300, 9000, {}, 4, PORTS, "aes128-sha256"),
}


@pytest.mark.parametrize("name", [n for n in SUPERS if UDP_TOLD or SUPERS[n][0] != "udp"])
@pytest.mark.parametrize("whole", (True, False))
def test_super_packet(net, producer, name, whole):
    protocol, family, size, total, more, outer, encap, cipher = SUPERS[name]
    header, packet = made_of(protocol, family, size, total, **more)
    expected = segments(header, packet)
    net.policy()
    sa = net.sa("out", cipher, outer, encap=encap)
    with parameter("batch_send", "Y" if whole else "N"):
        assert producer.give(header, packet)
        sent = net.wire.take(len(expected))
    if cipher == "aes128-sha256":
        found = [sa.unseal(p)[2] for p in sent]
        assert [p[:len(e)] for p, e in zip(found, expected)] == expected
    else:
        assert inner_packets(sa, sent) == expected
    state = net.state(sa)
    assert state["packets"] == len(expected) == state["sequence"]
    assert state["bytes"] == sum(map(len, expected)) and state["drops"] == {}
    assert net.wire.drain() == []


def test_identification(net, producer):
    """Outer packets may be fragmented on their way: each has its own."""
    header, packet = made_of("tcp", 4, 1300, 20000)
    count = len(segments(header, packet))
    net.policy()
    net.sa("out", encap=PORTS)
    for _ in range(2):
        assert producer.give(header, packet)
    assert len({p[4:6] for p in net.wire.take(2 * count)}) == 2 * count


@pytest.mark.parametrize("esn", (True, False))
def test_numbers(net, producer, esn):
    """Across the end of the low half, or up to the end."""
    header, packet = made_of("tcp", 4, 1000, 10000)
    expected = segments(header, packet)
    net.policy()
    sa = net.sa("out", encap=PORTS, esn=esn, sequence=0xFFFFFFFA)
    if esn:
        assert producer.give(header, packet)
        sent = net.wire.take(10)
        assert inner_packets(sa, sent[:5]) + inner_packets(sa, sent[5:], 1) == expected
    else:
        with net.drop("tx-sequence", 5):
            assert producer.give(header, packet)
        assert inner_packets(sa, net.wire.take(5)) == expected[:5]
        assert net.state(sa)["sequence"] == 0xFFFFFFFF


@pytest.mark.parametrize("limit", range(18, 23))
def test_lifetime_in_packets(net, producer, limit):
    """The last packet that may is the last that does, whatever it came in."""
    header, packet = made_of("tcp", 4, 1000, 10000)
    net.policy()
    with net.nl.events() as events:
        sa = net.sa("out", encap=PORTS, lifetime={"soft_packets": 5, "hard_packets": limit})
        for _ in range(3):
            assert producer.give(header, packet)
        events.next("expire-ntf", spi=sa.spi, expiry="soft")
        events.next("expire-ntf", spi=sa.spi, expiry="hard")
    assert inner_packets(sa, net.wire.take(limit)) == (segments(header, packet) * 3)[:limit]
    assert net.wire.drain() == []
    assert net.state(sa)["packets"] == limit


def test_lifetime_in_bytes(net, producer):
    """One by one and in bursts, the same packet is the last."""
    header, packet = made_of("tcp", 4, 1000, 10000)
    expected = segments(header, packet) * 3
    net.policy()
    for limit in (15000, 1052 * 20, 1052 * 20 + 1, 1052 * 20 - 1):
        counts = []
        for value in "YN":
            sa = net.sa("out", encap=PORTS, lifetime={"hard_bytes": limit})
            with parameter("batch_send", value):
                for _ in range(3):
                    assert producer.give(header, packet)
            until(lambda: sum(net.state(sa)["drops"].values()) + net.state(sa)["packets"] == 30,
                  "all counted")
            counts.append(net.state(sa)["packets"])
            found = inner_packets(sa, net.wire.take(counts[-1]))
            assert found == expected[:counts[-1]]
            net.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
        assert counts[0] == counts[1] == -(-limit // 1052)


def test_too_big(net, producer):
    """Segments are measured, not the super-packet."""
    net.policy()
    sa = net.sa("out", encap=PORTS)
    mtu = 1500 - 74
    mtu = int(net.gw.run("ip", "-o", "link", "show", "cyg0").split("mtu ")[1].split()[0])
    for protocol, family, headers in (("tcp", 4, 52), ("tcp", 6, 72), ("udp", 4, 28),
                                      ("udp", 6, 48)):
        if protocol == "udp" and not UDP_TOLD:
            continue
        fits = made_of(protocol, family, mtu - headers, 9000)
        assert producer.give(*fits)
        assert inner_packets(sa, net.wire.take(len(segments(*fits)))) == segments(*fits)
        with net.drop("tx-too-big"):
            producer.give(*made_of(protocol, family, mtu - headers + 1, 9000))
    assert net.wire.drain() == []


def test_outer_super_packets(net, producer):
    """They are what the stack lets super-packets of UDP be."""
    net.policy()
    net.gw.run("ethtool", "-K", "eth0", "tx", "on", "sg", "on", "gso", "on",
               "tx-udp-segmentation", "on", check=False)
    try:
        for size, total in ((1300, 64000), (500, 64000), (100, 9000), (36, 8000)):
            sa = net.sa("out", encap=PORTS)
            header, packet = made_of("tcp", 4, size, total)
            expected = segments(header, packet)
            assert producer.give(header, packet)
            found, outers = [], 0
            while len(found) < len(expected):
                outer, = net.wire.take(1)
                outers += 1
                assert len(outer) <= 65535
                one = 16 + -(-(52 + size + 2) // 4) * 4 + 16
                parts = [outer[at:at + one] for at in range(28, len(outer), one)]
                assert len(parts) <= 64
                found += [outer[:28] + part for part in parts]
            assert inner_packets(sa, found) == expected
            most = min(64, 65507 // one)
            assert outers == -(-len(expected) // most)
            net.nl.do("sa-del", protocol=50, spi=sa.spi, dst=sa.dst)
    finally:
        net.gw.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "tx", "off",
                   "tx-udp-segmentation", "off", check=False)


@pytest.mark.parametrize("family", (4, 6))
def test_socket(net, family):
    """UDP_SEGMENT, and what the socket is charged with comes back."""
    net.policy()
    sa = net.sa("out", encap=PORTS)
    sock = net.gw.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 1000)
    payload = os.urandom(30500)
    for _ in range(20):
        sock.sendto(payload, (THERE[family], 9))
        inner = inner_packets(sa, net.wire.take(31))
        at = 28 if family == 4 else 48
        assert b"".join(p[at:] for p in inner) == payload
    until(lambda: queued(sock) == 0, "an empty send queue")
    sock.close()


def queued(sock):
    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]


def test_random_lies(net, producer):
    """The same with seeded noise."""
    rng = random.Random(5)
    net.policy()
    sa = net.sa("out", encap=PORTS)
    good = [made_of("tcp", 4, 500, 3000), made_of("tcp", 6, 500, 3000),
            made_of("udp", 4, 500, 3000)]
    for _ in range(1000 if DEBUG else 300):
        header, packet = rng.choice(good)
        raw = bytearray(VNET.pack(*header) + packet)
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(0, 80)] = rng.choice((0, 1, 255, rng.randrange(256)))
        if rng.random() < .2:
            del raw[rng.randrange(11, len(raw)):]
        producer.give(VNET.unpack(raw[:10]), bytes(raw[10:]))
        net.wire.drain()
    net.wire.drain()
    assert producer.give(*good[0])
    assert inner_packets(sa, net.wire.take(6)) == segments(*good[0])


# Both fast paths

@pytest.fixture(scope="module", name="pair")
def fixture_pair():
    made = Pair()
    yield made
    made.close()


MEGABYTES = 24 if DEBUG else 6


def packets(pair, side, direction):
    return sum(s["packets"] for s in pair.nl[side].dump("sa-get") if s["direction"] == direction)


def test_bulk(pair):
    """TCP through both; each packet that one sends the other takes."""
    transfer = Transfer(pair)
    before = packets(pair, 0, "out")
    transfer.run(MEGABYTES << 20)
    transfer.close()
    assert packets(pair, 0, "out") - before > (MEGABYTES << 20) // 1400
    assert packets(pair, 0, "out") == packets(pair, 1, "in")
    assert not any(r.startswith("rx-") for r in pair.drops(1))


@contextmanager
def late(every, delay=4, fail=0):
    """Every every-th request is finished later, in any order; or all fail."""
    path = os.path.join(os.path.dirname(os.environ["CYGNET_KO"]), "../..",
                        "late-" + os.uname().release, "late.ko")
    subprocess.check_call(["insmod", os.path.normpath(path), "every=%d" % every,
                           "delay=%d" % delay, "fail=%d" % fail])
    try:
        yield
        with open("/sys/module/late/parameters/postponed", encoding="ascii") as f:
            assert int(f.read()) > 0, "nothing was late"
    finally:
        until(lambda: subprocess.call(["rmmod", "late"], stderr=subprocess.DEVNULL) == 0,
              "the end of late.ko")


def mix(see):
    """Three flows, woven, with payloads of many sizes."""
    sa = see.tunnel(replay_window=4096)
    for size in (1300, 700, 60, 18, 1):
        one = stream(size=size).many(20).packets
        others = stream(6, sport=3, size=size).many(10).packets + \
            stream(sport=4, size=size).many(10).packets
        inner = one[:5] + [p for pair in zip(one[5:], others) for p in pair] + others[15:]
        found, _ = see.burst([see.seal(sa, p) for p in inner], inner)
        assert sorted(found) == sorted(inner)
    assert see.net.state(sa)["drops"] == {}


@pytest.mark.parametrize("every", (1, 2, 5, 0))
def test_late_receiving(gateway, every):
    """Nothing is lost or changed, but for the order."""
    see = Observed(gateway)
    try:
        with late(every):
            try:
                mix(see)
            finally:
                see.clear()
    finally:
        see.close()


@pytest.mark.parametrize("every", (1, 3, 0))
def test_late_sending(net, producer, every):
    with late(every):
        net.policy()
        sa = net.sa("out", encap=PORTS)
        for _ in range(5):
            header, packet = made_of("tcp", 4, 1300, 40000)
            expected = segments(header, packet)
            assert producer.give(header, packet)
            sent = sorted(net.wire.take(len(expected)), key=lambda p: p[32:36])
            assert inner_packets(sa, sent) == expected
        until(lambda: net.nl.do("stats-get").get("crypto_pending", 0) == 0, "crypto idle")
        net.clear()


def remove(pair, transfer, what):
    """One thing of the second side, in the middle of a transfer."""
    nl, ns = pair.nl[1], pair.ns[1]
    if what == "sa":
        for s in nl.dump("sa-get"):
            nl.do("sa-del", protocol=50, spi=s["spi"], dst=s["dst"])
    elif what == "policy":
        nl.do("policy-del", id=1)
    elif what == "device":
        ns.ip("link del cyg0")
    elif what == "down":
        ns.ip("link set cyg0 down")
    transfer.run_for(.1)
    if what == "module":
        for one in pair.nl:
            one.close()
        subprocess.check_call(["rmmod", "cygnet"])
        transfer.run_for(.1)
        assert "nothing left behind" in [line for line in run("dmesg").splitlines()
                                         if "unloaded, " in line][-1]
        subprocess.check_call(["insmod", os.environ["CYGNET_KO"]])
        for side in (0, 1):
            pair.open(side)
    transfer.close()
    pair.close()
    with pair_gone(pair):
        pass


@contextmanager
def pair_gone(pair):
    yield
    until(lambda: not any(name in run("ip", "netns") for name in pair.names),
          "the end of the namespaces")


@pytest.mark.parametrize("what", ("sa", "policy", "down", "device", "namespace", "module"))
def test_removal(what):
    """In the middle of a bulk transfer."""
    for _ in range(2):
        pair = Pair(("bulk-a", "bulk-b"))
        transfer = Transfer(pair)
        transfer.run_for(.2)
        remove(pair, transfer, what)
