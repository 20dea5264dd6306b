# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchanges of an IKE SA's life against strongSwan: rekeying, collisions, fragments."""

import contextlib
import threading

import pytest

from ike import world as stage
from ike.daemons import CommandFailed, until
from ike.test_tunnel import Flood, installed, one_child
from ike.vici import Vici, ViciError


def spis(pair):
    """Both SPIs of the one IKE SA that both ends have, or None while there are others."""
    ours, theirs = pair.us.status().get("ike"), [sa for _, sa in pair.them.vici.sas()]
    if not ours or ours["state"] != "established" or len(theirs) != 1:
        return None
    pairs = {(ours["spi-i"], ours["spi-r"]),
             (theirs[0]["initiator-spi"], theirs[0]["responder-spi"])}
    return pairs.pop() if len(pairs) == 1 else None


def rekey_ike(pair, by):
    before = until(lambda: spis(pair))
    if by == "us":
        pair.us.command("rekey-ike", "net")
    else:
        pair.them.vici.call("rekey", {"ike": "net"})
    assert until(lambda: spis(pair) not in (None, before))


@pytest.mark.parametrize("by", ["us", "them"])
def test_ike_rekey(pair, initiator, by):
    """Three times under traffic; the child is the same, and can be rekeyed after."""
    pair.start().up(initiator)
    child = pair.us.status()["children"][0]["spi-in"]
    with Flood(pair) as flood:
        for _ in range(3):
            rekey_ike(pair, by)
        until(lambda: flood.sent >= 60)
    assert flood.whole
    assert pair.us.status()["children"][0]["spi-in"] == child
    assert pair.us.count("add") == 1
    # With the new SK_d on both sides, and message ids of its own in both directions.
    pair.us.command("rekey", "net")
    pair.pings()
    pair.them.vici.call("rekey", {"child": "net"})
    assert until(lambda: pair.us.count("add", 2) == 3)
    assert one_child(pair)
    pair.pings()


@pytest.mark.parametrize("suite, theirs", [
    ("aes256gcm-sha256-ecp256", "aes256gcm16-prfsha256-ecp256"),
    ("aes128-sha512-modp2048", "aes128-sha512-modp2048"),
    ("aes256-sha384-x25519", "aes256-sha384-curve25519"),
])
def test_ike_rekey_suites(pair, suite, theirs):
    pair.start_us(ike=suite)
    pair.start_them(proposals=[theirs])
    pair.up("us")
    rekey_ike(pair, "us")
    rekey_ike(pair, "them")
    pair.us.command("rekey", "net")
    pair.pings()


def test_ike_rekey_by_time(pair):
    """Ours, at the configured age; the tunnel notices nothing."""
    pair.start_us(more="ike-lifetime = 1m", speed=20)
    pair.start_them()
    pair.up("us")
    before = until(lambda: spis(pair))
    with Flood(pair) as flood:
        assert until(lambda: spis(pair) not in (None, before))
    assert flood.whole
    assert one_child(pair)


def test_ike_rekey_at_once(pair):
    """Both ask at the same time, several times over: one IKE SA and one child are left."""
    pair.start().up("us")
    with Flood(pair) as flood:
        for _ in range(5):
            before = until(lambda: spis(pair))
            thread = threading.Thread(target=lambda: pair.them.vici.call("rekey", {"ike": "net"}))
            thread.start()
            pair.us.command("rekey-ike", "net")
            thread.join()
            assert until(lambda: spis(pair) not in (None, before), timeout=20)
    assert flood.whole
    assert one_child(pair)
    pair.pings()


def test_child_rekey_at_once(pair):
    """The same for the child SA."""
    pair.start().up("us")
    with Flood(pair) as flood:
        for _ in range(5):
            thread = threading.Thread(
                target=lambda: pair.them.vici.call("rekey", {"child": "net"}))
            thread.start()
            pair.us.command("rekey", "net")
            thread.join()
            assert until(lambda: one_child(pair), timeout=20)
    assert flood.whole
    pair.pings()


