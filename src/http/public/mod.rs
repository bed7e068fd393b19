//! What a link in a mail of ours opens without a login: its signature is the key. `GET` never changes anything, because
//! scanners fetch what they find in mails.

pub mod attachment;
pub mod page;
pub mod unsubscribe;
