# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by certificate and raw key, against strongSwan."""

import os
import shutil

import pytest

from ike import world as stage
from ike.certs import LOAD, both_sides
from ike.daemons import PSK, Charon, CommandFailed, until
from ike.pki import openssl

KINDS = [
    ("rsa", "RSASSA-PSS with SHA-256"),
    ("p256", "ECDSA with SHA-256"),
    ("p384", "ECDSA with SHA-384"),
    ("p521", "ECDSA with SHA-512"),
    ("ed25519", "Ed25519"),
    ("ed448", "Ed448"),
]


@pytest.mark.parametrize("kind, said", KINDS)
def test_kind_of_key(certs, pki, initiator, kind, said):
    both_sides(pki, kind)
    certs.us_with(pki, "left-" + kind)
    certs.them_with(pki, "right-" + kind, more="rsa_pss = yes")
    certs.up(initiator)
    certs.us.log.wait("peer is right.test \\(%s, certificate C=CH, O=Test, CN=right-%s\\)" % (
        said, kind))


@pytest.mark.parametrize("kind, method", [("p256", 9), ("p384", 10), ("p521", 11)])
def test_before_rfc7427(certs, pki, initiator, kind, method):
    """A peer that does not know Digital Signature."""
    both_sides(pki, kind)
    certs.us_with(pki, "left-" + kind)
    certs.them_with(pki, "right-" + kind, more="signature_authentication = no")
    certs.up(initiator)
    certs.us.log.wait("ECDSA P-%s with SHA-%s, certificate" % (
        kind[1:], {"p521": "512"}.get(kind, kind[1:])))


@pytest.mark.parametrize("more, said", [("", "SHA-256"),
                                        ("signature_authentication = no", "SHA-1")])
def test_pkcs1_where_named(certs, pki, initiator, more, said):
    both_sides(pki, "rsa")
    certs.us_with(pki, "left-rsa", signatures="rsa-pkcs1")
    certs.them_with(pki, "right-rsa", more=more)
    certs.up(initiator)
    certs.us.log.wait("RSA PKCS#1 with %s, certificate" % said)


def test_pkcs1_not_named(certs, pki):
    both_sides(pki, "rsa")
    certs.us_with(pki, "left-rsa")
    certs.them_with(pki, "right-rsa")
    certs.refused("it signs by RSA PKCS#1 with SHA-256, which signatures does not allow")


def test_sha1_not_named(certs, pki):
    both_sides(pki, "rsa")
    certs.us_with(pki, "left-rsa")
    certs.them_with(pki, "right-rsa", more="signature_authentication = no")
    certs.refused("name rsa-pkcs1")


def test_intermediates(certs, pki, initiator):
    """Both send what the other lacks: trust knows the root alone."""
    pki.authority("mid", by="ca")
    pki.authority("low", by="mid")
    for name in ("left", "right"):
        pki.issue(name + "-low", by="low", san="DNS:%s.test" % name)
    chain = "".join(pki.read(name) for name in ("left-low", "low", "mid", "ca"))
    certs.us_with(pki, cert=pki.write("left-chain", chain), key=pki.path("left-low", "key"))
    certs.them_with(pki, "right-low", extra=[])
    for name in ("low", "mid"):
        certs.them.vici.call("load-cert", {"type": "X509", "flag": "NONE",
                                           "data": pki.read(name)})
    certs.up(initiator)


def test_missing_intermediate(certs, pki, initiator):
    both_sides(pki, "p256")
    pki.authority("mid", by="ca")
    pki.issue("right-mid", by="mid", san="DNS:right.test")
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "right-mid")
    certs.refused("its certificate C=CH, O=Test, CN=right-mid: who issued it, C=CH, O=Test, "
                  "CN=mid, is not in trust, nor was it sent", initiator)


def test_trust_folder(certs, pki, initiator):
    both_sides(pki, "p256")
    folder = os.path.join(pki.folder, "cas")
    os.makedirs(folder, exist_ok=True)
    for name in ("ca", "other"):
        shutil.copy(pki.path(name), folder)
    certs.us_with(pki, "left-p256", trust=folder)
    certs.them_with(pki, "right-p256")
    certs.up(initiator)


