# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP by other hands: scapy's, and a quick one on the same AEADs.

    sa = Esp("aes128gcm", spi=0x1001, src="192.0.2.2", dst="192.0.2.1")
    sa.scapy_seal(inner, seq)    # scapy's SecurityAssociation; slow
    sa.seal(inner, seq)        # a few lines on cryptography; quick
    sa.open(packet)            # scapy's decryption, taken apart

Packets are bytes, from the outer IP header on.  test_esp.py holds the quick
one against scapy's, test_alg.py for all SUITES that scapy has.
"""

import ipaddress
import os
import struct
from collections import namedtuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import cmac, hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher as Keyed, aead, algorithms, modes
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH as SCAPY_AH, ESP, SecurityAssociation

IV, ICV = 8, 16


def xcbc(key, data):
    """AES-XCBC-MAC (RFC 3566), which cryptography has not."""
    def block(k, b):
        ecb = Keyed(algorithms.AES(k), modes.ECB()).encryptor()
        return ecb.update(b)
    k1, k2, k3 = (block(key, bytes([i]) * 16) for i in (1, 2, 3))
    whole = len(data) % 16 == 0 and data
    if not whole:
        data += b"\x80" + bytes(-(len(data) + 1) % 16)
    mac = bytes(16)
    for i in range(0, len(data), 16):
        part = data[i:i + 16]
        if i + 16 == len(data):
            part = bytes(a ^ b for a, b in zip(part, k2 if whole else k3))
        mac = block(k1, bytes(a ^ b for a, b in zip(mac, part)))
    return mac


def hmac_with(algorithm):
    def mac(key, data):
        h = hmac.HMAC(key, algorithm())
        h.update(data)
        return h.finalize()
    return mac


def aes_cmac(key, data):
    c = cmac.CMAC(algorithms.AES(key))
    c.update(data)
    return c.finalize()


# IKEv2 transform type 3, key and ICV bytes, the function, xfrm's name, scapy's
Integ = namedtuple("Integ", "id key_len icv mac xfrm scapy", defaults=(None,))
INTEGS = {
    "sha256": Integ(12, 32, 16, hmac_with(hashes.SHA256), "hmac(sha256)", "SHA2-256-128"),
    "sha384": Integ(13, 48, 24, hmac_with(hashes.SHA384), "hmac(sha384)", "SHA2-384-192"),
    "sha512": Integ(14, 64, 32, hmac_with(hashes.SHA512), "hmac(sha512)", "SHA2-512-256"),
    "aescmac": Integ(8, 16, 12, aes_cmac, "cmac(aes)", "AES-CMAC-96"),
    "aesxcbc": Integ(5, 16, 12, xcbc, "xcbc(aes)"),
    "sha1": Integ(2, 20, 12, hmac_with(hashes.SHA1), "hmac(sha1)", "HMAC-SHA1-96"),
}


class Gcm:
    """AES-GCM with an ICV of 16, 12 or 8 bytes."""

    def __init__(self, key, icv):
        self.key, self.icv = algorithms.AES(key), icv

    def encrypt(self, nonce, plain, aad):
        work = Keyed(self.key, modes.GCM(nonce)).encryptor()
        work.authenticate_additional_data(aad)
        return work.update(plain) + work.finalize() + work.tag[:self.icv]

    def decrypt(self, nonce, sealed, aad):
        mode = modes.GCM(nonce, sealed[-self.icv:], self.icv)
        work = Keyed(self.key, mode).decryptor()
        work.authenticate_additional_data(aad)
        return work.update(sealed[:-self.icv]) + work.finalize()


class Gmac(Gcm):
    """RFC 4543: nothing is encrypted; the IV is authenticated too."""

    def encrypt(self, nonce, plain, aad):
        return plain + super().encrypt(nonce, b"", aad + nonce[4:] + plain)

    def decrypt(self, nonce, sealed, aad):
        plain = sealed[:-self.icv]
        super().decrypt(nonce, sealed[-self.icv:], aad + nonce[4:] + plain)
        return plain


def ctr(key, nonce):
    return Keyed(algorithms.AES(key), modes.CTR(nonce + b"\0\0\0\1"))


def cbc(key, iv):
    return Keyed(algorithms.AES(key), modes.CBC(iv))


class Both:
    """Encrypt, then authenticate (RFC 4303 section 3.3.2.1)."""

    def __init__(self, cipher, key, integ, integ_key):
        self.cipher, self.key = cipher, key
        self.icv, self.mac = integ.icv, lambda data: integ.mac(integ_key, data)[:integ.icv]

    @staticmethod
    def signed(nonce, aad, salt, text):
        """The high half of an extended number stands last."""
        high = aad[4:8] if len(aad) == 12 else b""
        return aad[:4] + aad[-4:] + nonce[salt:] + text + high

    def encrypt(self, nonce, plain, aad, salt):
        if self.cipher:
            work = self.cipher(self.key, nonce).encryptor()
            plain = work.update(plain) + work.finalize()
        return plain + self.mac(self.signed(nonce, aad, salt, plain))

    def decrypt(self, nonce, sealed, aad, salt):
        text = sealed[:-self.icv]
        if self.mac(self.signed(nonce, aad, salt, text)) != sealed[-self.icv:]:
            raise InvalidSignature
        if not self.cipher:
            return text
        work = self.cipher(self.key, nonce).decryptor()
        return work.update(text) + work.finalize()


# IKEv2 transform type 1, bytes of key, salt, IV, ICV and block, what does it,
# xfrm's name, scapy's
Cipher = namedtuple("Cipher", "encr key_len salt iv icv block aead xfrm scapy integ",
                    defaults=(None, None))


def gcm(bits, icv=16):
    return Cipher({16: 20, 12: 19, 8: 18}[icv], bits // 8, 4, 8, icv, 4,
                  lambda key: Gcm(key, icv), "rfc4106(gcm(aes))",
                  "AES-GCM" if icv == 16 else None)     # scapy 2.5 knows one length


def ccm(bits, icv=16):
    return Cipher({16: 16, 12: 15, 8: 14}[icv], bits // 8, 3, 8, icv, 4,
                  lambda key: aead.AESCCM(key, icv), "rfc4309(ccm(aes))", "AES-CCM")


def gmac(bits):
    return Cipher(21, bits // 8, 4, 8, 16, 4, lambda key: Gmac(key, 16), "rfc4543(gcm(aes))")


def two(encr, bits, integ):
    """A cipher and an integrity algorithm."""
    salt, iv, block, xfrm, scapy = {
        12: (0, 16, 16, "cbc(aes)", "AES-CBC"),
        13: (4, 8, 4, "rfc3686(ctr(aes))", "AES-CTR"),
        11: (0, 0, 4, "ecb(cipher_null)", "NULL")}[encr]
    how = {12: cbc, 13: ctr, 11: None}[encr]
    return Cipher(encr, bits // 8, salt, iv, INTEGS[integ].icv, block, how, xfrm,
                  INTEGS[integ].scapy and scapy, integ)


# What most tests use ...
CIPHERS = {
    "aes128gcm": gcm(128),
    "aes192gcm": gcm(192),
    "aes256gcm": gcm(256),
    "chacha20poly1305": Cipher(28, 32, 4, 8, 16, 4, aead.ChaCha20Poly1305,
                               "rfc7539esp(chacha20,poly1305)", "CHACHA20-POLY1305"),
}
# ... and all that there is.
SUITES = dict(CIPHERS)
for _bits in (128, 192, 256):
    for _icv in (8, 12):
        SUITES["aes%dgcm%d" % (_bits, _icv)] = gcm(_bits, _icv)
    for _icv in (8, 12, 16):
        SUITES["aes%dccm%d" % (_bits, _icv)] = ccm(_bits, _icv)
    SUITES["aes%dgmac" % _bits] = gmac(_bits)
    for _integ in ("sha256", "sha512") if _bits == 192 else INTEGS:
        SUITES["aes%d-%s" % (_bits, _integ)] = two(12, _bits, _integ)
        SUITES["aes%dctr-%s" % (_bits, _integ)] = two(13, _bits, _integ)
for _integ in INTEGS:
    SUITES["null-%s" % _integ] = two(11, 0, _integ)

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


def reheader(headers, next_at, protocol, payload):
    """IP headers in front of another payload."""
    h = bytearray(headers)
    h[next_at] = protocol
    if h[0] >> 4 == 4:
        h[2:4] = struct.pack("!H", len(h) + len(payload))
        h[10:12] = bytes(2)
        h[10:12] = struct.pack("!H", checksum(bytes(h)))
    else:
        h[4:6] = struct.pack("!H", len(h) - 40 + len(payload))
    return bytes(h) + payload


def freeze4(header, sending):
    """RFC 4302 appendix A1: the header as it is authenticated."""
    h = bytearray(header)
    h[1] = h[8] = 0
    h[6:8] = h[10:12] = bytes(2)
    at = 20
    while at < len(h) and h[at]:
        if h[at] == 1:
            at += 1
            continue
        kind, length = h[at], h[at + 1]
        if kind in (131, 137) and sending:
            h[16:20] = h[at + length - 4:at + length]
        if kind not in (130, 133, 134, 148, 149):
            h[at:at + length] = bytes(length)
        at += length
    return bytes(h)


def freeze6(header, sending):
    """The same with extension headers (section 3.3.3.1.2)."""
    h = bytearray(header)
    h[:4] = b"\x60\0\0\0"
    h[7] = 0
    at, kind = 40, h[6]
    while at < len(h):
        end = at + 8 * (h[at + 1] + 1)
        if kind == 43 and sending and h[at + 3]:
            stops = [bytes(h[24:40])] + [bytes(h[i:i + 16]) for i in range(at + 8, end, 16)]
            left, h[at + 3] = h[at + 3], 0
            seen, ahead = stops[1:len(stops) - left], stops[len(stops) - left:]
            visited = seen + [stops[0]] + ahead[:-1]
            h[at + 8:end] = b"".join(visited)
            h[24:40] = ahead[-1]
        elif kind in (0, 60):
            option = at + 2
            while option < end:
                if not h[option]:
                    option += 1
                    continue
                length = h[option + 1]
                if h[option] & 0x20:
                    h[option + 2:option + 2 + length] = bytes(length)
                option += 2 + length
        kind, at = h[at], end
    return bytes(h)


class Ah:
    """One SA of AH, as the other end has it."""

    protocol = 51

    def __init__(self, integ="sha256", spi=0x1001, src="192.0.2.2", dst="192.0.2.1", esn=False,
                 key=None):
        self.integ, self.spi, self.src, self.dst, self.esn = INTEGS[integ], spi, src, dst, esn
        self.name, self.key = integ, key or os.urandom(self.integ.key_len)
        self.family = ipaddress.ip_address(src).version

    def algorithms(self):
        """What sa-new is told of it."""
        return {"integ": self.integ.id, "integ_key": self.key, "legacy": self.name == "sha1"}

    def scapy_seal(self, inner, seq, tunnel=True):
        """scapy's packet."""
        header = IP(src=self.src, dst=self.dst) if self.family == 4 else \
            IPv6(src=self.src, dst=self.dst)
        sa = SecurityAssociation(SCAPY_AH, spi=self.spi, seq_num=seq & 0xFFFFFFFF,
                                 auth_algo=self.integ.scapy, auth_key=self.key,
                                 tunnel_header=header if tunnel else None, esn_en=self.esn,
                                 esn=seq >> 32)
        return bytes(sa.encrypt(IP(inner) if inner[0] >> 4 == 4 else IPv6(inner)))

    def length(self, align=None):
        """Of AH with its ICV."""
        align = align or (4 if self.family == 4 else 8)
        return -(-(12 + self.integ.icv) // align) * align

    def icv(self, header, ah, payload, high, sending):
        """Of these; ah with anything for an ICV."""
        front = freeze4(header, sending) if self.family == 4 else freeze6(header, sending)
        blank = ah[:12] + bytes(self.integ.icv) + ah[12 + self.integ.icv:]
        tail = struct.pack("!I", high) if self.esn else b""
        return self.integ.mac(self.key, front + blank + payload + tail)[:self.integ.icv]

    def seal_own(self, packet, seq, head=None, next_at=None, align=None):
        """Transport mode: behind head bytes of headers, whose byte next_at says
        what comes then."""
        if head is None:
            head, next_at = ((packet[0] & 15) * 4, 9) if packet[0] >> 4 == 4 else (40, 6)
        length = self.length(align)
        ah = struct.pack("!BBHII", packet[next_at], length // 4 - 2, 0, self.spi,
                         seq & 0xFFFFFFFF) + bytes(length - 12)
        payload = packet[head:]
        header = reheader(packet[:head], next_at, 51, ah + payload)[:head]
        icv = self.icv(header, ah, payload, seq >> 32, True)
        return header + ah[:12] + icv + ah[12 + len(icv):] + payload

    def seal(self, inner, seq, align=None, **header):
        """Tunnel mode."""
        outer = ip_header(self.src, self.dst, 4 if inner[0] >> 4 == 4 else 41, len(inner),
                          **header)
        return self.seal_own(outer + inner, seq, align=align)

    def open(self, packet, head=None, high=0):
        """(sequence number, next header, payload) of an authentic packet."""
        head = head or (20 if self.family == 4 else 40)
        length = (packet[head + 1] + 2) * 4
        assert length == self.length()
        ah, payload = packet[head:head + length], packet[head + length:]
        next_header, _, reserved, spi, low = struct.unpack_from("!BBHII", ah)
        assert (reserved, spi) == (0, self.spi)
        icv = self.icv(packet[:head], ah, payload, high, True)
        assert ah[12:12 + len(icv)] == icv, "not authentic"
        assert not any(ah[12 + len(icv):])
        return high << 32 | low, next_header, payload

    def scapy_open(self, packet, high=0, tunnel=True):
        """What scapy makes of it: the inner packet, or the packet without AH."""
        header = IP() if self.family == 4 else IPv6()
        sa = SecurityAssociation(SCAPY_AH, spi=self.spi, auth_algo=self.integ.scapy,
                                 auth_key=self.key, tunnel_header=header if tunnel else None,
                                 esn_en=self.esn, esn=high)
        return sa.decrypt(IP(packet) if packet[0] >> 4 == 4 else IPv6(packet))


class Esp:
    """One SA, as the other end has it."""

    protocol = 50

    def __init__(self, cipher="aes128gcm", spi=0x1001, src="192.0.2.2", dst="192.0.2.1",
                 esn=False, encap=None, key=None, integ_key=None):
        self.cipher, self.spi, self.src, self.dst = SUITES[cipher], spi, src, dst
        self.name, self.esn, self.encap = cipher, esn, encap
        c = self.cipher
        self.key = key or os.urandom(c.key_len + c.salt)
        self.salt = self.key[c.key_len:]
        self.integ = INTEGS[c.integ] if c.integ else None
        self.integ_key = integ_key or os.urandom(self.integ.key_len if self.integ else 0)
        key = self.key[:c.key_len]
        self.aead = Both(c.aead, key, self.integ, self.integ_key) if self.integ else c.aead(key)
        self.family = ipaddress.ip_address(src).version

    def _scapy(self, seq, tunnel=True):
        header = IP(src=self.src, dst=self.dst) if self.family == 4 else \
            IPv6(src=self.src, dst=self.dst)
        if not tunnel:
            header = None
        nat_t = UDP(sport=self.encap[0], dport=self.encap[1]) if self.encap else None
        return SecurityAssociation(
            ESP, spi=self.spi, seq_num=seq & 0xFFFFFFFF, crypt_algo=self.cipher.scapy,
            crypt_key=self.key, crypt_icv_size=None if self.integ else self.cipher.icv,
            auth_algo=self.integ and self.integ.scapy, auth_key=self.integ_key,
            tunnel_header=header, nat_t_header=nat_t, esn_en=self.esn, esn=seq >> 32)

    def scapy_can(self):
        """scapy has the algorithm; and, with an extended number, one whose
        ICV does not need its high half behind the packet, which it omits."""
        return self.cipher.scapy and not (self.esn and self.integ)

    def algorithms(self):
        """What sa-new is told of it."""
        found = {"encr": self.cipher.encr}
        if self.key:
            found["encr_key"] = self.key
        if self.integ:
            found.update(integ=self.integ.id, integ_key=self.integ_key,
                         legacy=self.cipher.integ == "sha1")
        return found

    def scapy_seal(self, inner, seq, iv=None, tunnel=True):
        """scapy's packet around inner (bytes of an IP packet), or (transport)
        within it."""
        packet = IP(inner) if inner[0] >> 4 == 4 else IPv6(inner)
        sealed = self._scapy(seq, tunnel).encrypt(packet, iv=iv)
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
            pad = bytes(range(1, 1 + -(len(inner) + 2) % self.cipher.block))
        if plain is None:
            plain = inner + pad + bytes([len(pad), next_header])
        return self.wrap(self.seal_plain(plain, seq, iv, esn), **header)

    def seal_plain(self, plain, seq, iv=None, esn=None):
        """From the SPI to the ICV."""
        high, low = seq >> 32, seq & 0xFFFFFFFF
        if iv is None:
            iv = struct.pack("!QQ", seq, seq)[:self.cipher.iv]
        aad = struct.pack("!I", self.spi)
        if self.esn if esn is None else esn:
            aad += struct.pack("!I", high)
        aad += struct.pack("!I", low)
        return struct.pack("!II", self.spi, low) + iv + \
            self.aead.encrypt(self.salt + iv, plain, aad, *self.salted)

    @property
    def salted(self):
        return (self.cipher.salt,) if self.integ else ()

    def unseal(self, packet, high=0, head=None):
        """(sequence number, IV, plaintext with trailer) by our own hands, of
        what stands behind head bytes."""
        esp = packet[head or self.headers:]
        spi, low = struct.unpack_from("!II", esp)
        assert spi == self.spi
        iv = esp[8:8 + self.cipher.iv]
        aad = struct.pack("!I", spi) + (struct.pack("!I", high) if self.esn else b"") + \
            struct.pack("!I", low)
        try:
            plain = self.aead.decrypt(self.salt + iv, esp[8 + len(iv):], aad, *self.salted)
        except (InvalidTag, InvalidSignature) as error:
            raise AssertionError("%s: not authentic" % self.name) from error
        return high << 32 | low, iv, plain

    def seal_own(self, packet, seq, head=None, next_at=None):
        """Transport mode: behind head bytes of headers, whose byte next_at says
        what comes then."""
        if head is None:
            head, next_at = ((packet[0] & 15) * 4, 9) if packet[0] >> 4 == 4 else (40, 6)
        payload = packet[head:]
        pad = bytes(range(1, 1 + -(len(payload) + 2) % self.cipher.block))
        esp = self.seal_plain(payload + pad + bytes([len(pad), packet[next_at]]), seq)
        if self.encap:
            esp = struct.pack("!HHHH", *self.encap, 8 + len(esp), 0) + esp
            if self.family == 6:
                esp = udp(*addresses(packet), *self.encap, esp[8:])[40:]
        return reheader(packet[:head], next_at, 17 if self.encap else 50, esp)

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
        if self.integ:
            sa.auth_algo.verify(esp, self.integ_key)
        plain = sa.crypt_algo.decrypt(sa, esp, sa.crypt_key, self.cipher.icv, esn_en=self.esn,
                                      esn=high)
        # scapy 2.5 looks for the padding in what it has cut the padding from.
        _, iv, whole = self.unseal(packet, high)
        assert bytes(plain.iv) == iv
        assert whole[:len(plain.data)] == bytes(plain.data)
        return Opened(high << 32 | esp.seq, plain.iv, bytes(plain.data),
                      whole[len(plain.data):-2], plain.nh, outer)
