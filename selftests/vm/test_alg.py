# SPDX-License-Identifier: GPL-2.0-or-later
"""Every algorithm of ESP, with scapy where it has it and lib/espref.py where it
has not; test_alg_xfrm.py does the same with kernel xfrm.

All suites go through one pair of namespaces in one test, SA by SA: what each
test names is the road (family, UDP, extended sequence numbers).
"""

import itertools

import pytest

from lib.bench import EVERYTHING
from lib.espref import INTEGS, SUITES, Esp
from lib.genl import refused
from test_esp import ENCAP, NATIVE, flip, inbound, outbound

ROADS = pytest.mark.parametrize("family,encap,esn", [
    pytest.param(f, e, s, id="v%d-%s-%s" % (f, "udp" if e else "native", "esn" if s else "seq32"))
    for f, e, s in (itertools.product((4, 6), (NATIVE, ENCAP), (False, True)) if EVERYTHING else
                    ((4, NATIVE, False), (6, ENCAP, True)))])
SIZES = (4, 5, 15, 16, 17, 1300)


def numbered(first):
    return {name: first + i for i, name in enumerate(SUITES)}


@ROADS
def test_sending(net, family, encap, esn):
    net.policy()
    start = 0xFFFFFFFE if esn else 0
    for name, spi in numbered(0x2001).items():
        sa = net.sa("out", name, family, spi, encap, esn, sequence=start)
        packets = [outbound(size, inner, mark=size) for inner in (4, 6) for size in SIZES]
        net.transmit(packets)
        ivs = set()
        for seq, (inner, packet) in enumerate(zip(packets, net.wire.take(len(packets))),
                                              start + 1):
            if sa.scapy_can():
                assert sa.open(packet, seq >> 32).inner == inner, name
            found, iv, plain = sa.unseal(packet, seq >> 32)
            pad = -(len(inner) + 2) % sa.cipher.block
            assert found == seq, name
            assert plain == inner + bytes(range(1, pad + 1)) + \
                bytes([pad, 4 if inner[0] >> 4 == 4 else 41]), name
            ivs.add(iv)
        assert len(ivs) == (len(packets) if sa.cipher.iv else 1), name
        state = net.state(sa)
        assert state["packets"] == len(packets) and state["drops"] == {}
        assert (state["encr"], state.get("integ")) == (sa.cipher.encr,
                                                       sa.integ and sa.integ.id), name
        assert state["encr_key_bits"] == sa.cipher.key_len * 8
    assert net.wire.drain() == []


@ROADS
def test_receiving(net, family, encap, esn):
    """What the other end seals comes out; with one bit changed, cut short or
    played again it does not, and is counted as what it is."""
    net.policy()
    if encap:
        net.nl.do("port-add", port=4500)
    start = 0xFFFFFFFE if esn else 0
    for name, spi in numbered(0x1001).items():
        sa = net.sa("in", name, family, spi, encap, esn, sequence=start)
        inner = [inbound(size, version, mark=size) for version in (4, 6) for size in SIZES]
        packets = [sa.seal(p, start + i) for i, p in enumerate(inner, 1)]
        if sa.scapy_can():
            packets[3:5] = [sa.scapy_seal(p, start + i) for i, p in enumerate(inner[3:5], 4)]
        head = sa.headers
        bad = [flip(packets[0], 8 * at) for at in range(head + 8, len(packets[0]), 3)]
        bad += [sa.wrap(packets[0][head:-cut]) for cut in (1, 4, 8, 16)]
        moved, out = net.feed(sa, bad)
        assert (out, moved) == ([], {"drops": {"rx-auth": len(bad)}}), name
        moved, out = net.feed(sa, packets)
        assert out == inner, name
        assert moved["drops"] == {} and moved["packets"] == len(inner)
        moved, out = net.feed(sa, packets)
        assert (out, moved) == ([], {"drops": {"rx-replay-duplicate": len(packets)}}), name


@pytest.mark.parametrize("name", ("aes128-sha256", "null-aescmac", "aes256ctr-sha512",
                                  "aes128ccm8", "aes256gmac"))
def test_every_length(net, name):
    """Cut anywhere, with headers that agree; and not whole blocks, although
    authentic."""
    net.policy()
    sa = net.sa("in", name)
    good = sa.seal(inbound(), 1)[sa.headers:]
    short = 8 + sa.cipher.iv + 2 + sa.cipher.icv
    cut = [sa.wrap(good[:length]) for length in range(8, len(good))]
    moved, out = net.feed(sa, cut)
    assert out == []
    assert moved == {"drops": {"rx-short": short - 8, "rx-auth": len(good) - short}}
    if name == "aes128-sha256":
        plain = bytes(range(64))
        work = sa.aead
        text = work.encrypt(bytes(16), plain, bytes(8), 0)[:len(plain) - 7]
        body = bytes(16) + text
        header = sa.spi.to_bytes(4, "big") + (1).to_bytes(4, "big")
        packet = sa.wrap(header + body + work.mac(header + body))
        moved, out = net.feed(sa, [packet])
        assert (out, moved) == ([], {"drops": {"rx-crypto": 1}})
    moved, out = net.feed(sa, [sa.wrap(good)])
    assert out == [inbound()]


