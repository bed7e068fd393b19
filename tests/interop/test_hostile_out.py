"""Attacks on mail out: hosts that lie, stall and inject; records that lead inside; fields that try to become headers; loops,
forged reports and links; a daemon killed amid each step. An honest mail is delivered behind each of them."""

import base64
import email
import email.policy
import email.utils
import html.parser
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
import urllib.error
import urllib.request

import dkim
from evil_mx import (CLOSE, OFFER, PIPELINED, SILENCE, WITH_TLS, Desk, EvilMx, drip, faults, flood, kept_fields, random_word, then_close,
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

    def test_many_hosts_that_never_answer_starve_nobody(self):
        desk = Desk(extra=ROOMY)
        self.addCleanup(desk.close)
        desk.canary()
        for number in range(140):
            desk.host(f"silent{number}.example", {"banner": SILENCE})
        for number in range(140):
            desk.send(f"jane@silent{number}.example")
        known = desk.send("jane@honest.example")
        desk.host("fresh.example", {})
        fresh = desk.send("jane@fresh.example")
        for entry in (known, fresh):
            until("it gets its turn", lambda: desk.entry(entry)["state"] == "delivered")

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


CONTROLS = [chr(code) for code in [*range(0x20), 0x7f, *range(0x80, 0xa0)]]
DECEIVING = [*"\u200b\u200e\u200f\u061c\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"]
INJECTION = "\r\nBcc: victim@honest.example\r\n\r\nbody"
FILE = {"name": "a.txt", "type": "text/plain", "content": "aGk="}


def begun(**fields):
    return {"account": "acme", "inbox": "support", "contact": {"email": "jane@honest.example"}, "subject": "Kettle",
            "messages": [{"author": "agent", "agent": "Sara", "text": "Hello"}], **fields}


def said(**fields):
    return {"author": "agent", "agent": "Sara", "text": "Hello", **fields}


# Method, path, body with the evil word in one field, and the field's name as the answer says it.
FIELDS = [
    ("POST", "/api/v1/conversations", lambda evil: begun(account=evil), "account"),
    ("POST", "/api/v1/conversations", lambda evil: begun(inbox=evil), "inbox"),
    ("POST", "/api/v1/conversations", lambda evil: begun(subject=evil), "subject"),
    ("POST", "/api/v1/conversations", lambda evil: begun(contact={"email": evil}), "contact.email"),
    ("POST", "/api/v1/conversations", lambda evil: begun(contact={"email": f"{evil}@honest.example"}), "contact.email"),
    ("POST", "/api/v1/conversations", lambda evil: begun(contact={"email": f"jane@{evil}honest.example"}), "contact.email"),
    ("POST", "/api/v1/conversations", lambda evil: begun(contact={"email": f'"{evil}"@honest.example'}), "contact.email"),
    ("POST", "/api/v1/conversations", lambda evil: begun(contact={"email": "jane@honest.example", "name": evil}), "contact.name"),
    ("POST", "/api/v1/conversations", lambda evil: begun(contact={"email": "jane@honest.example", "identifier": evil}),
     "contact.identifier"),
    ("POST", "/api/v1/conversations", lambda evil: begun(messages=[said(agent=evil)]), "agent"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(agent=evil), "agent"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(agent=f"{evil}@agents.example"), "agent"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(idempotency_key=evil), "idempotency_key"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(cc=[evil]), "cc"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(cc=[f"jane@honest.example{evil}"]), "cc"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(attachments=[{**FILE, "name": evil}]), "attachments[0].name"),
    ("POST", "/api/v1/conversations/{id}/messages", lambda evil: said(attachments=[{**FILE, "type": evil}]), "attachments[0].type"),
    ("PATCH", "/api/v1/conversations/{id}", lambda evil: {"subject": evil}, "subject"),
    ("PATCH", "/api/v1/conversations/{id}", lambda evil: {"assignee": evil}, "assignee"),
    ("PATCH", "/api/v1/conversations/{id}", lambda evil: {"status": evil}, ""),
    ("POST", "/api/v1/agents", lambda evil: {"account": "acme", "email": evil, "name": "Sara"}, "email"),
    ("POST", "/api/v1/agents", lambda evil: {"account": "acme", "email": f"sara@agents.example{evil}", "name": "Sara"}, "email"),
    ("POST", "/api/v1/agents", lambda evil: {"account": "acme", "email": "sara@agents.example", "name": evil}, "name"),
    ("POST", "/api/v1/agents", lambda evil: {"account": "acme", "email": "x@agents.example", "name": "x", "inboxes": [evil]}, "inboxes"),
    ("POST", "/api/v1/agents", lambda evil: {"account": evil, "email": "x@agents.example", "name": "x"}, "account"),
]


class Injection(Probing):
    def test_no_control_character_passes_any_field(self):
        conversation = self.desk.conversation("jane@honest.example")
        for method, path, body, field in FIELDS:
            with self.probe(f"{method} {path} {field}"):
                for evil in [f"a{control}b" for control in CONTROLS] + [INJECTION, "x>\r\nRCPT TO:<c@honest.example", "a\nb", "a\rb"]:
                    status, answer = self.desk.call(method, path.replace("{id}", conversation["id"]), body(evil))
                    self.assertEqual(status, 422, (evil, answer))
                    self.assertIn(field, answer["error"]["message"], repr(evil))
                    self.assertIsNone(re.search(r"[\x00-\x1f\x7f-\x9f]", answer["error"]["message"]), answer)
                # One at the edge is one too; a space may be trimmed.
                for evil in ["a\r\n", "\r\na", "a\0", "\0", "\n", "\x7f", "\x85a"]:
                    status, answer = self.desk.call(method, path.replace("{id}", conversation["id"]), body(evil))
                    self.assertEqual(status, 422, (evil, answer))
        self.assertEqual([name for name in self.all_commands() if b"c@honest" in name or b"victim" in name], [])

    def all_commands(self):
        return [command for taken in self.desk.mx.connections for command in taken.commands]

    def test_what_deceives_the_eye_is_refused_or_goes_out_without(self):
        for number, evil in enumerate(DECEIVING):
            with self.probe(repr(evil)):
                to = f"eye{number}@honest.example"
                body = {"account": "acme", "inbox": "support", "contact": {"email": to, "name": f"Ja{evil}ne"}, "subject": f"Ket{evil}tle",
                        "messages": []}
                conversation = self.desk.good("POST", "/api/v1/conversations", body)
                self.desk.answer(conversation, f"Hel{evil}lo", agent=f"Sa{evil}ra", attachments=[{**FILE, "name": f"a{evil}gpj.txt"}])
                octets, = self.desk.mailed(to)
                self.assertEqual(faults(octets), [])
                mail = email.message_from_bytes(unstuffed(octets), policy=email.policy.default)
                head = " ".join(str(mail[name]) for name in ("From", "To", "Subject", "Reply-To"))
                names = " ".join(part.get_filename() or "" for part in mail.walk())
                self.assertNotIn(evil, head + names)

    def test_nul_in_texts_names_its_field(self):
        conversation = self.desk.conversation("jane@honest.example")
        path = f"/api/v1/conversations/{conversation['id']}/messages"
        for body, field in ((said(text="a\0b"), "text"), (said(html="<p>\0</p>"), "html")):
            with self.probe(field):
                status, answer = self.desk.call("POST", path, body)
                self.assertEqual(status, 422)
                self.assertTrue(answer["error"]["message"].startswith(field), answer)

    def test_odd_shapes_are_refused_and_never_a_failure_of_ours(self):
        conversation = self.desk.conversation("jane@honest.example")
        for method, path, body, _ in FIELDS:
            with self.probe(f"{method} {path}"):
                for evil in (None, 1, 1.5, True, [], {}, "x" * 100_000, ["x"], {"a": 1}, "\ud800", "\U0001f600" * 400, "é" * 600):
                    status, _ = self.desk.call(method, path.replace("{id}", conversation["id"]), body(evil))
                    self.assertIn(status, (200, 201, 400, 413, 422), repr(evil)[:50])

    def test_texts_that_try_to_end_the_mail(self):
        texts = ["\n.\n", "\r.\r", "\r\n.\r\n", "\n.\r\n", ".\n", "..\n.\n...", ".", "a\n.\nQUIT\n", "\r\n.\r\nMAIL FROM:<a@b>\r\n",
                 "From me\nFrom you\n", "--=_\n--\n", "x" * 5000, "é" * 3000, ("." * 80 + "\n") * 50, "=\n=3D=\n", "a \n\t\n", "\x0b\x0c\x1b[2J\x07",
                 "\u2028.\u2028", "line\x85.\x85", "\ufeff.\n", "日本語\n.\n" * 40]
        for number, text in enumerate(texts):
            with self.probe(repr(text)[:40]):
                to = f"dots{number}@honest.example"
                conversation = self.desk.conversation(to, subject=text[:200].strip() if not re.search(r"[\x00-\x1f\x7f-\x9f]", text) else "x")
                self.desk.answer(conversation, f"begin {text} end", html=f"<p>begin {text} end</p>",
                                 attachments=[{"name": "dots.txt", "type": "text/plain", "content": base64.b64encode(text.encode()).decode()}])
                octets, = self.desk.mailed(to)
                self.assertEqual(faults(octets), [])
                mail = email.message_from_bytes(unstuffed(octets), policy=email.policy.default)
                plain = mail.get_body(("plain",)).get_content()
                words = lambda text: re.sub(r"[\s\x00-\x1f\x7f-\x9f\ufffd\ufeff]+", "", text)
                self.assertIn(words(f"begin {text} end"), words(plain))
                file, = [part for part in mail.walk() if part.get_filename()]
                self.assertEqual(file.get_payload(decode=True), text.encode())
        said = b"".join(self.all_commands())
        self.assertNotIn(b"a@b", said)

    def test_an_agents_html_is_made_safe(self):
        htmls = ['<img alt="x><script>alert(1)</script>" src="https://t.example/p.gif">', "<script>alert(1)</script>", "<p onclick=alert(1)>x</p>",
                 "<img src=x onerror=alert(1)>", '<a href="javascript:alert(1)">x</a>', "<svg><script>alert(1)</script></svg>",
                 '<img title=\'"><img src=https://t.example/p.gif>\' src="cid:x">', '<style>@import "https://t.example"</style>',
                 '<div style="background:url(https://t.example/p.gif)">x</div>', '<iframe src="https://t.example"></iframe>',
                 '<math><mi><table><mglyph><style><img title="</style><img src=https://t.example/p.gif onerror=alert(1)>">',
                 '<form action="https://t.example"><input name=password></form>', '<base href="https://t.example/">',
                 '<meta http-equiv=refresh content="0;url=https://t.example">', '<img alt=">" src=https://t.example/p.gif>',
                 '<a title="<img src=https://t.example/p.gif onerror=alert(1)>" href="https://a.example">x</a>',
                 '<img src=cid:a alt="a>b <b>c</b> <img src=https://t.example/p.gif>">', "<b>" * 400, "<p>" + "x" * 100000, "<" * 5000]
        for number, html in enumerate(htmls):
            with self.probe(html[:40]):
                to = f"html{number}@honest.example"
                self.desk.answer(self.desk.conversation(to), "words", html=html)
                octets, = self.desk.mailed(to)
                self.assertEqual(faults(octets), [])
                shown = email.message_from_bytes(unstuffed(octets), policy=email.policy.default).get_body(("html",)).get_content()
                self.assertEqual(Tags(shown).evil, [], shown)


class Tags(html.parser.HTMLParser):
    """Elements and attributes that run, load or send something."""

    def __init__(self, text):
        super().__init__()
        self.evil = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        loads = {"src", "srcset", "background", "poster", "data", "action", "formaction"}
        for name, value in attributes:
            if name.startswith("on") or name in loads or re.search(r"(?i)javascript:|url\(", value or ""):
                self.evil.append((tag, name, value))
        if tag in ("script", "iframe", "object", "embed", "form", "input", "svg", "math", "base", "link", "img"):
            self.evil.append(tag)


def hostile_mail(to, sender, header, body=b"Is it broken?\r\n", text=b"text/plain; charset=utf-8"):
    """A customer's first mail, with what an attacker writes into it."""
    given = {name.lower() for name, _ in header}
    usual = [(b"From", b"Eve <" + sender.encode() + b">"), (b"To", to.encode()), (b"Subject", b"hostile"),
             (b"Message-ID", b"<" + random_word().encode() + b"@honest.example>"), (b"Date", b"Fri, 20 Nov 2026 10:00:00 +0000"),
             (b"MIME-Version", b"1.0"), (b"Content-Type", text)]
    fields = [*header, *[(name, value) for name, value in usual if name.lower() not in given]]
    return b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n" + body


POISON = {
    "id with CR": [(b"Message-ID", b"<a@b\rBcc: victim@honest.example>")],
    "id with a folded Bcc": [(b"Message-ID", b"<a@b\r\n Bcc: victim@honest.example>")],
    "id with NUL": [(b"Message-ID", b"<a\0@b>")],
    "id of 2 KB": [(b"Message-ID", b"<" + b"x" * 2048 + b"@b>")],
    "id of 250": [(b"Message-ID", b"<" + b"x" * 245 + b"@b.c>")],
    "id with quotes": [(b"Message-ID", b'<"a\\"b c"@[127.0.0.1]>')],
    "no id": [(b"Message-ID", b"")],
    "id beyond ASCII": [(b"Message-ID", "<ü@b>".encode())],
    "id that is a comma": [(b"Message-ID", b"<a,b;c:d(e)@f>")],
    "500 references": [(b"References", b"\r\n ".join(b"<%d@b.example>" % n for n in range(500)))],
    "long references": [(b"References", b"\r\n ".join(b"<" + b"x" * 240 + b"%d@b>" % n for n in range(60)))],
    "references with CR": [(b"References", b"<a@b> <c@d\rX: y> <e@f>")],
    "in-reply-to of a sentence": [(b"In-Reply-To", b"Your message of \"Fri\" <a@b> (Bcc: x)")],
    "subject of 3,000": [(b"Subject", b"x" * 990 + b"\r\n " + b"y" * 990 + b"\r\n " + b"z" * 990)],
    "subject of words beyond ASCII": [(b"Subject", "ä".encode() * 480)],
    "subject with encoded CRLF": [(b"Subject", b"=?utf-8?q?a=0D=0ABcc:_victim=40honest.example=0D=0A=0D=0Abody?=")],
    "subject with encoded NUL and ESC": [(b"Subject", b"=?utf-8?b?AGEbWzJKYgA=?= =?utf-8?q?=E2=80=AE?=")],
    "subject that decodes twice": [(b"Subject", b"=?utf-8?q?=3D=3Futf-8=3Fq=3F=0ABcc=3A_x=3F=3D?=")],
    "subject of white space": [(b"Subject", b"\t  =?utf-8?q?_=09=0B?=")],
    "subject of UTF-7": [(b"Subject", b"=?utf-7?q?+AA0ACg-Bcc:_victim=40honest.example?=")],
    "name with encoded CRLF": [(b"From", b"=?utf-8?q?Eve=0D=0ABcc:_victim=40honest.example?= <%s>")],
    "name that is an address": [(b"From", b'"support@reply.example" <%s>')],
    "name of 900": [(b"From", b'"' + b"n" * 900 + b'" <%s>')],
    "name with quotes": [(b"From", b'"Eve \\"><b>\\\\" <%s>')],
    "name beyond ASCII": [(b"From", "Ëvë Ünïcode ".encode() * 30 + b"<%s>")],
    "charset that is none": [(b"Content-Type", b'text/plain; charset="x\r\n y"')],
    "a file": [(b"Content-Type", b'application/pdf; name="a\\"; x=y.pdf"'), (b"Content-Disposition", b'attachment; filename="a\\"; x=y.pdf"')],
    "a file with encoded CRLF": [(b"Content-Disposition", b"attachment; filename*=utf-8''a%0D%0ABcc%3A%20victim@honest.example%0D%0A.txt")],
    "a file with a long name": [(b"Content-Disposition", b"attachment; filename*=utf-8''" + b"%C3%A4" * 150 + b".txt")],
    "a file of a type that is none": [(b"Content-Type", b'a/b\r\n c; name="x"'), (b"Content-Disposition", b"attachment")],
    "a file that is a mail": [(b"Content-Type", b'message/rfc822; name="x.eml"'), (b"Content-Disposition", b"attachment")],
    "a file of type multipart": [(b"Content-Type", b'multipart/x-evil; boundary=z; name="x"'), (b"Content-Disposition", b"attachment")],
    "a file in 7bit that is not": [(b"Content-Type", b'text/html; name="x.html"'), (b"Content-Disposition", b"attachment; filename=x.html")],
}


class Poisoned(unittest.TestCase):
    """What strangers write becomes part of mails in our name: to them, and to agents."""

    SECRET_AGENT, SECRET_OTHER = "sara.private@agents.example", "bob.other@thirdparty.example"

    @classmethod
    def setUpClass(cls):
        keys = pathlib.Path(tempfile.mkdtemp(prefix="replyd-keys-"))
        (cls.rsa, rsa_public), (cls.edwards, edwards_public) = rsa_key(), ed25519_key()
        for name, key in (("r1.pem", cls.rsa), ("e1.pem", cls.edwards)):
            (keys / name).write_bytes(key)
            os.chmod(keys / name, 0o600)
        cls.texts = {"r1._domainkey.reply.example": f"v=DKIM1; k=rsa; p={rsa_public}",
                     "e1._domainkey.reply.example": f"v=DKIM1; k=ed25519; p={edwards_public}"}
        cls.desk = Desk(records=cls.texts, extra=ROOMY, inbox='history = "full"', account=(
            f'dkim = [{{ domain = "reply.example", selector = "r1", key = {{ file = "{keys}/r1.pem" }} }},'
            f' {{ domain = "reply.example", selector = "e1", key = {{ file = "{keys}/e1.pem" }} }}]'))
        cls.desk.host("agents.example", {})
        cls.desk.host("thirdparty.example", {})
        cls.desk.good("POST", "/api/v1/agents", {"account": "acme", "email": cls.SECRET_AGENT, "name": "Sara"})

    @classmethod
    def tearDownClass(cls):
        cls.desk.close()

    def probe(self, name):
        return Probe(self, name)

    def signatures(self, raw):
        def text(name, timeout=5):
            found = self.texts.get(name.decode().rstrip("."))
            return found.encode() if found else None

        check = dkim.DKIM(raw)
        count = sum(1 for name, _ in check.headers if name.lower() == b"dkim-signature")
        found = []
        for number in range(count):
            try:
                found.append(check.verify(idx=number, dnsfunc=text))
            except dkim.DKIMException:
                found.append(False)
        return found

    def deliver(self, sender, to, octets):
        with Wire(self.desk.replyd.port) as wire:
            wire.envelope(to, sender=b"<" + sender.encode() + b">")
            reply = wire.send(re.sub(rb"(?m)^\.", b"..", octets) + b"\r\n.\r\n").reply()
        return reply

    def begun_by(self, sender):
        def check():
            found = self.desk.good("GET", f"/api/v1/conversations?contact={sender}")["items"]
            return found[0] if found else None
        return until(f"a conversation of {sender}", check)

    def exchange(self, name, header, body=b"Is it broken?\r\n"):
        """The stranger's mail, the agent's notification and the answer; the octets of both mails of ours."""
        sender = f"eve{random_word()}@honest.example"
        header = [(field, value.replace(b"%s", sender.encode())) for field, value in header]
        reply = self.deliver(sender, "support@reply.example", hostile_mail("support@reply.example", sender, header, body))
        if not reply.startswith("250"):
            return None
        conversation = self.begun_by(sender)
        def told():
            mails = [entry for entry in self.desk.entries(conversation) if entry["kind"] == "notification"]
            return mails[0] if mails else None
        notification = until(f"the agent is told of {name}", told)
        notification = self.desk.ended(notification["id"])
        self.assertEqual(notification["state"], "delivered", notification)
        notified = [mail for mail in self.desk.mx.mails(self.address("agents.example")) if notification["message_id"].encode() in mail][0]
        self.desk.answer(conversation, "Yes.\n.\nWe know.", agent=self.SECRET_AGENT)
        answered, = self.desk.mailed(sender)
        return sender, notified, answered

    def address(self, domain):
        return self.desk.replyd.zone.records[f"mx.{domain}"]["A"][0]

    def test_what_strangers_write_stays_words(self):
        refused = []
        for name, header in POISON.items():
            with self.probe(name):
                mails = self.exchange(name, header, b".\r\n..\r\n.hidden\r\nlone:\r\n.\r\nend \0\x1b[2J\r\n")
                if mails is None:
                    refused.append(name)
                    continue
                sender, *mails = mails
                for octets in mails:
                    self.assertEqual(faults(octets), [], octets)
                    self.assertEqual(self.signatures(unstuffed(octets)), [True, True])
                    fields = {field.lower(): value for field, value in kept_fields(octets)}
                    self.assertLessEqual(fields.get(b"references", b"").count(b"<"), 21)
                    named = email.utils.getaddresses([fields[field].decode() for field in (b"from", b"to", b"cc", b"reply-to") if field in fields])
                    self.assertEqual([address for _, address in named if "victim" in address], [])
                    self.assertNotIn(b"victim", fields.get(b"references", b"") + fields.get(b"in-reply-to", b""))
                    self.assertEqual(octets.lower().count(b"\r\nbcc:"), 0)
                    for line in octets.partition(b"\r\n\r\n")[0].split(b"\r\n"):
                        self.assertLessEqual(len(line), 400)
                self.hides(mails[1])
        self.assertEqual(sorted(refused), ["id with CR", "id with NUL", "references with CR"])
        rcpts = [c for taken in self.desk.mx.connections for c in taken.commands if c.upper().startswith(b"RCPT")]
        self.assertEqual([c for c in rcpts if b"victim" in c], [])

    def hides(self, octets):
        """What is nobody's business but ours."""
        mail = email.message_from_bytes(unstuffed(octets), policy=email.policy.default)
        whole = unstuffed(octets) + b"".join(part.get_payload(decode=True) or b"" for part in mail.walk() if not part.is_multipart())
        for secret in (self.SECRET_AGENT, "agents.example", self.SECRET_OTHER, "thirdparty.example", "127.0.0.1", "127.77", "localhost",
                       str(self.desk.replyd.dir), "sara.private"):
            self.assertNotIn(secret.encode(), whole)

    def test_what_a_participant_wrote_is_not_shown_to_the_contact(self):
        with self.probe("leak"):
            to = "amy@honest.example"
            conversation = self.desk.conversation(to)
            self.deliver(self.SECRET_OTHER, conversation["reply_address"], hostile_mail(
                conversation["reply_address"], self.SECRET_OTHER, [(b"From", b"Bob Other <" + self.SECRET_OTHER.encode() + b">"),
                                                                   (b"Cc", b"carol.cc@thirdparty.example")], b"My secret words.\r\n"))
            until("it is filed", lambda: [m for m in self.desk.good("GET", f"/api/v1/conversations/{conversation['id']}")["messages"]
                                          if m["via"] == "email"])
            self.desk.answer(conversation, "For Amy alone.", agent=self.SECRET_AGENT)
            octets, = self.desk.mailed(to)
            self.hides(octets)
            self.assertNotIn(b"secret words", octets)
            self.assertNotIn(b"Bob Other", octets)

    def test_a_field_added_to_a_signed_mail_breaks_both_signatures(self):
        with self.probe("oversigned"):
            self.desk.answer(self.desk.conversation("amy2@honest.example"))
            octets, = self.desk.mailed("amy2@honest.example")
            raw = unstuffed(octets)
            self.assertEqual(self.signatures(raw), [True, True])
            # Not Sender and List-*: groups that pass a mail on as it is add those.
            for field in (b"From", b"Reply-To", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References",
                          b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"):
                added = field + b": evil@evil.example\r\n"
                head, _, body = raw.partition(b"\r\n\r\n")
                for forged in (added + raw, head + b"\r\n" + added + b"\r\n" + body):
                    self.assertEqual(self.signatures(forged), [False, False], field)
            self.assertEqual(self.signatures(raw + b"More.\r\n"), [False, False])

    def test_no_key_is_told_to_anyone(self):
        with self.probe("keys"):
            self.desk.answer(self.desk.conversation("amy3@honest.example"))
            self.desk.mailed("amy3@honest.example")
            shown = self.desk.log() + json.dumps(self.desk.good("GET", "/api/v1/queue?limit=200"))
            with urllib.request.urlopen(f"http://127.0.0.1:{self.desk.replyd.http_port}/metrics") as metrics:
                shown += metrics.read().decode()
            shown += b"".join(octets for taken in self.desk.mx.connections for octets in taken.mails).decode("latin-1")
            for pem in (self.rsa, self.edwards):
                lines = [line for line in pem.decode().splitlines() if line and "-----" not in line]
                for line in lines:
                    self.assertNotIn(line, shown)
            self.assertNotIn("PRIVATE KEY", shown)


TWO_MORE = """
[[account.inbox]]
name = "web"
channel = "api"
address = "web@reply.example"
offline_delay = "0 s"
unseen_delay = "0 s"
[[account]]
name = "bolt"
inbound_domain = "reply.bolt.example"
[[account.inbox]]
name = "support"
channel = "email"
address = "support@bolt.example"
"""
AGENT = "sara@agents.example"


def report(to, recipient, status="5.1.1", action="failed", diagnostic="smtp; 550 no such user", original="", kind="delivery-status"):
    """A DSN as any host could write it."""
    return (f"From: MAILER-DAEMON@evil.example\r\nTo: {to}\r\nSubject: Undelivered {random_word()}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: multipart/report; report-type={kind}; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nfailed\r\n"
            f"--b\r\nContent-Type: message/{kind}\r\n\r\nReporting-MTA: dns; mx.evil.example\r\n\r\n"
            f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: {diagnostic}\r\n\r\n"
            f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{original}>\r\nTo: {recipient}\r\nSubject: x\r\n\r\nx\r\n--b--\r\n").encode()


def complaint(to, recipient, original=""):
    return (f"From: fbl@evil.example\r\nTo: {to}\r\nSubject: complaint {random_word()}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nspam\r\n"
            "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
            f"Original-Rcpt-To: {recipient}\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{original}>\r\n\r\nx\r\n--b--\r\n").encode()


def letter(sender, to, extra="", text="Hello."):
    return (f"From: Somebody <{sender}>\r\nTo: {to}\r\nSubject: Re: Broken kettle\r\nMessage-ID: <{random_word()}@honest.example>\r\n"
            f"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n{extra}\r\n{text} {random_word()}\r\n").encode()


class Looping(Probing):
    """Rows 145 to 160, once more with everything that answers."""

    @classmethod
    def setUpClass(cls):
        cls.key, public = rsa_key()
        cls.OPTIONS = {"extra": 'link_life = "3 s"\nattachments_max = "1 KiB"\n' + ROOMY, "inbox": TWO_MORE, "records": {
            "s1._domainkey.agents.example": f"v=DKIM1; k=rsa; p={public}", "_dmarc.agents.example": "v=DMARC1; p=none",
            "s1._domainkey.evil.example": f"v=DKIM1; k=rsa; p={public}"}}
        super().setUpClass()
        cls.desk.host("agents.example", {})
        cls.desk.good("POST", "/api/v1/agents", {"account": "acme", "email": AGENT, "name": "Sara"})

    def deliver(self, to, octets, sender="<jane@honest.example>"):
        with Wire(self.desk.replyd.port) as wire:
            wire.hello()
            for command in (f"MAIL FROM:{sender}", f"RCPT TO:<{to}>", "DATA"):
                reply = wire.command(command.encode())
                if reply[:1] not in "23":
                    return reply
            reply = wire.send(re.sub(rb"(?m)^\.", b"..", octets) + b"\r\n.\r\n").reply()
        if reply.startswith("250"):
            self.settled()
        return reply

    def settled(self):
        """Everything offered has been filed."""
        until("mails are filed", lambda: all(e["outcome"] != "accepted" for e in self.desk.good("GET", "/api/v1/inbound?limit=50")["items"]))

    def outcome(self, to):
        found = self.desk.good("GET", "/api/v1/inbound?limit=1&query=" + to.replace("+", "%2B"))["items"]
        return found[0] if found else None

    def mailed_out(self):
        return len(self.queue())

    def queue(self):
        entries, cursor = [], None
        while True:
            page = self.desk.good("GET", "/api/v1/queue?limit=200" + (f"&cursor={cursor}" if cursor else ""))
            entries += page["items"]
            cursor = page["next"]
            if not cursor:
                return entries

    def show(self, conversation):
        return self.desk.good("GET", f"/api/v1/conversations/{conversation['id']}")

    def answered(self, email, **fields):
        """A conversation with an answer at the customer's host: it, the mail, its queue entry."""
        conversation = self.desk.conversation(email, **fields)
        self.desk.answer(conversation)
        raw = unstuffed(self.desk.mailed(email)[0])
        entry = [e for e in self.desk.entries(conversation) if e["kind"] == "answer"][0]
        return conversation, raw, self.desk.ended(entry["id"])

    def reverse_path(self, entry):
        commands = [c.decode() for taken in self.desk.mx.connections for c in taken.commands]
        at = commands.index(f"RCPT TO:<{entry['recipient']}>\r\n")
        return re.search(r"<(bounce\+[0-9a-f]+@[^>]+)>", commands[at - 1])[1]

    MACHINES = {
        "vacation": ("Auto-Submitted: auto-replied (vacation)\r\n", "I am away."),
        "generated": ("Auto-Submitted: auto-generated; x=y\r\n", "Ticket 5 was opened."),
        "folded": ("Auto-Submitted:\r\n auto-replied\r\n", "I am away."), "case": ("AUTO-SUBMITTED: AUTO-REPLIED\r\n", "away"),
        "x-autoreply": ("X-Autoreply: yes\r\n", "away"), "x-autorespond": ("X-Autorespond: I am away\r\n", "away"),
        "precedence": ("Precedence: auto_reply\r\n", "away"), "bulk": ("Precedence: bulk\r\nX-Autoresponder: 1\r\n", "away"),
        "x-loop": ("X-Loop: yes\r\n", "away"), "machine": ("X-FC-MachineGenerated: true\r\n", "away"),
        "list": ("List-Id: <a.example>\r\nList-Unsubscribe: <mailto:x@y>\r\nPrecedence: list\r\n", "News"),
        "english": ("Subject: Automatic reply: Broken kettle\r\n", "I am currently out of the office and will return on Monday."),
        "german": ("Subject: Automatische Antwort: Broken kettle\r\n", "Ich bin derzeit nicht im Büro."),
        "null path": ("", "I am on vacation."),
    }

    def test_a_machines_mail_causes_no_mail_and_reopens_nothing(self):
        for name, (extra, text) in self.MACHINES.items():
            with self.probe(name):
                email = f"m{random_word()}@honest.example"
                conversation, _, _ = self.answered(email)
                self.desk.good("PATCH", f"/api/v1/conversations/{conversation['id']}", {"status": "resolved"})
                before = self.mailed_out()
                octets = letter(email, conversation["reply_address"], extra, text)
                if "Subject" in extra:
                    octets = octets.replace(b"Subject: Re: Broken kettle\r\n", b"", 1)
                for _ in range(3):
                    reply = self.deliver(conversation["reply_address"], octets.replace(b"Message-ID: <", b"Message-ID: <" + random_word().encode()),
                                         "<>" if name == "null path" else f"<{email}>")
                    self.assertTrue(reply.startswith("250"), reply)
                self.assertEqual(self.mailed_out(), before, "a machine's mail caused a mail")
                self.assertEqual(self.show(conversation)["status"], "resolved")
                # A person's does both.
                self.deliver(conversation["reply_address"], letter(email, conversation["reply_address"], text="Hello again."), f"<{email}>")
                self.assertEqual((self.mailed_out(), self.show(conversation)["status"]), (before + 1, "open"))

    def test_our_own_mail_comes_back(self):
        email = "jane@honest.example"
        conversation, raw, entry = self.answered(email)
        before, talks = self.mailed_out(), len(self.desk.good("GET", "/api/v1/conversations?limit=200")["items"])
        known = len(self.show(conversation)["messages"])
        bare = re.sub(rb"(?m)^X-Replyd-Loop:.*\r\n", b"", raw)
        returned = {"as it is": raw, "behind another host": b"Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0000\r\n" + raw,
                    "without its mark": bare, "without its id": re.sub(rb"(?m)^Message-ID:.*\r\n", b"Message-ID: <x@y>\r\n", raw),
                    "with neither": re.sub(rb"(?m)^Message-ID:.*\r\n", b"Message-ID: <x@y>\r\n", bare),
                    "from the reply address": re.sub(rb"(?m)^From:.*\r\n", b"From: <" + conversation["reply_address"].encode() + b">\r\n", bare)}
        for name, octets in returned.items():
            for to in ("support@reply.example", conversation["reply_address"], self.reverse_path(entry)):
                with self.probe(f"{name} {to[:7]}"):
                    self.deliver(to, octets + random_word().encode(), "<bounce+1@reply.example>")
                    self.assertEqual(self.mailed_out(), before, name)
                    self.assertEqual([m["author"]["kind"] for m in self.show(conversation)["messages"][known:] if m["author"]["kind"] == "contact"], [])
                before = self.mailed_out()
        self.assertEqual(self.show(conversation)["contact"]["email"], email)

    def test_mail_to_ourselves_ends(self):
        self.desk.replyd.zone.records["reply.example"] = {"MX": ["mx.reply.example"]}
        for email in ("support@reply.example", "web@reply.example", self.desk.conversation("amy@honest.example")["reply_address"]):
            with self.probe(email[:8]):
                conversation = self.desk.conversation(email)
                self.desk.answer(conversation)
                entry = self.desk.entries(conversation)[0]
                self.assertEqual(self.desk.ended(entry["id"])["state"], "failed")

    def test_forged_reports_change_nothing(self):
        email = "victim@honest.example"
        conversation, raw, entry = self.answered(email)
        token = self.reverse_path(entry)
        ours = re.search(rb"Message-ID: <(.*)>", raw)[1].decode()
        local, domain = token.split("@")
        flipped = local[:-1] + ("0" if local[-1] != "0" else "1")
        with self.probe("tokens that are not ours"):
            for to in (f"{flipped}@{domain}", f"bounce+{'0' * 48}@{domain}", f"bounce+{'f' * 48}@{domain}", f"{local[:-2]}@{domain}",
                       f"{local}00@{domain}", f"{local}@reply.bolt.example", f"bounce+{local[7:23]}{'0' * 32}@{domain}"):
                self.assertTrue(self.deliver(to, report(to, email, original=ours), "<>").startswith("550"), to)
        with self.probe("reports elsewhere"):
            for to in ("support@reply.example", conversation["reply_address"], "postmaster@reply.example"):
                for octets in (report(to, email, original=ours), complaint(to, email, ours)):
                    for sender in ("<>", "<fbl@evil.example>"):
                        self.deliver(to, octets.replace(b"x\r\n--b--", random_word().encode() + b"\r\n--b--"), sender)
        with self.probe("a report at the token of another's mail"):
            other, _, mine = self.answered("eve@honest.example")
            self.deliver(self.reverse_path(mine), report("x", email, original=ours), "<>")
            self.deliver(self.reverse_path(mine), complaint("x", email, ours), "<>")
        self.assertEqual(self.desk.entry(entry["id"])["state"], "delivered")
        self.assertIsNone(self.show(conversation)["contact"]["bounced"])
        suppressed = {row["email"] for row in self.desk.good("GET", "/api/v1/suppressions")["items"]}
        self.assertNotIn(email, suppressed)
        self.desk.answer(conversation, "Still there?")
        self.desk.mailed(email, 2)

    def test_a_report_at_its_token_counts_once(self):
        email = "gone@honest.example"
        conversation, _, entry = self.answered(email)
        token = self.reverse_path(entry)
        with self.probe("taken"):
            octets = report(token, email)
            self.assertTrue(self.deliver(token, octets, "<>").startswith("250"))
            self.assertEqual(self.desk.entry(entry["id"])["state"], "failed")
            self.assertIsNotNone(self.show(conversation)["contact"]["bounced"])
            self.assertIn(email, {row["email"] for row in self.desk.good("GET", "/api/v1/suppressions")["items"]})
        with self.probe("replayed"):
            messages = len(self.show(conversation)["messages"])
            self.deliver(token, octets, "<>")
            self.deliver(token.upper().replace("@REPLY.EXAMPLE", "@reply.example"), octets, "<>")
            self.assertEqual(len(self.show(conversation)["messages"]), messages, "the same octets again are a duplicate")
        with self.probe("an answer after it says why it is not sent"):
            self.desk.answer(conversation, "Hello?")
            entry = self.desk.ended(self.desk.latest_answer(conversation)["id"])
            self.assertEqual(entry["state"], "failed")

    def test_tricks_in_reports(self):
        email = "tricks@honest.example"
        _, _, entry = self.answered(email)
        token = self.reverse_path(entry)
        many = "".join(f"\r\nFinal-Recipient: rfc822; r{n}@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n" for n in range(100_000))
        nested = report(token, email)
        for _ in range(30):
            nested = report(token, email).replace(b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: message/rfc822\r\n\r\n" + nested)
        for name, octets in {
            "100,000 recipients": report(token, "x@y.example").replace(b"--b\r\nContent-Type: message/rfc822", many.encode() + b"\r\n--b\r\nContent-Type: message/rfc822"),
            "1 MB diagnostic": report(token, "x@y.example", diagnostic="smtp; " + "x " * 500_000),
            "HTML": report(token, "x@y.example", diagnostic="smtp; <script>alert(1)</script>"),
            "controls": report(token, "x@y.example", diagnostic="smtp; \x1b[2J\x07\u202e"),
            "status 5.999999.1": report(token, email, status="5.999999.1"), "status 9.9.9": report(token, email, status="9.9.9"),
            "status -1": report(token, email, status="5.-1.-1"), "action": report(token, email, action="x" * 10000),
            "nested": nested, "recipient that is none": report(token, "rfc822;;;@@@\x1b"),
        }.items():
            with self.probe(name):
                reply = self.deliver(token, octets, "<>")
                self.assertIn(reply[:3], ("250", "550", "552", "554", "500"))
                entry = self.desk.entry(entry["id"])
                self.assertLess(len(entry["reason"] or ""), 4096)
                self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", entry["reason"] or ""), entry["reason"])

    def signed(self, octets, domain=b"agents.example"):
        return dkim.sign(octets, b"s1", domain, self.key, include_headers=[b"from", b"to", b"subject", b"message-id"]) + octets

    def told(self):
        """A conversation that an agent was told of, and the agent's reply address."""
        email = f"c{random_word()}@honest.example"
        conversation = self.desk.conversation(email)
        self.deliver(conversation["reply_address"], letter(email, conversation["reply_address"]), f"<{email}>")
        entry = until("the agent is told", lambda: [e for e in self.desk.entries(conversation) if e["kind"] == "notification"])[0]
        self.desk.ended(entry["id"])
        host = self.desk.replyd.zone.records["mx.agents.example"]["A"][0]
        raw = [mail for mail in self.desk.mx.mails(host) if entry["message_id"].encode() in mail][0]
        return email, conversation, re.search(rb"Reply-To:[^<]*<([^>]+)>", raw)[1].decode()

    def test_nobody_else_is_an_agent(self):
        email, conversation, token = self.told()
        forged = {
            "unsigned": letter(AGENT, token, text="#resolve\r\n\r\nForged answer."),
            "signed by another domain": self.signed(letter(AGENT, token, text="Forged answer."), b"evil.example"),
            "two From fields": self.signed(letter(AGENT, token, text="Forged answer.")).replace(b"From:", b"From: eve@evil.example\r\nFrom:", 1),
            "two From fields, the other way": b"From: " + AGENT.encode() + b"\r\n" + self.signed(letter("eve@evil.example", token, text="Forged answer."), b"evil.example"),
            "two authors": self.signed(letter(f"eve@evil.example>, Sara <{AGENT}", token, text="Forged answer."), b"evil.example"),
            "a name that looks like it": self.signed(letter("eve@evil.example", token, text="Forged answer.").replace(b"Somebody", b'"' + AGENT.encode() + b'"'), b"evil.example"),
            "a subdomain": self.signed(letter("sara@sub.agents.example", token, text="Forged answer.")),
            "Sender is the agent": letter("eve@evil.example", token, f"Sender: {AGENT}\r\nReply-To: {AGENT}\r\n", "Forged answer."),
            "results of a stranger": letter(AGENT, token, "Authentication-Results: mx.reply.example; dkim=pass header.d=agents.example; spf=pass; dmarc=pass\r\n"
                                            "ARC-Authentication-Results: i=1; mx.reply.example; dmarc=pass\r\n", "Forged answer."),
            "body after the signature": self.signed(letter(AGENT, token, text="x")) + b"Forged answer.\r\n",
            "a group": self.signed(letter(AGENT, token, text="Forged answer.")).replace(f"Somebody <{AGENT}>".encode(), f"a: {AGENT};".encode()),
        }
        for name, octets in forged.items():
            for sender in (f"<{AGENT}>", "<>", "<eve@evil.example>"):
                with self.probe(f"{name} {sender}"):
                    reply = self.deliver(token, octets, sender)
                    self.assertTrue(reply.startswith(("550", "554", "451")), reply)
            for to in (conversation["reply_address"], "support@reply.example"):
                self.deliver(to, octets.replace(token.encode(), to.encode()) + random_word().encode() + b"\r\n", f"<{AGENT}>")
        after = self.show(conversation)
        self.assertEqual(after["status"], "open")
        self.assertEqual([m for m in after["messages"] if m["direction"] == "outgoing" and m["via"] == "email"], [])
        self.assertEqual([m for m in self.desk.mx.mails("127.77.0.2") if b"Forged answer" in m and email.encode() in m], [])
        with self.probe("the agent"):
            self.assertTrue(self.deliver(token, self.signed(letter(AGENT, token, text="Real answer.")), f"<{AGENT}>").startswith("250"))
            mail, = self.desk.mailed(email)
            self.assertIn(b"Real answer.", mail)
            self.assertNotIn(b"agents.example", mail)
        with self.probe("the agent's answer, replayed"):
            octets = self.signed(letter(AGENT, token, text="Twice."))
            for _ in range(3):
                self.deliver(token, octets, f"<{AGENT}>")
            self.desk.mailed(email, 2)
            time.sleep(0.5)
            self.assertEqual(len(self.desk.mailed(email, 2)), 2)
        with self.probe("the agent's own machine"):
            before = self.mailed_out()
            for extra in ("Auto-Submitted: auto-replied\r\n", "X-Autoreply: yes\r\n", "Precedence: auto_reply\r\n"):
                self.deliver(token, self.signed(letter(AGENT, token, extra, "I am away.")), f"<{AGENT}>")
                self.deliver("support@reply.example", self.signed(letter(AGENT, token, extra + f"In-Reply-To: <{self.desk.entries(conversation)[0]['message_id']}>\r\n", "I am away.")), f"<{AGENT}>")
            self.assertEqual(self.mailed_out(), before)
        with self.probe("a removed agent"):
            agent, = [a for a in self.desk.good("GET", "/api/v1/agents")["items"] if a["email"] == AGENT]
            self.desk.call("DELETE", f"/api/v1/agents/{agent['id']}")
            try:
                self.assertTrue(self.deliver(token, self.signed(letter(AGENT, token, text="Late.")), f"<{AGENT}>").startswith("550"))
            finally:
                self.desk.good("POST", "/api/v1/agents", {"account": "acme", "email": AGENT, "name": "Sara"})

    def test_ids_and_tokens_of_one_account_open_nothing_of_another(self):
        email = "eve@honest.example"
        theirs, raw, entry = self.answered("zoe@honest.example")
        ours = re.search(rb"Message-ID: <(.*)>", raw)[1].decode()
        with self.probe("Message-ID"):
            self.deliver("support@bolt.example", letter("zoe@honest.example", "support@bolt.example", f"In-Reply-To: <{ours}>\r\nReferences: <{ours}>\r\n"))
            entry = self.outcome("support@bolt.example")
            self.assertEqual((entry["account"], entry["conversation_id"] == theirs["id"]), ("bolt", False))
        with self.probe("10,000 references"):
            many = "\r\n ".join(f"<{n}@x.example>" for n in range(10_000))
            self.deliver("support@reply.example", letter(email, "support@reply.example", f"References: {many}\r\n <{ours}>\r\n"))
        with self.probe("a stranger's answer to our id begins anew"):
            self.deliver("support@reply.example", letter(email, "support@reply.example", f"In-Reply-To: <{ours}>\r\n"), f"<{email}>")
            self.assertNotEqual(self.outcome("support@reply.example")["conversation_id"], theirs["id"])
        with self.probe("API tokens"):
            token = self.desk.good("POST", "/api/v1/tokens", {"account": "bolt"})["token"]
            for method, path, body in (("GET", f"/api/v1/conversations/{theirs['id']}", None), ("GET", f"/api/v1/queue/{self.desk.entries(theirs)[0]['id']}", None),
                                       ("POST", f"/api/v1/queue/{self.desk.entries(theirs)[0]['id']}/retry", b"{}"),
                                       ("POST", f"/api/v1/conversations/{theirs['id']}/messages", json.dumps(said()).encode()),
                                       ("GET", f"/api/v1/queue?conversation={theirs['id']}", None),
                                       ("DELETE", "/api/v1/suppressions?account=acme&email=zoe@honest.example", None),
                                       ("POST", "/api/v1/agents", json.dumps({"account": "acme", "email": "x@evil.example", "name": "x"}).encode())):
                status, answer = self.public(path, method, body, {"authorization": f"Bearer {token}", "content-type": "application/json"})
                self.assertTrue(status in (403, 404) or json.loads(answer).get("items") == [], (method, path, status, answer))

    def public(self, path, method="GET", body=None, headers=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.desk.replyd.http_port}{path}", body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                self.answer_headers = dict(answer.headers.items())
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            self.answer_headers = dict(error.headers.items())
            return error.code, error.read()

    def test_only_a_person_who_posts_unsubscribes(self):
        email = "stop@honest.example"
        conversation, raw, entry = self.answered(email, inbox="web")
        other = self.answered("go@honest.example", inbox="web")[2]
        url = re.search(rb"List-Unsubscribe:\s+<([^>]+)>", raw)[1].decode()
        path = url.split(str(self.desk.replyd.http_port), 1)[1]
        self.assertIn(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", raw)
        suppressed = lambda: {row["email"] for row in self.desk.good("GET", "/api/v1/suppressions")["items"]}
        form = {"content-type": "application/x-www-form-urlencoded"}
        one_click = b"List-Unsubscribe=One-Click"
        with self.probe("GET and HEAD change nothing"):
            for method in ("GET", "HEAD", "GET"):
                self.assertEqual(self.public(path, method)[0], 200)
            self.assertNotIn(email, suppressed())
        with self.probe("links that are not ours"):
            head, signature = path.split("signature=")
            for forged in (head + "signature=" + "0" * len(signature), head + "signature=", head, path.replace(entry["id"], other["id"]), path + "0",
                           path.replace("signature", "until=9&signature").replace("/unsubscribe/", "/attachments/")):
                self.assertIn(self.public(forged, "POST", one_click, form)[0], (404, 405), forged)
            for body in (b"", b"x=y", b"List-Unsubscribe=", b"a" * 100_000):
                self.assertEqual(self.public(path, "POST", body, form)[0], 422, body[:30])
            self.assertFalse({email, "go@honest.example"} & suppressed())
        with self.probe("one click"):
            for _ in range(2):
                self.assertEqual(self.public(path, "POST", one_click, form)[0], 200)
            # One click is about its chat (product rule: the chat turns it on again), not about the address.
            self.assertFalse({email, "go@honest.example"} & suppressed())
            reason = lambda: self.desk.good("GET", f"/api/v1/conversations/{conversation['id']}")["continuity"]["reason"]
            self.desk.answer(conversation, "Still?")
            until("it is not sent", lambda: "turned mail off" in reason())

    def test_links_to_files_are_theirs_and_end(self):
        email = "files@honest.example"
        conversation = self.desk.conversation(email)
        page = base64.b64encode(b"<script>alert(1)</script>" * 100).decode()
        self.desk.answer(conversation, attachments=[{"name": "evil.html", "type": "text/html", "content": page}])
        raw = unstuffed(self.desk.mailed(email)[0])
        plain = email_of(raw).get_body(("plain",)).get_content()
        path = re.search(r"http://127\.0\.0\.1:\d+(/attachments/\S+)", plain)[1]
        with self.probe("opens"):
            status, content = self.public(path)
            self.assertEqual((status, content), (200, base64.b64decode(page)))
            headers = {name.lower(): value for name, value in self.answer_headers.items()}
            self.assertTrue(headers["content-disposition"].startswith("attachment"))
            self.assertEqual((headers["x-content-type-options"], headers["content-type"]), ("nosniff", "application/octet-stream"))
        with self.probe("forged"):
            number, until_, signature = re.search(r"/attachments/([^?]+)\?until=(\d+)&signature=(\w+)", path).groups()
            for forged in (f"/attachments/{number}?until={int(until_) + 9999}&signature={signature}", f"/attachments/{number}?until={until_}&signature={'0' * len(signature)}",
                           f"/attachments/{number}", f"/attachments/{number}?until=9223372036854775807&signature={signature}", f"/attachments/{number}?until=-1&signature={signature}",
                           f"/attachments/{number[:-1]}a?until={until_}&signature={signature}", f"/attachments/{number}?until={until_}&signature={signature}&until=1",
                           f"/attachments/..%2f..%2fetc%2fpasswd?until={until_}&signature={signature}", f"/unsubscribe/{number}?signature={signature}"):
                self.assertEqual(self.public(forged)[0], 404, forged)
            for method in ("POST", "DELETE", "PUT"):
                self.assertEqual(self.public(path, method, b"")[0], 405)
        with self.probe("ended"):
            until("the link ends", lambda: self.public(path)[0] == 410)


def email_of(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


class TwoDesks(unittest.TestCase):
    """Two desks that are each other's agents and customers: nobody answers for ever."""

    def setUp(self):
        ports = {}
        self.desks = []
        records = {"reply.example": {"MX": ["mx.a.example"]}, "desk-b.example": {"MX": ["mx.b.example"]}}
        for name, other in (("a", "desk-b.example"), ("b", "reply.example")):
            replyd = Replyd(dict(records), extra=ROOMY)
            self.addCleanup(replyd.close)
            ports[name] = replyd.port
            self.desks.append(replyd)
        for replyd, own, peer_port in ((self.desks[0], "reply.example", ports["b"]), (self.desks[1], "desk-b.example", ports["a"])):
            replyd.stop()
            text = replyd.config.read_text().replace("reply.example", own).replace("[limits]", f"[outbound]\nport = {peer_port}\nallow_private = true\n[limits]")
            replyd.config.write_text(text)
            for domain in ("a", "b"):
                replyd.zone.records[f"mx.{domain}.example"] = {"A": ["127.0.0.1"]}
            replyd.start()

    def mails(self):
        return [len(replyd.command("queue", "list")["items"]) for replyd in self.desks]

    def settled(self):
        """The count of mails when nothing has moved for a while."""
        last, since, begun = None, time.monotonic(), time.monotonic()
        while time.monotonic() - since < 3 and time.monotonic() - begun < 40:
            now = self.mails()
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.2)
        return last

    def test_two_desks_that_are_each_others_agents(self):
        a, b = self.desks
        a.command("agent", "add", "support@desk-b.example", "--name", "B", "--account", "acme")
        b.command("agent", "add", "support@reply.example", "--name", "A", "--account", "acme")
        with smtplib.SMTP("127.0.0.1", a.port) as client:
            client.sendmail("jane@honest.example", ["support@reply.example"], letter("jane@honest.example", "support@reply.example"))
        self.assertIn(sum(self.settled()), range(1, 5), self.mails())

    def test_a_desk_that_writes_to_a_desk(self):
        a, b = self.desks
        a.command("agent", "add", "support@desk-b.example", "--name", "B", "--account", "acme")
        b.command("agent", "add", "support@reply.example", "--name", "A", "--account", "acme")
        conversation = a.conversation("support@desk-b.example")
        a.command("conversation", "reply", conversation["id"], "--text", "Please call back.")
        first = self.settled()
        self.assertIn(sum(first), range(1, 5), first)
        talks = b.command("conversation", "list")["items"]
        self.assertEqual(len(talks), 1, "the other desk has a person's mail")
        b.command("conversation", "reply", talks[0]["id"], "--text", "We did.")
        until("the answer is back", lambda: [m for m in a.messages(conversation) if m["via"] == "email" and "We did." in m["text"]])
        self.assertLessEqual(sum(self.settled()), 8)


class Killed(Probing):
    """SIGKILL and SIGTERM while a host has the daemon at one step."""

    OPTIONS = {"extra": ROOMY + 'drain_timeout = "1 s"\n'}

    def check(self, step, number):
        domain = f"{step}{number}.example"
        host = self.desk.host(domain, {"ehlo": WITH_TLS if step == "starttls" else OFFER, step: [SILENCE, *[
            {"banner": b"220 mx ESMTP\r\n", "ehlo": OFFER, "starttls": b"454 no\r\n", "data": b"354 go\r\n"}.get(step, b"250 ok\r\n")]]})
        reached = self.desk.mx.reached[(host, step)] = threading.Event()
        entry = self.desk.send(f"jane@{domain}")
        self.assertTrue(reached.wait(PATIENCE), step)
        before = len(self.desk.mx.mails(host))
        if step == "dot":
            until("it is noted", lambda: self.desk.entry(entry)["phase"] == "data_sent")
        begun = time.monotonic()
        self.desk.replyd.process.send_signal(number)
        code = self.desk.replyd.process.wait(PATIENCE)
        self.assertLess(time.monotonic() - begun, 10, "a host that is silent keeps the daemon from ending")
        if number == signal.SIGTERM:
            self.assertEqual(code, 0)
        self.desk.replyd.start()

        def delivered():
            now = self.desk.entry(entry)
            if now["state"] == "deferred" and now["phase"] is None:
                self.desk.call("POST", f"/api/v1/queue/{entry}/retry")
            return now if now["state"] == "delivered" else None
        now = until(f"{step} {number}: it is delivered after all", delivered)
        mails = self.desk.mx.mails(host)
        self.assertEqual(now["uncertain"], step == "dot", now)
        self.assertEqual(len(mails) - before, 1)
        self.assertEqual(len({bytes(mail) for mail in mails}), 1, "octets differ")
        self.assertEqual(len(mails), 2 if step == "dot" else 1)
        self.assertEqual(faults(mails[0]), [])

    def test_each_step_and_signal(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            for step in ("banner", "ehlo", "starttls", "mail", "rcpt", "data", "dot"):
                with self.probe(f"{number.name} at {step}"):
                    self.check(step, number)


class Smarthost(unittest.TestCase):
    """Row 176: the password goes to nobody but the smarthost, and to no log."""

    PASSWORD = "hunter2-" + random_word()

    def site(self, script, tls="required", host="mx.reply.example", trusted=True, auth=b"AUTH PLAIN LOGIN"):
        self.mx = EvilMx()
        self.addCleanup(self.mx.close)
        offer = b"250-mx\r\n250-STARTTLS\r\n250 " + auth + b"\r\n"
        self.mx.scripts["127.0.0.1"] = {"ehlo": offer, **script}
        folder = pathlib.Path(tempfile.mkdtemp(prefix="replyd-smarthost-"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=smart.example",
                        "-addext", "subjectAltName=DNS:smart.example", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", folder / "key", "-out", folder / "crt"],
                       check=True, capture_output=True)
        self.mx.certificate = (folder / "crt", folder / "key")
        trust = f'ca_file = "{folder}/crt"\n' if trusted else ""
        replyd = Replyd({"smart.example": {"A": ["127.0.0.1"]}, "other.example": {"A": ["127.0.0.1"]}}, extra=(
            f'[outbound]\nroute = "smarthost"\nhost = "{host}"\nport = {self.mx.port}\nallow_private = true\ntls = "{tls}"\nusername = "desk"\n'
            f'password = "{self.PASSWORD}"\n{trust}{ROOMY}'))
        self.addCleanup(replyd.close)
        conversation = replyd.conversation("jane@honest.example")
        replyd.command("conversation", "reply", conversation["id"], "--text", "Does it boil?")

        def ended():
            delivery = replyd.messages(conversation)[-1]["delivery"]
            return delivery if delivery["attempts"] and delivery["state"] not in ("waiting", "queued") else None
        delivery = until("an attempt", ended)
        shown = (replyd.dir / "log").read_text() + json.dumps(replyd.command("queue", "list")) + json.dumps(delivery)
        for entry in replyd.command("queue", "list")["items"]:
            shown += json.dumps(replyd.command("queue", "show", entry["id"]))
        for secret in (self.PASSWORD, base64.b64encode(self.PASSWORD.encode()).decode(), base64.b64encode(f"\0desk\0{self.PASSWORD}".encode()).decode()):
            self.assertNotIn(secret, shown)
        self.assertIsNone(replyd.process.poll())
        clear = b"".join(c for taken in self.mx.connections if not taken.tls for c in taken.commands)
        self.assertNotIn(b"AUTH", clear.upper())
        return delivery

    def test_what_a_smarthost_does(self):
        echo = lambda session: session.request.sendall(b"535 5.7.8 " + session.taken.commands[-1].strip() + b" " + self.PASSWORD.encode() + b" is wrong\r\n")
        for name, state, script, options in (
            ("takes it", "delivered", {}, {}),
            ("another name", "deferred", {}, {"host": "other.example"}),
            ("unknown authority", "deferred", {}, {"trusted": False}),
            ("STARTTLS taken away", "deferred", {"ehlo": b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n"}, {}),
            ("STARTTLS refused", "deferred", {"starttls": b"454 no\r\n"}, {}),
            ("STARTTLS with injection", "deferred", {"starttls": b"220 go\r\n235 ok\r\n"}, {}),
            ("garbage for TLS", "deferred", {"starttls": then_close(b"220 go\r\n")}, {}),
            ("wrong password", "deferred", {"auth": echo}, {}),
            ("no AUTH", "deferred", {}, {"auth": b"HELP"}),
            ("unknown AUTH", "deferred", {}, {"auth": b"AUTH GSSAPI"}),
            ("AUTH wants more", "deferred", {"auth": b"334 bW9yZQ==\r\n"}, {}),
            ("AUTH floods", "deferred", {"auth": flood(b"334 " + b"A" * 65536, 10)}, {}),
            ("SCRAM of nonsense", "deferred", {"auth": b"334 cj14LHM9eCxpPTk5OTk5OTk5OTk=\r\n"}, {"auth": b"AUTH SCRAM-SHA-256"}),
            ("SCRAM without proof", "deferred", {"auth": b"235 ok\r\n"}, {"auth": b"AUTH SCRAM-SHA-256"}),
            ("530", "deferred", {"mail": b"530 authenticate first\r\n"}, {}),
        ):
            with self.subTest(name):
                delivery = self.site(script, **{"host": "smart.example", **options})
                self.assertEqual(delivery["state"], state, delivery)


if __name__ == "__main__":
    unittest.main()
