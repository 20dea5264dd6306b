# SPDX-License-Identifier: GPL-2.0-or-later
"""NFQUEUE 0 of a namespace: what is queued goes on as it was, at once or later."""

import socket
import struct
import threading

NETLINK_NETFILTER, NLM_F_REQUEST, NLM_F_ACK = 12, 1, 4
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 0x300, 0x301, 0x302
CFG_CMD, CFG_PARAMS, CMD_BIND, COPY_META = 1, 2, 1, 1
PACKET_HDR, VERDICT_HDR, NF_ACCEPT = 1, 2, 1


def message(kind, flags, attr, payload):
    body = struct.pack("=BBH", 0, 0, 0) + struct.pack("=HH", 4 + len(payload), attr) + payload
    body += bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def packet_id(data):
    """Of a message from the queue, or None."""
    if struct.unpack_from("=H", data, 4)[0] != MSG_PACKET:
        return None
    at = 20
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        if kind & 0x3FFF == PACKET_HDR:
            return struct.unpack_from("!I", data, at + 4)[0]
        at += (size + 3) & ~3
    return None


class Queue(threading.Thread):
    """"with Queue(ns) as queue:" accepts all; while queue.hold is set, it keeps them."""

    def __init__(self, ns):
        super().__init__()
        self.sock = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.sock.bind((0, 0))
        self.sock.settimeout(.05)
        self.hold, self.seen, self.held, self.enough = False, 0, [], False
        for attr, payload in ((CFG_CMD, struct.pack("!BBH", CMD_BIND, 0, 0)),
                              (CFG_PARAMS, struct.pack("!IB", 0, COPY_META))):
            self.sock.send(message(MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, attr, payload))
            error = struct.unpack_from("=i", self.sock.recv(4096), 16)[0]
            assert not error, "no NFQUEUE: error %d" % error

    def run(self):
        while not self.enough:
            try:
                ident = packet_id(self.sock.recv(65536))
                if ident is not None:
                    self.held.append(ident)
                    self.seen += 1
            except TimeoutError:
                pass
            while self.held and not self.hold:
                self.sock.send(message(MSG_VERDICT, NLM_F_REQUEST, VERDICT_HDR,
                                       struct.pack("!II", NF_ACCEPT, self.held.pop(0))))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough, self.hold = True, False
        self.join()
        self.sock.close()
