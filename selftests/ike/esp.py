# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP for a cygnetd that only negotiates: a TUN device on one side, raw UDP
sockets on the other, the SAs in between from the daemon's test backend.
UDP-encapsulated tunnel mode only, which is what kernel-libipsec speaks."""

import fcntl
import os
import select
import socket
import struct
import threading
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
IPV6_CHECKSUM = 7
AEADS = {20: AESGCM, 28: ChaCha20Poly1305}
NATT = 4500


class Sa:
    def __init__(self, spi, encr, key, esn, remote):
        self.spi, self.esn, self.remote, self.seq, self.packets = spi, esn, remote, 0, 0
        self.aead, self.salt = AEADS[encr](key[:-4]), key[-4:]

    def _aad(self, seq):
        high = struct.pack("!I", seq >> 32) if self.esn else b""
        return struct.pack("!I", self.spi) + high + struct.pack("!I", seq & 0xFFFFFFFF)

    def seal(self, inner):
        self.seq += 1
        self.packets += 1
        padding = -(len(inner) + 2) % 4
        plain = (inner + bytes(range(1, padding + 1)) +
                 bytes([padding, {4: 4, 6: 41}[inner[0] >> 4]]))
        iv = struct.pack("!Q", self.seq)
        return (struct.pack("!II", self.spi, self.seq & 0xFFFFFFFF) + iv +
                self.aead.encrypt(self.salt + iv, plain, self._aad(self.seq)))

    def open(self, esp):
        seq = struct.unpack("!I", esp[4:8])[0]
        plain = self.aead.decrypt(self.salt + esp[8:16], esp[16:], self._aad(seq))
        self.packets += 1
        return plain[:-2 - plain[-2]]


class EspEnd(threading.Thread):
    def __init__(self, namespace, device="cyg0"):
        super().__init__(daemon=True)
        self.namespace, self.device = namespace, device
        self.inbound, self.outbound, self.current = {}, {}, None
        self.gone, self.patience = set(), 10
        self.sealed = self.opened = 0
        self.lost = 0       # inbound packets of unknown SPI or wrong ICV
        self.ready = threading.Event()
        self.stopping, self._stopped = os.pipe()
        self.start()
        assert self.ready.wait(5), "no ESP endpoint"

    def record(self, record):
        """A line of the test backend."""
        if record["do"] == "add":
            args = record["encr"], record["esn"], record["remote"]
            if record["dirs"] & 1:
                self._add(self.inbound, record["spi-in"], record["key-in"], *args)
            if record["dirs"] & 2:
                self._add(self.outbound, record["spi-out"], record["key-out"], *args)
                self.current = self.outbound[record["spi-out"]]
        elif record["do"] == "del":
            if record["dirs"] & 1:
                self.gone.add(record["spi-in"])
                self.inbound.pop(record["spi-in"], None)
            if record["dirs"] & 2:
                gone = self.outbound.pop(record["spi-out"], None)
                if gone is self.current:
                    self.current = None
        elif record["do"] == "down":
            self.gone.update(self.inbound)
            self.inbound, self.outbound, self.current = {}, {}, None

    @staticmethod
    def _add(table, spi, key, encr, esn, remote):
        table[spi] = Sa(spi, encr, bytes.fromhex(key), esn, remote)

    def stop(self):
        os.close(self._stopped)
        self.join(5)
        os.close(self.stopping)

    def _open_tun(self):
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", self.device.encode(),
                                                IFF_TUN | IFF_NO_PI))
        self.namespace.ip("link set %s up mtu 1400" % self.device,
                          "route add 10.2.0.0/16 dev %s src 10.1.0.1" % self.device,
                          "route add fd02::/64 dev %s src fd01::1" % self.device)
        return tun

    def run(self):
        self.namespace.enter()
        tun = self._open_tun()
        raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_UDP)
        raw6.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, 6)
        self.ready.set()
        while True:
            readable, _, _ = select.select([tun, raw4, raw6, self.stopping], [], [])
            if self.stopping in readable:
                break
            if tun in readable:
                self._send(os.read(tun, 65536), raw4, raw6)
            if raw4 in readable:
                packet = raw4.recv(65536)
                self._receive(packet[4 * (packet[0] & 15):], tun)
            if raw6 in readable:
                self._receive(raw6.recv(65536), tun)
        raw4.close()
        raw6.close()
        os.close(tun)

    def _send(self, inner, raw4, raw6):
        sa = self.current
        if not sa:
            return      # fail closed, as the module does
        esp = sa.seal(inner)
        self.sealed += 1
        address, port = sa.remote
        datagram = struct.pack("!HHHH", NATT, port, 8 + len(esp), 0) + esp
        (raw6 if ":" in address else raw4).sendto(datagram, (address, 0))

    def _inbound(self, spi):
        """The SA, which the daemon may have written down but nobody read yet."""
        end = time.monotonic() + 0.5
        while self.patience and spi not in self.inbound and spi not in self.gone:
            time.sleep(0.005)
            if time.monotonic() > end:
                self.patience -= 1
                break
        return self.inbound.get(spi)

    def _receive(self, datagram, tun):
        esp = datagram[8:]
        if struct.unpack("!H", datagram[2:4])[0] != NATT or len(esp) < 16 or \
                esp[:4] == bytes(4):
            return
        sa = self._inbound(struct.unpack("!I", esp[:4])[0])
        try:
            inner = sa.open(esp)
            self.opened += 1
            os.write(tun, inner)
        except (AttributeError, InvalidTag):
            self.lost += 1
