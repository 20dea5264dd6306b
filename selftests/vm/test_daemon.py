# SPDX-License-Identifier: GPL-2.0-or-later
"""Two gateways with the whole of it: daemons, command line, module; and
cygnet on one gateway, strongSwan on kernel xfrm on the other."""

import os
import re
import signal
import subprocess
import threading

import pytest

from ike.daemons import Charon
from ike.world import unanswered
from lib.bench import until
from lib.daemon import Daemon
from lib.road import CLIENT, GWA, GWB, LAN_A, LAN_B, ROUTER_A, Road, SERVER

CONNECTION = """
connection office {
    remote  = %s
    psk     = office.psk
    protect = %s <-> %s
    %s
}
"""
TRAFFIC = pytest.mark.parametrize("encapsulation", ["auto", "udp"])


@pytest.fixture(scope="module", name="road")
def fixture_road():
    with Road() as road:
        yield road


class Flood(threading.Thread):
    """Pings from client to server all the while, in bursts; counts what is lost."""

    def __init__(self, road, family=4, size=56, may_lose=0):
        super().__init__()
        self.road, self.target, self.size, self.may_lose = road, SERVER[family], size, may_lose
        self.received = self.lost = 0
        self.enough = threading.Event()

    def run(self):
        self.road.client.enter()
        while not self.enough.is_set():
            lost = unanswered(self.target, count=20, interval=0.02, wait=10, size=self.size)
            self.received += 20 - lost
            self.lost += lost

    def more(self, count=40):
        """That many more pings have been answered."""
        goal = self.received + count
        until(lambda: self.received >= goal, "%d more pings" % count, 60)

    def __enter__(self):
        self.start()
        self.more()
        return self

    def __exit__(self, kind, *_):
        self.enough.set()
        self.join()
        if not kind:
            assert self.lost <= self.may_lose, "%d pings were lost, %d answered" % (
                self.lost, self.received)


class Gateways:
    """cygnetd on both, not yet connected."""

    def __init__(self, road, lan=4, outer=4, more="", start="", also=None):
        self.road = road
        child = "\nprotect = %s <-> %s\n" % (LAN_B[also], LAN_A[also]) if also else ""
        back = "\nprotect = %s <-> %s\n" % (LAN_A[also], LAN_B[also]) if also else ""
        ends = ((road.gwb, GWA, LAN_B, LAN_A, more + child),
                (road.gwa, GWB, LAN_A, LAN_B, more + start + back))
        self.before = [self.state(ns) for ns in (road.gwa, road.gwb)]
        self.gwb, self.gwa = self.daemons = [
            Daemon(ns, CONNECTION % (remote[outer], near[lan], far[lan], lines), level="debug")
            for ns, remote, near, far, lines in ends]

    @staticmethod
    def state(ns):
        """What up makes and down must take away."""
        return [ns.run("ip", *words.split()) for words in (
            "-br link", "-4 route", "-6 route", "-br -4 address")]

    def up(self):
        self.road.needs_protection((4,))
        self.gwa.cygnet("up", "office")
        self.one_pair()
        self.road.ping()

    def spis(self, daemon):
        """(in, out) of each child that carries traffic, from the daemon; and in the module
        there are no others."""
        status = daemon.status()
        return {(child["spi-in"], child["spi-out"]) for child in status.get("children", [])
                if child["state"] == "installed"}

    def module(self, daemon):
        """The same, from the module."""
        shown = daemon.cygnet("sa", "show")
        return (set(re.findall(r"^in\S*\s+(0x\S+)", shown, re.M)),
                set(re.findall(r"^out\S*\s+(0x\S+)", shown, re.M)))

    def is_one_pair(self, at_both):
        ours, theirs = self.spis(self.gwa), self.spis(self.gwb)
        if len(ours) != 1 or not {(b, a) for a, b in ours} <= theirs:
            return False
        spi_in, spi_out = next(iter(ours))
        if self.module(self.gwa) != ({spi_in}, {spi_out}):
            return False
        return not at_both or self.module(self.gwb) == ({spi_out}, {spi_in})

    def one_pair(self, at_both=True):
        """Exactly one pair of SAs, the same at both ends. A peer keeps that of a daemon which
        died until liveness has told it."""
        until(lambda: self.is_one_pair(at_both), "exactly one pair of SAs", 120)

    def engine(self, daemon):
        children = subprocess.run(["pgrep", "-P", str(daemon.process.process.pid)],
                                  capture_output=True, text=True, check=True).stdout.split()
        return int(children[0])

    def close(self):
        for daemon in self.daemons:
            try:
                daemon.cygnet("down", "office", check=False)
            finally:
                daemon.stop()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            for daemon in self.daemons:
                print("--- %s\n%s" % (daemon.ns.name, daemon.log()))
        self.close()
        if not kind:
            self.road.no_cleartext()


