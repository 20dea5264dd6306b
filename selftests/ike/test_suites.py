# SPDX-License-Identifier: GPL-2.0-or-later
"""Algorithms, selectors, address families, cookies, NAT."""

import os
import socket
import struct

import pytest

from ike import world as stage
from ike.daemons import until
from ike.test_tunnel import installed, one_child

IKE_SUITES = [
    ("aes256gcm-sha256-x25519", "aes256gcm16-prfsha256-curve25519"),
    ("aes128gcm-sha384-ecp256", "aes128gcm16-prfsha384-ecp256"),
    ("aes256gcm-sha512-modp2048", "aes256gcm16-prfsha512-modp2048"),
    ("aes256-sha256-ecp256", "aes256-sha256-prfsha256-ecp256"),
    ("aes128-sha512-modp2048", "aes128-sha512-prfsha512-modp2048"),
    ("aes192-sha384-x25519", "aes192-sha384-prfsha384-curve25519"),
]
ESP_SUITES = [
    ("aes128gcm", "aes128gcm16"),
    ("aes192gcm", "aes192gcm16"),
    ("aes256gcm-noesn", "aes256gcm16"),
    ("chacha20poly1305-noesn", "chacha20poly1305"),
]


@pytest.mark.parametrize("ours, theirs", IKE_SUITES)
def test_ike_suite(pair, initiator, ours, theirs):
    pair.start_us(ike=ours)
    pair.start_them(proposals=[theirs])
    pair.up(initiator)
    pair.us.command("rekey", "net")
    pair.pings()


@pytest.mark.parametrize("ours, theirs", ESP_SUITES)
def test_esp_suite(pair, initiator, ours, theirs):
    pair.start_us(esp=ours)
    pair.start_them(child={"esp_proposals": [theirs]})
    pair.up(initiator)
    pair.pings(count=10)


def test_invalid_ke(pair, initiator):
    """The first guess at the group is wrong, the second right."""
    if initiator == "us":
        pair.start_us(ike="aes256gcm-sha256-x25519-modp2048")
        pair.start_them(proposals=["aes256gcm16-prfsha256-modp2048"])
    else:
        pair.start_us(ike="aes256gcm-sha256-modp2048")
        pair.start_them(proposals=["aes256gcm16-prfsha256-curve25519-modp2048"])
    pair.up(initiator)
    assert "INVAL_KE" in pair.them.log()


def test_invalid_ke_at_rekey(pair):
    pair.start_us(esp="aes256gcm-x25519-ecp256")
    pair.start_them(child={"esp_proposals": ["aes256gcm16-ecp256"]})
    pair.up("us")
    pair.us.command("rekey", "net")
    pair.pings()
    assert one_child(pair)


def test_default_proposals(pair, initiator):
    """Nothing said on either side."""
    pair.start_us(ike="aes256gcm-aes128gcm-chacha20poly1305-sha256-sha384-sha512-x25519-ecp256-"
                      "modp2048, aes256-aes128-sha256-sha384-sha512-x25519-ecp256-modp2048",
                  esp="aes256gcm-aes128gcm-chacha20poly1305-x25519-ecp256-modp2048-none")
    pair.start_them(proposals=["default"], child={"esp_proposals": ["default"]})
    pair.up(initiator)
    pair.us.command("rekey", "net")
    pair.pings()


# their selectors, and what both must end with as we see it
NARROWING = [
    (["10.2.0.0/24"], ["10.1.0.0/16"], "10.1.0.0/16 <-> 10.2.0.0/24"),
    (["10.2.0.1"], ["10.1.0.1"], "10.1.0.1 <-> 10.2.0.1"),
    (["10.0.0.0/8"], ["10.0.0.0/8"], "10.1.0.0/16 <-> 10.2.0.0/16"),
    (["0.0.0.0/0"], ["0.0.0.0/0"], "10.1.0.0/16 <-> 10.2.0.0/16"),
    (["10.2.0.0/16[icmp]"], ["10.1.0.0/16[icmp]"], "10.1.0.0/16 icmp <-> 10.2.0.0/16 icmp"),
]


