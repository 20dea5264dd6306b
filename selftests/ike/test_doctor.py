# SPDX-License-Identifier: GPL-2.0-or-later
"""Broken configurations, and what "cygnet doctor" says of each.

Where our side can know the cause, the doctor names it and one line; where the protocol
hides it, at most three lines, one of which is it.
"""

import os
import re
import subprocess

import pytest

from ike.certs import both_sides
from ike.conftest import build
from ike import world as stage
from ike.daemons import PSK, TREE, CommandFailed
from ike.test_auth import BAD

pytestmark = pytest.mark.usefixtures("cli")


@pytest.fixture(scope="module")
def cli():
    build("userspace-test", "CPPFLAGS=-DCYGNET_TEST_BACKEND")
    subprocess.run(["make", "-s", "-C", os.path.join(TREE, "userspace"),
                    "OUT=" + os.path.join(TREE, "build", "userspace-test"),
                    "CPPFLAGS=-DCYGNET_TEST_BACKEND",
                    os.path.join(TREE, "build", "userspace-test", "cygnet")], check=True)


class Verdict:
    """What the doctor says: its exit status, its text, the keys whose lines it names."""

    def __init__(self, us):
        done = subprocess.run([os.path.join(TREE, "build", "userspace-test", "cygnet"),
                               "--config", us.config, "doctor", "net"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.status, self.text = done.returncode, done.stdout + done.stderr
        self.keys = re.findall(r"^ +\S+:\d+: (?:connection net says nothing about )?([a-z-]+) ",
                               self.text, re.MULTILINE)

    def check(self, words, keys):
        assert self.status == 1, self.text
        assert re.search(words, self.text), self.text
        assert set(keys) <= set(self.keys) and len(self.keys) <= 3, self.text
        for secret in (PSK, "another secret", "PRIVATE KEY"):
            assert secret not in self.text


# what differs at our side, what at the peer's, what is said, the line to change
PSK_CASES = {
    "wrong psk": ({"psk": "another secret"}, {}, "AUTHENTICATION_FAILED", "psk"),
    "ike cipher": ({"ike": "chacha20poly1305-sha256-x25519"}, {},
                   "NO_PROPOSAL_CHOSEN, none of the algorithms", "ike"),
    "ike prf": ({"ike": "aes256gcm-sha512-x25519"}, {}, "NO_PROPOSAL_CHOSEN", "ike"),
    "ike key exchange": ({"ike": "aes256gcm-sha256-ecp256"}, {},
                         "NO_PROPOSAL_CHOSEN|not configured", "ike"),
    "ike integrity": ({"ike": "aes256-sha512-x25519"},
                      {"proposals": ["aes256-sha256-prfsha512-curve25519"]},
                      "NO_PROPOSAL_CHOSEN", "ike"),
    "esp cipher": ({"esp": "chacha20poly1305"}, {}, "NO_PROPOSAL_CHOSEN", "esp"),
    "esp esn": ({"esp": "aes256gcm-esn"}, {"child": {"esp_proposals": ["aes256gcm16-noesn"]}},
                "NO_PROPOSAL_CHOSEN", "esp"),
    "esp integrity": ({"esp": "aes256-sha512"}, {"child": {"esp_proposals": ["aes256-sha256"]}},
                      "NO_PROPOSAL_CHOSEN", "esp"),
    "ike further key exchange": ({"ike": "aes256gcm-sha256-x25519+ecp256"}, {},
                                 "NO_PROPOSAL_CHOSEN, none of the algorithms", "ike"),
    "mode": ({"protect": "tcp 5432", "add": "mode = transport"}, {}, "TS_UNACCEPTABLE", "mode"),
    "networks": ({"protect": "10.7.0.0/16 <-> 10.8.0.0/16"}, {},
                 "TS_UNACCEPTABLE, it protects other networks", "protect"),
    "local-id": ({"more": "local-id = who.test"}, {}, "AUTHENTICATION_FAILED", "local-id"),
    "remote-id": ({"more": "remote-id = who.test"}, {},
                  "AUTHENTICATION_FAILED|says it is right.test, not who.test", "remote-id"),
    "remote": ({"right": "10.9.2.77"}, {}, "nothing came back at all", "remote"),
    "remote-port": ({"add": "remote-port = 4711"}, {}, "nothing came back at all",
                    "remote-port"),
}


def test_enough():
    """Each of these lists breaks something else."""
    assert len(PSK_CASES) + len(BAD) >= 20


@pytest.mark.parametrize("case", PSK_CASES)
def test_psk(pair, case):
    ours, theirs, words, key = PSK_CASES[case]
    ours = dict(ours)
    more = ours.pop("more", "")
    config = {}
    if "psk" in ours:
        config["psk"] = ours.pop("psk")
    name = more.split(" =")[0]
    add = ours.pop("add", "")
    pair.start_us(more="retransmit-timeout = 2s\n" + add, **ours, **config)
    if more:
        with open(pair.us.config, encoding="ascii") as handle:
            text = re.sub(r"%s = .*" % name, more, handle.read())
        pair.us.stop()
        with open(pair.us.config, "w", encoding="ascii") as handle:
            handle.write(text)
        pair.us.start()
    pair.start_them(**theirs)
    Verdict(pair.us).check(words, [key])


@pytest.mark.parametrize("port", [500, 4500])
def test_blocked_port(pair, port):
    pair.start_us(more="retransmit-timeout = 2s")
    pair.start_them()
    pair.world.router.run("nft add table inet block")
    try:
        pair.world.router.run("nft add chain inet block it { type filter hook forward "
                              "priority 0 ; }")
        pair.world.router.run("nft add rule inet block it udp dport %d drop" % port)
        Verdict(pair.us).check("UDP %d" % port, ["remote"])
    finally:
        pair.world.router.run("nft delete table inet block")


def test_black_hole(certs, pki):
    """Small messages pass, those with certificates do not."""
    both_sides(pki, "rsa")
    certs.us_with(pki, "left-rsa", **{"retransmit-timeout": "2s"})
    certs.them_with(pki, "right-rsa", more="rsa_pss = yes")
    router = certs.world.router
    router.run("nft add table inet block")
    try:
        router.run("nft add chain inet block it { type filter hook forward priority 0 ; }")
        router.run("nft add rule inet block it meta length > 700 drop")
        Verdict(certs.us).check("fragments of large messages", ["cert", "remote"])
    finally:
        router.run("nft delete table inet block")


BLAMED = {"name": "remote-id", "cn-only": "remote-id", "wildcard": "remote-id", "eku": "eku"}


@pytest.mark.parametrize("name, made, said", BAD)
def test_certificate_of_the_peer(certs, pki, name, made, said):
    both_sides(pki, "p256")
    arguments = {"by": "ca", "san": "DNS:right.test"}
    arguments.update(made)
    pki.issue("bad-" + name, **arguments)
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "bad-" + name, extra=["other"], more="rsa_pss = yes")
    Verdict(certs.us).check("not authentic: .*" + said, [BLAMED.get(name, "trust")])


def test_our_certificate_expired(certs, pki):
    """No need to ask anybody."""
    both_sides(pki, "p256")
    pki.issue("old", by="ca", san="DNS:left.test", start="20200101000000Z",
              end="20210101000000Z")
    certs.us_with(pki, "old")
    verdict = Verdict(certs.us)
    assert verdict.status == 1
    assert re.search(r"cygnet.conf:\d+: .*old.pem: it expired on 2021-01-01", verdict.text)


def test_our_key_is_another(certs, pki):
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256", key=pki.path("right-p256", "key"))
    verdict = Verdict(certs.us)
    assert verdict.status == 1
    assert "does not belong to the first certificate" in verdict.text


def test_key_open_to_others(certs, pki):
    both_sides(pki, "p256")
    key = pki.write("open", pki.read("left-p256", "key"), "key")
    os.chmod(key, 0o644)
    certs.us_with(pki, "left-p256", key=key)
    verdict = Verdict(certs.us)
    assert verdict.status == 1
    assert "chmod 600" in verdict.text


def test_untrusted_at_the_peer(certs, pki):
    """It does not know who issued ours, and does not say so."""
    both_sides(pki, "p256")
    pki.issue("stranger", by="other", san="DNS:left.test")
    certs.us_with(pki, "stranger")
    certs.them_with(pki, "right-p256")
    Verdict(certs.us).check("AUTHENTICATION_FAILED", ["cert"])


def test_other_method(certs, pki):
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "right-p256", local={"auth": "psk"})
    Verdict(certs.us).check("by pre-shared key, but certificate is configured", ["trust"])


