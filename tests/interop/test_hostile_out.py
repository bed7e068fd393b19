"""Attacks on mail out: hosts that lie, stall and inject; records that lead inside; fields that try to become headers; loops,
forged reports and links; a daemon killed amid each step. An honest mail is delivered behind each of them."""

import base64
import email
import email.policy
import json
import os
import pathlib
import re
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import dkim
from evil_mx import (CLOSE, OFFER, PIPELINED, SILENCE, WITH_TLS, Desk, drip, faults, flood, kept_fields, random_word, then_close,
                     unstuffed)
from harness import PATIENCE, SERVFAIL, TOOLS, Replyd, free_port, listens, until
from hostile import ROOMY, Wire
from test_exchange import ed25519_key, rsa_key

EICAR = "/tmp/replyd-owned-by-a-mail-host"
SHELL = f"$(touch {EICAR}) `touch {EICAR}`; touch {EICAR}".encode()


class Probing(unittest.TestCase):
    """Probes against one running desk; each is followed by the canary."""

    OPTIONS = {"extra": ROOMY}

    @classmethod
    def setUpClass(cls):
        cls.desk = Desk(**cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        cls.desk.close()

    def probe(self, name):
        return Probe(self, name)


class Probe:
    """A subtest that ends with the canary."""

    def __init__(self, test, name):
        self.test, self.sub = test, test.subTest(name)

    def __enter__(self):
        self.sub.__enter__()

    def __exit__(self, kind, error, trace):
        if kind is None:
            try:
                self.test.desk.canary()
            except BaseException as canary:
                return self.sub.__exit__(type(canary), canary, canary.__traceback__)
        return self.sub.__exit__(kind, error, trace)


def twice(octets):
    return octets + octets


OK = b"250 ok\r\n"
# What a host does, what the mail comes to: state, whether it is uncertain, words that the entry holds.
SCRIPTS = {
    "greeting without end": ({"banner": flood(b"2" * 65536, 800)}, "deferred", False, "2048 octets"),
    "greeting of 10 MB": ({"banner": flood(b"220 " + b"x" * (10 << 20) + b"\r\n", 1)}, "deferred", False, "2048 octets"),
    "greeting of a million lines": ({"banner": flood(b"220-x\r\n" * 10000, 100)}, "deferred", False, "64 lines"),
    "code 99": ({"banner": b"99 x\r\n"}, "deferred", False, "no line of an SMTP reply"),
    "code 099": ({"banner": b"099 x\r\n"}, "deferred", False, None),
    "code 999": ({"banner": b"999 x\r\n"}, "deferred", False, None),
    "code 2200": ({"banner": b"2200 x\r\n"}, "deferred", False, None),
    "codes mixed": ({"banner": b"220-a\r\n550 b\r\n"}, "deferred", False, "220 and 550"),
    "an empty line": ({"banner": b"\r\n"}, "deferred", False, None),
    "another protocol": ({"banner": b"HTTP/1.1 400 Bad\r\n\r\n<html>\x07"}, "deferred", False, None),
    "354 for a greeting": ({"banner": b"354 go on\r\n"}, "deferred", False, None),
    "closed before the greeting": ({"banner": CLOSE}, "deferred", False, None),
    "controls in the greeting": ({"banner": b"220 \0\x1b[31;1m\x9b\xe2\x80\xae\xff mx\r\n"}, "delivered", False, None),
    "every answer twice": ({"ehlo": twice(OK)}, "deferred", False, "without being asked"),
    "MAIL answered twice": ({"mail": twice(OK)}, "deferred", False, "without being asked"),
    "RCPT answered twice": ({"rcpt": twice(OK)}, "deferred", False, "without being asked"),
    "354 and the final 250 at once": ({"data": b"354 go\r\n250 had it\r\n"}, "deferred", False, "without being asked"),
    "answered ahead, pipelined": ({"ehlo": PIPELINED, "mail": OK + OK + b"354 go\r\n" + OK}, "deferred", False, None),
    "the end answered twice": ({"dot": b"250 had it\r\n550 or not\r\n"}, "delivered", False, None),
    "250 for DATA": ({"data": OK}, "deferred", False, None),
    "354 for MAIL": ({"mail": b"354 go\r\n"}, "deferred", False, None),
    "STARTTLS with an answer behind it": ({"ehlo": WITH_TLS, "starttls": b"220 go\r\n250-PIPELINING\r\n250 ok\r\n"}, "deferred", False,
                                          "injects"),
    "STARTTLS taken away": ({"ehlo": OFFER}, "delivered", False, "none"),
    "STARTTLS refused": ({"ehlo": WITH_TLS, "starttls": b"454 not now\r\n"}, "delivered", False, "none"),
    "STARTTLS refused for good": ({"ehlo": WITH_TLS, "starttls": b"554 never\r\n"}, "delivered", False, "none"),
    "a handshake of garbage": ({"ehlo": [WITH_TLS, OFFER], "starttls": then_close(b"220 go\r\n")}, "delivered", False, "none"),
    "TLS, certificate of nobody": ({"ehlo": WITH_TLS}, "delivered", False, "not checked"),
    "SIZE 1": ({"ehlo": b"250-mx\r\n250 SIZE 1\r\n"}, "failed", False, "5.3.4"),
    "SIZE -1": ({"ehlo": b"250-mx\r\n250 SIZE -1\r\n"}, "delivered", False, None),
    "10,000 keywords": ({"ehlo": b"250-mx\r\n" + b"250-X\r\n" * 10000 + b"250 Y\r\n"}, "deferred", False, "64 lines"),
    "AUTH without TLS": ({"ehlo": b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n"}, "delivered", False, None),
    "no EHLO": ({"ehlo": b"502 no\r\n"}, "deferred", False, None),
    "cut after the dot": ({"dot": CLOSE}, "deferred", True, None),
    "taken, then closed": ({"dot": then_close(b"250 had it\r\n")}, "delivered", False, None),
    "half an answer to the dot": ({"dot": then_close(b"250 ha")}, "deferred", True, None),
    "code 999 to the dot": ({"dot": b"999 what\r\n"}, "deferred", True, None),
    "10 MB to the dot": ({"dot": flood(b"250 " + b"x" * (10 << 20) + b"\r\n", 1)}, "deferred", True, None),
    "mixed codes to the dot": ({"dot": b"250-yes\r\n550 no\r\n"}, "deferred", True, None),
    "354 to the dot": ({"dot": b"354 more\r\n"}, "deferred", True, None),
    "cut amid the content": ({"data": then_close(b"354 go\r\n")}, "deferred", False, None),
    "shell in a broken answer": ({"mail": b"553-\n" + SHELL + b"\r\n553 x\r\n"}, "deferred", False, None),
    "shell in a good answer": ({"mail": b"553-" + SHELL + b"\r\n553 " + SHELL + b"\r\n"}, "failed", False, "touch"),
    "RCPT injected by the host": ({"rcpt": b"250 ok\r\n\r\nRCPT TO:<x@y.example>\r\n"}, "deferred", False, None),
    "HTML": ({"rcpt": b"550 5.1.1 <script>alert(1)</script>\r\n"}, "failed", False, "<script>"),
    "no UTF-8": ({"rcpt": b"550 5.1.1 \xff\xfe\x80 gone\r\n"}, "failed", False, "gone"),
    "terminal codes": ({"rcpt": b"550 5.1.1 \x1b]0;owned\x07\x1b[2J\xe2\x80\xae\r\n"}, "failed", False, "\\u{1b}"),
    "refused, then asked for content": ({"ehlo": PIPELINED, "rcpt": b"550 5.7.1 no\r\n"}, "failed", False, None),
    "an enhanced code that disagrees": ({"dot": b"250 5.1.1 no\r\n"}, "delivered", False, None),
    "greylisted for ever": ({"rcpt": b"450 4.7.1 greylisted, try again in 999999999999999999999999 minutes\r\n"}, "deferred", False, None),
    "a clock that overflows": ({"rcpt": b"450 4.7.1 greylisted 4294967295:4294967295:4294967295\r\n"}, "deferred", False, None),
    **{f"421 at {step}": ({step: b"421 4.3.2 going down\r\n"}, "deferred", False, None)
       for step in ("banner", "ehlo", "mail", "rcpt", "data", "dot")},
    **{f"421 at {step}, pipelined": ({"ehlo": PIPELINED, step: then_close(b"421 4.3.2 going down\r\n")}, "deferred", False, None)
       for step in ("mail", "rcpt", "data", "dot")},
    **{f"closed at {step}": ({step: CLOSE}, "deferred", False, None) for step in ("ehlo", "mail", "rcpt", "data")},
}


class HostileHosts(Probing):
    def test_what_a_host_does_and_what_the_mail_comes_to(self):
        for number, (name, (script, state, uncertain, words)) in enumerate(SCRIPTS.items()):
            with self.probe(name):
                domain = f"evil{number}.example"
                host = self.desk.host(domain, script)
                entry = self.desk.ended(self.desk.send(f"jane@{domain}"))
                self.assertEqual((entry["state"], entry["uncertain"]), (state, uncertain), entry)
                told = " ".join(entry[key] or "" for key in ("remote_reply", "reason", "tls", "transcript", "remote"))
                self.assertIn(words or "", told)
                self.assertLess(len(entry["remote_reply"] or ""), 2049)
                self.assertLess(len(entry["transcript"] or ""), 20000)
                self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", told), entry)
                for taken in self.desk.mx.at(host):
                    said = b"".join(taken.commands)
                    self.assertNotIn(b"x@y.example", said)
                    self.assertNotIn(b"AUTH", said)
                    self.assertLessEqual(sum(c.upper().startswith(b"RCPT") for c in taken.commands), 1, taken.commands)
                for octets in self.desk.mx.mails(host):
                    # Whom it refused but asked for content gets none.
                    self.assertEqual(faults(octets) if octets else [], [])
        self.assertFalse(os.path.exists(EICAR), "a host's words were run by a shell")

    def test_a_host_that_injects_behind_starttls_gets_nothing_in_clear(self):
        for behind in (b"250-PIPELINING\r\n250 ok\r\n", b"4", b"\r\n"):
            with self.probe(behind):
                domain = f"inject{random_word()}.example"
                host = self.desk.host(domain, {"ehlo": WITH_TLS, "starttls": b"220 go\r\n" + behind})
                entry = self.desk.ended(self.desk.send(f"jane@{domain}"))
                self.assertEqual(entry["state"], "deferred", entry)
                self.assertNotIn(b"MAIL", b"".join(b"".join(taken.commands) for taken in self.desk.mx.at(host)).upper())

    def test_a_host_that_never_answers_starves_nobody(self):
        for name, script in (("silent", {"banner": SILENCE}), ("drip", {"banner": drip}), ("dripdot", {"dot": drip}),
                             ("silentdata", {"data": SILENCE})):
            self.desk.host(f"{name}.example", script)
            for number in range(12):
                self.desk.send(f"jane{number}@{name}.example")
        for number in range(20):
            self.desk.host(f"good{number}.example", {})
        begun = time.monotonic()
        for number in range(20):
            self.desk.send(f"jane@good{number}.example")
        for number in range(20):
            self.desk.mailed(f"jane@good{number}.example")
        self.assertLess(time.monotonic() - begun, 15)
        self.desk.canary()

    def test_twenty_answers_to_one_honest_host_share_its_connections(self):
        host = self.desk.host("busy.example", {})
        for number in range(40):
            self.desk.send(f"jane{number}@busy.example")
        for number in range(40):
            mail, = self.desk.mailed(f"jane{number}@busy.example")
            self.assertEqual(faults(mail), [])
        self.assertLess(len(self.desk.mx.at(host)), 40)


# Answers to MX and address questions; what the mail comes to; the words of the reason.
INSIDE = {
    "loopback": ({"A": ["127.0.0.1"]}, "loopback"),
    "all of 127/8": ({"A": ["127.77.9.9"]}, "loopback"),
    "unspecified": ({"A": ["0.0.0.0"]}, "unspecified"),
    "private": ({"A": ["10.0.0.1"]}, "private"),
    "private172": ({"A": ["172.16.0.1"]}, "private"),
    "private192": ({"A": ["192.168.0.1"]}, "private"),
    "linklocal": ({"A": ["169.254.169.254"]}, "link-local"),
    "cgnat": ({"A": ["100.64.0.1"]}, "shared"),
    "multicast": ({"A": ["224.0.0.1"]}, "multicast"),
    "broadcast": ({"A": ["255.255.255.255"]}, "reserved"),
    "loopback6": ({"AAAA": ["::1"]}, "loopback"),
    "linklocal6": ({"AAAA": ["fe80::1"]}, "link-local"),
    "local6": ({"AAAA": ["fd00::1"]}, "private"),
    "mapped": ({"AAAA": ["::ffff:127.0.0.1"]}, "IPv4 address in disguise"),
    "compatible": ({"AAAA": ["::127.0.0.1"]}, "IPv4 address in disguise"),
    "nat64": ({"AAAA": ["64:ff9b::127.0.0.1"]}, "loopback"),
    "sixtofour": ({"AAAA": ["2002:7f00:1::1"]}, "loopback"),
}


class Inside(Probing):
    """Nothing is dialled that only this host or its network can reach."""

    OPTIONS = {"extra": ROOMY, "certificate": False}

    def setUp(self):
        self.port = free_port()
        self.traps, self.caught = [], []
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
            trap = socket.socket(family)
            trap.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trap.bind((address, self.port))
            trap.listen()
            threading.Thread(target=self.catch, args=(trap,), daemon=True).start()
            self.addCleanup(trap.close)
        self.records = {"own.example": {"MX": ["mx.reply.example"]}, "mx.reply.example": {"A": ["192.0.2.7"]}}
        for name, (addresses, _) in INSIDE.items():
            name = name.replace(" ", "").replace("/", "")
            self.records[f"{name}.example"] = {"MX": [f"mx.{name}.example"]}
            self.records[f"mx.{name}.example"] = addresses
            self.records[f"bare{name}.example"] = addresses
        self.records |= {
            "literal.example": {"MX": ["127.0.0.1"]}, "underscore.example": {"MX": ["mx_1.underscore.example"]},
            "mx_1.underscore.example": {"A": ["127.0.0.1"]},
            "null.example": {"MX": ["."]}, "servfail.example": SERVFAIL, "mxservfail.example": {"MX": ["servfail.example"]},
            "nowhere.example": {"MX": ["gone.example"]}, "empty.example": {},
            "cname.example": {"MX": ["alias.example"]}, "alias.example": {"CNAME": ["mx.loopback.example"]},
            "rebind.example": {"MX": ["mx.rebind.example"]},
            "longname.example": {"MX": [".".join(["a" * 50] * 4) + ".example"]},
        }
        flips = iter(range(10**6))
        self.records["mx.rebind.example"] = lambda kind: {"A": ["192.0.2.9" if next(flips) % 2 else "127.0.0.1"]} if kind == "A" else {}
        self.replyd = Replyd(self.records, extra=f"[outbound]\nport = {self.port}\n{ROOMY}")
        self.addCleanup(self.replyd.close)

    def catch(self, trap):
        while True:
            try:
                self.caught.append(trap.accept()[1])
            except OSError:
                return

    def send(self, to):
        conversation = self.replyd.conversation(to)
        self.replyd.command("conversation", "reply", conversation["id"], "--text", "Does it boil?")

        def ended():
            delivery = self.replyd.messages(conversation)[-1]["delivery"]
            return delivery if delivery["state"] not in ("waiting", "queued") else None
        return until(f"a mail to {to} is routed", ended)

    def test_nothing_inside_is_dialled(self):
        table = {f"{name}.example".replace(" ", "").replace("/", ""): ("failed", words) for name, (_, words) in INSIDE.items()}
        table |= {"bare" + name: answer for name, answer in table.items()}
        table |= {
            "[127.0.0.1]": ("failed", "loopback"), "[IPv6:::1]": ("failed", "loopback"), "[IPv6:::ffff:127.0.0.1]": ("failed", "disguise"),
            "[10.1.2.3]": ("failed", "private"),
            "literal.example": ("failed", "no host name"), "underscore.example": ("failed", "no host name"),
            "null.example": ("failed", "takes no mail"), "own.example": ("failed", "come back"),
            "mx.reply.example": ("failed", "come back"),
            "servfail.example": ("deferred", ""), "mxservfail.example": ("deferred", ""), "nowhere.example": ("failed", ""),
            "cname.example": ("failed", "loopback"), "unknown.example": (("failed", "deferred"), "does not exist"),
            "empty.example": ("failed", ""), "longname.example": ("failed", ""),
        }
        for domain, (state, words) in table.items():
            with self.subTest(domain):
                delivery = self.send(f"jane@{domain}")
                self.assertIn(delivery["state"], state if isinstance(state, tuple) else (state,), delivery)
                self.assertIn(words, delivery["reason"] or "", delivery)
        self.assertEqual(self.caught, [], "something inside was dialled")
        self.assertIsNone(self.replyd.process.poll())
        self.assertNotIn("panic", (self.replyd.dir / "log").read_text())


class Records(Probing):
    def test_of_a_thousand_mx_few_are_tried(self):
        records = self.desk.replyd.zone.records
        hosts = [f"mx{number}.many.example" for number in range(1000)]
        records["many.example"] = {"MX": hosts}
        for number, host in enumerate(hosts):
            address = f"127.88.{number >> 8}.{number & 255}"
            records[host] = {"A": [address]}
            self.desk.mx.scripts[address] = {"banner": b"421 no\r\n"}
        with self.probe("1000 MX"):
            entry = self.desk.ended(self.desk.send("jane@many.example"))
            self.assertEqual(entry["state"], "deferred", entry)
            tried = {taken.host for taken in self.desk.mx.connections if taken.host.startswith("127.88.")}
            self.assertLessEqual(len(tried), 10)
        records["wide.example"] = {"MX": ["mx.wide.example"]}
        records["mx.wide.example"] = {"A": [f"127.88.0.{number}" for number in range(250)]}
        with self.probe("250 addresses"):
            before = len(self.desk.mx.connections)
            self.desk.ended(self.desk.send("jane@wide.example"))
            self.assertLessEqual(len([t for t in self.desk.mx.connections[before:] if t.host.startswith("127.88.")]), 10)

    def test_a_null_mx_among_others_and_a_cname_ring(self):
        records = self.desk.replyd.zone.records
        records["ring.example"] = {"CNAME": ["gnir.example"]}
        records["gnir.example"] = {"CNAME": ["ring.example"]}
        records["self.example"] = {"MX": ["self.example"]}
        records["zero.example"] = {"MX": [".", "mx.honest.example"]}
        for domain in ("ring.example", "self.example", "zero.example"):
            with self.probe(domain):
                self.assertIn(self.desk.ended(self.desk.send(f"jane@{domain}"))["state"], ("failed", "deferred", "delivered"))


if __name__ == "__main__":
    unittest.main()
