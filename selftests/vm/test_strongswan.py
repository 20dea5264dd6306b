# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan on kernel xfrm beside cygnet, in the same network namespace.

                                        router
    client    gwa: cygnet      +----------------------+       gwb: kernel xfrm    server
    10.1.0.2  and strongSwan ==| wa  192.0.2.254   wb |====== 198.51.100.1        10.2.0.2
              192.0.2.1        |     2001:db8:a::fe   |       2001:db8:b::1
              2001:db8:a::1    |                   wc |====== gwc: strongSwan
                               +----------------------+       203.0.113.1  2001:db8:c::1
                                                              10.3.0.1     fd03::1

gwa has two tunnels that know nothing of each other: cygnet's to gwb, and that
of its strongSwan to the strongSwan of gwc.  esp4_offload and esp6_offload are
loaded and GRO is on, so that they see our packets first; when both tunnels are
UDP-encapsulated they share port 4500, whose socket is strongSwan's.
"""

import os
import threading

import pytest

from ike.daemons import Charon
from ike.world import unanswered
from lib import xfrm
from lib.bench import Netns, run, until
from lib.road import GWA, GWB, LAN_A, LAN_B, SERVER, Road, address, default, ping
from test_road import ENCAP, IN, NATIVE, OUT, Cygnet

GWC = {4: "203.0.113.1", 6: "2001:db8:c::1"}
ROUTER_C = {4: "203.0.113.254", 6: "2001:db8:c::fe"}
LAN_C = {4: "10.3.0.0/24", 6: "fd03::/64"}
HOST_C = {4: "10.3.0.1", 6: "fd03::1"}
BYTES = 300000
# strongSwan's own is of 32 packets: a super-packet of TCP, sent by one processor while the
# other has just numbered a ping, puts the ping out of it.
REPLAY_WINDOW = 1024
# What a retransmission of strongSwan's waits for, under emulation.
PATIENT = "retransmit_timeout = 5\n    retransmit_base = 1.2\n    retransmit_tries = 6"


class Argv:
    """lib.bench.Netns, as ike.daemons wants it."""

    def __init__(self, ns):
        self.ns = ns

    def argv(self, *command):
        return ["ip", "netns", "exec", self.ns.name, *command]


class Crossing(Road):
    """The picture above, without the tunnels."""

    def __init__(self):
        super().__init__()
        self.gwc = Netns("gwc")
        self.namespaces.append(self.gwc)
        run("ip", "link", "add", "wc", "netns", "router", "type", "veth",
            "peer", "name", "wan", "netns", "gwc")
        address(self.router, "wc", ROUTER_C)
        address(self.gwc, "wan", GWC)
        self.gwc.ip(*("address add %s dev lo" % a for a in HOST_C.values()))
        for family in (4, 6):
            default(self.gwc, ROUTER_C[family])
            self.router.ip("route add %s via %s" % (LAN_C[family], GWC[family]))
        for ns in (self.gwa, self.gwb, self.gwc):
            ns.run("ethtool", "-K", "wan", "gro", "on")

    def needs_c(self):
        """As needs_protection(), towards gwc."""
        before = self.cleartext()
        self.unanswered(lambda: self.cleartext() > before, target=HOST_C[4])
        self.seen = self.cleartext()


class Swan(Charon):
    """One of the two."""

    def __init__(self, ns, folder, family, near, far, nets, encap):
        os.makedirs(folder)
        super().__init__(Argv(ns), folder, kernel="kernel-netlink", more=PATIENT)
        self.vici.sock.settimeout(90)
        self.load({"addr": near[family], "id": near[family]},
                  {"addr": far[family], "id": far[family]}, name="net",
                  encap="yes" if encap else "no",
                  child={"local_ts": [nets[0][4], nets[0][6]],
                         "remote_ts": [nets[1][4], nets[1][6]],
                         "replay_window": REPLAY_WINDOW})

    def carried(self):
        """Bytes in and out of the child in use."""
        child, = self.children()
        return int(child["bytes-in"]), int(child["bytes-out"])


@pytest.fixture(scope="module", name="road")
def fixture_road():
    with Crossing() as road:
        road.gwa.run("modprobe", "-a", "esp4_offload", "esp6_offload")
        yield road


@pytest.fixture(name="cygnet")
def fixture_cygnet(road):
    cygnet = Cygnet(road)
    yield cygnet
    cygnet.close()


@pytest.fixture(name="swans")
def fixture_swans(road, tmp_path):
    """Both strongSwans, not yet connected."""
    started = []

    def start(family, encap):
        for ns, near, far, nets in ((road.gwc, GWC, GWA, (LAN_C, LAN_A)),
                                    (road.gwa, GWA, GWC, (LAN_A, LAN_C))):
            started.append(Swan(ns, str(tmp_path / ns.name), family, near, far, nets, encap))
        return started[1]
    yield start
    for swan in started:
        swan.stop()
    for ns in (road.gwa, road.gwc):
        xfrm.flush(ns)


class Flood(threading.Thread):
    """Pings from client all the while; all of them are answered, but those that
    kernel xfrm itself owns up to."""

    def __init__(self, road, target, by_xfrm=()):
        super().__init__()
        self.road, self.target, self.by_xfrm = road, target, by_xfrm
        self.answered = self.lost = 0
        self.enough = threading.Event()
        self.before = self.deleted_in_use()

    def deleted_in_use(self):
        """Packets that kernel xfrm dropped because their outbound SA was deleted
        between its lookup and its use: a rekey with xfrm costs one now and then."""
        return sum(xfrm.counters(ns).get("XfrmOutStateInvalid", 0) for ns in self.by_xfrm)

    def unexplained(self):
        """Pings that got lost otherwise."""
        lost = self.lost
        return max(0, lost - (self.deleted_in_use() - self.before)) if lost else 0

    def run(self):
        self.road.client.enter()
        while not self.enough.is_set():
            lost = unanswered(self.target, count=10, interval=0.02, wait=20, size=1000)
            self.lost += lost
            self.answered += 10 - lost

    def end(self):
        self.enough.set()
        self.join()
        self.more(0)

    def more(self, count=30):
        goal = self.answered + count
        until(lambda: self.answered >= goal or self.unexplained(), "pings to %s" % self.target, 60)
        assert not self.unexplained(), "%d pings to %s were lost; xfrm counts %r" % (
            self.lost, self.target, [xfrm.counters(ns) for ns in self.by_xfrm])


def needs_b(road, cygnet):
    """cygnet sends nothing to server without an SA."""
    before = cygnet.drops().get("tx-no-sa", 0)
    road.unanswered(lambda: cygnet.drops().get("tx-no-sa", 0) > before)


def tunnel_to_b(road, cygnet, outer, encap):
    """cygnet's SAs, and kernel xfrm's at gwb."""
    keys = os.urandom(36), os.urandom(36)
    near, far = GWA[outer], GWB[outer]
    cygnet.sa("out", near, far, OUT, keys[0], "aes256gcm", True, encap)
    cygnet.sa("in", far, near, IN, keys[1], "aes256gcm", True, encap)
    xfrm.state(road.gwb, near, far, OUT, keys[0], "aes256gcm", True, encap)
    xfrm.state(road.gwb, far, near, IN, keys[1], "aes256gcm", True, encap)
    for inner in (4, 6):
        xfrm.policy(road.gwb, far, near, LAN_B[inner], LAN_A[inner])


def transfer(road, servers):
    """BYTES by TCP from client to each of servers, at the same time, and back."""
    listeners = [ns.socket() for ns in servers]
    clients = [road.client.socket() for _ in servers]
    ends = []
    for (ns, host), listener, client in zip(servers.items(), listeners, clients):
        listener.bind((host, 0))
        listener.listen()
        client.settimeout(60)
        client.connect((host, listener.getsockname()[1]))
        ends.append((client, listener.accept()[0]))
    data = os.urandom(BYTES)
    for turn in (0, 1):
        threads = [threading.Thread(target=end[turn].sendall, args=(data,)) for end in ends]
        for thread in threads:
            thread.start()
        got = [receive(end[1 - turn]) for end in ends]
        for thread in threads:
            thread.join()
        assert got == [data] * len(ends)
    for sock in (*listeners, *(sock for end in ends for sock in end)):
        sock.close()


def receive(sock):
    """BYTES of a stream, within a minute."""
    sock.settimeout(60)
    data = b""
    while len(data) < BYTES:
        part = sock.recv(1 << 16)
        assert part, "the stream ended after %d bytes" % len(data)
        data += part
    return data


@pytest.mark.parametrize("outer,ours,theirs", (
    pytest.param(4, NATIVE, NATIVE, id="v4-both-native"),
    pytest.param(4, ENCAP, ENCAP, id="v4-one-port"),
    pytest.param(6, NATIVE, ENCAP, id="v6-native-udp"),
    pytest.param(6, ENCAP, NATIVE, id="v6-udp-native")))
def test_both_tunnels(road, cygnet, swans, outer, ours, theirs):
    assert "esp4_offload" in run("lsmod") and "esp6_offload" in run("lsmod")
    needs_b(road, cygnet)
    road.needs_c()
    swan = swans(outer, theirs)
    peer_socket = xfrm.encap_socket(road.gwb, outer, 4500) if ours else None
    to_b, to_c = Flood(road, SERVER[4]), Flood(road, HOST_C[4], (road.gwa, road.gwc))
    try:
        if ours:
            cygnet.nl.do("port-add", port=4500)
        tunnel_to_b(road, cygnet, outer, ours)
        swan.initiate(timeout=90000)
        for family in (4, 6):
            assert ping(road.client, SERVER[family]) and ping(road.client, HOST_C[family])
        drops = cygnet.drops()
        to_b.start()
        to_c.start()
        transfer(road, {road.server: SERVER[4], road.gwc: HOST_C[4]})
        for _ in range(2):
            swan.vici.call("rekey", {"child": "net"})
            to_b.more()
            to_c.more()
        until(lambda: len(swan.children()) == 1, "the end of the old child", 60)
        assert min(swan.carried()) > 0 and min(cygnet.carried()) > BYTES // 1500
        # Each ends alone: strongSwan's at the tripwire, cygnet's in the device.
        to_c.end()
        swan.vici.call("terminate", {"ike": "net", "timeout": "60000"})
        to_b.more()
        road.no_cleartext()
        road.needs_c()
        swan.initiate(timeout=90000)
        to_b.end()
        assert cygnet.drops() == drops
        cygnet.flush()
        needs_b(road, cygnet)
        assert ping(road.client, HOST_C[4], count=3) == 3
        road.no_cleartext()
    finally:
        to_b.enough.set()
        to_c.enough.set()
        if ours:
            cygnet.nl.do("port-del", port=4500)
            peer_socket.close()
        xfrm.flush(road.gwb)
