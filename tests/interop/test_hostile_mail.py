"""Hostile mails into a running replyd: exhaustion, parsing, false authors, loops and the identity of a conversation.
Numbers are the rows of the project's list of attacks; every probe ends with the canary."""

import base64
import contextlib
import http.client
import os
import re
import socket
import subprocess
import threading
import time
import unittest

import dkim
from harness import SERVFAIL, SILENCE, until
from hostile import END, HEADER, ROOMY, Attack, Wire

MAIL_OCTETS_MAX = 25 << 20
RIVAL = """
[[account]]
name = "rival"
inbound_domain = "reply.rival.example"
[[account.inbox]]
name = "help"
channel = "email"
address = "help@rival.example"
"""


def html_mail(html):
    return b"From: Amy <amy@nowhere.example>\r\nSubject: html\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html


class Exhaustion(Attack):
    OPTIONS = {"extra": ROOMY.replace("mails_per_session = 100000\n", "") + """command_timeout = "1 s"
data_block_timeout = "1 s"
data_timeout = "2 s"
session_without_mail_timeout = "3 s"
"""}

    def test_091_slow_sessions_end_while_honest_ones_are_served(self):
        with self.probe(91):
            slow = [self.wire() for _ in range(100)] + [self.wire().envelope(self.site.canary_to) for _ in range(100)]
            begun, open_ones = time.monotonic(), dict.fromkeys(range(len(slow)))
            while open_ones and time.monotonic() - begun < 20:
                for number in list(open_ones):
                    with contextlib.suppress(OSError):
                        slow[number].send(b"N")
                        slow[number].socket.settimeout(0.001)
                        if b"421" not in slow[number].socket.recv(1000):
                            continue
                    if slow[number].socket.gettimeout() and not self.ended(slow[number]):
                        continue
                    del open_ones[number]
                self.site.canary()
            self.assertFalse(open_ones, f"{len(open_ones)} slow sessions still live")

    @staticmethod
    def ended(wire):
        try:
            wire.socket.setblocking(False)
            return wire.socket.recv(1000) is not None
        except BlockingIOError:
            return False
        except OSError:
            return True

    def test_092_a_drip_ends_by_the_deadline_of_the_whole_mail(self):
        with self.probe(92):
            to = self.fresh()
            wire = self.wire().envelope(to)
            begun, said = time.monotonic(), b""
            wire.socket.settimeout(0.1)
            while not said and time.monotonic() - begun < 20:
                with contextlib.suppress(TimeoutError):
                    wire.send(b"x")
                    said = wire.socket.recv(1000)
            self.assertIn(b"421 4.4.2", said)
            self.assertLess(time.monotonic() - begun, 10)

    def test_093_a_peer_that_never_reads_holds_little(self):
        with self.probe(93):
            before = self.site.memory()
            wires = []
            for _ in range(20):
                wire = self.wire()
                wire.socket.settimeout(0.05)
                with contextlib.suppress(OSError):
                    for _ in range(200):
                        wire.send(b"HELP\r\n" * 1000)
                wires.append(wire)
            self.assertLess(self.site.memory() - before, 32 << 20)
            for wire in wires:
                wire.socket.close()

    def test_094_095_floods_of_the_header(self):
        for name, content, answers in (
            ("header line of 200 KB", b"X: " + b"a" * 200_000 + b"\r\n" + HEADER, ("250",)),
            ("one header of 20 MB", b"X: " + b"a" * 20_000_000 + b"\r\n" + HEADER, ("552 5.3.4",)),
            ("2,000 fields", b"X: a\r\n" * 1997 + HEADER, ("250",)),
            ("2,001 fields", b"X: a\r\n" * 1998 + HEADER, ("552 5.3.4",)),
            ("100,000 fields", b"X: a\r\n" * 100_000 + HEADER, ("552 5.3.4",)),
            ("100,000 folds", b"Subject: a\r\n" + b" b\r\n" * 100_000 + HEADER, ("250",)),
            ("empty names", b": a\r\n" * 500 + HEADER, ("250",)),
            ("50 hops", b"Received: x\r\n" * 50 + HEADER, ("250",)),
            ("51 hops", b"Received: x\r\n" * 51 + HEADER, ("554 5.4.6",)),
            ("10,000 hops", b"Received : x\r\n" * 10_000 + HEADER, ("554 5.4.6", "552 5.3.4")),
            ("line of 2 MB", HEADER + b"a" * (2 << 20), ("250",)),
            ("100,000 recipients in To", b"To: " + b"a@b.example,\r\n " * 100_000 + b"\r\n" + HEADER, ("552 5.3.4",)),
            ("30,000 recipients in To", b"To: " + b"a@b.example,\r\n " * 30_000 + b"a@b.example\r\n" + HEADER, ("250",)),
            ("comments 100,000 deep", b"To: " + b"(" * 100_000 + b"a@b.example\r\n" + HEADER, ("250",)),
            ("quotes that do not close", b"To: " + b'"' * 99_999 + b"\r\nCc: " + b'"\\' * 50_000 + b"\r\n" + HEADER, ("250",)),
            ("10,000 references", b"References: " + b"<a%d@b>\r\n " * 10_000 % tuple(range(10_000)) + b"\r\n" + HEADER, ("250",)),
            ("30,000 tokens", b"To: " + b"reply+00112233445566778899aabbccddeeff@r.example,\r\n " * 9_000 + b"x@y\r\n" + HEADER, ("250",)),
        ):
            with self.probe(name):
                to = self.fresh()
                reply = self.end(self.wire().envelope(to), content)
                self.assertReply(reply, *answers)
                kept = self.site.stored(to)
                self.assertEqual([entry["outcome"] for entry in kept], ["filed"] * reply.startswith("250"))


