//! Integration tests, one binary: each module is one behaviour, over real sockets and a real store.
mod hostile_mail;
mod sender_auth;
mod store;
