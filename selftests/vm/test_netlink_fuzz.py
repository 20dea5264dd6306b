# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten thousand malformed netlink messages, made from the specification.

Each is a good message with one definite fault in it, so each must be refused,
and nothing may change.  The seed makes the messages the same in every run;
FUZZ_SEED=n in the environment gives others.
"""

import errno
import os
import random
import struct

import pytest

from lib.bench import GW4, WIRE4, selector
from lib.genl import INTS, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, Refused, attr, spec

MESSAGES = 10000
SEED = int(os.environ.get("FUZZ_SEED", "4303"))
# Refusals that netlink itself makes before it looks at an attribute have no
# words; with any other errno the module must say why.
SILENT = {errno.EOPNOTSUPP, errno.EPERM}

# What an operation cannot do without.
REQUIRED = {
    "sa-new": ["direction", "spi", "src", "dst", "policy", "encr", "encr-key"],
    "sa-del": ["spi", "dst"],
    "sa-get": ["spi", "dst"],
    "sa-alloc-spi": ["dst"],
    "policy-set": ["ifindex", "action"],
    "policy-del": ["id"],
    "policy-get": ["id"],
    "port-add": ["port"],
    "port-del": ["port"],
    "port-get": ["port"],
    "stats-get": [],
}


def good(rng, index):
    """A good message of each operation, as {attribute name: value}."""
    pair = selector("10.5.%d.0/24" % rng.randrange(256), "10.6.0.0/16",
                    protocol=rng.choice((0, 6, 17)))
    address = rng.choice((GW4, "2001:db8::1"))
    return {
        "sa-new": {"direction": rng.randrange(2), "protocol": 50,
                   "spi": rng.randrange(0x3000, 0x4000), "src": WIRE4, "dst": GW4,
                   "mode": "tunnel", "policy": 1, "encr": rng.choice((20, 20, 28)),
                   "encr-key": bytes(36), "esn": True, "encap-sport": 4500,
                   "encap-dport": 4500, "lifetime": {"soft-packets": 5, "hard-bytes": 1 << 40},
                   "sequence": rng.randrange(1 << 32)},
        "sa-del": {"protocol": 50, "spi": 0x1001, "dst": GW4},
        "sa-get": {"protocol": 50, "spi": 0x1001, "dst": GW4},
        "sa-alloc-spi": {"protocol": 50, "dst": address, "spi-min": 0x5000, "spi-max": 0x6000},
        "policy-set": {"id": rng.choice((1, 77)), "ifindex": index, "name": "fuzz",
                       "priority": 3, "action": rng.randrange(3), "protocol": 50,
                       "mode": "tunnel", "selector": [pair] * rng.randrange(1, 4)},
        "policy-del": {"id": 1},
        "policy-get": {"id": 1},
        "port-add": {"port": 4501},
        "port-del": {"port": 4500},
        "port-get": {"port": 4500},
        "stats-get": {"ifindex": index},
    }


class Maker:
    """Messages with one fault each: (what was done, command, flags, payload)."""

    def __init__(self, seed, index):
        self.rng, self.index, self.spec = random.Random(seed), index, spec()
        self.faults = [getattr(self, n) for n in sorted(dir(self)) if n.startswith("fault_")]

    def make(self):
        while True:
            values = good(self.rng, self.index)
            name = self.rng.choice(sorted(values))
            op = self.spec.ops[name]
            fault = self.rng.choice(self.faults)
            payload = fault(name, op, self.spec.sets[op["attribute-set"]], values[name])
            if payload is not None:
                flags = NLM_F_ACK
                return "%s %s" % (name, fault.__name__), op["value"], flags, payload

    def blobs(self, attributes, values):
        """Each attribute of the message, encoded, in any order."""
        out = []
        for name, value in values.items():
            a = attributes[name]
            flag = NLA_F_NESTED if a["type"] == "nest" else 0
            for one in value if a.get("multi-attr") else [value]:
                out.append((name, attr(a["value"] | flag, self.spec.encode_one(a, one))))
        self.rng.shuffle(out)
        return out

    def replaced(self, attributes, values, name, blob):
        return b"".join(blob if n == name else b for n, b in self.blobs(attributes, values))

    def fault_missing(self, name, op, attributes, values):
        """Without something that it needs."""
        needed = REQUIRED[name]
        if not needed:
            return None
        gone = self.rng.choice(needed)
        return b"".join(b for n, b in self.blobs(attributes, values) if n != gone)

    def wrong_size(self, a):
        """A payload of a size that attribute a never has."""
        kind = a["type"]
        if kind in INTS:
            size = self.rng.choice([n for n in range(0, 24)
                                    if n < struct.calcsize("=" + INTS[kind])])
        elif kind == "flag":
            size = self.rng.randrange(1, 40)
        elif kind == "string":
            return bytes(self.rng.choices(range(1, 256), k=self.rng.randrange(64, 300)))
        elif kind == "nest":
            return bytes(self.rng.choices(range(1, 256), k=self.rng.randrange(1, 4)))
        elif a["name"].endswith("key"):
            size = self.rng.choice((0, 1, 15, 16, 19, 21, 31, 33, 40, 64, 65, 300))
        else:
            size = self.rng.choice((0, 1, 2, 3, 5, 8, 15, 17, 32, 1000))
        return self.rng.randbytes(size)

    def fault_size(self, name, op, attributes, values):
        """An attribute shorter or longer than its type."""
        chosen = self.rng.choice(sorted(values))
        a = attributes[chosen]
        flag = NLA_F_NESTED if a["type"] == "nest" else 0
        return self.replaced(attributes, values, chosen,
                             attr(a["value"] | flag, self.wrong_size(a)))

    def fault_twice(self, name, op, attributes, values):
        """An attribute twice, one of them of a wrong size."""
        chosen = self.rng.choice(sorted(values))
        a = attributes[chosen]
        flag = NLA_F_NESTED if a["type"] == "nest" else 0
        blobs = self.blobs(attributes, values)
        blobs.append((chosen, attr(a["value"] | flag, self.wrong_size(a))))
        return b"".join(b for _, b in blobs)

    def fault_foreign(self, name, op, attributes, values):
        """An attribute that the operation does not take, or nobody knows."""
        mine = op["do"]["request"]["attributes"]
        others = [a for a in attributes.values() if a["name"] not in mine]
        kinds = [a["value"] for a in others] + [200, 0x3FFF]
        extra = attr(self.rng.choice(kinds), self.rng.randbytes(4))
        blobs = [b for _, b in self.blobs(attributes, values)]
        blobs.insert(self.rng.randrange(len(blobs) + 1), extra)
        return b"".join(blobs)

    def fault_range(self, name, op, attributes, values):
        """A number beyond its enumeration or limits."""
        limited = {}
        for n in values:
            a = attributes[n]
            if "enum" in a:
                limited[n] = self.rng.choice((max(self.spec.enums[a["enum"]]) + 1, 1 << 31))
            elif n == "protocol":
                limited[n] = self.rng.choice((0, 1, 17, 49, 52, 255))
            elif n == "spi":
                limited[n] = self.rng.randrange(256)
            elif n in ("id", "ifindex"):
                limited[n] = self.rng.choice((0, 0x7FFFFFFF))
            elif n == "encr":
                limited[n] = self.rng.choice((0, 3, 12, 999, 65535))
            elif n == "port":
                limited[n] = 0
            elif n == "spi-min":
                limited[n] = self.rng.choice((0, 255, 0x6001))
        if name == "sa-new":
            limited["replay-window"] = self.rng.choice((0, 31, 4097, 0xFFFFFFFF))
        if name == "policy-set":
            limited.pop("id")
        if name in ("policy-del", "port-del") and not limited:
            return None
        if not limited:
            return None
        chosen = self.rng.choice(sorted(limited))
        return b"".join(b for _, b in
                        self.blobs(attributes, dict(values, **{chosen: limited[chosen]})))

    def fault_cut(self, name, op, attributes, values):
        """Ends in the middle of an attribute, whose length goes beyond."""
        blobs = [b for _, b in self.blobs(attributes, values)]
        last = blobs.pop()
        length, = struct.unpack_from("=H", last)
        lie = struct.pack("=H", length + self.rng.choice((4, 8, 1000, 0xFFFF - length)))
        return b"".join(blobs) + lie + last[2:]

    def fault_length(self, name, op, attributes, values):
        """An attribute whose length is less than its header."""
        blobs = [b for _, b in self.blobs(attributes, values)]
        last = blobs.pop()
        return b"".join(blobs) + struct.pack("=H", self.rng.randrange(4)) + last[2:]

    def fault_tail(self, name, op, attributes, values):
        """Bytes behind the last attribute."""
        return b"".join(b for _, b in self.blobs(attributes, values)) + b"\1\2\3"

    def fault_nesting(self, name, op, attributes, values):
        """Garbage inside a nest, or nests without end."""
        nests = sorted(n for n in values if attributes[n]["type"] == "nest")
        if not nests:
            return None
        chosen = self.rng.choice(nests)
        inside = self.spec.sets[attributes[chosen]["nested-attributes"]]
        how = self.rng.randrange(4)
        if how == 0:
            payload = attr(self.rng.choice((len(inside) + 1, 99)), bytes(4))
        elif how == 1:
            a = self.rng.choice(sorted(inside.values(), key=lambda a: a["value"]))
            payload = attr(a["value"], self.wrong_size(a))
        elif how == 2:
            payload = b""
            for _ in range(self.rng.randrange(2, 200)):
                payload = attr(NLA_F_NESTED | 1, payload)
        else:
            payload = attr(1, bytes(4))
            payload = struct.pack("=H", 0xFFF0) + payload[2:]
        kind = attributes[chosen]["value"] | NLA_F_NESTED
        return self.replaced(attributes, values, chosen, attr(kind, payload))

    def fault_no_nest(self, name, op, attributes, values):
        """A nest without the flag that says so, or the flag on what is none."""
        chosen = self.rng.choice(sorted(values))
        a = attributes[chosen]
        value = values[chosen][0] if a.get("multi-attr") else values[chosen]
        kind = a["value"] | (0 if a["type"] == "nest" else NLA_F_NESTED)
        return self.replaced(attributes, values, chosen,
                             attr(kind, self.spec.encode_one(a, value)))

    def fault_selector(self, name, op, attributes, values):
        """Selectors that select nothing, or mix families."""
        if name != "policy-set":
            return None
        pair = dict(values["selector"][0])
        how = self.rng.randrange(4)
        if how == 0:
            pair["local_first"], pair["local_last"] = pair["local_last"], pair["local_first"]
        elif how == 1:
            pair[self.rng.choice(("local_first", "remote_last"))] = "fd00::1"
        elif how == 2:
            del pair[self.rng.choice(("local_first", "local_last", "remote_first",
                                      "remote_last"))]
        else:
            pair.update(local_port_first=2, local_port_last=1)
        selectors = values["selector"] + [pair]
        self.rng.shuffle(selectors)
        return b"".join(b for _, b in self.blobs(attributes, dict(values, selector=selectors)))

    def fault_noise(self, name, op, attributes, values):
        """No attributes at all, only bytes, that do not look like any."""
        return b"\xff\xff" + self.rng.randbytes(self.rng.randrange(2, 400))


def state(net):
    """Everything that the module tells, without the clocks."""
    nl = net.nl
    sas = [{k: v for k, v in s.items() if k not in ("age_ms", "idle_ms")}
           for s in nl.dump("sa-get")]
    return sas, nl.dump("policy-get"), nl.dump("port-get"), nl.do("stats-get")


def test_malformed_messages(net):
    """10,000 refusals, each with its reason, and nothing has changed."""
    net.policy()
    net.sa("in", lifetime=dict(soft_packets=7))
    net.sa("out", encap=(4500, 4500))
    net.nl.do("port-add", port=4500)
    maker, before = Maker(SEED, net.ifindex), state(net)
    reasons, errnos = set(), {}
    with net.nl.events() as events:
        for i in range(MESSAGES):
            what, command, flags, payload = maker.make()
            told = "message %d of seed %d: %s: %s" % (i, SEED, what, payload.hex())
            try:
                net.nl.request(net.nl.family, command, payload, flags)
            except Refused as refusal:
                errnos[refusal.errno] = errnos.get(refusal.errno, 0) + 1
                assert refusal.message or refusal.missing or refusal.errno in SILENT, \
                    "refused (errno %d) without a word: %s" % (refusal.errno, told)
                reasons.add(refusal.message)
            else:
                pytest.fail("not refused: " + told)
            if i % 500 == 0:
                assert state(net) == before, told
        assert events.drain() == []
    assert state(net) == before
    print("\n%d messages refused:" % MESSAGES,
          ", ".join("%s %d" % (errno.errorcode[e], n) for e, n in sorted(errnos.items())))
    print("\n".join(sorted(map(str, reasons))))
    assert len(reasons) > 20


def test_headers_that_lie(net):
    """Commands, versions, families and flags that make no sense."""
    net.policy()
    before = state(net)
    rng = random.Random(SEED)
    for _ in range(500):
        payload = rng.randbytes(rng.randrange(0, 100) * 4)
        command = rng.choice([0, *range(len(spec().ops) + 1, 256),
                              *(o["value"] for o in spec().ops.values() if "do" not in o)])
        with pytest.raises(Refused):
            net.nl.request(net.nl.family, command, payload,
                           rng.choice((NLM_F_ACK, NLM_F_DUMP)), rng.randrange(256))
    # A dump with rubbish behind its header
    for name, op in spec().ops.items():
        for payload in (b"\xff\xff\xff", attr(99, b"1"), b"\1\0\0\0", bytes(2)):
            try:
                net.nl.request(net.nl.family, op["value"], payload, NLM_F_DUMP)
            except Refused:
                continue
            assert name.endswith("-get")
    assert state(net) == before
