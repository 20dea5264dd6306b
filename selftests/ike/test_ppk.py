# SPDX-License-Identifier: GPL-2.0-or-later
"""Post-quantum pre-shared keys (RFC 8784) against strongSwan."""

import base64
import os
import signal

import pytest

from ike import world as stage
from ike.certs import both_sides
from ike.daemons import CommandFailed, until
from ike.test_exchanges import rekey_ike
from ike.test_tunnel import one_child

KEY = bytes(range(32))
OTHER = bytes(reversed(KEY))


def write_ppk(pair, key=KEY):
    path = os.path.join(pair._subfolder("us"), "ppk")
    with open(path, "w", encoding="ascii") as handle:
        handle.write("0s" + base64.b64encode(key).decode())
    os.chmod(path, 0o600)
    return path


def us(pair, required="yes", name="both.test", key=KEY):
    write_ppk(pair, key)
    pair.start_us(more="ppk = ppk\nppk-id = %s\nppk-required = %s\n"
                  "retransmit-timeout = 2s" % (name, required))


def give_ppk(pair, key=KEY):
    pair.them.vici.call("load-shared", {"type": "PPK", "data": key, "owners": ["both.test"]})


def them(pair, required="yes", name="both.test", key=KEY):
    pair.start_them(ppk_id=name, ppk_required=required)
    give_ppk(pair, key)


def ppk(pair):
    return pair.us.status()["ike"].get("ppk")


@pytest.mark.parametrize("required", ["yes", "no"])
def test_used(pair, initiator, required):
    """It is in all keys that follow, whoever makes them, and after the engine's end."""
    us(pair, required)
    them(pair, required)
    pair.up(initiator)
    assert ppk(pair) == "yes"
    assert "using PPK" in pair.them.log()
    rekey_ike(pair, "us")
    rekey_ike(pair, "them")
    mark = pair.us.log.mark()
    os.kill(pair.us.engine, signal.SIGKILL)
    pair.us.log.wait("engine locked in", mark)
    assert until(pair.us.status)
    rekey_ike(pair, "us")
    pair.us.command("rekey", "net")
    assert one_child(pair)
    pair.pings()
    assert ppk(pair) == "yes"


def test_with_certificates(certs, pki, initiator):
    """Signatures cover other keys with it, and a peer without it gets one of its own."""
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256", ppk=write_ppk(certs), ppk_id="both.test",
                  ppk_required="no")
    certs.them_with(pki, "right-p256")
    certs.up(initiator)
    assert ppk(certs) == "refused by the peer"
    certs.us.command("down", "net")
    local, remote = {"auth": "pubkey", "id": "right.test", "certs": [pki.read("right-p256")]}, \
        {"auth": "pubkey", "id": "left.test"}
    certs.them.load({"addr": stage.RIGHT, "id": "right.test"},
                    {"addr": stage.LEFT, "id": "left.test"}, local=local, remote=remote,
                    ppk_id="both.test")
    give_ppk(certs)
    certs.us.command("up", "net")
    assert ppk(certs) == "yes"
    certs.pings()


@pytest.mark.parametrize("initiator, theirs", [
    ("us", "nothing"), ("them", "nothing"), ("them", "another name")])
def test_downgraded(pair, initiator, theirs):
    """As responder strongSwan takes no other name than its own."""
    us(pair, "no")
    if theirs == "nothing":
        pair.start_them()
    else:
        pair.start_them(ppk_id="else.test", ppk_required="no")
        pair.them.vici.call("load-shared", {"type": "PPK", "data": OTHER,
                                            "owners": ["else.test"]})
    pair.up(initiator)
    assert ppk(pair) == "refused by the peer"
    pair.us.log.wait("without PPK both.test")
    rekey_ike(pair, initiator)
    assert ppk(pair) == "refused by the peer"


@pytest.mark.parametrize("by, ours, theirs, words", [
    ("us", {}, None, "the peer uses no PPK"),
    ("them", {}, None, "does not use our PPK"),
    ("us", None, {}, "AUTHENTICATION_FAILED|the peer refused"),
    ("us", {"key": OTHER}, {}, "AUTHENTICATION_FAILED"),
    ("them", {"key": OTHER}, {}, "another pre-shared key, or PPK"),
    ("us", {"name": "else.test"}, {}, "AUTHENTICATION_FAILED"),
    ("them", {"name": "else.test"}, {}, "does not use our PPK"),
    ("us", {"key": OTHER, "required": "no"}, {"required": "no"}, "AUTHENTICATION_FAILED"),
])
def test_refused(pair, by, ours, theirs, words):
    """No side goes without where one requires it, and a wrong key is no reason to."""
    if ours is None:
        pair.start_us()
    else:
        us(pair, **ours)
    if theirs is None:
        pair.start_them()
    else:
        them(pair, **theirs)
    if by == "us":
        with pytest.raises(CommandFailed):
            pair.us.command("up", "net")
    else:
        pair.them.initiate(check=False)
    pair.us.log.wait(words)
    assert not pair.esp.current
    assert not pair.us.log.seen("without PPK")
