//! The config as written (TOML) and the checked form that the program sees. Unknown keys are errors; every error
//! names file, key, value and what is allowed.

pub mod bridge;
pub mod check;
mod check_hooks;
mod check_outbound;
mod check_widget;
pub mod checked;
pub mod error;
pub mod file;
pub mod file_widget;
pub mod outbound;
pub mod permission;
pub mod posting;
pub mod secret;
pub mod target;
pub mod units;
pub mod widget;

#[cfg(test)]
mod tests;

pub use check::{data_dir, load, load_in, name_servers, parse, secret_files};
pub use error::ConfigError;
