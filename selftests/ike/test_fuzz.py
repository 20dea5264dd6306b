# SPDX-License-Identifier: GPL-2.0-or-later
"""100,000 mutated IKE datagrams against the running daemon under ASan and
UBSan, from the peer's own address and ports: it neither dies nor changes state,
and the tunnel still works.

FUZZ_SEED repeats a run, FUZZ_COUNT makes it longer.
"""

import os
import random
import socket
import struct
import threading
import time

import pytest

from ike import world as stage
from ike.conftest import Pair
from ike.daemons import until
from ike.test_suites import sa_init
from ike.test_tunnel import one_child

COUNT = int(os.environ.get("FUZZ_COUNT", "100000"))
BATCH = 250
MARKER = bytes(4)
INTERESTING = (b"\0", b"\xff", b"\0\0", b"\0\1", b"\0\3", b"\0\4", b"\xff\xff", b"\x7f\xff",
               b"\x80\0", b"\0\0\0\0", b"\xff\xff\xff\xff")


class Tap(threading.Thread):
    """Keeps what IKE the router sees: (source port, destination port, IKE message)."""

    def __init__(self, namespace):
        super().__init__(daemon=True)
        self.namespace, self.seen, self.ready = namespace, set(), threading.Event()
        self.enough = threading.Event()
        self.start()
        self.ready.wait(5)

    def run(self):
        self.namespace.enter()
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as sock:
            sock.settimeout(0.1)
            self.ready.set()
            while not self.enough.is_set():
                try:
                    packet = sock.recv(65536)
                except TimeoutError:
                    continue
                header = 4 * (packet[0] & 15)
                if packet[9] != 17:
                    continue
                sport, dport = struct.unpack("!HH", packet[header:header + 4])
                data = packet[header + 8:]
                if 4500 in (sport, dport):
                    if data[:4] != MARKER:
                        continue
                    data = data[4:]
                self.seen.add((sport, dport, data))

    def stop(self):
        self.enough.set()
        self.join(5)


def mutate(rng, message, others):
    """One to four things done to a message."""
    data = bytearray(message)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        what = rng.randrange(8)
        at = rng.randrange(len(data)) if data else 0
        if what == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1 and data:
            data[at] = rng.randrange(256)
        elif what == 2:
            piece = rng.choice(INTERESTING)
            data[at:at + len(piece)] = piece
        elif what == 3:
            del data[at:]
        elif what == 4:
            data[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif what == 5:
            other = rng.choice(others)
            cut = rng.randrange(len(other))
            data[at:] = other[cut:]
        elif what == 6 and len(data) >= 28:     # a length that fits, a flag, a type
            data[24:28] = struct.pack("!I", len(data))
            data[rng.choice((16, 17, 18, 19))] = rng.randrange(256)
        elif what == 7 and len(data) > 36:      # the length of some payload
            data[30:32] = struct.pack("!H", rng.randrange(len(data) + 8))
    if len(data) >= 28 and rng.randrange(2):
        data[24:28] = struct.pack("!I", len(data))
    return bytes(data[:4096])


class Queue:
    """How full the daemon's sockets are, and what they lost."""

    def __init__(self, namespace):
        self.namespace = namespace

    def read(self):
        return stage.in_thread(self._read)

    def _read(self):
        self.namespace.enter()
        waiting = lost = 0
        with open("/proc/thread-self/net/udp", encoding="ascii") as handle:
            for line in handle.readlines()[1:]:
                words = line.split()
                if int(words[1].split(":")[1], 16) in (500, 4500):
                    waiting += int(words[4].split(":")[1], 16)
                    lost += int(words[-1])
        return waiting, lost


def shoot(pair, rng, messages, queue):
    """Sends them all, no faster than they are read."""
    raw = stage.in_thread(open_raw, pair.world.right)
    mine = [m for m in messages if m[1] in (500, 4500)]
    others = [m[2] for m in messages]
    for batch in range(0, COUNT, BATCH):
        for _ in range(BATCH):
            sport, dport, message = rng.choice(mine)
            data = mutate(rng, message, others)
            if rng.randrange(16) == 0:
                sport, dport = rng.choice(((500, 500), (4500, 4500), (500, 4500), (4500, 500)))
            if dport == 4500 and rng.randrange(32):
                data = MARKER + data
            raw.sendto(struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data,
                       (stage.LEFT, 0))
        assert until(lambda: queue.read()[0] < 65536, timeout=30), "it does not read any more"
    raw.close()


def open_raw(namespace):
    namespace.enter()
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)


@pytest.fixture
def asan_pair(request, world, folder, asan_program):
    both = Pair(world, folder, asan_program)
    yield both
    both.stop(getattr(request.node, "failed", False))


def essence(pair):
    """What no forged datagram may change; ages do."""
    status = pair.us.status()
    return (status["state"], status["remote"], status["ike"]["spi-i"], status["ike"]["spi-r"],
            status["ike"]["state"],
            sorted((c["spi-in"], c["spi-out"], c["state"]) for c in status["children"]))


def test_mutated_datagrams(asan_pair):
    pair = asan_pair
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns() & 0xFFFFFFFF))
    print("FUZZ_SEED=%d" % seed)
    rng = random.Random(seed)
    tap = Tap(pair.world.router)
    pair.start_us(level="warning", more="liveness = off")
    pair.start_them()
    pair.up("them")
    pair.us.command("rekey", "net")
    pair.them.vici.call("rekey", {"child": "net"})
    assert one_child(pair)
    assert until(lambda: len(pair.us.status()["children"]) == 1)
    tap.stop()
    messages = sorted(tap.seen) + [(500, 500, sa_init()) for _ in range(4)]
    assert len({m[2][18] for m in messages}) >= 4, "not every exchange was seen"
    engine, before = pair.us.engine, essence(pair)
    queue = Queue(pair.world.left)
    pair.esp.patience = 0       # it gets them all as well
    shoot(pair, rng, messages, queue)
    assert until(lambda: queue.read()[0] == 0, timeout=30)
    assert pair.us.engine == engine, "the engine died"
    assert essence(pair) == before
    assert one_child(pair)
    assert queue.read()[1] < COUNT / 100, "most were lost on the way"
    pair.pings(count=5)
    pair.us.command("rekey", "net")
    pair.pings(count=5)
