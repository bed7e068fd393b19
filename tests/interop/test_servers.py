"""Real Postfix and real Exim relay to replyd, over SMTP and LMTP, with STARTTLS; a stopped replyd makes them wait."""

import smtplib
import unittest

from harness import Replyd, mail, until
from hosts import Exim, Postfix
from printed import printed, printed_words, with_own


class Servers(unittest.TestCase):
    def setUp(self):
        self.replyd = Replyd()
        self.addCleanup(self.replyd.close)

    def relay(self, server, count=3):
        """Sends mails through the server and sees each arrive once."""
        self.addCleanup(server.close)
        conversation = self.replyd.conversation("amy@nowhere.example")
        to = conversation["reply_address"]
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            for number in range(count):
                client.sendmail("amy@nowhere.example", [to], mail(to, sender="amy@nowhere.example", text=f"Answer number {number}."))
        try:
            messages = self.replyd.incoming_mail(conversation, count)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{server.log()}") from None
        self.assertEqual(sorted(m["text"].strip() for m in messages), [f"Answer number {n}." for n in range(count)])
        until("the queue is empty", server.queue_is_empty)
        return conversation

    def tls_of_all(self):
        return [entry.get("tls") for entry in self.replyd.ledger() if entry["outcome"] == "filed"]

    def test_postfix_over_smtp_with_starttls(self):
        self.relay(Postfix(f"smtp:[127.0.0.1]:{self.replyd.port}"))
        self.assertTrue(all(self.tls_of_all()), self.tls_of_all())

    def test_postfix_over_lmtp_by_unix_socket(self):
        self.relay(Postfix(f"lmtp:unix:{self.replyd.lmtp_socket}"))

    def test_postfix_over_lmtp_as_printed(self):
        maps = with_own(printed_words("transport_maps = inline:{reply.acme.example=lmtp:"), domain=("reply.acme.example", "reply.example"),
                        socket=("/run/replyd/lmtp.sock", str(self.replyd.lmtp_socket)))
        self.relay(Postfix("error:not by the printed map", settings=maps))

    def test_exim_over_lmtp_as_printed(self):
        transport = with_own(printed("replyd_lmtp:\n"), port=("port = 2424", f"port = {self.replyd.lmtp_port}"))
        self.relay(Exim(transport.split("\n", 1)[1].strip()))

    def test_postfix_over_lmtp_by_tcp(self):
        self.relay(Postfix(f"lmtp:inet:127.0.0.1:{self.replyd.lmtp_port}"))

    def test_exim_over_smtp_with_starttls(self):
        self.relay(Exim(f"driver = smtp\n  port = {self.replyd.port}\n  hosts_require_tls = *\n  tls_verify_hosts =\n  tls_try_verify_hosts ="))
        self.assertTrue(all(self.tls_of_all()), self.tls_of_all())

    def test_exim_over_lmtp(self):
        self.relay(Exim(f"driver = smtp\n  protocol = lmtp\n  port = {self.replyd.lmtp_port}\n  hosts_avoid_tls = *"))

    def test_a_stopped_replyd_makes_postfix_wait_and_nothing_comes_twice(self):
        server = Postfix(f"smtp:[127.0.0.1]:{self.replyd.port}")
        self.addCleanup(server.close)
        conversation = self.replyd.conversation("amy@nowhere.example")
        to = conversation["reply_address"]
        self.assertEqual(self.replyd.stop(), 0, self.replyd.text_of_log())
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.sendmail("amy@nowhere.example", [to], mail(to, sender="amy@nowhere.example", text="While you were out."))
        until("postfix has tried", lambda: "status=deferred" in server.log())
        self.replyd.start()
        server.flush()
        messages = self.replyd.incoming_mail(conversation)
        until("the queue is empty", server.queue_is_empty)
        self.assertEqual(len(messages), 1)


if __name__ == "__main__":
    unittest.main()
