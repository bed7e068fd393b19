//! The demo: the whole product on loopback in one process, with a customer's and an agent's mailbox that mail really
//! goes to and comes from. Its DNS is a zone of its own, so nothing leaves the machine.

mod answer;
pub mod folder;
mod keys;
mod post;
mod post_office;
mod scene;
mod sink;
mod start;

pub use scene::{CUSTOMER, SUBJECT};
pub use start::{Demo, DemoPlace};
