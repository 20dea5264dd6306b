# SPDX-License-Identifier: GPL-2.0-or-later
"""The netlink family: what it takes, what it refuses and how, what it says."""

import errno
import os
import socket
import time

import pytest

from lib.bench import FAR4, GW4, GW6, IN4, WIRE4, WIRE6, exists, libc, run, selector, until
from lib.espref import udp
from lib.genl import NLM_F_DUMP, Genl, Refused, refused, spec

ESP = 50
KEY = bytes(range(100, 120))


def sa(**changes):
    """A good SA, with changes; None takes an attribute away."""
    values = dict(direction="in", protocol=ESP, spi=0x1001, src=WIRE4, dst=GW4, mode="tunnel",
                  policy=1, encr=20, encr_key=KEY)
    values.update(changes)
    return values


def pair(**changes):
    values = selector("10.1.0.0/24", "10.2.0.0/24")
    values.update(changes)
    return values


class TestSaNew:
    """Adding an SA."""

    @pytest.fixture(autouse=True)
    def policy(self, net):
        net.policy()

    @pytest.mark.parametrize("spi", (0, 1, 255))
    def test_reserved_spi(self, net, spi):
        refused(errno.EINVAL, net.nl.do, "sa-new", **sa(spi=spi))
        assert net.nl.dump("sa-get") == []

    def test_lowest_and_highest_spi(self, net):
        for spi in (256, 0xFFFFFFFF):
            net.nl.do("sa-new", **sa(spi=spi))
        assert sorted(s["spi"] for s in net.nl.dump("sa-get")) == [256, 0xFFFFFFFF]

    def test_twice(self, net):
        net.nl.do("sa-new", **sa())
        refused(errno.EEXIST, net.nl.do, "sa-new", **sa())
        assert len(net.nl.dump("sa-get")) == 1

    @pytest.mark.parametrize("family", (4, 6))
    def test_spi_of_xfrm(self, net, family):
        """An inbound SPI that kernel xfrm holds is not taken from it."""
        far, near = (WIRE4, GW4) if family == 4 else (WIRE6, GW6)
        net.gw.ip("xfrm state add src %s dst %s proto esp spi 0x1001 mode tunnel "
                  "aead rfc4106(gcm(aes)) 0x%s 128" % (far, near, KEY.hex()))
        try:
            refused(errno.EEXIST, net.nl.do, "sa-new", **sa(src=far, dst=near))
            refused(errno.ENOSPC, net.nl.do, "sa-alloc-spi", protocol=ESP, dst=near,
                    spi_min=0x1001, spi_max=0x1001)
        finally:
            net.gw.ip("xfrm state flush")
        net.nl.do("sa-new", **sa(src=far, dst=near))

    @pytest.mark.parametrize("encr,good", ((20, (20, 28, 36)), (28, (36,))))
    def test_key_lengths(self, net, encr, good):
        for length in range(65):
            if length in good:
                net.nl.do("sa-new", **sa(encr=encr, encr_key=bytes(length)))
                net.nl.do("sa-del", protocol=ESP, spi=0x1001, dst=GW4)
            else:
                refused(errno.EINVAL, net.nl.do, "sa-new",
                        **sa(encr=encr, encr_key=bytes(length)))

    @pytest.mark.parametrize("encr", (0, 1, 2, 3, 4, 7, 9, 10, 17, 22, 23, 255, 65535))
    def test_algorithms_that_are_not_there(self, net, encr):
        with pytest.raises(Refused) as refusal:
            net.nl.do("sa-new", **sa(encr=encr))
        assert refusal.value.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT)
        assert refusal.value.message

    @pytest.mark.parametrize("name", ("direction", "spi", "src", "dst", "policy", "encr",
                                      "encr_key"))
    def test_missing(self, net, name):
        refused(errno.EINVAL, net.nl.do, "sa-new", **sa(**{name: None}))

    @pytest.mark.parametrize("changes", (
        dict(src=b""), dict(src=b"123"), dict(src=b"12345"), dict(dst=bytes(15)),
        dict(dst=bytes(17)), dict(src=WIRE6), dict(dst=GW6), dict(dst="0.0.0.0"),
        dict(dst="224.0.0.1"), dict(dst="255.255.255.255"), dict(src=WIRE6, dst="::"),
        dict(src=WIRE6, dst="ff02::1"),
        dict(encap_sport=4500), dict(encap_dport=4500), dict(encap_sport=0, encap_dport=4500),
        dict(integ=12), dict(integ_key=bytes(32)),
        dict(direction="out", src=GW4, dst=WIRE4, replay_window=64),
    ), ids=str)
    def test_makes_no_sense(self, net, changes):
        refused(errno.EINVAL, net.nl.do, "sa-new", **sa(**changes))
        assert net.nl.dump("sa-get") == []

    def test_sequence_range(self, net):
        """Numbers beyond 32 bits are for ESN."""
        for direction in ("in", "out"):
            for sequence in (1 << 32, (1 << 64) - 1):
                refused(errno.EINVAL, net.nl.do, "sa-new",
                        **sa(direction=direction, sequence=sequence))
        net.nl.do("sa-new", **sa(sequence=1 << 32, esn=True))

    def test_only_what_is_there(self, net):
        refused(errno.EINVAL, net.nl.do, "sa-new", **sa(mode="transport"))
        for protocol in (17, 0):
            refused(errno.EINVAL, net.nl.do, "sa-new", **sa(protocol=protocol))
        refused(errno.ENOENT, net.nl.do, "sa-new", **sa(policy=2))

    @pytest.mark.parametrize("window", (0, 1, 31, 4097, 1 << 31, (1 << 32) - 1))
    def test_window_range(self, net, window):
        refused(errno.ERANGE, net.nl.do, "sa-new", **sa(replay_window=window))

    def test_no_sa_below_a_discard_policy(self, net):
        net.policy(2, action="discard", local="10.9.0.0/24", remote="10.8.0.0/24")
        with pytest.raises(Refused) as refusal:
            net.nl.do("sa-new", **sa(policy=2))
        assert refusal.value.message

    def test_comes_back_as_given(self, net):
        given = dict(esn=True, replay_window=4096, encap_sport=1111, encap_dport=4500,
                     sequence=77 << 32, lifetime=dict(
                         soft_seconds=3000, hard_seconds=3600, soft_packets=1 << 40,
                         hard_packets=1 << 41, soft_bytes=1 << 50, hard_bytes=1 << 51))
        net.nl.do("sa-new", **sa(**given))
        got = net.nl.do("sa-get", protocol=ESP, spi=0x1001, dst=GW4)
        age, idle = got.pop("age_ms"), got.pop("idle_ms")
        assert 0 <= idle <= age < 60000
        want = dict(sa(**given), packets=0, bytes=0, encr_key_bits=128)
        del want["encr_key"]
        assert got == want
        got = net.nl.dump("sa-get")
        assert len(got) == 1 and want.items() <= got[0].items()

    def test_defaults(self, net):
        net.nl.do("sa-new", **sa(mode=None))
        got = net.nl.do("sa-get", protocol=ESP, spi=0x1001, dst=GW4)
        assert got["replay_window"] == 1024 and got["mode"] == "tunnel"
        assert "esn" not in got and got["sequence"] == 0

    def test_keys_stay_inside(self, net):
        """No reply, dump or event has the key or the salt."""
        def leaks(data):
            return any(KEY[i:i + 4] in data for i in range(len(KEY) - 3))

        with net.nl.events() as events:
            net.nl.do("sa-new", **sa())
            net.nl.do("sa-new", **sa(direction="out", src=GW4, dst=WIRE4, spi=0x2001))
            op = net.nl.spec.ops["sa-get"]["value"]
            for reply in net.nl.request(net.nl.family, op, b"", NLM_F_DUMP):
                assert not leaks(reply)
            one = spec().encode("sa", dict(protocol=ESP, spi=0x1001, dst=GW4))
            assert not any(map(leaks, net.nl.request(net.nl.family, op, one)))
            net.nl.do("sa-del", protocol=ESP, spi=0x1001, dst=GW4)
            net.nl.do("policy-del", id=1)
            seen = []
            while not seen or b"\x00\x00\x20\x01" not in seen[-1] or len(seen) < 4:
                events.sock.settimeout(30)
                seen.append(events.sock.recv(1 << 16))
                assert not leaks(seen[-1])
        # And the refusal of a key does not repeat it.
        net.policy()
        refusal = refused(errno.EINVAL, net.nl.do, "sa-new", **sa(encr_key=KEY[:19]))
        assert KEY.hex()[:8] not in refusal.message and not leaks(refusal.message.encode())

    def test_many(self, net):
        """A dump that fills many messages, and every SA is found."""
        spis = [0x10000 + 7 * i for i in range(1000)]
        for spi in spis:
            net.nl.do("sa-new", **sa(spi=spi))
        assert [s["spi"] for s in net.nl.dump("sa-get")] == spis
        assert net.nl.do("stats-get")["sas"] == 1000
        for spi in spis[::100]:
            assert net.nl.do("sa-get", protocol=ESP, spi=spi, dst=GW4)["spi"] == spi
        net.nl.do("policy-del", id=1)
        assert net.nl.dump("sa-get") == []
        until(lambda: net.nl.do("stats-get")["sas"] == 0, "SAs freed")


