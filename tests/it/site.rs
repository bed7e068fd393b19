//! A running set of doors on loopback: real sockets, a real store, a real verifier over a zone of its own.

use replyd::clock::Clock;
use replyd::config::checked::Voice;
use replyd::config::checked::{
    Account, Certificate, Config, Dns, Endpoint, ForgedPolicy, Http, Inbox, IngressSecrets, Outbound, Server, Smtp,
};
use replyd::conversation::model::Channel;
use replyd::conversation::reply_token::ReplyToken;
use replyd::dns::{Zone, ZoneServer};
use replyd::inbound::{self, Door, Handle, Leftover, Listener, RecipientHooks, Services, ServicesParts};
use replyd::limits::Limits;
use replyd::net::https::HttpClient;
use replyd::net::{listen, tls::Tls};
use replyd::sender_auth::Verifier;
use replyd::store::Store;
use replyd::store::ledger::{LedgerEntry, LedgerQuery};
use replyd::store::unit::NewConversation;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What differs from test to test.
pub struct Setting {
    pub limits: Limits,
    pub smtp: Smtp,
    pub certificates: Vec<Certificate>,
    /// JSON, name to records.
    pub zone: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        let limits = Limits { error_delay: Duration::ZERO, disk_free_octets_min: 0, ..Limits::default() };
        Setting { limits, smtp: Smtp::default(), certificates: Vec::new(), zone: "{}" }
    }
}

pub struct Site {
    pub services: Arc<Services>,
    pub store: Store,
    pub token: ReplyToken,
    stop: CancellationToken,
    handle: Handle,
    dir: tempfile::TempDir,
    _zone: ZoneServer,
}

impl Site {
    pub async fn start(setting: Setting) -> Site {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let zone = ZoneServer::start(Zone::parse(setting.zone).expect("a zone")).await.expect("a zone server");
        let store = Store::open(dir.path(), Clock::System).expect("the store opens");
        let tls = Tls::load(&setting.certificates).expect("good certificates");
        let config = config(setting, dir.path());
        let services = Services::new(ServicesParts {
            config: Arc::new(Arc::new(config).into()),
            store: store.clone(),
            verifier: Verifier::new(zone.resolver().expect("a resolver"), Clock::System),
            clock: Clock::System,
            tls,
            counters: Arc::default(),
            large_mails: Arc::default(),
            recipient_hooks: RecipientHooks::new(zone.resolver().expect("a resolver"), HttpClient::new(no_roots())),
        });
        let token = new_token(&store).await;
        let stop = CancellationToken::new();
        let handle = inbound::start(&services, listeners(dir.path()), stop.clone()).expect("the doors open");
        Site { services, store, token, stop, handle, dir, _zone: zone }
    }

    pub async fn plain() -> Site {
        Site::start(Setting::default()).await
    }

    /// The address that a conversation of `acme` is answered at.
    pub fn reply_address(&self) -> String {
        self.token.address("reply.acme.example")
    }

    pub fn endpoint(&self, door: Door) -> Endpoint {
        let (_, endpoint) = self.handle.endpoints().iter().find(|(of, _)| *of == door).expect("every door is there");
        endpoint.clone()
    }

