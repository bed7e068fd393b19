//! Any octets may come from a remote host, in any pieces, and any content may be about to go to it: replies are bounded and
//! safe to print whatever pieces they came in, and content that is sent has one end and comes out as it went in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::smtp::client::capabilities::Capabilities;
use replyd::smtp::client::outgoing;
use replyd::smtp::client::remote_reply::{RemoteReply, ReplyFault, ReplyReader};

/// Every reply up to the first fault, the octets given in pieces of this length.
fn read(octets: &[u8], piece: usize) -> (Vec<RemoteReply>, Option<ReplyFault>) {
    let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
    for mut rest in octets.chunks(piece) {
        while !rest.is_empty() {
            match reader.feed(rest) {
                Ok((taken, reply)) => {
                    assert!(taken > 0, "a reader that takes nothing never ends");
                    rest = &rest[taken..];
                    replies.extend(reply);
                }
                Err(fault) => return (replies, Some(fault)),
            }
        }
    }
    (replies, None)
}

fn replies(octets: &[u8]) {
    let whole = read(octets, octets.len().max(1));
    for reply in &whole.0 {
        let shown = reply.to_string();
        assert!(shown.len() <= 2048 && !shown.contains(|c: char| c.is_control()), "{shown:?}");
        assert!((200..=599).contains(&reply.code) && reply.lines().len() <= 64);
        let _ = Capabilities::of(reply);
    }
    let singly = read(octets, 1);
    assert_eq!(whole.0, singly.0);
    // A line that is too long in one piece is too long in pieces, whatever is behind it.
    assert_eq!(whole.1.is_some(), singly.1.is_some());
}

fn content(octets: &[u8]) {
    if outgoing::check(octets).is_err() {
        return;
    }
    let mut wire = outgoing::stuffed(octets).into_owned();
    wire.extend_from_slice(b".\r\n");
    let lines: Vec<&[u8]> = wire.split_inclusive(|octet| *octet == b'\n').collect();
    assert!(lines.iter().all(|line| line.ends_with(b"\r\n") && line.iter().filter(|b| **b == b'\r').count() == 1));
    let end = lines.iter().position(|line| *line == b".\r\n").expect("an end");
    assert_eq!(end, lines.len() - 1, "an end within the content");
    let mut unstuffed: Vec<u8> =
        lines[..end].iter().flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect();
    if !octets.ends_with(b"\r\n") && !octets.is_empty() {
        unstuffed.truncate(unstuffed.len() - 2);
    }
    assert_eq!(unstuffed, octets);
}

fuzz_target!(|octets: &[u8]| {
    replies(octets);
    content(octets);
    // Most octets have bare line ends; as lines of our own they are content that may go out.
    content(&String::from_utf8_lossy(octets).replace(['\r', '\0'], "").replace('\n', "\r\n").into_bytes());
});