class TestSaDelete:
    """Taking one away."""

    def test_unknown(self, net):
        refused(errno.ENOENT, net.nl.do, "sa-del", protocol=ESP, spi=0x1001, dst=GW4)
        refused(errno.ENOENT, net.nl.do, "sa-get", protocol=ESP, spi=0x1001, dst=GW4)

    def test_only_the_right_one(self, net):
        net.policy()
        net.nl.do("sa-new", **sa())
        refused(errno.ENOENT, net.nl.do, "sa-del", protocol=ESP, spi=0x1001, dst=WIRE4)
        refused(errno.ENOENT, net.nl.do, "sa-del", protocol=ESP, spi=0x1002, dst=GW4)
        refused(errno.ENOENT, net.nl.do, "sa-del", protocol=51, spi=0x1001, dst=GW4)
        with net.nl.events() as events:
            net.nl.do("sa-del", protocol=ESP, spi=0x1001, dst=GW4)
            assert events.next("sa-del-ntf")["spi"] == 0x1001
        refused(errno.ENOENT, net.nl.do, "sa-del", protocol=ESP, spi=0x1001, dst=GW4)

    def test_other_namespace(self, net):
        """SAs, policies and ports of one namespace are not seen in another."""
        net.policy()
        net.nl.do("sa-new", **sa())
        net.nl.do("port-add", port=4500)
        with net.outer:
            other = Genl()
        with other:
            assert other.dump("sa-get") == other.dump("policy-get") == other.dump("port-get") == []
            refused(errno.ENOENT, other.do, "sa-del", protocol=ESP, spi=0x1001, dst=GW4)
            refused(errno.ENOENT, other.do, "policy-del", id=1)
            with pytest.raises(Refused):
                other.do("policy-set", id=9, ifindex=net.ifindex, action="protect",
                         selector=[pair()])


