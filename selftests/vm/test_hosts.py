# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode and AH negotiated: two Cygnets, and strongSwan on kernel xfrm.

gwa and gwb are hosts here, which speak to each other; the router between them
drops and counts what is neither ESP nor AH.
"""

import contextlib
import itertools
import os
import socket
import threading

import pytest

from ike.daemons import Charon
from lib import xfrm
from lib.bench import EVERYTHING, until
from lib.daemon import Daemon
from lib.road import GWA, GWB, LAN_A, LAN_B, Road
from test_daemon import Netns
from test_strongswan import PATIENT

CONNECTION = """
connection office {
    remote  = %s
    psk     = office.psk
    %s
}
"""
HOSTS = "mode = transport\n    protect = tcp 5432"
PORT = 5432
# ours, theirs
SUITES = [
    ("aes128gcm", "aes128gcm16"), ("aes192gcm12", "aes192gcm12"), ("aes256gcm8", "aes256gcm8"),
    ("aes128ccm8", "aes128ccm8"), ("aes192ccm12", "aes192ccm12"), ("aes256ccm", "aes256ccm16"),
    ("chacha20poly1305", "chacha20poly1305"), ("aes256gmac", "aes256gmac"),
    ("aes128-sha256", "aes128-sha256"), ("aes256-sha512", "aes256-sha512"),
    ("aes192-sha384", "aes192-sha384"), ("aes256ctr-sha256", "aes256ctr-sha256"),
    ("aes128ctr-aesxcbc", "aes128ctr-aesxcbc"), ("aes256-aescmac", "aes256-aescmac"),
    ("null-sha256", "null-sha256"), ("aes128-sha1", "aes128-sha1"),
]


@pytest.fixture(scope="module", name="road")
def fixture_road():
    with Road() as road:
        yield road


class Talk:
    """A server on gwb, and gwa that speaks to it."""

    def __init__(self, road, family):
        self.road, self.family = road, family
        self.kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self.server = road.gwb.socket(self.kind)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((GWB[family], PORT))
        self.server.listen()
        self.server.settimeout(60)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """What comes goes back."""
        with contextlib.suppress(OSError):
            while True:
                conn = self.server.accept()[0]
                with conn:
                    conn.settimeout(60)
                    while True:
                        data = conn.recv(65536)
                        if not data:
                            break
                        conn.sendall(data)

    def connect(self, seconds):
        client = self.road.gwa.socket(self.kind)
        client.settimeout(seconds)
        client.connect((GWB[self.family], PORT))
        return client

    def cut(self):
        """Without an SA nothing gets through, and the tripwire, or no route, is why."""
        with pytest.raises(OSError):
            self.connect(0.5).close()

    def say(self, size=5000):
        data = os.urandom(size)
        with self.connect(60) as client:
            client.sendall(data)
            got = b""
            while len(got) < size:
                part = client.recv(65536)
                assert part
                got += part
        assert got == data

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        self.server.close()


@pytest.fixture(name="talks")
def fixture_talks(road):
    made = []

    def start(family):
        made.append(Talk(road, family))
        return made[0]
    yield start
    for talk in made:
        talk.close()


KINDS = {"esp": "", "esp-udp": "encapsulation = udp", "ah": "ah = sha256"}
ROADS = list(itertools.product((4, 6), KINDS)) if EVERYTHING else \
    [(4, "esp"), (6, "ah"), (4, "esp-udp")]


@pytest.mark.parametrize("family,kind", ROADS)
def test_two_cygnets(road, talks, family, kind):
    talk = talks(family)
    before = road.cleartext()
    until(lambda: talk.cut() or road.cleartext() > before, "a packet at the tripwire", 60)
    more = HOSTS + "\n    " + KINDS[kind]
    with Daemon(road.gwb, CONNECTION % (GWA[family], more)) as gwb, \
            Daemon(road.gwa, CONNECTION % (GWB[family], more)) as gwa:
        try:
            gwa.cygnet("up", "office")
            before = road.cleartext()
            talk.say()
            for daemon in (gwa, gwb):
                daemon.cygnet("rekey", "office")
                talk.say()
            assert road.cleartext() == before
            text = gwa.cygnet("sa", "show")
            assert "transport" in gwa.cygnet("--json", "sa", "show"), text
            assert ("ah-sha256" in text) == (kind == "ah"), text
            # Nobody there: the policy drops.
            gwb.cygnet("down", "office")
            until(lambda: not gwa.status().get("children"), "the end of the SAs", 60)
            talk.cut()
            assert road.cleartext() == before
        except BaseException:
            print(gwa.log(), gwb.log())
            raise
        finally:
            for daemon in (gwa, gwb):
                daemon.cygnet("down", "office", check=False)


@pytest.fixture(name="charon")
def fixture_charon(road, tmp_path):
    """strongSwan on gwb's kernel xfrm; call it with addresses and a child."""
    started = []

    def start(family, child, **conn):
        if not started:
            started.append(Charon(Netns(road.gwb), str(tmp_path), kernel="kernel-netlink",
                                  more=PATIENT))
            started[0].vici.sock.settimeout(90)
        kid = {"local_ts": ["dynamic[tcp/5432]"], "remote_ts": ["dynamic[tcp]"]}
        kid.update(child)
        started[0].load({"addr": GWB[family], "id": GWB[family]},
                        {"addr": GWA[family], "id": GWA[family]}, name="office",
                        child=kid, **dict({"encap": "no"}, **conn))
        return started[0]
    yield start
    for charon in started:
        charon.stop()
    xfrm.flush(road.gwb)


