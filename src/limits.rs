//! Every bound on what a peer can make us hold or do, on one page. Pure.
//!
//! `Limits::default()` is what holds; the `[limits]` section of the config may override the few that operators need
//! to. Tests use small values and check each at N and N+1.

use std::time::Duration;

/// Octets of content a transaction holds in memory before it goes on in a spill file, and the size above
/// which a raw mail lives beside the database instead of in it.
pub const CONTENT_IN_MEMORY_OCTETS: usize = 256 * 1024;

/// Octets of spilled mails that are read back into memory at one time, by verification and filing together.
pub const LARGE_MAIL_OCTETS_IN_MEMORY: usize = 32 * 1024 * 1024;

/// Octets of requests that ingresses hold in memory at one time, because they are read from their end: JSON, and what is
/// signed whole.
pub const REQUEST_OCTETS_IN_MEMORY: u64 = 256 * 1024 * 1024;

/// A command line, CRLF included (RFC 5321 §4.5.3.1.4 asks for 512; extensions add to it).
pub const COMMAND_LINE_OCTETS_MAX: usize = 2048;

/// Recipients of one session that may be answered 452 because their mail has enough; then 421. A client that did not
/// read LIMITS sends its whole list at once and the rest of it later (RFC 5321 §4.5.3.1.10), so this is generous.
pub const RECIPIENTS_BEYOND_MAX: usize = 1000;

/// How many mails go within an hour before the next one waits. What is not a loop goes by itself once there is room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailBudgets {
    /// Of one conversation to one recipient, answers and notifications each for themselves, that mail which came in caused:
    /// two desks that answer each other end here, and a person has to look.
    pub looping: usize,
    /// Answers of one conversation to one recipient, however they were written.
    pub answers: usize,
    /// Notifications of one chat to one agent; what comes beyond goes together, a few minutes later.
    pub notifications: usize,
    /// Of all chats of an account to one address that nobody proved to have, sub-addresses counted as one: whoever types
    /// somebody's address into many chats fills a stranger's mailbox.
    pub claimed: usize,
    /// Notifications of all chats of an account to one agent: a chat begins with one call, and no mail server stands before
    /// it. The desk shows the chats all the same.
    pub agent: usize,
}

impl Default for MailBudgets {
    fn default() -> Self {
        MailBudgets { looping: 30, answers: 500, notifications: 30, claimed: 20, agent: 200 }
    }
}

/// replyd's own words to an agent about one conversation within an hour; more are not written.
pub const NOTICES_PER_HOUR_MAX: usize = 5;

/// Messages that go out as one mail; a further one begins the next, in the commit that brings it.
pub const MESSAGES_PER_MAIL_MAX: usize = 100;

/// Events kept for whoever listens again; the oldest go first.
pub const EVENTS_KEPT_MAX: usize = 1_000_000;

/// Webhooks of one account that were made by the API: each has a stream of its own.
pub const WEBHOOKS_MAX: usize = 20;

/// A line of a remote host's reply, line end included (RFC 5321 §4.5.3.1.5 asks for 512).
pub const REPLY_LINE_OCTETS_MAX: usize = 2048;

/// Lines of one reply of a remote host; the longest EHLO answers of today have about 20.
pub const REPLY_LINES_MAX: usize = 64;

/// A remote host's words as they are stored and shown.
pub const REMOTE_WORDS_OCTETS_MAX: usize = 2048;

/// What is kept of an attempt's dialogue; its content is not part of it.
pub const TRANSCRIPT_OCTETS_MAX: usize = 16 * 1024;

/// How long a mail is kept that a door was told is taken, and that nobody here takes.
pub const KEPT_MAIL_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is kept of such mails at most; beyond it the oldest go first. Whoever may bring mail through a door decides how many
/// there are: a provider that takes mail for a whole domain brings everybody's guesses.
pub const KEPT_MAIL_ROOM: KeptRoom =
    KeptRoom { mails_of_account: 5000, octets_of_account: 256 * 1024 * 1024, octets: 1024 * 1024 * 1024 };

/// Rounds of PBKDF2 that a host may ask of us for SCRAM (RFC 7677 asks for 4,096 at least): each attempt pays them.
pub const SCRAM_ROUNDS_MAX: u32 = 600_000;

/// Room for mails that nobody here takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptRoom {
    pub mails_of_account: u64,
    pub octets_of_account: u64,
    /// Of all accounts together.
    pub octets: u64,
}

