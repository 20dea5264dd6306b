# SPDX-License-Identifier: GPL-2.0-or-later
"""A queue of nftables' "queue num N": packets that wait for a verdict."""

import socket
import struct
import threading

NETLINK_NETFILTER, SUBSYSTEM = 12, 3 << 8
PACKET, VERDICT, CONFIG = 0, 1, 2
BIND, ACCEPT, COPY_META = 1, 1, 1
REQUEST, ACK = 1, 4


class Queue:
    """That of a namespace.  A packet waits until it is accepted by its number."""

    def __init__(self, ns, number=0):
        self.number = number
        self.sock = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.sock.bind((0, 0))
        self.sock.settimeout(30)
        self.configure(1, struct.pack("!BxH", BIND, 0))
        self.configure(2, struct.pack("!IB", 0, COPY_META))

    def close(self):
        self.sock.close()

    def send(self, kind, attribute, value, flags=0):
        padded = value + bytes(-len(value) % 4)
        body = struct.pack("!BBH", 0, 0, self.number) + \
            struct.pack("=HH", 4 + len(value), attribute) + padded
        self.sock.send(struct.pack("=IHHII", 16 + len(body), SUBSYSTEM | kind, REQUEST | flags,
                                   0, 0) + body)

    def configure(self, attribute, value):
        """Before there are packets, so that the acknowledgement is what comes next."""
        self.send(CONFIG, attribute, value, ACK)
        code, = struct.unpack_from("=i", self.sock.recv(65536), 16)
        if code:
            raise OSError(-code, "nfnetlink_queue")

    def take(self):
        """The number of the next packet.  What comes besides are errors: a verdict was
        on a packet that had gone, with its device."""
        kind = None
        while kind != SUBSYSTEM | PACKET:
            message = self.sock.recv(65536)
            kind, = struct.unpack_from("=H", message, 4)
        length, attribute, number = struct.unpack("=HH", message[20:24]) + \
            struct.unpack("!I", message[24:28])
        assert (length, attribute) == (11, 1)
        return number

    def accept(self, number):
        self.send(VERDICT, 2, struct.pack("!II", ACCEPT, number))


class Accepting(threading.Thread):
    """"with Accepting(ns) as queue:" accepts all; while queue.hold is set, it keeps them."""

    def __init__(self, ns):
        super().__init__()
        self.queue = Queue(ns)
        self.queue.sock.settimeout(.05)
        self.hold, self.seen, self.held, self.enough = False, 0, [], False

    def run(self):
        while not self.enough:
            try:
                self.held.append(self.queue.take())
                self.seen += 1
            except TimeoutError:
                pass
            while self.held and not self.hold:
                self.queue.accept(self.held.pop(0))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough, self.hold = True, False
        self.join()
        self.queue.close()
