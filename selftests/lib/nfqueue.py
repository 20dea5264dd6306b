# SPDX-License-Identifier: GPL-2.0-or-later
"""A queue of nftables' "queue num N": packets that wait for a verdict."""

import socket
import struct

NETLINK_NETFILTER, SUBSYSTEM = 12, 3 << 8
PACKET, VERDICT, CONFIG = 0, 1, 2
BIND, ACCEPT, COPY_META = 1, 1, 1
REQUEST, ACK = 1, 4


class Queue:
    """That of a namespace."""

    def __init__(self, ns, number):
        self.number = number
        self.sock = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.sock.bind((0, 0))
        self.sock.settimeout(30)
        self.send(CONFIG, 1, struct.pack("!BxH", BIND, 0))
        self.send(CONFIG, 2, struct.pack("!IB", 0, COPY_META))

    def close(self):
        self.sock.close()

    def send(self, kind, attribute, value):
        padded = value + bytes(-len(value) % 4)
        body = struct.pack("!BBH", 0, 0, self.number) + \
            struct.pack("=HH", 4 + len(value), attribute) + padded
        self.sock.send(struct.pack("=IHHII", 16 + len(body), SUBSYSTEM | kind, REQUEST | ACK,
                                   0, 0) + body)
        code, = struct.unpack_from("=i", self.sock.recv(65536), 16)
        if code:
            raise OSError(-code, "nfnetlink_queue")

    def take(self):
        """The number of the next packet."""
        message = self.sock.recv(65536)
        kind, = struct.unpack_from("=H", message, 4)
        assert kind == SUBSYSTEM | PACKET
        length, attribute, number = struct.unpack("=HH", message[20:24]) + \
            struct.unpack("!I", message[24:28])
        assert (length, attribute) == (11, 1)
        return number

    def accept(self, number):
        self.send(VERDICT, 2, struct.pack("!II", ACCEPT, number))
