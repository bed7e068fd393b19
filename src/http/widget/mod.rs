//! The chat widget's side of the HTTP surface. Its callers are strangers' browsers: a token is all they have, what it lets
//! them see is decided in the store (`sqlite/sight.rs`), and everything they may do has a budget.

pub mod about;
pub mod assets;
pub mod contact;
pub mod cors;
pub mod door;
pub mod feed;
pub mod form;
pub mod guest;
pub mod identity;
pub mod messages;
pub mod place;
pub mod refused;
pub mod resume;
pub mod shape;
pub mod signs;
pub mod state;
pub mod tabs;
pub mod visitors;

pub use door::WidgetDoor;
