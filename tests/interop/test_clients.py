"""Mail clients and libraries submit to replyd: each reply becomes one message, quotes folded."""

import smtplib
import ssl
import subprocess
import unittest

import dkim
from harness import TOOLS, Replyd, mail

VISIBLE = "It works now, thank you!"


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key, public = cls.dkim_key()
        cls.replyd = Replyd({
            "s1._domainkey.customer.example": f"v=DKIM1; k=rsa; p={public}",
            "_dmarc.customer.example": "v=DMARC1; p=reject",
            "customer.example": "v=spf1 -all",
            "friend.example": "v=spf1 ip4:127.0.0.1 -all",
            "_dmarc.friend.example": "v=DMARC1; p=reject",
        })

    @classmethod
    def tearDownClass(cls):
        cls.replyd.close()

    @staticmethod
    def dkim_key():
        private = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, capture_output=True, check=True).stdout
        import base64
        return private, base64.b64encode(public).decode()

    def unverified(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def check(self, conversation, verdict=None):
        message = self.replyd.incoming_mail(conversation)[0]
        self.assertEqual(message["text"].strip(), VISIBLE)
        self.assertIn("Does the kettle boil again?", message["quoted"])
        if verdict:
            self.assertEqual(message["email"]["auth"]["verdict"], verdict)
        return message

    def test_swaks_in_clear_with_starttls_and_with_implicit_tls(self):
        r = self.replyd
        for words in (["--port", str(r.port)], ["--port", str(r.port), "-tls"], ["--port", str(r.tls_port), "-tlsc"]):
            conversation = r.conversation("amy@nowhere.example")
            to = conversation["reply_address"]
            data = r.dir / "swaks.eml"
            data.write_bytes(mail(to, sender="amy@nowhere.example"))
            done = subprocess.run(["swaks", "--server", "127.0.0.1", *words, "--from", "amy@nowhere.example", "--to", to,
                                   "--data", f"@{data}"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.check(conversation, "unproven")

    def test_smtplib_sends_a_signed_mail_whose_author_is_authentic(self):
        r = self.replyd
        conversation = r.conversation()
        raw = mail(conversation["reply_address"])
        signed = dkim.sign(raw, b"s1", b"customer.example", self.key, include_headers=[b"from", b"to", b"subject", b"date", b"message-id"]) + raw
        with smtplib.SMTP("127.0.0.1", r.port) as client:
            client.starttls(context=self.unverified())
            self.assertEqual(client.sendmail("jane@customer.example", [conversation["reply_address"]], signed), {})
        message = self.check(conversation, "authentic")
        self.assertEqual((message["author"]["kind"], message["author"]["email"]), ("contact", "jane@customer.example"))

    def test_a_mail_forged_against_p_reject_is_refused_while_smtp_is_open(self):
        r = self.replyd
        conversation = r.conversation()
        with smtplib.SMTP("127.0.0.1", r.port) as client, self.assertRaises(smtplib.SMTPDataError) as refusal:
            client.sendmail("jane@customer.example", [conversation["reply_address"]], mail(conversation["reply_address"]))
        self.assertEqual(refusal.exception.smtp_code, 550)
        self.assertTrue(refusal.exception.smtp_error.startswith(b"5.7.26"), refusal.exception.smtp_error)
        self.assertEqual([m for m in r.messages(conversation) if m["via"] == "email"], [])

    def test_an_aligned_spf_pass_is_authentic_and_a_stranger_joins_under_their_own_name(self):
        r = self.replyd
        conversation = r.conversation()
        with smtplib.SMTP_SSL("127.0.0.1", r.tls_port, context=self.unverified()) as client:
            client.sendmail("bob@friend.example", [conversation["reply_address"]], mail(conversation["reply_address"], sender="bob@friend.example"))
        message = self.check(conversation, "authentic")
        self.assertEqual((message["author"]["kind"], message["author"]["email"]), ("participant", "bob@friend.example"))

    def test_smtplib_over_lmtp_by_tcp_and_by_unix_socket(self):
        r = self.replyd
        for place in (("127.0.0.1", r.lmtp_port), (str(r.lmtp_socket), 0)):
            conversation = r.conversation("amy@nowhere.example")
            with smtplib.LMTP(*place) as client:
                client.sendmail("amy@nowhere.example", [conversation["reply_address"]], mail(conversation["reply_address"], sender="amy@nowhere.example"))
            self.check(conversation)

    def test_an_unknown_token_is_refused_and_the_good_recipient_still_gets_the_mail(self):
        r = self.replyd
        conversation = r.conversation("amy@nowhere.example")
        unknown = "reply+" + "0" * 32 + "@reply.example"
        with smtplib.SMTP("127.0.0.1", r.port) as client:
            refused = client.sendmail("amy@nowhere.example", [unknown, conversation["reply_address"]],
                                      mail(conversation["reply_address"], sender="amy@nowhere.example"))
        self.assertEqual(refused[unknown][0], 550)
        self.assertTrue(refused[unknown][1].startswith(b"5.1.1"), refused)
        self.check(conversation)

    def test_nodemailer_with_starttls_and_an_attachment(self):
        r = self.replyd
        conversation = r.conversation("amy@nowhere.example")
        script = """
const nodemailer = require('nodemailer');
const transport = nodemailer.createTransport({host: '127.0.0.1', port: +process.argv[1], requireTLS: true, tls: {rejectUnauthorized: false}});
transport.sendMail({from: '"Amy Ü" <amy@nowhere.example>', to: process.argv[2], subject: 'Re: Broken kettle – ça va', text: 'It works now, thank you!\\n\\nOn Fri, Nov 20, 2026 at 9:00 AM Sara <support@reply.example> wrote:\\n> Does the kettle boil again?\\n',
  attachments: [{filename: 'kettle – böil.txt', content: 'photo'}]}).then(() => process.exit(0), e => { console.error(e); process.exit(1); });
"""
        done = subprocess.run(["node", "-e", script, str(r.port), conversation["reply_address"]], capture_output=True, text=True, cwd=TOOLS)
        self.assertEqual(done.returncode, 0, done.stderr)
        message = self.check(conversation)
        self.assertEqual([(a["name"], a["size"]) for a in message["attachments"]], [("kettle – böil.txt", 5)])
        self.assertEqual(message["author"]["name"], "Amy Ü")


if __name__ == "__main__":
    unittest.main()