class TestAllocSpi:
    def test_random_and_free(self, net):
        spis = {net.nl.do("sa-alloc-spi", protocol=ESP, dst=GW4)["spi"] for _ in range(50)}
        assert len(spis) == 50 and min(spis) >= 256
        # What one range has is given out once.
        few = {net.nl.do("sa-alloc-spi", protocol=ESP, dst=GW4, spi_min=5000,
                         spi_max=5007)["spi"] for _ in range(8)}
        assert few == set(range(5000, 5008))
        refused(errno.ENOSPC, net.nl.do, "sa-alloc-spi", protocol=ESP, dst=GW4, spi_min=5000,
                spi_max=5007)
        net.nl.do("sa-del", protocol=ESP, spi=5003, dst=GW4)
        assert net.nl.do("sa-alloc-spi", protocol=ESP, dst=GW4, spi_min=5000,
                         spi_max=5007)["spi"] == 5003
        # And an SA takes its reservation up.
        net.policy()
        net.nl.do("sa-new", **sa(spi=5003))
        net.nl.do("sa-del", protocol=ESP, spi=5003, dst=GW4)
        assert not exists(net.nl.do, "sa-del", protocol=ESP, spi=5003, dst=GW4)
        for spi in spis | few - {5003}:
            net.nl.do("sa-del", protocol=ESP, spi=spi, dst=GW4)

    @pytest.mark.parametrize("low,high", ((0, 500), (255, 256), (600, 599)))
    def test_bad_range(self, net, low, high):
        refused(errno.EINVAL, net.nl.do, "sa-alloc-spi", protocol=ESP, dst=GW4, spi_min=low,
                spi_max=high)


