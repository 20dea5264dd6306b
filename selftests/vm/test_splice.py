# SPDX-License-Identifier: GPL-2.0-or-later
"""Decryption leaves the received packet as it was.

A datagram that was spliced from a file carries the file's own pages, all the
way through a veth into the receiver.  Who decrypts in place then writes into
the page cache, of a file that the sender may only be able to read: a local root
exploit.  First it is proven that the pages do travel; then that none changes.
"""

import ctypes
import errno
import mmap
import os
import socket

import pytest

from lib.bench import (FAR4, FAR6, GW4, GW6, IN4, IN6, PATIENCE, WIRE4, WIRE6, Gateway, libc, seen,
                       until)
from lib.espref import udp

UDP_SEGMENT, PORT = 103, 4500
ENDS = {4: (GW4, WIRE4, socket.AF_INET), 6: (GW6, WIRE6, socket.AF_INET6)}
# Before, what is spliced into UDP is copied, or sent page by page.
TRAVELS = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 5)
pytestmark = pytest.mark.skipif(not TRAVELS, reason="pages travel in UDP since Linux 6.5")
families = pytest.mark.parametrize("family", (4, 6))
ways = pytest.mark.parametrize("way", ("sendfile", "splice", "vmsplice"))


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(mtu=9000)
    made.outer.ip("address add %s/24 dev w0" % WIRE4, "address add %s/64 dev w0 nodad" % WIRE6,
                  "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW4,
                  "neigh add %s lladdr 02:00:00:00:00:01 dev w0 nud permanent" % GW6)
    for ns, device in ((made.gw, "eth0"), (made.outer, "w0")):
        ns.run("ethtool", "-K", device, "tx", "on", "sg", "on", "gso", "on",
               "tx-udp-segmentation", "on")
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


def send(sock, file, way, size):
    """The first size bytes of the file as one datagram, without a copy."""
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


def sender(net, family, segment=0):
    near, far, domain = ENDS[family]
    sock = net.outer.socket(domain, socket.SOCK_DGRAM)
    sock.bind((far, PORT))
    sock.connect((near, PORT))
    if segment:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, segment)
    return sock


def inner(family, size):
    if family == 4:
        return udp(FAR4, IN4, 2, 1, b"P" * size)
    return udp(FAR6, IN6, 2, 1, b"P" * size)


@families
@ways
def test_the_pages_travel(net, spliced, family, way):
    """A datagram still waiting in its receiver's queue changes when the file
    does: it is the file."""
    near, _, domain = ENDS[family]
    receiver = net.gw.socket(domain, socket.SOCK_DGRAM)
    receiver.settimeout(PATIENCE)
    with receiver, sender(net, family) as sock:
        receiver.bind((near, PORT))
        spliced.fill(b"\x11" * 1000)
        send(sock, spliced, way, 1000)
        os.pwrite(spliced.fd, b"\x22" * 1000, 0)
        assert receiver.recv(2000) == b"\x22" * 1000, "it was copied: this file tests nothing"


@families
@ways
@pytest.mark.parametrize("size", (20, 1300, 8000))
def test_file_unchanged(net, spliced, family, way, size):
    net.policy()
    net.nl.do("port-add", port=PORT)
    for cipher, spi in (("aes128gcm", 0x1001), ("chacha20poly1305", 0x1002)):
        sa = net.sa("in", cipher, family, spi, (PORT, PORT))
        spliced.fill(sa.seal(inner(family, size), 1)[sa.headers:])
        with sender(net, family) as sock:
            send(sock, spliced, way, len(spliced.content))
            until(lambda: net.state(sa)["packets"] == 1, "the packet")
            assert net.inside.take(1)[0] == inner(family, size)
            assert spliced.unchanged()
            # A replay and a forgery are not written to either.
            send(sock, spliced, way, len(spliced.content))
            until(lambda: seen(net.state(sa)) == 2, "the replay")
            assert spliced.unchanged()
            forged = bytearray(sa.seal(inner(family, size), 2)[sa.headers:])
            forged[-1] ^= 1
            spliced.fill(bytes(forged))
            send(sock, spliced, way, len(forged))
            until(lambda: net.state(sa)["drops"].get("rx-auth"), "the forgery")
            assert spliced.unchanged()


@families
def test_super_packet_unchanged(net, spliced, family):
    """Many datagrams in one skb, all of them pages of the file."""
    net.policy()
    net.nl.do("port-add", port=PORT)
    sa = net.sa("in", "aes256gcm", family, encap=(PORT, PORT))
    parts = [sa.seal(inner(family, 1000), i)[sa.headers:] for i in range(1, 11)]
    spliced.fill(b"".join(parts))
    with sender(net, family, len(parts[0])) as sock:
        send(sock, spliced, "sendfile", len(spliced.content))
        until(lambda: net.state(sa)["packets"] == 10, "ten packets")
    assert net.inside.take(10) == [inner(family, 1000)] * 10
    assert spliced.unchanged()


@families
def test_native_unchanged(net, spliced, family):
    """Protocol 50 from a raw socket, which newer kernels splice to as well."""
    net.policy()
    sa = net.sa("in", family=family)
    near, far, domain = ENDS[family]
    spliced.fill(sa.seal(inner(family, 1200), 1)[sa.headers:])
    with net.outer.socket(domain, socket.SOCK_RAW, 50) as sock:
        sock.bind((far, 0))
        sock.connect((near, 0))
        try:
            send(sock, spliced, "sendfile", len(spliced.content))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            pytest.skip("this kernel splices nothing to raw sockets")
        until(lambda: net.state(sa)["packets"] == 1, "the packet")
    assert net.inside.take(1)[0] == inner(family, 1200)
    assert spliced.unchanged()
