"""Providers' requests made by curl, requests and urllib, and the pipes of real Postfix and real Exim through `replyd relay`:
what is brought while replyd is away waits, and comes once."""

import base64
import grp
import hashlib
import hmac
import json
import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import dkim
import requests

import test_clients
from harness import REPLYD, Replyd, mail, until
from hosts import Exim, Postfix
from printed import printed, printed_words, with_own

SECRETS = {"relay": "relay-secret-0123", "postmark": "postmark-secret-0123", "sendgrid": "sendgrid-secret-0123",
           "mailgun": "mailgun-signing-key-0123", "mandrill": "mandrill-webhook-key-0123"}
ACCOUNT = f"""
ingress.relay = {{ password = "{SECRETS['relay']}" }}
ingress.postmark = {{ password = "{SECRETS['postmark']}" }}
ingress.sendgrid = {{ password = "{SECRETS['sendgrid']}" }}
ingress.mailgun = {{ signing_key = "{SECRETS['mailgun']}" }}
ingress.mandrill = {{ api_key = "{SECRETS['mandrill']}" }}
"""


class House(unittest.TestCase):
    def setUp(self):
        self.replyd = Replyd(account=ACCOUNT)
        self.addCleanup(self.replyd.close)
        self.talk = self.replyd.conversation()
        self.to = self.talk["reply_address"]

    def url(self, door):
        return f"http://127.0.0.1:{self.replyd.http_port}/rails/action_mailbox/{door}/inbound_emails"

    def settled(self, count):
        def check():
            entries = self.replyd.ledger()
            return entries if len(entries) >= count and all(e["outcome"] != "accepted" for e in entries) else None
        return until(f"{count} settled entries\n{self.replyd.text_of_log()}", check)


