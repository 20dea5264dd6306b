# SPDX-License-Identifier: GPL-2.0-or-later
"""Several changes in one: all or none, and no packet lost between the old and the new."""

import errno
import os
import select
import socket
import struct
import threading

import pytest

from lib.bench import FAR4, GW4, IN4, PATIENCE, WIRE4, selector, until
from lib.genl import refused
from lib.pair import PORT, Pair

ESP = 50
REKEYS = 100 if os.environ.get("MATRIX") else 25


def sa(spi, direction="in", **changes):
    src, dst = (WIRE4, GW4) if direction == "in" else (GW4, WIRE4)
    return dict(dict(direction=direction, protocol=ESP, spi=spi, src=src, dst=dst, encr=20,
                     encr_key=bytes(20)), **changes)


def name(spi, direction="in"):
    return dict(protocol=ESP, spi=spi, dst=GW4 if direction == "in" else WIRE4)


def policy(net, **changes):
    return dict(dict(ifindex=net.ifindex, action="protect",
                     selector=[selector("10.1.0.0/24", "10.2.0.0/24")]), **changes)


def everything(net):
    """What there is, without what time alone changes."""
    sas = [{k: v for k, v in s.items() if k not in ("age_ms", "idle_ms")}
           for s in net.nl.dump("sa-get")]
    return sas, net.nl.dump("policy-get"), net.nl.do("stats-get")["sas"]


