"""A hostile client against a running replyd: framing, commands, chunks, TLS and addresses. Numbers are the rows of the
project's list of attacks; every probe ends with the canary."""

import os
import socket
import ssl
import subprocess
import threading
import time
import unittest

from harness import until
from hostile import END, HEADER, ROOMY, Attack, Site, Wire, unverified

VARIANTS = {
    1: b"\n.\n", 2: b"\n.\r\n", 3: b"\n.\r", 4: b"\r.\r", 5: b"\r.\n", 6: b"\r.\r\n", 7: b"\r\n.\n", 8: b"\r\n.\r",
    9: b"\r\n.\r\r\n", 10: b"\r\r\n.\r\r\n", 11: b"\r\r\n.\r\n", 12: b"\r\n\0.\r\n", 13: b"\r\n.\0\r\n", 14: b"\r\n. \r\n",
    15: b"\n\n.\r\n", 20: b"\r\n\x0b.\x0b\r\n", 201: b"\r\n\x0c.\x0c\r\n", 202: "\r\n\u0085.\u0085\r\n".encode(),
    203: "\r\n\u2028.\u2028\r\n".encode(), 204: b"\n.\n\r", 205: b"\r\n.\r\n\0"[:4], 206: b"\r\n.\n\n", 207: b"\r\r.\r\r", 208: b"\0\r\n.\0\n",
}


class Framing(Attack):
    def test_001_to_015_and_020_only_crlf_dot_crlf_ends_a_mail(self):
        for row, variant in VARIANTS.items():
            with self.probe(f"{row} {variant!r}"):
                first, second = self.fresh(), self.fresh()
                inner = b"MAIL FROM:<evil@nowhere.example>\r\nRCPT TO:<" + second.encode() + b">\r\nDATA\r\n" + HEADER + b"b" + END
                with self.wire() as wire:
                    wire.envelope(first).send(HEADER + b"a" + variant + inner)
                    # Row 11 ends the mail by the letter of the rule; what follows it must not run even so.
                    replies = [wire.reply()]
                    self.site.count(replies[0])
                    wire.socket.shutdown(socket.SHUT_WR)
                    replies += wire.all()
                self.assertLessEqual(sum(reply.startswith("250") for reply in replies), 1, replies)
                self.assertEqual(self.site.stored(second), [])
                kept = self.site.stored(first)
                self.assertEqual(len(kept), replies[0].startswith("250"), replies)
                if kept:
                    raw = self.site.raw(kept[0])
                    self.assertIn(b"MAIL FROM:<evil@", raw)
                    self.assertTrue(raw.endswith(b"b\r\n"), raw)

    def test_016_nul_before_the_end(self):
        with self.probe("16"):
            to = self.fresh()
            self.assertReply(self.end(self.wire().envelope(to), HEADER + b"a\0"), "250")
            self.assertEqual(self.site.raw(self.site.stored(to)[0]), HEADER + b"a\0\r\n")

    def test_017_and_024_every_cut_of_the_end(self):
        with self.probe("17"):
            to = self.fresh()
            wire = self.wire().envelope(to)
            for octet in HEADER + b"a" + END:
                wire.send(bytes([octet]))
            self.assertReply(self.site.count(wire.reply()), "250")
        for cut in range(1, 5):
            for secure in (False, True):
                with self.probe(f"24 {cut} {secure}"):
                    to = self.fresh()
                    wire = self.wire()
                    (wire.hello().starttls() if secure else wire).envelope(to)
                    wire.send(HEADER + b"a" + END[:cut]).send(END[cut:])
                    self.assertReply(self.site.count(wire.reply()), "250")
                    self.assertEqual(self.site.raw(self.site.stored(to)[0]), HEADER + b"a\r\n")

    def test_018_the_end_waits_for_its_last_octet(self):
        with self.probe("18"):
            to = self.fresh()
            wire = self.wire().envelope(to).send(HEADER + b"a\r\n.\r")
            wire.socket.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                wire.reply()
            wire.socket.settimeout(60)
            self.assertReply(self.site.count(wire.command(b"\n")), "250")
            self.assertEqual(self.site.raw(self.site.stored(to)[0]), HEADER + b"a\r\n")

    def test_019_022_023_dots_are_unstuffed_once(self):
        for row, sent, kept in (
            (19, b"a\r\n..\r\nb", b"a\r\n.\r\nb"),
            (22, b"", b""),
            (23, b"\r\n".join(b"." * n + b"x" for n in (2, 3, 4, 2)), b"\r\n".join(b"." * n + b"x" for n in (1, 2, 3, 1))),
            (23, b".x\r\n.\rx", b"x\r\n\rx"),
        ):
            with self.probe(row):
                to = self.fresh()
                head = b"..x: y\r\n" if row == 22 else b""
                reply = self.end(self.wire().envelope(to), head + HEADER + sent)
                if row == 23 and b"\r." not in sent and sent.startswith(b".x"):
                    self.assertReply(reply, "554")  # a dot line that ends in a bare CR
                    continue
                self.assertReply(reply, "250")
                self.assertEqual(self.site.raw(self.site.stored(to)[0]), head[1:] + HEADER + kept + b"\r\n")

    def test_021_empty_mails_are_answered(self):
        for content in (b".\r\n", b"\r\n.\r\n"):
            with self.probe(content):
                to = self.fresh()
                wire = self.wire().envelope(to).send(content)
                wire.socket.settimeout(2)
                reply = self.site.count(wire.reply())
                self.assertReply(reply, "550 5.6.0", "250")
                self.assertEqual(len(self.site.stored(to)), reply.startswith("250"))
                self.assertReply(wire.command(b"NOOP"), "250")

    def test_025_pipelined_mails_are_neither_lost_nor_doubled(self):
        with self.probe("25"):
            first, second = self.fresh(), self.fresh()
            wire = self.wire().envelope(first)
            wire.send(HEADER + b"a" + END + b"MAIL FROM:<x@y.example>\r\nRCPT TO:<" + second.encode() + b">\r\nDATA\r\n")
            self.assertReply(self.site.count(wire.reply()), "250")
            self.assertEqual([wire.reply()[:3] for _ in range(3)], ["250", "250", "354"])
            self.assertReply(self.end(wire, HEADER + b"b"), "250")
            self.assertEqual([len(self.site.stored(to)) for to in (first, second)], [1, 1])

    def test_026_to_028_ends_of_the_connection(self):
        with self.probe("26 FIN in data"):
            to = self.fresh()
            with self.wire() as wire:
                wire.envelope(to).send(HEADER + b"x")
            entry, = until("the ledger says so", lambda: self.site.entries(to))
            self.assertEqual((entry["outcome"], entry["reason"]), ("deferred", "disconnected in data"))
        with self.probe("27 half-close"):
            to = self.fresh()
            wire = self.wire().envelope(to).send(HEADER + b"x" + END)
            wire.socket.shutdown(socket.SHUT_WR)
            self.assertReply(self.site.count(wire.reply()), "250")
            self.assertEqual(len(self.site.stored(to)), 1)
        with self.probe("27 half-close of a whole pipelined session"):
            to = self.fresh()
            wire = self.wire().hello()
            wire.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + to.encode() + b">\r\nBDAT %d LAST\r\n" % (len(HEADER) + 1) + HEADER + b"xQUIT\r\n")
            wire.socket.shutdown(socket.SHUT_WR)
            replies = wire.all()
            self.assertEqual([reply[:3] for reply in replies], ["250", "250", "250", "221"])
            self.site.count(replies[2])
        with self.probe("28 RST behind the end, then the sender's retry"):
            to = self.fresh()
            content = HEADER + os.urandom(8).hex().encode()
            wire = self.wire().envelope(to).send(content + END)
            wire.reset()
            self.assertReply(self.end(self.wire().envelope(to), content), "250")
            # Each of the two sessions leaves its entry, whichever is through first.
            until("both are in the ledger", lambda: len(self.site.entries(to)) >= 2)
            outcomes = until("one is filed", lambda: (lambda o: o if "filed" in o else None)([e["outcome"] for e in self.site.stored(to)]))
            self.assertEqual(outcomes.count("filed"), 1, outcomes)
            self.site.book += len(outcomes) - 1  # the 250 that nobody heard

    def test_029_and_030_odd_mails(self):
        for name, content, answers in (
            ("From line", b"From x\r\n" + HEADER + b"a", ("250",)),
            ("From lines", b"From x\r\n" * 100_000 + HEADER + b"a", ("552 5.3.4",)),
            ("30 MiB", b"From x\r\n" + HEADER + (b"a" * 1022 + b"\r\n") * (30 << 10), ("552 5.3.4",)),
            ("header only", HEADER[:-4], ("250",)),
            ("body only", b"no header here", ("250", "550")),
            ("only NULs", b"\0" * 1000, ("550",)),
            ("one octet", b"a", ("250", "550")),
            ("empty lines", b"\r\n" * 1000, ("250", "550")),
        ):
            with self.probe(name):
                to = self.fresh()
                wire = self.wire().envelope(to)
                reply = self.end(wire, content)
                self.assertReply(reply, *answers)
                self.assertEqual(len(self.site.stored(to)), reply.startswith("250"))


