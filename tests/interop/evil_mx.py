"""Mail hosts that are written to: one socket at every loopback address, so that each name of a zone is a host with a script of
its own; and the desk that writes to them. What a script does not say, an honest host says."""

import contextlib
import os
import re
import socket
import socketserver
import ssl
import threading
import time

from harness import PATIENCE, Replyd, free_port, until
from hostile import CANARY_SECONDS, MEMORY_OCTETS_MAX
from test_queue import call

CLOSE, SILENCE = object(), object()
OFFER = b"250-mx.example\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n"
PIPELINED = OFFER.replace(b"250 SIZE", b"250-PIPELINING\r\n250 SIZE")
WITH_TLS = OFFER.replace(b"250 SIZE", b"250-STARTTLS\r\n250 SIZE")
HONEST = {"banner": b"220 mx.example ESMTP\r\n", "ehlo": OFFER, "mail": b"250 ok\r\n", "rcpt": b"250 ok\r\n", "data": b"354 go on\r\n",
          "dot": b"250 2.0.0 had it\r\n", "quit": b"221 bye\r\n", "rset": b"250 ok\r\n", "starttls": b"220 go on\r\n",
          "auth": b"235 welcome\r\n", "other": b"500 what?\r\n"}
VERBS = {b"EHLO": "ehlo", b"HELO": "ehlo", b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data", b"QUIT": "quit", b"RSET": "rset",
         b"STARTTLS": "starttls", b"AUTH": "auth"}


class Taken:
    """One connection, as the host saw it."""

    def __init__(self, host):
        self.host, self.commands, self.mails, self.tls = host, [], [], False


class EvilMx(socketserver.ThreadingTCPServer):
    """`scripts`: by local address, what is answered at which step: octets, `CLOSE`, `SILENCE`, or a function of the session;
    a list is one of these after the other, the last for good."""

    daemon_threads, allow_reuse_address, request_queue_size = True, True, 1024

    def __init__(self, certificate=None):
        self.scripts, self.connections, self.lock, self.reached = {}, [], threading.Lock(), {}
        self.certificate, self.stopped = certificate, threading.Event()
        super().__init__(("0.0.0.0", 0), Session)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def at(self, host):
        with self.lock:
            return [taken for taken in self.connections if taken.host == host]

    def mails(self, host):
        return [mail for taken in self.at(host) for mail in taken.mails]

    def handle_error(self, *_):
        pass  # clients that go are what is tested

    def close(self):
        self.stopped.set()
        self.shutdown()
        self.server_close()


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(PATIENCE)
        self.rest, self.ended = b"", False
        self.taken = Taken(self.request.getsockname()[0])
        with self.server.lock:
            self.server.connections.append(self.taken)
            turn = len([t for t in self.server.connections if t.host == self.taken.host]) - 1
        self.script = {**HONEST, **self.server.scripts.get(self.taken.host, {})}
        self.script = {step: act[min(turn, len(act) - 1)] if isinstance(act, list) else act for step, act in self.script.items()}
        with contextlib.suppress(OSError):
            self.talk()

    def talk(self):
        self.act("banner")
        while not self.ended and (line := self.line()):
            self.taken.commands.append(line)
            step = VERBS.get(line.split(None, 1)[0].upper() if line.strip() else b"", "other")
            self.act(step)
            if step == "data" and not self.ended and self.says("data", b"354"):
                self.content()
            elif step == "quit":
                return
            elif step == "starttls" and not self.ended and self.says("starttls", b"220") and self.server.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.server.certificate)
                self.request = context.wrap_socket(self.request, server_side=True)
                self.taken.tls, self.rest = True, b""

    def says(self, step, start):
        action = self.script[step]
        return isinstance(action, bytes) and action.startswith(start)

    def content(self):
        octets = b""
        while line := self.line():
            if line == b".\r\n":
                self.taken.mails.append(octets)
                return self.act("dot")
            octets += line
        self.taken.cut = octets
        return None

    def act(self, step):
        event = self.server.reached.get((self.taken.host, step))
        if event:
            event.set()
        action = self.script[step]
        if action is CLOSE:
            self.ended = True
            with contextlib.suppress(OSError):
                self.request.shutdown(socket.SHUT_RDWR)
        elif action is SILENCE:
            self.ended = True
            self.wait_for_the_end()
        elif callable(action):
            action(self)
        else:
            self.request.sendall(action)

    def wait_for_the_end(self):
        self.request.settimeout(0.5)
        while not self.server.stopped.is_set():
            try:
                if not self.request.recv(4096):
                    return
            except TimeoutError:
                continue

    def line(self):
        while b"\n" not in self.rest:
            octets = self.request.recv(65536)
            if not octets:
                return b""
            self.rest += octets
        line, _, self.rest = self.rest.partition(b"\n")
        return line + b"\n"


def drip(session):
    """An octet at a time, and never a line end."""
    session.ended = True
    while not session.server.stopped.wait(0.2):
        session.request.sendall(b"2")


def flood(octets, times):
    def send(session):
        session.ended = True
        for _ in range(times):
            session.request.sendall(octets)
    return send


def then_close(octets):
    def send(session):
        session.request.sendall(octets)
        session.ended = True
        session.request.shutdown(socket.SHUT_RDWR)
    return send


