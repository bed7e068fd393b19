//! Integration tests, one binary: each module is one behaviour, over real sockets and a real store.
mod dialog;
mod hostile_mail;

mod api;
mod certificates;
mod cli;
mod daemon;
mod demo;
mod filing;
mod http_client;
mod inspect_command;
mod listener;
mod peer;
mod policy;
mod sender_auth;
mod site;
mod smtp_session;
mod filing;
mod store;
mod tls;
