//! How long each step of an attempt may take: RFC 5321 §4.5.3.2 as the floor, Postfix's values as practice.

use super::outcome::Stage;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    pub greeting: Duration,
    /// EHLO, AUTH, MAIL, RCPT.
    pub command: Duration,
    /// STARTTLS and the handshake.
    pub starttls: Duration,
    pub data: Duration,
    /// One block of content being taken.
    pub data_block: Duration,
    /// A host may do all its checks and deliveries before this answer; giving up early sends the mail twice.
    pub final_dot: Duration,
    /// The mail is delivered or not, whatever QUIT is answered.
    pub quit: Duration,
    /// Opening a connection, and sending one mail, whatever steps they take.
    pub total: Duration,
}

impl Timeouts {
    pub fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Connect => self.connect,
            Stage::Greeting => self.greeting,
            Stage::Ehlo | Stage::Auth | Stage::Mail | Stage::Rcpt => self.command,
            Stage::StartTls | Stage::TlsHandshake => self.starttls,
            Stage::Data => self.data,
            Stage::Content => self.data_block,
            Stage::FinalDot => self.final_dot,
        }
    }

    /// Every step alike.
    pub fn uniform(each: Duration) -> Timeouts {
        Timeouts {
            connect: each,
            greeting: each,
            command: each,
            starttls: each,
            data: each,
            data_block: each,
            final_dot: each,
            quit: each,
            total: each * 20,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Timeouts {
            connect: Duration::from_secs(30),
            greeting: minutes(5),
            command: minutes(5),
            starttls: minutes(2),
            data: minutes(2),
            data_block: minutes(3),
            final_dot: minutes(10),
            quit: Duration::from_secs(5),
            total: minutes(30),
        }
    }
}