class Desk:
    """A replyd whose recipients live at `EvilMx`, and the owner's view of it."""

    def __init__(self, certificate=True, records=None, **options):
        self.mx = EvilMx()
        self.count, self.canaries = 1, 0
        options["extra"] = f"[outbound]\nport = {self.mx.port}\nallow_private = true\n" + options.get("extra", "")
        self.replyd = Replyd(dict(records or {}), **options)
        if certificate:
            self.mx.certificate = (self.replyd.dir / "tls.crt", self.replyd.dir / "tls.key")
        self.host("honest.example", {})

    def host(self, domain, script):
        """A domain whose only host has this script."""
        self.count += 1
        address = f"127.77.{self.count >> 8}.{self.count & 255}"
        self.mx.scripts[address] = script
        self.replyd.zone.records[domain] = {"MX": [f"mx.{domain}"]}
        self.replyd.zone.records[f"mx.{domain}"] = {"A": [address]}
        return address

    def call(self, method, path, body=None):
        return call(self.replyd, method, path, body)

    def good(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        assert status in (200, 201), (method, path, status, answer)
        return answer

    def conversation(self, email, **fields):
        return self.good("POST", "/api/v1/conversations", {
            "account": "acme", "inbox": "support", "contact": {"email": email}, "subject": "Broken kettle",
            "messages": [{"author": "contact", "text": "It does not boil."}], **fields})

    def answer(self, conversation, text="Does it boil?", **fields):
        return self.good("POST", f"/api/v1/conversations/{conversation['id']}/messages",
                         {"author": "agent", "agent": "Sara", "text": text, **fields})

    def send(self, email, text="Does it boil?"):
        """A mail on its way; its queue entry's id."""
        conversation = self.conversation(email)
        self.answer(conversation, text)
        return self.entries(conversation)[0]["id"]

    def entries(self, conversation):
        return self.good("GET", f"/api/v1/queue?conversation={conversation['id']}&limit=200")["items"]

    def latest_answer(self, conversation):
        """The latest mail to the contact: agents get notices of trouble in the same queue."""
        return next(entry for entry in self.entries(conversation) if entry["kind"] == "answer")

    def entry(self, number):
        return self.good("GET", f"/api/v1/queue/{number}")

    def ended(self, number):
        """The entry after an attempt."""
        def check():
            entry = self.entry(number)
            return entry if entry["phase"] is None and entry["state"] not in ("waiting", "queued") else None
        return until(f"mail {number} is attempted", check)

    def mailed(self, email, count=1):
        """Waits for mails to an address at the honest host; their octets as they came, dots and all."""
        domain = email.rsplit("@", 1)[1]
        host = self.replyd.zone.records[f"mx.{domain}"]["A"][0]

        def check():
            found = [mail for mail in self.mx.mails(host) if is_to(mail, email)]
            return found if len(found) >= count else None
        return until(f"{count} mails to {email}", check)

    def memory(self):
        with open(f"/proc/{self.replyd.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) << 10

    def log(self):
        return (self.replyd.dir / "log").read_text(errors="replace")

    def canary(self):
        """What holds behind every probe: an honest mail arrives at once, and the daemon is well."""
        self.canaries += 1
        begun = time.monotonic()
        email = f"canary{self.canaries}@honest.example"
        self.send(email)
        self.mailed(email)
        took = time.monotonic() - begun
        assert took < CANARY_SECONDS, f"the canary took {took:.1f} s"
        assert self.replyd.process.poll() is None, f"the daemon died: {self.replyd.text_of_log()}"
        log = self.log()
        assert "panic" not in log, log[-4000:]
        assert "\x1b" not in log, "an escape sequence in the log"
        assert self.memory() < MEMORY_OCTETS_MAX, f"{self.memory() >> 20} MiB resident"

    def close(self):
        self.replyd.close()
        self.mx.close()


def is_to(octets, email):
    return re.search(rb"(?im)^(to|cc):.*(\r\n[ \t].*)*" + re.escape(email.encode()), octets) is not None


def kept_fields(octets):
    """Name and value of each header field, folded as they are."""
    head = octets.partition(b"\r\n\r\n")[0] + b"\r\n"
    return re.findall(rb"([!-9;-~]+):((?:.*\r\n)(?:[ \t].*\r\n)*)", head)


FIELDS = {b"dkim-signature", b"from", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references",
          b"auto-submitted", b"x-auto-response-suppress", b"list-unsubscribe", b"list-unsubscribe-post", b"x-replyd-loop",
          b"content-language", b"mime-version", b"content-type"}


def faults(octets):
    """What is wrong with a mail as a host got it, dots still doubled."""
    found = []
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", octets):
        found.append("a bare CR, LF or NUL")
    if not octets.isascii():
        found.append("octets beyond ASCII")
    if any(len(line) > 998 for line in octets.split(b"\r\n")):
        found.append("a line of more than 998 octets")
    if re.search(rb"(^|\r\n)\.(?!\.)", octets):
        found.append("a dot that was not doubled")
    fields = kept_fields(octets)
    head = octets.partition(b"\r\n\r\n")[0] + b"\r\n"
    if sum(len(name) + 1 + len(value) for name, value in fields) != len(head):
        found.append("lines of the header that are no field")
    names = [name.lower() for name, _ in fields]
    found += [f"an unknown field {name!r}" for name in set(names) - FIELDS]
    found += [f"{name!r} twice" for name in set(names) - {b"dkim-signature"} if names.count(name) > 1]
    found += [f"no {name!r}" for name in (b"from", b"to", b"subject", b"date", b"message-id", b"reply-to") if name not in names]
    return found


def unstuffed(octets):
    return re.sub(rb"(?m)^\.", b"", octets)


def random_word():
    return os.urandom(6).hex()
