//! What the listeners and the doors count. Types of prometheus-client; `http` renders them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    pub listener: &'static str,
    /// `accepted`, `slots`, `client_slots`, `network_slots`, `throttled`, `unhealthy`, `proxy_header`.
    pub result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CommandLabels {
    /// `connect` for the greeting, `other` for what is no command of ours.
    pub verb: &'static str,
    pub code: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AuthLabels {
    /// `spf`, `dkim` (one per signature, or `none`), `dmarc`, `arc`, `iprev`, and `verdict`.
    pub method: &'static str,
    /// The words of RFC 8601 §2.7, and those of the verdict.
    pub result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RejectLabels {
    /// `sender`, `recipient`, `content`, `end_of_content`, and `protocol` for content that the protocol refuses.
    pub stage: &'static str,
    pub code: String,
    pub enhanced: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TlsErrorLabels {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct IngestLabels {
    pub ingress: &'static str,
    /// As in the ledger.
    pub outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FilingLabels {
    /// `filed` and `failed` end an entry; `tried_again` is one that waits for the store.
    pub outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeliveryLabels {
    /// `delivered`, `deferred`, `uncertain`, `failed`, `put_back`.
    pub result: &'static str,
    /// `2xx`, `4xx`, `5xx` of the answer that decided, or `none`.
    pub code_class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeliveryTlsLabels {
    /// `none`, `unverified`, `verified`.
    pub mode: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HookLabels {
    /// `webhook`, `bridge`, and `recipient` for the hook that knows another system's recipients.
    pub kind: &'static str,
    /// `delivered`, `deferred`, `given_up`, `disabled`; of `recipient` `known`, `unknown`, `unsure`.
    pub result: &'static str,
}

/// All of them; names are those of the metrics without prefix and `_total`.
#[derive(Debug)]
pub struct Counters {
    pub smtp_connections: Family<ConnectionLabels, Counter>,
    pub smtp_sessions: Gauge,
    pub smtp_commands: Family<CommandLabels, Counter>,
    pub smtp_rejects: Family<RejectLabels, Counter>,
    pub smtp_tls_errors: Family<TlsErrorLabels, Counter>,
    pub smtp_eod_to_reply_seconds: Histogram,
    pub ingest: Family<IngestLabels, Counter>,
    pub filing: Family<FilingLabels, Counter>,
    pub auth_results: Family<AuthLabels, Counter>,
    pub auth_seconds: Histogram,
    pub delivery_attempts: Family<DeliveryLabels, Counter>,
    pub delivery_tls: Family<DeliveryTlsLabels, Counter>,
    pub delivery_seconds: Histogram,
    pub hook_calls: Family<HookLabels, Counter>,
    /// Answers of hosts that mean us: our address, domain or login.
    pub delivery_refused_us: Counter,
    /// Widgets that fell behind and read everything anew.
    pub widget_resets: Counter,
    /// Calls of widgets beyond a budget.
    pub widget_refused: Counter,
    pub accept_errors: Counter,
    pub panics: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            smtp_connections: Family::default(),
            smtp_sessions: Gauge::default(),
            smtp_commands: Family::default(),
            smtp_rejects: Family::default(),
            smtp_tls_errors: Family::default(),
            // 0.5 ms, a fast disk's sync, to 16 s, beyond every budget on the way to the reply.
            smtp_eod_to_reply_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            ingest: Family::default(),
            filing: Family::default(),
            auth_results: Family::default(),
            // 0.5 ms, everything cached, to 8 s, beyond limits.authentication_timeout as it usually is.
            auth_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            delivery_attempts: Family::default(),
            delivery_tls: Family::default(),
            // 1 ms, a local relay, to 33 min, beyond the deadline of an attempt.
            delivery_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 22)),
            hook_calls: hook_calls(),
            delivery_refused_us: Counter::default(),
            widget_resets: Counter::default(),
            widget_refused: Counter::default(),
            accept_errors: Counter::default(),
            panics: Counter::default(),
        }
    }
}

/// All of them from the start: a counter that first appears with its first call has not grown in the eyes of an alert.
fn hook_calls() -> Family<HookLabels, Counter> {
    let calls = Family::default();
    let sent = ["delivered", "deferred", "given_up"];
    let kinds: [(&'static str, &[&'static str]); 4] = [
        ("webhook", &sent),
        ("webhook", &["disabled"]),
        ("bridge", &sent),
        ("recipient", &["known", "unknown", "unsure"]),
    ];
    for (kind, results) in kinds {
        for result in results {
            drop(calls.get_or_create(&HookLabels { kind, result }));
        }
    }
    calls
}

impl Counters {
    /// Names every counter in the registry, whose prefix is the program's.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("smtp_connections", "Connections by listener and result", self.smtp_connections.clone());
        registry.register("smtp_sessions", "Open sessions", self.smtp_sessions.clone());
        registry.register("smtp_commands", "Replies by the verb they answer and code", self.smtp_commands.clone());
        registry.register("smtp_rejects", "4xx and 5xx of policy, by stage", self.smtp_rejects.clone());
        registry.register("smtp_tls_errors", "TLS handshakes that failed, by reason", self.smtp_tls_errors.clone());
        registry.register(
            "smtp_eod_to_reply_seconds",
            "From the end of the content to its reply",
            self.smtp_eod_to_reply_seconds.clone(),
        );
        registry.register("ingest", "Mails and recipients by door and outcome", self.ingest.clone());
        registry.register("filing", "What filing made of accepted mails", self.filing.clone());
        let help = "What SPF, DKIM, DMARC, ARC and iprev said, and the verdicts";
        registry.register("auth_results", help, self.auth_results.clone());
        registry.register("auth_seconds", "Verifying the author of one mail", self.auth_seconds.clone());
        let help = "Attempts to deliver a mail, by what came of them";
        registry.register("delivery_attempts", help, self.delivery_attempts.clone());
        registry.register("delivery_tls", "Mails delivered, by how the way was secured", self.delivery_tls.clone());
        registry.register(
            "delivery_refused_us",
            "Answers of mail hosts that concern this server, its domains or its login",
            self.delivery_refused_us.clone(),
        );
        registry.register(
            "delivery_seconds",
            "One attempt, from its claim to its record",
            self.delivery_seconds.clone(),
        );
        let help = "Calls to subscribers, bridges and recipient hooks, by what came of them";
        registry.register("hook_calls", help, self.hook_calls.clone());
        let help = "Widgets that fell behind what happens and read everything anew";
        registry.register("widget_resets", help, self.widget_resets.clone());
        let help = "Calls of widgets beyond what a visitor, conversation or address may";
        registry.register("widget_refused", help, self.widget_refused.clone());
        registry.register("accept_errors", "Errors of accept, such as EMFILE", self.accept_errors.clone());
        registry.register("panics", "Tasks that panicked", self.panics.clone());
    }

    pub fn connection(&self, listener: &'static str, result: &'static str) {
        self.smtp_connections.get_or_create(&ConnectionLabels { listener, result }).inc();
    }

    pub fn tls_error(&self, reason: &'static str) {
        self.smtp_tls_errors.get_or_create(&TlsErrorLabels { reason }).inc();
    }

    /// Counts a reply by its first three digits.
    pub fn replied(&self, verb: &'static str, reply: &[u8]) {
        let digits = reply.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(code) = digits.and_then(|digits| digits.parse().ok()) else { return };
        self.smtp_commands.get_or_create(&CommandLabels { verb, code }).inc();
    }

    /// Counts what one method said of one mail.
    pub fn auth_result(&self, method: &'static str, result: String) {
        self.auth_results.get_or_create(&AuthLabels { method, result }).inc();
    }

    /// Counts a refusal by its reply line.
    pub fn reject(&self, stage: &'static str, line: &str) {
        let mut words = line.split([' ', '-']);
        let code = words.next().unwrap_or_default().to_owned();
        let is_enhanced = |word: &&str| word.starts_with(['4', '5']) && word.contains('.');
        let enhanced = words.next().filter(is_enhanced).unwrap_or_default().to_owned();
        let labels = RejectLabels { stage, code, enhanced };
        self.smtp_rejects.get_or_create(&labels).inc();
    }

    pub fn filing_ended(&self, outcome: &'static str) {
        self.filing.get_or_create(&FilingLabels { outcome }).inc();
    }

    pub fn attempt_ended(&self, result: &'static str, code_class: &'static str) {
        self.delivery_attempts.get_or_create(&DeliveryLabels { result, code_class }).inc();
    }

    pub fn hook_ended(&self, kind: &'static str, result: &'static str) {
        self.hook_calls.get_or_create(&HookLabels { kind, result }).inc();
    }

    pub fn delivered_over(&self, mode: &'static str) {
        self.delivery_tls.get_or_create(&DeliveryTlsLabels { mode }).inc();
    }

    pub fn ingested(&self, ingress: &'static str, outcome: &'static str) {
        self.ingest.get_or_create(&IngestLabels { ingress, outcome }).inc();
    }
}
