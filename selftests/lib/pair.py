# SPDX-License-Identifier: GPL-2.0-or-later
"""Two gateways of ours, face to face, for bulk traffic through both fast paths.

    namespace a                                    namespace b
    +---------------------+                     +---------------------+
    | cyg0           eth0 |=====================| eth0           cyg0 |
    | 10.1.0.1  192.0.2.1 |        veth         | 192.0.2.2  10.2.0.1 |
    +---------------------+                     +---------------------+

UDP encapsulation, AES-GCM.  A veth carries super-packets whole, so what one side
makes is what the other gets.  The inner networks have no other way.
"""

import hashlib
import os
import select
import socket
import time

from lib.bench import ESP, FAR4, GW4, IN4, Netns, WIRE4, run, selector
from lib.genl import Genl

ENDS = {"a": (GW4, IN4), "b": (WIRE4, FAR4)}
PORT = 4500


class Pair:
    """The picture above."""

    def __init__(self, names=("a", "b")):
        self.names = names
        self.ns = [Netns(name) for name in names]
        run("ip", "link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0",
            "netns", names[1])
        self.nl = [None, None]
        for side in (0, 1):
            outer, _ = self.end(side)
            self.ns[side].ip("link set eth0 up", "address add %s/24 dev eth0" % outer)
            self.open(side)
            self.device(side)

    @staticmethod
    def end(side):
        """Outer and inner address."""
        return ENDS["ab"[side]]

    def open(self, side):
        with self.ns[side]:
            self.nl[side] = Genl()

    def device(self, side):
        """cyg0, with all that a tunnel needs."""
        (outer, inner), (peer, far) = self.end(side), self.end(1 - side)
        ns, nl = self.ns[side], self.nl[side]
        ns.ip("link add cyg0 type cygnet", "link set cyg0 up", "address add %s/24 dev cyg0" % inner,
              "route add %s/32 dev cyg0" % far)
        with ns:
            ifindex = socket.if_nametoindex("cyg0")
        nl.do("policy-set", id=1, ifindex=ifindex, action="protect", mode="tunnel",
              selector=[selector("10.%d.0.0/24" % (1 + side), "10.%d.0.0/24" % (2 - side))])
        if not nl.dump("port-get"):
            nl.do("port-add", port=PORT)
        for direction, src, dst in (("out", outer, peer), ("in", peer, outer)):
            self.sa(side, direction, src, dst)

    def sa(self, side, direction, src, dst):
        """An SA whose SPI and key both sides know from its source."""
        spi = 0x3000 + (src == GW4)
        self.nl[side].do("sa-new", direction=direction, protocol=ESP, spi=spi, src=src, dst=dst,
                         mode="tunnel", policy=1, encr=20, encr_key=bytes([spi & 255]) * 20,
                         encap_sport=PORT, encap_dport=PORT,
                         **({"replay_window": 4096} if direction == "in" else {}))

    def drops(self, side):
        found = self.nl[side].do("stats-get").get("drops", [])
        return {d["reason"]: d["packets"] for d in found}

    def close(self):
        for side in (0, 1):
            self.nl[side].close()
            self.ns[side].delete()


class Transfer:
    """TCP from the first side to the second; what arrives is what was sent."""

    def __init__(self, pair):
        self.block = os.urandom(1 << 16)
        self.sent = self.got = 0
        self.hash = [hashlib.sha256(), hashlib.sha256()]
        listener = pair.ns[1].socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((FAR4, 0))
        listener.listen(1)
        self.client = pair.ns[0].socket(socket.AF_INET, socket.SOCK_STREAM)
        self.client.settimeout(10)
        self.client.connect((FAR4, listener.getsockname()[1]))
        self.server, _ = listener.accept()
        listener.close()
        for sock in (self.client, self.server):
            sock.setblocking(False)

    def step(self, total, wait=.2):
        """As much as goes at once; whether anything went."""
        writers = [self.client] if self.sent < total else []
        readable, writable, _ = select.select([self.server], writers, [], wait)
        if writable:
            part = self.block[:min(len(self.block), total - self.sent)]
            count = self.client.send(part)
            self.hash[0].update(part[:count])
            self.sent += count
        if readable:
            part = self.server.recv(1 << 20)
            self.hash[1].update(part)
            self.got += len(part)
        return readable or writable

    def run(self, total, seconds=30):
        """Until total bytes are through."""
        end = time.monotonic() + seconds
        while self.got < total:
            assert time.monotonic() < end, "%d of %d bytes in %d s" % (self.got, total, seconds)
            self.step(total)
        assert self.hash[0].digest() == self.hash[1].digest(), "not what was sent"

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step(1 << 40, .01)

    def close(self):
        self.client.close()
        self.server.close()