SWAN_ROADS = list(itertools.product((4, 6), KINDS, ("us", "them"))) if EVERYTHING else \
    [(4, "esp", "us"), (6, "esp", "them"), (4, "ah", "them"), (6, "ah", "us"),
     (4, "esp-udp", "us")]


@pytest.mark.parametrize("family,kind,initiator", SWAN_ROADS)
def test_strongswan_transport(road, talks, charon, family, kind, initiator):
    talk = talks(family)
    child = {"mode": "transport"}
    if kind == "ah":
        child.update({"esp_proposals": [], "ah_proposals": ["sha256"]})
    talk.cut()
    peer = charon(family, child, encap="yes" if kind == "esp-udp" else "no")
    with Daemon(road.gwa, CONNECTION % (GWB[family], HOSTS + "\n    " + KINDS[kind])) as gwa:
        try:
            if initiator == "us":
                gwa.cygnet("up", "office")
            else:
                peer.initiate("office", timeout=60000)
            before = road.cleartext()
            talk.say()
            gwa.cygnet("rekey", "office")
            talk.say()
            peer.vici.call("rekey", {"child": "office"})
            until(lambda: len(peer.children()) == 1, "one child at the peer", 60)
            talk.say()
            assert peer.children()[0]["mode"] == "TRANSPORT"
            assert road.cleartext() == before
            peer.vici.call("terminate", {"ike": "office"})
            until(lambda: not gwa.status().get("children"), "the end of the SAs", 60)
        except BaseException:
            print(gwa.log(), peer.log())
            raise
        finally:
            gwa.cygnet("down", "office", check=False)


def test_strongswan_wants_tunnel(road, charon):
    """Its half of the SA that we do not want is deleted again, and we say why."""
    peer = charon(4, {"mode": "tunnel", "local_ts": [GWB[4]], "remote_ts": [GWA[4]]})
    with Daemon(road.gwa, CONNECTION % (GWB[4], HOSTS)) as gwa:
        try:
            with pytest.raises(RuntimeError) as refusal:
                gwa.cygnet("up", "office")
            assert "mode = transport is configured" in str(refusal.value)
            until(lambda: not peer.children(), "the end of the peer's half", 60)
            peer.initiate("office", timeout=20000, check=False)
            assert "NO_PROP" in peer.log()
        finally:
            gwa.cygnet("down", "office", check=False)


TUNNEL = "protect = %s <-> %s" % (LAN_A[4], LAN_B[4])
TUNNEL_CHILD = {"local_ts": [LAN_B[4]], "remote_ts": [LAN_A[4]]}


def with_tunnel(road, gwa, peer, initiator):
    if initiator == "us":
        gwa.cygnet("up", "office")
    else:
        peer.initiate("office", timeout=60000)
    road.ping(count=2)


@pytest.mark.parametrize("initiator", ["us", "them"])
def test_strongswan_ah_tunnel(road, charon, initiator):
    road.needs_protection((4,))
    peer = charon(4, dict(TUNNEL_CHILD, esp_proposals=[], ah_proposals=["sha512-x25519"]))
    with Daemon(road.gwa, CONNECTION % (GWB[4], TUNNEL + "\n    ah = sha512-x25519")) as gwa:
        try:
            with_tunnel(road, gwa, peer, initiator)
            gwa.cygnet("rekey", "office")
            road.ping(count=2)
        finally:
            gwa.cygnet("down", "office", check=False)


def test_strongswan_algorithms(road, charon):
    """All that the module has, asked for by either side in turn."""
    road.needs_protection((4,))
    names = SUITES if EVERYTHING else SUITES[1::2]
    for i, (ours, theirs) in enumerate(names):
        peer = charon(4, dict(TUNNEL_CHILD, esp_proposals=[theirs]))
        with Daemon(road.gwa, CONNECTION % (GWB[4], TUNNEL + "\n    esp = " + ours)) as gwa:
            try:
                with_tunnel(road, gwa, peer, ("us", "them")[i % 2])
            except BaseException:
                print(ours, gwa.log(), peer.log())
                raise
            finally:
                gwa.cygnet("down", "office", check=False)
        until(lambda: not peer.children(), "the end of " + ours, 60)
    road.no_cleartext()
