# SPDX-License-Identifier: GPL-2.0-or-later
"""Generic netlink, spoken from include/cygnet.yaml alone.

A second implementation of the specification, sharing no code with the module
or the command line, so that a mistake in either shows:

    nl = Genl(spec())                     # in the current network namespace
    nl.do("sa-get", protocol=50, spi=0x1001, dst="192.0.2.1")
    nl.dump("policy-get")
    with nl.events() as events: events.next("acquire-ntf")

Attribute names are those of the specification with _ for -, enumerations are
given and returned by name, addresses as text.  A refusal raises Refused.
"""

import ctypes
import errno
import functools
import ipaddress
import os
import select
import socket
import struct
import time

import yaml

NETLINK_GENERIC = 16
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 1, 10, 11
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 0x10, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS = 1, 2, 7
CTRL_ATTR_MCAST_GRP_NAME, CTRL_ATTR_MCAST_GRP_ID = 1, 2
PATIENCE = 10 if os.environ.get("GUEST") == "debug" else 30
INTS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}
ADDRESSES = {"src", "dst", "local-first", "local-last", "remote-first", "remote-last"}
libc = ctypes.CDLL(None, use_errno=True)
SPEC = os.path.join(os.path.dirname(__file__), "../../include/cygnet.yaml")


class Refused(OSError):
    """The kernel's refusal: errno, extack message, attribute at fault."""

    def __init__(self, code, message, offset, missing):
        super().__init__(code, message or os.strerror(code))
        self.message, self.offset, self.missing = message, offset, missing


def attr(kind, payload=b""):
    """One netlink attribute, padded."""
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + bytes(-length % 4)


def walk(data):
    """The attributes of data, as (type, payload)."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4 or offset + length > len(data):
            raise ValueError("attribute of length %d at %d of %d" % (length, offset, len(data)))
        yield kind & NLA_TYPE_MASK, data[offset + 4:offset + length]
        offset += (length + 3) & ~3


class Spec:
    """The specification: attribute sets, operations, enumerations."""

    def __init__(self, path=SPEC):
        with open(path, encoding="utf-8") as f:
            doc = yaml.load(f, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.name = doc["name"]
        self.enums, self.sets, self.ops = {}, {}, {}
        self.consts = {d["name"]: d["value"] for d in doc["definitions"] if d["type"] == "const"}
        for d in doc["definitions"]:
            if d["type"] == "enum":
                names = [e if isinstance(e, str) else e["name"] for e in d["entries"]]
                self.enums[d["name"]] = dict(enumerate(names, d.get("value-start", 0)))
        for s in doc["attribute-sets"]:
            self.sets[s["name"]] = {a["name"]: dict(a, value=i)
                                    for i, a in enumerate(s["attributes"], 1)}
        notify = {}
        for i, op in enumerate(doc["operations"]["list"], 1):
            op["value"] = i
            self.ops[op["name"]] = op
            if "notify" in op:
                notify[op["name"]] = op["notify"]
        for name, of in notify.items():
            self.ops[name]["attribute-set"] = self.ops[of]["attribute-set"]
        self.by_value = {op["value"]: op for op in self.ops.values()}

    def encode_one(self, a, value):
        """The payload of attribute a."""
        kind = a["type"]
        if kind in INTS:
            if "enum" in a and isinstance(value, str):
                value = {v: k for k, v in self.enums[a["enum"]].items()}[value]
            order = ">" if a.get("byte-order") == "big-endian" else "="
            return struct.pack(order + INTS[kind], value)
        if kind == "binary":
            if isinstance(value, dict):
                return self.encode(self.ops[a["name"]]["attribute-set"], value)
            if isinstance(value, str):
                return ipaddress.ip_address(value).packed
            return bytes(value)
        if kind == "string":
            return value.encode() + b"\0"
        if kind == "flag":
            return b""
        return self.encode(a["nested-attributes"], value)

    def encode(self, set_name, values):
        """values (a dictionary) as attributes of the set."""
        out = b""
        for name, value in values.items():
            a = self.sets[set_name][name.replace("_", "-")]
            if value is None or (a["type"] == "flag" and not value):
                continue
            flag = NLA_F_NESTED if a["type"] == "nest" else 0
            for one in value if a.get("multi-attr") else [value]:
                out += attr(a["value"] | flag, self.encode_one(a, one))
        return out

    def decode_one(self, a, data):
        kind = a["type"]
        if kind in INTS:
            order = ">" if a.get("byte-order") == "big-endian" else "="
            value, = struct.unpack(order + INTS[kind], data)
            return self.enums[a["enum"]][value] if "enum" in a else value
        if kind == "binary" and a["name"] in self.ops:
            return self.decode(self.ops[a["name"]]["attribute-set"], data)
        if kind == "binary":
            return str(ipaddress.ip_address(data)) if a["name"] in ADDRESSES else data
        if kind == "string":
            return data.rstrip(b"\0").decode()
        if kind == "flag":
            return True
        return self.decode(a["nested-attributes"], data)

    def decode(self, set_name, data):
        by_value = {a["value"]: a for a in self.sets[set_name].values()}
        out = {}
        for kind, payload in walk(data):
            a = by_value[kind]
            if a["type"] == "pad":
                continue
            name, value = a["name"].replace("-", "_"), self.decode_one(a, payload)
            if a.get("multi-attr"):
                out.setdefault(name, []).append(value)
            else:
                assert name not in out, "%s twice" % name
                out[name] = value
        return out


@functools.lru_cache(maxsize=None)
def spec():
    return Spec()


class Genl:
    """A socket of the family, in the network namespace that it was made in."""

    def __init__(self, specification=None, timeout=PATIENCE):
        self.spec = specification or spec()
        self.netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.settimeout(timeout)
        self.sock.bind((0, 0))
        self.seq = 0
        self.family, self.groups = self._resolve()

    def close(self):
        os.close(self.netns)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def sibling(self):
        """Another socket in the same namespace, wherever we are now."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            libc.setns(self.netns, 0)
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        finally:
            libc.setns(here, 0)
            os.close(here)

    def _resolve(self):
        replies = self.request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
                               attr(CTRL_ATTR_FAMILY_NAME, self.spec.name.encode() + b"\0"))
        found = dict(walk(replies[0][4:]))
        groups = {}
        for _, group in walk(found.get(CTRL_ATTR_MCAST_GROUPS, b"")):
            g = dict(walk(group))
            name = g[CTRL_ATTR_MCAST_GRP_NAME].rstrip(b"\0").decode()
            groups[name], = struct.unpack("=I", g[CTRL_ATTR_MCAST_GRP_ID])
        return struct.unpack("=H", found[CTRL_ATTR_FAMILY_ID])[0], groups

    @staticmethod
    def _error(data, flags):
        code, = struct.unpack_from("=i", data)
        if not code:
            return None
        message = offset = missing = None
        if flags & NLM_F_ACK_TLVS:
            skip = 20 if flags & NLM_F_CAPPED else 4 + struct.unpack_from("=I", data, 4)[0]
            for kind, payload in walk(data[skip:]):
                if kind == 1:
                    message = payload.rstrip(b"\0").decode()
                elif kind == 2:
                    offset, = struct.unpack("=I", payload)
                elif kind == 5:
                    missing, = struct.unpack("=I", payload)
        return Refused(-code, message, offset, missing)

    def request(self, family, command, payload, flags=NLM_F_ACK, version=1, reserved=0):
        """Send one message; the payloads of all replies (with genl header)."""
        self.post(family, command, payload, flags, version, reserved)
        return self.replies()

    def post(self, family, command, payload, flags=NLM_F_ACK, version=1, reserved=0):
        """Send one message; the kernel has done what it says when this returns."""
        self.seq += 1
        body = struct.pack("=BBH", command, version, reserved) + payload
        self.sock.send(struct.pack("=IHHII", 16 + len(body), family,
                                   NLM_F_REQUEST | flags, self.seq, 0) + body)

    def replies(self):
        """The payloads of all replies to the last message."""
        replies = []
        while True:
            data = self.sock.recv(1 << 18)
            offset = 0
            while offset + 16 <= len(data):
                length, kind, mflags, seq, _ = struct.unpack_from("=IHHII", data, offset)
                body = data[offset + 16:offset + length]
                offset += (length + 3) & ~3
                if seq != self.seq:
                    continue
                if kind == NLMSG_ERROR:
                    refusal = self._error(body, mflags)
                    if refusal:
                        raise refusal
                    return replies
                if kind == NLMSG_DONE:
                    code, = struct.unpack_from("=i", body)
                    if code:
                        raise Refused(-code, None, None, None)
                    return replies
                replies.append(body)

    def do(self, op, **values):
        """One operation; its reply as a dictionary, or None."""
        o = self.spec.ops[op]
        replies = self.request(self.family, o["value"],
                               self.spec.encode(o["attribute-set"], values))
        return self.spec.decode(o["attribute-set"], replies[0][4:]) if replies else None

    def transaction(self, *operations):
        """(name, values) each, all or none; the ids of the policies that were set."""
        payload = b"".join(self.spec.encode("transaction", {name: [values]})
                           for name, values in operations)
        replies = self.request(self.family, self.spec.ops["transaction"]["value"], payload)
        reply = self.spec.decode("transaction", replies[0][4:])
        return [policy["id"] for policy in reply.get("policy_set", [])]

    def dump(self, op, **values):
        o = self.spec.ops[op]
        replies = self.request(self.family, o["value"],
                               self.spec.encode(o["attribute-set"], values), NLM_F_DUMP)
        return [self.spec.decode(o["attribute-set"], r[4:]) for r in replies]

    def events(self):
        """What is multicast from now on, in this socket's namespace."""
        return Events(self)


