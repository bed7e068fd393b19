//! The whole product in this process, on loopback: two accounts, a real store, real sockets, a DNS zone of its own.

use crate::http_client::{Answer, Server};
use replyd::clock::Clock;
use replyd::config::secret::Surroundings;
use replyd::daemon::sockets::Sockets;
use replyd::daemon::{Ingredients, Running};
use replyd::dns::{Zone, ZoneServer};
use replyd::store::Store;
use serde_json::{Value, json};

/// Two accounts on loopback.
pub struct Product {
    pub running: Running,
    pub store: Store,
    pub tcp: Server,
    pub owner: Server,
    pub runtime: tokio::runtime::Runtime,
    pub dir: tempfile::TempDir,
    _zone: ZoneServer,
}

pub const CONFIG: &str = r#"
[server]
hostname = "mx.example.com"
data_dir = "data"
[smtp]
listen = ["127.0.0.1:0"]
[http]
listen = ["127.0.0.1:0"]
[tls]
certificate = "tls.crt"
key = "tls.key"
[limits]
disk_free = "0 B"
disk_free_inodes = 0
[[account]]
name = "acme"
inbound_domain = "reply.acme.example"
[[account.inbox]]
name = "website"
address = "support@acme.example"
[[account]]
name = "bolt"
inbound_domain = "reply.bolt.example"
continuity = false
[[account.inbox]]
name = "help"
channel = "api"
"#;

/// A domain that says who may send in its name.
const ZONE: &str = r#"{"partner.example":[{"TXT":"v=spf1 ip4:192.0.2.66 -all"}]}"#;

impl Product {
    pub fn start() -> Product {
        Product::with(CONFIG)
    }

    /// With another config.
    pub fn with(text: &str) -> Product {
        Product::at(text, ZONE, Clock::System)
    }

    /// With another config, DNS and clock.
    pub fn at(text: &str, zone: &str, clock: Clock) -> Product {
        Product::over(tempfile::tempdir().expect("a temporary directory"), text, zone, clock)
    }

    /// The same again, over the same data and at other ports.
    pub fn restarted(self) -> Product {
        let Product { running, runtime, dir, store, .. } = self;
        drop(store);
        runtime.block_on(running.stop());
        let text = std::fs::read_to_string(dir.path().join("replyd.toml")).expect("the config");
        Product::over(dir, &text, ZONE, Clock::System)
    }

    /// The same again with a limit of its own.
    pub fn with_limit(self, limit: &str) -> Product {
        let file = self.dir.path().join("replyd.toml");
        let config = std::fs::read_to_string(&file).expect("the config");
        std::fs::write(&file, config.replace("[limits]\n", &format!("[limits]\n{limit}\n"))).expect("a config");
        self.restarted()
    }

    fn over(dir: tempfile::TempDir, text: &str, zone: &str, clock: Clock) -> Product {
        // For the commands, which ask it where the data directory is.
        std::fs::write(dir.path().join("replyd.toml"), text).expect("a config");
        crate::certificates::write(dir.path(), "tls", &["mx.example.com"]);
        let config = replyd::config::parse(&dir.path().join("replyd.toml"), text, Surroundings::SYSTEM);
        let config = config.expect("a good config");
        let runtime = replyd::daemon::serve::runtime().expect("a runtime");
        let (running, store, zone) = runtime.block_on(async {
            let zone = ZoneServer::start(Zone::parse(zone).expect("a zone")).await.expect("a zone server");
            let store = Store::open(&config.server.data_dir, clock.clone()).expect("the store opens");
            let sockets = Sockets::bind(&config, Vec::new()).expect("free ports");
            let resolver = zone.resolver().expect("a resolver");
            let parts = Ingredients { config, clock, sockets, store: store.clone(), resolver, demo: None };
            (Running::start(parts).expect("it starts"), store, zone)
        });
        let tcp = Server::Tcp(*running.http_addresses().first().expect("an address"));
        let owner = Server::Socket(dir.path().join("data/replyd.sock"));
        Product { running, store, tcp, owner, runtime, dir, _zone: zone }
    }

    pub fn token(&self, account: &str) -> String {
        let answer = self.owner.call("POST", "/api/v1/tokens", "", &json!({ "account": account }).to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    /// Over the owner's socket.
    pub fn begin(&self, body: &Value) -> Answer {
        self.owner.call("POST", "/api/v1/conversations", "", &body.to_string())
    }

    /// Where mail servers connect.
    pub fn smtp(&self) -> std::net::SocketAddr {
        match self.running.mail_endpoints().first() {
            Some((_, replyd::config::checked::Endpoint::Tcp(address))) => *address,
            other => panic!("no TCP door for mail: {other:?}"),
        }
    }

    /// What the last of these lines is answered by the door for mail; every answer is one line.
    pub fn smtp_reply(&self, commands: &[&str]) -> String {
        use std::io::{BufRead, BufReader, Write};
        let stream = std::net::TcpStream::connect(self.smtp()).expect("SMTP listens");
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let mut last = lines.next().expect("a greeting");
        for command in commands {
            (&stream).write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
            last = lines.next().unwrap_or_default();
        }
        last
    }

    /// What RCPT answers to this address.
    pub fn recipient_reply(&self, address: &str) -> String {
        self.smtp_reply(&["HELO a.example", "MAIL FROM:<a@a.example>", &format!("RCPT TO:<{address}>")])
    }

    pub fn stop(self) {
        self.runtime.block_on(self.running.stop());
    }
}

pub fn kettle() -> Value {
    json!({
        "account": "acme", "inbox": "website", "subject": "Broken kettle",
        "contact": { "email": "Jane@customer.example", "name": "Jane Doe" },
        "messages": [{ "author": "contact", "text": "It does not boil." }, { "author": "agent", "agent": "Sara", "text": "Sorry!" }],
    })
}
