//! A raw mail as the body of a call: small ones from memory, large ones from their file, piece by piece.
//!
//! Action Mailbox knows a recipient by the header alone. Where the envelope's recipient does not stand there, as with Bcc, a
//! field `X-Original-To` in front of the mail names it, with the mail's own line ends.

use crate::mail::address::Address;
use crate::mail::defects::Defects;
use crate::mail::headers::{self, Field};
use crate::mail::mailboxes;
use crate::store::hooks::RawMail;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// The octets of one mail.
#[derive(Debug)]
pub struct RawBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    octets: u64,
    left: u64,
}

impl RawBody {
    /// For this recipient.
    pub async fn open(raw: RawMail, recipient: &str) -> io::Result<RawBody> {
        let recipient = recipient.to_owned();
        let opened = tokio::task::spawn_blocking(move || open(raw, &recipient));
        opened.await.map_err(io::Error::other)?
    }

    /// In all.
    pub fn octets(&self) -> u64 {
        self.octets
    }
}

fn open(raw: RawMail, recipient: &str) -> io::Result<RawBody> {
    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
    let octets = match raw {
        RawMail::Octets(octets) => {
            let field = original_to(&octets, recipient);
            let whole = field.len() as u64 + octets.len() as u64;
            for piece in [Bytes::from(field), Bytes::from(octets)] {
                let _ = sender.try_send(Ok(piece));
            }
            whole
        }
        RawMail::File { file, octets } => {
            let mut beginning = vec![0; usize::try_from(octets).unwrap_or(usize::MAX).min(HEADER_OCTETS_MAX)];
            file.read_exact_at(&mut beginning, 0)?;
            let field = original_to(&beginning, recipient);
            let whole = field.len() as u64 + octets;
            let _ = sender.try_send(Ok(Bytes::from(field)));
            drop(tokio::spawn(read(File::from_std(file), sender)));
            whole
        }
    };
    Ok(RawBody { pieces, octets, left: octets })
}

/// Until the end, or until nobody wants more. A receiver that reads nothing keeps no thread waiting.
async fn read(mut file: File, sender: mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut piece = vec![0; PIECE_OCTETS];
        let piece = match file.read(&mut piece).await {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(error) => Err(error),
        };
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

impl Body for RawBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        if let Some(Ok(octets)) = &piece {
            self.left = self.left.saturating_sub(octets.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The field to put in front; empty where the header names the recipient already, or would swallow the field.
fn original_to(beginning: &[u8], recipient: &str) -> Vec<u8> {
    let (fields, _) = headers::read(beginning, 0, |_| false, &mut Defects::default());
    let is_continuation = beginning.starts_with(b" ") || beginning.starts_with(b"\t");
    if is_continuation || names(&fields, recipient) {
        return Vec::new();
    }
    let first = headers::line(beginning, 0).unwrap_or_default();
    let end = if first.ends_with(b"\r\n") || !first.ends_with(b"\n") { "\r\n" } else { "\n" };
    format!("X-Original-To: {recipient}{end}").into_bytes()
}

fn names(fields: &[Field], recipient: &str) -> bool {
    let key = |email: &str| Address::parse(email).map_or_else(|_| email.to_lowercase(), |address| address.key());
    let wanted = key(recipient);
    let read = fields.iter().filter(|field| READ.iter().any(|name| field.name.eq_ignore_ascii_case(name)));
    let mut found = Vec::new();
    read.for_each(|field| mailboxes::parse(field.structured(), &mut found));
    found.iter().any(|mailbox| key(&mailbox.email) == wanted)
}

/// The fields from which Action Mailbox takes recipients.
const READ: [&str; 5] = ["To", "Cc", "Bcc", "X-Original-To", "X-Forwarded-To"];
/// What the doors let a header have.
const HEADER_OCTETS_MAX: usize = 512 * 1024;
const PIECE_OCTETS: usize = 64 * 1024;
const PIECES_WAITING: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Write;

    fn check(header: &str, expected: &str) {
        let field = original_to(header.as_bytes(), "Reply+1@In.example");
        assert_eq!(String::from_utf8(field).unwrap(), expected, "{header:?}");
    }

    #[test]
    fn a_recipient_who_is_not_in_the_header_is_named_in_front() {
        let field = "X-Original-To: Reply+1@In.example";
        check("To: a@b.example\r\n\r\nreply+1@in.example", &format!("{field}\r\n"));
        check("To: a@b.example\n\n", &format!("{field}\n"));
        check("From: reply+1@in.example\r\n\r\n", &format!("{field}\r\n"));
        check("", &format!("{field}\r\n"));
        for name in READ {
            check(&format!("{name}: A <a@b.example>,\r\n \"B\" <reply+1@IN.example>\r\n\r\n"), "");
        }
        check(" folded into nothing\r\nTo: a@b.example\r\n\r\n", "");
    }

    async fn read_all(raw: RawMail) -> (u64, Vec<u8>) {
        let body = RawBody::open(raw, "a@b.example").await.expect("it opens");
        (body.octets(), body.collect().await.expect("it is read").to_bytes().to_vec())
    }

    #[tokio::test]
    async fn a_mail_is_the_same_from_memory_and_from_its_file() {
        let mail = format!("Subject: x\r\n\r\n{}", "0123456789abcdef\r\n".repeat(50_000));
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(mail.as_bytes()).expect("written");
        std::io::Seek::rewind(&mut file).expect("rewound");
        let expected = format!("X-Original-To: a@b.example\r\n{mail}").into_bytes();
        let from_file = read_all(RawMail::File { file, octets: mail.len() as u64 }).await;
        assert_eq!(from_file.0, expected.len() as u64);
        assert!(from_file.1 == expected);
        assert!(read_all(RawMail::Octets(mail.into_bytes())).await == from_file);
    }
}