@pytest.mark.parametrize("local, remote, result", NARROWING)
def test_narrowing(pair, initiator, local, remote, result):
    pair.start_us()
    pair.start_them(child={"local_ts": local, "remote_ts": remote})
    pair.up(initiator)
    assert installed(pair)[0]["selectors"] == [result]
    assert [r["ts"] for r in pair.us.records if r["do"] == "add"][-1] == [result]


def test_several_selectors(pair, initiator):
    pair.start_us(protect="10.1.0.0/16, 10.5.0.0/16 <-> 10.2.0.0/16, 10.6.0.0/16")
    pair.start_them(child={"local_ts": ["10.2.0.0/16", "10.6.0.0/16"],
                           "remote_ts": ["10.1.0.0/16", "10.5.0.0/16"]})
    pair.up(initiator)
    assert len(installed(pair)[0]["selectors"]) == 4


V6 = {"protect": "fd01::/64 <-> fd02::/64"}
V6_CHILD = {"local_ts": ["fd02::/64"], "remote_ts": ["fd01::/64"]}


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("inner", [4, 6])
def test_families(pair, initiator, outer, inner):
    ends = {"left": stage.LEFT6, "right": stage.RIGHT6} if outer == 6 else {}
    addresses = {"target": "fd02::1", "source": "fd01::1"} if inner == 6 else {}
    pair.start_us(**ends, **(V6 if inner == 6 else {}))
    pair.start_them(**ends, child=V6_CHILD if inner == 6 else {})
    assert not pair.world.ping(wait=0.1, **addresses)
    if initiator == "us":
        pair.us.command("up", "net")
    else:
        pair.them.initiate()
    pair.pings(count=5, **addresses)


@pytest.mark.parametrize("hidden", ["left", "right"])
def test_nat(pair, initiator, hidden):
    """One side behind a masquerading router that lets IKE in to it."""
    pair.world.nat(hidden)
    if hidden == "left":
        pair.start_us(encapsulation="auto")
        pair.start_them(left=stage.NAT_LEFT)
    else:
        pair.start_us(right=stage.NAT_RIGHT, encapsulation="auto")
        pair.start_them()
    pair.up(initiator)
    pair.us.command("rekey", "net")
    pair.pings(count=5)
    pair.them.vici.call("rekey", {"child": "net"})
    assert one_child(pair)
    pair.pings(count=5)
    nat = {"left": "local", "right": "remote"}[hidden]
    assert pair.us.status()["nat"] in (nat, "both")


def test_nat_then_delete(pair):
    pair.world.nat("left")
    pair.start_us()
    pair.start_them(left=stage.NAT_LEFT)
    pair.up("us")
    pair.them.vici.call("terminate", {"ike": "net"})
    assert until(lambda: pair.us.count("del"))


def sa_init(spi=None):
    """An IKE_SA_INIT request of the suite that start_us() has."""
    def payload(following, body):
        return struct.pack("!BBH", following, 0, 4 + len(body)) + body

    transforms = (struct.pack("!BBHBBHHH", 3, 0, 12, 1, 0, 20, 0x800E, 256) +
                  struct.pack("!BBHBBH", 3, 0, 8, 2, 0, 5) +
                  struct.pack("!BBHBBH", 0, 0, 8, 4, 0, 31))
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
    body = (payload(34, proposal) + payload(40, struct.pack("!HH", 31, 0) + os.urandom(32)) +
            payload(0, os.urandom(32)))
    return (spi or os.urandom(8)) + bytes(8) + struct.pack(
        "!BBBBII", 33, 0x20, 34, 0x08, 0, 28 + len(body)) + body


def flood_half_open(namespace, target, count):
    """That many initiators that never finish."""
    namespace.enter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(sa_init(), (target, 500))


def test_we_return_a_cookie(pair):
    pair.start_us()
    pair.start_them(more="cookie_threshold = 1\n block_threshold = 0")
    stage.in_thread(flood_half_open, pair.world.left, stage.RIGHT, 3)
    assert until(lambda: "IKE_SA_INIT response" in pair.them.log())
    pair.up("us")
    assert "N(COOKIE)" in pair.them.log()


def test_we_ask_for_a_cookie(pair):
    """Under a flood of half-open SAs an honest peer still gets in."""
    pair.start()
    stage.in_thread(flood_half_open, pair.world.right, stage.LEFT, 400)
    pair.them.initiate()
    pair.pings()
    assert "N(COOKIE)" in pair.them.log()