class TestPolicy:
    def test_comes_back_as_given(self, net):
        given = dict(id=7, ifindex=net.ifindex, name="office", priority=9, action="protect",
                     protocol=ESP, mode="tunnel", selector=[
                         pair(), selector("fd01::/64", "fd02::/64", protocol=17,
                                          local_port_first=1, local_port_last=2,
                                          remote_port_first=3, remote_port_last=65535)],
                     df="copy")
        assert net.nl.do("policy-set", **given)["id"] == 7
        for got in (net.nl.do("policy-get", id=7), *net.nl.dump("policy-get")):
            pairs = got.pop("selector")
            want = dict(given)
            for g, w in zip(pairs, want.pop("selector")):
                assert w.items() <= g.items()
            assert got == want

    def test_id_chosen(self, net):
        ids = {net.nl.do("policy-set", ifindex=net.ifindex, action="discard",
                         selector=[pair()])["id"] for _ in range(3)}
        assert len(ids) == 3 and 0 not in ids
        refused(errno.ERANGE, net.nl.do, "policy-set", id=0, ifindex=net.ifindex,
                action="discard", selector=[pair()])

    @pytest.mark.parametrize("changes", (
        dict(ifindex=None), dict(selector=[]), dict(protocol=17),
        dict(selector=[pair(local_first=None)]), dict(selector=[pair(remote_last=None)]),
        dict(selector=[pair(local_first="10.1.0.9", local_last="10.1.0.8")]),
        dict(selector=[pair(local_first="fd01::")]), dict(selector=[pair(local_first=b"123")]),
        dict(selector=[pair(local_first=b"", local_last=b"", remote_first=b"",
                            remote_last=b"")]),
        dict(selector=[pair(local_port_first=9, local_port_last=8)]),
        dict(selector=[pair(protocol=17, remote_port_first=9, remote_port_last=8)]),
        dict(selector=[pair()] * 64 + [pair()]),
    ), ids=lambda c: next(iter(c)))
    def test_makes_no_sense(self, net, changes):
        good = dict(id=3, ifindex=net.ifindex, action="protect", mode="tunnel", selector=[pair()])
        with pytest.raises(Refused) as refusal:
            net.nl.do("policy-set", **dict(good, **changes))
        assert refusal.value.errno in (errno.EINVAL, errno.E2BIG, errno.ENODEV, errno.EOPNOTSUPP,
                                       errno.ERANGE, errno.EPROTONOSUPPORT)
        assert refusal.value.message or refusal.value.missing
        assert net.nl.dump("policy-get") == []

    def test_most_selectors(self, net):
        pairs = [selector("10.1.%d.0/24" % i, "10.2.%d.0/24" % i) for i in range(64)]
        net.nl.do("policy-set", id=3, ifindex=net.ifindex, action="protect", selector=pairs)
        assert len(net.nl.do("policy-get", id=3)["selector"]) == 64

    def test_foreign_device(self, net):
        with net.gw:
            eth0 = socket.if_nametoindex("eth0")
        for index in (eth0, 1, 4711):
            with pytest.raises(Refused) as refusal:
                net.nl.do("policy-set", id=3, ifindex=index, action="protect", selector=[pair()])
            assert refusal.value.errno in (errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP)
            assert refusal.value.message

    def test_replace_keeps_sas(self, net):
        net.policy()
        one = net.sa("out")
        net.policy(local="10.1.0.0/24", remote="10.2.0.0/24")
        net.transmit([udp(IN4, FAR4, 1, 2, b"x")])
        assert one.open(net.wire.take(1)[0]).seq == 1
        # What the SAs stand on cannot be pulled from under them.
        net.gw.ip("link add cyg1 type cygnet")
        try:
            with net.gw:
                other = socket.if_nametoindex("cyg1")
            for change in (dict(ifindex=other), dict(protocol=51), dict(mode="transport")):
                with pytest.raises(Refused) as refusal:
                    net.nl.do("policy-set", **dict(dict(id=1, ifindex=net.ifindex,
                                                        action="protect", mode="tunnel",
                                                        selector=[pair()]), **change))
                assert refusal.value.message
        finally:
            net.gw.ip("link del cyg1")
        assert len(net.nl.dump("sa-get")) == 1

    def test_delete_takes_sas(self, net):
        net.policy()
        net.nl.do("sa-new", **sa())
        with net.nl.events() as events:
            net.nl.do("policy-del", id=1)
            names = {}
            while len(names) < 2:
                until(lambda: names.update(events.drain()) or names, "events")
            assert names["sa-del-ntf"]["spi"] == 0x1001
            assert names["policy-del-ntf"]["id"] == 1
        assert net.nl.dump("sa-get") == []
        refused(errno.ENOENT, net.nl.do, "policy-del", id=1)
        refused(errno.ENOENT, net.nl.do, "policy-get", id=1)

    def test_order(self, net):
        """By priority, then the longer prefixes, then id."""
        net.policy(1, action="discard", local="10.1.0.0/24", remote="10.2.0.0/24")
        net.policy(2, local="10.1.0.1/32", remote="10.2.0.1/32")
        packet = udp(IN4, FAR4, 1, 2, b"x")
        with net.drop("tx-no-sa"):
            net.transmit([packet])
        net.policy(3, action="discard", local="10.1.0.1/32", remote="10.2.0.1/32")
        with net.drop("tx-no-sa"):
            net.transmit([packet])
        net.policy(1, action="discard", local="0.0.0.0/0", remote="0.0.0.0/0", priority=0)
        net.policy(2, local="10.1.0.1/32", remote="10.2.0.1/32", priority=5)
        with net.drop("tx-discard"):
            net.transmit([packet])
        assert net.wire.drain() == []