    /// The second LMTP listener.
    pub fn lmtp_socket(&self) -> Endpoint {
        Endpoint::Unix(self.path("lmtp.sock"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a changed config in force, as SIGHUP does.
    pub fn reconfigure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(&self.services.config.load());
        change(&mut config);
        self.services.config.store(Arc::new(config));
    }

    /// All entries, oldest first.
    pub async fn ledger(&self) -> Vec<LedgerEntry> {
        entries(&self.store).await
    }

    /// The ledger once it holds `count` entries: for what happens behind the peer's back.
    pub async fn ledger_of(&self, count: usize) -> Vec<LedgerEntry> {
        for _ in 0..10_000 {
            let entries = self.ledger().await;
            if entries.len() >= count {
                return entries;
            }
            tokio::task::yield_now().await;
        }
        panic!("the ledger never held {count} entries: {:?}", self.ledger().await)
    }

    pub fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stopped(self) -> Leftover {
        self.stop.cancel();
        self.handle.stopped().await
    }

    /// Files under the spool directory.
    pub fn spool_files(&self) -> usize {
        std::fs::read_dir(self.store.spool_dir()).expect("the spool directory").count()
    }
}

pub fn no_roots() -> Arc<rustls::RootCertStore> {
    Arc::new(rustls::RootCertStore::empty())
}

/// All entries of the ledger, oldest first. Refusals are written behind the answer: a unit of work that waits for its
/// own commit makes sure that theirs is done.
pub async fn entries(store: &Store) -> Vec<LedgerEntry> {
    store.add_api_token("acme", fresh_hash()).await.expect("a commit");
    let query = LedgerQuery { limit: 1000, ..LedgerQuery::default() };
    let mut entries = store.ledger(query).await.expect("the ledger").items;
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn fresh_hash() -> [u8; 32] {
    let mut hash = [0; 32];
    aws_lc_rs::rand::fill(&mut hash).expect("randomness");
    hash
}

pub async fn new_token(store: &Store) -> ReplyToken {
    let new = NewConversation {
        account: "acme".into(),
        inbox: "website".into(),
        channel: Channel::Widget,
        contact_name: None,
        contact_email: Some("ann@example.org".into()),
        contact_identifier: None,
        subject: None,
        messages: Vec::new(),
    };
    store.new_conversation(new).await.expect("a conversation").reply_token
}

fn listeners(dir: &Path) -> Vec<Listener> {
    let loopback = || Endpoint::Tcp(([127, 0, 0, 1], 0).into());
    let doors = [
        (Door::Smtp, loopback()),
        (Door::SmtpTls, loopback()),
        (Door::Lmtp, loopback()),
        (Door::Lmtp, Endpoint::Unix(dir.join("lmtp.sock"))),
    ];
    doors.into_iter().map(|(door, at)| Listener { door, socket: listen::bind(&at).expect("a free port") }).collect()
}

fn config(setting: Setting, data_dir: &Path) -> Config {
    let inbox = |name: &str, channel, address: Option<&str>| Inbox {
        name: name.into(),
        channel,
        address: address.map(str::to_owned),
        offline_delay: Duration::from_secs(120),
        quiet_hours: None,
        time_zone: "UTC".into(),
        undo_window: Duration::from_secs(10),
        unseen_delay: Duration::from_secs(600),
        resume_url: String::new(),
        notify_agents: true,
        voice: Voice::default(),
        bridge: None,
        widget: Default::default(),
    };
    let account = |name: &str, forged, inboxes| Account {
        outbound_tls: Default::default(),
        name: name.into(),
        inbound_domain: format!("reply.{name}.example"),
        forged,
        trusted_arc_sealers: Vec::new(),
        continuity: true,
        dkim: Vec::new(),
        ingress: IngressSecrets::default(),
        webhooks: Vec::new(),
        bridge: None,
        voice: Voice::default(),
        templates: Vec::new(),
        inboxes,
    };
    Config {
        server: Server { hostname: "mx.example.com".into(), data_dir: data_dir.to_owned() },
        smtp: setting.smtp,
        http: Http { listen: Vec::new(), public_url: String::new(), forwarded_from: Vec::new() },
        tls: setting.certificates,
        dns: Dns::default(),
        outbound: Outbound::default(),
        limits: Arc::new(setting.limits),
        accounts: vec![
            account(
                "acme",
                ForgedPolicy::Reject,
                vec![
                    inbox("website", Channel::Widget, None),
                    inbox("support", Channel::Email, Some("support@acme.example")),
                ],
            ),
            account("bolt", ForgedPolicy::Keep, vec![inbox("help", Channel::Email, Some("help@bolt.example"))]),
        ],
    }
}
