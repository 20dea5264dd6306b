# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration that changes under a running daemon."""

import os
import re
import signal

import pytest

from ike.certs import both_sides
from ike.daemons import CommandFailed, until
from ike.test_tunnel import installed

OTHER = """
connection other {
    local = 10.9.1.1
    remote = 10.9.2.99
    psk = psk
    protect = 10.3.0.0/16 <-> 10.4.0.0/16
}
"""
NET = """
connection net {
    local = 10.9.1.1
    remote = 10.9.2.1
    local-id = left.test
    remote-id = right.test
    psk = psk
    protect = 10.1.0.0/16 <-> 10.2.0.0/16
    ike = aes256gcm-sha256-x25519
    esp = aes256gcm
    encapsulation = udp
}
"""


def rewrite(us, change):
    with open(us.config, encoding="ascii") as handle:
        text = handle.read()
    new = change(text)
    assert new != text
    with open(us.config, "w", encoding="ascii") as handle:
        handle.write(new)


def setting(key, value):
    return lambda text: re.sub(r"(?m)^    %s = .*$" % key, "    %s = %s" % (key, value), text)


def same(pair, do):
    """It does that, and the tunnel, its SAs and the peer's, notice nothing."""
    before = installed(pair), pair.us.status()["ike"]["spi-i"], len(pair.us.records)
    result = do()
    assert [c["spi-in"] for c in installed(pair)] == [c["spi-in"] for c in before[0]]
    assert pair.us.status()["ike"]["spi-i"] == before[1]
    assert len(pair.us.records) == before[2]
    pair.pings()
    return result


def test_nothing_changed(pair):
    pair.start().up("us")
    same(pair, lambda: pair.us.command("reload"))


def test_by_signal(pair):
    pair.start().up("us")
    rewrite(pair.us, lambda text: text + OTHER)
    pair.us.process.send_signal(signal.SIGHUP)
    pair.us.log.wait("the configuration is loaded anew")
    assert until(lambda: pair.us.status("other"))
    pair.pings()


def test_added(pair):
    pair.start().up("us")
    rewrite(pair.us, lambda text: text + OTHER)
    same(pair, lambda: pair.us.command("reload"))
    assert pair.us.status("other")["state"] == "down"


def test_removed(pair):
    """The peer hears of it, and nothing stays behind."""
    pair.start().up("us")
    rewrite(pair.us, lambda text: text[:text.index("connection net")] + OTHER)
    with pair.them.vici.events("ike-updown") as events:
        pair.us.command("reload")
        events.wait()
    assert until(lambda: pair.us.status() is None)
    assert not pair.them.vici.sas()
    assert pair.us.records[-1]["do"] == "down"
    assert not pair.world.ping(wait=0.1)
    # And it can come again.
    rewrite(pair.us, lambda text: text + NET)
    pair.us.command("reload")
    pair.up("us")


def test_settings_for_later(pair):
    """They wait for the next negotiation."""
    pair.start_us()
    pair.start_them(child={"esp_proposals": ["aes256gcm16", "aes128gcm16"]})
    pair.up("us")
    rewrite(pair.us, setting("esp", "aes128gcm"))
    same(pair, lambda: pair.us.command("reload"))
    pair.us.command("rekey", "net")
    assert "AES-GCM-16-128" in installed(pair)[-1]["proposal"]
    pair.pings()


def test_settings_that_restart(pair):
    pair.start_us()
    pair.start_them(child={"local_ts": ["10.2.0.0/16"], "remote_ts": ["10.1.0.0/16"]})
    pair.up("us")
    before = pair.us.status()["ike"]["spi-i"]
    rewrite(pair.us, setting("protect", "10.1.0.0/17 <-> 10.2.0.0/17"))
    pair.us.command("reload")

    def up_anew():
        status = pair.us.status()
        return status["state"] == "up" and status["ike"]["spi-i"] != before
    assert until(up_anew)
    assert installed(pair)[0]["selectors"] == ["10.1.0.0/17 <-> 10.2.0.0/17"]
    pair.pings()


def test_down_stays_down(pair):
    pair.start().up("us")
    pair.us.command("down", "net")
    rewrite(pair.us, setting("protect", "10.1.0.0/17 <-> 10.2.0.0/17"))
    pair.us.command("reload")
    pair.us.log.wait("has other settings now")
    assert pair.us.status()["state"] == "down"
    with pytest.raises(CommandFailed, match="no connection nobody"):
        pair.us.command("up", "nobody")


@pytest.mark.parametrize("change, words", [
    (setting("esp", "rot13"), "rot13"),
    (setting("psk", "missing"), "No such file"),
    (lambda text: text.replace("global {", "global {\n\tike-port = 501"), "need a restart"),
])
def test_mistake(pair, change, words):
    """Nothing of it is taken."""
    pair.start().up("us")
    rewrite(pair.us, lambda text: change(text) + OTHER)

    def refused():
        with pytest.raises(CommandFailed, match=words):
            pair.us.command("reload")
    same(pair, refused)
    assert pair.us.status("other") is None


def test_new_secret(pair):
    """It is read anew, and used by the next IKE SA alone."""
    pair.start().up("us")
    pair.us.write_psk("another secret")
    same(pair, lambda: pair.us.command("reload"))
    pair.us.command("down", "net")
    with pytest.raises(CommandFailed, match="AUTHENTICATION_FAILED"):
        pair.us.command("up", "net")


def test_new_authority(certs, pki):
    """And so are certificates."""
    both_sides(pki, "p256")
    trust = pki.write("changing", pki.read("other"))
    certs.us_with(pki, "left-p256", trust=trust)
    certs.them_with(pki, "right-p256")
    certs.refused("is not in trust")
    pki.write("changing", pki.read("ca"))
    certs.us.command("reload")
    certs.up("us")


def test_engine_dies_meanwhile(pair):
    """What it had still to take down is taken down all the same."""
    pair.start().up("us")
    engine = pair.us.engine
    rewrite(pair.us, lambda text: text[:text.index("connection net")] + OTHER)
    pair.them.kill()
    pair.us.command("reload")
    os.kill(engine, signal.SIGKILL)
    assert until(lambda: pair.us._answers() and pair.us.engine != engine)
    assert pair.us.records[-1]["do"] == "down"
    assert pair.us.status() is None
