//! `replyd serve` as its service manager sees it: ready, reload, refusal of a bad config, stop, exit codes.

use crate::http_client::Server;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A daemon with a notification socket, as systemd would give it.
struct Daemon {
    process: Child,
    notices: UnixDatagram,
    dir: tempfile::TempDir,
    smtp: SocketAddr,
}

/// A daemon that a failing test leaves running would hold the test's own output open.
impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn config(smtp: SocketAddr, accounts: &[&str]) -> String {
    let account = |name: &&str| {
        format!(
            "[[account]]\nname = \"{name}\"\ninbound_domain = \"reply.{name}.example\"\n[[account.inbox]]\nname = \"website\"\n"
        )
    };
    let accounts: String = accounts.iter().map(account).collect();
    format!(
        "[server]\nhostname = \"mx.example.com\"\ndata_dir = \"data\"\n[smtp]\nlisten = [\"{smtp}\"]\n[http]\nlisten = []\n[dns]\nservers = [\"127.0.0.1:9\"]\n{accounts}"
    )
}

fn free_address() -> SocketAddr {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("an address")
}

const ARGUMENTS: [&str; 3] = ["serve", "--config", "replyd.toml"];

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
    command.args(ARGUMENTS).current_dir(dir).env("REPLYD_LOG", "warn");
    command.stderr(Stdio::piped());
    command
}

impl Daemon {
    fn start() -> Daemon {
        Daemon::start_by("exec \"$0\" \"$@\"", "")
    }

    /// Through a shell that runs this, with this in the config.
    fn start_by(script: &str, more: &str) -> Daemon {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let smtp = free_address();
        let text = config(smtp, &["acme"]) + more;
        std::fs::write(dir.path().join("replyd.toml"), text).expect("a config");
        let notices = UnixDatagram::bind(dir.path().join("notify")).expect("a notification socket");
        notices.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a timeout");
        let mut shell = Command::new("sh");
        let process = shell
            .args(["-c", script, env!("CARGO_BIN_EXE_replyd")])
            .args(ARGUMENTS)
            .current_dir(dir.path())
            .env("REPLYD_LOG", "warn")
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        Daemon { process, notices, dir, smtp }
    }

    /// Over a backup that was put back.
    fn start_over(backup: &Path, script: &str) -> Daemon {
        let put_back = format!("mkdir -m 700 data && cp '{}' data/replyd.db && {script}", backup.display());
        Daemon::start_by(&put_back, "")
    }