@pytest.mark.parametrize("outer", (4, 6))
@pytest.mark.parametrize("lan", (4, 6))
def test_up_and_ping(road, lan, outer):
    road.needs_protection((lan,))
    with Gateways(road, lan, outer) as pair:
        pair.gwa.cygnet("up", "office")
        road.ping(lan)
        road.ping(lan, reverse=True)
        pair.one_pair()


@TRAFFIC
@pytest.mark.parametrize("by", ["gwa", "gwb"])
def test_rekey_loses_nothing(road, by, encapsulation):
    with Gateways(road, more="encapsulation = " + encapsulation) as pair:
        pair.up()
        before = pair.spis(pair.gwa)
        with Flood(road) as flood:
            for _ in range(3):
                getattr(pair, by).cygnet("rekey", "office")
                flood.more()
        pair.one_pair()
        assert not before & pair.spis(pair.gwa)


def test_rekey_by_bytes(road):
    """The module counts and says when it is time. From there to the hard limit it is
    32K, three seconds' worth of these pings."""
    with Gateways(road, more="rekey-bytes = 64K") as pair:
        pair.up()
        before = pair.spis(pair.gwa)
        with Flood(road, size=180) as flood:
            until(lambda: pair.spis(pair.gwa) and not before & pair.spis(pair.gwa), "new SAs",
                  60)
            flood.more()
        pair.one_pair()


def test_two_children(road):
    """A protect line each: both carry, and a rekey of both loses nothing."""
    road.needs_protection()
    with Gateways(road, also=6) as pair:
        pair.gwa.cygnet("up", "office")
        road.ping(4)
        road.ping(6)
        before = pair.spis(pair.gwa)
        assert len(before) == 2
        with Flood(road) as four, Flood(road, family=6) as six:
            pair.gwa.cygnet("rekey", "office")
            until(lambda: len(pair.spis(pair.gwa)) == 2 and not before & pair.spis(pair.gwa),
                  "two new pairs", 60)
            four.more()
            six.more()
        assert road.try_ping(6, reverse=True)


def test_two_children_trap(road):
    """Each is asked for by its own first packet."""
    with Gateways(road, also=6, start="start = trap") as pair:
        until(lambda: pair.gwa.status()["state"] == "trap", "the trap", 60)
        assert road.try_ping(6, count=20, seconds=10) >= 10
        assert len(pair.spis(pair.gwa)) == 1
        assert road.try_ping(4, count=20, seconds=10) >= 10
        assert len(pair.spis(pair.gwa)) == 2


def test_trap(road):
    """The first packet brings the tunnel up."""
    road.needs_protection((4,))
    with Gateways(road, start="start = trap") as pair:
        until(lambda: pair.gwa.status()["state"] == "trap", "the trap", 60)
        assert road.try_ping(count=20, seconds=10) >= 10
        pair.one_pair()


def test_down_takes_away_what_up_made(road):
    with Gateways(road) as pair:
        pair.up()
        assert "cyg0" in road.gwa.run("ip", "-br", "link")
        assert "unreachable 10.2.0.0/24" in road.gwa.run("ip", "route")
        pair.gwa.cygnet("down", "office")
        assert pair.state(road.gwa) == pair.before[0]
        # The other end still refuses to send in clear, and to be spoken to so.
        until(lambda: not pair.spis(pair.gwb), "the peer to see it go", 60)
        assert road.try_ping(reverse=True) == 0
        road.no_cleartext()
        pair.gwb.cygnet("down", "office")
        assert pair.state(road.gwb) == pair.before[1]
        road.needs_protection((4,))