def test_pinned_certificate(certs, pki, initiator):
    """The peer's own certificate, by nobody but itself, in trust."""
    both_sides(pki, "p256")
    pki.issue("right-self", san="DNS:right.test")
    certs.us_with(pki, "left-p256", trust=pki.path("right-self"))
    certs.them_with(pki, "right-self")
    certs.up(initiator)


IDENTITIES = [
    ("right.test", "right.test", "DNS:right.test"),
    ("ops@right.test", "ops@right.test", "email:ops@right.test"),
    (stage.RIGHT, stage.RIGHT, "IP:" + stage.RIGHT),
    ("auto", stage.RIGHT, "IP:" + stage.RIGHT),
    ("fd00::7", "fd00::7", "IP:fd00::7"),
    ("C=CH, O=Test, CN=right-id", "C=CH, O=Test, CN=right-id", None),
    ("C=CH, O=Test, CN=*", "C=CH, O=Test, CN=right-id", None),
]


@pytest.mark.parametrize("ours, theirs, san", IDENTITIES)
def test_identity(certs, pki, initiator, ours, theirs, san):
    """What we expect, what it says, and what its certificate says."""
    both_sides(pki, "p256")
    pki.issue("right-id", by="ca", san=san)
    certs.us_with(pki, "left-p256", remote_id=ours)
    certs.them_with(pki, "right-id", local={"id": theirs})
    certs.up(initiator)


def test_local_id_from_certificate(certs, pki, initiator):
    both_sides(pki, "p256")
    pki.issue("left-dn", by="ca")
    certs.us_with(pki, "left-dn", local_id=None)
    certs.them_with(pki, "right-p256", remote={"id": "C=CH, O=Test, CN=left-dn"})
    certs.up(initiator)


MIXED = ["us", "them"]


@pytest.mark.parametrize("signer", MIXED)
def test_mixed(certs, pki, initiator, signer):
    """One side with a certificate, the other with a pre-shared key."""
    both_sides(pki, "p256")
    if signer == "us":
        certs.us_with(pki, "left-p256", trust=None, psk="psk")
        certs.them_with(pki, None, local={"auth": "psk"})
    else:
        certs.us_with(pki, cert=None, key=None, psk="psk")
        certs.them_with(pki, "right-p256", remote={"auth": "psk"})
    certs.up(initiator)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_raw_keys(certs, pki, initiator, kind):
    for name in ("left", "right"):
        pki.key("%s-raw-%s" % (name, kind), kind)
        pki.public("%s-raw-%s" % (name, kind))
    left, right = "left-raw-" + kind, "right-raw-" + kind
    certs.us_with(pki, cert=None, key=pki.path(left, "key"), trust=None,
                  remote_key=pki.path(right, "pub"))
    certs.them = Charon(certs.world.right, certs._subfolder("them"), "rsa_pss = yes", load=LOAD)
    certs.them.vici.call("load-key", {"type": "any", "data": pki.read(right, "key")})
    certs.them.load({"addr": stage.RIGHT, "id": "right.test"},
                    {"addr": stage.LEFT, "id": "left.test"},
                    local={"auth": "pubkey", "id": "right.test",
                           "pubkeys": [pki.read(right, "pub")]},
                    remote={"auth": "pubkey", "id": "left.test",
                            "pubkeys": [pki.read(left, "pub")]})
    certs.up(initiator)


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
def test_encrypted_key(certs, pki, form):
    both_sides(pki, "p256")
    argv = ["pkey", "-in", pki.path("left-p256", "key"), "-aes256", "-passout", "pass:geheim",
            "-out", pki.path("locked", "key")]
    openssl(*argv, *(["-traditional"] if form == "traditional" else []))
    os.chmod(pki.path("locked", "key"), 0o600)
    os.chmod(pki.write("locked", "geheim\n", "pass"), 0o600)
    certs.us_with(pki, "left-p256", key=pki.path("locked", "key"),
                  passphrase=pki.path("locked", "pass"))
    certs.them_with(pki, "right-p256")
    certs.up("us")


