# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway under test, and its wire in our hands.

                     namespace gw                   namespace wire
    +------------------------------------+     +--------------------+
    |  cyg0                        eth0  |     |  w0                |
    |  10.1.0.1   fd01::1    192.0.2.1   |=====|  a packet socket   |
    |  routes to 10.2.0.0/24 2001:db8::1 | veth|                    |
    |            fd02::/64               |     |                    |
    +------------------------------------+     +--------------------+

Nothing in wire answers.  What the gateway sends is seen whole and in order by
Gateway.wire, what comes out of the tunnel by Gateway.inside.  All in one process,
which enters a namespace to open a socket there and keeps it.  A packet of the
inner networks that shows on the wire fails whatever test reads it.
"""

import collections
import ctypes
import errno
import ipaddress
import os
import select
import socket
import struct
import subprocess
import time
from contextlib import contextmanager

from lib.espref import Ah, Esp, addresses
from lib.genl import Genl, Refused

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_VNET_HDR, VNET_LEN = 263, 15, 10
PACKET_OUTGOING, ETH_P_ALL = 4, 3
GW4, WIRE4, GW6, WIRE6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
IN4, FAR4, IN6, FAR6 = "10.1.0.1", "10.2.0.1", "fd01::1", "fd02::1"
ESP, AH = 50, 51
# Seconds that everything here gets to happen; the VM may be emulated.
PATIENCE = 10 if os.environ.get("GUEST") == "debug" else 30
# Counted besides the packet itself, which was authentic.
AUTHENTIC = {"rx-padding", "rx-next-header", "rx-dummy", "rx-inner", "rx-ecn", "rx-selector",
             "rx-device"}
# What carries a packet knows nothing of its algorithm, so that an emulated
# machine need not try each with each; make check-matrix does.
EVERYTHING = os.environ.get("GUEST") == "debug" or "MATRIX" in os.environ
libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True, **kwargs):
    """A command's standard output; its failure is an exception with stderr."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    if check and done.returncode:
        raise RuntimeError("%s: exit status %d: %s" % (" ".join(command), done.returncode,
                                                       done.stderr.strip() or done.stdout))
    return done.stdout


def until(condition, what, seconds=PATIENCE):
    """Wait for condition to give something true, and give that."""
    end = time.monotonic() + seconds
    pause = 0.001
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError("%s: not within %s seconds" % (what, seconds))
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