def test_up_again_and_again(road):
    with Gateways(road) as pair:
        pair.up()
        pair.gwa.cygnet("up", "office")
        pair.one_pair()
        for _ in range(3):
            pair.gwa.cygnet("down", "office")
            pair.gwa.cygnet("up", "office")
            road.ping()
        pair.one_pair()


def kill_engine(pair):
    os.kill(pair.engine(pair.gwa), signal.SIGKILL)
    until(lambda: len(re.findall("engine locked in", pair.gwa.log())) == 2, "a new engine", 60)


def kill_keeper(pair):
    engine = pair.engine(pair.gwa)
    pair.gwa.process.process.kill()
    pair.gwa.process.process.wait()
    until(lambda: not os.path.exists("/proc/%d" % engine), "the end of its engine", 60)


def kill_both(pair):
    engine = pair.engine(pair.gwa)
    pair.gwa.process.process.send_signal(signal.SIGSTOP)
    os.kill(engine, signal.SIGKILL)
    pair.gwa.process.process.kill()
    pair.gwa.process.process.wait()


def stop(pair):
    """As an upgrade does."""
    pair.gwa.stop()
    assert pair.gwa.process.process.returncode == 0


@TRAFFIC
@pytest.mark.parametrize("kill", [kill_engine, kill_keeper, kill_both, stop])
def test_killed_under_traffic(road, kill, encapsulation):
    """The tunnel carries on without the daemon, and a new one ends with one pair. A new
    engine goes on with the old one's."""
    with Gateways(road, more="encapsulation = " + encapsulation) as pair:
        pair.up()
        before = pair.spis(pair.gwa)
        with Flood(road) as flood:
            kill(pair)
            flood.more(100)
            if kill is not kill_engine:
                pair.gwa.start()
            flood.more()
            if kill is kill_engine:
                until(lambda: pair.spis(pair.gwa) == before, "the SAs as they were", 60)
            else:
                until(lambda: pair.spis(pair.gwa) and not before & pair.spis(pair.gwa),
                      "SAs of the new daemon", 60)
            pair.one_pair(at_both=False)
            flood.more()
        if kill is kill_both and encapsulation == "udp":
            pair.one_pair()
            road.ping()


@pytest.mark.parametrize("how", ["link set cyg0 down", "link delete cyg0",
                                 "route delete 10.2.0.0/24 dev cyg0"])
def test_device_goes_under_traffic(road, how):
    """The unreachable twin catches what has lost its way."""
    with Gateways(road) as pair:
        pair.up()
        sender = subprocess.Popen(["ip", "netns", "exec", "client", "ping", "-n", "-q", "-i",
                                   "0.01", SERVER[4]], stdout=subprocess.DEVNULL)
        try:
            until(lambda: "0" != pair.gwa.cygnet("--json", "show") and True, "traffic")
            road.gwa.ip(how)
            assert road.try_ping(count=10, seconds=5) == 0
        finally:
            sender.terminate()
            sender.wait()
        road.no_cleartext()
        pair.gwa.cygnet("down", "office")
        assert pair.state(road.gwa) == pair.before[0]


def test_policy_based(road):
    """The routes stay as they are, and the policies protect all the same, when
    the device is gone too."""
    road.needs_protection((4,))
    with Gateways(road, more="policy-based = yes") as pair:
        routes = pair.before[0][1:]
        pair.gwa.cygnet("up", "office")
        road.ping()
        road.ping(reverse=True)
        pair.one_pair()
        assert pair.state(road.gwa)[1:] == routes
        road.gwa.ip("link delete cyg0")
        assert road.try_ping() == 0
        road.no_cleartext()
        # A policy that steers is none of a connection that has routes.
        pair.gwa.stop()
        with open(pair.gwa.config, encoding="utf-8") as f:
            pair.gwa.write("cygnet.conf", f.read().replace("policy-based = yes", ""))
        pair.gwa.start()
        until(lambda: "not what is configured now" in pair.gwa.log(), "its end", 60)
        for daemon in pair.daemons:
            daemon.cygnet("down", "office")
        assert [pair.state(ns) for ns in (road.gwa, road.gwb)] == pair.before
        road.needs_protection((4,))


