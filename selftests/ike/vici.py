# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan's control protocol: as much of VICI as the tests need.

    v = Vici("/tmp/x/charon.vici")
    v.call("load-conn", {"office": {"version": "2"}})
    with v.events("child-updown") as events:
        v.stream("initiate", "control-log", {"child": "net"})
        name, message = events.wait()

Messages are dictionaries; a list is a list of strings, all else is text.
"""

import socket
import struct
import time

REQUEST, RESPONSE, UNKNOWN, REGISTER, UNREGISTER, CONFIRM, NO_EVENT, EVENT = range(8)
SECTION, SECTION_END, VALUE, LIST, ITEM, LIST_END = range(1, 7)


class ViciError(Exception):
    pass


def _name(text):
    data = text.encode()
    return bytes([len(data)]) + data


def _value(text):
    data = text if isinstance(text, bytes) else str(text).encode()
    return struct.pack("!H", len(data)) + data


def encode(message):
    out = b""
    for key, value in message.items():
        if isinstance(value, dict):
            out += bytes([SECTION]) + _name(key) + encode(value) + bytes([SECTION_END])
        elif isinstance(value, (list, tuple)):
            out += bytes([LIST]) + _name(key)
            out += b"".join(bytes([ITEM]) + _value(item) for item in value)
            out += bytes([LIST_END])
        else:
            out += bytes([VALUE]) + _name(key) + _value(value)
    return out


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def name(self):
        return self.take(self.byte()).decode()

    def value(self):
        return self.take(struct.unpack("!H", self.take(2))[0]).decode(errors="replace")

    def list(self):
        out = []
        while self.byte() == ITEM:
            out.append(self.value())
        return out

    def section(self):
        out = {}
        while self.at < len(self.data):
            kind = self.byte()
            if kind == SECTION_END:
                break
            key = self.name()
            out[key] = {SECTION: self.section, VALUE: self.value, LIST: self.list}[kind]()
        return out


class Vici:
    """One connection, one call at a time."""

    def __init__(self, path, timeout=10):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)

    def close(self):
        self.sock.close()

    def send(self, kind, name, message=None):
        data = bytes([kind]) + _name(name) + encode(message or {})
        self.sock.sendall(struct.pack("!I", len(data)) + data)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise ViciError("charon has gone")
            data += part
        return data

    def receive(self):
        """(kind, event name or None, message)"""
        reader = _Reader(self._exactly(struct.unpack("!I", self._exactly(4))[0]))
        kind = reader.byte()
        name = reader.name() if kind == EVENT else None
        return kind, name, reader.section()

    def _answer(self, wanted):
        while True:
            kind, _, message = self.receive()
            if kind == EVENT:
                continue
            if kind != wanted:
                raise ViciError("charon does not know that (%d)" % kind)
            return message

    def call(self, command, message=None, check=True):
        self.send(REQUEST, command, message)
        answer = self._answer(RESPONSE)
        if check and answer.get("success", "yes") != "yes":
            raise ViciError("%s: %s" % (command, answer.get("errmsg", answer)))
        return answer

    def register(self, event, on=True):
        self.send(REGISTER if on else UNREGISTER, event)
        self._answer(CONFIRM)

    def list(self, command, event, message=None):
        """A command that answers with events, such as list-sas."""
        self.register(event)
        self.send(REQUEST, command, message)
        out = []
        while True:
            kind, name, answer = self.receive()
            if kind == RESPONSE:
                break
            if name == event:
                out.append(answer)
        self.register(event, False)
        return out

    def sas(self):
        """[(connection, IKE SA)], each with its "child-sas"."""
        return [pair for event in self.list("list-sas", "list-sa")
                for pair in event.items()]

    def events(self, *names):
        return Events(self.path, names)


class Events:
    """Subscribed from the moment that it is made."""

    def __init__(self, path, names):
        self.vici = Vici(path)
        for name in names:
            self.vici.register(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.vici.close()

    def wait(self, match=lambda name, message: True, timeout=10):
        """The next event that matches: (name, message)."""
        end = time.monotonic() + timeout
        while True:
            self.vici.sock.settimeout(max(0.01, end - time.monotonic()))
            kind, name, message = self.vici.receive()
            if kind == EVENT and match(name, message):
                return name, message
