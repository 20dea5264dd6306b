# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP by other hands: scapy's, and a quick one on the same AEADs.

    sa = Esp("aes128gcm", spi=0x1001, src="192.0.2.2", dst="192.0.2.1")
    sa.scapy_seal(inner, seq)    # scapy's SecurityAssociation; slow
    sa.seal(inner, seq)        # a few lines on cryptography; quick
    sa.open(packet)            # scapy's decryption, taken apart

Packets are bytes, from the outer IP header on.  test_esp.py holds the quick
one against scapy's.
"""

import ipaddress
import os
import struct
from collections import namedtuple

from cryptography.hazmat.primitives.ciphers import aead
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation

# name: IKEv2 transform, key bytes without salt, scapy's name, xfrm's name
Cipher = namedtuple("Cipher", "encr key_len scapy xfrm aead")
GCM, CHACHA = aead.AESGCM, aead.ChaCha20Poly1305
CIPHERS = {
    "aes128gcm": Cipher(20, 16, "AES-GCM", "rfc4106(gcm(aes))", GCM),
    "aes192gcm": Cipher(20, 24, "AES-GCM", "rfc4106(gcm(aes))", GCM),
    "aes256gcm": Cipher(20, 32, "AES-GCM", "rfc4106(gcm(aes))", GCM),
    "chacha20poly1305": Cipher(28, 32, "CHACHA20-POLY1305",
                               "rfc7539esp(chacha20,poly1305)", CHACHA),
}
IV, ICV = 8, 16

Opened = namedtuple("Opened", "seq iv inner padding next_header outer")


def checksum(data):
    """RFC 1071."""
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ip_header(src, dst, protocol, length, ttl=64, tos=0, df=True, ident=0):
    """An IPv4 or IPv6 header for length bytes of payload."""
    s, d = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if s.version == 6:
        return (struct.pack("!IHBB", 6 << 28 | tos << 20, length, protocol, ttl) +
                s.packed + d.packed)
    header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + length, ident, 0x4000 if df else 0,
                         ttl, protocol, 0) + s.packed + d.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def udp(src, dst, sport, dport, payload, **header):
    """A UDP datagram with its IP header and checksum."""
    length = 8 + len(payload)
    pseudo = (ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed +
              struct.pack("!IHH", length, 0, 17)[0:8])
    datagram = struct.pack("!HHHH", sport, dport, length, 0) + payload
    found = checksum(pseudo + datagram) or 0xFFFF
    datagram = datagram[:6] + struct.pack("!H", found) + payload
    return ip_header(src, dst, 17, length, **header) + datagram


def addresses(packet):
    """Source and destination of an IP packet."""
    size, at = (4, 12) if packet[0] >> 4 == 4 else (16, 8)
    return [str(ipaddress.ip_address(packet[o:o + size])) for o in (at, at + size)]


class Esp:
    """One SA, as the other end has it."""

    def __init__(self, cipher="aes128gcm", spi=0x1001, src="192.0.2.2", dst="192.0.2.1",
                 esn=False, encap=None, key=None):
        self.cipher, self.spi, self.src, self.dst = CIPHERS[cipher], spi, src, dst
        self.esn, self.encap = esn, encap
        self.key = key or os.urandom(self.cipher.key_len + 4)
        self.aead = self.cipher.aead(self.key[:-4])
        self.salt = self.key[-4:]
        self.family = ipaddress.ip_address(src).version

    def _scapy(self, seq):
        header = IP(src=self.src, dst=self.dst) if self.family == 4 else \
            IPv6(src=self.src, dst=self.dst)
        nat_t = UDP(sport=self.encap[0], dport=self.encap[1]) if self.encap else None
        return SecurityAssociation(
            ESP, spi=self.spi, seq_num=seq & 0xFFFFFFFF, crypt_algo=self.cipher.scapy,
            crypt_key=self.key, tunnel_header=header, nat_t_header=nat_t,
            esn_en=self.esn, esn=seq >> 32)

    def scapy_seal(self, inner, seq, iv=None):
        """scapy's packet around inner (bytes of an IP packet)."""
        packet = IP(inner) if inner[0] >> 4 == 4 else IPv6(inner)
        sealed = self._scapy(seq).encrypt(packet, iv=iv)
        if self.encap:
            del sealed[UDP].len     # which scapy 2.5 leaves without the payload
            if self.family == 6:
                del sealed[UDP].chksum
        return bytes(sealed)

    def seal(self, inner, seq, iv=None, next_header=None, pad=None, esn=None, plain=None,
             **header):
        """The same, quick, with a wrong part where one is asked for."""
        if next_header is None:
            next_header = {4: 4, 6: 41}[inner[0] >> 4]
        if pad is None:
            pad = bytes(range(1, 1 + -(len(inner) + 2) % 4))
        if plain is None:
            plain = inner + pad + bytes([len(pad), next_header])
        return self.wrap(self.seal_plain(plain, seq, iv, esn), **header)

    def seal_plain(self, plain, seq, iv=None, esn=None):
        """From the SPI to the ICV."""
        high, low = seq >> 32, seq & 0xFFFFFFFF
        iv = struct.pack("!Q", seq) if iv is None else iv
        aad = struct.pack("!I", self.spi)
        if self.esn if esn is None else esn:
            aad += struct.pack("!I", high)
        aad += struct.pack("!I", low)
        return (struct.pack("!II", self.spi, low) + iv +
                self.aead.encrypt(self.salt + iv, plain, aad))

    def wrap(self, esp, **header):
        """An outer header, UDP's too if encapsulated, around esp."""
        if not self.encap:
            return ip_header(self.src, self.dst, 50, len(esp), **header) + esp
        if self.family == 6:
            return udp(self.src, self.dst, *self.encap, esp, **header)
        datagram = struct.pack("!HHHH", *self.encap, 8 + len(esp), 0) + esp
        return ip_header(self.src, self.dst, 17, len(datagram), **header) + datagram

    @property
    def headers(self):
        """Bytes in front of the SPI."""
        return (20 if self.family == 4 else 40) + (8 if self.encap else 0)

    def open(self, packet, high=0):
        """packet authenticated and decrypted by scapy and taken apart; high is
        the high half of the sequence number.  Raises IPSecIntegrityError."""
        outer = IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)
        assert ESP in outer, "no ESP: %s" % outer.summary()
        if self.encap:
            assert (outer[UDP].sport, outer[UDP].dport) == self.encap
            assert outer[UDP].len == len(packet) - self.headers + 8
        else:
            assert UDP not in outer
        esp = outer[ESP]
        assert esp.spi == self.spi
        sa = self._scapy(high << 32 | esp.seq)
        plain = sa.crypt_algo.decrypt(sa, esp, sa.crypt_key, ICV, esn_en=self.esn, esn=high)
        assert len(plain.iv) == IV
        # scapy 2.5 looks for the padding in what it has cut the padding from.
        aad = struct.pack("!I", esp.spi) + (struct.pack("!I", high) if self.esn else b"") + \
            struct.pack("!I", esp.seq)
        whole = self.aead.decrypt(self.salt + plain.iv, packet[self.headers + 8 + IV:], aad)
        assert whole[:len(plain.data)] == bytes(plain.data)
        return Opened(high << 32 | esp.seq, plain.iv, bytes(plain.data),
                      whole[len(plain.data):-2], plain.nh, outer)