class TestTransaction:
    """One gateway."""

    def test_a_policy_and_its_sas(self, net):
        """An SA that names no policy belongs to the one set in front of it."""
        ids = net.nl.transaction(
            ("policy-set", policy(net)), ("sa-new", sa(0x1001)), ("sa-new", sa(0x2001, "out")),
            ("policy-set", policy(net, id=77, priority=5)), ("sa-new", sa(0x1002)))
        assert ids[1] == 77 and len(ids) == 2
        found = {s["spi"]: s["policy"] for s in net.nl.dump("sa-get")}
        assert found == {0x1001: ids[0], 0x2001: ids[0], 0x1002: 77}
        assert net.nl.do("policy-get", id=ids[0])["spi"] == 0x2001

    def test_order(self, net):
        """What is deleted goes last, whatever comes first in the message."""
        net.nl.transaction(("policy-set", policy(net, id=1)), ("sa-new", sa(0x1001)),
                           ("sa-new", sa(0x2001, "out")))
        with net.nl.events() as events:
            net.nl.transaction(
                ("sa-del", name(0x2001, "out")), ("sa-del", name(0x1001)),
                ("sa-new", sa(0x2002, "out", policy=1)), ("sa-new", sa(0x1002, policy=1)))
            seen = [(what, values["spi"]) for what, values in events.drain()]
        assert seen == [("sa-new-ntf", 0x2002), ("sa-new-ntf", 0x1002),
                        ("sa-del-ntf", 0x2001), ("sa-del-ntf", 0x1001)]
        assert net.nl.do("policy-get", id=1)["spi"] == 0x2002

    def test_replace_a_policy(self, net):
        net.nl.transaction(("policy-set", policy(net, id=1)), ("sa-new", sa(0x1001)))
        net.nl.transaction(("policy-del", dict(id=1)), ("policy-set", policy(net, id=2)),
                           ("sa-new", sa(0x1002)), ("sa-del", name(0x1001)))
        assert [p["id"] for p in net.nl.dump("policy-get")] == [2]
        assert [s["spi"] for s in net.nl.dump("sa-get")] == [0x1002]

    @pytest.mark.parametrize("code,bad", (
        (errno.EINVAL, ("sa-new", sa(255))),
        (errno.EEXIST, ("sa-new", sa(0x1001, policy=1))),
        (errno.EEXIST, ("sa-new", sa(0x1002, policy=1))),
        (errno.ENOENT, ("sa-new", sa(0x1003, policy=9))),
        (errno.EINVAL, ("sa-new", sa(0x1003, policy=1, mode="transport"))),
        (errno.ENOENT, ("sa-del", name(0x1003))),
        (errno.EINVAL, ("sa-del", name(0x1002))),
        (errno.EINVAL, ("sa-del", dict(protocol=ESP, dst=GW4))),
        (errno.EINVAL, ("sa-set", dict(name(0x1001), new_dst="fd01::1"))),
        (errno.EINVAL, ("sa-set", dict(name(0x1001), encap_dport=4500))),
        (errno.ENOENT, ("policy-del", dict(id=9))),
        (errno.EINVAL, ("policy-del", dict(id=2))),
        (errno.EINVAL, ("policy-del", {})),
        (errno.ENODEV, ("policy-set", dict(ifindex=9999, action="protect",
                                           selector=[selector("10.1.0.0/24", "10.2.0.0/24")]))),
    ), ids=("spi-255", "taken", "twice", "no-policy", "wrong-mode", "no-sa", "new-and-del",
            "no-name", "family", "encapsulate", "no-such-policy", "set-and-del", "no-id",
            "no-device"))
    @pytest.mark.parametrize("last", (True, False))
    def test_all_or_nothing(self, net, code, bad, last):
        """One bad operation, first or last: nothing changes, and it is the one named."""
        net.nl.transaction(("policy-set", policy(net, id=1)), ("sa-new", sa(0x1001)),
                           ("sa-new", sa(0x2001, "out")))
        net.nl.do("sa-alloc-spi", protocol=ESP, dst=GW4, spi_min=0x5000, spi_max=0x5000)
        before = everything(net)
        good = [("policy-set", policy(net, id=2, priority=9)), ("sa-new", sa(0x1002)),
                ("sa-new", sa(0x2002, "out", policy=1)), ("sa-del", name(0x5000)),
                ("sa-del", name(0x2001, "out"))]
        operations = good + [bad] if last else [bad] + good
        start = 20
        for operation in operations[:operations.index(bad)]:
            start += len(net.nl.spec.encode("transaction", {operation[0]: [operation[1]]}))
        with net.nl.events() as events:
            refusal = refused(code, net.nl.transaction, *operations)
            assert events.drain() == []
        end = start + len(net.nl.spec.encode("transaction", {bad[0]: [bad[1]]}))
        if "twice" in (refusal.message or "") or (code == errno.EEXIST and not last):
            # Which of the two is one too many is a matter of taste.
            assert refusal.offset is not None
        elif refusal.missing is None:
            assert start <= refusal.offset < end, refusal.message
        until(lambda: everything(net) == before, "the state before")
        # The reservation is still there.
        net.nl.do("sa-del", **name(0x5000))

    def test_at_most(self, net):
        operations = [("policy-set", policy(net, id=i + 1)) for i in range(257)]
        refused(errno.E2BIG, net.nl.transaction, *operations)
        assert net.nl.dump("policy-get") == []
        assert net.nl.transaction(*operations[:256]) == list(range(1, 257))
        net.nl.transaction(*[("policy-del", dict(id=i + 1)) for i in range(256)])
        assert net.nl.dump("policy-get") == []
        refused(errno.EINVAL, net.nl.transaction)

    def test_move(self, net):
        """Field by field, and packets follow."""
        net.policy()
        encap = dict(encap_sport=4500, encap_dport=4501)
        net.nl.do("sa-new", **sa(0x2001, "out", policy=1, **encap))
        with net.nl.events() as events:
            net.nl.do("sa-set", encap_dport=4600, **name(0x2001, "out"))
            moved = events.next("sa-set-ntf", spi=0x2001)
        assert (moved["dst"], moved["encap_sport"], moved["encap_dport"]) == (WIRE4, 4500, 4600)
        net.outer.ip("address add 192.0.2.99/32 dev w0")
        net.gw.ip("neigh add 192.0.2.99 lladdr 02:00:00:00:00:02 dev eth0 nud permanent")
        net.transmit([packet()])
        assert net.wire.take(1)[0][16:24] == socket.inet_aton(WIRE4) + struct.pack(
            ">HH", 4500, 4600)
        net.nl.do("sa-set", new_dst="192.0.2.99", **name(0x2001, "out"))
        net.transmit([packet()])
        assert net.wire.take(1)[0][16:24] == socket.inet_aton("192.0.2.99") + struct.pack(
            ">HH", 4500, 4600)
        refused(errno.ENOENT, net.nl.do, "sa-get", **name(0x2001, "out"))
        assert net.nl.do("sa-get", protocol=ESP, spi=0x2001, dst="192.0.2.99")["packets"] == 2


