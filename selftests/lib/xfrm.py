# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel xfrm, the peer that everybody has, set up with ip(8)."""

import socket

from lib.espref import INTEGS, SUITES

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2


def algorithms(cipher, key, integ_key):
    """In ip(8)'s words."""
    c = SUITES[cipher]
    assert len(key) == c.key_len + c.salt
    if not c.integ:
        return "aead %s 0x%s %d" % (c.xfrm, key.hex(), 8 * c.icv)
    integ = INTEGS[c.integ]
    return "enc %s %s auth-trunc %s 0x%s %d" % (
        c.xfrm, "0x" + key.hex() if key else '""', integ.xfrm, integ_key.hex(), 8 * integ.icv)


def flags_of(esn, sequence, mode):
    """Replay protection, and that a tunnel takes both families."""
    flags = "replay-window 32"
    if esn:     # both counters stand at sequence
        flags = "replay-window 128 flag esn"
        for name in ("seq", "oseq"):
            flags += " replay-%s %#x replay-%s-hi %#x" % (name, sequence & 0xFFFFFFFF, name,
                                                          sequence >> 32)
    return flags + " flag af-unspec" if mode == "tunnel" else flags


def ah_state(ns, src, dst, spi, key, integ, esn=False, reqid=1, mode="tunnel", sequence=0,
             align4=False):
    """An SA of AH."""
    i = INTEGS[integ]
    ns.ip("xfrm state add src %s dst %s proto ah spi %#x mode %s reqid %d auth-trunc %s 0x%s %d "
          "%s %s" % (src, dst, spi, mode, reqid, i.xfrm, key.hex(), 8 * i.icv,
                     flags_of(esn, sequence, mode), "flag align4" if align4 else ""))


def state(ns, src, dst, spi, key, cipher, esn=False, encap=None, reqid=1, integ_key=b"",
          mode="tunnel", sequence=0):
    """An SA from src to dst.  The key goes through a pipe, not in argv."""
    flags = flags_of(esn, sequence, mode)
    ns.ip("xfrm state add src %s dst %s proto esp spi %#x mode %s reqid %d %s %s %s" % (
        src, dst, spi, mode, reqid, algorithms(cipher, key, integ_key), flags,
        "encap espinudp %d %d 0.0.0.0" % encap if encap else ""))


def policy(ns, local, remote, local_net, remote_net, reqid=1, mode="tunnel", proto="esp",
           priority=100):
    """Protection between the endpoints for what goes between the networks."""
    template = "tmpl src %s dst %s proto " + proto + " reqid %d mode " + mode
    out, back = template % (local, remote, reqid), template % (remote, local, reqid)
    out, back = ("priority %d %s" % (priority, t) for t in (out, back))
    ns.ip("xfrm policy add dir out src %s dst %s %s" % (local_net, remote_net, out),
          "xfrm policy add dir fwd src %s dst %s %s" % (remote_net, local_net, back),
          "xfrm policy add dir in src %s dst %s %s" % (remote_net, local_net, back))


def bypass(ns, *what):
    """Let packets of these selectors pass as they are."""
    for direction in ("in", "out"):
        ns.ip("xfrm policy add dir %s %s priority 1 action allow" % (direction, " ".join(what)))


def flush(ns):
    ns.ip("xfrm state flush", "xfrm policy flush")


def encap_socket(ns, family, port):
    """What receives ESP in UDP for xfrm, as long as it is open."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    sock = ns.socket(kind, socket.SOCK_DGRAM)
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    sock.bind(("::" if family == 6 else "0.0.0.0", port))
    return sock


def counters(ns):
    """/proc/net/xfrm_stat, without the zeros."""
    lines = (line.split() for line in ns.run("cat", "/proc/net/xfrm_stat").splitlines())
    return {name: int(value) for name, value in lines if value != "0"}
