# SPDX-License-Identifier: GPL-2.0-or-later
"""cygnetd and strongSwan, one tunnel: up, ping, rekey, liveness, delete."""

import threading

import pytest

from ike import world as stage
from ike.daemons import CommandFailed, until


def installed(pair):
    return [c for c in pair.us.status().get("children", []) if c["state"] == "installed"]


def one_child(pair):
    """Both ends have exactly one pair of SAs, and it is the same one."""
    def check():
        ours, theirs = installed(pair), pair.them.children()
        return len(ours) == len(theirs) == 1 and \
            int(ours[0]["spi-in"], 16) == int(theirs[0]["spi-out"], 16) and \
            int(ours[0]["spi-out"], 16) == int(theirs[0]["spi-in"], 16)
    return until(check)


class Flood(threading.Thread):
    """Pings all the while."""

    def __init__(self, pair):
        super().__init__()
        self.pair, self.sent, self.whole, self.enough = pair, 0, True, threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            self.whole &= self.pair.world.ping(count=20)
            self.sent += 20

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()


def test_up(pair, initiator):
    pair.start().up(initiator)
    assert one_child(pair)
    assert pair.us.status()["state"] == "up"


def test_up_twice(pair):
    pair.start().up("us")
    pair.us.command("up", "net")
    assert one_child(pair)
    assert len(pair.them.vici.sas()) == 1


@pytest.mark.parametrize("by", ["us", "them"])
def test_child_rekey(pair, initiator, by):
    pair.start().up(initiator)
    before = installed(pair)[0]["spi-in"]
    with Flood(pair) as flood:
        for _ in range(3):
            if by == "us":
                pair.us.command("rekey", "net")
            else:
                with pair.them.vici.events("child-rekey") as events:
                    pair.them.vici.call("rekey", {"child": "net"})
                    events.wait()
        until(lambda: flood.sent >= 100)
    assert flood.whole, "a ping was lost: %d sent, %d sealed, %d opened, %d not for us" % (
        flood.sent, pair.esp.sealed, pair.esp.opened, pair.esp.lost)
    assert one_child(pair)
    assert installed(pair)[0]["spi-in"] != before
    assert pair.us.count("add") >= 4


def test_rekey_by_time(pair):
    """Ours, at the configured age."""
    pair.start_us(more="rekey = 30s", speed=20)
    pair.start_them()
    pair.up("us")
    before = installed(pair)[0]["spi-in"]
    assert until(lambda: [c for c in installed(pair) if c["spi-in"] != before])
    assert one_child(pair)
    pair.pings()


def test_rekey_with_pfs(pair, initiator):
    pair.start_us(esp="aes256gcm-x25519")
    pair.start_them(child={"esp_proposals": ["aes256gcm16-curve25519"]})
    pair.up(initiator)
    pair.us.command("rekey", "net")
    pair.pings()
    pair.them.vici.call("rekey", {"child": "net"})
    assert until(lambda: pair.us.count("add", 2) == 3)
    assert one_child(pair)
    pair.pings()


def test_down(pair, initiator):
    """Our command deletes at the peer and takes everything away."""
    pair.start().up(initiator)
    with pair.them.vici.events("ike-updown") as events:
        pair.us.command("down", "net")
        events.wait()
    assert not pair.them.vici.sas()
    assert until(lambda: pair.us.records[-1]["do"] == "down")
    assert not pair.world.ping(wait=0.1)
    assert pair.us.status()["state"] == "down"


def test_down_and_up(pair):
    pair.start().up("us")
    pair.us.command("down", "net")
    pair.up("us")


def test_delete_of_child(pair, initiator):
    """The peer deletes the child SA: gone here too, the IKE SA stays."""
    pair.start().up(initiator)
    pair.them.vici.call("terminate", {"child": "net"})
    assert until(lambda: pair.us.count("del", 2) and not installed(pair))
    assert not pair.world.ping(wait=0.1)
    assert len(pair.them.vici.sas()) == 1
    pair.up("us")


def test_delete_of_ike_sa(pair, initiator):
    pair.start().up(initiator)
    pair.them.vici.call("terminate", {"ike": "net"})
    assert until(lambda: pair.us.count("del"))
    assert not pair.world.ping(wait=0.1)
    assert not pair.them.vici.sas()
    pair.up("them")


def test_liveness_ends_and_comes_back(pair):
    """The peer dies without a word: noticed, and tried until it is back."""
    pair.start_us(more="start = start\n liveness = 10s", speed=20)
    pair.start_them()
    assert until(lambda: pair.them.children())
    pair.pings()
    pair.them.kill()
    assert until(lambda: pair.us.count("del"))
    assert not pair.world.ping(wait=0.1)
    pair.start_them()
    assert until(lambda: pair.them.children())
    pair.pings()


def test_liveness_of_a_living_peer(pair):
    pair.start_us(more="liveness = 1s")
    pair.start_them()
    pair.up("us")
    assert until(lambda: "parsed INFORMATIONAL request" in pair.them.log(), timeout=5)
    assert one_child(pair)


