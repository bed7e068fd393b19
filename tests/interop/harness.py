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


class Zone:
    """A DNS server on loopback that knows a few TXT records; every other name does not exist."""

    def __init__(self, records):
        zone = {name.lower().rstrip("."): text for name, text in records.items()}

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                query, sock = self.request
                labels, at = [], 12
                while query[at]:
                    labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
                    at += query[at] + 1
                question = query[12 : at + 5]
                kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
                text = zone.get(".".join(labels).lower())
                flags = 0x8180 if text is not None else 0x8183
                answer = b""
                if text is not None and kind == 16:
                    chunks = [text[i : i + 255].encode() for i in range(0, len(text), 255)]
                    data = b"".join(bytes([len(chunk)]) + chunk for chunk in chunks)
                    answer = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(data)) + data
                head = query[:2] + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0)
                sock.sendto(head + question + answer, self.client_address)

        self.server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Replyd:
    """One running daemon with its own data directory, certificate and zone."""

    def __init__(self, records=None, wrapper=(), extra="", data_size=None):
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
[[account.inbox]]
name = "support"
channel = "email"
address = "support@reply.example"
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