class Requests(House):
    """Each way of sending, by a client that is not ours."""

    def mail(self, name):
        raw = mail(self.to, text=f"By {name}, 100 % of it + more & more = Größe 😀.", identity=f"<{name}@customer.example>")
        path = self.replyd.dir / f"{name}.eml"
        path.write_bytes(raw)
        return raw, path

    def curl(self, *words):
        done = subprocess.run(["curl", "-sS", "-o", self.replyd.dir / "body", "-w", "%{http_code}", *map(str, words)],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(done.stdout), (self.replyd.dir / "body").read_bytes() if (self.replyd.dir / "body").exists() else b""

    def proof(self):
        timestamp, token = str(int(time.time())), os.urandom(25).hex()
        signature = hmac.new(SECRETS["mailgun"].encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
        return {"timestamp": timestamp, "token": token, "signature": signature}

    def mandrill_signature(self, fields):
        signed = self.url("mandrill") + "".join(name + fields[name] for name in sorted(fields))
        return base64.b64encode(hmac.new(SECRETS["mandrill"].encode(), signed.encode(), hashlib.sha1).digest()).decode()

    def filed(self, names):
        """Each arrived once, octet for octet."""
        entries = {entry["message_id"]: entry for entry in self.settled(len(names))}
        for name, ingress in names.items():
            entry = entries[f"{name}@customer.example"]
            self.assertEqual((entry["outcome"], entry["ingress"]), ("filed", ingress), entry)
            raw = subprocess.run([REPLYD, "inbound", "raw", entry["id"], "--config", self.replyd.config], capture_output=True, check=True)
            self.assertEqual(raw.stdout, (self.replyd.dir / f"{name}.eml").read_bytes())
        texts = sorted(message["text"].split(",")[0] for message in self.replyd.incoming_mail(self.talk, len(names)))
        self.assertEqual(texts, sorted(f"By {name}" for name in names))

    def test_curl(self):
        user = lambda door: ("-u", f"actionmailbox:{SECRETS[door]}")  # noqa: E731
        _, path = self.mail("relay")
        self.assertEqual(self.curl(*user("relay"), "-H", "Content-Type: message/rfc822", "--data-binary", f"@{path}", self.url("relay")), (204, b""))
        _, path = self.mail("chunks")
        self.assertEqual(self.curl(*user("relay"), "-H", "Content-Type: message/rfc822", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue",
                                   "--data-binary", f"@{path}", self.url("relay"))[0], 204)
        _, path = self.mail("sendgrid")
        envelope = json.dumps({"to": [self.to], "from": "jane@customer.example"})
        self.assertEqual(self.curl(*user("sendgrid"), "-F", f"email=<{path}", "-F", f"envelope={envelope}", "-F", "sender_ip=192.0.2.7", self.url("sendgrid")), (204, b""))
        _, path = self.mail("mailgun")
        fields = [word for name, value in {**self.proof(), "recipient": self.to, "sender": "jane@customer.example"}.items() for word in ("--data-urlencode", f"{name}={value}")]
        self.assertEqual(self.curl(*fields, "--data-urlencode", f"body-mime@{path}", self.url("mailgun") + "/mime"), (204, b""))
        raw, _ = self.mail("mandrill")
        events = json.dumps([{"event": "inbound", "ts": 1, "msg": {"raw_msg": raw.decode(), "email": self.to}}])
        self.assertEqual(self.curl("--data-urlencode", f"mandrill_events={events}", "-H", f"X-Mandrill-Signature: {self.mandrill_signature({'mandrill_events': events})}",
                                   self.url("mandrill")), (200, b""))
        self.filed({"relay": "relay", "chunks": "relay", "sendgrid": "sendgrid", "mailgun": "mailgun", "mandrill": "mandrill"})

    def test_requests(self):
        def post(door, url, **more):
            answer = requests.post(url, auth=("actionmailbox", SECRETS[door]), timeout=60, **more)
            self.assertEqual((answer.status_code, answer.content), (204, b""))

        raw, _ = self.mail("postmark")
        post("postmark", self.url("postmark"), json={"OriginalRecipient": self.to, "RawEmail": raw.decode(), "TextBody": "x", "Headers": [{"Name": "X", "Value": "y"}]})
        raw, _ = self.mail("postmarkform")
        post("postmark", self.url("postmark"), data={"OriginalRecipient": self.to, "RawEmail": raw})
        raw, _ = self.mail("sendgrid")
        parts = {"headers": "x", "email": raw, "envelope": json.dumps({"to": [self.to], "from": "jane@customer.example"}), "SPF": "pass", "charsets": "{}"}
        post("sendgrid", self.url("sendgrid"), files={name: (None, value) for name, value in parts.items()})
        raw, _ = self.mail("mailgun")
        fields = {**self.proof(), "recipient": self.to, "body-mime": raw}
        answer = requests.post(self.url("mailgun") + "/mime", files={name: (None, value) for name, value in fields.items()}, timeout=60)
        self.assertEqual(answer.status_code, 204)
        again = requests.post(self.url("mailgun") + "/mime", data=fields, timeout=60)
        self.assertEqual(again.status_code, 204, "a retry has the same signature")
        self.assertEqual(requests.head(self.url("mandrill"), timeout=60).status_code, 200)
        self.filed({"postmark": "postmark", "postmarkform": "postmark", "sendgrid": "sendgrid", "mailgun": "mailgun"})

    def test_urllib_and_a_wrong_password(self):
        raw, _ = self.mail("urllib")
        request = urllib.request.Request(self.url("exim"), raw, {"Content-Type": "message/rfc822"})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        self.assertEqual((refused.exception.code, refused.exception.read(), refused.exception.headers["WWW-Authenticate"]),
                         (401, b"HTTP Basic: Access denied.\n", 'Basic realm="Action Mailbox"'))
        request.add_header("Authorization", "Basic " + base64.b64encode(f"actionmailbox:{SECRETS['relay']}".encode()).decode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.assertEqual((answer.status, answer.read()), (204, b""))

    def test_a_signature_is_good_whatever_the_line_ends(self):
        key, public = test_clients.Clients.dkim_key()
        self.replyd.zone.records["s1._domainkey.customer.example"] = f"v=DKIM1; k=rsa; p={public}"
        self.replyd.zone.records["_dmarc.customer.example"] = "v=DMARC1; p=reject"
        raw = mail(self.to, text="Signed.", identity="<signed@customer.example>")
        signed = dkim.sign(raw, b"s1", b"customer.example", key, include_headers=[b"from", b"to", b"subject", b"date", b"message-id"]) + raw
        piped = b"From jane@customer.example Fri Nov 20 10:00:00 2026\n" + signed.replace(b"\r\n", b"\n")
        forged = piped.replace(b"Signed.", b"Forged.").replace(b"<signed@", b"<forged@")
        for body, name, verdict in ((piped, "signed", "authentic"), (forged, "forged", "forged")):
            answer = requests.post(self.url("relay"), body, auth=("actionmailbox", SECRETS["relay"]), headers={"Content-Type": "message/rfc822"}, timeout=60)
            self.assertEqual(answer.status_code, 204)
            entry = {entry["message_id"]: entry for entry in self.settled(1)}[f"{name}@customer.example"]
            # No client is known, so nothing is refused as forged; it is filed and marked.
            self.assertEqual((entry["outcome"], entry["auth"]["verdict"], entry["auth"]["spf"]), ("filed", verdict, "none"), entry)

    def test_spf_is_asked_for_the_client_that_sendgrid_saw(self):
        raw, path = self.mail("spf")
        for address, expected in (("127.0.0.1", "pass"), ("192.0.2.7", "fail")):
            replyd = self.replyd
            replyd.zone.records["customer.example"] = "v=spf1 ip4:127.0.0.1 -all"
            unlike = raw.replace(b"<spf@", f"<{address}@".encode())
            parts = {"email": unlike, "envelope": json.dumps({"to": [self.to], "from": "jane@customer.example"}), "sender_ip": address}
            answer = requests.post(self.url("sendgrid"), auth=("actionmailbox", SECRETS["sendgrid"]), files={n: (None, v) for n, v in parts.items()}, timeout=60)
            self.assertEqual(answer.status_code, 204)
            entry = until("its entry", lambda: [e for e in replyd.ledger() if e["message_id"] == f"{address}@customer.example"])[0]
            self.assertEqual(entry["auth"]["spf"], expected, entry)


class Pipes(House):
    def setUp(self):
        super().setUp()
        # Where the user of a pipe may run it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="relay-interop-"))
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        self.binary = self.folder / "replyd"
        shutil.copy(REPLYD, self.binary)
        self.binary.chmod(0o755)

    def variables(self):
        return f"URL={self.url('relay')} INGRESS_PASSWORD={SECRETS['relay']}"

    def script(self, mta, user, spool=None):
        """The wrapper that DOORS.md prints, at its own place; without its spool the MTA's own queue is seen."""
        text = printed("#!/bin/sh\nexport URL=")
        line = text.splitlines()[-1]
        if mta != "postfix":
            line = printed_words(f"exec /usr/bin/replyd relay {mta}")
        elif spool:
            line = with_own(line, spool=("/var/spool/replyd-relay", str(spool)))
        else:
            line = with_own(line, spool=(" --spool /var/spool/replyd-relay", ""))
        text = "\n".join([*text.splitlines()[:-1], line]) + "\n"
        text = with_own(text, url=("https://chat.example.com/rails/action_mailbox/relay/inbound_emails", self.url("relay")),
                        secret=("INGRESS_PASSWORD=…", f"INGRESS_PASSWORD={SECRETS['relay']}"), binary=("/usr/bin/replyd", str(self.binary)))
        path = self.folder / "replyd-relay"
        path.write_text(text)
        shutil.chown(path, group=grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name)
        path.chmod(0o750)
        return str(path)

    def printed_postfix(self, spool=None):
        places = {"user": ("user=replyd-pipe", "user=nobody"), "script": ("/usr/local/bin/replyd-relay", self.script("postfix", "nobody", spool))}
        maps = with_own(printed("transport_maps = inline:{reply.acme.example=replyd:}"), domain=("reply.acme.example", "reply.example"))
        return Postfix("error:not by the printed map", settings=maps, services=with_own(printed("replyd  unix"), **places))

    def printed_exim(self):
        places = {"user": ("user = replyd-pipe", "user = Debian-exim"), "script": ("/usr/local/bin/replyd-relay", self.script("exim", "Debian-exim"))}
        return Exim(with_own(printed("replyd_pipe:\n"), **places).split("\n", 1)[1].strip())

    def postfix(self):
        return Postfix("replyd:", settings="replyd_destination_recipient_limit = 1",
                       services=f"replyd unix - n n - - pipe\n  flags=DORhu user=nobody argv={self.binary} relay postfix {self.variables()}")

    def send(self, server, text, identity=None):
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.sendmail("jane@customer.example", [self.to], mail(self.to, text=text, identity=identity))

    def arrives(self, server, deferred):
        self.addCleanup(server.close)
        self.send(server, "While you were here.")
        try:
            self.replyd.incoming_mail(self.talk, 1)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{server.log()}") from None
        self.assertEqual(self.replyd.stop(), 0, self.replyd.text_of_log())
        self.send(server, "While you were away.")
        until(f"the server has tried\n{server.log()}", lambda: deferred in server.log())
        self.replyd.start()
        server.flush()
        messages = self.replyd.incoming_mail(self.talk, 2)
        until("the queue is empty", server.queue_is_empty)
        self.assertEqual([message["text"].strip() for message in messages], ["While you were here.", "While you were away."])
        for entry in self.settled(2):
            self.assertEqual((entry["ingress"], entry["outcome"], entry["envelope_from"]), ("pipe", "filed", "jane@customer.example"), entry)

    def test_postfix(self):
        self.arrives(self.printed_postfix(), "Network error relaying to ingress")

    def test_exim(self):
        self.arrives(self.printed_exim(), "defer")

    def test_a_wrong_password_defers_and_bounces_nothing(self):
        server = Postfix("replyd:", services=f"replyd unix - n n - - pipe\n  user=nobody argv={self.binary} relay postfix URL={self.url('relay')} INGRESS_PASSWORD=wrong")
        self.addCleanup(server.close)
        self.send(server, "Hello.")
        until(f"it is deferred\n{server.log()}", lambda: "4.7.0" in server.log() and "Invalid credentials for ingress" in server.log())
        self.assertIn("status=deferred", server.log())
        self.assertNotIn("status=bounced", server.log())

    def test_a_spool_takes_what_comes_while_replyd_is_away(self):
        spool = self.folder / "spool"
        spool.mkdir()
        shutil.chown(spool, "nobody")
        server = self.printed_postfix(spool)
        self.addCleanup(server.close)
        self.replyd.stop()
        for number in range(3):
            self.send(server, f"Number {number}.")
            until(f"number {number} is spooled\n{server.log()}", lambda: len(list(spool.glob("*.eml"))) == number + 1)
        until("the queue is empty", server.queue_is_empty)
        self.replyd.start()
        self.send(server, "Number 3.")
        texts = [message["text"].strip() for message in self.replyd.incoming_mail(self.talk, 4)]
        self.assertEqual(texts, [f"Number {number}." for number in range(4)])
        self.assertEqual(list(spool.glob("*.eml")), [])

    def test_one_mail_by_mx_by_sendgrid_and_by_pipe_is_one_message(self):
        raw = mail(self.to, text="Three ways.", identity="<three@customer.example>")
        with smtplib.SMTP("127.0.0.1", self.replyd.port) as client:
            client.sendmail("jane@customer.example", [self.to], raw)
        by_sendgrid = b"Received: from mx.customer.example by mx.sendgrid.net; Fri, 20 Nov 2026 10:00:00 +0000\r\n" + raw
        parts = {"email": by_sendgrid, "envelope": json.dumps({"to": [self.to], "from": "jane@customer.example"})}
        answer = requests.post(self.url("sendgrid"), auth=("actionmailbox", SECRETS["sendgrid"]), files={n: (None, v) for n, v in parts.items()}, timeout=60)
        self.assertEqual(answer.status_code, 204)
        server = self.postfix()
        self.addCleanup(server.close)
        self.send(server, "Three ways.", identity="<three@customer.example>")
        entries = self.settled(3)
        self.assertEqual(sorted((entry["ingress"], entry["outcome"]) for entry in entries),
                         [("pipe", "duplicate"), ("sendgrid", "duplicate"), ("smtp", "filed")], server.log())
        self.assertEqual(len(self.replyd.incoming_mail(self.talk)), 1)

    def test_a_server_that_hangs_is_waited_for_ten_seconds(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            done = {}

            def run():
                environment = {"URL": f"http://127.0.0.1:{silent.getsockname()[1]}/", "INGRESS_PASSWORD": "x"}
                done["it"] = subprocess.run([REPLYD, "relay", "postfix"], input=b"x", env=environment, capture_output=True)

            thread = threading.Thread(target=run)
            thread.start()
            peer, _ = silent.accept()
            with peer:
                thread.join()
            self.assertEqual((done["it"].stdout, done["it"].returncode), (b"4.4.2 Timed out relaying to ingress", 1))


if __name__ == "__main__":
    unittest.main()
