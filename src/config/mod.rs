//! The config as written (TOML) and the checked form that the program sees. Unknown keys are errors; every error
//! names file, key, value and what is allowed.

pub mod checked;
