//! Integration tests, one binary: each module is one behaviour, over real sockets and a real store.

mod certificates;
mod dialog;
mod filing;
mod hostile_mail;
mod inspect_command;
mod listener;
mod peer;
mod policy;
mod sender_auth;
mod site;
mod smtp_session;
mod store;
mod tls;
