"""What 250 is worth: the order of sync and answer seen by strace, failing disks, and SIGKILL under load."""

import http.client
import os
import pathlib
import random
import re
import signal
import smtplib
import subprocess
import threading
import time
import unittest

from harness import Replyd, mail, until

KILLS = int(os.environ.get("INTEROP_KILLS", "500"))
SESSIONS = 32


def send(replyd, conversation, **words):
    to = conversation["reply_address"]
    with smtplib.SMTP("127.0.0.1", replyd.port, timeout=60) as client:
        client.sendmail("amy@nowhere.example", [to], mail(to, sender="amy@nowhere.example", **words))


def taken(replyd, conversation, **words):
    """Sends like a mail server: whether it got its 250."""
    try:
        send(replyd, conversation, **words)
        return True
    except (smtplib.SMTPException, OSError):
        return False


def ready(replyd):
    connection = http.client.HTTPConnection("127.0.0.1", replyd.http_port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


class Order(unittest.TestCase):
    def check(self, text):
        """The sync must have returned between the end of data and its 250, in the trace of all threads."""
        trace = "/tmp/replyd-trace-%d" % os.getpid()
        replyd = Replyd(wrapper=["strace", "-D", "-f", "-s", "80", "-o", trace, "-e",
                                 "trace=fsync,fdatasync,sendto,write,writev,sendmsg"])
        self.addCleanup(lambda: os.path.exists(trace) and os.remove(trace))
        self.addCleanup(replyd.close)
        conversation = replyd.conversation("amy@nowhere.example")
        for number in range(5):
            send(replyd, conversation, text=f"{number} {text}")
        replyd.stop()
        lines = until("strace has written", lambda: (lambda t: t.splitlines() if "250 2.0.0 " in t else None)(pathlib.Path(trace).read_text(errors="replace")))
        asked = None
        proven = 0
        for line in lines:
            if re.search(r'"354 ', line):
                asked = "354"
            elif asked and re.search(r"(fsync|fdatasync).*= 0$", line):
                asked = "synced"
            elif re.search(r"(fsync|fdatasync).*= -1", line):
                self.fail(line)
            elif re.search(r'"250 2\.0\.0 safe', line):
                self.assertEqual(asked, "synced", f"250 before a sync returned: {line}")
                asked, proven = None, proven + 1
        self.assertEqual(proven, 5)

    def test_a_small_mail_is_synced_before_its_250(self):
        self.check("It works now.")

    def test_a_large_mail_is_synced_before_its_250(self):
        self.check("It works now. " * 30_000)


class FailingDisk(unittest.TestCase):
    def check(self, fault):
        replyd = Replyd()
        self.addCleanup(replyd.close)
        conversation = replyd.conversation("amy@nowhere.example")
        send(replyd, conversation, text="Before the fault.")
        strace = subprocess.Popen(["strace", "-f", "-p", str(replyd.process.pid), "-o", "/dev/null", "-e", fault], stderr=subprocess.PIPE, text=True)
        self.addCleanup(strace.stderr.close)
        self.addCleanup(strace.wait)
        self.addCleanup(strace.kill)
        self.assertIn("attached", strace.stderr.readline())
        with self.assertRaises(smtplib.SMTPException) as refused:
            send(replyd, conversation, text="During the fault.")
        error = refused.exception
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else [*error.recipients.values()][0][0]
        self.assertEqual(code // 100, 4, repr(error))
        strace.send_signal(signal.SIGINT)
        strace.wait()
        until("ready again", lambda: ready(replyd))
        until("mail is taken again", lambda: taken(replyd, conversation, text="After the fault.", identity="<after@nowhere.example>"))
        texts = [m["text"].strip() for m in replyd.incoming_mail(conversation, 2)]
        self.assertEqual(texts, ["Before the fault.", "After the fault."])
        self.assertIsNone(replyd.process.poll(), "the daemon lives")

    def test_eio_on_sync(self):
        self.check("inject=fdatasync,fsync:error=EIO")

    def test_enospc_on_write(self):
        self.check("inject=pwrite64:error=ENOSPC")


class FullDisk(unittest.TestCase):
    def test_a_full_disk_defers_mail_and_recovers_by_itself(self):
        replyd = Replyd(extra='[limits]\ndisk_free = "64 KiB"\ndisk_free_inodes = 1\n', data_size="24m")
        self.addCleanup(replyd.close)
        conversation = replyd.conversation("amy@nowhere.example")
        ballast = replyd.dir / "data/ballast"
        with self.assertRaises(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 65536)
        stored = 0
        with self.assertRaises(smtplib.SMTPResponseException) as refused:
            while True:  # what SQLite had allocated before may still take some
                send(replyd, conversation, text=f"Answer {stored}. " + "It is a long one. " * 2000)
                stored += 1
        self.assertEqual(refused.exception.smtp_code // 100, 4, repr(refused.exception))
        with self.assertRaises(smtplib.SMTPResponseException) as large:
            send(replyd, conversation, text="It is a long one. " * 30_000)
        self.assertEqual(large.exception.smtp_code // 100, 4, repr(large.exception))
        ballast.unlink()
        until("ready again", lambda: ready(replyd))
        until("mail is taken again", lambda: taken(replyd, conversation, text="After the fault.", identity="<after@nowhere.example>"))
        messages = replyd.incoming_mail(conversation, stored + 1)
        self.assertEqual(len(messages), stored + 1)
        self.assertIsNone(replyd.process.poll(), "the daemon lives")


class Killed(unittest.TestCase):
    def test_every_mail_that_got_250_is_there_once_after_sigkill(self):
        replyd = Replyd(extra="[limits]\nsessions_per_client = 1000\nsessions_per_network = 1000\nconnections_per_minute = 1000000\n"
                              "mails_per_minute = 1000000\nrecipients_per_minute = 1000000\nmails_per_session = 1000000\n")
        self.addCleanup(replyd.close)
        recipients = [replyd.conversation("amy@nowhere.example")["reply_address"] for _ in range(SESSIONS)]
        acknowledged, stop = [], threading.Event()

        def sender(number):
            """A mail server's behaviour: the same mail again and again until it got its 250."""
            count = 0
            while not stop.is_set():
                identity = f"<{number}.{count}@nowhere.example>"
                text = f"Answer {number}.{count}." + (" It is a long one." * 20_000 if count % 50 == 49 else "")
                raw = mail(recipients[number], sender="amy@nowhere.example", text=text, identity=identity)
                while not stop.is_set():
                    try:
                        with smtplib.SMTP("127.0.0.1", replyd.port, timeout=10) as client:
                            while not stop.is_set():
                                client.sendmail("amy@nowhere.example", [recipients[number]], raw)
                                acknowledged.append(identity.strip("<>"))
                                count += 1
                                identity = f"<{number}.{count}@nowhere.example>"
                                text = f"Answer {number}.{count}." + (" It is a long one." * 20_000 if count % 50 == 49 else "")
                                raw = mail(recipients[number], sender="amy@nowhere.example", text=text, identity=identity)
                    except (OSError, smtplib.SMTPException):
                        time.sleep(0.01)

        threads = [threading.Thread(target=sender, args=(number,), daemon=True) for number in range(SESSIONS)]
        for thread in threads:
            thread.start()
        chance = random.Random(20261120)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.0, 0.25))
            replyd.process.kill()
            replyd.process.wait()
            replyd.start()
        stop.set()
        for thread in threads:
            thread.join(60)
        all_filed = lambda: not replyd.command("inbound", "list", "--outcome", "accepted")["items"]
        # A mail that kills have cut short three times waits 30 s.
        until("all is filed", all_filed)
        filed, duplicates, failed, cursor = {}, 0, [], None
        while True:
            page = replyd.command("inbound", "list", "--limit", "200", *(["--cursor", cursor] if cursor else []))
            for entry in page["items"]:
                if entry["outcome"] == "filed":
                    filed.setdefault(entry["message_id"], []).append(entry["message_id_stored"])
                elif entry["outcome"] == "failed":
                    failed.append(entry)
                duplicates += entry["outcome"] == "duplicate"
            cursor = page["next"]
            if not cursor:
                break
        lost = [identity for identity in acknowledged if identity not in filed]
        doubled = {identity: ids for identity, ids in filed.items() if len(ids) > 1}
        print(f"\n{KILLS} kills: {len(acknowledged)} mails got 250, {len(filed)} filed, {duplicates} retries found as duplicates, "
              f"{len(lost)} lost, {len(doubled)} doubled, {len(failed)} failed")
        self.assertEqual((lost[:5], list(doubled)[:5], failed[:5]), ([], [], []))
        self.assertGreater(len(acknowledged), KILLS, "too little load to prove anything")


if __name__ == "__main__":
    unittest.main()
