"""The bridge under SIGKILL: another system's ingress written here, that answers, refuses, hangs and drops as it likes."""

import http.server
import os
import random
import smtplib
import threading
import time
import unittest

from harness import Replyd, mail, until

KILLS = int(os.environ.get("INTEROP_BRIDGE_KILLS", "60"))
RECIPIENTS = 8
UUIDS = [f"8a0fa6ca-92a1-4e9f-8d3e-5d7f1d6c2b{n:02x}" for n in range(RECIPIENTS)]


class Helpdesk:
    """A relay ingress that takes most mail."""

    def __init__(self):
        self.chance = random.Random(20261120)
        self.lock = threading.Lock()
        self.taken = []  # (recipient, number, octets) in order of arrival
        self.calm = False
        self.hung = 0
        self.closed = threading.Event()
        desk = self

        class Ingress(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                with desk.lock:
                    mood = "take" if desk.calm else desk.chance.choices(
                        ["take", "refuse", "wrong", "drop", "taken and dropped", "hang"], [80, 6, 3, 3, 6, 2])[0]
                    if not desk.hung and len(desk.taken) > 20:
                        mood = "hang"
                if self.path != "/rails/action_mailbox/relay/inbound_emails" or self.headers["Content-Type"] != "message/rfc822":
                    return self.send_error(404)
                if len(octets) < int(self.headers["Content-Length"]):
                    return None  # the sender was killed
                if mood in ("take", "taken and dropped"):
                    desk.take(octets)
                if mood == "take":
                    self.send_response(204)
                    self.end_headers()
                elif mood == "refuse":
                    self.send_error(500)
                elif mood == "wrong":
                    self.send_error(401)
                elif mood == "hang":
                    desk.hung += 1
                    desk.closed.wait(60)  # far longer than limits.hook_timeout: the bridge has to leave it
                self.close_connection = True
                return None

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ingress)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, octets):
        text = octets.decode()
        recipient = next(line[len("X-Original-To: "):] for line in text.split("\r\n") if line.startswith("X-Original-To: "))
        number = int(text.split("number ")[1].split(".")[0])
        with self.lock:
            self.taken.append((recipient, number, octets))

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()


class Bridge(unittest.TestCase):
    def test_no_mail_is_lost_and_each_recipients_mail_stays_in_order_whatever_is_killed(self):
        desk = Helpdesk()
        self.addCleanup(desk.close)
        url = f"http://127.0.0.1:{desk.port}/rails/action_mailbox/relay/inbound_emails"
        replyd = Replyd(
            extra="[limits]\nsessions_per_client = 1000\nsessions_per_network = 1000\nconnections_per_minute = 1000000\n"
                  "mails_per_minute = 1000000\nrecipients_per_minute = 1000000\nmails_per_session = 1000000\nhook_timeout = \"1 s\"\n",
            account=f'bridge = {{ url = "{url}", password = "x", mode = "only", allow_private = true, '
                    'recipients = { pattern = "reply+<uuid>" } }\n')
        self.addCleanup(replyd.close)
        acknowledged, stop = [[] for _ in range(RECIPIENTS)], threading.Event()

        def sender(index):
            """A mail server's behaviour: the same mail again and again until it got its 250."""
            to, number = f"reply+{UUIDS[index]}@reply.example", 0
            while not stop.is_set():
                try:
                    with smtplib.SMTP("127.0.0.1", replyd.port, timeout=10) as client:
                        while not stop.is_set():
                            text = f"number {number}." + (" It is a long one." * 20_000 if number % 40 == 39 else "")
                            raw = mail("undisclosed-recipients:;", text=text, identity=f"<{index}.{number}@nowhere.example>")
                            client.sendmail("amy@nowhere.example", [to], raw)
                            acknowledged[index].append(number)
                            number += 1
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.01)

        threads = [threading.Thread(target=sender, args=(index,), daemon=True) for index in range(RECIPIENTS)]
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
        desk.calm = True

        def owed():
            """An operator's hand: what waits for its next attempt is tried now."""
            entries, cursor = [], None
            while True:
                page = replyd.command("inbound", "list", "--limit", "200", *(["--cursor", cursor] if cursor else []))
                entries += [e for e in page["items"] if (e["bridge"] or {}).get("state") in ("waiting", "deferred")]
                cursor = page["next"]
                if not cursor:
                    break
            for entry in [e for e in entries if e["bridge"]["state"] == "deferred"][:3]:
                try:
                    replyd.command("inbound", "retry-bridge", entry["id"])
                except AssertionError:
                    pass  # it was delivered meanwhile
            return not entries

        until("all is brought over", owed)
        lost, disordered, doubled = [], [], 0
        for index, uuid in enumerate(UUIDS):
            arrived = [(number, octets) for recipient, number, octets in desk.taken if recipient == f"reply+{uuid}@reply.example"]
            first = {}
            for number, octets in arrived:
                doubled += number in first
                self.assertEqual(first.setdefault(number, octets), octets, "a repeat is exact")
            lost += [(index, number) for number in acknowledged[index] if number not in first]
            order = [number for number, _ in arrived]
            disordered += [(index, a, b) for a, b in zip(order, order[1:]) if b < a]
        total = sum(len(numbers) for numbers in acknowledged)
        print(f"\n{KILLS} kills: {total} mails got 250, {len(desk.taken)} arrived at the other side, {doubled} of them repeats, "
              f"{desk.hung} calls hung, {len(lost)} lost, {len(disordered)} out of order")
        self.assertEqual((lost[:5], disordered[:5]), ([], []))
        self.assertGreater(desk.hung, 0, "nothing hung")
        self.assertGreater(total, KILLS, "too little load to prove anything")


if __name__ == "__main__":
    unittest.main()