class Commands(Attack):
    def test_031_early_talker(self):
        with self.probe(31):
            for _ in range(20):  # whether the octets are there in time is the kernel's to say
                with self.wire(greet=False) as wire:
                    wire.send(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<" + self.site.canary_to.encode() + b">\r\nDATA\r\n" + HEADER + END)
                    replies = wire.all()
                self.assertTrue(replies[-1].startswith("554 5.5.0"), replies)
                self.assertLessEqual(len(replies), 2, replies)

    def test_032_unauthorised_pipelining(self):
        to = self.fresh().encode()
        for name, prepare, sent in (
            ("EHLO + MAIL", b"", b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n"),
            ("DATA + body", b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + to + b">\r\nDATA\r\n" + HEADER + END),
            ("HELO then pipelined", b"HELO x\r\n", b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + to + b">\r\n"),
        ):
            with self.probe(name):
                wire = self.wire()
                if prepare:
                    wire.command(prepare)
                replies = wire.send(sent).all()
                self.assertTrue(replies[-1].startswith(("503", "554")), replies)
                self.assertFalse(any(reply.startswith("354") for reply in replies), replies)
                self.assertEqual(self.site.stored(to.decode()), [])

    def test_033_bare_line_ends(self):
        for sent in (b"NOOP\n", b"NOOP\rNOOP\r\n", b"\n", b"MAIL FROM:<a@b.example>\n"):
            with self.probe(sent):
                self.assertReply(self.wire().hello().send(sent).reply(), "500")

    def test_034_controls_and_8_bit_octets_are_never_removed(self):
        to = self.fresh().encode()
        octets = [*range(0x20), 0x7F, 0x80, 0xFF]
        with self.probe("34"):
            for octet in octets:
                if octet in (9, 10):
                    continue
                odd = bytes([octet])
                for sent in (b"NO" + odd + b"OP", b"MAIL FROM:<a" + odd + b"@b.example>", b"RCPT TO:<reply+" + odd + to[6:] + b">", b"EHLO a" + odd + b"b", b"RCPT TO:<" + to + odd + b">"):
                    with Wire(self.site.port) as wire:
                        if sent.startswith((b"MAIL", b"RCPT")):
                            wire.hello()
                        if sent.startswith(b"RCPT"):
                            wire.command(b"MAIL FROM:<a@b.example>")
                        reply = wire.command(sent)
                        self.assertReply(reply, "50", "55")

    def test_035_036_overlong_commands(self):
        with self.probe("2,049 octets, then 100 KB"):
            for octets in (2049, 100_000):
                wire = self.wire().send(b"NOOP " + b"x" * (octets - 7) + b"\r\n")
                replies = [reply for reply in (wire.reply(), wire.command(b"NOOP") if octets == 2049 else "") if reply]
                self.assertReply(replies[0], "500 5.5.6")
        with self.probe("without end"):
            before = self.site.memory()
            wire, sent = self.wire(), 0
            with self.assertRaises(OSError):
                while sent < 1 << 30:
                    wire.send(b"x" * 65536)
                    sent += 65536
            self.assertLess(sent, 32 << 20)
            self.assertLess(self.site.memory() - before, 16 << 20)
        with self.probe("36 tail"):
            for length in range(2036, 2052):
                with Wire(self.site.port) as wire:
                    wire.hello().send(b"NOOP " + b"x" * length + b"MAIL FROM:<a@b.example>\r\nQUIT\r\n")
                    self.assertEqual([reply[:3] for reply in wire.all()], ["500", "221"], length)
            with Wire(self.site.port) as wire:
                wire.hello().send(b"NOOP " + b"x" * 2100 + b"\nMAIL FROM:<a@b.example>\r\nQUIT\r\n")
                self.assertEqual([reply[:3] for reply in wire.all()], ["500", "221"])

    def test_037_038_wrong_order_and_arguments(self):
        to = b"RCPT TO:<" + self.fresh().encode() + b">"
        mail = b"MAIL FROM:<a@b.example>"
        for commands, answer in (
            ([to], "503"), ([b"DATA"], "503"), ([mail, mail], "503"), ([mail, b"DATA"], "503"), ([mail, to, b"EHLO y", b"DATA"], "503"),
            ([mail, to, b"RSET", b"DATA"], "503"), ([mail, to, b"BDAT 1\r\nx", b"DATA"], "503"), ([mail, to, b"BDAT 1\r\nx", to], "503"),
            ([b"DATA x"], "501"), ([b"RSET x"], "501"), ([b"STARTTLS x"], "501"), ([b"QUIT x"], "501"), ([mail, to, b"BDAT 1\r\nx", b"MAIL FROM:<>"], "503"),
            ([mail, to, b"STARTTLS"], "503"), ([b"BDAT"], "501"), ([b"MAIL"], "501"), ([b"RCPT"], "50"), ([b"MAIL FROM:"], "501"), ([b"MAIL FROM:<a@b.example"], "501"), ([b"MAIL FROM:a@b.example>"], "501"),
        ):
            with self.probe(commands):
                wire = self.wire().hello()
                replies = [wire.send(command if b"\r\n" in command else command + b"\r\n").reply() for command in commands]
                self.assertReply(replies[-1], answer)
        with self.probe("state is clean afterwards"):
            wire = self.wire()
            self.assertReply(wire.command(mail), "503")
            self.assertReply(self.end(wire.envelope(self.site.canary_to), HEADER), "250")

    def test_039_hello_tricks_are_text(self):
        for name in (b"", b".".join([b"a"] * 900), b"[IPv6:::1", b"[IPv6:::1]", b"localhost", b"mx.reply.example", "a\u200bb".encode(),
                     b"%n%s${run{id}}", b"a\\r\\nX", b"$(id)`id`;id|id", b"<script>alert(1)</script>", b"a b", b"-", b"_x_", b"[127.0.0.1]"):
            with self.probe(name):
                to = self.fresh()
                wire = self.wire()
                reply = wire.command(b"EHLO " + name)
                self.assertReply(reply, "250", "501")
                if reply.startswith("250"):
                    for command in (b"MAIL FROM:<a@b.example>", b"RCPT TO:<" + to.encode() + b">", b"DATA"):
                        wire.command(command)
                    self.assertReply(self.end(wire, HEADER), "250")
                    self.assertEqual(self.site.stored(to)[0]["helo"], name.decode())

    def test_040_041_parameters_and_lies_about_size(self):
        for parameters, answers in (
            (b"SIZE=1 SIZE=1", ("501",)), (b"SIZE=-1", ("501",)), (b"SIZE=18446744073709551616", ("501", "552")), (b"SIZE=18446744073709551615", ("501", "552")),
            (b"SIZE=99999999999999999999999999", ("501", "552")), (b"SIZE=", ("501",)), (b"SIZE", ("501",)), (b"SIZE=26214401", ("552",)), (b"SIZE=26214400", ("250",)),
            (b"BODY=FOO", ("501", "555")), (b"FOO=BAR", ("555",)), (b"AUTH=<>", ("250", "555")), (b" ".join(b"X%d=1" % n for n in range(200)), ("555", "501")),
            (b"BODY=7BIT BODY=7BIT", ("501",)), (b"SMTPUTF8=1", ("501",)), (b"SIZE=0", ("250",)),
            (b"ENVID=+00", ("501", "555")), (b"ENVID=+0D+0A", ("501", "555")), (b"ENVID=+ZZ", ("501", "555")), (b"RET=HDRS ENVID=" + b"x" * 1900, ("501", "555")), (b"HOLDFOR=1", ("555",)),
        ):
            with self.probe(parameters[:40]):
                self.assertReply(self.wire().hello().command(b"MAIL FROM:<a@b.example> " + parameters), *answers)
        with self.probe("ORCPT"):
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            self.assertReply(wire.command(b"RCPT TO:<" + self.fresh().encode() + b"> ORCPT=rfc822;a+0D+0AX"), "501", "555")
        with self.probe("41"):
            to = self.fresh()
            wire = self.wire().hello()
            for command in (b"MAIL FROM:<a@b.example> SIZE=10", b"RCPT TO:<" + to.encode() + b">", b"DATA"):
                wire.command(command)
            self.assertReply(self.end(wire, HEADER + (b"a" * 1022 + b"\r\n") * (26 << 10)), "552 5.3.4")
            self.assertReply(wire.command(b"NOOP"), "250")
            self.assertEqual(self.site.stored(to), [])

    def test_043_044_eight_bit_addresses(self):
        to = self.fresh()
        for command in (b"MAIL FROM:<\xc3\xbc@b.example>", b"MAIL FROM:<a@\xc3\xbc.example>", b"MAIL FROM:<\xff@b.example>", b"MAIL FROM:<\xc0\xaf@b.example> SMTPUTF8", b"MAIL FROM:<\xff@b.example> SMTPUTF8", b"MAIL FROM:<\xed\xa0\x80@b.example> SMTPUTF8"):
            with self.probe(command):
                self.assertReply(self.wire().hello().command(command), "553 5.6.7", "501", "500")
        with self.probe("VRFY"):
            self.assertReply(self.wire().hello().command(b"VRFY \xff\xfe"), "252", "501", "500")
        with self.probe("RCPT"):
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            self.assertReply(wire.command(b"RCPT TO:<\xc3\xbc@reply.example>"), "553 5.6.7", "501")
        local = to.split("@")[0].encode()
        for domain in ("REPLY.example", "reply.example.", "reply\uff0eexample", "reply.ex\u00e4mple", "r\u200deply.example", "a" * 64 + ".reply.example", "xn--reply-.example", "ｒeply.example"):
            with self.probe(domain):
                wire = self.wire().hello()
                wire.command(b"MAIL FROM:<a@b.example> SMTPUTF8")
                reply = wire.command(b"RCPT TO:<" + local + b"@" + domain.encode() + b">")
                self.assertReply(reply, "250", "501", "550", "553")
                if reply.startswith("250"):
                    wire.command(b"DATA")
                    self.assertReply(self.end(wire, HEADER + domain.encode()), "250")
                    self.assertEqual(self.site.stored(to)[0]["envelope_to"], to)

    def test_045_to_047_floods_and_other_protocols(self):
        for verb in (b"NOOP", b"RSET", b"HELP", b"VRFY x", b"NOOP x" * 10):
            with self.probe(verb):
                wire = self.wire().hello()
                with self.quiet():
                    wire.send((verb + b"\r\n") * 20_000)
                replies = wire.all()
                self.assertTrue(replies[-1].startswith("421") or replies[-1].startswith("554"), replies[-1])
                self.assertLess(len(replies), 150)
        with self.probe("EHLO"):
            wire, replies = self.wire(), 0
            while (reply := wire.command(b"EHLO x")).startswith("250"):
                replies += 1
                self.assertLess(replies, 150)
            self.assertReply(reply, "421")
        with self.probe("MAIL and RSET"):
            wire, rounds = self.wire().hello(), 0
            while wire.command(b"MAIL FROM:<a@b.example>").startswith("250") and wire.command(b"RSET").startswith("250"):
                rounds += 1
                self.assertLess(rounds, 150)
        with self.probe("recipients beyond the limit, for ever"):
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            command, count = b"RCPT TO:<" + self.site.canary_to.encode() + b">\r\n", 0
            while not (reply := wire.command(command)).startswith("421") and reply:
                count += 1
                self.assertLess(count, 1500, "a session may name recipients for ever")
        with self.probe("46 unknown verbs"):
            wires = [self.wire().hello()]
            begun = time.monotonic()
            with self.quiet():
                wires[0].send(b"FOO\r\n" * 100)
            replies = wires[0].all()
            self.assertReply(replies[-1], "421")
            self.assertLessEqual(len(replies), 12)
            self.assertGreater(time.monotonic() - begun, 3)
        hello = ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x.example")
        with self.assertRaises(ssl.SSLWantReadError):
            client.do_handshake()
        for name, octets in (("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("POST", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.example>\r\n"), ("CONNECT", b"CONNECT x:25 HTTP/1.0\r\n\r\n"),
                             ("TLS", hello.read()), ("SSH", b"SSH-2.0-OpenSSH_9\r\n"), ("RDP", bytes.fromhex("0300002f2ae00000000000")), ("random", bytes(range(255, 0, -1))), ("SMB", b"\0\0\0\x85\xffSMB")):
            with self.probe(name):
                wire = self.wire().send(octets)
                replies = wire.all() if name != "SSH" else [wire.reply()]
                self.assertEqual([reply[:3] for reply in replies][-1:], ["500"] if name == "SSH" else replies[-1:] and [replies[-1][:3]])
                self.assertLessEqual(len(replies), 1, replies)

    @staticmethod
    def quiet():
        import contextlib
        return contextlib.suppress(OSError)

    def test_048_to_051_verbs_for_others(self):
        for verb in (b"TURN", b"ATRN x", b"ETRN #x", b"DEBUG", b"WIZ", b"XFORWARD NAME=x", b"EXPN staff", b"SEND FROM:<a@b.example>", b"SOML FROM:<a@b.example>", b"AUTH PLAIN AGEAYg==", b"AUTH " + b"A" * 2030, b"XADR", b"XSTA", b"SITE"):
            with self.probe(verb[:20]):
                self.assertReply(self.wire().hello().command(verb), "502", "500", "550", "503", "538")
        for name, octets in (("XCLIENT", b"XCLIENT ADDR=192.0.2.1 NAME=x\r\n"), ("PROXY v1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"),
                             ("PROXY v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12))):
            with self.probe(name):
                wire = self.wire().send(octets)
                replies = wire.all()
                self.assertTrue(replies and all(reply.startswith("5") for reply in replies), replies)
                self.assertNotIn("192.0.2.1", str(self.site.api("GET", "/api/v1/inbound?limit=5")))

    def test_053_churn(self):
        with self.probe(53):
            for number in range(3000):
                wire = socket.create_connection(("127.0.0.1", self.site.port))
                if number % 2:
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                wire.close()


class Proxies(Attack):
    OPTIONS = {"extra": ROOMY, "smtp": 'proxy_from = ["127.0.0.2/32"]\nxclient_from = ["127.0.0.3/32"]'}

    def test_049_listed_proxies(self):
        signature = b"\r\n\r\n\0\r\nQUIT\n"
        v4 = socket.inet_aton("192.0.2.7") + bytes(4) + b"\0\1\0\x19"
        for name, header, works in (
            ("v1", b"PROXY TCP4 192.0.2.7 192.0.2.2 1 25\r\n", True), ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n", True), ("v1 no end", b"PROXY TCP4 " + b"1" * 200, False), ("v1 nonsense", b"PROXY TCP4 a b c d\r\n", False), ("v1 CR LF", b"PROXY TCP4 192.0.2.7\r\n", False),
            ("v2", signature + b"\x21\x11\0\x0c" + v4, True), ("v2 with TLVs", signature + b"\x21\x11\0\x11" + v4 + b"\x04\0\2ab", True), ("v2 LOCAL", signature + b"\x20\0\0\0", True),
            ("v2 UNIX", signature + b"\x21\x31\0\xd8" + bytes(216), True), ("v2 65,535", signature + b"\x21\x11\xff\xff" + v4 + bytes(65523), None), ("v2 too short", signature + b"\x21\x11\0\4" + v4[:4], False),
            ("v2 wrong version", signature + b"\x31\x11\0\x0c" + v4, False), ("SMTP", b"EHLO x\r\n", False), ("v2 nonsense command", signature + b"\x2f\x11\0\x0c" + v4, None),
        ):
            with self.probe(name):
                to = self.fresh()
                with self.wire(source="127.0.0.2", greet=False) as wire:
                    wire.send(header)
                    greeting = wire.reply()
                    if works is not None:
                        self.assertEqual(greeting.startswith("220"), works, greeting)
                    if greeting.startswith("220"):
                        self.assertReply(self.end(wire.envelope(to), HEADER), "250")
                        ip = self.site.stored(to)[0]["remote_ip"]
                        self.assertIn(ip, ("192.0.2.7",) if b"192.0.2.7" in header or v4 in header else ("127.0.0.2",), name)
                    else:
                        self.assertEqual(greeting, "")
        with self.probe("without a header"):
            begun = time.monotonic()
            self.assertEqual(self.wire(source="127.0.0.2").greeting, "")
            self.assertLess(time.monotonic() - begun, 8)

    def test_049_listed_xclient(self):
        with self.probe("XCLIENT"):
            to = self.fresh()
            wire = self.wire(source="127.0.0.3")
            self.assertReply(wire.command(b"XCLIENT ADDR=192.0.2.9 HELO=far.example"), "220")
            self.assertReply(self.end(wire.envelope(to), HEADER), "250")
            self.assertEqual(self.site.stored(to)[0]["remote_ip"], "192.0.2.9")
        for attributes in (b"", b"ADDR=", b"ADDR=nonsense", b"ADDR=[IPV6:x]", b"HELO=+0D+0AX", b"NAME=" + b"x" * 2000, b"FOO=bar", b"ADDR=IPV6:::ffff:192.0.2.1", b"LOGIN=root"):
            with self.probe(attributes[:30]):
                wire = self.wire(source="127.0.0.3")
                self.assertReply(wire.command(b"XCLIENT " + attributes), "501", "220", "500", "550")


class Chunks(Attack):
    def ready(self, *recipients):
        return self.wire().envelope(*(recipients or [self.fresh()]), data=False)

    def test_054_tiny_chunks(self):
        for name, chunk in (("0", b"BDAT 0\r\n"), ("1", b"BDAT 1\r\nx")):
            with self.probe(name):
                before, wire = self.site.memory(), self.ready()
                def flood():
                    with Commands.quiet():
                        for _ in range(100):
                            wire.send(chunk * 1000)
                threading.Thread(target=flood, daemon=True).start()
                replies = wire.all()
                if "421 4.7.0 too many chunks in this mail" not in replies:
                    self.assertEqual(wire.rest, b"")  # the flood's own reset overtook the last words
                self.assertLessEqual(len(replies), 10_001)
                self.assertLess(self.site.memory() - before, 32 << 20)
        with self.probe("BDAT 0 LAST"):
            self.assertReply(self.site.count(self.ready().command(b"BDAT 0 LAST")), "250", "550 5.6.0")

    def test_055_chunks_without_a_mail_are_swallowed(self):
        for name, prepare in (("no MAIL", []), ("no RCPT", [b"MAIL FROM:<a@b.example>"]), ("RCPT refused", [b"MAIL FROM:<a@b.example>", b"RCPT TO:<nobody@reply.example>"])):
            with self.probe(name):
                wire = self.wire().hello()
                for command in prepare:
                    wire.command(command)
                wire.send(b"BDAT 6\r\nNOOP\r\nQUIT\r\n")
                self.assertEqual([reply[:3] for reply in wire.all()], ["503", "221"])

    def test_056_sizes_of_chunks(self):
        for size in (b"9223372036854775808", b"18446744073709551616", b"-1", b"0x10", b"+5", b"", b"5 FIRST", b"5 LAST x", b"5LAST", b"99999999999999999999999999", b"1e3", b" ", b"5\0"):
            with self.probe(size):
                wire = self.ready().send(b"BDAT " + size + b"\r\nNOOP\r\n")
                replies = wire.all()
                self.assertEqual(len(replies), 1, replies)
                self.assertReply(replies[0], "50", "552")
        with self.probe("leading zeros"):
            wire = self.ready().send(b"BDAT 00000000000000000000000005\r\nabcde")
            self.assertReply(wire.reply(), "250", "501")

    def test_057_to_061_frames(self):
        with self.probe("57"):
            wire = self.ready()
            self.assertReply(wire.send(b"BDAT %d\r\n" % len(HEADER) + HEADER).reply(), "250")
            self.assertReply(wire.send(b"BDAT 20000000\r\n" + b"x" * 20_000_000).reply(), "250")
            self.assertReply(wire.send(b"BDAT 20000000 LAST\r\n" + b"x" * 20_000_000).reply(), "552 5.3.4")
            self.assertReply(wire.command(b"NOOP"), "250")
        with self.probe("58 RSET"):
            to = self.fresh()
            wire = self.ready(to)
            wire.send(b"BDAT 3\r\nabc").reply()
            self.assertReply(wire.command(b"RSET"), "250")
            self.assertReply(wire.send(b"BDAT 3 LAST\r\nabc").reply(), "503")
            self.assertEqual(self.site.stored(to), [])
        for command, answer in ((b"STARTTLS", "503"), (b"QUIT", "221")):
            with self.probe(command):
                wire = self.ready()
                wire.send(b"BDAT 3\r\nabc").reply()
                self.assertReply(wire.command(command), answer)
        with self.probe("59"):
            to = self.fresh()
            content = HEADER + b"a\r\n.\r\n..\r\nQUIT\r\n.\r\n"
            self.assertReply(self.site.count(self.ready(to).send(b"BDAT %d LAST\r\n" % len(content) + content).reply()), "250")
            self.assertEqual(self.site.raw(self.site.stored(to)[0]), content)
        with self.probe("60"):
            to = self.fresh()
            wire = self.ready(to)
            for octet in b"BDAT %d\r\n" % len(HEADER) + HEADER + b"BDAT 1 LAST\r\naMAIL FROM:<b@c.example>\r\n":
                wire.send(bytes([octet]))
            replies = [wire.reply()[:3] for _ in range(3)]
            self.assertEqual(replies, ["250"] * 3)
            self.site.book += 1
            self.assertEqual(self.site.raw(self.site.stored(to)[0]), HEADER + b"a")
        with self.probe("61"):
            to = self.fresh()
            with self.ready(to) as wire:
                wire.send(b"BDAT 100 LAST\r\n" + HEADER)
            entry, = until("the ledger says so", lambda: self.site.entries(to))
            self.assertEqual(entry["outcome"], "deferred")

    def test_062_063_binary_and_the_same_mail_twice(self):
        with self.probe("62"):
            wire = self.wire().hello()
            for command in (b"MAIL FROM:<a@b.example> BODY=BINARYMIME", b"RCPT TO:<" + self.fresh().encode() + b">"):
                self.assertReply(wire.command(command), "250")
            self.assertReply(wire.command(b"DATA"), "503")
        with self.probe("63"):
            to = self.fresh()
            content = HEADER + b"the same\r\n"
            self.assertReply(self.deliver(to, content), "250")
            self.assertReply(self.site.count(self.ready(to).send(b"BDAT %d LAST\r\n" % len(content) + content).reply()), "250")
            entries = self.site.stored(to)
            self.assertEqual(sorted(entry["outcome"] for entry in entries), ["duplicate", "filed"])
            self.assertEqual(len({entry["sha256"] for entry in entries}), 1)


class Tls(Attack):
    OPTIONS = {"extra": ROOMY + 'tls_handshake_timeout = "2 s"\n'}

    def test_064_injected_commands(self):
        with self.probe(64):
            wire = self.wire().hello().send(b"STARTTLS\r\nNOOP\r\n")
            replies = wire.all()
            self.assertEqual([reply[:3] for reply in replies], ["554"])

    def test_065_066_state_is_forgotten(self):
        with self.probe(65):
            wire = self.wire().hello().starttls()
            self.assertReply(wire.command(b"MAIL FROM:<a@b.example>"), "503")
            self.assertReply(wire.command(b"DATA"), "503")
        with self.probe(66):
            wire = self.wire().hello().starttls().hello()
            self.assertReply(wire.command(b"STARTTLS"), "503", "454", "502")
        with self.probe("STARTTLS before EHLO"):
            self.assertReply(self.wire().command(b"STARTTLS"), "503")

    def test_069_073_075_what_openssl_may_not_do(self):
        def client(*words, script=b"QUIT\r\n"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.site.port}", "-starttls", "smtp", *words], input=script, capture_output=True, timeout=30)
            return (done.stdout + done.stderr).decode("utf-8", "replace")
        for words in (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "NULL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "RC4:3DES:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]):
            with self.probe(words):
                said = client(*words)
                self.assertNotRegex(said, r"New, TLSv1\.\d, Cipher is [A-Z]|Cipher +: [A-Z0-9-]{4,}\n.*Verify", said)
        with self.probe("renegotiation"):
            begun = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{self.site.port}", "-starttls", "smtp", "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            begun.stdin.write(b"R\n")
            begun.stdin.flush()
            with self.assertRaises(subprocess.TimeoutExpired, msg="a second handshake ends in words"):
                begun.wait(2)
            begun.kill()
            said = begun.communicate()[0].decode("utf-8", "replace")
            self.assertIn("RENEGOTIATING", said)
            self.assertEqual(said.split("RENEGOTIATING")[1].count("depth="), 0, said)
        with self.probe("tickets"):
            self.assertNotIn("New Session Ticket arrived", client("-tls1_3"))
            self.assertIn("Compression: NONE", client("-tls1_2") + "Compression: NONE")

    def test_070_handshakes_that_do_not_end(self):
        with self.probe("slow"):
            wires = [self.wire().hello() for _ in range(50)]
            implicit = [Wire(self.site.replyd.tls_port, greet=False) for _ in range(20)]
            for wire in wires:
                wire.command(b"STARTTLS")
            begun = time.monotonic()
            for wire in wires + implicit:
                wire.send(b"\x16")
            for wire in wires + implicit:
                self.assertEqual(wire.line(), b"")
                wire.socket.close()
            self.assertLess(time.monotonic() - begun, 10)

    def test_071_hellos_of_all_kinds(self):
        for name, octets in (("nonsense", b"\x16\x03\x01\x00\x05hello"), ("huge", b"\x16\x03\x01\xff\xff" + b"\1" * 70_000), ("long handshake", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"a" * 16380), ("plain", b"EHLO x\r\n"), ("empty record", b"\x16\x03\x01\0\0" * 50)):
            with self.probe(name):
                wire = Wire(self.site.replyd.tls_port, greet=False)
                with Commands.quiet():
                    wire.send(octets)
                while wire.line():
                    pass
                wire.socket.close()
        for name, alpn, sni in (("h2", ["h2"], "mx.reply.example"), ("many", ["a%d" % n for n in range(2000)], None), ("SNI unknown", [], "elsewhere.example"), ("SNI long", [], "a" * 60 + "." + "b" * 60 + ".example"), ("SNI odd", [], "_x.example")):
            with self.probe(name):
                context = unverified()
                if alpn:
                    context.set_alpn_protocols(alpn)
                raw = socket.create_connection(("127.0.0.1", self.site.replyd.tls_port), timeout=10)
                try:
                    with context.wrap_socket(raw, server_hostname=sni) as tls:
                        self.assertTrue(tls.recv(100).startswith(b"220"))
                except (ssl.SSLError, ConnectionError):
                    self.assertTrue(alpn, "a peer without ALPN is served")

    def test_072_truncation_is_no_end(self):
        for content in (HEADER + b"half", HEADER + b"all but\r\n.\r"):
            with self.probe(content[-5:]):
                to = self.fresh()
                wire = self.wire().hello().starttls().envelope(to)
                wire.send(content)
                os.close(wire.socket.detach())
                entry, = until("the ledger says so", lambda: self.site.entries(to))
                self.assertEqual(entry["outcome"], "deferred")
        with self.probe("a BDAT mail that lacks an octet"):
            to = self.fresh()
            wire = self.wire().hello().starttls().envelope(to, data=False)
            wire.send(b"BDAT %d LAST\r\n" % (len(HEADER) + 1) + HEADER)
            os.close(wire.socket.detach())
            entry, = until("the ledger says so", lambda: self.site.entries(to))
            self.assertEqual(entry["outcome"], "deferred")

    def test_076_a_client_certificate(self):
        with self.probe(76):
            context = unverified()
            context.load_cert_chain(self.site.replyd.dir / "tls.crt", self.site.replyd.dir / "tls.key")
            with context.wrap_socket(socket.create_connection(("127.0.0.1", self.site.replyd.tls_port))) as tls:
                self.assertTrue(tls.recv(100).startswith(b"220"))


class Addresses(Attack):
    def recipient(self, path, sender=b"<a@b.example>"):
        with Wire(self.site.port) as wire:
            wire.hello()
            wire.command(b"MAIL FROM:" + sender)
            return wire.command(b"RCPT TO:" + (path if isinstance(path, bytes) else path.encode()))

    def test_077_to_081_and_090_no_relay(self):
        token = self.fresh().split("@")[0]
        for path in ("<v@example.com>", "<v%example.com@reply.example>", "<example.com!v@reply.example>", "<a!b%c@reply.example>", "<@evil.example:v@reply.example>", "<@reply.example:v@example.com>", "<@reply.example,@x.example:v@example.com>",
                     '<"v@example.com"@reply.example>', '<"v@example.com">', '<"a b"@reply.example>', '<"\r"@reply.example>', "<v@[127.0.0.1]>", "<v@[IPv6:::1]>", "<v@reply.example.>", "<v@>", "<v@reply.example@reply.example>", "<v@localhost>",
                     "<>", "<@>", "<reply.example>", f"<@evil.example:{token}@example.com>", f"<{token}@rival.elsewhere.example>", f"<{token}%reply.example@example.com>", f'<"{token}@reply.example"@example.com>', f"<{token}@[127.0.0.1]>", f"<{token}@localhost>", f"<{token}@reply.example.evil.example>", f"<{token}@evil.reply.example>",
                     f"<{token}+x@reply.example>", f"<{token.replace('+', '%2B')}@reply.example>", f"<{token}@reply.example><x@example.com>", f"<{token[:-1]}@reply.example>", f"<{token}0@reply.example>", f"<postmaster@example.com>", f"<postmaster@reply.example.com>"):
            with self.probe(path):
                self.assertReply(self.recipient(path), "55", "50")
        with self.probe("source route to a token"):
            reply = self.recipient(f"<@evil.example:{token}@reply.example>")
            self.assertReply(reply, "250", "55", "501")

    def test_080_to_082_spellings_of_one_token(self):
        to = self.fresh()
        token = to.split("@")[0]
        digits = token[6:]
        uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        accepted = 0
        for path in (f"<{token.upper()}@reply.example>", f"<Reply+{digits}@REPLY.EXAMPLE>", f"<reply-{digits}@reply.example>", f"<reply.{digits}@reply.example>", f"<reply={digits}@reply.example>", f"<reply+{uuid}@reply.example>", f"<{token}@reply.example.>", f'<"{token}"@reply.example>', f'<"reply\\+{digits}"@reply.example>'):
            with self.probe(path):
                wire = self.wire().hello()
                wire.command(b"MAIL FROM:<a@b.example>")
                reply = wire.command(b"RCPT TO:" + path.encode())
                self.assertReply(reply, "250", "55", "501")
                if reply.startswith("250"):
                    wire.command(b"DATA")
                    self.assertReply(self.end(wire, HEADER + path.encode()), "250")
                    accepted += 1
        self.assertEqual({entry["envelope_to"] for entry in self.site.stored(to)}, {to})
        self.assertEqual(len(self.site.stored(to)), accepted)
        self.assertGreaterEqual(accepted, 7)
        with self.probe("the same mail to all spellings at once is one"):
            to = self.fresh()
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            for spelling in (to, to.upper(), to.replace("+", "-"), to):
                self.assertReply(wire.command(b"RCPT TO:<" + spelling.encode() + b">"), "250")
            wire.command(b"DATA")
            self.assertReply(self.end(wire, HEADER), "250")
            self.assertEqual(len(self.site.stored(to)), 1)
        for path in ("<Postmaster>", "<postmaster@reply.example>", "<ABUSE@reply.example>"):
            with self.probe(path):
                self.assertReply(self.recipient(path), "250")
                self.assertReply(self.recipient(path, b"<>"), "250")

    def test_083_over_long_addresses(self):
        for octets in (65, 256, 1000):
            for path in (b"<" + b"a" * octets + b"@reply.example>", b"<a@" + b"b" * octets + b".example>", b"<a@" + b".".join([b"b" * 60] * (octets // 60 + 4)) + b">"):
                with self.probe((octets, path[:10])):
                    self.assertReply(self.recipient(path), "501", "550")
                    self.assertReply(self.wire().hello().command(b"MAIL FROM:" + path), "501", "250")

    def test_084_085_null_sender(self):
        with self.probe(84):
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<>")
            self.assertReply(wire.command(b"RCPT TO:<" + self.fresh().encode() + b">"), "250")
            self.assertReply(wire.command(b"RCPT TO:<" + self.fresh().encode() + b">"), "452", "550")

    def test_087_floods_of_recipients_and_guesses(self):
        with self.probe("101 good ones"):
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            tos = [self.fresh() for _ in range(101)]
            answers = [wire.command(b"RCPT TO:<" + to.encode() + b">") for to in tos]
            self.assertEqual([answer[:3] for answer in answers], ["250"] * 100 + ["452"])
            self.assertReply(answers[-1], "452 4.5.3")
            wire.command(b"DATA")
            self.assertReply(self.end(wire, HEADER, mails=100), "250")
        with self.probe("150 guesses"):
            texts = set()
            wire = self.wire().hello()
            wire.command(b"MAIL FROM:<a@b.example>")
            for number in range(20):
                texts.add(wire.command(b"RCPT TO:<reply+" + os.urandom(16).hex().encode() + b"@reply.example>"))
            self.assertEqual(len(texts), 1, texts)
            self.assertReply(wire.command(b"RCPT TO:<reply+" + b"0" * 32 + b"@reply.example>"), "421")
            self.assertEqual(wire.line(), b"")

    def test_088_words_for_other_programs_are_text(self):
        words = ("`id`", ";id;", "$(id)", "${run{id}}", "'", "' OR 1=1 --", "\\\" ; DROP TABLE mail; --", "../../etc/passwd", "%s%n%x", "<script>alert(1)</script>", "|id", "{{7*7}}", "\u202eevil", "a\u200bb", "%00", "&amp;")
        for word in words:
            with self.probe(word):
                to = self.fresh()
                quoted = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
                wire = self.wire().hello()
                reply = wire.command(f"MAIL FROM:<{quoted}@b.example> SMTPUTF8".encode())
                self.assertReply(reply, "250", "501")
                if reply.startswith("250"):
                    self.assertReply(wire.command(f"RCPT TO:<{quoted}@reply.example>".encode()), "550", "501")
                    wire.command(b"RCPT TO:<" + to.encode() + b">")
                    wire.command(b"DATA")
                    head = f"From: {quoted} <amy@nowhere.example>\r\nSubject: {word}\r\nMessage-ID: <{word}@x>\r\n\r\n{word}".encode()
                    self.assertReply(self.end(wire, head), "250")
                    entry, = self.site.stored(to)
                    self.assertIn(word.replace('"', '\\"')[-4:], entry["envelope_from"])

    def test_089_known_and_unknown_cost_the_same(self):
        with self.probe(89):
            known = b"RCPT TO:<" + self.fresh().encode() + b">"
            unknown = b"RCPT TO:<reply+" + os.urandom(16).hex().encode() + b"@reply.example>"
            times = {known: [], unknown: []}
            for _ in range(10):
                wire = self.wire().hello()
                wire.command(b"MAIL FROM:<a@b.example>")
                for _ in range(15):
                    for command, took in times.items():
                        begun = time.perf_counter()
                        wire.command(command)
                        took.append(time.perf_counter() - begun)
            median = {command: sorted(took)[len(took) // 2] for command, took in times.items()}
            ratio = max(median.values()) / min(median.values())
            self.assertLess(ratio, 5, "gross differences only: fine ones drown in the noise of one machine")


class Lmtp(Attack):
    def lmtp(self):
        return Wire(self.site.replyd.lmtp_port)

    def test_lmtp_misuse(self):
        with self.probe("EHLO on LMTP, LHLO on SMTP"):
            self.assertReply(self.lmtp().command(b"EHLO x"), "500")
            self.assertReply(self.wire().command(b"LHLO x"), "500")
        with self.probe("one answer for each recipient, the same one twice"):
            to, other = self.fresh(), self.fresh()
            wire = self.lmtp().envelope(to, to, other, verb=b"LHLO").send(HEADER + b"x" + END)
            replies = [wire.reply() for _ in range(3)]
            self.assertEqual([reply[:3] for reply in replies], ["250"] * 3, replies)
            self.site.book += 2
            self.assertEqual([len(self.site.stored(to)), len(self.site.stored(other))], [1, 1])
        with self.probe("smuggling"):
            to = self.fresh()
            wire = self.lmtp().envelope(to, self.fresh(), verb=b"LHLO").send(HEADER + b"x\n.\nMAIL FROM:<a@b.example>\r\n" + END)
            self.assertEqual([reply[:3] for reply in wire.all()], ["554", "554"])
        with self.probe("no recipient"):
            wire = self.lmtp().hello(b"LHLO")
            wire.command(b"MAIL FROM:<a@b.example>")
            wire.command(b"RCPT TO:<nobody@reply.example>")
            self.assertReply(wire.command(b"DATA"), "503")
        with self.probe("a Unix socket's peer"):
            wire = Wire(self.site.replyd.lmtp_socket, family=socket.AF_UNIX)
            self.assertReply(self.end(wire.envelope(self.fresh(), verb=b"LHLO"), HEADER), "250")


if __name__ == "__main__":
    unittest.main()
