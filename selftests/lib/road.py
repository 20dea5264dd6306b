# SPDX-License-Identifier: GPL-2.0-or-later
"""Two gateways, a host behind each, and a router between that tolerates no
cleartext.

        client          gwa                router               gwb          server
        +-----+     +-----------+       +----------+       +-----------+     +-----+
        | lan |=====| lan   wan |=======| wa    wb |=======| wan   lan |=====| lan |
        +-----+     +-----------+       +----------+       +-----------+     +-----+
        10.1.0.2    10.1.0.1  192.0.2.1          198.51.100.1   10.2.0.1    10.2.0.2
        fd01::2      fd01::1  2001:db8:a::1    2001:db8:b::1     fd02::1     fd02::2

Both gateways and the router have routes to both private networks, so that
without protection packets do go through, up to the tripwire: in the router,
whatever has a private address or is not ESP, AH, IKE or ICMP between the
gateways is dropped and counted as cleartext.  A test that expects protection
first lets it trip:

    road.needs_protection()         # pings fail, the tripwire sees them
    ... set up the tunnel ...
    road.ping(); road.no_cleartext()

With nat=True the router hides gwa behind its own address (198.51.100.254).
"""

import json
import re
import signal
import subprocess
from contextlib import contextmanager

from lib.bench import Netns, run, until

CLIENT = {4: "10.1.0.2", 6: "fd01::2"}
SERVER = {4: "10.2.0.2", 6: "fd02::2"}
LAN_A = {4: "10.1.0.0/24", 6: "fd01::/64"}
LAN_B = {4: "10.2.0.0/24", 6: "fd02::/64"}
GWA_LAN = {4: "10.1.0.1", 6: "fd01::1"}
GWB_LAN = {4: "10.2.0.1", 6: "fd02::1"}
GWA = {4: "192.0.2.1", 6: "2001:db8:a::1"}
GWB = {4: "198.51.100.1", 6: "2001:db8:b::1"}
ROUTER_A = {4: "192.0.2.254", 6: "2001:db8:a::fe"}
ROUTER_B = {4: "198.51.100.254", 6: "2001:db8:b::fe"}

TRIPWIRE = """
table inet tripwire {
        counter cleartext { }
        chain forward {
                type filter hook forward priority -300
                ip saddr { 10.0.0.0/8 } counter name cleartext drop
                ip daddr { 10.0.0.0/8 } counter name cleartext drop
                ip6 saddr fd00::/8 counter name cleartext drop
                ip6 daddr fd00::/8 counter name cleartext drop
                meta l4proto { esp, ah, icmp, ipv6-icmp } accept
                ip frag-off & 0x1fff != 0 accept
                frag frag-off != 0 accept
                udp dport { 500, 4500 } accept
                udp sport { 500, 4500 } accept
                counter name cleartext drop
        }
}
"""


