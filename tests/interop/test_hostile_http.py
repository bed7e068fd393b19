"""A hostile caller of the HTTP surface, of the owner's socket and of the demo: other accounts' data, odd requests, peers that
do not read. Every probe ends with the canary of the mail side."""

import contextlib
import http.client
import json
import os
import re
import select
import socket
import stat
import subprocess
import threading
import unittest

from harness import PATIENCE, free_port, until
from hostile import ROOMY, Attack, Site
from test_hostile_mail import RIVAL


class Http(Attack):
    OPTIONS = {"extra": ROOMY + RIVAL}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.token = cls.site.replyd.command("token", "add", "--account", "acme")["token"]
        cls.rival = cls.site.replyd.command("token", "add", "--account", "rival")["token"]
        cls.site.tokens.update((cls.token.lower(), cls.rival.lower()))

    def call(self, method, path, body=None, token=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.site.replyd.http_port, timeout=PATIENCE)
        head = dict(headers)
        if token:
            head["Authorization"] = f"Bearer {token}"
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in head.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def speak(self, octets):
        """Octets as they are; all that comes back."""
        with socket.create_connection(("127.0.0.1", self.site.replyd.http_port), timeout=PATIENCE) as raw:
            with contextlib.suppress(OSError):
                raw.sendall(octets)
                raw.shutdown(socket.SHUT_WR)
            said = b""
            with contextlib.suppress(OSError):
                while octets := raw.recv(65536):
                    said += octets
            return said

    def test_other_accounts_and_guesses(self):
        to = self.site.conversation("zoe@other.example", "rival", "help")
        self.assertReply(self.deliver(to["reply_address"], b"From: zoe@other.example\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: attachment\r\n\r\nx"), "250")
        entry, = self.site.stored(to["reply_address"])
        message = self.site.messages(to)[-1]
        paths = [("GET", f"/api/v1/conversations/{to['id']}"), ("PATCH", f"/api/v1/conversations/{to['id']}"), ("POST", f"/api/v1/conversations/{to['id']}/messages"), ("GET", f"/api/v1/inbound/{entry['id']}"), ("GET", f"/api/v1/inbound/{entry['id']}/raw"), ("POST", f"/api/v1/inbound/{entry['id']}/replay"), ("GET", message["attachments"][0]["url"])]
        body = json.dumps({"author": "agent", "text": "x"}).encode()
        for method, path in paths:
            with self.probe((method, path)):
                sent = {"PATCH": b'{"status":"resolved"}', "POST": body}.get(method)
                foreign = self.call(method, path, sent, self.token)
                number = path.split("/")[4]
                absent = self.call(method, path.replace(number, number[:-3] + ("a" if number[-3] != "a" else "b") + number[-2:]), sent, self.token)
                self.assertEqual(foreign[0], 404)
                self.assertEqual(foreign, absent, "a foreign thing looks like none")
                self.assertEqual(self.call(method, path, sent)[0], 401)
                self.assertIn(self.call(method, path, sent, self.rival)[0], (200, 201, 202, 409))
        with self.probe("lists"):
            for path in ("/api/v1/conversations", "/api/v1/inbound"):
                for item in json.loads(self.call("GET", path + "?limit=200", None, self.token)[1])["items"]:
                    self.assertEqual(item["account"], "acme")
                self.assertEqual(self.call("GET", path + "?account=rival", None, self.token)[0], 403)
                self.assertNotIn(to["reply_address"].encode(), self.call("GET", path + "?query=" + to["reply_address"].replace("+", "%2B"), None, self.token)[1])
            self.assertEqual(self.call("POST", "/api/v1/conversations", b'{"account":"rival","inbox":"help"}', self.token)[0], 403)
            self.assertIn(self.call("POST", "/api/v1/conversations", b'{"account":"acme","inbox":"help"}', self.token)[0], (404, 422))
            for method, path in (("GET", "/api/v1/tokens"), ("POST", "/api/v1/tokens"), ("POST", "/api/v1/backup"), ("DELETE", f"/api/v1/tokens/{entry['id']}")):
                body = b'{"file":"/tmp/x"}' if "backup" in path else b'{"account":"acme"}'
                self.assertEqual(self.call(method, path, body, self.token)[0], 403, path)
        for guess in ("", "x", self.token[:-1], self.token + "x", self.token.upper() if self.token.upper() != self.token else self.token.lower(), "' OR 1=1 --", "\u00fc".encode().decode("latin-1"), "A" * 30_000, self.token + " " + self.rival, "null", "0"):
            with self.probe(guess[:20]):
                self.assertEqual(self.call("GET", "/api/v1/conversations", None, guess or None)[0], 401)
        with self.probe("where a token does not count"):
            self.assertEqual(self.call("GET", f"/api/v1/conversations?token={self.token}")[0], 401)
            self.assertEqual(self.call("GET", "/api/v1/conversations", headers={"Authorization": self.token})[0], 401)
            self.assertEqual(self.call("GET", "/api/v1/conversations", headers={"Cookie": f"token={self.token}", "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Host": "replyd"})[0], 401)

    def test_bodies_queries_and_paths(self):
        conversation = self.site.conversation()
        messages = f"/api/v1/conversations/{conversation['id']}/messages"
        for body, statuses in (
            (b"", (400,)), (b"{", (400,)), (b"[]", (400, 422)), (b"null", (422,)), (b"[" * 100_000, (400,)), (b'{"a":' * 100_000, (400, 422)), (b'"\xff"', (400,)), (b'{"author":"agent","text":"\\ud800"}', (400, 422)), (b'{"author":"agent","text":"\\u0000"}', (422,)),
            (b'{"author":"agent","text":1e999}', (400, 422)), (b'{"author":"agent","text":"x","text":"y"}', (400, 422)), (b'{"author":"agent","text":"x","html":"' + b"a" * 600_000 + b'"}', (422,)), (b'{"author":"agent","text":"' + b"a" * 3_000_000 + b'"}', (422,)), (b'{"author":"agent","text":"' + b"a" * 34_000_000 + b'"}', (413,)), (b'{"author":"agent","text":"x","agent":"a\\r\\nBcc: y"}', (422,)),
            (b'{"author":"system","text":"x"}', (422,)), (b'{"author":"agent","text":"x","id":"1"}', (422,)), (b"author=agent&text=x", (400,)), (b'{"author":"agent","text":"x","idempotency_key":"' + b"k" * 5000 + b'"}', (422,)),
        ):
            with self.probe(body[:40]):
                status, said = self.call("POST", messages, body, self.token)
                self.assertIn(status, statuses, said)
                self.assertIn("message", json.loads(said)["error"])
        for contact in ({"email": "a@b\r\nRCPT TO:<c@d>"}, {"email": "a@b.example>"}, {"email": "x"}, {"name": "a\u0000b"}, {"name": "x" * 5000}, {"identifier": "\u001b[2J"}, {"email": ["a@b.example"]}):
            with self.probe(contact):
                status, said = self.call("POST", "/api/v1/conversations", json.dumps({"inbox": "support", "contact": contact}).encode(), self.token)
                self.assertEqual(status, 422, said)
        for query, statuses in (("limit=0", (422,)), ("limit=201", (422,)), ("limit=-1", (422,)), ("limit=99999999999999999999", (422,)), ("cursor=x", (422,)), ("cursor='", (422,)), ("query=%25%25%25%25%25%25%25%25", (200,)), ("query=%00", (200, 422)), ("query=" + "%25_" * 5000, (200, 414, 422, 431)), ("query=%22+OR+*", (200, 422)), ("query=NEAR(a,b)", (200, 422)),
                                ("status=' OR 1=1", (422,)), ("foo=bar", (422,)), ("query=%ff", (200, 422)), ("account=acme&account=rival", (403, 422)), ("query=" + "(" * 5000, (200, 422)), ("contact=%27%3B+DROP+TABLE+mail", (200,))):
            for path in ("/api/v1/conversations", "/api/v1/inbound"):
                with self.probe((path, query[:30])):
                    status, said = self.call("GET", f"{path}?{query.replace(' ', '+')}", None, self.token)
                    self.assertIn(status, (*statuses, 422), said)
        for name in ("..", "../..", "%2e%2e", "%2F", "%00", "0", "-1", "1'", "1;", "99999999999999999999999", "%ff", "a" * 5000, "1%0d%0aX-Y:z", "\u00e9".encode().decode("latin-1"), "*", "1/../2", "+1", "01", "1e1", "0x1"):
            with self.probe(name[:20]):
                for path in (f"/api/v1/conversations/{name}", f"/api/v1/inbound/{name}/raw", f"/api/v1/attachments/{name}"):
                    try:
                        status, said = self.call("GET", path, None, self.token)
                    except (http.client.InvalidURL, UnicodeEncodeError):
                        continue
                    self.assertIn(status, (400, 404, 414), said)
                    self.assertNotIn(b"root:", said)

    def test_requests_that_are_none(self):
        auth = f"Authorization: Bearer {self.token}\r\n".encode()
        for name, octets in (
            ("nonsense", b"\0\1\2\3\r\n\r\n"), ("SMTP", b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n"), ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ("no Host", b"GET /healthz HTTP/1.1\r\n\r\n"), ("0.9", b"GET /\r\n\r\n"), ("huge header", b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n"), ("many headers", b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 10_000 + b"\r\n"),
            ("long path", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n"), ("bare LF", b"GET /healthz HTTP/1.1\nHost: x\n\n"), ("TLS", b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3"), ("CL twice", b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
            ("CL wrong", b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), ("CL huge", b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\n" + auth + b"Content-Length: 99999999999999999999\r\n\r\n"), ("chunk wrong", b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\n" + auth + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
            ("chunk huge", b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\n" + auth + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), ("TE odd", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n"),
            ("header injection", b"GET /\r\nX: y HTTP/1.1\r\n\r\n"), ("CONNECT", b"CONNECT example.com:25 HTTP/1.1\r\nHost: example.com:25\r\n\r\n"), ("proxy", b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"), ("TRACE", b"TRACE / HTTP/1.1\r\nHost: x\r\nCookie: secret\r\n\r\n"),
        ):
            with self.probe(name):
                said = self.speak(octets)
                self.assertNotRegex(said.split(b"\r\n")[0], rb" 2\d\d ") if name not in ("no Host", "bare LF") else None
                self.assertNotIn(b"secret", said)
        with self.probe("request smuggling"):
            said = self.speak(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b'"openapi"', said.split(b"\r\n\r\n")[0])
        with self.probe("chunked beyond the bound"):
            chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
            before = self.site.memory()
            said = self.speak(b"POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\n" + auth + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 400)
            self.assertTrue(said == b"" or b" 413 " in said.split(b"\r\n")[0], said[:100])
            self.assertLess(self.site.memory() - before, 32 << 20)

    def test_the_owners_socket_is_the_owners(self):
        data = self.site.replyd.dir / "data"
        mode = (data / "replyd.sock").stat()
        self.assertTrue(stat.S_ISSOCK(mode.st_mode))
        self.assertEqual(stat.S_IMODE(mode.st_mode), 0o600)
        for path in data.rglob("*"):
            if path.is_file():
                self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
        os.chmod(data, 0o777)
        os.chmod(data / "replyd.sock", 0o777)
        try:
            script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'GET /api/v1/tokens HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(100))"
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script, data / "replyd.sock"], capture_output=True, text=True)
            self.assertNotIn("200", done.stdout, "another user is let in where the mode of the file was opened")
            self.assertTrue("b''" in done.stdout or "Reset" in done.stderr or "Broken" in done.stderr, done.stdout + done.stderr)
        finally:
            os.chmod(data, 0o700)
            os.chmod(data / "replyd.sock", 0o600)


class Unread(unittest.TestCase):
    """Peers that ask and never read give their place back; nobody else may ever be served if they do not."""

    @classmethod
    def begin(cls):
        cls.site = Site(extra=ROOMY)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        cls.wires = [socket.create_connection(("127.0.0.1", cls.site.replyd.http_port)) for _ in range(4)]
        for wire in cls.wires:
            wire.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(20):
                    wire.send(request * 200)

    def test_their_connections_end(self):
        self.addCleanup(self.site.close)
        for wire in self.wires:
            self.addCleanup(wire.close)
            poll = select.poll()
            poll.register(wire, select.POLLHUP)
            until("a peer that does not read is cut off", lambda: poll.poll(100))
        self.site.canary()


def setUpModule():
    """Their patience passes while the other tests run."""
    Unread.begin()


class Demo(unittest.TestCase):
    def test_the_demo_shows_hostile_words_as_words(self):
        import tempfile
        smtp, web = free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            demo = subprocess.Popen([os.environ["REPLYD"], "demo", "--fresh", "--smtp-port", str(smtp), "--http-port", str(web), "--data", folder + "/d"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                said = ""
                while not (found := re.search(r"reply\+[0-9a-f]{32}@\S+[a-z]", said)):
                    line = demo.stdout.readline()
                    self.assertTrue(line, said)
                    said += line
                threading.Thread(target=demo.stdout.read, daemon=True).start()
                import smtplib
                with smtplib.SMTP("127.0.0.1", smtp) as client:
                    client.sendmail("a@b.example", [found[0].strip("'\"")], b'From: "<script>alert(1)</script>" <a@b.example>\r\nSubject: <img src=x onerror=alert(2)>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>&lt;script&gt;alert(3)&lt;/script&gt;</p><script>alert(5)</script><img src=x onerror=alert(6)>\r\n--b\r\nContent-Type: image/png; name="<svg onload=alert(4)>.png"\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n')

                def page(path="/", host=f"127.0.0.1:{web}", cookie=""):
                    connection = http.client.HTTPConnection("127.0.0.1", web)
                    connection.request("GET", path, headers={"Host": host, "Cookie": cookie})
                    answer = connection.getresponse()
                    body = answer.read().decode()
                    connection.close()
                    return answer.status, body, {name.lower(): value for name, value in answer.getheaders()}
                # The first page signs its reader in at the desk, which shows what the API says.
                cookie = page()[2]["set-cookie"].split(";")[0]

                def arrived():
                    listed = json.loads(page("/api/v1/conversations?limit=5", cookie=cookie)[1])["items"]
                    threads = [page(f"/api/v1/conversations/{item['id']}", cookie=cookie) for item in listed]
                    return next((thread for thread in threads if "alert(3)" in thread[1]), None)
                shown = until("the mail is at the desk", arrived)
                self.assertEqual((shown[2]["content-type"], shown[2]["x-content-type-options"]), ("application/json", "nosniff"))
                message = next(message for message in json.loads(shown[1])["messages"] if "alert(3)" in message["text"])
                status, document, head = page(f"/api/v1/messages/{message['id']}/html", cookie=cookie)
                self.assertEqual(status, 200)
                self.assertIn("alert(3)", document, "its words are shown")
                self.assertNotRegex(document, r"(?i)<script|onerror|onload|<svg")
                self.assertRegex(head["content-security-policy"], r"default-src 'none'.*sandbox|sandbox.*default-src 'none'")
                for path in ("/", "/desk/", "/mailbox"):
                    status, document, head = page(path, cookie=cookie)
                    self.assertEqual(status, 200, path)
                    self.assertNotRegex(document, r"<script>alert|<img src=x|<svg onload", path)
                    self.assertIn("default-src 'none'", head["content-security-policy"], path)
                self.assertNotEqual(page(host="evil.example")[0], 200)
            finally:
                demo.terminate()
                demo.wait()
                demo.stdout.close()


if __name__ == "__main__":
    unittest.main()