@pytest.mark.parametrize("how", ["steered", "routed"])
def test_everything(road, how):
    """0.0.0.0/0 through the tunnel, and what carries it past that: policies
    leave it alone; routes do where a rule for its mark says so."""
    near = CONNECTION % (GWB[4], LAN_A[4], "0.0.0.0/0", "policy-based = yes" if how == "steered"
                         else "fwmark = 5\n underlay = wan")
    far = CONNECTION % (GWA[4], "0.0.0.0/0", LAN_A[4], "")
    before = Gateways.state(road.gwa)
    if how == "routed":
        road.gwa.ip("rule add fwmark 5 lookup 77", "route add default via %s table 77" %
                    ROUTER_A[4])
    road.needs_protection((4,))
    try:
        with Daemon(road.gwb, far, level="debug") as gwb, \
                Daemon(road.gwa, near, level="debug", more="\tfwmark = 5\n") as gwa:
            try:
                gwa.cygnet("up", "office")
                road.ping()
                road.ping(reverse=True)
                assert ("0.0.0.0/1 dev cyg0" in road.gwa.run("ip", "route")) == (how == "routed")
                gwa.cygnet("rekey", "office")
                road.ping()
            except BaseException:
                print(gwa.log(), gwb.log())
                raise
            finally:
                gwa.cygnet("down", "office", check=False)
                gwb.cygnet("down", "office", check=False)
        assert Gateways.state(road.gwa) == before
        road.no_cleartext()
    finally:
        if how == "routed":
            road.gwa.ip("rule del fwmark 5 lookup 77", "route flush table 77")


class Netns:
    """lib.bench.Netns, as ike.daemons wants it."""

    def __init__(self, ns):
        self.ns = ns

    def argv(self, *command):
        return ["ip", "netns", "exec", self.ns.name, *command]


@pytest.fixture(name="charon")
def fixture_charon(road, tmp_path):
    """strongSwan on gwb's kernel xfrm."""
    started = []

    def start(encap):
        charon = Charon(Netns(road.gwb), str(tmp_path), kernel="kernel-netlink")
        started.append(charon)
        charon.load({"addr": GWB[4], "id": GWB[4]}, {"addr": GWA[4], "id": GWA[4]}, name="office",
                    encap="yes" if encap == "udp" else "no",
                    child={"local_ts": [LAN_B[4]], "remote_ts": [LAN_A[4]],
                           "esp_proposals": ["aes256gcm16-esn-noesn"]})
        return charon
    yield start
    for charon in started:
        charon.stop()


@TRAFFIC
@pytest.mark.parametrize("initiator", ["us", "them"])
def test_strongswan(road, charon, initiator, encapsulation):
    road.needs_protection((4,))
    peer = charon(encapsulation)
    near = CONNECTION % (GWB[4], LAN_A[4], LAN_B[4], "encapsulation = " + encapsulation)
    with Daemon(road.gwa, near, level="debug") as gwa:
        try:
            if initiator == "us":
                gwa.cygnet("up", "office")
            else:
                peer.initiate("office", timeout=60000)
            road.ping()
            with Flood(road) as flood:
                gwa.cygnet("rekey", "office")
                flood.more()
                peer.vici.call("rekey", {"child": "office"})
                flood.more()
            until(lambda: len(peer.children()) == 1, "one child at the peer", 60)
            # strongSwan sends on the new SA before its answer can have reached us.
            with Flood(road, may_lose=5) as flood:
                os.kill(gwa.process.process.pid, signal.SIGKILL)
                gwa.process.process.wait()
                flood.more()
                gwa.start()
                until(lambda: len(gwa.status().get("children", [])) == 1, "one pair", 60)
                flood.more()
        except BaseException:
            print(gwa.log())
            raise
        finally:
            gwa.cygnet("down", "office", check=False)
    road.no_cleartext()
    assert CLIENT