    /// What a command on it prints.
    fn run(&self, words: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
        command.args(words.split(' ')).current_dir(self.dir.path()).env("REPLYD_CONFIG", "replyd.toml");
        let output = command.output().expect("replyd runs");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The next notice but the watchdog's.
    fn notice(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.notices.recv(&mut buffer).expect("a notice");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn expect_notice(&self, begins: &str) {
        let notice = self.notice();
        assert!(notice.starts_with(begins), "{begins} is expected, not {notice}");
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("the process is there");
    }

    fn reload(&self, text: &str) {
        std::fs::write(self.dir.path().join("replyd.toml"), text).expect("a config");
        self.signal(Signal::HUP);
        self.expect_notice("RELOADING=1\nMONOTONIC_USEC=");
        self.expect_notice("READY=1");
    }

    /// What a conversation in this account's inbox answers.
    fn begin(&self, account: &str) -> u16 {
        let body = format!(r#"{{"account":"{account}","inbox":"website"}}"#);
        let owner = Server::Socket(self.dir.path().join("data/replyd.sock"));
        owner.call("POST", "/api/v1/conversations", "", &body).status
    }

    fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        self.expect_notice("STOPPING=1");
        let status = self.process.wait().expect("it ends");
        let lines = BufReader::new(self.process.stderr.take().expect("stderr")).lines();
        let log: Vec<String> = lines.map_while(Result::ok).collect();
        assert_eq!(status.code(), Some(0), "{log:?}");
        log.join("\n")
    }
}

fn greeting(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a line");
    line
}

#[test]
fn it_says_ready_when_mail_is_taken_and_ends_with_0_on_sigterm() {
    let daemon = Daemon::start();
    daemon.expect_notice("READY=1");
    let session = TcpStream::connect(daemon.smtp).expect("SMTP listens");
    assert!(greeting(&session).starts_with("220 mx.example.com "));
    daemon.signal(Signal::TERM);
    assert!(greeting(&session).starts_with("421 "), "an idle session is told");
    daemon.expect_notice("STOPPING=1");
    let mut daemon = daemon;
    assert_eq!(daemon.process.wait().expect("it ends").code(), Some(0));
    assert!(!daemon.dir.path().join("data/replyd.sock").exists(), "the socket is gone");
}

#[test]
fn a_reload_takes_accounts_keeps_connections_and_refuses_a_bad_config() {
    let daemon = Daemon::start();
    daemon.expect_notice("READY=1");
    let session = TcpStream::connect(daemon.smtp).expect("SMTP listens");
    assert!(greeting(&session).starts_with("220 "));
    assert_eq!((daemon.begin("acme"), daemon.begin("bolt")), (201, 422));
    daemon.reload(&config(daemon.smtp, &["acme", "bolt"]));
    assert_eq!((daemon.begin("acme"), daemon.begin("bolt")), (201, 201));
    daemon.reload("[server]\nhostname = \"a b\"\n");
    assert_eq!(daemon.begin("bolt"), 201, "the old config stays");
    use std::io::Write;
    (&session).write_all(b"NOOP\r\n").expect("the session lives");
    assert!(greeting(&session).starts_with("250 "), "no connection was dropped");
    drop(session);
    let log = daemon.stop();
    assert!(log.contains("the new config is refused") && log.contains("replyd.toml:2"), "{log}");
}

#[test]
fn without_free_descriptors_it_lives_and_accepts_again_when_there_are_some() {
    let daemon = Daemon::start_by(
        "ulimit -n 60; exec \"$0\" \"$@\"",
        "[limits]\nsessions_per_client = 1000\nsessions_per_network = 1000\n",
    );
    daemon.expect_notice("READY=1");
    let crowd: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(daemon.smtp).expect("the kernel takes it")).collect();
    assert!(greeting(&crowd[0]).starts_with("220 "));
    // Whoever is beyond the descriptors is cut, and so the last one hears something or the end.
    let last = greeting(&crowd[99]);
    assert!(last.is_empty(), "{last}");
    drop(crowd);
    let honest = TcpStream::connect(daemon.smtp).expect("SMTP listens");
    assert!(greeting(&honest).starts_with("220 "));
    drop(honest);
    assert!(daemon.stop().contains("is LimitNOFILE high enough?"));
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused_and_the_first_lives() {
    let daemon = Daemon::start();
    daemon.expect_notice("READY=1");
    let other = daemon.dir.path().join("other.toml");
    std::fs::write(&other, config(free_address(), &["acme"])).expect("a config");
    let second = Command::new(env!("CARGO_BIN_EXE_replyd")).args(["serve", "--config"]).arg(&other).output();
    let second = second.expect("replyd runs");
    let line = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(75), "{line}");
    assert!(line.contains("another replyd uses it"), "{line}");
    assert_eq!(daemon.begin("acme"), 201);
    daemon.stop();
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = taken.local_addr().expect("an address");
    std::fs::write(dir.path().join("replyd.toml"), config(address, &["acme"])).expect("a config");
    let output = command(dir.path()).output().expect("replyd runs");
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{line}");
    assert!(line.contains(&address.to_string()) && line.contains("change listen in the config"), "{line}");
}

#[test]
fn whoever_sees_a_port_answer_may_use_the_commands_at_once() {
    let daemon = Daemon::start();
    while TcpStream::connect(daemon.smtp).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(daemon.begin("acme"), 201);
    daemon.expect_notice("READY=1");
    daemon.stop();
}

#[test]
fn the_socket_of_a_killed_daemon_is_replaced() {
    let mut daemon = Daemon::start();
    daemon.expect_notice("READY=1");
    daemon.process.kill().expect("it lives");
    daemon.process.wait().expect("it ends");
    assert!(daemon.dir.path().join("data/replyd.sock").exists(), "a killed daemon leaves its socket");
    daemon.process = command(daemon.dir.path()).env("NOTIFY_SOCKET", daemon.dir.path().join("notify")).spawn().unwrap();
    daemon.expect_notice("READY=1");
    assert_eq!(daemon.begin("acme"), 201);
    daemon.stop();
}

#[test]
fn a_restored_queue_can_be_held_from_the_first_moment() {
    let daemon = Daemon::start_by("REPLYD_HOLD_OUTGOING=1 exec \"$0\" \"$@\"", "");
    daemon.expect_notice("READY=1");
    daemon.run("conversation new --inbox website --email jane@customer.example --answer Hello --agent Sara");
    assert!(!daemon.run("queue list").contains("held"), "what is queued later goes its way");
    let backup = daemon.dir.path().join("backup.db");
    daemon.run(&format!("backup {}", backup.display()));
    let again = Daemon::start_over(&backup, "exec \"$0\" \"$@\" --hold-outgoing");
    again.expect_notice("READY=1");
    let held = again.run("queue list");
    assert!(held.contains("waiting, held"), "{held}");
    again.run("queue release --all");
    assert!(!again.run("queue list").contains("held"));
}
