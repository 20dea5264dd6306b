# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line against the module, each word checked through a netlink of our own."""

import json
import os
import re
import select
import subprocess

import pytest

from lib.bench import ESP, FAR4, GW4, GW6, IN4, WIRE4, WIRE6, exists, until
from lib.espref import CIPHERS, Ah, Esp, udp

CLI = os.path.join(os.environ.get("CYGNET_BIN", ""), "cygnet")
OK, REFUSED, USAGE, CONFIG, ABSENT = range(5)
TESTING = "--manual-key-for-testing"


class Cli:
    """cygnet(8) in the gateway's namespace."""

    def __init__(self, net, folder):
        self.net, self.folder = net, folder

    def call(self, line, status=OK, key=None):
        """Run it; its output, or what it complains about."""
        with self.net.gw:
            done = subprocess.run([CLI, *line.split()], capture_output=True, text=True, input=key,
                                  check=False)
        assert done.returncode == status, (done.stdout, done.stderr)
        if status == OK:
            assert done.stderr == ""
            return done.stdout
        assert done.stdout == ""
        assert done.stderr.startswith("cygnet: ")
        return done.stderr[len("cygnet: "):].rstrip("\n")

    def json(self, line):
        return json.loads(self.call("--json " + line))

    def file(self, text, mode=0o600):
        path = self.folder / "key"
        path.write_text(text, encoding="ascii")
        path.chmod(mode)
        return path


@pytest.fixture
def cli(net, tmp_path):
    net.policy()
    return Cli(net, tmp_path)


def add(direction="in", spi=0x1001, src=WIRE4, dst=GW4, cipher="aes128gcm", more="", policy=1):
    return "sa add %s spi 0x%x src %s dst %s policy %d encr %s key-file - %s %s" % (
        direction, spi, src, dst, policy, cipher, TESTING, more)


KEY = {"aes128gcm": 20, "aes192gcm": 28, "aes256gcm": 36, "chacha20poly1305": 36}