def test_we_answer_dpd(pair):
    pair.start_us(more="liveness = off")
    pair.start_them(dpd_delay="1s")
    pair.up("us")
    assert until(lambda: "sending DPD request" in pair.them.log(), timeout=5)
    assert until(lambda: "parsed INFORMATIONAL response" in pair.them.log())
    assert one_child(pair)


def test_our_death_is_noticed_and_mended(pair):
    """kill -9 of both our processes; the peer still has the old SAs."""
    pair.start_us(more="start = start")
    pair.start_them()
    assert until(lambda: pair.them.children())
    engine = pair.us.engine
    pair.us.process.kill()
    pair.us.process.wait(5)
    assert until(lambda: not stage.alive(engine))
    pair.us.start()
    assert until(lambda: one_child(pair))
    pair.pings()


def test_engine_killed(pair):
    """The keeper starts another, and the tunnel is negotiated anew."""
    pair.start_us(more="start = start")
    pair.start_them()
    assert until(lambda: pair.them.children())
    stage.kill(pair.us.engine)
    pair.us.log.wait("engine starts again")
    assert until(lambda: pair.us.status() and pair.us.status()["state"] == "up")
    pair.pings()


def test_loss(pair, initiator):
    """Every third datagram is lost: retransmits carry it through."""
    pair.start()
    pair.world.drop("udp dport { 500, 4500 } numgen inc mod 3 0")
    if initiator == "us":
        pair.us.command("up", "net", timeout=30)
    else:
        pair.them.initiate(timeout=20000)
    pair.world.undrop()
    pair.pings()


def test_both_at_once(pair):
    pair.start()
    thread = threading.Thread(target=lambda: pair.them.initiate(check=False))
    thread.start()
    pair.us.command("up", "net")
    thread.join()
    pair.pings()


def test_psk_is_wrong(pair, initiator):
    pair.start_us(psk="another")
    pair.start_them()
    if initiator == "us":
        with pytest.raises(CommandFailed, match="AUTHENTICATION_FAILED"):
            pair.us.command("up", "net")
    else:
        answer = pair.them.initiate(check=False)
        assert answer["success"] == "no"
        pair.us.log.wait("AUTH is wrong: another pre-shared key")
    assert pair.us.count("add") == 0
    assert not pair.them.vici.sas()
    assert not pair.world.ping(wait=0.1)


def test_identity_is_wrong(pair, initiator):
    pair.start_us(more="")
    pair.them = None
    pair.start_them()
    pair.them.vici.call("unload-conn", {"name": "net"})
    pair.them.load({"addr": stage.RIGHT, "id": "stranger.test"},
                   {"addr": stage.LEFT, "id": "left.test"})
    if initiator == "us":
        with pytest.raises(CommandFailed):
            pair.us.command("up", "net")
    else:
        assert pair.them.initiate(check=False)["success"] == "no"
        pair.us.log.wait("stranger.test")
    assert pair.us.count("add") == 0
    assert not pair.world.ping(wait=0.1)


def test_no_common_ike_proposal(pair, initiator):
    pair.start_us()
    pair.start_them(proposals=["aes128-sha256-modp2048"])
    if initiator == "us":
        with pytest.raises(CommandFailed, match="NO_PROPOSAL_CHOSEN"):
            pair.us.command("up", "net")
    else:
        assert pair.them.initiate(check=False)["success"] == "no"
        pair.us.log.wait("AES-CBC-128")     # what was offered
    assert pair.us.count("add") == 0


def test_no_common_esp_proposal(pair, initiator):
    """The refused child leaves the IKE SA up (RFC 7296 section 1.2)."""
    pair.start_us()
    pair.start_them(child={"esp_proposals": ["aes128-sha256"], "rekey_time": "0"})
    if initiator == "us":
        with pytest.raises(CommandFailed, match="NO_PROPOSAL_CHOSEN"):
            pair.us.command("up", "net")
    else:
        pair.them.initiate(check=False)
        pair.us.log.wait("AES-CBC-128")
    assert pair.us.count("add") == 0
    assert not pair.world.ping(wait=0.1)


def test_no_common_selectors(pair, initiator):
    pair.start_us()
    pair.start_them(child={"local_ts": ["10.7.0.0/16"], "remote_ts": ["10.8.0.0/16"]})
    if initiator == "us":
        with pytest.raises(CommandFailed, match="TS_UNACCEPTABLE"):
            pair.us.command("up", "net")
    else:
        pair.them.initiate(check=False)
        pair.us.log.wait(r"10\.7\.0\.0/16")
    assert pair.us.count("add") == 0


def test_nobody_there(pair):
    """No answer: the command says so, in time."""
    pair.start_us(speed=20)
    pair.world.drop("ip daddr %s" % stage.RIGHT)
    with pytest.raises(CommandFailed, match="answer"):
        pair.us.command("up", "net")
    pair.world.undrop()