class Road:
    """The picture above.  "with Road() as road:" takes it away at the end."""

    def __init__(self, nat=False, mtu=1500):
        self.client, self.gwa, self.router, self.gwb, self.server = self.namespaces = [
            Netns(name) for name in ("client", "gwa", "router", "gwb", "server")]
        self.seen = 0
        for ns in self.namespaces:
            # A router asks for its neighbours from a link-local address.
            ns.run("sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=0")
        for left, right in ((("client", "lan"), ("gwa", "lan")),
                            (("gwa", "wan"), ("router", "wa")),
                            (("router", "wb"), ("gwb", "wan")),
                            (("gwb", "lan"), ("server", "lan"))):
            run("ip", "link", "add", left[1], "mtu", str(mtu), "netns", left[0], "type", "veth",
                "peer", "name", right[1], "mtu", str(mtu), "netns", right[0])
        for ns in (self.gwa, self.router, self.gwb):
            ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        address(self.client, "lan", CLIENT)
        address(self.gwa, "lan", GWA_LAN)
        address(self.gwa, "wan", GWA)
        address(self.router, "wa", ROUTER_A)
        address(self.router, "wb", ROUTER_B)
        address(self.gwb, "wan", GWB)
        address(self.gwb, "lan", GWB_LAN)
        address(self.server, "lan", SERVER)
        for family in (4, 6):
            default(self.client, GWA_LAN[family])
            default(self.gwa, ROUTER_A[family])
            default(self.gwb, ROUTER_B[family])
            default(self.server, GWB_LAN[family])
            self.router.ip("route add %s via %s" % (LAN_A[family], GWA[family]),
                           "route add %s via %s" % (LAN_B[family], GWB[family]))
        self.router.run("nft", "-f", "-", input=TRIPWIRE)
        if nat:
            self.router.run("nft", "-f", "-", input="""
                table inet nat {
                        chain post {
                                type nat hook postrouting priority 100
                                oifname "wb" masquerade
                        }
                }""")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for ns in self.namespaces:
            ns.delete()

    def cleartext(self):
        """How many packets the tripwire has caught so far."""
        listing = json.loads(self.router.run("nft", "-j", "list", "counter", "inet", "tripwire",
                                             "cleartext"))
        return [o["counter"]["packets"] for o in listing["nftables"] if "counter" in o][0]

    def no_cleartext(self):
        """Nothing was caught since needs_protection or the last call."""
        before, self.seen = self.seen, self.cleartext()
        assert self.seen == before, "%d cleartext packets on the wire" % (self.seen - before)

    def needs_protection(self, families=(4, 6)):
        """Without a tunnel nothing arrives, and the tripwire proves why."""
        for family in families:
            before = self.cleartext()
            self.unanswered(lambda: self.cleartext() > before, family)
            assert self.cleartext() > before, "the plain path was cut before the tripwire"
        self.seen = self.cleartext()

    def unanswered(self, noticed, family=4, target=None):
        """One ping that must get lost, in a way that noticed() sees."""
        # pylint: disable=consider-using-with
        with self.client:
            sent = subprocess.Popen(["ping", "-n", "-q", "-c", "1", "-w", "20",
                                     target or SERVER[family]],
                                    stdout=subprocess.PIPE, text=True)
        until(lambda: sent.poll() is not None or noticed(), "the end of a ping")
        sent.send_signal(signal.SIGINT)
        assert ", 0 received" in sent.communicate()[0], "a ping went through unprotected"
        assert noticed(), "a ping got lost, but not where it should"

    def try_ping(self, family=4, count=1, size=56, seconds=2, reverse=False):
        """The number of replies."""
        ns, to = (self.server, CLIENT) if reverse else (self.client, SERVER)
        return ping(ns, to[family], count, size, seconds)

    def ping(self, family=4, count=3, size=56, reverse=False):
        """Every packet is answered, within what TCG takes at its slowest."""
        got = self.try_ping(family, count, size, 10, reverse)
        assert got == count, "%d of %d pings answered" % (got, count)


def address(ns, device, addresses):
    ns.ip("link set %s up" % device, "address add %s/24 dev %s" % (addresses[4], device),
          "address add %s/64 dev %s nodad" % (addresses[6], device))


def default(ns, gateway):
    ns.ip("route add default via %s" % gateway)


def ping(ns, to, count=1, size=56, seconds=10):
    """The number of replies; returns with the last of them, or when seconds
    have passed since the first packet."""
    output = ns.run("ping", "-n", "-q", "-i", "0.2", "-c", str(count), "-w", str(seconds), "-s",
                    str(size), to, check=False)
    return int(re.search(r"(\d+) received", output).group(1))


@contextmanager
def capture(ns, device, path, *expression):
    """tcpdump while the block runs: yields once it listens, and the file is
    whole when the block is left."""
    # pylint: disable=consider-using-with
    with ns:
        dump = subprocess.Popen(["tcpdump", "-i", device, "-U", "-w", path, "--immediate-mode",
                                 "-Z", "root", *expression], stderr=subprocess.PIPE, text=True)
    for line in dump.stderr:
        if "listening on" in line:
            break
    else:
        raise RuntimeError("tcpdump ended before it listened")
    try:
        yield path
    finally:
        dump.terminate()
        dump.wait()


class Process:
    """A program in a namespace, in the background, its output in a file."""

    def __init__(self, ns, log, *command, **kwargs):
        self.log = log
        # pylint: disable=consider-using-with
        with ns, open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, **kwargs)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def says(self, text, seconds=30):
        """Wait for a line with text (a regular expression) in the output."""
        def found():
            output = self.output()
            if not re.search(text, output) and self.process.poll() is not None:
                raise RuntimeError("%s ended (%d):\n%s" % (self.process.args[0],
                                                           self.process.returncode, output))
            return re.search(text, output)
        return until(found, "%s in %s" % (text, self.log), seconds)

    def wait(self, seconds=60):
        return self.process.wait(seconds)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