class TestSa:
    """cygnet sa."""

    @pytest.mark.parametrize("cipher", CIPHERS)
    def test_add(self, cli, net, cipher):
        key = os.urandom(KEY[cipher])
        cli.call(add("out", 0x2001, GW4, WIRE4, cipher), key=key.hex())
        net.transmit([udp(IN4, FAR4, 1, 2, b"hello")])
        packet = net.wire.take(1)[0]
        assert b"hello" in Esp(cipher, 0x2001, GW4, WIRE4, key=key).open(packet).inner

    def test_every_option(self, cli, net):
        cli.call(add("out", 0x2001, GW4, WIRE4, "aes256gcm",
                     "esn encap 4500:4501 keepalive 20 sequence 4294967296 lifetime "
                     "soft-seconds=100,hard-seconds=200,soft-packets=3,hard-packets=4,"
                     "soft-bytes=5000,hard-bytes=6000"), key="00" * 36)
        cli.call(add(more="replay-window 64 sequence 9"), key="00" * 20)
        out = net.nl.do("sa-get", protocol=ESP, spi=0x2001, dst=WIRE4)
        assert (out["encap_sport"], out["encap_dport"], out["keepalive"]) == (4500, 4501, 20)
        assert out["lifetime"] == dict(soft_seconds=100, hard_seconds=200, soft_packets=3,
                                       hard_packets=4, soft_bytes=5000, hard_bytes=6000)
        assert out["esn"] and out["sequence"] == 1 << 32
        inn = net.nl.do("sa-get", protocol=ESP, spi=0x1001, dst=GW4)
        assert (inn["replay_window"], inn["sequence"]) == (64, 9)

    def test_headers(self, cli, net):
        """What outer packets look like, and how large inner ones may be."""
        cli.call("policy set id 1 dev cyg0 action protect df set dscp 10 ttl 9 flow-label 0 "
                 "mss-clamp off local 10.1.0.0/24 remote 10.2.0.0/24")
        cli.call(add("out", 0x2001, GW4, WIRE4, more="tfc 500"), key="00" * 20)
        policy, = cli.json("policy show")["policies"]
        assert [policy[k] for k in ("df", "dscp", "ttl", "flow-label", "mss-clamp")] == \
            ["set", 10, 9, 0, False]
        assert "mtu" not in cli.json("sa show")["sas"][0]
        cli.call("sa dummy spi 0x2001 dst %s" % WIRE4)
        cli.call("sa dummy spi 0x2001 dst %s length 100" % WIRE4)
        first, second = net.wire.take(2)
        assert first[8] == 9 and first[1] == 40 and len(first) > 500 > len(second) > 100
        shown = cli.json("sa show")["sas"][0]
        assert (shown["tfc"], shown["mtu"], shown["path-mtu"]) == (500, 1446, 1500)
        assert re.search(r"MTU .*\n.* 1446", cli.call("sa show"))
        for bad in ("df maybe", "dscp 64", "ttl 0", "flow-label 1048576", "mss-clamp 1"):
            assert bad.split()[0] in cli.call("policy set id 1 dev cyg0 action protect %s local "
                                              "10.1.0.0/24 remote 10.2.0.0/24" % bad, USAGE)
        assert "no outbound" in cli.call("sa dummy spi 0x7777 dst %s" % WIRE4, REFUSED)

    def test_two_keys(self, cli, net):
        """A cipher and an integrity algorithm, each with a key of its own."""
        key, integ = os.urandom(16), os.urandom(32)
        more = "integ sha256 integ-key-file %s" % cli.file(integ.hex() + "\n", 0o600)
        cli.call(add("out", 0x2001, GW4, WIRE4, "aes128", more), key=key.hex())
        net.transmit([udp(IN4, FAR4, 1, 2, b"hello")])
        other = Esp("aes128-sha256", 0x2001, GW4, WIRE4, key=key, integ_key=integ)
        assert b"hello" in other.open(net.wire.take(1)[0]).inner
        assert cli.json("sa show")["sas"][0]["cipher"] == "aes128-sha256"

    def test_legacy(self, cli, net):
        """SHA-1 where it is asked for twice."""
        more = "integ sha1 integ-key-file %s" % cli.file("00" * 20, 0o600)
        assert "legacy" in cli.call(add(cipher="null", more=more).replace("key-file - ", "", 1),
                                    REFUSED)
        cli.call(add(cipher="null", more=more + " legacy").replace("key-file - ", "", 1))
        assert net.nl.dump("sa-get")[0]["integ"] == 2

    def test_ah(self, cli, net):
        cli.call("policy set id 1 dev cyg0 action protect protocol ah local 10.1.0.0/24 "
                 "remote 10.2.0.0/24")
        line = add("out", 0x2001, GW4, WIRE4).replace("encr aes128gcm key-file",
                                                      "protocol ah integ sha512 integ-key-file")
        key = os.urandom(64)
        cli.call(line, key=key.hex())
        inner = udp(IN4, FAR4, 1, 2, b"hello")
        net.transmit([inner])
        other = Ah("sha512", 0x2001, GW4, WIRE4, key=key)
        assert other.open(net.wire.take(1)[0])[2] == inner
        shown, = cli.json("sa show spi 0x2001 dst %s protocol ah" % WIRE4)["sas"]
        assert shown["cipher"] == "ah-sha512"
        assert "AH does not" in cli.call(add(more="protocol ah"), USAGE, key="00" * 20)
        cli.call("sa delete spi 0x2001 dst %s protocol ah" % WIRE4)
        assert net.nl.dump("sa-get") == []

    def test_show_agrees_with_netlink(self, cli, net):
        cli.call(add("out", 0x2001, GW6, WIRE6, more="esn encap 4500:4500"), key="11" * 20)
        cli.call(add(src=WIRE6, dst=GW6), key="22" * 20)
        shown = {s["direction"]: s for s in cli.json("sa show")["sas"]}
        for direction, spi, src, dst in (("out", 0x2001, GW6, WIRE6), ("in", 0x1001, WIRE6, GW6)):
            held = net.nl.do("sa-get", protocol=ESP, spi=spi, dst=dst)
            one, = cli.json("sa show spi %d dst %s" % (spi, dst))["sas"]
            for found in (shown[direction], one):
                assert found["spi"] == "0x%08x" % spi
                assert (found["src"], found["dst"]) == (src, dst)
                assert found["cipher"] == "aes128gcm"
                assert found["policy"] == held["policy"] == 1
                assert found["sequence"] == held["sequence"]
                assert found.get("encap-dport") == held.get("encap_dport")
        assert shown["out"]["current"] and shown["out"]["esn"]

    def test_table(self, cli, net):
        cli.call(add("out", 0x2001, GW4, WIRE4, more="encap 4500:4500"), key="11" * 20)
        net.transmit([udp(IN4, FAR4, 1, 2, bytes(100))])
        net.wire.take(1)
        heading, row = cli.call("sa show").splitlines()
        assert heading.split() == ["DIR", "SPI", "FROM", "TO", "POLICY", "CIPHER", "SEQUENCE",
                                   "PACKETS", "BYTES", "AGE", "IDLE", "MTU", "DROPS"]
        assert row.split()[:9] == ["out*", "0x00002001", GW4 + ":4500", WIRE4 + ":4500", "1",
                                   "aes128gcm", "1", "1", "128"]

    def test_no_key_comes_out(self, cli, net):
        key = os.urandom(20)
        cli.call(add(), key=key.hex())
        for line in ("sa show", "--json sa show", "show", "--json show"):
            assert key.hex()[:16] not in cli.call(line)

    def test_delete(self, cli, net):
        cli.call(add(), key="00" * 20)
        cli.call("sa delete dst %s spi 0x1001" % GW4)
        assert not exists(net.nl.do, "sa-get", protocol=ESP, spi=0x1001, dst=GW4)
        assert "no SA" in cli.call("sa delete spi 0x1001 dst " + GW4, REFUSED)

    def test_only_for_testing(self, cli, net):
        line = add().replace(TESTING, "")
        assert "RFC 8221" in cli.call(line, USAGE, key="00" * 20)
        assert net.nl.dump("sa-get") == []

    @pytest.mark.parametrize("key,words", (
        ("00" * 19, "exactly 20 (40 hex digits)"), ("00" * 21, "exactly 20"),
        ("", "0 bytes"), ("0" * 39, "hex"), ("zz" * 20, "hex")))
    def test_bad_key(self, cli, net, key, words):
        message = cli.call(add(), USAGE, key=key)
        assert words in message and "standard input" in message
        assert net.nl.dump("sa-get") == []

    def test_key_file(self, cli, net):
        line = add().replace("key-file -", "key-file %s")
        path = cli.file("0x" + "00" * 20 + "\n", 0o640)
        assert "chmod 600" in cli.call(line % path, USAGE)
        path.chmod(0o400)
        cli.call(line % path)
        assert "No such file" in cli.call(line % "/nonexistent", USAGE)

    @pytest.mark.parametrize("changes,words", (
        (dict(spi=255), "(spi)"), (dict(policy=9), "(policy)"),
        (dict(more="replay-window 31"), "32 to 4096 (replay-window)"),
        (dict(src=WIRE6), "family")))
    def test_refusals_in_the_kernels_words(self, cli, net, changes, words):
        assert words in cli.call(add(**changes), REFUSED, key="00" * 20)
        assert net.nl.dump("sa-get") == []

    @pytest.mark.parametrize("line,words", (
        ("sa add", "needs a value"), ("sa add up", "in, out"), ("sa ad", 'did you mean "add"'),
        ("sa add in spi", "needs a value"), ("sa add in spi x", "number"),
        ("sa add in spi 0x1001", "needs spi, src"), ("sa add in colour red", "colour"),
        ("sa add in src 1.2.3", "address"), ("sa add in encap 4500", "SOURCE-PORT"),
        ("sa add in lifetime soft-years=3", "soft-years"), ("sa delete spi 4000", "dst"),
        (add(cipher="aes256gcn"), 'did you mean "aes256gcm"'), (add(cipher="3des"), "RFC 8221"),
        ("sa show 0x1001", "not expected")))
    def test_usage(self, cli, line, words):
        assert words in cli.call(line, USAGE)