def packet():
    """UDP from the inner network to the far one, without a checksum."""
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0, socket.inet_aton(IN4),
                         socket.inet_aton(FAR4))
    return header + struct.pack(">HHHH", 1000, 1000, 12, 0) + bytes(4)


class Flow(threading.Thread):
    """Datagrams from one side to the other, numbered, a few on their way at a time."""

    WINDOW = 64

    def __init__(self, pair, side):
        super().__init__()
        self.source = pair.ns[side].socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink = pair.ns[1 - side].socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind((pair.end(1 - side)[1], 0))
        self.source.bind((pair.end(side)[1], 0))
        self.source.connect(self.sink.getsockname())
        self.sink.setblocking(False)
        self.stop = False
        self.sent = 0
        self.got = set()
        self.stuck = None

    def receive(self, patience):
        if not select.select([self.sink], [], [], patience)[0]:
            return False
        self.got.add(struct.unpack(">I", self.sink.recv(2000)[:4])[0])
        return True

    def run(self):
        while not self.stuck and (not self.stop or len(self.got) < self.sent):
            full = self.stop or self.sent - len(self.got) >= self.WINDOW
            if not full:
                self.source.send(struct.pack(">I", self.sent) + bytes(1000))
                self.sent += 1
            while self.receive(0):
                full = False
            if full and not self.receive(PATIENCE):
                self.stuck = sorted(set(range(self.sent)) - self.got)

    def close(self):
        self.source.close()
        self.sink.close()


class Rekeyed(Pair):
    """Both sides change their SAs as IKE has them do it."""

    def __init__(self, encapsulated):
        self.ports = dict(encap_sport=PORT, encap_dport=PORT) if encapsulated else {}
        self.generation = 0
        super().__init__()

    def sa_of(self, sender, direction):
        """What sender sends with, as either side knows it."""
        spi = 0x10000 + 2 * self.generation + sender
        return dict(direction=direction, protocol=ESP, spi=spi, src=self.end(sender)[0],
                    dst=self.end(1 - sender)[0], mode="tunnel", policy=1, encr=20,
                    encr_key=struct.pack(">I", spi) * 5, **self.ports)

    def sa(self, side, direction, src, dst):
        sender = side if direction == "out" else 1 - side
        self.nl[side].do("sa-new", **self.sa_of(sender, direction))

    def rekey(self, flows):
        old = [self.sa_of(sender, "in") for sender in (0, 1)]
        old = [("sa-del", {k: s[k] for k in ("protocol", "spi", "dst")}) for s in old]
        self.generation += 1
        self.nl[0].transaction(("sa-new", self.sa_of(1, "in")))
        self.nl[1].transaction(("sa-new", self.sa_of(1, "out")), ("sa-new", self.sa_of(0, "in")))
        self.nl[0].transaction(("sa-new", self.sa_of(0, "out")))
        # What was sent with the old ones arrives before they are deleted.
        for flow in flows:
            mark = flow.sent
            until(lambda f=flow, m=mark: f.stuck or len(f.got) > m, "packets")
        self.nl[0].transaction(*old)
        self.nl[1].transaction(*old)


@pytest.mark.parametrize("encapsulated", (False, True), ids=("native", "udp"))
def test_rekey(encapsulated):
    """Traffic both ways, as fast as it goes: none is lost."""
    pair = Rekeyed(encapsulated)
    flows = [Flow(pair, side) for side in (0, 1)]
    try:
        for flow in flows:
            flow.start()
        for _ in range(REKEYS):
            pair.rekey(flows)
            assert not any(flow.stuck for flow in flows), "lost: %r" % [f.stuck for f in flows]
        for flow in flows:
            flow.stop = True
            flow.join()
        assert [flow.stuck for flow in flows] == [None, None]
        assert [pair.drops(side) for side in (0, 1)] == [{}, {}]
        assert all(flow.sent > 4 * REKEYS for flow in flows), [flow.sent for flow in flows]
        print("%d rekeys, %r packets" % (REKEYS, [flow.sent for flow in flows]))
    finally:
        for flow in flows:
            flow.stop = True
            flow.join()
            flow.close()
        pair.close()