class Large(Attack):
    OPTIONS = {"extra": ROOMY + 'content_in_flight = "30 MiB"\n'}

    def test_096_184_large_mails(self):
        for octets, answer in ((MAIL_OCTETS_MAX, "250"), (MAIL_OCTETS_MAX + 1, "552 5.3.4")):
            with self.probe(octets):
                to = self.fresh()
                line = b"a" * 76 + b"\r\n"
                content = (HEADER + line * (octets // len(line) + 1))[: octets - 2] + b"\r\n"
                self.assertEqual(len(content), octets)
                self.assertReply(self.site.count(self.wire().envelope(to).send(content + b".\r\n").reply()), answer)
                self.assertEqual([(e["outcome"], e["size"]) for e in self.site.stored(to)], [("filed", octets)] * (answer == "250"))
        with self.probe("12 at once, room for two"):
            before, replies = self.site.memory(), []
            body = HEADER + (b"b" * 76 + b"\r\n") * 130_000
            tos = [self.fresh() for _ in range(12)]
            begun = threading.Barrier(len(tos))

            def send(to):
                with Wire(self.site.port) as wire:
                    wire.hello()
                    for command in (b"MAIL FROM:<a@b.example>", b"RCPT TO:<" + to.encode() + b">"):
                        wire.command(command)
                    reply = wire.command(b"DATA")
                    begun.wait()
                    if reply.startswith("354"):
                        wire.send(body)
                    begun.wait()  # all but the ends is out, and no mail can make room for another
                    replies.append(wire.send(END).reply() if reply.startswith("354") else reply)

            threads = [threading.Thread(target=send, args=(to,)) for to in tos]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for reply in replies:
                self.assertReply(reply, "250", "452 4.3.1")
                self.site.count(reply)
            self.assertIn(True, [reply.startswith("250") for reply in replies])
            self.assertIn(True, [reply.startswith("452") for reply in replies])
            for to in tos:
                self.site.stored(to)
            self.assertLess(self.site.memory() - before, 250 << 20)


class Patience(Attack):
    OPTIONS = {}

    def test_052_150_budgets_of_one_client(self):
        sessions = []
        for _ in range(21):
            sessions.append(self.wire())
        self.assertReply(sessions[-1].greeting, "421 4.7.0")
        self.assertTrue(all(wire.greeting.startswith("220") for wire in sessions[:20]))
        for wire in sessions:
            wire.socket.close()
        until("a slot is free again", lambda: self.greeted())
        greetings = [self.greeted() for _ in range(320)]
        self.assertIn(False, greetings)
        self.assertIsNone(self.site.replyd.process.poll())

    def greeted(self):
        with Wire(self.site.port) as wire:
            return wire.greeting.startswith("220")


class Parsing(Attack):
    OPTIONS = {"extra": ROOMY}

    def check_kept(self, name, content, seconds=20):
        with self.probe(name):
            conversation = self.site.conversation()
            to = conversation["reply_address"]
            begun = time.monotonic()
            reply = self.deliver(to, content)
            self.assertReply(reply, "250")
            entry, = self.site.stored(to)
            self.assertEqual(entry["outcome"], "filed", entry)
            message, = [m for m in self.site.messages(conversation) if m["via"] == "email"]
            self.assertLess(time.monotonic() - begun, seconds)
            raw = self.site.raw(entry)
            self.assertEqual(raw[: len(content)], content)
            return message

    def test_101_104_105_poison_mails(self):
        level = b"Content-Type: message/rfc822\r\n\r\n"
        for levels in (100, 3_000, 25_000, 700_000):
            message = self.check_kept(f"104 {levels}", b"From: a@b.example\r\n" + level * levels)
            self.assertTrue(message["email"]["defects"])
        inner = b"Subject: x\r\n\r\nbody"
        for _ in range(12):
            inner = b"From: a@b.example\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(inner)
        self.check_kept("104 base64", inner)
        head = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        part = b"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        long = b"b" * 2000
        for name, content in (
            ("105 levels", head + part * 100_000), ("105 parts", head + b"--a\r\n\r\n" * 1_000_000), ("105 prefixes", head.replace(b"=a", b"=aa") + b"--a\r\n\r\nx\r\n--aa\r\n\r\ny\r\n--aaa\r\n\r\nz\r\n--aa--"),
            ("105 empty boundary", head.replace(b"=a", b'=""') + b"--\r\n\r\nx\r\n----"), ("105 2 KB boundary", head.replace(b"=a", b"=" + long) + b"--" + long + b"\r\n\r\nx"), ("105 no boundary", head.replace(b"; boundary=a", b"") + b"x"),
            ("105 distinct", head + b"".join(b"--a\r\nContent-Type: multipart/mixed; boundary=%d\r\n\r\n" % n for n in range(50_000))),
            ("106", b"From: a@b.example\r\nContent-Type: application/pdf" + b"".join(b";\r\n name*%d*=x" % n for n in range(20_000)) + b"\r\n\r\nx"),
            ("107", b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?=C3?= " * 20_000 + b"\r\n\r\nx"),
            ("109 one line", head.replace(b"multipart/mixed; boundary=a", b"application/pdf\r\nContent-Transfer-Encoding: base64") + b"QUJD" * 2_500_000),
            ("109 padding", head.replace(b"multipart/mixed; boundary=a", b"text/plain\r\nContent-Transfer-Encoding: base64") + b"QQ==QQ==*$\r\n=" * 1000),
            ("101 quotes", HEADER + b">" * 1_000_000), ("101 quote lines", HEADER + b">>>>>>>> x\r\n" * 200_000), ("101 attributions", HEADER + b"On Fri, Nov 20, 2026 at 9:00 AM Sara <s@x.example> wrote:\r\n" * 100_000),
            ("101 divs", html_mail(b"<div>" * 100_000 + b"x")), ("101 open tags", html_mail(b"<a href='" * 1_000_000)), ("101 angle brackets", html_mail(b"<" * 2_000_000)), ("101 entities", html_mail(b"&" * 2_000_000)),
            ("101 comments", html_mail(b"<!--" * 500_000)), ("101 blockquotes", html_mail(b"<blockquote type=cite>" * 50_000 + b"x")), ("101 tables", html_mail(b"<table><tr><td>" * 50_000)), ("101 attributes", html_mail(b"<p " + b"a=b " * 500_000 + b">")),
            ("101 signatures", HEADER + b"-- \r\n" * 200_000), ("101 blank", HEADER + b"\r\n" * 2_000_000), ("101 spaces", HEADER + b" " * 5_000_000), ("101 separators", HEADER + b"-----Original Message-----\r\n" * 100_000),
            ("101 From:", HEADER + b"From: a\r\nSent: b\r\nTo: c\r\nSubject: d\r\n" * 50_000),
            ("117 group", b"From: " + b"g: " * 50_000 + b";\r\n" + HEADER), ("116 partial", b"From: a@b.example\r\nContent-Type: message/partial; id=x; number=1; total=9\r\n\r\nx"),
            ("116 external", b"From: a@b.example\r\nContent-Type: message/external-body; access-type=URL; URL=\"http://127.0.0.1:1/\"\r\n\r\nx"), ("116 tnef", b"From: a@b.example\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\n\x78\x9f\x3e\x22"),
            ("116 signed", b"From: a@b.example\r\nContent-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\nContent-Type: application/pgp-signature\r\n\r\ny\r\n--a--"),
            ("102 gzip", b"From: a@b.example\r\nContent-Type: application/gzip; name=r.xml.gz\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"\x1f\x8b\x08" + bytes(100_000))),
            ("flowed", HEADER.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; format=flowed; delsp=yes\r\n\r\n") + b"a \r\n" * 300_000),
            ("158 recipients", b"From: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
             + b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.999999.1\r\nDiagnostic-Code: smtp; <script>alert(1)</script>\x1b[2J\r\n\r\n" * 100_000 + b"--a--"),
            ("158 diagnostic", b"From: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; " + b"x" * 1_000_000 + b"\r\n--a--"),
        ):
            self.check_kept(name, content)

    def test_107_to_110_and_118_words_and_headers(self):
        message = self.check_kept(107, b"Subject: =?utf-8?q?a=0D=0ABcc:_evil@x.example=00=?=\r\nFrom: =?utf-8?q?x=0Ay=1B[2J?= <a@b.example>\r\n\r\nx")
        self.assertNotRegex(message["email"]["subject"] + message["author"]["name"], r"[\x00-\x1f]")
        for charset, body in ((b"utf-7", b"+ADw-script+AD4-"), (b"utf-16", b"\xff\xfe<\0"), (b"iso-2022-jp", b"\x1b$B\x1b(B\x1b"), (b'"x"; charset=y', b"z"), (b"hz-gb-2312", b"~{~}<"), (b"us-ascii", "ü".encode()), (b"no-such", b"\xff")):
            message = self.check_kept(b"108 " + charset, b"From: a@b.example\r\nContent-Type: text/html; charset=" + charset + b"\r\n\r\n" + body)
            self.assertNotIn("<script", message["html"] or "")
        for name, header in (("two From", b"From: a@b.example\r\nFrom: amy@nowhere.example\r\n"), ("space", b"From : amy@nowhere.example\r\n"), ("tab", b"From\t: amy@nowhere.example\r\n"), ("no colon", b"nonsense\r\nFrom: amy@nowhere.example\r\n"), ("folded colon", b"From\r\n : amy@nowhere.example\r\n"),
                             ("leading space", b" From: amy@nowhere.example\r\n"), ("two types", b"Content-Type: text/html\r\nContent-Type: text/plain\r\nFrom: amy@nowhere.example\r\n"), ("two subjects", b"Subject: a\r\nSubject: b\r\nFrom: a@b.example\r\n"), ("no From", b"Subject: x\r\n"),
                             ("date", b"Date: Fri, 32 Foo 0000 99:99:99 +9999\r\nFrom: a@b.example\r\n"), ("date 10^20", b"Date: Fri, 1 Jan 100000000000000000000 00:00:00 +0000\r\nFrom: a@b.example\r\n"), ("bare CR", None)):
            if name in ("bare CR", "leading space"):
                with self.probe(name):
                    self.assertReply(self.deliver(self.fresh(), header or b"From: a@b.example\rBcc: x\r\n\r\nx"), "550 5.6.0")
                continue
            message = self.check_kept(f"110 {name}", header + b"\r\nx")
            self.assertNotEqual(message["email"]["auth"]["verdict"], "authentic")
        with self.probe("110 leading blank line"):
            self.assertReply(self.deliver(self.fresh(), b"\r\nFrom: a@b.example\r\n\r\nx"), "550 5.6.0", "250")

    def test_113_114_stored_html_is_harmless(self):
        vectors = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<style>@import 'http://evil.example/x'</style>", "<base href=http://evil.example/>", "<form action=http://evil.example><input name=p></form>", '<meta http-equiv=refresh content="0;url=http://evil.example">',
                   "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">", "<a href=javascript:alert(1)>x</a>", "<a href=' java\tscript:alert(1)'>x</a>", "<a href='data:text/html,<script>alert(1)</script>'>x</a>", "<a href=vbscript:x>x</a>",
                   "<div style='position:fixed;top:0;left:0;width:100%;height:100%'>x</div>", "<div style='width:expression(alert(1))'>x</div>", "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->", "<iframe src=http://evil.example></iframe>", "<object data=x></object>", "<embed src=x>", "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
                   "<svg><style><img src=x onerror=alert(1)></style></svg>", "<template><script>alert(1)</script></template>", "<img src=http://169.254.169.254/ srcset='http://evil.example/1 1x'>", "<div style=\"background:url(http://evil.example/)\">x</div>", "<link rel=stylesheet href=http://evil.example>", "<video poster=http://evil.example src=x>", "<audio src=http://evil.example>",
                   "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", "<table background=http://evil.example>", "<input onfocus=alert(1) autofocus>", "<details ontoggle=alert(1) open>", "<a id=x name=document>x</a>", "<xmp><img src=x onerror=alert(1)></xmp>", "<plaintext><script>", "<title><img src=x onerror=alert(1)></title>", "<p id=x class=y onclick=alert(1)>x", "<svg><a xlink:href=javascript:alert(1)>x</a></svg>", "<img src='file:///etc/passwd'>", "<button formaction=javascript:alert(1)>x", "<isindex action=javascript:alert(1)>", "\x00<scr\x00ipt>alert(1)</scr\x00ipt>", "<img src=\"x` `<script>alert(1)</script>\"` `>")
        for vector in vectors:
            message = self.check_kept(f"113 {vector[:40]}", html_mail(b"<p>Hello</p>" + vector.encode()))
            html = (message["html"] or "").lower()
            tags = re.findall(r"<[^>]*>", html)
            for tag in tags:
                self.assertNotRegex(tag, r"<(script|style|svg|math|iframe|object|embed|form|input|button|base|meta|link|video|audio|template|xmp|title|noscript)\b", vector)
                self.assertNotRegex(tag, r"\son\w+\s*=|javascript:|vbscript:|\sid=|\ssrcset=|formaction|position\s*:|url\s*\(|expression", vector)
                self.assertNotRegex(tag, r"\s(src|background|poster)\s*=\s*[\"']?(https?|file|data:text)", vector)

    def test_111_112_115_names_and_escapes(self):
        names = (b"../../etc/passwd", b"C:\\x", b"a\0b", b"x" * 10_000, b"=?utf-8?q?a=0D=0AX:_y?=", "\u202efdp.exe".encode(), b"a. ", b"con", b"a.pdf.exe", b"", b"a/b", b"%2e%2e%2f", b'a\\"; filename=\\"b.exe', b"a\\\\", b".htaccess", b"~", b"-rf", "ü\u0085\u2028x".encode(), b"=?utf-8?q?=1B]0;x=07?=")
        for name in names:
            if b"\0" in name:
                with self.probe(name):
                    self.assertReply(self.deliver(self.fresh(), b'From: a@b.example\r\nContent-Type: image/png; name="' + name + b'"\r\n\r\nx'), "550 5.6.0")
                continue
            message = self.check_kept(name[:30], b'From: a@b.example\r\nContent-Type: text/html; name="' + name + b'"\r\nContent-Disposition: attachment; filename="' + name + b'"\r\n\r\n<script>alert(1)</script>')
            attachment, = message["attachments"]
            shown = attachment["name"]
            self.assertNotRegex(shown, r"[\x00-\x1f\x7f-\x9f/\\\u202a-\u202e\u2066-\u2069\u2028\u2029]")
            self.assertTrue(0 < len(shown.encode()) <= 255 and shown not in (".", "..") and not shown.endswith((".", " ")), shown)
            self.assertEqual(self.download(attachment["url"])[1].strip(), b"<script>alert(1)</script>")
            headers = self.download(attachment["url"])[0]
            disposition, = [value for key, value in headers if key.lower() == "content-disposition"]
            self.assertRegex(disposition, r"^attachment(; filename=\"([^\"\\\r\n]|\\.)*\")?(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*)?$")
            self.assertNotIn("text/html", dict(headers)["content-type"])
            self.assertEqual(dict(headers)["x-content-type-options"], "nosniff")
            self.assertIn("sandbox", dict(headers)["content-security-policy"])

    def download(self, url):
        connection = http.client.HTTPConnection("replyd")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.site.replyd.dir / "data/replyd.sock"))
        connection.request("GET", url)
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        self.assertEqual(answer.status, 200, octets)
        return [(key.lower(), value) for key, value in answer.getheaders()], octets

    def test_115_nothing_steers_the_operators_terminal(self):
        conversation = self.site.conversation()
        evil = "\x1b[2J\x1b]0;owned\x07\u202e\u2028\x9b"
        encoded = "=?utf-8?b?" + base64.b64encode(evil.encode()).decode() + "?="
        wire = self.wire()
        wire.command(("EHLO " + evil.replace("\x1b", "").replace("\x07", "").replace("\x9b", "")).encode())
        wire.hello()
        wire.command(b"MAIL FROM:<\"\\\x1b[2J\"@b.example>")
        reply = self.deliver(conversation["reply_address"], f"From: {encoded} <amy@nowhere.example>\r\nSubject: {encoded}\r\nMessage-ID: <{encoded}@x>\r\n\r\n".encode() + evil.encode())
        self.assertReply(reply, "250")
        entry, = self.site.stored(conversation["reply_address"])
        for words in (["inbound", "list"], ["inbound", "show", entry["id"]], ["conversation", "show", conversation["id"]], ["conversation", "list"]):
            with self.probe(words):
                done = subprocess.run([os.environ["REPLYD"], *words, "--config", self.site.replyd.config], capture_output=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotRegex(done.stdout.decode(), "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
                self.assertGreater(len(done.stdout), 20)


class Authors(Attack):
    """Rows 119 to 142 as far as a zone can show them."""

    @classmethod
    def setUpClass(cls):
        def key(bits):
            private = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], capture_output=True, check=True).stdout
            public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, capture_output=True, check=True).stdout
            return private, base64.b64encode(public).decode()

        cls.key, public = key(2048)
        cls.weak, weak = key(512)
        zone = {
            "s1._domainkey.customer.example": f"v=DKIM1; k=rsa; p={public}", "weak._domainkey.customer.example": f"v=DKIM1; k=rsa; p={weak}", "revoked._domainkey.customer.example": "v=DKIM1; p=",
            "_dmarc.customer.example": "v=DMARC1; p=none", "customer.example": "v=spf1 -all", "s1._domainkey.evil.example": f"v=DKIM1; k=rsa; p={public}",
            "strict.example": "v=spf1 -all", "_dmarc.strict.example": "v=DMARC1; p=reject",
            "s1._domainkey.broken.example": SERVFAIL, "_dmarc.broken.example": SERVFAIL, "broken.example": SERVFAIL, "silent.example": SILENCE, "_dmarc.silent.example": SILENCE,
            "_dmarc.two.example": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}, "two.example": {"TXT": ["v=spf1 +all", "v=spf1 -all"]},
            "loop.example": "v=spf1 include:loop.example -all", "redirect.example": "v=spf1 redirect=redirect.example", "bomb.example": "v=spf1 " + " ".join(f"include:b{n}.example" for n in range(11)) + " +all",
            **{f"b{n}.example": "v=spf1 " + " ".join(f"include:b{m}.example" for m in range(11)) + " ?all" for n in range(11)},
            "void.example": "v=spf1 a:v1.example a:v2.example a:v3.example a:v4.example +all", "macro.example": "v=spf1 exists:" + "%{l}." * 100 + "macro.example +all", "macro2.example": "v=spf1 exists:%{ +all", "macro3.example": "v=spf1 exists:%{d999r}.%{l99r+-}.x +all",
            "mxbomb.example": {"TXT": ["v=spf1 mx +all"], "MX": [f"m{n}.mxbomb.example" for n in range(11)]}, "ptr.example": "v=spf1 ptr +all", "huge.example": "v=spf1 " + "ip4:192.0.2.1 " * 3500 + "-all", "bad.example": "v=spf1 ip4:127.0.0.1/33 +all", "zwsp.example": "v=spf1\u200b +all",
            "exp.example": {"TXT": ["v=spf1 -all exp=why.example"]}, "why.example": "<script>\r\n250 ok", "cname.example": {"CNAME": ["cname.example"]},
            "plus.example": "v=spf1 +all", "_dmarc.plus.example": "v=DMARC1; p=reject", "1.0.0.127.in-addr.arpa": {"PTR": [f"p{n}.example" for n in range(100)] + ["<script>.example"]},
        }
        cls.OPTIONS = {"extra": ROOMY + 'authentication_timeout = "1 s"\n', "records": zone}
        super().setUpClass()

    def sign(self, raw, selector=b"s1", domain=b"customer.example", key=None, **options):
        options.setdefault("include_headers", [b"from", b"to", b"subject"])
        return dkim.sign(raw, selector, domain, key or self.key, **options) + raw

    def letter(self, sender="jane@customer.example", extra=b""):
        return extra + f"From: Jane <{sender}>\r\nTo: x@reply.example\r\nSubject: hi {os.urandom(4).hex()}\r\n\r\nHello.\r\n".encode()

    def verdict(self, raw, sender=b"<jane@customer.example>"):
        message = self.filed(raw, "jane@customer.example", sender=sender)
        return message, message["email"]["auth"]["verdict"]

    def test_124_to_133_signatures(self):
        with self.probe("an honest one"):
            message, verdict = self.verdict(self.sign(self.letter()))
            self.assertEqual((verdict, message["author"]["kind"]), ("authentic", "contact"))
        raw = self.letter()
        head, body = raw.split(b"\r\n\r\n", 1)
        for name, mail in (
            ("125 weak", self.sign(raw, b"weak", key=self.weak)), ("125 revoked", self.sign(raw, b"revoked")), ("125 unknown", self.sign(raw, b"none")), ("126 l=", self.sign(raw, length=True) + b"<b>more</b>"), ("126 l= exact", self.sign(raw, length=True)),
            ("127 From not signed", re.sub(rb"h=from : ", b"h=", self.sign(raw), count=1)), ("127 second From", self.sign(raw).replace(b"From: Jane", b"From: Eve <eve@evil.example>\r\nFrom: Jane", 1)), ("127 From in front", b"From: jane@customer.example\r\n" + self.sign(self.letter("eve@evil.example"), domain=b"evil.example")),
            ("127 10,000 names", self.sign(raw).replace(b"h=from", b"h=" + b"x:" * 10_000 + b"from", 1)), ("128 sha1", self.sign(raw, signature_algorithm=b"rsa-sha1")), ("128 none", self.sign(raw).replace(b"a=rsa-sha256", b"a=none", 1)), ("129 expired", self.sign(raw).replace(b"; t=", b"; x=1; t=", 1)),
            ("132 NUL", None), ("132 quote", self.sign(raw).replace(b"d=customer.example", b"d=customer.example'a.evil.example", 1)), ("132 paren", self.sign(raw).replace(b"d=customer.example", b"d=customer.example(.evil.example", 1)), ("133 suffix", self.sign(raw).replace(b"d=customer.example", b"d=example", 1)),
            ("135 two domains", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b"From: jane@customer.example, eve@evil.example"))), ("135 group", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b"From: x: jane@customer.example;"))), ("135 empty", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b"From:"))),
            ("136 name", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b'From: "jane@customer.example" <eve@evil.example>'), domain=b"customer.example")), ("136 comment", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b"From: jane@customer.example (<eve@evil.example)"), domain=b"evil.example")),
            ("136 two angles", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b"From: <jane@customer.example> <eve@evil.example>"), domain=b"evil.example")), ("136 route", self.sign(raw.replace(b"From: Jane <jane@customer.example>", b"From: <@evil.example,@x:jane@customer.example>"), domain=b"evil.example")),
            ("body changed", self.sign(raw) + b"more\r\n"), ("another's domain", self.sign(raw, domain=b"evil.example")),
        ):
            if mail is None:
                with self.probe(name):
                    self.assertReply(self.deliver(self.fresh(), self.sign(raw).replace(b"s=s1", b"s=s1\0.evil", 1)), "550 5.6.0")
                continue
            with self.probe(name):
                message, verdict = self.verdict(mail)
                if verdict == "authentic":  # then it is said of the one who signed, and of nobody else
                    self.assertIn(name, ("135 group", "136 comment", "136 route", "127 From not signed"), message["email"]["auth"])
                    domain = {"135 group": "customer.example", "127 From not signed": "x"}.get(name, "evil.example")
                    self.assertTrue(message["author"]["email"].endswith("@" + domain), message["author"])
                if name.startswith("136") and b"evil" in mail:
                    self.assertFalse(verdict == "authentic" and message["author"]["email"] == "jane@customer.example")
        with self.probe("124 5,000 signatures"):
            asked = len(self.site.replyd.zone.asked)
            signatures = b"".join(b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; h=from; bh=AAAA; b=AAAA\r\n" % n for n in range(1900))
            message, verdict = self.verdict(signatures + raw)
            self.assertNotEqual(verdict, "authentic")
            self.assertLessEqual(len(self.site.replyd.zone.asked) - asked, 60)
        with self.probe("130 replay"):
            signed = self.sign(self.letter())
            conversations = [self.site.conversation("jane@customer.example") for _ in range(3)]
            for conversation in conversations * 3:
                self.assertReply(self.deliver(conversation["reply_address"], signed, sender=b"<jane@customer.example>"), "250")
            for conversation in conversations:
                self.assertEqual(len([m for m in self.site.messages(conversation) if m["via"] == "email" and self.site.stored(conversation["reply_address"])]), 1)

    def test_119_to_123_spf(self):
        for domain in ("loop", "redirect", "bomb", "void", "macro", "macro2", "macro3", "mxbomb", "ptr", "huge", "bad", "zwsp", "exp", "cname", "two", "broken", "silent", "absent"):
            with self.probe(domain):
                asked, begun = len(self.site.replyd.zone.asked), time.monotonic()
                message, verdict = self.verdict(self.letter(f"jane@{domain}.example"), f"<{'a' * 60}@{domain}.example>".encode())
                spf = message["email"]["auth"]["spf"]
                if domain in ("macro", "macro3", "ptr"):  # whoever publishes +all vouches for everybody
                    self.assertEqual(spf, "pass")
                else:
                    self.assertNotEqual(verdict, "authentic", message["email"]["auth"])
                if domain in ("loop", "redirect", "bomb", "void", "mxbomb", "macro2", "bad", "two"):
                    self.assertEqual(spf, "permerror", domain)
                self.assertNotIn("script", str(message["email"]["auth"]))
                self.assertLess(time.monotonic() - begun, 5)
                self.assertLessEqual(len(self.site.replyd.zone.asked) - asked, 60)
                if domain in ("broken", "silent"):
                    self.assertEqual(verdict, "undetermined", message["email"]["auth"])
        with self.probe("122 null sender and a spoofed HELO"):
            wire = self.wire()
            wire.command(b"EHLO plus.example")
            conversation = self.site.conversation("jane@plus.example")
            for command in (b"MAIL FROM:<>", b"RCPT TO:<" + conversation["reply_address"].encode() + b">", b"DATA"):
                wire.command(command)
            reply = self.end(wire, self.letter("jane@strict.example"))
            self.assertReply(reply, "550 5.7.26")
        with self.probe("+all is aligned SPF, and says so"):
            message, verdict = self.verdict(self.letter("jane@plus.example"), b"<jane@plus.example>")
            self.assertIn("spf", str(message["email"]["auth"]["basis"]).lower())
        with self.probe("p=reject is refused in the session, trouble is not"):
            self.assertReply(self.deliver(self.fresh(), self.letter("jane@strict.example")), "550 5.7.26")
            self.assertReply(self.deliver(self.fresh(), self.letter("jane@broken.example"), sender=b"<x@strict.example>"), "250", "451")

    def test_140_authentication_results_of_others_are_nothing(self):
        with self.probe(140):
            forged = b"".join(b"Authentication-Results: " + words + b"\r\n" for words in (b"mx.reply.example; dkim=pass header.d=customer.example; dmarc=pass header.from=customer.example", b"MX.Reply.Example; spf=pass", b"mx.google.com; dkim=pass")) + b"ARC-Authentication-Results: i=1; mx.reply.example; dmarc=pass\r\nARC-Seal: i=1; cv=none; a=rsa-sha256; d=customer.example; s=s1; b=AA\r\nReceived-SPF: pass\r\n"
            message, verdict = self.verdict(forged + self.letter())
            self.assertEqual(verdict, "unproven", message["email"]["auth"])


class Identity(Attack):
    OPTIONS = {"extra": ROOMY + RIVAL}

    def talk(self, to, content, sender=b"<amy@nowhere.example>"):
        self.assertReply(self.deliver(to, content, sender=sender), "250")
        entry = self.site.stored(to)[0]
        self.assertEqual(entry["outcome"], "filed", entry)
        return self.site.api("GET", f"/api/v1/conversations/{entry['conversation_id']}") if entry["conversation_id"] else None

    @staticmethod
    def letter(sender="amy@nowhere.example", extra="", text="Hello."):
        return f"From: Somebody <{sender}>\r\nTo: x@reply.example\r\nSubject: Broken kettle\r\nMessage-ID: <{os.urandom(8).hex()}@nowhere.example>\r\n{extra}\r\n{text} {os.urandom(4).hex()}\r\n".encode()

    def test_145_147_machines(self):
        for name, extra, sender, kinds in (
            ("auto-submitted", "Auto-Submitted: auto-replied\r\n", b"<amy@nowhere.example>", ("auto_reply",)), ("precedence", "Precedence: auto_reply\r\n", b"<amy@nowhere.example>", ("auto_reply",)), ("bulk", "Precedence: bulk\r\n", b"<amy@nowhere.example>", ("auto_reply", "list")), ("list", "List-Id: <x.example>\r\n", b"<amy@nowhere.example>", ("list",)),
            ("x-autoreply", "X-Autoreply: yes\r\n", b"<amy@nowhere.example>", ("auto_reply",)), ("null", "", b"<>", ("auto_reply", "bounce")),
        ):
            with self.probe(name):
                conversation = self.site.conversation()
                self.site.api("PATCH", f"/api/v1/conversations/{conversation['id']}", {"status": "resolved"})
                after = self.talk(conversation["reply_address"], self.letter(extra=extra), sender)
                self.assertIn(after["messages"][-1]["email"]["class"], kinds)
                self.assertEqual((after["id"], after["status"]), (conversation["id"], "resolved"), "a machine reopens nothing")
        with self.probe("147 our own addresses as sender"):
            conversation = self.site.conversation()
            for sender in (conversation["reply_address"], "support@reply.example"):
                after = self.talk(conversation["reply_address"], self.letter(sender), f"<{sender}>".encode())
                self.assertNotEqual(after["messages"][-1]["author"]["kind"], "agent")
                self.assertNotEqual(after["messages"][-1]["author"]["kind"], "contact")
            self.assertEqual(after["contact"]["email"], "amy@nowhere.example")

    def test_151_to_153_strangers(self):
        with self.probe(151):
            conversation = self.site.conversation()
            after = self.talk(conversation["reply_address"], self.letter("eve@evil.example"), b"<eve@evil.example>")
            self.assertEqual((after["contact"]["email"], after["messages"][-1]["author"]["kind"], after["messages"][-1]["author"]["email"]), ("amy@nowhere.example", "participant", "eve@evil.example"))
        with self.probe("152 Cc adds nobody"):
            after = self.talk(conversation["reply_address"], self.letter("amy@nowhere.example", "Cc: mallory@evil.example\r\nReply-To: mallory@evil.example\r\n"))
            self.assertNotIn("mallory@evil.example", [p["email"] for p in after["participants"]])
            self.assertEqual(after["contact"]["email"], "amy@nowhere.example")
        with self.probe("an unnamed visitor is nobody's for the asking"):
            conversation = self.site.conversation(email=None)
            after = self.talk(conversation["reply_address"], self.letter("eve@evil.example"), b"<eve@evil.example>")
            self.assertIsNone(after["contact"]["email"])
        with self.probe("two From fields make no contact"):
            conversation = self.site.conversation()
            after = self.talk(conversation["reply_address"], b"From: eve@evil.example\r\n" + self.letter())
            self.assertNotEqual(after["messages"][-1]["author"]["kind"], "contact")

    def test_154_155_threads_cannot_be_entered(self):
        ours = self.talk(self.site.conversation()["reply_address"], self.letter(extra="X-A: b\r\n").replace(b"Message-ID: <", b"Message-ID: <ours-"))
        known = ours["messages"][-1]["email"]["message_id"].strip("<>")
        theirs = self.site.conversation("zoe@other.example", "rival", "help")
        theirs = self.talk(theirs["reply_address"], self.letter("zoe@other.example"), b"<zoe@other.example>")
        foreign = theirs["messages"][-1]["email"]["message_id"].strip("<>")
        token = theirs["reply_address"]
        for name, sender, extra in (
            ("154 subject only", "eve@evil.example", ""), ("154 subject only, as the contact", "amy@nowhere.example", ""), ("155 a stranger's In-Reply-To", "eve@evil.example", f"In-Reply-To: <{known}>\r\n"), ("155 a stranger's References", "eve@evil.example", "References: " + " ".join(f"<x{n}@y>\r\n" for n in range(500)).replace("\r\n", "\r\n ") + f"<{known}>\r\n"),
            ("155 another account's id", "zoe@other.example", f"In-Reply-To: <{foreign}>\r\n"), ("155 another account's token", "zoe@other.example", f"X-Original-To: {token}\r\nDelivered-To: {token}\r\n"), ("155 another account's token in an id", "zoe@other.example", f"In-Reply-To: <conversation/{token[6:38]}/messages/7@x>\r\n"),
            ("two From fields, one of the contact", "amy@nowhere.example>\r\nFrom: <eve@evil.example", f"In-Reply-To: <{known}>\r\n"), ("From with two addresses", "eve@evil.example>, <amy@nowhere.example", f"In-Reply-To: <{known}>\r\n"),
        ):
            with self.probe(name):
                after = self.talk("support@reply.example", self.letter(sender, extra), b"<x@evil.example>")
                self.assertNotIn(after["id"], (ours["id"], theirs["id"]))
                self.assertEqual(after["account"], "acme")
        with self.probe("another account's token at our domain"):
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            self.assertReply(wire.command(b"RCPT TO:<" + token.split("@")[0].encode() + b"@reply.example>"), "550 5.1.1")
        with self.probe("one mail to tokens of two accounts is two messages"):
            both = [self.site.conversation(), self.site.conversation(account="rival", inbox="help")]
            self.assertReply(self.deliver([c["reply_address"] for c in both], self.letter(), mails=2), "250")
            for conversation in both:
                entry, = self.site.stored(conversation["reply_address"])
                self.assertEqual((entry["conversation_id"], entry["account"]), (conversation["id"], conversation["account"]))

    def test_156_157_159_doubles_and_forged_reports(self):
        with self.probe(156):
            conversation = self.site.conversation()
            first = self.letter()
            self.talk(conversation["reply_address"], first)
            after = self.talk(conversation["reply_address"], first + b"Something else.\r\n")
            self.assertEqual(len([m for m in after["messages"] if m["via"] == "email"]), 2)
            self.assertReply(self.deliver(conversation["reply_address"], first), "250")
            self.assertEqual([e["outcome"] for e in self.site.stored(conversation["reply_address"])], ["duplicate", "filed", "filed"])
        report = ("From: MAILER-DAEMON@evil.example\r\nSubject: failed\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
                  "Final-Recipient: rfc822; amy@nowhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <forged@reply.example>\r\nSubject: x\r\n\r\n--b--\r\n")
        with self.probe("157 to a token, twice"):
            conversation = self.site.conversation()
            for _ in range(2):
                after = self.talk(conversation["reply_address"], report.replace("failed\r\n--b", f"failed {os.urandom(4).hex()}\r\n--b").encode(), b"<>")
            self.assertEqual((after["contact"]["email"], after["status"]), ("amy@nowhere.example", "open"))
            self.assertEqual({m["author"]["kind"] for m in after["messages"] if m["via"] == "email"}, {"system"})
        with self.probe("157 about a mail that we never sent"):
            self.assertIsNone(self.talk("support@reply.example", report.encode(), b"<>"))


class MustAccept(Attack):
    def test_177_to_183_lenient_where_it_is_safe(self):
        for name, hello, mail, rest in (
            ("space", b"EHLO x", b"MAIL FROM: <a@b.example>", b"RCPT TO: <%s>"), ("lower case", b"ehlo x", b"mail from:<a@b.example>", b"rcpt to:<%s>"), ("null", b"EHLO x", b"mail from:<>", b"RCPT TO:<%s>"), ("trailing spaces", b"EHLO x  ", b"MAIL FROM:<a@b.example>  ", b"RCPT TO:<%s>  "),
            ("HELO", b"HELO x_y", b"MAIL FROM:<a@b.example>", b"RCPT TO:<%s>"), ("literal", b"EHLO [192.0.2.1]", b"MAIL FROM:<a@b.example>", b"RCPT TO:<%s>"), ("bare", b"EHLO localhost", b"MAIL FROM:<a@b.example> BODY=8BITMIME", b"RCPT TO:<%s>"), ("SRS", b"EHLO x", b"MAIL FROM:<SRS0=HHH=TT=x.example=a@b.example>", b"RCPT TO:<%s>"),
            ("SMTPUTF8", b"EHLO x", "MAIL FROM:<jürgen@bücher.example> SMTPUTF8".encode(), b"RCPT TO:<%s>"),
        ):
            with self.probe(name):
                to = self.fresh().encode()
                wire = self.wire()
                for command in (hello, mail, rest % to, b"DATA"):
                    self.assertReply(wire.command(command), "250", "354")
                self.assertReply(self.end(wire, HEADER + name.encode()), "250")
                self.assertEqual(len(self.site.stored(to.decode())), 1)

    def test_179_180_187_odd_but_honest_mails(self):
        for name, content in (
            ("5,000-octet lines", HEADER + b"a" * 5000), ("8-bit", HEADER + b"gr\xfc\xdfe"), ("bare LF", HEADER + b"a\nb\nc"), ("lone CR", HEADER + b"a\rb"), ("no final newline in MIME", b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx"),
            ("only From", b"From: a@b.example\r\n\r\nx"), ("empty Subject", b"From: a@b.example\r\nSubject:\r\n\r\nx"), ("empty body", HEADER), ("only HTML", html_mail(b"<p>x</p>")), ("raw UTF-8 header", "From: Jürgen <a@b.example>\r\nSubject: Grüße\r\n\r\nx".encode()), ("LF header", b"From: a@b.example\nSubject: x\n\ny"),
            ("only attachment", b"From: a@b.example\r\nContent-Type: image/png; name=x.png\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"), ("TNEF", b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\ny\r\n--a--\r\n"),
        ):
            with self.probe(name):
                message = self.filed(content)
                self.assertEqual(message["email"]["auth"]["verdict"], "unproven")
                self.assertTrue(message["text"] or message["attachments"] or name == "empty body", message)

    def test_181_to_188_sessions(self):
        with self.probe(182):
            to = self.fresh()
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            answers = [wire.command(b"RCPT TO:<" + path.encode() + b">")[:3] for path in ("nobody@reply.example", to, "x@example.com")]
            self.assertEqual(answers, ["550", "250", "550"])
            wire.command(b"DATA")
            self.assertReply(self.end(wire, HEADER), "250")
        with self.probe("183 100 mails, RSET between, QUIT behind the last, NOOPs"):
            to, wire = self.fresh(), self.wire().hello()
            for number in range(100):
                for command in (b"NOOP", b"RSET", b"MAIL FROM:<a@b.example>", b"RCPT TO:<" + to.encode() + b">", b"DATA"):
                    self.assertReply(wire.command(command), "250", "354")
                wire.send(HEADER + b"%d" % number + END + (b"QUIT\r\n" if number == 99 else b""))
                self.assertReply(self.site.count(wire.reply()), "250")
            self.assertReply(wire.reply(), "221")
            until("all are filed", lambda: len([e for e in self.site.stored(to) if e["outcome"] == "filed"]) == 100)
        with self.probe("186"):
            to = self.fresh()
            wire = self.wire().hello()
            for command in ("MAIL FROM:<ü@b.example> SMTPUTF8", f"RCPT TO:<{to}>", "DATA"):
                self.assertReply(wire.command(command.encode()), "250", "354")
            self.assertReply(self.end(wire, "From: ü@b.example\r\n\r\nx".encode()), "250")
        with self.probe("TLS that fails, then in clear"):
            wire = self.wire().hello()
            wire.command(b"STARTTLS")
            wire.reset()
            self.assertReply(self.deliver(self.fresh(), HEADER), "250")


if __name__ == "__main__":
    unittest.main()