# name, how it is made, what we say of it
BAD = [
    ("expired", {"start": "20200101000000Z", "end": "20210101000000Z"},
     "expired on 2021-01-01 00:00 UTC"),
    ("future", {"start": "20900101000000Z", "end": "20910101000000Z"},
     "valid only from 2090-01-01"),
    ("name", {"san": "DNS:wrong.test"}, "does not name right.test"),
    ("cn-only", {"san": None, "subject": "/CN=right.test"}, "does not name right.test"),
    ("wildcard", {"san": "DNS:*.test"}, "does not name right.test"),
    ("usage", {"more": ["keyUsage=keyEncipherment"]}, "not for signatures"),
    ("eku", {"more": ["extendedKeyUsage=codeSigning"]}, "not for IKE"),
    ("untrusted", {"by": "other"}, "who issued it, C=CH, O=Test, CN=other, is not in trust"),
    ("weak", {"kind": "rsa1024"}, "key too small|key too weak|less than 2048"),
]


@pytest.mark.parametrize("name, made, said", BAD)
def test_bad_certificate(certs, pki, initiator, name, made, said):
    both_sides(pki, "p256")
    arguments = {"by": "ca", "san": "DNS:right.test"}
    arguments.update(made)
    pki.issue("bad-" + name, **arguments)
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "bad-" + name, extra=["other"], more="rsa_pss = yes")
    certs.refused("not authentic: .*" + said, initiator)


def test_eku_any(certs, pki):
    both_sides(pki, "p256")
    pki.issue("right-web", by="ca", san="DNS:right.test", more=["extendedKeyUsage=serverAuth"])
    certs.us_with(pki, "left-p256", eku="any")
    certs.them_with(pki, "right-web")
    certs.up("us")


def test_name_constraints(certs, pki):
    both_sides(pki, "p256")
    pki.authority("bound", by="ca", more=["nameConstraints=critical,permitted;DNS:elsewhere.test"])
    pki.issue("right-bound", by="bound", san="DNS:right.test")
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "right-bound")
    certs.them.vici.call("load-cert", {"type": "X509", "flag": "NONE",
                                       "data": pki.read("bound")})
    certs.refused("name constraints of an authority above it forbid")


def test_end_certificate_issues_none(certs, pki):
    """Somebody with a certificate plays authority."""
    both_sides(pki, "p256")
    pki.issue("fake", by="left-p256", san="DNS:right.test")
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "fake")
    certs.them.vici.call("load-cert", {"type": "X509", "flag": "NONE",
                                       "data": pki.read("left-p256")})
    certs.refused("not authentic: ")


@pytest.mark.parametrize("state, said", [("good", None), ("revoked", "revoked"),
                                         ("missing", "no revocation list"),
                                         ("old", "out of date")])
def test_crl(certs, pki, state, said):
    both_sides(pki, "p256")
    crl = pki.crl("ca", revoked=["right-p256"] if state == "revoked" else [])
    if state == "missing":
        crl = pki.crl("other")
    elif state == "old":
        pki.write("ca", pki.read("ca", "crl"), "crl")
        openssl("ca", "-config", pki.path("ca", "cnf"), "-gencrl", "-cert", pki.path("ca"),
                "-keyfile", pki.path("ca", "key"), "-crl_lastupdate", "20200101000000Z",
                "-crl_nextupdate", "20200201000000Z", "-out", crl)
    certs.us_with(pki, "left-p256", crl=crl)
    certs.them_with(pki, "right-p256")
    if said:
        certs.refused("not authentic: .*" + said)
    else:
        certs.up("us")


def test_psk_instead(certs, pki, initiator):
    """The peer knows a pre-shared key, which nobody asked for."""
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "right-p256", local={"auth": "psk"})
    certs.refused("by pre-shared key, but certificate is configured", initiator)


def test_signature_instead(certs, pki, initiator):
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256", trust=None, psk="psk")
    certs.them_with(pki, "right-p256")
    certs.refused("by signature, but pre-shared key is configured", initiator)


def test_wrong_key(certs, pki):
    """Another key than the certificate's."""
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256", key=pki.path("right-p256", "key"))
    certs.us.log.wait("does not belong to the first certificate")
    certs.them_with(pki, "right-p256")
    with pytest.raises(CommandFailed):
        certs.us.command("up", "net")
    assert PSK not in "\n".join(certs.us.log.lines)


def test_restart_of_the_engine(certs, pki):
    """It gets everything again."""
    both_sides(pki, "p256")
    certs.us_with(pki, "left-p256")
    certs.them_with(pki, "right-p256")
    before = certs.us.engine
    os.kill(before, 9)
    assert until(lambda: certs.us._answers() and certs.us.engine != before)
    certs.up("us")
