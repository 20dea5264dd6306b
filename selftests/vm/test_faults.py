# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that runs out in every place: requests are refused and change nothing,
packets get lost and are counted, nothing crashes, leaks, or goes out in clear,
and when there is memory again all is as it was.  On the debug kernel, since no
other fails allocations when it is asked to.
"""

import ctypes
import errno
import itertools
import os
import socket
import struct
import threading

import pytest

from lib.bench import FAR4, FAR6, GW4, IN4, IN6, WIRE4, selector
from lib.espref import udp
from lib.faults import failing, nth_failing
from lib.genl import Refused, attr
from lib.pair import Pair, Transfer
from test_batch import DEBUG, PORTS, Producer, made_of
from test_steer import HOST4, HOST6, Steering
from test_transaction import everything

pytestmark = pytest.mark.skipif(not DEBUG, reason="the debug kernel's part")
ESP, AH = 50, 51
MEMORY = (errno.ENOMEM, errno.ENOBUFS)
CLONE_NEWNET = 0x40000000
RTM_NEWLINK, RTM_DELLINK = 16, 17
IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_INFO_KIND = 3, 4, 18, 1
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def gateway():
    made = Steering()
    yield made
    made.close()


# Requests.

ADDRESSES = {"in": {"src": WIRE4, "dst": GW4}, "out": {"src": GW4, "dst": WIRE4}}
GCM = {"encr": 20, "encr_key": bytes(20)}
CBC = {"encr": 12, "encr_key": bytes(16), "integ": 12, "integ_key": bytes(32)}


def sa(direction, protocol=ESP, policy=1, **values):
    return dict(direction=direction, protocol=protocol, spi=0x4001, mode="tunnel", policy=policy,
                **ADDRESSES[direction], **values)


def name(direction, protocol=ESP):
    return dict(protocol=protocol, spi=0x4001, dst=ADDRESSES[direction]["dst"])


def policy(net, ident, third=3, **values):
    return dict(id=ident, ifindex=net.ifindex, action="protect", mode="tunnel", selector=[
        selector("10.1.%d.0/24" % i, "10.%d.0.0/16" % third) for i in range(3)] + [
        selector("fd01::/64", "fd0%d::/64" % third)], **values)


def transaction(net):
    return {"policy_set": [policy(net, 7)], "sa_new": [sa("out", policy=7, **GCM)],
            "policy_del": [{"id": 1}]}


def with_sa(net):
    net.nl.do("sa-new", **sa("out", **GCM))


def with_port(net):
    net.nl.do("port-add", port=4500)


# What there is beforehand, and what is asked for.
REQUESTS = {
    "policy": (None, "policy-set", lambda net: policy(net, 70000)),
    "policy-replaced": (None, "policy-set", lambda net: policy(net, 1, 4)),
    "policy-steers": (None, "policy-set", lambda net: policy(net, 7, steer=True)),
    "policy-deleted": (None, "policy-del", lambda net: {"id": 1}),
    "sa-in": (None, "sa-new", lambda net: sa("in", **GCM)),
    "sa-out": (None, "sa-new", lambda net: sa("out", **GCM)),
    "sa-cbc": (None, "sa-new", lambda net: sa("in", **CBC)),
    "sa-ah": (lambda net: net.nl.do("policy-set", **policy(net, 8, protocol=AH)), "sa-new",
              lambda net: sa("in", AH, 8, integ=12, integ_key=bytes(32))),
    "sa-deleted": (with_sa, "sa-del", lambda net: name("out")),
    "sa-shown": (with_sa, "sa-get", lambda net: name("out")),
    "port": (None, "port-add", lambda net: {"port": 4500}),
    "port-deleted": (with_port, "port-del", lambda net: {"port": 4500}),
    "statistics": (None, "stats-get", lambda net: {}),
    "transaction": (None, "transaction", transaction),
}


def state(net):
    return everything(net), net.nl.dump("port-get")


def outcome(nl, nth, number, command, payload):
    """"done", "refused", "lost" (its acknowledgement) or "spared"."""
    error = None
    nth.arm(number)
    try:
        nl.post(nl.family, command, payload)
    except OSError as found:
        error = found
    spared = nth.disarm()
    posted = not error
    if posted:
        try:
            nl.replies()
        except OSError as found:
            error = found
    if error:
        assert not spared and error.errno in MEMORY, error
        return "lost" if posted and not isinstance(error, Refused) else "refused"
    return "spared" if spared else "done"


@pytest.mark.parametrize("what", REQUESTS)
def test_request(net, what):
    """Each allocation that it makes fails, one after the other."""
    before, op, values = REQUESTS[what]
    o = net.nl.spec.ops[op]
    payload = net.nl.spec.encode(o["attribute-set"], values(net))
    refusals = 0

    def prepare():
        net.clear()
        net.nl.do("policy-set", **policy(net, 1))
        if before:
            before(net)
    prepare()
    found = state(net)
    with nth_failing() as nth:
        for number in itertools.count(1):
            how = outcome(net.nl, nth, number, o["value"], payload)
            if how == "spared":
                break
            if how == "refused":
                refusals += 1
                assert state(net) == found, "number %d" % number
            else:
                prepare()
    assert refusals >= 2


# Devices and namespaces.

class Links:
    """rtnetlink, just enough."""

    def __init__(self, ns):
        self.sock = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.sock.bind((0, 0))
        self.ns = ns

    def ask(self, nth, number, kind, flags, attributes):
        """As outcome() says."""
        body = struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + attributes
        message = struct.pack("=IHHII", 16 + len(body), kind,
                              NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0) + body
        nth.arm(number)
        try:
            self.sock.send(message)
        except OSError as error:
            assert error.errno in MEMORY and not nth.disarm(), error
            return "refused"
        spared = nth.disarm()
        try:
            code, = struct.unpack_from("=i", self.sock.recv(1 << 16), 16)
        except OSError as error:
            assert error.errno in MEMORY and not spared, error
            return "lost"
        if code:
            # What the driver core says of a device whose name it cannot copy.
            assert -code in (*MEMORY, errno.EINVAL) and not spared, os.strerror(-code)
            return "refused"
        return "spared" if spared else "done"

    def there(self):
        with self.ns:
            return dict(socket.if_nameindex())


CYG9 = attr(IFLA_IFNAME, b"cyg9\0")
MAKE = CYG9 + attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, b"cygnet"))
LINKS = {
    "made": (False, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, MAKE),
    "narrowed": (True, RTM_NEWLINK, 0, CYG9 + attr(IFLA_MTU, struct.pack("=I", 1300))),
    "deleted": (True, RTM_DELLINK, 0, CYG9),
}


@pytest.mark.parametrize("what", LINKS)
def test_link(net, what):
    exists, kind, flags, attributes = LINKS[what]
    links = Links(net.gw)

    def prepare():
        if "cyg9" in links.there().values():
            net.gw.ip("link del cyg9")
        if exists:
            net.gw.ip("link add cyg9 type cygnet", "link set cyg9 up")
    prepare()
    found = links.there()
    with nth_failing() as nth:
        for number in itertools.count(1):
            how = links.ask(nth, number, kind, flags, attributes)
            if how == "spared":
                break
            if how == "refused" and what != "deleted":
                assert links.there() == found, "number %d" % number
            else:
                prepare()
                found = links.there()
    if "cyg9" in links.there().values():
        net.gw.ip("link del cyg9")
    links.sock.close()


def in_thread(function):
    """In a thread of its own, for what cannot be undone; what it gives."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def new_namespace(number):
    """(error, allocations that were still to come)"""
    with nth_failing() as nth:
        nth.arm(number)
        error = libc.unshare(CLONE_NEWNET) and ctypes.get_errno()
        return error, nth.disarm()