def together(*calls):
    """Runs them at the same time; what they raise does not matter."""
    def quietly(call):
        with contextlib.suppress(CommandFailed, ViciError):
            call()
    threads = [threading.Thread(target=quietly, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sa_names(pair):
    return {(sa["initiator-spi"], sa["responder-spi"]) for _, sa in pair.them.vici.sas()
            if sa["state"] == "ESTABLISHED"}


def test_up_at_once(pair):
    """Both begin: a tunnel, of one or two IKE SAs, and they stay. Without pings, since libipsec
    forgets the policy of two equal children with the first of them that goes."""
    def works():
        theirs = [int(child["spi-in"], 16) for child in pair.them.children()]
        return pair.esp.current and pair.esp.current.spi in theirs

    pair.start()
    for _ in range(3):
        together(lambda: pair.us.command("up", "net"), pair.them.initiate)
        assert until(works)
        until(lambda: len(sa_names(pair)) == 1, timeout=0.5)
        before = sa_names(pair)
        assert 1 <= len(before) <= 2
        assert not until(lambda: sa_names(pair) != before, timeout=1)
        assert works()
        pair.us.command("down", "net")
        assert until(lambda: not sa_names(pair))


@pytest.mark.parametrize("ours", ["rekey", "rekey-ike"])
@pytest.mark.parametrize("theirs", ["child", "ike"])
def test_rekey_against_delete(pair, ours, theirs):
    """We rekey what strongSwan deletes: the tunnel is there again at once."""
    pair.start_us(more="start = start")
    pair.start_them()
    for _ in range(3):
        assert until(lambda: one_child(pair))
        pair.pings()
        together(lambda: pair.us.command(ours, "net"),
                 lambda: Vici(pair.them.vici.path).call("terminate", {theirs: "net"}))
    assert until(lambda: one_child(pair))
    assert until(lambda: spis(pair))
    pair.pings()


@pytest.mark.parametrize("ours, theirs", [("rekey", "ike"), ("rekey-ike", "child")])
def test_rekeys_crossing(pair, ours, theirs):
    """A child and its IKE SA rekeyed by one side each: refused for now, or one after the other."""
    pair.start().up("us")
    with Flood(pair) as flood:
        for _ in range(3):
            together(lambda: pair.us.command(ours, "net", timeout=30),
                     lambda: Vici(pair.them.vici.path).call("rekey", {theirs: "net"}))
            assert until(lambda: one_child(pair), timeout=20)
    assert flood.whole
    assert until(lambda: spis(pair))
    pair.us.command("rekey", "net")
    pair.pings()


PORTS = range(1001, 1013)
MANY = {"local_ts": ["10.2.0.1/32[icmp]"] + ["10.2.0.1/32[tcp/%d]" % n for n in PORTS],
        "remote_ts": ["10.1.0.1/32[icmp]", "10.1.0.1/32[tcp]"]}


def start_long(pair, ours, theirs, proposals=None, **kwargs):
    """Identities and selectors so long that IKE_AUTH does not fit into small packets."""
    pair.ids = [".".join([side * 60] * 4) for side in "lr"]
    remote = ["10.2.0.1 icmp"] + ["10.2.0.1 tcp %d" % n for n in PORTS]
    pair.start_us(protect="10.1.0.1 <-> " + ", ".join(remote), more=ours, **kwargs)
    more = {"proposals": proposals} if proposals else {}
    pair.start_them(more=theirs, child=MANY, fragmentation="yes", **more)


@pytest.mark.parametrize("ike", ["aes256gcm-sha256-x25519", "aes256-sha256-x25519"])
def test_fragments(pair, initiator, ike):
    """Both ways, sealed by AEAD and by CBC."""
    proposal = {"aes256gcm-sha256-x25519": "aes256gcm16-prfsha256-curve25519",
                "aes256-sha256-x25519": "aes256-sha256-curve25519"}[ike]
    start_long(pair, "fragment-size = 576", "fragment_size = 576", [proposal], ike=ike)
    pair.up(initiator)
    ours, theirs = ("request", "response")[::1 if initiator == "us" else -1]
    assert "parsed IKE_AUTH %s 1 [ EF(2/2) ]" % ours in pair.them.log()
    assert "generating IKE_AUTH %s 1 [ EF(2/2) ]" % theirs in pair.them.log()


def test_fragments_shrink(pair):
    """Packets over 600 bytes are lost on the way, in both directions."""
    pair.world.drop("meta length > 600")
    start_long(pair, "", "fragment_size = 576", speed=4)
    pair.us.command("up", "net", timeout=20)
    pair.us.log.wait("sent in smaller packets")
    assert "parsed IKE_AUTH request 1 [ EF(2/2) ]" in pair.them.log()
    pair.world.undrop()
    pair.pings()


def test_two_children(pair, initiator):
    """A protect line each, of which strongSwan has two children; one IKE SA carries both."""
    pair.start_us(protect="10.1.0.1 <-> 10.2.0.1 icmp",
                  more="protect = 10.1.0.1 <-> 10.2.0.1 tcp 1001")
    pair.start_them(child={"local_ts": ["10.2.0.1/32[icmp]"], "remote_ts": ["10.1.0.1/32[icmp]"]})
    kids = {"net": {"local_ts": ["10.2.0.1/32[icmp]"], "remote_ts": ["10.1.0.1/32[icmp]"]},
            "web": {"local_ts": ["10.2.0.1/32[tcp/1001]"], "remote_ts": ["10.1.0.1/32[tcp]"]}}
    for kid in kids.values():
        kid.update({"esp_proposals": ["aes256gcm16"], "rekey_time": "0"})
    pair.them.load({"addr": stage.RIGHT, "id": "right.test"},
                   {"addr": stage.LEFT, "id": "left.test"}, children=kids)
    if initiator == "us":
        pair.us.command("up", "net")
    else:
        pair.them.initiate()
        pair.them.initiate(child="web")
    assert until(lambda: len(pair.them.children()) == 2)
    assert until(lambda: len(installed(pair)) == 2)
    assert len(pair.them.vici.sas()) == 1
    assert {int(c["spi-in"], 16) for c in installed(pair)} == \
        {int(c["spi-out"], 16) for c in pair.them.children()}
    rekey_ike(pair, "us")
    pair.us.command("rekey", "net")
    assert until(lambda: len(pair.them.children()) == 2 and len(installed(pair)) == 2)
    # One of them goes, and only that.
    pair.them.vici.call("terminate", {"child": "web"})
    assert until(lambda: len(installed(pair)) == 1 or pair.us.count("add", 2) >= 5)


def test_childless(pair, initiator):
    """The IKE SA alone, and then the child, with a key exchange of its own."""
    pair.start_us(esp="aes256gcm-x25519", more="childless = yes")
    pair.start_them(childless="force", child={"esp_proposals": ["aes256gcm16-curve25519"]})
    pair.up(initiator)
    auth, child = ("parsed", "generating")[::1 if initiator == "us" else -1]
    log = pair.them.log()
    assert "SA TSi" not in [line for line in log.splitlines()
                            if auth + " IKE_AUTH request" in line][0]
    assert "%s CREATE_CHILD_SA response" % child in log if initiator == "us" else \
        "generating CREATE_CHILD_SA request" in log
    pair.us.command("rekey", "net")
    pair.pings()


def move(namespace, old, new, gateway):
    """A host changes its address under whatever is going on."""
    namespace.ip("addr del %s/24 dev eth0" % old, "addr add %s/24 dev eth0" % new,
                 "route replace default via " + gateway)


def test_mobike(pair):
    """Our address changes: strongSwan is told, and the tunnel goes on with the same IKE SA."""
    new = "10.9.1.5"
    pair.start_us(left="auto", more="mobike = yes\n liveness = 1s")
    pair.start_them(left="%any", mobike="yes")
    pair.up("us")
    before = until(lambda: spis(pair))
    move(pair.world.left, stage.LEFT, new, "10.9.1.254")
    try:
        pair.us.log.wait("our address is %s now" % new)
        assert until(lambda: pair.them.vici.sas()[0][1]["remote-host"] == new)
        assert until(lambda: pair.world.ping(wait=0.2))
        assert spis(pair) == before
        assert until(lambda: one_child(pair))
        pair.pings()
    finally:
        move(pair.world.left, new, stage.LEFT, "10.9.1.254")


def test_mobike_of_the_peer(pair):
    """strongSwan's address changes: we follow what it says, after a look whether it is there."""
    new = "10.9.2.5"
    pair.start_us(right="any", more="mobike = yes\n liveness = off")
    pair.start_them(right="%any", mobike="yes")
    pair.up("them")
    before = until(lambda: spis(pair))
    move(pair.world.right, stage.RIGHT, new, "10.9.2.254")
    try:
        pair.us.log.wait("the peer moved from %s:4500 to %s:4500" % (stage.RIGHT, new))
        assert until(lambda: pair.world.ping(wait=0.2))
        assert spis(pair) == before
        assert until(lambda: one_child(pair))
        pair.pings()
    finally:
        move(pair.world.right, new, stage.RIGHT, "10.9.2.254")
