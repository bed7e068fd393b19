"""Real Postfix and real Exim relay to replyd, over SMTP and LMTP, with STARTTLS; a stopped replyd makes them wait."""

import os
import pathlib
import shutil
import smtplib
import subprocess
import tempfile
import unittest

from harness import TOOLS, Replyd, free_port, listens, mail, until


class Postfix:
    """A private Postfix that relays everything to one next hop."""

    def __init__(self, transport):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postfix-interop-"))
        self.port = free_port()
        os.chmod(self.dir, 0o755)
        for name in ("etc", "spool", "data"):
            (self.dir / name).mkdir()
        shutil.chown(self.dir / "data", "postfix", "postfix")
        (self.dir / "etc/main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {self.dir}/spool
data_directory = {self.dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
multi_instance_name = postfix-{os.path.basename(self.dir)}
mail_owner = postfix
setgid_group = postdrop
myhostname = mta.nowhere.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = {transport}
relay_transport = {transport}
smtp_tls_security_level = encrypt
lmtp_tls_security_level = may
smtp_dns_support_level = disabled
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
maillog_file = {self.dir}/spool/log
maillog_file_prefixes = {self.dir}
alias_maps =
""")
        master = pathlib.Path("/usr/share/postfix/master.cf.dist").read_text()
        lines = []
        for line in master.splitlines():
            if line.startswith("smtp      inet"):
                line = f"127.0.0.1:{self.port} inet n - n - - smtpd"
            elif line and not line.startswith(("#", " ")):
                words = line.split()
                words[4] = "n"  # no chroot: the queue directory holds no libraries
                line = " ".join(words)
            lines.append(line)
        (self.dir / "etc/master.cf").write_text("\n".join(lines) + "\n")
        self.run("start")
        until("postfix listens", lambda: listens(self.port))

    def run(self, *words):
        done = subprocess.run(["postfix", "-c", self.dir / "etc", *words], capture_output=True, text=True)
        if done.returncode and words != ("stop",):
            raise AssertionError(f"postfix {words}: {done.stdout}{done.stderr}{self.log()}")

    def log(self):
        path = self.dir / "spool/log"
        return path.read_text()[-3000:] if path.exists() else ""

    def queue_is_empty(self):
        done = subprocess.run(["postqueue", "-c", self.dir / "etc", "-j"], capture_output=True, text=True)
        return done.returncode == 0 and not done.stdout.strip()

    def flush(self):
        subprocess.run(["postqueue", "-c", self.dir / "etc", "-f"], check=True)

    def close(self):
        self.run("stop")
        shutil.rmtree(self.dir, ignore_errors=True)


class Exim:
    """A private Exim that relays everything to one next hop."""

    BINARY = TOOLS / "exim/usr/sbin/exim4"

    def __init__(self, transport, options=""):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="exim-interop-"))
        self.port = free_port()
        os.chmod(self.dir, 0o755)
        (self.dir / "spool").mkdir()
        shutil.chown(self.dir / "spool", "Debian-exim", "Debian-exim")
        self.config = self.dir / "exim.conf"
        self.config.write_text(f"""
primary_hostname = mta.nowhere.example
exim_path = {self.BINARY}
spool_directory = {self.dir}/spool
log_file_path = {self.dir}/spool/%slog
exim_user = Debian-exim
exim_group = Debian-exim
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = accept
acl_smtp_data = accept
domainlist ours =
queue_run_in_order = false
never_users =
keep_environment =
{options}
begin acl
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = out
begin transports
out:
  {transport}
begin retry
* * F,1h,1s
""")
        self.errors = open(self.dir / "stderr", "w")
        self.process = subprocess.Popen([self.BINARY, "-C", self.config, "-bdf", "-q1s"],
                                        stdout=subprocess.DEVNULL, stderr=self.errors)
        until("exim listens", lambda: listens(self.port))

    def log(self):
        path = self.dir / "spool/mainlog"
        return (path.read_text()[-3000:] if path.exists() else "") + (self.dir / "stderr").read_text()

    def queue_is_empty(self):
        done = subprocess.run([self.BINARY, "-C", self.config, "-bpc"], capture_output=True, text=True)
        return done.stdout.strip() == "0"

    def flush(self):
        subprocess.run([self.BINARY, "-C", self.config, "-qff"], check=True)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.errors.close()
        shutil.rmtree(self.dir, ignore_errors=True)


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
