# SPDX-License-Identifier: GPL-2.0-or-later
"""Authorities, certificates and keys, made by the openssl command."""

import os
import subprocess

KEYS = {
    "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa3072": ["RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "rsa1024": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "ed25519": ["ED25519"],
    "ed448": ["ED448"],
}


def openssl(*argv, **kwargs):
    done = subprocess.run(["openssl", *argv], capture_output=True, check=False, **kwargs)
    if done.returncode:
        raise RuntimeError("openssl %s: %s" % (" ".join(argv), done.stderr.decode()))
    return done.stdout


class Pki:
    """A folder of NAME.key and NAME.pem; keys and certificates are made once."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name, kind="pem"):
        return os.path.join(self.folder, "%s.%s" % (name, kind))

    def read(self, name, kind="pem"):
        with open(self.path(name, kind), encoding="ascii") as handle:
            return handle.read()

    def write(self, name, text, kind="pem"):
        with open(self.path(name, kind), "w", encoding="ascii") as handle:
            handle.write(text)
        return self.path(name, kind)

    def key(self, name, kind="p256"):
        path = self.path(name, "key")
        if not os.path.exists(path):
            openssl("genpkey", "-algorithm", *KEYS[kind], "-out", path)
            os.chmod(path, 0o600)
        return path

    def public(self, name):
        path = self.path(name, "pub")
        openssl("pkey", "-in", self.path(name, "key"), "-pubout", "-out", path)
        return path

    def issue(self, name, subject=None, by=None, kind="p256", san=None, days=30, more=(),
              start=None, end=None):
        """A certificate by that authority, or by itself; made anew each time."""
        subject = subject or "/C=CH/O=Test/CN=%s" % name
        extensions = list(more)
        if san:
            extensions.append("subjectAltName=" + san)
        lines = "[ext]\n" + "\n".join(extensions) + "\n"
        request = openssl("req", "-new", "-key", self.key(name, kind), "-subj", subject,
                          "-utf8")
        self.write(name, lines, "ext")
        argv = ["x509", "-req", "-days", str(days), "-extfile", self.path(name, "ext"),
                "-extensions", "ext", "-out", self.path(name)]
        if start or end:
            return self._by_ca(name, by, request, start, end)
        if by:
            argv += ["-CA", self.path(by), "-CAkey", self.path(by, "key"), "-CAcreateserial"]
        else:
            argv += ["-signkey", self.path(name, "key")]
        openssl(*argv, input=request)
        return self.path(name)

    def _by_ca(self, name, by, request, start, end):
        """openssl x509 of 3.0 knows no dates, openssl ca does."""
        database = self.write(name, "", "db")
        config = self.write(name, """
[ca]
default_ca = it
[it]
database = %s
new_certs_dir = %s
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
countryName = optional
organizationName = optional
commonName = optional
""" % (database, self.folder), "cnf")
        self.write(name, request.decode(), "csr")
        openssl("ca", "-batch", "-notext", "-config", config, "-in", self.path(name, "csr"),
                "-cert", self.path(by), "-keyfile", self.path(by, "key"), "-startdate", start,
                "-enddate", end, "-extfile", self.path(name, "ext"), "-extensions", "ext",
                "-out", self.path(name))
        return self.path(name)

    def authority(self, name, by=None, kind="p256", more=()):
        return self.issue(name, by=by, kind=kind, days=60, more=[
            "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign",
            "subjectKeyIdentifier=hash", *more])

    def crl(self, by, revoked=(), days=7):
        """A revocation list with these certificates on it."""
        now = "20200101000000Z"
        database = ""
        for name in revoked:
            serial = openssl("x509", "-in", self.path(name), "-noout", "-serial")
            database += "R\t401231235959Z\t%s\t%s\tunknown\t/CN=%s\n" % (
                now[2:], serial.decode().strip().split("=")[1], name)
        self.write(by, database, "db")
        config = self.write(by, "[ca]\ndefault_ca = it\n[it]\ndatabase = %s\n"
                            "default_md = sha256\n" % self.path(by, "db"), "cnf")
        openssl("ca", "-config", config, "-gencrl", "-cert", self.path(by), "-keyfile",
                self.path(by, "key"), "-crldays", str(days), "-out", self.path(by, "crl"))
        return self.path(by, "crl")
