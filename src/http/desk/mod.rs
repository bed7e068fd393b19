//! The agents' desk: who signs in and how, the session behind it, and what a browser may do with it. What the desk shows
//! comes from `/api/v1`, called with the session's cookie.

pub mod assets;
pub mod door;
pub mod link;
pub mod origin;
pub mod passwords;
pub mod session;
pub mod shell;
pub mod sign_in;
pub mod sign_out;

pub use door::DeskDoor;
