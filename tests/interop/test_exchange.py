"""A whole exchange by email: the customer behind a real mail host and with real clients, the agent by command or from a
client of their own. One thread everywhere, one conversation; what replyd signed is verified by another implementation."""

import base64
import email.utils
import os
import pathlib
import smtplib
import subprocess
import tempfile
import unittest

import dkim
from harness import TOOLS, Replyd, free_port, listens, until
from hosts import Exim, Postfix

CUSTOMER, AGENT = "jane@customer.example", "sara@agents.example"


def rsa_key():
    private = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, capture_output=True, check=True).stdout
    return private, base64.b64encode(public).decode()


def ed25519_key():
    private = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=private, capture_output=True, check=True).stdout
    return private, base64.b64encode(public[-32:]).decode()


class Site:
    """A replyd that signs, and a mail host of a customer and an agent that knows no other way than through it."""

    def __init__(self, host):
        self.keys = pathlib.Path(tempfile.mkdtemp(prefix="replyd-keys-"))
        rsa, rsa_public = rsa_key()
        edwards, edwards_public = ed25519_key()
        for name, key in (("r1.pem", rsa), ("e1.pem", edwards)):
            (self.keys / name).write_bytes(key)
            os.chmod(self.keys / name, 0o600)
        self.agent_key, agent_public = rsa_key()
        self.texts = {
            "r1._domainkey.reply.example": f"v=DKIM1; k=rsa; p={rsa_public}",
            "e1._domainkey.reply.example": f"v=DKIM1; k=ed25519; p={edwards_public}",
            "s1._domainkey.agents.example": f"v=DKIM1; k=rsa; p={agent_public}",
            "_dmarc.agents.example": "v=DMARC1; p=none",
            "_dmarc.reply.example": "v=DMARC1; p=reject",
        }
        port = free_port()
        self.replyd = Replyd(
            {**self.texts,
             "customer.example": {"MX": ["mx.home.example"], "TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
             "agents.example": {"MX": ["mx.home.example"]}, "mx.home.example": {"A": ["127.0.0.1"]}},
            extra=f"[outbound]\nport = {port}\nallow_private = true",
            account=f'dkim = [{{ domain = "reply.example", selector = "r1", key = {{ file = "{self.keys}/r1.pem" }} }},'
                    f' {{ domain = "reply.example", selector = "e1", key = {{ file = "{self.keys}/e1.pem" }} }}]')
        self.host = host(self.replyd, port)

    def verifies(self, raw):
        """The signatures that dkimpy finds good."""
        def text(name, timeout=5):
            found = self.texts.get(name.decode().rstrip("."))
            return found.encode() if found else None

        check = dkim.DKIM(raw)
        count = sum(1 for name, _ in check.headers if name.lower() == b"dkim-signature")
        return [check.verify(idx=number, dnsfunc=text) for number in range(count)]

    def close(self):
        self.host.close()
        self.replyd.close()


HOME = {"home": ["customer.example", "agents.example"], "boxes": ["jane", "sara"]}


def postfix(replyd, port):
    relay = f"smtp:[127.0.0.1]:{replyd.port}"
    settings = f"smtpd_tls_cert_file = {replyd.dir}/tls.crt\nsmtpd_tls_key_file = {replyd.dir}/tls.key\nsmtpd_tls_security_level = may"
    return Postfix(relay, port=port, settings=settings, **HOME)


def exim(replyd, port):
    return Exim(f"driver = smtp\n  port = {replyd.port}\n  hosts_require_tls = *\n  tls_verify_hosts =\n  tls_try_verify_hosts =", port=port, **HOME)


def quoted(text):
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def gmail(words, answered):
    plain = answered.get_body(("plain",)).get_content()
    head = f"On Fri, Nov 20, 2026 at 9:12 AM {answered['From'].replace(chr(34), '')} wrote:"
    html = (f'<div dir="ltr">{words}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{head}<br></div>'
            f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex">{plain}</blockquote></div>')
    return f"{words}\n\n{head}\n\n{quoted(plain)}\n", html


def outlook(words, answered):
    plain = answered.get_body(("plain",)).get_content()
    head = (f"From: {answered['From']}\nSent: Friday, November 20, 2026 9:12 AM\nTo: {answered['To']}\nSubject: {answered['Subject']}")
    html = (f'<html><body><div class="elementToProof">{words}</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%">'
            f'<div id="divRplyFwdMsg" dir="ltr">{head.replace(chr(10), "<br>")}</div><div>{plain}</div></body></html>')
    return f"{words}\n\n________________________________\n{head}\n\n{plain}\n", html


def apple(words, answered):
    plain = answered.get_body(("plain",)).get_content()
    head = f"On 20 Nov 2026, at 09:12, {answered['From'].replace(chr(34), '')} wrote:"
    html = f'<html><body>{words}<br><div><br><blockquote type="cite"><div>{head}</div><br><div>{plain}</div></blockquote></div></body></html>'
    return f"{words}\n\n> {head}\n> \n{quoted(plain)}\n", html


def reply(sender, answered, style, words):
    """What the client puts on the wire: In-Reply-To, References and subject as mail clients make them."""
    text, html = style(words, answered)
    message = email.message.EmailMessage()
    message["From"], message["To"] = sender, answered["Reply-To"] or answered["From"]
    subject = answered["Subject"]
    message["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    message["Date"] = email.utils.formatdate()
    message["Message-ID"] = email.utils.make_msgid(domain=sender.rsplit("@", 1)[1].rstrip(">"))
    message["In-Reply-To"] = answered["Message-ID"]
    message["References"] = " ".join(filter(None, [answered["References"], answered["Message-ID"]]))
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def by_smtplib(port, sender, to, message):
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message, sender, [to])


def by_swaks(port, sender, to, message):
    with tempfile.NamedTemporaryFile(suffix=".eml") as file:
        file.write(message.as_bytes(policy=email.policy.SMTP))
        file.flush()
        done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", sender, "--to", to,
                               "--data", f"@{file.name}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def by_nodemailer(port, sender, to, message):
    script = """
const nodemailer = require('nodemailer');
let raw = ''; process.stdin.on('data', part => raw += part).on('end', () =>
  nodemailer.createTransport({host: '127.0.0.1', port: +process.argv[1], ignoreTLS: true})
    .sendMail({envelope: {from: process.argv[2], to: process.argv[3]}, raw}).then(() => process.exit(0), e => { console.error(e); process.exit(1); }));
"""
    done = subprocess.run(["node", "-e", script, str(port), sender, to], input=message.as_string(policy=email.policy.SMTP),
                          capture_output=True, text=True, cwd=TOOLS)
    assert done.returncode == 0, done.stderr


TURNS = [(gmail, by_smtplib), (outlook, by_swaks), (apple, by_nodemailer), (gmail, by_swaks), (outlook, by_smtplib)]


class Exchange(unittest.TestCase):
    def ten_turns(self, host):
        site = Site(host)
        self.addCleanup(site.close)
        replyd, mails = site.replyd, []
        conversation = replyd.conversation(CUSTOMER)
        for turn, (style, client) in enumerate(TURNS):
            replyd.command("conversation", "reply", conversation["id"], "--text", f"Agent's words number {turn}.\n\nWhat do you say?")
            raw, received = site.host.next_mail(CUSTOMER, turn + 1)
            mails.append(received)
            self.assertEqual(site.verifies(raw), [True, True], raw.decode("utf-8", "replace"))
            self.assertIsNone(received["Auto-Submitted"])
            answer = reply(f"Jane Doe <{CUSTOMER}>", received, style, f"Customer's words number {turn}.")
            mails.append(answer)
            client(site.host.port, CUSTOMER, email.utils.parseaddr(answer["To"])[1], answer)
            replyd.incoming_mail(conversation, turn + 1)
        self.one_thread(mails)
        shown = replyd.messages(conversation)[1:]
        self.assertEqual([m["text"].strip() for m in shown if m["direction"] == "incoming"],
                         [f"Customer's words number {turn}." for turn in range(len(TURNS))])
        self.assertEqual([m["delivery"]["state"] for m in shown if m["direction"] == "outgoing"], ["delivered"] * len(TURNS))
        self.assertEqual(len(replyd.command("conversation", "list")["items"]), 1)
        subjects = {m["Subject"].lower().removeprefix("re: ") for m in mails}
        self.assertEqual(len(subjects), 1, subjects)

    def one_thread(self, mails):
        """Each mail answers the one before it, and names all that went before, oldest first (RFC 5322 §3.6.4)."""
        ids = [m["Message-ID"] for m in mails]
        self.assertEqual(len(set(ids)), len(ids))
        for at, mail in enumerate(mails[1:], 1):
            self.assertEqual(mail["In-Reply-To"], ids[at - 1], f"mail {at}")
            self.assertEqual(mail["References"].split(), ids[:at], f"mail {at}")

    def test_ten_turns_with_a_customer_behind_postfix(self):
        self.ten_turns(postfix)

    def test_ten_turns_with_a_customer_behind_exim(self):
        self.ten_turns(exim)


class AgentsByMail(unittest.TestCase):
    def setUp(self):
        self.site = Site(postfix)
        self.addCleanup(self.site.close)
        self.replyd = self.site.replyd
        self.replyd.command("agent", "add", AGENT, "--name", "Sara", "--account", "acme")

    def question(self, words="Is it under warranty?"):
        """The customer writes to the inbox; what the agent gets of it."""
        message = email.message.EmailMessage()
        message["From"], message["To"], message["Subject"] = f"Jane Doe <{CUSTOMER}>", "support@reply.example", "Kettle"
        message["Date"], message["Message-ID"] = email.utils.formatdate(), email.utils.make_msgid(domain="customer.example")
        message.set_content(words)
        by_smtplib(self.site.host.port, CUSTOMER, "support@reply.example", message)
        _, told = self.site.host.next_mail(AGENT, 1)
        return told

    def signed(self, message):
        raw = message.as_bytes(policy=email.policy.SMTP)
        head = dkim.sign(raw, b"s1", b"agents.example", self.site.agent_key,
                         include_headers=[b"from", b"to", b"subject", b"date", b"message-id", b"in-reply-to"])
        return head + raw

    def send(self, told, raw):
        with smtplib.SMTP("127.0.0.1", self.replyd.port) as client:
            return client.sendmail(AGENT, [email.utils.parseaddr(told["Reply-To"])[1]], raw)

    def test_an_agent_answers_from_a_mail_client_and_their_address_stays_theirs(self):
        told = self.question()
        body = told.get_body(("plain",)).get_content()
        self.assertIn("Is it under warranty?", body)
        self.assertIn(told["Auto-Submitted"], ("auto-generated",))
        answer = reply(f"Sara Private <{AGENT}>", told, gmail, "Yes, for two years.")
        self.assertEqual(self.send(told, self.signed(answer)), {})
        raw, received = self.site.host.next_mail(CUSTOMER, 1)
        self.assertIn("Yes, for two years.", received.get_body(("plain",)).get_content())
        self.assertNotIn(AGENT.encode(), raw)
        self.assertNotIn(b"agents.example", raw)
        self.assertTrue(received["From"].startswith('"Sara') or received["From"].startswith("Sara"), received["From"])
        self.assertEqual(self.site.verifies(raw), [True, True])
        conversation = self.replyd.command("conversation", "list")["items"][0]
        sent = [m for m in self.replyd.messages(conversation) if m["direction"] == "outgoing"]
        self.assertEqual([(m["text"].strip(), m["via"], m["author"]["kind"]) for m in sent], [("Yes, for two years.", "email", "agent")])

    def test_the_same_mail_unsigned_is_refused_with_a_sentence(self):
        told = self.question()
        answer = reply(f"Sara <{AGENT}>", told, gmail, "Yes, for two years.")
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            self.send(told, answer.as_bytes(policy=email.policy.SMTP))
        self.assertEqual(refusal.exception.smtp_code, 550)
        self.assertGreater(len(refusal.exception.smtp_error.split()), 8, refusal.exception.smtp_error)
        conversation = self.replyd.command("conversation", "list")["items"][0]
        self.assertEqual([m for m in self.replyd.messages(conversation) if m["direction"] == "outgoing"], [])

    def test_first_line_commands(self):
        told = self.question()
        self.send(told, self.signed(reply(f"Sara <{AGENT}>", told, apple, "#note call her tomorrow")))
        self.send(told, self.signed(reply(f"Sara <{AGENT}>", told, gmail, "#resolve")))
        def resolved():
            found = self.replyd.command("conversation", "list")["items"][0]
            return found if found["status"] == "resolved" else None
        conversation = until("it is resolved", resolved)
        notes = [m for m in self.replyd.messages(conversation) if m["direction"] == "note"]
        self.assertEqual([m["text"].strip() for m in notes], ["call her tomorrow"])
        self.assertEqual(self.site.host.mails(CUSTOMER), [])


class Sink:
    """smtp-sink of Postfix, told to misbehave."""

    def __init__(self, port, *flags):
        self.process = subprocess.Popen(["smtp-sink", "-u", "nobody", *flags, f"127.0.0.1:{port}", "16"], stderr=subprocess.DEVNULL)
        until("smtp-sink listens", lambda: listens(port))

    def close(self):
        self.process.terminate()
        self.process.wait()


class Sinks(unittest.TestCase):
    """What each answer of a remote host makes of a message."""

    def check(self, flags, state, uncertain=False):
        port = free_port()
        replyd = Replyd({"customer.example": {"MX": ["mx.home.example"]}, "mx.home.example": {"A": ["127.0.0.1"]}},
                        extra=f"[outbound]\nport = {port}\nallow_private = true")
        sink = Sink(port, *flags)
        try:
            conversation = replyd.conversation(CUSTOMER)
            replyd.command("conversation", "reply", conversation["id"], "--text", "Does it boil?")
            def ended():
                delivery = replyd.messages(conversation)[-1]["delivery"]
                return delivery if delivery["attempts"] > 0 and delivery["state"] not in ("waiting", "queued") else None
            delivery = until(f"an attempt with {flags}", ended)
            self.assertEqual(delivery["state"], state, (flags, delivery))
            self.assertEqual(delivery["uncertain"], uncertain, (flags, delivery))
            if state == "deferred":
                self.assertIsNotNone(delivery["due_at"], flags)
        finally:
            sink.close()
            replyd.close()

    def test_hard_soft_and_broken_answers(self):
        for flags, state, uncertain in [
            ([], "delivered", False),
            (["-f", "mail"], "failed", False),
            (["-f", "rcpt"], "failed", False),
            (["-f", "data"], "failed", False),
            (["-f", "."], "failed", False),
            (["-f", "connect"], "deferred", False),
            (["-f", "ehlo,helo"], "deferred", False),
            (["-r", "connect"], "deferred", False),
            (["-r", "mail"], "deferred", False),
            (["-r", "rcpt"], "deferred", False),
            (["-r", "data"], "deferred", False),
            (["-r", "."], "deferred", False),
            (["-q", "connect"], "deferred", False),
            (["-q", "mail"], "deferred", False),
            (["-q", "rcpt"], "deferred", False),
            (["-q", "data"], "deferred", False),
            (["-q", "."], "deferred", True),
        ]:
            with self.subTest(flags=flags):
                self.check(flags, state, uncertain)


if __name__ == "__main__":
    unittest.main()
