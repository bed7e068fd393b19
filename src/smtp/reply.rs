//! Every reply a peer can get, on one page (RFC 5321 §4.2, enhanced codes RFC 3463). No other file holds SMTP text.

/// One reply: code, enhanced code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// `None` where RFC 2034 has none: greeting, HELO and EHLO.
    pub enhanced: Option<&'static str>,
    pub text: String,
}

impl Reply {
    fn new(code: u16, enhanced: &'static str, text: impl Into<String>) -> Reply {
        Reply { code, enhanced: Some(enhanced), text: text.into() }
    }

    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4xx.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced} {}", self.code, self.text),
            None => write!(f, "{} {}", self.code, self.text),
        }
    }
}

// Policy: recipients.

pub fn unknown_recipient() -> Reply {
    Reply::new(550, "5.1.1", "no such address here: the reply address may be mistyped; answer the original mail again")
}

pub fn token_revoked() -> Reply {
    Reply::new(550, "5.1.6", "this reply address is no longer in use; please write to the company's usual address")
}

pub fn token_expired() -> Reply {
    Reply::new(550, "5.1.6", "this reply address has expired; please write to the company's usual address")
}

pub fn not_our_domain() -> Reply {
    Reply::new(550, "5.7.1", "relaying denied: this server takes mail for its own domains only")
}

pub fn store_unreadable() -> Reply {
    Reply::new(451, "4.3.0", "cannot look up the recipient now, try again later")
}

// Policy: content.

pub fn accepted(ledger_id: &str) -> Reply {
    Reply::new(250, "2.0.0", format!("safe on disk as {ledger_id}"))
}

/// As the ledger keeps it: the entry's own id is the word that the peer was told.
pub fn accepted_in_ledger() -> Reply {
    Reply::new(250, "2.0.0", "safe on disk")
}

pub fn forged(domain: &str) -> Reply {
    Reply::new(550, "5.7.26", format!("the mail fails DMARC and {domain} asks to reject such mail (p=reject)"))
}

pub fn not_stored() -> Reply {
    Reply::new(451, "4.3.0", "could not store the mail now, try again later")
}

pub fn no_space() -> Reply {
    Reply::new(452, "4.3.1", "not enough space now, try again later")
}

// Policy: peers.

pub fn unhealthy() -> Reply {
    Reply::new(421, "4.3.0", "cannot take mail now, try again later")
}

pub fn too_many_sessions() -> Reply {
    Reply::new(421, "4.3.2", "too many connections now, try again later")
}

pub fn too_many_sessions_of_client() -> Reply {
    Reply::new(421, "4.7.0", "too many connections from your network, try again later")
}

pub fn too_many_connections_of_client() -> Reply {
    Reply::new(421, "4.7.0", "too many new connections from your network, try again later")
}

pub fn too_many_mails_of_client() -> Reply {
    Reply::new(451, "4.7.1", "too many mails from your network, try again later")
}

pub fn too_many_recipients_of_client() -> Reply {
    Reply::new(451, "4.7.1", "too many recipients from your network, try again later")
}

pub fn busy() -> Reply {
    Reply::new(451, "4.3.2", "too many mails wait for the disk, try again later")
}

pub fn shutting_down() -> Reply {
    Reply::new(421, "4.3.2", "shutting down, try again in a minute")
}