def test_iv_of_cbc_is_random(net):
    """Nobody can tell the next one: no counter, not even a hidden one, shows
    between neighbours or between SAs."""
    net.policy()
    ivs = []
    for spi in (0x2001, 0x2002):
        sa = net.sa("out", "aes128-sha256", spi=spi, key=bytes(16))
        net.transmit([outbound()] * 50)
        ivs += [int.from_bytes(sa.unseal(p)[1], "big") for p in net.wire.take(50)]
    assert len(set(ivs)) == 100
    half = (1 << 64) - 1
    for one, other in itertools.combinations(ivs, 2):
        assert (one ^ other) >> 64 and (one ^ other) & half
    for shift in (0, 64):       # and not the same difference everywhere
        steps = {(b ^ a) >> shift & half for a, b in zip(ivs, ivs[1:])}
        assert len(steps) == 99


class TestRefused:
    """What nobody should use, and what does not fit together."""

    @staticmethod
    def new(net, encr=20, encr_key=bytes(20), **values):
        given = dict(direction="in", protocol=50, spi=0x1001, src="192.0.2.2", dst="192.0.2.1",
                     policy=1, encr=encr, encr_key=encr_key, **values)
        return lambda: net.nl.do("sa-new", **{k: v for k, v in given.items() if v is not None})

    def check(self, net, code, text, **values):
        net.policy()
        refusal = refused(code, self.new(net, **values))
        assert text in str(refusal.message or refusal), refusal
        assert net.nl.dump("sa-get") == []

    @pytest.mark.parametrize("encr,text", ((1, "DES"), (2, "DES"), (3, "3DES"), (7, "Blowfish"),
                                           (9, "DES"), (23, "not supported"), (0, "not")))
    def test_weak_ciphers(self, net, encr, text):
        self.check(net, 95, text, encr=encr, encr_key=bytes(24))

    @pytest.mark.parametrize("integ,text", ((1, "MD5"), (6, "MD5"), (3, "DES-MAC"), (4, "KPDK"),
                                            (7, "not supported"), (0, "not supported"),
                                            (2, "legacy")))
    def test_weak_integrity(self, net, integ, text):
        self.check(net, 95, text, encr=12, encr_key=bytes(16), integ=integ, integ_key=bytes(20))

    @pytest.mark.parametrize("encr,key", ((11, None), (12, 16), (13, 20)))
    def test_no_integrity(self, net, encr, key):
        self.check(net, 22, "RFC 8221", encr=encr, encr_key=key and bytes(key))

    @pytest.mark.parametrize("name", sorted(SUITES))
    def test_key_lengths(self, net, name):
        """Of every length, each algorithm takes its own."""
        net.policy()
        c = SUITES[name]
        values = dict(encr=c.encr, integ=c.integ and INTEGS[c.integ].id, legacy=True,
                      integ_key=c.integ and bytes(INTEGS[c.integ].key_len))
        taken = []
        for length in range(0, 65):
            new = self.new(net, encr_key=bytes(length), **values)
            try:
                new()
            except OSError as error:
                assert error.errno == 22, error
                continue
            taken.append(length)
            net.nl.do("sa-del", protocol=50, spi=0x1001, dst="192.0.2.1")
        lengths = {28: [36], 11: [0]}.get(c.encr, [k + c.salt for k in (16, 24, 32)])
        assert taken == lengths

    @pytest.mark.parametrize("name", sorted(INTEGS))
    def test_integrity_key_lengths(self, net, name):
        net.policy()
        taken = []
        for length in range(0, 65):
            new = self.new(net, encr=12, encr_key=bytes(16), integ=INTEGS[name].id, legacy=True,
                           integ_key=bytes(length))
            try:
                new()
            except OSError as error:
                assert error.errno == 22, error
                continue
            taken.append(length)
            net.nl.do("sa-del", protocol=50, spi=0x1001, dst="192.0.2.1")
        assert taken == [INTEGS[name].key_len]

    def test_does_not_fit(self, net):
        self.check(net, 22, "integrity algorithm beside", integ=12, integ_key=bytes(32))
        self.check(net, 22, "integrity key beside", integ_key=bytes(32))
        self.check(net, 22, "integrity key is missing", encr=12, encr_key=bytes(16), integ=12)
        self.check(net, 22, "encryption key is missing", encr=12, encr_key=None, integ=12,
                   integ_key=bytes(32))
        self.check(net, 22, "no key", encr=11, encr_key=bytes(16), integ=12, integ_key=bytes(32))


def test_reference_is_scapys():
    """The quick reference makes scapy's packets, wherever scapy makes any."""
    for name, esn in itertools.product(SUITES, (False, True)):
        sa = Esp(name, esn=esn)
        if not sa.scapy_can():
            continue
        for size in SIZES[:4]:
            inner, iv = inbound(size), bytes(range(sa.cipher.iv))
            assert sa.scapy_seal(inner, 7, iv=iv)[20:] == sa.seal(inner, 7, iv=iv)[20:], name