def test_signature_not_allowed(certs, pki):
    both_sides(pki, "rsa")
    certs.us_with(pki, "left-rsa")
    certs.them_with(pki, "right-rsa")
    Verdict(certs.us).check("which signatures does not allow", ["signatures"])


def test_not_running(pair):
    pair.start_us()
    pair.us.stop()
    verdict = Verdict(pair.us)
    assert verdict.status != 0
    assert "systemctl start cygnetd" in verdict.text


def test_well(pair):
    pair.start()
    verdict = Verdict(pair.us)
    assert verdict.status == 0, verdict.text
    assert "net is up" in verdict.text


def test_revoked(certs, pki):
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256", crl=pki.crl("ca", revoked=["right-p256"]))
    certs.them_with(pki, "right-p256")
    Verdict(certs.us).check("not authentic: .*revoked", ["crl"])


def test_what_the_peer_tried(pair):
    """As responder: its offer, ours, and where they differ."""
    pair.start_us()
    pair.start_them(proposals=["aes128gcm16-prfsha256-curve25519"])
    pair.them.initiate(check=False)
    trouble = pair.us.status()["peer-trouble"]
    assert trouble["keys"] == ["ike"]
    assert any("offered" in line and "AES-GCM-16-128" in line for line in trouble["details"])
    assert any("differ in ENCR" in line for line in trouble["details"])


@pytest.mark.parametrize("hidden", ["left", "right"])
def test_ah_behind_nat(pair, hidden):
    """Both the daemon and the doctor say that AH cannot pass, before anything is asked for."""
    pair.world.nat(hidden)
    ends = {"right": stage.NAT_RIGHT} if hidden == "right" else {}
    us = pair.start_us(esp="none", encapsulation="auto", more="ah = sha256", **ends)
    pair.start_them(**({"left": stage.NAT_LEFT} if hidden == "left" else {}))
    with pytest.raises(CommandFailed, match="AH covers addresses, and a NAT"):
        us.command("up", "net")
    Verdict(us).check("AH covers addresses, and a NAT", ["ah"])
    assert "IKE_AUTH" not in pair.them.log()