class TestDevice:
    """cygnet device."""

    def test_set_and_show(self, cli, net):
        cli.call("device set cyg0 fwmark 0x10 underlay eth0 tos 0xb8")
        shown, = cli.json("device show")["devices"]
        assert shown == {"device": "cyg0", "fwmark": 16, "underlay": "eth0", "tos": 184}
        assert "0x10" in cli.call("device show") and "0xb8" in cli.call("device show")
        cli.call("device set cyg0 fwmark 0 underlay any tos inherit")
        assert cli.call("device show").split()[-4:] == ["cyg0", "none", "any", "inherit"]
        assert "fwmark, underlay or tos" in cli.call("device set cyg0", USAGE)
        assert "ECN" in cli.call("device set cyg0 tos 1", REFUSED)


class TestPolicy:
    """cygnet policy."""

    def test_set_and_show(self, cli, net):
        said = cli.call("policy set dev cyg0 name office priority 7 action protect "
                        "local 10.1.0.0/24 remote 10.3.0.0/16 "
                        "local 10.1.0.1-10.1.0.9 remote 10.4.0.1 proto tcp local-port 1024-65535 "
                        "remote-port 443")
        ident = int(said.split()[1])
        held = net.nl.do("policy-get", id=ident)
        assert (held["name"], held["priority"], held["action"]) == ("office", 7, "protect")
        assert held["ifindex"] == net.ifindex
        second = held["selector"][1]
        assert second["local_last"] == "10.1.0.9" and second["protocol"] == 6
        assert second["local_port_first"] == 1024
        assert (second["remote_port_first"], second["remote_port_last"]) == (443, 443)
        shown, = cli.json("policy show %d" % ident)["policies"]
        assert shown["device"] == "cyg0" and shown["name"] == "office"
        assert shown["selectors"] == [
            {"local": "10.1.0.0/24", "remote": "10.3.0.0/16"},
            {"local": "10.1.0.1-10.1.0.9", "local-port": "1024-65535", "remote": "10.4.0.1",
             "remote-port": "443", "protocol": 6}]
        rows = cli.call("policy show").splitlines()
        assert any("10.1.0.1-10.1.0.9 tcp 1024-65535 <-> 10.4.0.1 tcp 443" in row for row in rows)

    def test_steer(self, cli, net):
        """The namespace's own policies, and what is left of one without device."""
        line = "policy set id 5 dev cyg0 action bypass%s local 10.1.0.0/24 remote 10.3.0.0/16"
        assert "steers" in cli.call(line % "", REFUSED)
        cli.call(line % " steer")
        assert net.nl.do("policy-get", id=5)["steer"]
        shown, = cli.json("policy show 5")["policies"]
        assert shown["steer"] is True and shown["action"] == "bypass"
        assert "bypass, steer" in cli.call("policy show 5")
        net.gw.ip("link add cyg9 type cygnet")
        cli.call("policy set id 6 dev cyg9 action protect steer local 10.1.0.0/24 remote ::/0",
                 REFUSED)
        cli.call("policy set id 6 dev cyg9 action protect steer local ::/0 remote ::/0")
        net.gw.ip("link del cyg9")
        shown, = cli.json("policy show 6")["policies"]
        assert (shown["device"], shown["ifindex"]) == ("none", 0)

    def test_replace(self, cli, net):
        cli.call("policy set id 1 dev cyg0 action discard local ::/0 remote ::/0")
        held, = net.nl.dump("policy-get")
        assert held["action"] == "discard" and len(held["selector"]) == 1

    def test_delete(self, cli, net):
        cli.call(add(), key="00" * 20)
        cli.call("policy delete 1")
        assert net.nl.dump("policy-get") == [] and net.nl.dump("sa-get") == []
        assert "no such policy (id)" in cli.call("policy delete 1", REFUSED)

    @pytest.mark.parametrize("line,words", (
        ("dev lo action protect local ::/0 remote ::/0", "(ifindex)"),
        ("dev cyg0 action protect local ::/0 remote 10.0.0.0/8", "(selector")))
    def test_refusals(self, cli, line, words):
        assert words in cli.call("policy set " + line, REFUSED)

    @pytest.mark.parametrize("line,words", (
        ("dev none action protect local ::/0 remote ::/0", 'no device "none"'),
        ("dev cyg0 action protect local ::/0", "remote"),
        ("dev cyg0 action protect remote ::/0", 'behind "local'),
        ("dev cyg0 local ::/0 remote ::/0", "action"),
        ("dev cyg0 action allow local ::/0 remote ::/0", "protect, bypass, discard"),
        ("dev cyg0 action protect local 10.1.0.1/8 remote ::/0", "local"),
        ("dev cyg0 action protect local ::/0 remote ::/0 proto tpc", "proto"),
        ("dev cyg0 action protect local ::/0 remote ::/0 remote-port 5-4", "remote-port"),
        ("dev cyg0 name %s" % ("x" * 64), "63")))
    def test_usage(self, cli, line, words):
        assert words in cli.call("policy set " + line, USAGE)


