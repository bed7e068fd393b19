//! Integration tests, one binary: each module is one behaviour, over real sockets and a real store.

mod api;
mod certificates;
mod check_command;
mod cli;
mod commands;
mod daemon;
mod demo;
mod dialog;
mod filing;
mod hostile_mail;
mod http_client;
mod ingress;
mod ingress_bounds;
mod ingress_table;
mod inspect_command;
mod listener;
mod peer;
mod policy;
mod product;
mod relay_command;
mod sender_auth;
mod shapes;
mod site;
mod smtp_session;
mod store;
mod tls;
