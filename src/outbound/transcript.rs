//! What was said on a connection, bounded, for the person who has to find out why a mail did not arrive. Content is not in
//! it, and secrets are masked by whoever sends them.

use crate::limits::TRANSCRIPT_OCTETS_MAX;
use crate::smtp::client::remote_reply::capped;

#[derive(Debug, Default)]
pub struct Transcript {
    text: String,
}

impl Transcript {
    /// What we said: `C: EHLO desk.example`.
    pub fn sent(&mut self, said: &str) {
        said.lines().for_each(|line| self.line("C: ", line));
    }

    /// What the host said, escaped already: `S: 250 ok`.
    pub fn received(&mut self, said: &str) {
        self.line("S: ", said);
    }

    /// What happened besides: `-- TLSv1.3 …`.
    pub fn event(&mut self, what: &str) {
        self.line("-- ", what);
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Of the mail that comes next on the same connection.
    pub fn begin_anew(&mut self) {
        self.text.clear();
    }

    fn line(&mut self, who: &str, line: &str) {
        if self.text.len() >= TRANSCRIPT_OCTETS_MAX {
            return;
        }
        let room = TRANSCRIPT_OCTETS_MAX - self.text.len();
        self.text.push_str(capped(&format!("{who}{line}\n"), room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_bounded() {
        let mut transcript = Transcript::default();
        transcript.sent("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n");
        transcript.received("250 ok");
        assert_eq!(transcript.text(), "C: MAIL FROM:<>\nC: RCPT TO:<a@b.example>\nS: 250 ok\n");
        (0..2000).for_each(|_| transcript.received("250 äääääääääääääääääää"));
        assert!(
            transcript.text().len() <= TRANSCRIPT_OCTETS_MAX && transcript.text().len() > TRANSCRIPT_OCTETS_MAX - 4
        );
    }
}
