# SPDX-License-Identifier: GPL-2.0-or-later
"""Super-packets: TCP and UDP as GSO hands them about, cut up by the RFCs' rules.

    header, packet = offload(...), tcp(...)
    segments(header, packet)   # what must be on a wire without any offload

The header is that of linux/virtio_net.h, as packet sockets give and take it.
"""

import ipaddress
import struct
from collections import namedtuple

from lib.espref import checksum, ip_header

VNET = struct.Struct("=BBHHHH")
Offload = namedtuple("Offload", "flags gso_type hdr_len gso_size csum_start csum_offset",
                     defaults=(0,) * 6)
NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 4, 5, 0x80
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))
TCP, UDP = 6, 17
TIMESTAMPS = bytes.fromhex("0101080a0001000200030004")


def pseudo_header(packet, protocol, length):
    """Of RFC 9293 section 3.1 and RFC 8200 section 8.1."""
    if packet[0] >> 4 == 4:
        return packet[12:20] + struct.pack("!BBH", 0, protocol, length)
    return packet[8:40] + struct.pack("!IHBB", length, 0, 0, protocol)


def transport_of(packet):
    """(offset, protocol) behind an IP header without extensions."""
    if packet[0] >> 4 == 4:
        return (packet[0] & 15) * 4, packet[9]
    return 40, packet[6]


def put(packet, at, form, *values):
    """packet with some of its bytes replaced."""
    new = struct.pack(form, *values)
    return packet[:at] + new + packet[at + len(new):]


def finished(packet):
    """The same with all lengths and checksums right."""
    if packet[0] >> 4 == 4:
        packet = put(packet, 2, "!H", len(packet))
        packet = put(packet, 10, "!H", 0)
        packet = put(packet, 10, "!H", checksum(packet[:(packet[0] & 15) * 4]))
    else:
        packet = put(packet, 4, "!H", len(packet) - 40)
    at, protocol = transport_of(packet)
    field = at + (16 if protocol == TCP else 6)
    if protocol == UDP:
        packet = put(packet, at + 4, "!H", len(packet) - at)
    packet = put(packet, field, "!H", 0)
    found = checksum(pseudo_header(packet, protocol, len(packet) - at) + packet[at:])
    return put(packet, field, "!H", found or (0xFFFF if protocol == UDP else 0))


def with_label(header, label):
    """An IPv6 header with that flow label."""
    return put(header, 0, "!I", struct.unpack_from("!I", header)[0] | label) if label else header


def tcp(src, dst, sport=1, dport=2, seq=1, payload=b"", ack=1, flags=ACK, window=1000,
        options=TIMESTAMPS, urgent=0, reserved=0, label=0, **header):
    """A TCP segment with its IP header and checksums."""
    words = 5 + len(options) // 4
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                          words << 4 | reserved, flags, window, 0, urgent) + options + payload
    return finished(with_label(ip_header(src, dst, TCP, len(segment), **header), label) + segment)


def udp(src, dst, sport=1, dport=2, payload=b"", label=0, **header):
    """A UDP datagram with its IP header and checksums."""
    datagram = struct.pack("!HHHH", sport, dport, 0, 0) + payload
    return finished(with_label(ip_header(src, dst, UDP, len(datagram), **header), label) +
                    datagram)


def offload(packet, size, **other):
    """What describes packet as a super-packet of segments with size bytes."""
    at, protocol = transport_of(packet)
    kind = GSO_UDP_L4 if protocol == UDP else GSO_TCPV4 if packet[0] >> 4 == 4 else GSO_TCPV6
    headers = at + (8 if protocol == UDP else (packet[at + 12] >> 4) * 4)
    values = {"flags": NEEDS_CSUM, "gso_type": kind, "hdr_len": headers, "gso_size": size,
              "csum_start": at, "csum_offset": 16 if protocol == TCP else 6, **other}
    return Offload(**values)


def unfinished(packet):
    """packet with the sum of its pseudo header where its checksum belongs."""
    at, protocol = transport_of(packet)
    found = ~checksum(pseudo_header(packet, protocol, len(packet) - at)) & 0xFFFF
    return put(packet, at + (16 if protocol == TCP else 6), "!H", found)


def segments(header, packet, fixed_id=False):
    """The packets that a super-packet stands for (RFC 9293, 3168, 768)."""
    if not header.gso_type:
        return [finished(packet) if header.flags & NEEDS_CSUM else packet]
    assert header.flags & NEEDS_CSUM, "a super-packet with a checksum of its own"
    at, protocol = transport_of(packet)
    assert unfinished(packet) == packet, "not the sum of the pseudo header"
    assert header.csum_start == at and header.csum_offset == (16 if protocol == TCP else 6)
    data = at + (8 if protocol == UDP else (packet[at + 12] >> 4) * 4)
    found, size = [], header.gso_size
    for i in range(0, len(packet) - data, size):
        one = packet[:data] + packet[data + i:data + i + size]
        if one[0] >> 4 == 4 and not fixed_id:
            ident, = struct.unpack_from("!H", one, 4)
            one = put(one, 4, "!H", ident + i // size & 0xFFFF)
        if protocol == TCP:
            seq, = struct.unpack_from("!I", one, at + 4)
            flags = one[at + 13]
            if i:
                flags &= ~CWR
            if i + size < len(packet) - data:
                flags &= ~(FIN | PSH)
            one = put(one, at + 4, "!I", seq + i & 0xFFFFFFFF)
            one = put(one, at + 13, "!B", flags)
        found.append(finished(one))
    return found


def flow_of(packet):
    """What may not be put out of order."""
    at, protocol = transport_of(packet)
    near = 12 if packet[0] >> 4 == 4 else 8
    return packet[near:near + (8 if near == 12 else 32)], protocol, packet[at:at + 4]


def by_flow(packets):
    found = {}
    for packet in packets:
        found.setdefault(flow_of(packet), []).append(packet)
    return found


def describe(packet):
    """A line for who has to find out what is wrong with it."""
    at, protocol = transport_of(packet)
    near = (12, 16) if packet[0] >> 4 == 4 else (8, 24)
    size = 4 if near[0] == 12 else 16
    ends = [str(ipaddress.ip_address(packet[o:o + size])) for o in near]
    return "%s > %s protocol %d, %d bytes: %s" % (*ends, protocol, len(packet),
                                                  packet[:at + 40].hex())