class Netns:
    """A named network namespace; "with ns:" enters it."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "del", name, check=False)
        run("ip", "netns", "add", name)
        self.fd = os.open("/run/netns/" + name, os.O_RDONLY)
        self.outside = []
        with self:
            for path, value in (("ipv6/conf/default/accept_dad", 0),
                                ("ipv6/conf/default/router_solicitations", 0),
                                ("ipv6/conf/default/addr_gen_mode", 1),
                                ("ipv6/conf/default/mldv2_unsolicited_report_interval", 0)):
                sysctl(path, value)
            run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _enter(fd):
        if libc.setns(fd, CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def enter(self):
        """For good."""
        self._enter(self.fd)

    def __enter__(self):
        self.outside.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        self._enter(self.fd)
        return self

    def __exit__(self, *_):
        fd = self.outside.pop()
        self._enter(fd)
        os.close(fd)

    def ip(self, *lines):
        """Lines for ip(8), in one process."""
        batch = "\n".join(lines) + "\n"
        return run("ip", "-n", self.name, "-batch", "-", input=batch)

    def run(self, *command, **kwargs):
        with self:
            return run(*command, **kwargs)

    def socket(self, *args):
        with self:
            return socket.socket(*args)

    def delete(self):
        os.close(self.fd)
        run("ip", "netns", "del", self.name, check=False)


def sysctl(path, value):
    """Set /proc/sys/net/path, of the namespace that we are in."""
    with open("/proc/sys/net/" + path, "w", encoding="ascii") as f:
        f.write(str(value))


def in_clear(packet):
    """Whether packet is of an inner network."""
    if packet[0] >> 4 == 4:
        return packet[12] == 10 or packet[16] == 10
    return packet[8] == 0xFD or packet[24] == 0xFD


class Recent:
    """The last packets of all taps of one kind, for whoever looks into a failure."""

    def __init__(self, linktype):
        self.linktype, self.packets = linktype, collections.deque(maxlen=2000)

    def add(self, data):
        self.packets.append((time.time(), data))

    def save(self, path):
        with open(path, "wb") as f:
            f.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, self.linktype))
            for when, data in self.packets:
                f.write(struct.pack("=IIII", int(when), int(when % 1 * 1e6), len(data),
                                    len(data)) + data)


class Tap:
    """A packet socket on a device: what it receives and, if asked, sends.

    With vnet each packet comes with what offload says of it (linux/virtio_net.h),
    the last one's is in self.offload; see lib/superpacket.py.
    """

    recent = {True: Recent(1), False: Recent(101)}      # Ethernet, or IP without

    def __init__(self, ns, device, ethernet, outgoing=False, vnet=False):
        self.sock = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        if vnet:
            self.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        with ns:
            self.sock.bind((device, ETH_P_ALL))
        self.vnet, self.offload = VNET_LEN if vnet else 0, b""
        self.header, self.outgoing = self.vnet + (14 if ethernet else 0), outgoing
        self.watch = ethernet
        self.frame = {}

    def close(self):
        self.sock.close()

    def aim(self, to, source):
        """The Ethernet headers to put in front of what is sent."""
        macs = bytes.fromhex((to + source).replace(":", ""))
        self.frame = {4: macs + b"\x08\x00", 6: macs + b"\x86\xdd"}

    def send(self, packets):
        """Packets as they are; what is no IP goes as IPv4."""
        for packet in packets:
            data = self.frame.get(packet[0] >> 4, self.frame[4]) + packet
            self.recent[True].add(data)
            self.sock.send(data)

    def read(self):
        """The next IP packet that is here already, or None; neighbours and
        multicast groups being looked for do not count."""
        while select.select([self.sock], [], [], 0)[0]:
            try:
                data, address = self.sock.recvfrom(1 << 17)
            except OSError as error:
                if error.errno == errno.ENETDOWN:   # told once
                    continue
                if self.vnet and error.errno == errno.EINVAL:
                    continue    # has no words for a super-packet of UDP until 6.2
                raise
            packet, self.offload = data[self.header:], data[:self.vnet]
            self.recent[self.header > self.vnet].add(data[self.vnet:])
            if (address[2] == PACKET_OUTGOING) != self.outgoing or \
                    address[1] not in (0x800, 0x86DD) or \
                    (packet[0] >> 4 == 6 and packet[24] == 0xFF):
                continue
            assert not (self.watch and in_clear(packet)), "in clear: %s" % packet.hex()
            return packet
        return None

    def drain(self):
        packets = []
        while True:
            packet = self.read()
            if packet is None:
                return packets
            packets.append(packet)

    def take(self, count, seconds=PATIENCE):
        """The next count packets."""
        end = time.monotonic() + seconds
        packets = []
        while len(packets) < count:
            packet = self.read()
            if packet is not None:
                packets.append(packet)
            elif time.monotonic() >= end:
                raise TimeoutError("%d of %d packets in %s seconds" %
                                   (len(packets), count, seconds))
            else:
                select.select([self.sock], [], [], max(0, end - time.monotonic()))
        return packets


class Gateway:
    """The picture above."""

    def __init__(self, mtu=1500, names=("gw", "wire")):
        self.gw, self.outer = map(Netns, names)
        run("ip", "link", "add", "eth0", "mtu", str(mtu), "netns", names[0], "type", "veth",
            "peer", "name", "w0", "mtu", str(mtu), "netns", names[1])
        self.gw.ip("link add cyg0 type cygnet")
        # Packets are compared one by one.
        self.gw.run("ethtool", "-K", "cyg0", "rx-udp-gro-forwarding", "off")
        self.gw.ip(
            "link set eth0 address 02:00:00:00:00:01 up",
            "address add %s/24 dev eth0" % GW4,
            "address add %s/64 dev eth0 nodad" % GW6,
            "neigh add %s lladdr 02:00:00:00:00:02 dev eth0 nud permanent" % WIRE4,
            "neigh add %s lladdr 02:00:00:00:00:02 dev eth0 nud permanent" % WIRE6,
            "link set cyg0 %sup" % ("mtu %d " % (mtu - 100) if mtu > 1500 else ""),
            "address add %s/24 dev cyg0" % IN4,
            "address add %s/64 dev cyg0 nodad" % IN6,
            "route add 10.2.0.0/24 dev cyg0",
            "route add fd02::/64 dev cyg0")
        self.outer.ip("link set w0 address 02:00:00:00:00:02 up")
        # Packets of the size that a real wire would carry.
        for ns, device in ((self.gw, "eth0"), (self.outer, "w0")):
            ns.run("ethtool", "-K", device, "tso", "off", "gso", "off", "tx", "off",
                   "tx-udp-segmentation", "off", check=False)
        with self.gw:
            self.nl = Genl()
        self.wire = Tap(self.outer, "w0", True)
        self.wire.aim("02:00:00:00:00:01", "02:00:00:00:00:02")
        self.inside = None
        self.find_device()
        self.ip_socket = {}

    def close(self):
        self.nl.close()
        self.wire.close()
        self.inside.close()
        for sock in self.ip_socket.values():
            sock.close()
        self.gw.delete()
        self.outer.delete()

    # Configuration

    def find_device(self):
        """cyg0 is new."""
        with self.gw:
            self.ifindex = socket.if_nametoindex("cyg0")
        if self.inside:
            self.inside.close()
        self.inside = Tap(self.gw, "cyg0", False)

    def policy(self, ident=1, action="protect", local=None, remote=None, mode="tunnel",
               **values):
        """A policy on cyg0; everything of both families unless said."""
        pairs = [("10.1.0.0/24", "10.2.0.0/24"), ("fd01::/64", "fd02::/64")]
        if local:
            pairs = [(local, remote)]
        return self.nl.do("policy-set", id=ident, ifindex=self.ifindex, action=action,
                          mode=mode, selector=[selector(*p) for p in pairs], **values)

    def sa(self, direction, cipher="aes128gcm", family=4, spi=None, encap=None, esn=False,
           policy=1, key=None, give_encap=True, integ_key=None, mode="tunnel", **values):
        """Add an SA between us; the other end of it."""
        near, far = (GW4, WIRE4) if family == 4 else (GW6, WIRE6)
        src, dst = (far, near) if direction == "in" else (near, far)
        other = Esp(cipher, spi or (0x1001 if direction == "in" else 0x2001), src, dst,
                    esn, encap, key, integ_key)
        ports = {"encap_sport": encap[0], "encap_dport": encap[1]} if encap and give_encap else {}
        self.nl.do("sa-new", direction=direction, protocol=ESP, spi=other.spi, src=src, dst=dst,
                   mode=mode, policy=policy, esn=esn, **other.algorithms(), **ports,
                   **values)
        return other

    def ah(self, direction, integ="sha256", family=4, spi=None, esn=False, policy=1,
           mode="tunnel", **values):
        """Add an AH SA between us; the other end of it."""
        near, far = (GW4, WIRE4) if family == 4 else (GW6, WIRE6)
        src, dst = (far, near) if direction == "in" else (near, far)
        other = Ah(integ, spi or (0x1001 if direction == "in" else 0x2001), src, dst, esn)
        self.nl.do("sa-new", direction=direction, protocol=AH, spi=other.spi, src=src, dst=dst,
                   mode=mode, policy=policy, esn=esn, **other.algorithms(), **values)
        return other

    def clear(self):
        """No SA, no policy, no port, nothing in the sockets."""
        for p in self.nl.dump("policy-get"):
            self.nl.do("policy-del", id=p["id"])
        for s in self.nl.dump("sa-get"):
            self.nl.do("sa-del", protocol=s["protocol"], spi=s["spi"], dst=s["dst"])
        for p in self.nl.dump("port-get"):
            self.nl.do("port-del", port=p["port"])
        until(lambda: self.nl.do("stats-get")["sas"] == 0, "the end of all SAs")
        self.wire.drain()
        self.inside.drain()

    # Observation

    def state(self, other):
        """What the module says of other's SA, drops as a dictionary."""
        found = self.nl.do("sa-get", protocol=other.protocol, spi=other.spi, dst=other.dst)
        found["drops"] = {d["reason"]: d["packets"] for d in found.get("drops", [])}
        return found

    def drops(self, ifindex=None):
        """The drop counters of the namespace, or of a device."""
        found = self.nl.do("stats-get", **({"ifindex": ifindex} if ifindex else {}))
        return {d["reason"]: d["packets"] for d in found.get("drops", [])}

    def seen(self, other):
        """Packets that reached other's SA, for good or ill."""
        return seen(self.state(other))

    def feed(self, other, packets, seconds=2 * PATIENCE):
        """Put packets for other's SA on the wire and wait until it has them;
        (change of what it says, inner packets that came out)."""
        before = self.state(other)
        already = seen(before)
        for i in range(0, len(packets), 256):
            part = packets[i:i + 256]
            self.wire.send(part)
            already += len(part)
            try:
                until(lambda: self.seen(other) >= already, "packets counted", seconds)
            except TimeoutError as error:
                raise AssertionError("%d of %d packets counted: %r; namespace %r" % (
                    self.seen(other) - already + len(part), len(part), self.state(other),
                    self.drops())) from error
        return self.settled(other, before)

    def settled(self, other, before, seconds=2):
        """The same as feed's, once each packet that other's SA counted since
        before has also come out or been refused.  The SA counts first, and what
        it hands to the device may be merged there, so after some seconds it is
        what it is."""
        end = time.monotonic() + seconds
        inner = []
        while True:
            moved = change(before, self.state(other))
            inner += self.inside.drain()
            refused = sum(moved["drops"].get(reason, 0) for reason in AUTHENTIC)
            if len(inner) + refused >= moved.get("packets", 0) or time.monotonic() > end:
                return moved, inner
            time.sleep(0.001)

    @contextmanager
    def drop(self, reason, count=1):
        """The namespace counts count packets under reason, and no others."""
        before = self.drops()
        yield
        wanted = dict(before)
        wanted[reason] = wanted.get(reason, 0) + count
        try:
            until(lambda: self.drops() == wanted, reason)
        except TimeoutError as error:
            raise AssertionError("drops %r, expected %d of %s" % (
                change({"drops": before}, {"drops": self.drops()})["drops"], count,
                reason)) from error

    # Traffic from the inside

    def transmit(self, packets, own=False):
        """Inner packets as the stack would route them, byte for byte: to the
        far side, or (own) to where each says."""
        for packet in packets:
            version = packet[0] >> 4
            if version not in self.ip_socket:
                family, level = ((socket.AF_INET, socket.SOCK_RAW) if version == 4 else
                                 (socket.AF_INET6, socket.SOCK_RAW))
                sock = self.gw.socket(family, level, socket.IPPROTO_RAW)
                self.ip_socket[version] = sock
            to = addresses(packet)[1] if own else FAR4 if version == 4 else FAR6
            to = (to, 0) if version == 4 else (to, 0, 0, 0)
            try:
                self.ip_socket[version].sendto(packet, to)
            except OSError as error:
                if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOBUFS,
                                       errno.ENOKEY, errno.EPERM, errno.EDESTADDRREQ):
                    raise


def seen(state):
    """Packets that an SA was given."""
    return state["packets"] + sum(n for reason, n in state["drops"].items()
                                  if reason not in AUTHENTIC)


def selector(local, remote, **values):
    """A selector pair from two prefixes."""
    near, far = ipaddress.ip_network(local), ipaddress.ip_network(remote)
    return dict(local_first=str(near[0]), local_last=str(near[-1]),
                remote_first=str(far[0]), remote_last=str(far[-1]), **values)


def change(before, after):
    """What differs, numbers as differences, without the clocks."""
    out = {}
    for name in after.keys() | before.keys():
        if name in ("age_ms", "idle_ms"):
            continue
        old, new = before.get(name), after.get(name)
        if name == "drops":
            new, old = new or {}, old or {}
            out[name] = {k: new[k] - old.get(k, 0) for k in new if new[k] != old.get(k, 0)}
        elif old != new:
            out[name] = new - old if isinstance(new, int) and isinstance(old, int) else new
    return out


def exists(call, *args, **kwargs):
    """Whether call finds what it asks for."""
    try:
        call(*args, **kwargs)
    except Refused as refusal:
        if refusal.errno != errno.ENOENT:
            raise
        return False
    return True
