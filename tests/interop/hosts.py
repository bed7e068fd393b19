"""Real Postfix and real Exim, each private to its folder: as the relay in front of replyd, or as the mail host of people
whom replyd writes to, with a Maildir an address."""

import email
import email.policy
import os
import pathlib
import shutil
import subprocess
import tempfile

from harness import TOOLS, free_port, listens, until


class Maildirs:
    """What the mail host has delivered. Each address is a folder."""

    def mails(self, address):
        """The mails to an address, in the order in which they came."""
        box = self.dir / "mail" / address
        files = [file for folder in ("new", "cur") if (box / folder).is_dir() for file in (box / folder).iterdir()]
        files.sort(key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [file.read_bytes() for file in files]

    def next_mail(self, address, count):
        """Waits for mail number `count` to an address: its octets and the parsed form."""
        found = until(f"mail {count} to {address}\n{self.log()}", lambda: len(self.mails(address)) >= count and self.mails(address))
        return found[count - 1], email.message_from_bytes(found[count - 1], policy=email.policy.default)


class Postfix(Maildirs):
    """A private Postfix: relays everything to one next hop but the domains in `home`, which it delivers itself."""

    def __init__(self, transport, port=None, home=(), boxes=(), settings="", services=""):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postfix-interop-"))
        self.port = port or free_port()
        os.chmod(self.dir, 0o755)
        for name in ("etc", "spool", "data", "mail"):
            (self.dir / name).mkdir()
        for name in ("data", "mail"):
            shutil.chown(self.dir / name, "postfix", "postfix")
        owner = (self.dir / "mail").stat()
        boxes = ", ".join(f"{name}@{domain}={name}@{domain}/" for domain in home for name in boxes)
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
virtual_mailbox_domains = {" ".join(home)}
virtual_mailbox_base = {self.dir}/mail
virtual_mailbox_maps = inline:{{{boxes}}}
virtual_uid_maps = static:{owner.st_uid}
virtual_gid_maps = static:{owner.st_gid}
virtual_minimum_uid = 1
virtual_transport = virtual
{settings}
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
        (self.dir / "etc/master.cf").write_text("\n".join(lines) + f"\n{services}\n")
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


class Exim(Maildirs):
    """A private Exim: relays everything to one next hop but the domains in `home`, which it delivers itself."""

    BINARY = TOOLS / "exim/usr/sbin/exim4"

    def __init__(self, transport, options="", port=None, home=(), boxes=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="exim-interop-"))
        self.port = port or free_port()
        os.chmod(self.dir, 0o755)
        for name in ("spool", "mail"):
            (self.dir / name).mkdir()
            shutil.chown(self.dir / name, "Debian-exim", "Debian-exim")
        (self.dir / "boxes").write_text("".join(f"{name}: {name}\n" for name in boxes))
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
domainlist ours = {" : ".join(home)}
queue_run_in_order = false
never_users =
keep_environment =
{options}
begin acl
begin routers
home:
  driver = accept
  domains = +ours
  local_parts = lsearch;{self.dir}/boxes
  transport = box
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = out
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {self.dir}/mail/$local_part_data@$domain_data
  create_directory
  user = Debian-exim
  delivery_date_add
  envelope_to_add
  return_path_add
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