def test_namespace(net):
    """Ours are the last allocations that a new one makes."""
    everything_else = 1000000
    error, left = in_thread(lambda: new_namespace(everything_else))
    assert not error
    count = everything_else - left
    refused = 0
    for number in range(count, count - 40, -1):
        error, _ = in_thread(lambda n=number: new_namespace(n))
        assert error in (0, *MEMORY)
        refused += bool(error)
    assert refused
    assert net.nl.do("stats-get") is not None


# Packets.

CASES = {
    "gcm-udp": ("aes128gcm", 4, PORTS, False),
    "gcm-native6": ("aes256gcm", 6, None, True),
    "cbc": ("aes128-sha256", 4, None, False),
    "ah": ("ah", 4, None, False),
    "ah6": ("ah", 6, None, False),
}
INNER = {4: (IN4, FAR4, HOST4), 6: (IN6, FAR6, HOST6)}
# Ciphers need some too, and so does the route outside.
LOSSES = {"rx-memory", "tx-memory", "rx-crypto", "tx-crypto", "tx-no-route"}


def pairs_of(case):
    cipher, family, encap, esn = CASES[case]
    if cipher == "ah":
        return lambda net, direction: net.ah(direction, family=family, esn=esn)
    return lambda net, direction: net.sa(direction, cipher, family=family, encap=encap, esn=esn)