def test_ports(cli, net):
    cli.call("port add 4500")
    cli.call("port add 5500")
    assert sorted(cli.json("port show")["ports"]) == [4500, 5500]
    assert sorted(p["port"] for p in net.nl.dump("port-get")) == [4500, 5500]
    assert "(port)" in cli.call("port add 4500", REFUSED)
    cli.call("port delete 5500")
    assert cli.call("port show") == "udp 4500\n"
    assert "(port)" in cli.call("port delete 5500", REFUSED)
    assert "1 to 65535" in cli.call("port add 65536", USAGE)


def test_drops(cli, net):
    before = cli.json("show drops")["drops"].get("tx-no-sa", 0)
    with net.drop("tx-no-sa"):
        net.transmit([udp(IN4, FAR4, 1, 2, b"x")])
    assert cli.json("show drops")["drops"]["tx-no-sa"] == before + 1
    assert cli.json("show drops cyg0")["drops"] == net.drops(net.ifindex)
    assert "tx-no-sa" in cli.call("show drops cyg0")


def test_show(cli, net):
    cli.call(add("out", 0x2001, GW4, WIRE4), key="00" * 20)
    cli.call("port add 4500")
    text = cli.call("show")
    for part in ("cygnetd is not running", "cyg0", IN4 + "/24", "0x00002001", "UDP PORTS  4500"):
        assert part in text
    picture = cli.json("show")
    device, = picture["devices"]
    assert device["name"] == "cyg0" and IN4 + "/24" in device["addresses"] and device["up"]
    assert [p["id"] for p in picture["policies"]] == [1]
    assert picture["policies"][0]["spi"] == "0x00002001"
    assert len(picture["sas"]) == 1 and picture["ports"] == [4500]
    assert "connections" not in picture