class Events:
    """Events, in order."""

    def __init__(self, nl):
        self.spec, self.family = nl.spec, nl.family
        self.sock = nl.sibling()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, nl.groups["events"])
        self.pending = []

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _receive(self):
        data = self.sock.recv(1 << 18)
        offset = 0
        while offset + 16 <= len(data):
            length, kind, _, _, _ = struct.unpack_from("=IHHII", data, offset)
            body = data[offset + 16:offset + length]
            offset += (length + 3) & ~3
            if kind == self.family:
                op = self.spec.by_value[body[0]]
                self.pending.append((op["name"],
                                     self.spec.decode(op["attribute-set"], body[4:])))

    def next(self, name, seconds=PATIENCE, **wanted):
        """The next event of that name and with these values; drops earlier ones."""
        end = time.monotonic() + seconds
        while True:
            while self.pending:
                found, values = self.pending.pop(0)
                if found == name and all(values.get(k) == v for k, v in wanted.items()):
                    return values
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TimeoutError("no %s with %r in %s seconds" % (name, wanted, seconds))
            self._receive()

    def drain(self):
        """All events that have arrived."""
        while select.select([self.sock], [], [], 0)[0]:
            self._receive()
        out, self.pending = self.pending, []
        return out


def refused(code, call, *args, **kwargs):
    """Assert that call is refused with errno code and says why; the refusal."""
    try:
        call(*args, **kwargs)
    except Refused as refusal:
        name = errno.errorcode.get(refusal.errno, refusal.errno)
        assert refusal.errno == code, "refused with %s: %s" % (name, refusal)
        assert refusal.message or refusal.missing, "refused (%s) without a word" % name
        return refusal
    raise AssertionError("not refused: %r %r" % (args, kwargs))
