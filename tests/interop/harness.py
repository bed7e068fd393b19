"""Starts a real replyd, and whatever sends mail to it, on loopback ports in a folder of their own."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time

REPLYD = os.environ["REPLYD"]
TOOLS = pathlib.Path(os.environ["INTEROP_TOOLS"])
PATIENCE = 60  # seconds until something that has to happen counts as not happening


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, check):
    """Polls until `check` answers something true, and returns it."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        answer = check()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"still not so after {PATIENCE} s: {what}")


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


SERVFAIL, SILENCE = object(), object()  # a server that fails, and one that never answers
KINDS = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}


class Zone:
    """A DNS server on loopback, UDP and TCP. A name has a TXT text, a dict of type to list of values, `SERVFAIL`,
    `SILENCE`, or a function of the type that gives one of these; every other name does not exist."""

    def __init__(self, records):
        self.records = {name.lower().rstrip("."): data for name, data in records.items()}
        self.asked = []
        zone = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                query, sock = self.request
                answer = zone.answer(query, 1232)
                if answer:
                    sock.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                while len(size := self.rfile.read(2)) == 2:
                    answer = zone.answer(self.rfile.read(struct.unpack(">H", size)[0]), 65535)
                    if not answer:
                        return
                    self.wfile.write(struct.pack(">H", len(answer)) + answer)

        class Tcp(socketserver.ThreadingTCPServer):
            daemon_threads = True

        def both():
            """One number, free for both."""
            tcp = Tcp(("127.0.0.1", 0), Stream)
            try:
                return [socketserver.ThreadingUDPServer(tcp.server_address, Datagram), tcp]
            except OSError:
                tcp.server_close()

        self.servers = until("a port for both", both)
        self.servers[0].daemon_threads = True
        self.port = self.servers[0].server_address[1]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, query, room):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
            at += query[at] + 1
        question = query[12 : at + 5]
        kind = KINDS.get(struct.unpack(">H", query[at + 1 : at + 3])[0])
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        data = self.records.get(name)
        data = data(kind) if callable(data) else data
        if data is SILENCE:
            return None
        known = {"TXT": [data]} if isinstance(data, str) else data
        code = 2 if data is SERVFAIL else 3 if data is None else 0
        values = [] if code else known.get(kind) or ([] if kind == "CNAME" else [("CNAME", c) for c in known.get("CNAME", [])])
        answers = [self.record(*(value if isinstance(value, tuple) else (kind, value))) for value in values]
        full = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(answers), 0, 0) + question + b"".join(answers)
        return full if len(full) <= room else query[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + question

    @staticmethod
    def record(kind, value):
        def name(text):
            return b"".join(bytes([len(label)]) + label for label in text.encode().split(b".") if label) + b"\0"

        data = {
            "A": lambda: socket.inet_aton(value),
            "AAAA": lambda: socket.inet_pton(socket.AF_INET6, value),
            "MX": lambda: struct.pack(">H", 10) + name(value),
            "TXT": lambda: b"".join(bytes([len(c)]) + c for c in (value.encode()[i : i + 255] for i in range(0, len(value.encode()) or 1, 255))),
        }.get(kind, lambda: name(value))()
        number = next(number for number, word in KINDS.items() if word == kind)
        return b"\xc0\x0c" + struct.pack(">HHIH", number, 1, 60, len(data)) + data

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Replyd:
    """One running daemon with its own data directory, certificate and zone."""

    def __init__(self, records=None, wrapper=(), extra="", data_size=None, smtp="", account="", inbox=""):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="replyd-interop-"))
        os.chmod(self.dir, 0o755)
        self.zone = Zone(records or {})
        self.port, self.tls_port, self.lmtp_port, self.http_port = (free_port() for _ in range(4))
        self.lmtp_socket = self.dir / "lmtp.sock"
        self.log = open(self.dir / "log", "w+")
        self.wrapper = list(wrapper)
        self._certificate()
        self.config = self.dir / "replyd.toml"
        self.config.write_text(f"""
[server]
hostname = "mx.reply.example"
data_dir = "{self.dir}/data"
[smtp]
listen = ["127.0.0.1:{self.port}"]
listen_tls = ["127.0.0.1:{self.tls_port}"]
listen_lmtp = ["127.0.0.1:{self.lmtp_port}", "{self.lmtp_socket}"]
{smtp}
[http]
listen = ["127.0.0.1:{self.http_port}"]
public_url = "http://127.0.0.1:{self.http_port}"
[tls]
certificate = "{self.dir}/tls.crt"
key = "{self.dir}/tls.key"
[dns]
servers = ["127.0.0.1:{self.zone.port}"]
{extra}
[[account]]
name = "acme"
inbound_domain = "reply.example"
{account}
[[account.inbox]]
name = "support"
channel = "email"
address = "support@reply.example"
{inbox}
""")
        (self.dir / "data").mkdir()
        self.mounted = data_size is not None
        if self.mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={data_size}", "tmpfs", self.dir / "data"], check=True)
        self.start()

    def _certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=mx.reply.example", "-addext", "subjectAltName=DNS:mx.reply.example,DNS:localhost",
             "-keyout", self.dir / "tls.key", "-out", self.dir / "tls.crt"],
            check=True, capture_output=True)

    def start(self):
        self.process = subprocess.Popen(
            [*self.wrapper, REPLYD, "serve", "--config", self.config], stdout=self.log, stderr=self.log)
        until("replyd listens", lambda: self._alive() and listens(self.port) and listens(self.http_port) and self._answers())

    def _answers(self):
        """The socket that the commands use is there, and not one that a killed daemon left."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.dir / "data/replyd.sock"))
            return True
        return False

    def _alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"replyd ended with {self.process.returncode}: {self.text_of_log()}")
        return True

    def text_of_log(self):
        return (self.dir / "log").read_text()[-4000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def close(self):
        self.stop()
        self.zone.close()
        self.log.close()
        if self.mounted:
            subprocess.run(["umount", self.dir / "data"], check=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def command(self, *words):
        """Runs a replyd command against the daemon and returns its JSON."""
        done = subprocess.run([REPLYD, *words, "--json", "--config", self.config], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"replyd {' '.join(words)}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def conversation(self, email="jane@customer.example"):
        return self.command("conversation", "new", "--account", "acme", "--inbox", "support", "--email", email,
                            "--subject", "Broken kettle", "--message", "It does not boil.")

    def messages(self, conversation):
        return self.command("conversation", "show", conversation["id"])["messages"]

    def incoming_mail(self, conversation, count=1):
        """Waits until `count` messages have come by mail, and returns them."""
        def by_mail():
            found = [m for m in self.messages(conversation) if m["via"] == "email"]
            return found if len(found) >= count else None
        return until(f"{count} messages by mail\n{self.text_of_log()}", by_mail)

    def ledger(self):
        return self.command("inbound", "list")["items"]


def mail(to, subject="Re: Broken kettle", text="It works now, thank you!", sender="jane@customer.example", identity=None):
    """A reply as a mail client writes it."""
    identity = identity or f"<{os.urandom(8).hex()}@customer.example>"
    return (
        f"From: Jane Doe <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: {identity}\r\n"
        "Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"{text}\r\n\r\nOn Fri, Nov 20, 2026 at 9:00 AM Sara (Acme) <support@reply.example> wrote:\r\n> Does the kettle boil again?\r\n"
    ).encode()