def tolerant(send, *args):
    """What a sender is told when the stack has no memory is the stack's affair."""
    try:
        send(*args)
    except OSError:
        pass


def is_whole(packet):
    """No fragment."""
    if packet[0] >> 4 == 4:
        return not int.from_bytes(packet[6:8], "big") & 0x3FFF
    return packet[6] != 44


@pytest.mark.parametrize("case", CASES)
def test_packets(net, case):
    """One of five allocations fails, both ways, of single packets, super-packets,
    fragments, and what is steered."""
    make = pairs_of(case)
    net.steer(protocol=AH if case.startswith("ah") else ESP)
    net.nl.do("port-add", port=4500)
    coming, going = make(net, "in"), make(net, "out")
    numbers = itertools.count(1)
    drops = net.drops()

    def arriving(count):
        return [coming.seal(udp(INNER[f][1], INNER[f][2], 5, 6, bytes(i * 7)), next(numbers))
                for i in range(count // 2) for f in (4, 6)]

    producer = Producer(net)
    try:
        with failing(20):
            tolerant(net.wire.send, arriving(200))
            for i in range(50):
                for family, (near, far, host) in INNER.items():
                    tolerant(net.transmit, [udp(near, far, 1, 2, bytes(i * 20))])
                    tolerant(net.lan.send, [udp(host, far, 1, 2, bytes(i * 20))])
                    producer.give(*made_of("tcp", family, 500, 100 * i + 501))
                    producer.give(*made_of("udp", family, 400, 300 * i + 401))
                tolerant(net.lan.send, [udp(HOST4, FAR4, 1, 2, bytes(1440))])
        for packet in net.wire.drain():
            if is_whole(packet):
                going.open(packet)
    finally:
        producer.close()
    after = net.drops()
    assert {reason for reason in after if after[reason] != drops.get(reason, 0)} <= LOSSES
    net.lan.drain()
    net.wire.send(arriving(20))
    assert len(net.lan.take(20)) == 20
    for i in range(10):
        for near, far, _ in INNER.values():
            packet = udp(near, far, 1, 2, bytes(i))
            net.transmit([packet])
            assert going.open(net.wire.take(1)[0])[2] == packet


def test_bulk():
    """TCP through bursts and merging, which comes to its end once there is memory again."""
    pair = Pair()
    try:
        transfer = Transfer(pair)
        transfer.run(1 << 20)
        with failing(5):
            transfer.run_for(3)
        transfer.run(transfer.sent + (1 << 20), 120)
        transfer.close()
    finally:
        pair.close()
