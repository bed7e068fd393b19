//! Integration tests, one binary: each module is one behaviour, over real sockets and a real store.
mod dialog;
mod hostile_mail;
mod inspect_command;
mod sender_auth;
mod smtp_session;
mod filing;
mod store;
