# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything is taken away while packets flow, and put back.

The traffic is pings from the far side, sealed by a process of its own: the
gateway answers each through the tunnel, so both directions are busy in softirq
all the time and no socket in the gateway keeps anything alive.  A default route
leads out of the gateway in clear, closed for the inner networks by routes of
worst metric, as "cygnet up" adds them.  No packet of theirs may show on the
wire, the module must leave nothing behind whenever it goes (the runner judges
the kernel's log and, in the debug kernel, its leaks), and in the end the tunnel
works.
"""

import os
import signal
import socket
import struct
import subprocess
import time
from contextlib import contextmanager

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from lib.bench import (ESP, FAR4, FAR6, GW6, IN4, IN6, WIRE4, WIRE6, Gateway, exists, run, until)
from lib.espref import Esp, udp
from lib.genl import Genl

PINGS = [bytes(IP(src=FAR4, dst=IN4) / ICMP(id=7) / Raw(b"x" * 400)),
         bytes(IPv6(src=FAR6, dst=IN6) / ICMPv6EchoRequest(id=7, data=b"y" * 400))]
PORTS = (4500, 4500)
# direction, cipher, outer family, SPI, encapsulation
SAS = [("in", "aes128gcm", 4, 0x1001, None), ("in", "aes256gcm", 4, 0x1002, PORTS),
       ("in", "chacha20poly1305", 6, 0x1003, None), ("out", "aes128gcm", 4, 0x2001, None)]
KEYS = {spi: bytes([spi & 255]) * 36 for _, _, _, spi, _ in SAS}
SENDERS = 3


def key(cipher, spi):
    return KEYS[spi][:{"aes128gcm": 20, "aes256gcm": 36, "chacha20poly1305": 36}[cipher]]


class Busy(Gateway):
    """The gateway, whose parts come and go."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.gw.ip("route add default via %s" % WIRE4, "route add default via %s" % WIRE6)
        self.close_networks()

    def close_networks(self):
        self.gw.ip("route replace unreachable 10.2.0.0/24 metric 4294967295",
                   "route replace unreachable fd02::/64 metric 4294967295")

    def device(self):
        """cyg0 with all that it had."""
        self.gw.ip("link add cyg0 type cygnet", "link set cyg0 up",
                   "address add %s/24 dev cyg0" % IN4, "address add %s/64 dev cyg0 nodad" % IN6,
                   "route add 10.2.0.0/24 dev cyg0", "route add fd02::/64 dev cyg0")
        self.find_device()

    def add(self, direction, cipher, family, spi, encap):
        return self.sa(direction, cipher, family, spi, encap, key=key(cipher, spi))

    def delete(self, direction, cipher, family, spi, encap):
        near, far = ("192.0.2.1", WIRE4) if family == 4 else (GW6, WIRE6)
        self.nl.do("sa-del", protocol=ESP, spi=spi, dst=near if direction == "in" else far)

    def tunnel(self):
        self.policy()
        if not self.nl.dump("port-get"):
            self.nl.do("port-add", port=4500)
        for one in SAS:
            self.add(*one)

    def packets(self):
        """Carried by SAs that exist now."""
        return {s["spi"]: s["packets"] for s in self.nl.dump("sa-get")}

    def flows(self):
        """All SAs carry packets, from now on too."""
        before = self.packets()
        assert set(before) == set(KEYS)
        until(lambda: all(n > before[spi] for spi, n in self.packets().items()), "traffic")
        self.wire.drain()               # which looks for cleartext

    @contextmanager
    def traffic(self):
        """Pings for the inbound SAs from a process, until the end."""
        children = []
        for direction, cipher, family, spi, encap in SAS:
            if direction == "in":
                near, far = ("192.0.2.1", WIRE4) if family == 4 else (GW6, WIRE6)
                other = Esp(cipher, spi, far, near, False, encap, key(cipher, spi))
                children.append(self.flood(other))
        try:
            yield
            assert [os.waitpid(pid, os.WNOHANG)[0] for pid in children] == [0] * len(children)
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def let_go(self):
        """Hold nothing that keeps the gateway's namespace."""
        self.nl.close()
        self.inside.close()
        for sock in self.ip_socket.values():
            sock.close()
        os.close(self.gw.fd)

    def flood(self, other):
        """The process id of one sender."""
        pid = os.fork()
        if pid:
            return pid
        self.let_go()
        number = 0
        while True:
            number += 1
            try:
                self.wire.send([other.seal(PINGS[number & 1], number)])
            except OSError:
                time.sleep(.001)        # the wire is away, or full
            if number % 16 == 0:
                time.sleep(.002)


@pytest.fixture(scope="module")
def gateway():
    made = Busy()
    yield made
    made.close()


@pytest.fixture
def busy(net):
    net.tunnel()
    with net.traffic():
        net.flows()
        yield net
        net.flows()


def test_wire_is_watched(net):
    """What leaves in clear does fail a test, and without its SA a ping does
    not leave at all."""
    probe = net.gw.socket(socket.AF_INET, socket.SOCK_DGRAM)
    net.gw.ip("route del unreachable 10.2.0.0/24 metric 4294967295", "link set cyg0 down")
    try:
        probe.sendto(b"clear", (FAR4, 9))
        with pytest.raises(AssertionError, match="in clear"):
            until(net.wire.read, "cleartext")
        net.close_networks()
        with pytest.raises(OSError):
            probe.sendto(b"clear", (FAR4, 9))
    finally:
        probe.close()
        net.gw.ip("link del cyg0")
        net.device()
    net.policy()
    with net.drop("tx-no-sa"):
        net.transmit([udp(IN4, FAR4, 1, 2, b"x")])
    assert net.wire.drain() == []


def test_sas_deleted(busy):
    for i in range(24):
        one = SAS[i % len(SAS)]
        busy.delete(*one)
        busy.add(*one)
        busy.wire.drain()


def test_rekeyed(busy):
    """New outbound SAs over old ones that are deleted next."""
    for i in range(16):
        new = busy.sa("out", "aes256gcm", 4 + i % 2 * 2, 0x3000 + i)
        busy.wire.drain()
        busy.nl.do("sa-del", protocol=ESP, spi=new.spi, dst=new.dst)
    busy.delete(*SAS[3])
    busy.add(*SAS[3])


def test_policy_deleted(busy):
    for _ in range(10):
        busy.nl.do("policy-del", id=1)
        busy.wire.drain()
        busy.tunnel()


def test_policy_replaced(busy):
    for i in range(16):
        if i % 2:
            busy.policy()
        else:
            busy.policy(local="10.1.0.0/25", remote="10.2.0.0/25")
    busy.policy()


def test_port_removed(busy):
    for _ in range(16):
        busy.nl.do("port-del", port=4500)
        busy.nl.do("port-add", port=4500)


def test_device_down(busy):
    for _ in range(6):
        busy.gw.ip("link set cyg0 down")
        busy.wire.drain()
        busy.gw.ip("link set cyg0 up", "route replace 10.2.0.0/24 dev cyg0",
                   "address replace %s/64 dev cyg0 nodad" % IN6,
                   "route replace fd02::/64 dev cyg0")


def test_underlay_down(busy):
    for _ in range(5):
        busy.gw.ip("link set eth0 down")
        busy.gw.ip("link set eth0 up", "address replace %s/64 dev eth0 nodad" % GW6,
                   "neigh replace %s lladdr 02:00:00:00:00:02 dev eth0 nud permanent" % WIRE4,
                   "neigh replace %s lladdr 02:00:00:00:00:02 dev eth0 nud permanent" % WIRE6,
                   "route replace default via %s" % WIRE4,
                   "route replace default via %s" % WIRE6)


def test_device_deleted(busy):
    """Its policies and SAs go with it."""
    for _ in range(5):
        busy.gw.ip("link del cyg0")
        busy.wire.drain()
        assert busy.nl.dump("policy-get") == busy.nl.dump("sa-get") == []
        busy.device()
        busy.tunnel()


def test_expired(busy):
    """Lifetimes end in the middle of it."""
    for i in range(8):
        limit = dict(soft_packets=5, hard_packets=10 + i)
        with busy.nl.events() as events:
            busy.delete(*SAS[0])
            busy.sa(*SAS[0][:3], SAS[0][3], key=key("aes128gcm", 0x1001), lifetime=limit)
            events.next("expire-ntf", spi=0x1001, expiry="hard")
    busy.delete(*SAS[0])
    busy.add(*SAS[0])


def test_namespace_deleted(net):
    """With packets coming in until the last moment."""
    net.clear()
    for _ in range(3):
        busy = Busy(names=("gone", "gone-wire"))
        busy.tunnel()
        with busy.traffic():
            busy.flows()
            busy.wire.drain()
            busy.let_go()
            run("ip", "netns", "del", "gone")
            with busy.outer:
                until(lambda: "w0" not in run("ip", "-o", "link"), "the end of the namespace")
            busy.wire.drain()           # and still in the end nothing in clear
        busy.wire.close()
        busy.outer.delete()


def test_module_removed(net):
    """rmmod with devices, policies, SAs and traffic; and back."""
    path = os.environ["CYGNET_KO"]
    net.clear()
    net.tunnel()
    with net.traffic():
        for _ in range(3):
            net.flows()
            net.nl.close()
            subprocess.check_call(["rmmod", "cygnet"])
            assert not os.path.exists("/sys/module/cygnet")
            assert not exists_device(net)
            net.wire.drain()
            assert "nothing left behind" in last_words()
            subprocess.check_call(["insmod", path])
            with net.gw:
                net.nl = Genl()
            assert net.nl.dump("sa-get") == []
            net.device()
            net.tunnel()
        net.flows()


def last_words():
    """What the module said when it went."""
    return [line for line in run("dmesg").splitlines() if "unloaded, " in line][-1]


def exists_device(net):
    with net.gw:
        return "cyg0" in run("ip", "-o", "link")


def test_after_all(net):
    """It works as on the first day."""
    net.tunnel()
    other = Esp("aes128gcm", 0x1001, key=key("aes128gcm", 0x1001))
    answers = Esp("aes128gcm", 0x2001, key=key("aes128gcm", 0x2001))
    net.wire.send([other.seal(PINGS[0], 1)])
    found = answers.open(net.wire.take(1)[0])
    assert found.inner[-400:] == b"x" * 400 and found.seq == 1
    assert struct.unpack("!I", found.inner[12:16]) == struct.unpack("!I", socket.inet_aton(IN4))
    assert not exists(net.nl.do, "sa-get", protocol=ESP, spi=0x9999, dst=WIRE4)