class TestPort:
    def test_add_and_delete(self, net):
        net.nl.do("port-add", port=4500)
        net.nl.do("port-add", port=65535)
        refused(errno.EEXIST, net.nl.do, "port-add", port=4500)
        assert sorted(p["port"] for p in net.nl.dump("port-get")) == [4500, 65535]
        assert net.nl.do("port-get", port=4500) == {"port": 4500}
        net.nl.do("port-del", port=4500)
        refused(errno.ENOENT, net.nl.do, "port-del", port=4500)
        refused(errno.ENOENT, net.nl.do, "port-get", port=4500)
        refused(errno.EINVAL, net.nl.do, "port-add", port=0)
        refused(errno.EINVAL, net.nl.do, "port-add")


class TestEvents:
    def test_acquire(self, net):
        """What raised it is told, and at most once a second."""
        net.policy(5, name="office")
        with net.nl.events() as events:
            began = time.monotonic()
            with net.drop("tx-no-sa", 20):
                net.transmit([udp(IN4, FAR4, 1000, 2000, b"x")] * 20)
            event = events.next("acquire-ntf")
            assert event == dict(id=5, ifindex=net.ifindex, name="office", packet=event["packet"])
            want = selector(IN4, FAR4, protocol=17, local_port_first=1000, local_port_last=1000,
                            remote_port_first=2000, remote_port_last=2000)
            assert want.items() <= event["packet"].items()
            more = [e for e in events.drain() if e[0] == "acquire-ntf"]
            assert len(more) <= time.monotonic() - began
        assert net.wire.drain() == []

    def test_no_policy(self, net):
        with net.nl.events() as events, net.drop("tx-no-policy", 3):
            net.transmit([udp(IN4, FAR4, 1, 2, b"x")] * 3)
            assert events.drain() == []
        assert net.wire.drain() == []

    def test_device_counts_too(self, net):
        before = net.drops(net.ifindex)
        with net.drop("tx-no-policy", 2):
            net.transmit([udp(IN4, FAR4, 1, 2, b"x")] * 2)
        assert net.drops(net.ifindex).get("tx-no-policy", 0) == \
            before.get("tx-no-policy", 0) + 2
        refused(errno.ENODEV, net.nl.do, "stats-get", ifindex=4711)

    @pytest.mark.parametrize("direction", ("in", "out"))
    @pytest.mark.parametrize("unit", ("packets", "bytes"))
    def test_lifetime_by_volume(self, net, direction, unit):
        """The soft event at the packet that reaches it, the hard one too; and
        after that nothing."""
        net.policy()
        inner = udp(FAR4, IN4, 2, 1, bytes(72)) if direction == "in" else \
            udp(IN4, FAR4, 1, 2, bytes(72))
        each = 1 if unit == "packets" else len(inner)
        other = net.sa(direction, lifetime={"soft_" + unit: 3 * each, "hard_" + unit: 5 * each})

        def carry(first, count):
            if direction == "in":
                net.feed(other, [other.seal(inner, first + i) for i in range(count)])
            else:
                net.transmit([inner] * count)
                net.wire.take(count)

        with net.nl.events() as events:
            carry(1, 2)
            assert expired(events) == []
            carry(3, 1)
            event = events.next("expire-ntf")
            assert event == dict(direction=direction, protocol=ESP, spi=other.spi, dst=other.dst,
                                 policy=1, expiry="soft")
            carry(4, 1)
            assert expired(events) == []
            carry(5, 1)
            assert events.next("expire-ntf")["expiry"] == "hard"
            if direction == "in":
                with net.drop("rx-sa-dead", 2):
                    net.wire.send([other.seal(inner, 6), other.seal(inner, 7)])
            else:
                with net.drop("tx-sa-dead", 2):
                    net.transmit([inner] * 2)
            assert expired(events) == []
        assert net.wire.drain() == []
        assert net.state(other)["packets"] == 5

    @pytest.mark.parametrize("direction", ("in", "out"))
    def test_lifetime_by_time(self, net, direction):
        net.policy()
        with net.nl.events() as events:
            other = net.sa(direction, lifetime=dict(soft_seconds=1, hard_seconds=2))
            added = time.monotonic()
            events.next("expire-ntf", spi=other.spi, expiry="soft")
            assert time.monotonic() - added > .9
            events.next("expire-ntf", spi=other.spi, expiry="hard")
            assert time.monotonic() - added > 1.9
        if direction == "in":
            with net.drop("rx-sa-dead"):
                net.wire.send([other.seal(udp(FAR4, IN4, 2, 1, b"x"), 1)])
        else:
            with net.drop("tx-sa-dead"):
                net.transmit([udp(IN4, FAR4, 1, 2, b"x")])
            assert net.wire.drain() == []

    def test_forgeries_do_not_age(self, net):
        """Packets that do not authenticate, and replays, use nothing up."""
        net.policy()
        other = net.sa("in", lifetime=dict(soft_packets=2, hard_packets=3))
        good = other.seal(udp(FAR4, IN4, 2, 1, b"x"), 1)
        with net.nl.events() as events:
            net.feed(other, [good[:-1] + bytes([good[-1] ^ 1])] * 10)
            net.feed(other, [good] * 10)
            assert expired(events) == []
        assert net.state(other)["packets"] == 1

    def test_every_change_is_told(self, net):
        with net.nl.events() as events:
            net.policy(4, name="x")
            assert events.next("policy-set-ntf")["name"] == "x"
            net.nl.do("sa-new", **sa(policy=4))
            event = events.next("sa-new-ntf")
            assert (event["spi"], event["dst"], event["policy"]) == (0x1001, GW4, 4)
            net.nl.do("policy-del", id=4)
            until(lambda: {"sa-del-ntf", "policy-del-ntf"} <=
                  {name for name, _ in collected(events)}, "deletions told")