def readable(process):
    """Whether its output has something."""
    return select.select([process.stdout], [], [], 0.2)[0]


def test_monitor(cli, net):
    with net.gw:
        with subprocess.Popen([CLI, "monitor", "--json"], stdout=subprocess.PIPE,
                              text=True) as monitor:
            events = {}

            def heard():
                """It has joined the group once it tells of this; of earlier drops it
                may tell first."""
                net.policy(2)
                if readable(monitor):
                    event = json.loads(monitor.stdout.readline())
                    events[event["event"]] = event
                return "policy-set" in events
            until(heard, "the first event")
            cli.call("policy delete 2")
            net.transmit([udp(IN4, FAR4, 17, 53, b"x")])
            cli.call(add("out", 0x2001, GW4, WIRE4, more="lifetime hard-packets=1"),
                     key="00" * 20)
            net.transmit([udp(IN4, FAR4, 17, 53, b"x")] * 2)
            while "sa-del" not in events:
                event = json.loads(monitor.stdout.readline())
                events[event["event"]] = event
                if event["event"] == "expire":
                    cli.call("sa delete spi 0x2001 dst " + WIRE4)
            monitor.kill()
    events.pop("rejected", None)    # the drops here and before, if a second has passed
    assert set(events) == {"policy-set", "policy-del", "acquire", "sa-new", "expire", "sa-del"}
    assert events["acquire"]["packet"] == {"local": IN4, "local-port": "17", "remote": FAR4,
                                           "remote-port": "53", "protocol": 17}
    assert events["expire"]["expiry"] == "hard"
    assert events["sa-del"]["sa"]["packets"] == 1


def test_without_privileges(cli, net):
    with net.gw:
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                               CLI, "sa", "show"], capture_output=True, text=True, check=False)
    assert done.returncode == REFUSED and "only root" in done.stderr


def test_without_daemon(cli):
    for verb in ("up", "down", "rekey"):
        assert "cygnetd is not running" in cli.call(verb + " office", ABSENT)
    assert "cygnetd is not running" in cli.call("show office", ABSENT)


def test_check(cli, tmp_path):
    conf = tmp_path / "cygnet.conf"
    conf.write_text("connection branch {\n remote = 192.0.2.2\n psk = key\n"
                    " protect = ::1 <-> ::2\n}\n", encoding="ascii")
    with cli.net.gw:
        run = subprocess.run([CLI, "check", conf], capture_output=True, text=True, check=False)
        assert run.returncode == CONFIG and ":3:1: error: " in run.stderr
    cli.file("secret\n")
    assert "1 connection, no mistakes" in cli.call("check %s" % conf)
    assert cli.json("check %s" % conf)["ok"]
    shown = json.loads(cli.call("--json --config %s show config branch" % conf))
    remote = shown["connections"]["branch"]["remote"]
    assert remote == {"value": "192.0.2.2", "origin": "file", "line": 2}
    assert "did you mean" in cli.call("--config %s show config brnach" % conf, CONFIG)


def test_words(cli):
    assert "usage:" in cli.call("help") and cli.call("--version").startswith("cygnet ")
    assert 'did you mean "monitor"' in cli.call("monitro", USAGE)
    assert "--jsno" in cli.call("--jsno", USAGE)
    for verb in ("sa", "policy", "port"):
        assert "cygnet %s show" % verb in cli.call(verb + " help")
