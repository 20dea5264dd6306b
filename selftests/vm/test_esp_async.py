# SPDX-License-Identifier: GPL-2.0-or-later
"""Asynchronous crypto: every single packet finishes later, in other hands.

Debian's fast AES-GCM does so only now and then, so pcrypt() is put in front of
it.  What test_esp.py asks of both directions is asked again, and
then SAs, devices and the module go while packets are inside.
"""

import os
import subprocess

import pytest

from lib.bench import ESP, FAR4, IN4, run, seen, until
from lib.cryptoapi import preferred
from lib.espref import udp
from lib.genl import Genl
from test_esp import NATIVE, ENCAP, TestReceiving as Receiving, TestReplay as Replay, \
    TestSending as Sending, inbound, mark_of, outbound

NAMES = ("rfc4106(gcm(aes))", "rfc7539esp(chacha20,poly1305)")


@pytest.fixture(scope="module", autouse=True)
def asynchronous():
    """For all SAs that are made from now on."""
    for name in ("aesni_intel", "crypto_user", "pcrypt"):
        subprocess.call(["modprobe", "-q", name])
    # One processor has no pcrypt; and Debian's 6.1 has a cryptd that fails the
    # kernel's own tests.
    template = "cryptd" if os.environ["GUEST"] == "debug" else "pcrypt"
    with preferred(template, NAMES[0]), preferred(template, NAMES[1]):
        yield


def pending(net):
    return net.nl.do("stats-get").get("crypto_pending", 0)


CASES = pytest.mark.parametrize("cipher,esn,family,encap", (
    ("aes128gcm", False, 4, NATIVE), ("aes256gcm", True, 6, ENCAP),
    ("chacha20poly1305", True, 4, ENCAP)))


@CASES
def test_sending(net, cipher, esn, family, encap):
    Sending().test_scapy_opens(net, cipher, esn, family, encap)


@CASES
def test_receiving(net, cipher, esn, family, encap):
    Receiving().test_accepts_scapy(net, cipher, esn, family, encap)


@pytest.mark.parametrize("window", (32, 4096))
def test_replay(net, window):
    """Without ESN, whose numbers are guessed from a window that packets still
    inside have not moved yet."""
    replay = Replay()
    replay.reasons_known = False
    replay.test_edges(net, window, False)
    net.clear()
    replay.test_any_order(net, window, False)


def test_it_is_asynchronous(net):
    """Packets can be seen inside."""
    net.policy()
    sa = net.sa("in")
    packets = [sa.seal(inbound(1000), i) for i in range(1, 2001)]

    def caught():
        start = net.state(sa)["sequence"]
        net.wire.send(packets[start:start + 50])
        return pending(net)
    assert any(caught() for _ in range(40)), "nothing was ever inside"


def test_same_number_in_flight(net):
    """Copies of one packet that are inside at once: one of them counts."""
    net.policy()
    sa = net.sa("in")
    packet = sa.seal(inbound(500), 1)
    moved, out = net.feed(sa, [packet] * 200)
    assert len(out) == 1
    assert moved["packets"] == 1 and moved["drops"] == {"rx-replay-duplicate": 199}


def test_order_is_kept(net):
    net.policy()
    sa_in, sa_out = net.sa("in"), net.sa("out")
    net.transmit([outbound(mark=i) for i in range(200)])
    sent = [sa_out.open(p) for p in net.wire.take(200)]
    assert [mark_of(o.inner) for o in sent] == list(range(200))
    _, out = net.feed(sa_in, [sa_in.seal(inbound(mark=i), i + 1) for i in range(200)])
    assert [mark_of(p) for p in out] == list(range(200))


def test_more_than_it_takes(net):
    """A full queue is a drop with a name, and nothing gets lost without."""
    net.policy()
    sa = net.sa("in", replay_window=4096)
    packets = [sa.seal(inbound(), i) for i in range(1, 3001)]
    net.wire.send(packets)
    until(lambda: pending(net) == 0 and seen(net.state(sa)) == len(packets), "all counted")
    state = net.state(sa)
    assert set(state["drops"]) <= {"rx-crypto"}
    assert state["packets"] > 100


def burst(net, sa_in, first):
    """Packets of both directions, as many as go in at once."""
    net.wire.send([sa_in.seal(inbound(1200), i) for i in range(first, first + 40)])
    net.transmit([outbound(1200)] * 40)


def test_sa_deleted_in_flight(net):
    """Each packet inside holds its SA; it is delivered or dropped, and then
    the SA is freed."""
    net.policy()
    inside = 0
    for _ in range(40):
        sa_in, sa_out = net.sa("in"), net.sa("out")
        burst(net, sa_in, 1)
        inside += pending(net) > 0
        for sa in (sa_in, sa_out):
            net.nl.do("sa-del", protocol=ESP, spi=sa.spi, dst=sa.dst)
        net.wire.drain()
    until(lambda: pending(net) == 0, "crypto idle")
    until(lambda: net.nl.do("stats-get")["sas"] == 0, "SAs freed")
    assert inside > 0, "nothing was inside when SAs were deleted"


def test_policy_deleted_in_flight(net):
    for _ in range(20):
        net.policy()
        sa_in = net.sa("in")
        net.sa("out")
        burst(net, sa_in, 1)
        net.nl.do("policy-del", id=1)
        net.wire.drain()
    until(lambda: pending(net) == 0, "crypto idle")


def test_device_down_in_flight(net):
    net.policy()
    sa_in = net.sa("in")
    net.sa("out")
    for i in range(10):
        burst(net, sa_in, 1 + 40 * i)
        net.gw.ip("link set cyg0 down", "link set cyg0 up",
                  "route replace 10.2.0.0/24 dev cyg0")
    net.wire.drain()
    net.gw.ip("address replace fd01::1/64 dev cyg0 nodad", "route replace fd02::/64 dev cyg0")


def test_module_removed_in_flight(net):
    for _ in range(5):
        net.policy()
        sa_in = net.sa("in")
        net.sa("out")
        burst(net, sa_in, 1)
        net.nl.close()
        subprocess.check_call(["rmmod", "cygnet"])
        assert "nothing left behind" in [line for line in run("dmesg").splitlines()
                                         if "unloaded, " in line][-1]
        subprocess.check_call(["insmod", os.environ["CYGNET_KO"]])
        with net.gw:
            net.nl = Genl()
        net.gw.ip("link add cyg0 type cygnet", "link set cyg0 up",
                  "address add 10.1.0.1/24 dev cyg0", "address add fd01::1/64 dev cyg0 nodad",
                  "route add 10.2.0.0/24 dev cyg0", "route add fd02::/64 dev cyg0")
        net.find_device()
    sa = net.sa("in") if net.policy() else None
    _, out = net.feed(sa, [sa.seal(udp(FAR4, IN4, 2, 1, b"x"), 1)])
    assert len(out) == 1
