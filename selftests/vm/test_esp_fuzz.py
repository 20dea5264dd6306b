# SPDX-License-Identifier: GPL-2.0-or-later
"""A hundred thousand mutated ESP packets.

None of them is both authentic and new, so none may change an SA, come out of
the tunnel, or be answered by an event.  In the debug kernel all of them; under
an emulated processor 10,000.  FUZZ_SEED=n gives other packets.
"""

import os
import random
import struct

from lib.bench import FAR4, FAR6, IN4, IN6, until
from lib.espref import addresses, checksum, udp

PACKETS = 100000 if os.environ.get("GUEST") == "debug" else 10000
SEED = int(os.environ.get("FUZZ_SEED", "4303"))
TOP = 1 << 16


def mend(packet):
    """Lengths and checksums of the outer headers made right."""
    p = bytearray(packet)
    if p[0] >> 4 == 4 and len(p) >= 20 and p[0] & 15 == 5:
        p[2:4] = struct.pack("!H", len(p))
        p[10:12] = b"\0\0"
        p[10:12] = struct.pack("!H", checksum(bytes(p[:20])))
        if p[9] == 17 and len(p) >= 28:
            p[24:28] = struct.pack("!HH", len(p) - 20, 0)
    elif p[0] >> 4 == 6 and len(p) >= 40:
        p[4:6] = struct.pack("!H", len(p) - 40)
        if p[6] == 17 and len(p) >= 48:
            sport, dport = struct.unpack_from("!HH", p, 40)
            p[:] = udp(*addresses(bytes(p)), sport, dport, bytes(p[48:]))
    return bytes(p)


class Mutator:
    """Packets for SAs, spoilt."""

    def __init__(self, seed, sas):
        self.rng, self.sas = random.Random(seed), sas
        self.inner = [udp(FAR4, IN4, 2, 1, bytes(n)) for n in (0, 3, 40, 400)] + \
                     [udp(FAR6, IN6, 2, 1, bytes(n)) for n in (0, 3, 40, 400)]
        # Numbers that were used (played again below) and ones that were not.
        self.used = {sa: [sa.seal(p, i) for i, p in enumerate(self.inner, 1 + TOP)]
                     for sa in sas}
        self.fresh = {sa: [sa.seal(p, i) for i, p in enumerate(self.inner, 100 + TOP)]
                      for sa in sas}

    def make(self):
        rng = self.rng
        sa = rng.choice(self.sas)
        if rng.random() < .25:
            return self.headers(sa)
        return self.body(sa)

    def headers(self, sa):
        """Anything at all may happen to a packet that was here before."""
        p = bytearray(self.rng.choice(self.used[sa]))
        for _ in range(self.rng.choice((0, 1, 1, 2, 8))):
            p[self.rng.randrange(min(len(p), sa.headers + 24))] ^= 1 << self.rng.randrange(8)
        if self.rng.random() < .3:
            p = p[:self.rng.randrange(1, len(p))]
        if self.rng.random() < .3:
            p += self.rng.randbytes(self.rng.randrange(1, 64))
        packet = bytes(p)
        return mend(packet) if self.rng.random() < .5 else packet

    def body(self, sa):
        """What is authenticated, of a packet with a new number, in headers
        that are right."""
        rng, head = self.rng, sa.headers
        packet = rng.choice(self.fresh[sa])
        esp = bytearray(packet[head:])
        how = rng.randrange(7)
        if how == 0:
            for _ in range(rng.choice((1, 1, 2, 3, 16))):
                esp[rng.randrange(len(esp))] ^= 1 << rng.randrange(8)
            if bytes(esp) == packet[head:]:
                esp[-1] ^= 1
        elif how == 1:
            del esp[rng.randrange(1, len(esp)):]
        elif how == 2:
            esp += rng.randbytes(rng.randrange(1, 200))
        elif how == 3:
            esp[4:8] = struct.pack("!I", rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF,
                                                     rng.getrandbits(32) | 1 << 31)))
        elif how == 4:
            esp[:4] = struct.pack("!I", rng.choice((0, 1, 255, 256, 0x1000, 0xFFFFFFFF,
                                                    rng.getrandbits(32) | 1 << 31)))
        elif how == 5:
            start = rng.randrange(8, len(esp))
            end = rng.randrange(start, len(esp)) + 1
            esp[start:end] = bytes(b ^ 0xFF for b in esp[start:end])
        else:
            other = rng.choice([s for s in self.sas if s is not sa])
            esp[8:] = rng.choice(self.fresh[other])[other.headers + 8:]
        return mend(packet[:head] + bytes(esp))


def snapshot(net, sas):
    """All that may not change."""
    out = []
    for sa in sas:
        state = net.state(sa)
        for name in ("drops", "age_ms", "idle_ms"):
            state.pop(name)
        out.append(state)
    return out, net.nl.dump("policy-get"), net.nl.dump("port-get")


def test_mutated_packets(net):
    net.policy()
    net.nl.do("port-add", port=4500)
    limits = dict(soft_packets=12, hard_packets=14, soft_bytes=1 << 30)
    ports = (4500, 4500)
    sas = [net.sa("in", "aes128gcm", 4, 0x1001, sequence=TOP, lifetime=limits),
           net.sa("in", "aes256gcm", 4, 0x1002, ports, True, sequence=TOP, lifetime=limits),
           net.sa("in", "chacha20poly1305", 6, 0x1003, sequence=TOP, lifetime=limits),
           net.sa("in", "chacha20poly1305", 6, 0x1004, ports, True, sequence=TOP,
                  lifetime=limits)]
    mutator = Mutator(SEED, sas)
    for sa in sas:
        moved, out = net.feed(sa, mutator.used[sa])
        assert out == mutator.inner and moved["drops"] == {}

    before, counted = snapshot(net, sas), net.drops()
    with net.nl.events() as events:
        for _ in range(PACKETS // 250):
            net.wire.send([mutator.make() for _ in range(250)])
        # But for the counts of what was dropped.
        assert {name for name, _ in events.drain()} <= {"rejected-ntf"}

        # Everything before this one has been judged.
        for sa in sas:
            assert snapshot(net, sas) == before
            _, out = net.feed(sa, [sa.seal(mutator.inner[0], TOP + 1000)])
            assert out == [mutator.inner[0]]
            before = snapshot(net, sas)
        # Those four were answered: nobody holds the port.
        assert {name for name, _ in events.drain()} <= {"acquire-ntf", "rejected-ntf"}
    until(lambda: net.nl.do("stats-get").get("crypto_pending", 0) == 0, "crypto idle")
    assert snapshot(net, sas) == before

    # They were looked at, and not lost on the way.
    found = {r: n - counted.get(r, 0) for r, n in net.drops().items()}
    print("\n%d packets:" % PACKETS, found)
    assert sum(found.values()) > PACKETS * .5
    assert found["rx-auth"] > PACKETS * .2
    assert found["rx-replay-duplicate"] > PACKETS * .02
    assert found["rx-short"] > 0 and found["rx-replay-old"] > 0