def expired(events):
    """Expiry events so far; what is delivered here is answered by ICMP, which
    may raise an acquire."""
    return [e for e in events.drain() if e[0] == "expire-ntf"]


def collected(events):
    """All events so far, which stay."""
    events.kept = getattr(events, "kept", []) + events.drain()
    return events.kept


class TestRekey:
    def test_new_outbound_takes_over(self, net):
        """Between two packets, without losing one; the old one stays until
        it is deleted."""
        net.policy()
        old = net.sa("out", spi=0x2001)
        packets = [udp(IN4, FAR4, 1, 2, bytes([i])) for i in range(30)]
        net.transmit(packets[:10])
        new = net.sa("out", spi=0x2002)
        net.transmit(packets[10:20])
        net.nl.do("sa-del", protocol=ESP, spi=old.spi, dst=old.dst)
        net.transmit(packets[20:])
        sent = net.wire.take(30)
        opened = [old.open(p) for p in sent[:10]] + [new.open(p) for p in sent[10:]]
        assert [o.inner for o in opened] == packets
        assert [o.seq for o in opened] == [*range(1, 11), *range(1, 21)]

    def test_current(self, net):
        net.policy()
        for spi in (0x2001, 0x2002):
            net.sa("out", spi=spi)
            assert [s["spi"] for s in net.nl.dump("sa-get") if s.get("current")] == [spi]
            assert net.nl.do("policy-get", id=1)["spi"] == spi
        # Without the current one the older must not come back: its peer may
        # have deleted it.
        net.nl.do("sa-del", protocol=ESP, spi=0x2002, dst=WIRE4)
        assert "spi" not in net.nl.do("policy-get", id=1)
        with net.drop("tx-no-sa"):
            net.transmit([udp(IN4, FAR4, 1, 2, b"x")])
        assert net.wire.drain() == []

    def test_inbound_side_by_side(self, net):
        net.policy()
        both = [net.sa("in", spi=spi) for spi in (0x1001, 0x1002)]
        for seq in range(1, 4):
            for other in both:
                _, out = net.feed(other, [other.seal(udp(FAR4, IN4, 2, 1, b"x"), seq)])
                assert len(out) == 1


CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


class TestRights:
    """Who may write."""

    @staticmethod
    def child(work):
        """work's result as text, from a process of its own."""
        out, into = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                answer = work()
            except BaseException as error:  # noqa: B902 (told to the parent)
                answer = "%s: %s" % (type(error).__name__, error)
            os.write(into, str(answer).encode())
            os._exit(0)
        os.close(into)
        with os.fdopen(out) as answers:
            answer = answers.read()
        os.waitpid(pid, 0)
        return answer

    @staticmethod
    def try_everything(index):
        """The errno of each operation."""
        results = {}
        with Genl() as nl:
            for op, values in (
                    ("sa-new", sa()),
                    ("sa-del", dict(protocol=ESP, spi=0x1001, dst=GW4)),
                    ("sa-alloc-spi", dict(protocol=ESP, dst=GW4)),
                    ("policy-set", dict(id=1, ifindex=index, action="discard",
                                        selector=[pair()])),
                    ("policy-del", dict(id=1)), ("port-add", dict(port=4501)),
                    ("port-del", dict(port=4500))):
                try:
                    nl.do(op, **values)
                    results[op] = 0
                except Refused as refusal:
                    results[op] = refusal.errno
        return results

    def test_user_namespace(self, net):
        """root in a user namespace of its own, with a network namespace of
        its own, has all capabilities there, and still may not."""
        def work():
            if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
                return "no namespace"
            for name, line in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
                with open("/proc/self/" + name, "w", encoding="ascii") as f:
                    f.write(line)
            run("ip", "link", "add", "dummy7", "type", "dummy")     # other kinds may be made
            try:
                run("ip", "link", "add", "cyg7", "type", "cygnet")
                return "link added"
            except RuntimeError as error:
                if "in the initial user namespace is needed" not in str(error):
                    return str(error)
            found = self.try_everything(1)
            return "refused" if set(found.values()) == {errno.EPERM} else found
        assert self.child(work) == "refused"

    def test_unprivileged(self, net):
        net.policy()
        net.nl.do("sa-new", **sa())
        net.nl.do("port-add", port=4500)

        def work():
            net.gw.enter()
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            found = self.try_everything(net.ifindex)
            return "refused" if set(found.values()) == {errno.EPERM} else found
        assert self.child(work) == "refused"
        assert len(net.nl.dump("sa-get")) == len(net.nl.dump("policy-get")) == 1
        assert [p["port"] for p in net.nl.dump("port-get")] == [4500]


def test_family(net):
    """One group, and an operation that is not there is refused."""
    assert set(net.nl.groups) == {"events"}
    with pytest.raises(Refused) as refusal:
        net.nl.request(net.nl.family, 200, b"")
    assert refusal.value.errno == errno.EOPNOTSUPP
