# SPDX-License-Identifier: GPL-2.0-or-later
"""The stage: three network namespaces on this host, no VM.

        left                     router                     right
    +----------+             +-------------+            +------------+
    | cygnetd  | 10.9.1.1    |   maybe a   |  10.9.2.1  | strongSwan |
    | esp.py   |-------------|     NAT     |------------| libipsec   |
    +----------+ fd09:1::1   +-------------+  fd09:2::1 +------------+
    10.1.0.1, fd01::1         .254, ::fe        10.2.0.1, fd02::1

A tripwire in the router drops and counts every packet with an inner address:
a ping that gets through has been through a tunnel.
"""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

INNER4, INNER6 = ("10.1.0.0/16", "10.2.0.0/16"), ("fd01::/64", "fd02::/64")
LEFT, RIGHT = "10.9.1.1", "10.9.2.1"
LEFT6, RIGHT6 = "fd09:1::1", "fd09:2::1"
# What one side sees of the other through a NAT in between.
NAT_LEFT, NAT_RIGHT = "10.9.2.254", "10.9.1.254"


def run(command, check=True, **kwargs):
    """A command's output; an error shows what it said."""
    done = subprocess.run(command.split() if isinstance(command, str) else command,
                          capture_output=True, text=True, check=False, **kwargs)
    if check and done.returncode:
        raise RuntimeError("%s: exit %d\n%s%s" % (command, done.returncode, done.stdout,
                                                  done.stderr))
    return done.stdout if check else done


def checksum(data):
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(version, ident, seq, size):
    """The kernel fills in ICMPv6's checksum."""
    head, data = (8, 128)[version == 6], bytes(size & ~1)
    packet = struct.pack("!BBHHH", head, 0, 0, ident, seq) + data
    return packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]


def echo_reply(version, packet, ident):
    """Its sequence number, or None."""
    if version == 4:
        packet = packet[4 * (packet[0] & 15):]
    kind, _, _, who, seq = struct.unpack("!BBHHH", packet[:8])
    return seq if (kind, who) == ((0, 129)[version == 6], ident) else None


def unanswered(target, source=None, count=1, interval=0.01, wait=2, size=56):
    """Pings from the namespace that we are in, and returns how many got no answer. ping(8) waits
    two round trips for its last ones, whatever -W says, which is nothing on a busy machine."""
    version = 6 if ":" in target else 4
    family, protocol = ((socket.AF_INET, 1), (socket.AF_INET6, 58))[version == 6]
    ident, missing, sent = random.randrange(65536), set(), 0
    turn = end = time.monotonic()
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        if source:
            sock.bind((source, 0))
        sock.connect((target, 0))
        while sent < count or (missing and time.monotonic() < end):
            now = time.monotonic()
            if sent < count and now >= turn:
                missing.add(sent)
                with contextlib.suppress(OSError):      # no route, and the like
                    sock.send(echo_request(version, ident, sent, size))
                sent, turn, end = sent + 1, turn + interval, now + wait
            until = turn if sent < count else end
            if select.select([sock], [], [], max(0, until - time.monotonic()))[0]:
                with contextlib.suppress(OSError):
                    missing.discard(echo_reply(version, sock.recv(65536), ident))
    return len(missing)


def alive(pid):
    return os.path.exists("/proc/%d" % pid)


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def in_thread(function, *args):
    """Runs it on a thread, which may enter a namespace without taking us along."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


class Namespace:
    def __init__(self, name):
        self.name = name
        run(["ip", "netns", "add", name])
        self.ip("link set lo up")

    def ip(self, *commands):
        run(["ip", "-n", self.name, "-batch", "-"], input="\n".join(commands) + "\n")

    def argv(self, command):
        command = command.split() if isinstance(command, str) else command
        return ["ip", "netns", "exec", self.name] + command

    def run(self, command, check=True, **kwargs):
        return run(self.argv(command), check, **kwargs)

    def enter(self):
        """Moves the calling thread into the namespace."""
        with open("/run/netns/" + self.name, "rb") as handle:
            if LIBC.setns(handle.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def delete(self):
        run(["ip", "netns", "del", self.name], check=False)


class World:
    def __init__(self):
        prefix = "cygnet-%d-" % os.getpid()
        self.left = Namespace(prefix + "left")
        self.router = Namespace(prefix + "router")
        self.right = Namespace(prefix + "right")
        self._wire(self.left, "left", 1)
        self._wire(self.right, "right", 2)
        self.router.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.reset()

    def _wire(self, host, name, number):
        self.router.ip("link add to-%s type veth peer name eth0 netns %s" % (name, host.name))
        self.router.ip("addr add 10.9.%d.254/24 dev to-%s" % (number, name),
                       "addr add fd09:%d::fe/64 dev to-%s nodad" % (number, name),
                       "link set to-%s up" % name)
        host.ip("addr add 10.9.%d.1/24 dev eth0" % number,
                "addr add fd09:%d::1/64 dev eth0 nodad" % number,
                "addr add 10.%d.0.1/32 dev lo" % number,
                "addr add 10.%d.0.1/32 dev lo" % (number + 4),
                "addr add fd0%d::1/128 dev lo" % number,
                "link set eth0 up",
                "route add default via 10.9.%d.254" % number,
                "route add default via fd09:%d::fe" % number)

    def reset(self):
        """Neither NAT nor loss, and the tripwire at zero."""
        self.nft("flush ruleset")
        self.nft("""
            table inet tripwire {
                chain wire {
                    type filter hook prerouting priority -350;
                    ip saddr { %s } counter drop
                    ip6 saddr { %s } counter drop
                }
            }""" % (", ".join(INNER4), ", ".join(INNER6)))

    def nft(self, rules):
        self.router.run("nft -f -", input=rules)

    def cleartext(self):
        """Packets with inner addresses that were seen on the wire."""
        listing = json.loads(self.router.run("nft -j list table inet tripwire"))
        return sum(expr["counter"]["packets"]
                   for item in listing["nftables"] if "rule" in item
                   for expr in item["rule"]["expr"] if "counter" in expr)

    def nat(self, side):
        """Hides that side behind the router, which lets IKE in to it."""
        other = {"left": "right", "right": "left"}[side]
        hidden = {"left": LEFT, "right": RIGHT}[side]
        self.nft("""
            table ip nat {
                chain out {
                    type nat hook postrouting priority 100;
                    oifname "to-%s" masquerade
                }
                chain in {
                    type nat hook prerouting priority -100;
                    iifname "to-%s" udp dport { 500, 4500 } dnat to %s
                }
            }""" % (other, other, hidden))

    def drop(self, rule):
        """Drops what matches on its way through the router, until undrop()."""
        self.nft("""
            table inet loss {
                chain way { type filter hook forward priority 0; %s drop; }
            }""" % rule)

    def undrop(self):
        self.router.run("nft delete table inet loss")

    def ping(self, target="10.2.0.1", source="10.1.0.1", count=1, wait=2):
        """True if every ping was answered."""
        return in_thread(self._ping, target, source, count, wait) == 0

    def _ping(self, target, source, count, wait):
        self.left.enter()
        return unanswered(target, source, count, wait=wait)

    def delete(self):
        for namespace in (self.left, self.right, self.router):
            namespace.delete()
