# SPDX-License-Identifier: GPL-2.0-or-later
"""Decryption leaves the received packet as it was.

A datagram that was spliced from a file carries the file's own pages, all the
way through a veth into the receiver.  Who decrypts in place then writes into
the page cache, of a file that the sender may only be able to read: a local root
exploit.  First it is proven that the pages do travel; then that none changes.

UDP takes pages from Linux 6.5 on; before, and in Debian's 6.1, what is spliced
into it is copied.  TCP has always taken them.  So "rewritten" sends the file as
one segment of a TCP connection, which tc turns into the datagram as it leaves:
another protocol, and the datagram's first 20 bytes for TCP's header.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import socket
import struct

import pytest

from lib.bench import (FAR4, FAR6, GW4, GW6, IN4, IN6, PATIENCE, WIRE4, WIRE6, Gateway, libc, seen,
                       sysctl, until)
from lib.espref import udp

UDP_SEGMENT, PORT = 103, 4500
ENDS = {4: (GW4, WIRE4, socket.AF_INET), 6: (GW6, WIRE6, socket.AF_INET6)}
UDP_TAKES_PAGES = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 5)
WAYS = ("sendfile", "splice", "vmsplice") if UDP_TAKES_PAGES else ()
families = pytest.mark.parametrize("family", (4, 6))
ways = pytest.mark.parametrize("way", (*WAYS, "rewritten"))


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(mtu=9000)
    made.outer.ip("address add %s/24 dev w0" % WIRE4, "address add %s/64 dev w0 nodad" % WIRE6,
                  "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW4,
                  "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW6)
    for ns, device in ((made.gw, "eth0"), (made.outer, "w0")):
        ns.run("ethtool", "-K", device, "tx", "on", "sg", "on", "gso", "on",
               "tx-udp-segmentation", "on")
    with made.outer:
        sysctl("ipv4/tcp_timestamps", 0)        # a header of 20 bytes
    yield made
    made.close()


@pytest.fixture
def spliced(tmp_path):
    """A file in the page cache, mapped too, with content on demand."""
    class File:
        def __init__(self):
            self.fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
            self.map = None

        def fill(self, content):
            os.ftruncate(self.fd, len(content))
            os.pwrite(self.fd, content, 0)
            self.content = content
            self.map = mmap.mmap(self.fd, len(content))

        def unchanged(self):
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
                f.write("3")
            return (self.map[:] == self.content ==
                    os.pread(self.fd, len(self.content) + 1, 0))

    made = File()
    yield made
    os.close(made.fd)


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def send(sock, file, way):
    """The file as one datagram or segment, without a copy."""
    size = len(file.content)
    if way == "sendfile":
        assert os.sendfile(sock.fileno(), file.fd, 0, size) == size
        return
    out, into = os.pipe()
    try:
        if way == "splice":
            assert os.splice(file.fd, into, size, offset_src=0) == size
        else:
            address = ctypes.addressof(ctypes.c_char.from_buffer(file.map))
            vec = IoVec(address, size)
            assert libc.vmsplice(into, ctypes.byref(vec), ctypes.c_ulong(1), 0) == size
        assert os.splice(out, sock.fileno(), size) == size
    finally:
        os.close(out)
        os.close(into)


@contextlib.contextmanager
def datagrams(net, family, segment=0):
    near, far, domain = ENDS[family]
    with net.outer.socket(domain, socket.SOCK_DGRAM) as sock:
        sock.bind((far, PORT))
        sock.connect((near, PORT))
        if segment:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, segment)
        yield sock


@contextlib.contextmanager
def connection(net, family):
    """A TCP connection, reset in the end: nothing that is still on its way
    would ever be acknowledged."""
    near, far, domain = ENDS[family]
    with net.gw.socket(domain) as listener, net.outer.socket(domain) as sock:
        listener.bind((near, 0))
        listener.listen()
        sock.bind((far, 0))
        sock.connect(listener.getsockname()[:2])
        with listener.accept()[0] as other:
            try:
                yield sock
            finally:
                for end in (sock, other):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def rewriting(net, packet):
    """On the wire, segments of the length of packet begin as packet does."""
    version = packet[0] >> 4
    header, length, protocol = (20, 2, 9) if version == 4 else (40, 4, 6)
    edits = [("u8", protocol, packet[protocol:protocol + 1])]
    edits += [("u32", at, packet[at:at + 4]) for at in range(header, header + 20, 4)]
    munge = [word for kind, at, value in edits
             for word in ("munge", "offset", str(at), kind, "set", "0x" + value.hex())]
    finish = ("pipe", "action", "csum", "ip4h") if version == 4 else ()
    net.outer.run("tc", "qdisc", "add", "dev", "w0", "clsact")
    try:
        net.outer.run("tc", "filter", "add", "dev", "w0", "egress", "protocol",
                      "ip" if version == 4 else "ipv6", "u32",
                      "match", "u8", "6", "0xff", "at", str(protocol),
                      "match", "u16", "0x" + packet[length:length + 2].hex(), "0xffff",
                      "at", str(length), "action", "pedit", *munge, *finish)
        yield header + 20
    finally:
        net.outer.run("tc", "qdisc", "del", "dev", "w0", "clsact")


@contextlib.contextmanager
def sent(net, file, packet, way):
    """packet is on its way, with the file's pages for all but its headers.  TCP
    repeats its segment, so that replays may follow."""
    family, header = packet[0] >> 4, 20 if packet[0] >> 4 == 4 else 40
    if way != "rewritten":
        file.fill(packet[header + 8:])
        with datagrams(net, family) as sock:
            send(sock, file, way)
            yield
        return
    with rewriting(net, packet) as cut, connection(net, family) as sock:
        file.fill(packet[cut:])
        send(sock, file, "sendfile")
        yield


def inner(family, size):
    if family == 4:
        return udp(FAR4, IN4, 2, 1, b"P" * size)
    return udp(FAR6, IN6, 2, 1, b"P" * size)


@families
@ways
def test_the_pages_travel(net, spliced, family, way):
    """A datagram still waiting in its receiver's queue changes when the file
    does: it is the file."""
    near, far, domain = ENDS[family]
    receiver = net.gw.socket(domain, socket.SOCK_DGRAM)
    receiver.settimeout(PATIENCE)
    with receiver:
        receiver.bind((near, PORT))
        with sent(net, spliced, udp(far, near, PORT, PORT, b"\x11" * 1000), way):
            size = len(spliced.content)
            os.pwrite(spliced.fd, b"\x22" * size, 0)
            assert receiver.recv(2000)[-size:] == b"\x22" * size, \
                "it was copied: this file tests nothing"


def check_unchanged(net, file, sa, way, size):
    """A good packet, a replay and a forgery write to no page."""
    family = sa.family
    packet = sa.seal(inner(family, size), 1)
    with sent(net, file, packet, way):
        until(lambda: net.state(sa)["packets"] == 1, "the packet")
        assert net.inside.take(1)[0] == inner(family, size)
        assert file.unchanged()
    already = seen(net.state(sa))
    with sent(net, file, packet, way):
        until(lambda: seen(net.state(sa)) > already, "the replay")
        assert file.unchanged()
    forged = bytearray(sa.seal(inner(family, size), 2))
    forged[-1] ^= 1
    with sent(net, file, bytes(forged), way):
        until(lambda: net.state(sa)["drops"].get("rx-auth"), "the forgery")
        assert file.unchanged()
    assert net.inside.drain() == []


@families
@ways
@pytest.mark.parametrize("size", (20, 1300, 8000))
def test_file_unchanged(net, spliced, family, way, size):
    net.policy()
    net.nl.do("port-add", port=PORT)
    for cipher, spi in (("aes128gcm", 0x1001), ("chacha20poly1305", 0x1002)):
        check_unchanged(net, spliced, net.sa("in", cipher, family, spi, (PORT, PORT)), way, size)


@families
@pytest.mark.parametrize("cipher,esn", (("aes128gcm", False), ("aes128-sha256", False),
                                        ("aes128-sha256", True)))
def test_native_unchanged(net, spliced, family, cipher, esn):
    """In bursts and, with ciphers that are in parts, one by one."""
    net.policy()
    check_unchanged(net, spliced, net.sa("in", cipher, family, esn=esn), "rewritten", 1200)


@families
@pytest.mark.skipif(not UDP_TAKES_PAGES, reason="before Linux 6.5 UDP copies what is spliced")
def test_super_packet_unchanged(net, spliced, family):
    """Many datagrams in one skb, all of them pages of the file."""
    net.policy()
    net.nl.do("port-add", port=PORT)
    sa = net.sa("in", "aes256gcm", family, encap=(PORT, PORT))
    parts = [sa.seal(inner(family, 1000), i)[sa.headers:] for i in range(1, 11)]
    spliced.fill(b"".join(parts))
    with datagrams(net, family, len(parts[0])) as sock:
        send(sock, spliced, "sendfile")
        until(lambda: net.state(sa)["packets"] == 10, "ten packets")
    assert net.inside.take(10) == [inner(family, 1000)] * 10
    assert spliced.unchanged()


@families
@pytest.mark.skipif(not UDP_TAKES_PAGES, reason="nor do its raw sockets take pages")
def test_raw_unchanged(net, spliced, family):
    """Protocol 50 from a raw socket, which newer kernels splice to as well."""
    net.policy()
    sa = net.sa("in", family=family)
    near, far, domain = ENDS[family]
    spliced.fill(sa.seal(inner(family, 1200), 1)[sa.headers:])
    with net.outer.socket(domain, socket.SOCK_RAW, 50) as sock:
        sock.bind((far, 0))
        sock.connect((near, 0))
        try:
            send(sock, spliced, "sendfile")
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            pytest.skip("this kernel splices nothing to raw sockets")
        until(lambda: net.state(sa)["packets"] == 1, "the packet")
    assert net.inside.take(1)[0] == inner(family, 1200)
    assert spliced.unchanged()
