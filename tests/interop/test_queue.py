"""What a queued answer is worth: SIGKILL at any moment while answers are queued and sent to a host that counts. None is lost; what
arrives twice is the same octets under the same Message-ID, and replyd says that it was uncertain."""

import collections
import email
import hashlib
import http.client
import json
import os
import random
import re
import socket
import socketserver
import threading
import time
import unittest

from harness import Replyd, free_port, until

KILLS = max(10, int(os.environ.get("INTEROP_KILLS", "500")) // 5)
WRITERS = 8


class Sink(socketserver.ThreadingTCPServer):
    """A mail host that takes everything, slowly enough that kills hit every step, and counts what it answered 250 and what it
    only read."""

    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

    def __init__(self, port):
        self.mails, self.lock, self.chance = [], threading.Lock(), random.Random(20261120)
        super().__init__(("127.0.0.1", port), SinkSession)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, octets):
        with self.lock:
            self.mails.append(octets)

    def pause(self):
        time.sleep(self.chance.choice([0, 0, 0, 0.002, 0.01]))

    def close(self):
        self.shutdown()
        self.server_close()


class SinkSession(socketserver.StreamRequestHandler):
    def say(self, line):
        self.server.pause()
        self.wfile.write(line + b"\r\n")

    def handle(self):
        try:
            self.talk()
        except OSError:
            pass  # the client was killed

    def talk(self):
        self.say(b"220 sink.example ESMTP")
        while line := self.rfile.readline():
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                self.say(b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000")
            elif verb == b"DATA":
                self.say(b"354 go on")
                octets = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    if not line:
                        return
                    octets += line
                # Had before it is answered: a kill between the two is the one window that nobody can close.
                self.server.take(octets)
                self.say(b"250 2.0.0 had it")
            elif verb == b"QUIT":
                return self.say(b"221 bye")
            else:
                self.say(b"250 ok")


class Owner(http.client.HTTPConnection):
    """The API over the owner's socket, which needs no token."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def call(replyd, method, path, body=None):
    owner = Owner(replyd.dir / "data/replyd.sock")
    try:
        owner.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = owner.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        owner.close()


def insist(replyd, stop, method, path, body):
    """Like any client of an API whose host may be down: again until it is answered."""
    while not stop.is_set():
        try:
            status, answer = call(replyd, method, path, body)
            if status in (200, 201):
                return answer
            if status < 500:
                raise AssertionError(f"{method} {path}: {status} {answer}")
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.01)
    return None


def queue(replyd):
    entries, cursor = [], None
    while True:
        _, page = call(replyd, "GET", "/api/v1/queue?limit=200" + (f"&cursor={cursor}" if cursor else ""))
        entries += page["items"]
        cursor = page["next"]
        if not cursor:
            return entries


class Killed(unittest.TestCase):
    def test_no_answer_is_lost_and_what_comes_twice_is_told_by_its_message_id(self):
        port = free_port()
        records = {"customer.example": {"MX": ["mx.customer.example"]}, "mx.customer.example": {"A": ["127.0.0.1"]}}
        sink = Sink(port)
        self.addCleanup(sink.close)
        replyd = Replyd(records, extra=f"[outbound]\nport = {port}\nallow_private = true\nconnections_per_site = 8\n")
        self.addCleanup(replyd.close)
        queued, stop = [], threading.Event()

        def writer(number):
            count = 0
            while not stop.is_set():
                word = f"answer-{number}-{count}-end"
                begun = insist(replyd, stop, "POST", "/api/v1/conversations", {
                    "account": "acme", "inbox": "support", "subject": "Broken kettle",
                    "contact": {"email": f"jane{number}-{count}@customer.example"},
                    "messages": [{"author": "contact", "text": "It does not boil."}]})
                if begun and insist(replyd, stop, "POST", f"/api/v1/conversations/{begun['id']}/messages", {
                        "author": "agent", "agent": "Sara", "text": word, "idempotency_key": word}):
                    queued.append(word)
                count += 1

        threads = [threading.Thread(target=writer, args=(number,), daemon=True) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        chance = random.Random(20261121)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.0, 0.4))
            replyd.process.kill()
            replyd.process.wait()
            replyd.start()
        stop.set()
        for thread in threads:
            thread.join(60)

        def settled():
            entries = queue(replyd)
            still_open = [entry for entry in entries if entry["state"] not in ("delivered", "failed")]
            for entry in still_open:
                # What is uncertain, or was broken off again and again, waits for minutes; an operator need not.
                if entry["phase"] is None and entry["due_at"]:
                    call(replyd, "POST", f"/api/v1/queue/{entry['id']}/retry")
            return entries if not still_open else None

        entries = until("every answer is settled", settled)
        self.assertEqual([entry for entry in entries if entry["state"] != "delivered"], [])
        uncertain = {entry["message_id"] for entry in entries if entry["uncertain"]}
        copies = collections.defaultdict(list)
        for octets in sink.mails:
            for word in set(re.findall(rb"answer-\d+-\d+-end", octets)):
                copies[word.decode()].append(octets)
        lost = [word for word in queued if word not in copies]
        doubled = {word: mails for word, mails in copies.items() if len(mails) > 1}
        differing = [word for word, mails in doubled.items() if len({hashlib.sha256(mail).digest() for mail in mails}) > 1]
        silent = [word for word, mails in doubled.items()
                  if email.message_from_bytes(mails[0])["Message-ID"].strip().strip("<>") not in uncertain]
        print(f"\n{KILLS} kills: {len(queued)} answers queued, {len(sink.mails)} mails at the host, {len(lost)} lost, "
              f"{len(doubled)} doubled ({len(differing)} of them with other octets, {len(silent)} not said to be uncertain), "
              f"{len(uncertain)} said to be uncertain")
        self.assertEqual((lost[:5], differing[:5], silent[:5]), ([], [], []))
        self.assertGreater(len(queued), KILLS, "too little load to prove anything")


if __name__ == "__main__":
    unittest.main()