/// What a listener allows its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A mail's octets after unstuffing: SIZE, 552 5.3.4.
    pub mail_octets_max: u64,
    /// RCPTMAX (RFC 9422): 452 4.5.3 beyond.
    pub recipients_max: usize,
    /// MAILMAX (RFC 9422): 421 4.7.0 after the last one is answered.
    pub mails_per_session_max: usize,
    /// Header octets: 552 5.3.4.
    pub header_octets_max: usize,
    /// Header fields: 552 5.3.4.
    pub header_fields_max: usize,
    /// `Received` fields: 554 5.4.6.
    pub hops_max: usize,
    /// Connections in all: 421 4.3.2.
    pub sessions_max: usize,
    /// Connections of one IPv4 address or IPv6 /64: 421 4.7.0.
    pub sessions_per_client_max: usize,
    /// Connections of one IPv4 /24 or IPv6 /56: 421 4.7.0.
    pub sessions_per_network_max: usize,
    /// Errors of one session before 421.
    pub errors_max: usize,
    /// Unknown recipients of one session before 421.
    pub unknown_recipients_max: usize,
    /// NOOP, RSET, VRFY, HELP and EHLO without a mail between them before 421.
    pub idle_commands_max: usize,
    /// BDAT chunks of one mail before 421.
    pub chunks_max: usize,
    /// New connections of one client (IPv4 address, IPv6 /64) a minute: 421 4.7.0. A connection makes one TLS
    /// handshake at most, so this is the bound on those as well.
    pub connections_per_minute_max: u32,
    /// Mails of one client a minute: 451 4.7.1 at MAIL.
    pub mails_per_minute_max: u32,
    /// Recipients of one client a minute: 451 4.7.1 at RCPT.
    pub recipients_per_minute_max: u32,
    /// What one network (IPv4 /24, IPv6 /56) may do a minute, in clients that do all they may.
    pub clients_per_network_rate: u32,
    /// Content of all sessions together, in memory or spilled: 452 4.3.1.
    pub content_octets_in_flight_max: u64,
    /// Free octets the data directory must keep: 452 4.3.1.
    pub disk_free_octets_min: u64,
    /// Free inodes the data directory must keep: 452 4.3.1.
    pub disk_free_inodes_min: u64,
    /// Mails waiting for the store's writer: 451 4.3.2 at MAIL.
    pub commits_waiting_max: usize,
    /// The wait for a command (RFC 5321 §4.5.3.2.7: at least 5 minutes).
    pub command_timeout: Duration,
    /// The wait for the first MAIL when more than half of `sessions_max` is taken.
    pub first_mail_timeout_under_load: Duration,
    /// The wait for a block of content (RFC 5321 §4.5.3.2.5).
    pub data_block_timeout: Duration,
    /// A mail's deadline is this plus its octets at `data_octets_per_second_min`.
    pub data_timeout: Duration,
    /// See `data_timeout`.
    pub data_octets_per_second_min: u64,
    /// A session without an accepted mail for this long ends with 421.
    pub session_without_mail_timeout: Duration,
    /// The TLS handshake, from `220 ready` or from the accepted socket.
    pub tls_handshake_timeout: Duration,
    /// The PROXY header of a listed peer.
    pub proxy_header_timeout: Duration,
    /// The wait for a peer to read what we wrote.
    pub write_timeout: Duration,
    /// SPF, DKIM, DMARC and ARC of one mail together; then the verdict is `undetermined`.
    pub authentication_timeout: Duration,
    /// DNS questions of one mail.
    pub dns_questions_max: usize,
    /// DKIM signatures tried of one mail.
    pub signatures_max: usize,
    /// SIGTERM: how long running DATA may finish.
    pub drain_timeout: Duration,
    /// The delay before the answer to an error, once a session has made three of them.
    pub error_delay: Duration,
    /// Sessions that such a delay holds at a time; the error of any further one is answered at once.
    pub delayed_sessions_max: usize,
    /// The wait for a peer that speaks first, before the greeting: 554 5.5.0 to one that does.
    pub greeting_delay: Duration,
    /// MIME nesting: deeper is kept raw and flagged, never refused.
    pub mime_depth_max: usize,
    /// MIME parts: more is kept raw and flagged, never refused.
    pub mime_parts_max: usize,
    /// How long filing may take over one mail before it ends `failed`, kept raw and replayable.
    pub filing_timeout: Duration,
    /// Of mail that goes out.
    pub mail_budgets: MailBudgets,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            mail_octets_max: 25 * 1024 * 1024,
            recipients_max: 100,
            mails_per_session_max: 1000,
            header_octets_max: 512 * 1024,
            header_fields_max: 2000,
            hops_max: 50,
            sessions_max: 4096,
            sessions_per_client_max: 20,
            sessions_per_network_max: 60,
            errors_max: 10,
            unknown_recipients_max: 20,
            idle_commands_max: 100,
            chunks_max: 10_000,
            connections_per_minute_max: 300,
            mails_per_minute_max: 500,
            recipients_per_minute_max: 3000,
            clients_per_network_rate: 3,
            content_octets_in_flight_max: 2 * 1024 * 1024 * 1024,
            disk_free_octets_min: 256 * 1024 * 1024,
            disk_free_inodes_min: 1024,
            commits_waiting_max: 8192,
            command_timeout: Duration::from_secs(300),
            first_mail_timeout_under_load: Duration::from_secs(30),
            data_block_timeout: Duration::from_secs(180),
            data_timeout: Duration::from_secs(600),
            data_octets_per_second_min: 1024,
            session_without_mail_timeout: Duration::from_secs(1800),
            tls_handshake_timeout: Duration::from_secs(30),
            proxy_header_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(60),
            authentication_timeout: Duration::from_secs(5),
            dns_questions_max: 60,
            signatures_max: 8,
            drain_timeout: Duration::from_secs(30),
            error_delay: Duration::from_secs(1),
            delayed_sessions_max: 256,
            greeting_delay: Duration::ZERO,
            mime_depth_max: 64,
            mime_parts_max: 1000,
            filing_timeout: Duration::from_secs(30),
            mail_budgets: MailBudgets::default(),
        }
    }
}
