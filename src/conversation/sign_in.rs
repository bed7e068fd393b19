//! The link by which an agent signs in without a password: a random word that is kept as its hash. Pure: the word's octets are
//! an argument.

use data_encoding::HEXLOWER;
use std::fmt;
use std::time::Duration;

/// The word of one link. Whoever has it is let in, once.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkWord(String);

impl LinkWord {
    /// Of fresh random octets.
    pub fn new(random: [u8; 32]) -> LinkWord {
        LinkWord(HEXLOWER.encode(&random))
    }

    /// As it stands in an address; nothing says yet that it is one of ours.
    pub fn sent(text: &str) -> Option<LinkWord> {
        let fits = text.len() == 64 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        fits.then(|| LinkWord(text.to_ascii_lowercase()))
    }

    /// `{public_url}/desk/link/{word}`
    pub fn url(&self, public_url: &str) -> String {
        format!("{public_url}/desk/link/{}", self.0)
    }

    /// The form in which it is kept: a copy of the store lets nobody in.
    pub fn kept(&self) -> [u8; 32] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.0.as_bytes());
        let mut octets = [0; 32];
        octets.copy_from_slice(digest.as_ref());
        octets
    }
}

impl fmt::Debug for LinkWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkWord(…)")
    }
}

/// How long a link is good, and how long its letter is tried.
pub const LINK_LIFE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_round_trips_and_nothing_else_is_one() {
        let word = LinkWord::new([0xab; 32]);
        let url = word.url("https://chat.example.com");
        let text = url.strip_prefix("https://chat.example.com/desk/link/").expect("our address");
        assert_eq!(LinkWord::sent(text).map(|sent| sent.kept()), Some(word.kept()));
        assert_eq!(LinkWord::sent(&text.to_uppercase()).map(|sent| sent.kept()), Some(word.kept()));
        for bad in ["", "ab", &text[1..], "../../etc/passwd", &"g".repeat(64)] {
            assert_eq!(LinkWord::sent(bad), None, "{bad}");
        }
        assert_eq!(format!("{word:?}"), "LinkWord(…)", "no log has it");
    }
}
