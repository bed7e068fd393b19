"""What an attacker works with: a bare socket, the owner's view of the ledger, and the canary that ends every probe."""

import http.client
import json
import os
import re
import socket
import ssl
import time
import unittest

from harness import PATIENCE, Replyd, until

KEPT = ("accepted", "filed", "duplicate", "failed")
HEADER = b"From: Amy <amy@nowhere.example>\r\nTo: x@reply.example\r\nSubject: hostile\r\n\r\n"
END = b"\r\n.\r\n"
CANARY_SECONDS = 5
MEMORY_OCTETS_MAX = 400 << 20
ROOMY = """[limits]
sessions_per_client = 1000
sessions_per_network = 1000
connections_per_minute = 1000000
mails_per_minute = 1000000
recipients_per_minute = 1000000
mails_per_session = 100000
"""


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Wire:
    """One connection, octets as they are."""

    def __init__(self, port, source=None, greet=True, family=socket.AF_INET):
        if family == socket.AF_UNIX:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(str(port))
        else:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=source and (source, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)
        return self

    def line(self):
        """The next line, or what came before the end; b"" at the end."""
        while b"\n" not in self.rest:
            try:
                octets = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                octets = b""
            if not octets:
                line, self.rest = self.rest, b""
                return line
            self.rest += octets
        line, _, self.rest = self.rest.partition(b"\n")
        return line + b"\n"

    def reply(self):
        """The last line of one reply as text, "" if the peer closed."""
        while True:
            line = self.line().decode("utf-8", "backslashreplace").rstrip("\r\n")
            if line[3:4] != "-":
                return line

    def command(self, octets):
        return self.send(octets if octets.endswith(b"\n") else octets + b"\r\n").reply()

    def all(self):
        """Every line up to the end."""
        lines = []
        while line := self.line():
            lines.append(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        return lines

    def hello(self, verb=b"EHLO"):
        answer = self.command(verb + b" client.example")
        assert answer.startswith("250"), answer
        return self

    def envelope(self, *recipients, sender=b"<amy@nowhere.example>", data=True, verb=b"EHLO"):
        self.hello(verb)
        commands = [b"MAIL FROM:" + sender] + [b"RCPT TO:<" + r.encode() + b">" for r in recipients]
        for command in commands + [b"DATA"] * data:
            answer = self.command(command)
            assert answer[:1] in ("2", "3"), (command, answer)
        return self

    def starttls(self):
        answer = self.command(b"STARTTLS")
        assert answer.startswith("220"), answer
        self.socket = unverified().wrap_socket(self.socket)
        return self

    def reset(self):
        """Ends with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Site:
    """A replyd under attack, with its owner's view and a book of every 250."""

    def __init__(self, **options):
        self.replyd = Replyd(**options)
        self.port = self.replyd.port
        self.book, self.seen, self.kept, self.log_at = 0, None, 0, 0
        self.tokens = set()
        self.canary_to = self.conversation()["reply_address"]
        self.memory_before = self.memory()

    def close(self):
        self.replyd.close()

    def api(self, method, path, body=None):
        """Over the Unix socket, as the owner."""
        connection = http.client.HTTPConnection("replyd")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(str(self.replyd.dir / "data/replyd.sock"))
        connection.request(method, path, body and json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        assert answer.status < 300, (method, path, answer.status, octets)
        return json.loads(octets) if answer.getheader("content-type", "").startswith("application/json") else octets

    def conversation(self, email="amy@nowhere.example", account="acme", inbox="support"):
        made = self.api("POST", "/api/v1/conversations", {
            "account": account, "inbox": inbox, "contact": {"email": email} if email else {}, "subject": "Broken kettle",
            "messages": [{"author": "contact", "text": "It does not boil."}]})
        self.tokens.add(re.search(r"[0-9a-f]{32}", made["reply_address"])[0])
        return made

    def messages(self, conversation):
        return self.api("GET", f"/api/v1/conversations/{conversation['id']}")["messages"]

    def entries(self, recipient):
        """Of the ledger, for one recipient, newest first."""
        return self.api("GET", "/api/v1/inbound?limit=200&query=" + recipient.replace("+", "%2B"))["items"]

    def stored(self, recipient):
        """The kept ones, once each has been filed."""
        def filed():
            kept = [entry for entry in self.entries(recipient) if entry["outcome"] in KEPT]
            return kept if all(entry["outcome"] != "accepted" for entry in kept) else None
        found = None
        def check():
            nonlocal found
            found = filed()
            return found is not None
        until(f"mails to {recipient} are filed", check)
        return found

    def raw(self, entry):
        return self.api("GET", f"/api/v1/inbound/{entry['id']}/raw")

    def count(self, reply, mails=1):
        """Enters the answer to a mail's end into the book."""
        if reply.startswith("250"):
            self.book += mails
        return reply

    def memory(self):
        with open(f"/proc/{self.replyd.process.pid}/status") as file:
            status = file.read()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10

    def new_log(self):
        with open(self.replyd.dir / "log", errors="replace") as log:
            log.seek(self.log_at)
            text = log.read()
            self.log_at = log.tell()
        return text

    def count_kept(self):
        """How many entries of the ledger are kept mails, all told."""
        cursor, newest, new = None, None, 0
        while True:
            page = self.api("GET", "/api/v1/inbound?limit=200" + (f"&cursor={cursor}" if cursor else ""))
            for entry in page["items"]:
                newest = newest or entry["id"]
                if entry["id"] == self.seen:
                    break
                new += entry["outcome"] in KEPT
            else:
                cursor = page["next"]
                if cursor:
                    continue
            break
        self.seen = newest or self.seen
        self.kept += new
        return self.kept

    def canary(self):
        """What holds behind every probe, or why not."""
        begun = time.monotonic()
        with Wire(self.port) as wire:
            wire.envelope(self.canary_to)
            text = HEADER + os.urandom(16).hex().encode() + END
            assert self.count(wire.command(text)).startswith("250"), "the canary's mail is not taken"
        took = time.monotonic() - begun
        assert took < CANARY_SECONDS, f"the canary took {took:.1f} s"
        assert self.replyd.process.poll() is None, f"the daemon died: {self.replyd.text_of_log()}"
        log = self.new_log()
        for word in ("panic", "overflow", "BUSY"):
            assert word not in log, f"{word} in the log: {log}"
        assert "\x1b" not in log, "an escape sequence in the log"
        leaked = [token for token in self.tokens if token in log.lower()]
        assert not leaked, f"a reply token in the log: {[line for line in log.splitlines() if leaked[0] in line.lower()]}"
        assert self.memory() < MEMORY_OCTETS_MAX, f"{self.memory() >> 20} MiB resident"
        kept = self.count_kept()
        assert kept == self.book, f"{kept} mails kept, {self.book} times 250 said"


class Attack(unittest.TestCase):
    """Probes against one running replyd; each is followed by the canary."""

    OPTIONS = {"extra": ROOMY}

    @classmethod
    def setUpClass(cls):
        cls.site = Site(**cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def probe(self, name):
        return Probe(self, name)

    def wire(self, **options):
        wire = Wire(self.site.port, **options)
        self.addCleanup(wire.socket.close)
        return wire

    def fresh(self, **options):
        return self.site.conversation(**options)["reply_address"]

    def end(self, wire, content, mails=1):
        """Sends content and its end, and enters the answer."""
        return self.site.count(wire.send(content + END).reply(), mails)

    def deliver(self, to, content, mails=1, **envelope):
        """A whole mail; the last reply."""
        with Wire(self.site.port) as wire:
            wire.envelope(*([to] if isinstance(to, str) else to), **envelope)
            dotted = re.sub(rb"(?m)^\.", b"..", content)
            return self.site.count(wire.send(dotted + (b".\r\n" if content.endswith(b"\r\n") else END)).reply(), mails)

    def filed(self, content, email="amy@nowhere.example", **envelope):
        """The message that a mail to a new conversation became."""
        conversation = self.site.conversation(email)
        reply = self.deliver(conversation["reply_address"], content, **envelope)
        self.assertTrue(reply.startswith("250"), reply)
        entry, = self.site.stored(conversation["reply_address"])
        self.assertEqual(entry["outcome"], "filed", entry)
        message, = [m for m in self.site.messages(conversation) if m["via"] == "email"]
        return message

    def assertReply(self, reply, *starts):
        self.assertTrue(reply.startswith(starts), f"{reply!r} and not one of {starts}")


class Probe:
    """A subtest that ends with the canary."""

    def __init__(self, test, name):
        self.test, self.sub = test, test.subTest(name)

    def __enter__(self):
        self.sub.__enter__()

    def __exit__(self, kind, error, trace):
        if kind is None:
            try:
                self.test.site.canary()
            except BaseException as canary:
                return self.sub.__exit__(type(canary), canary, canary.__traceback__)
        else:
            self.test.site.book = self.test.site.count_kept()  # one failure is reported once
        return self.sub.__exit__(kind, error, trace)
