//! What to do about a file that may not be read: the file itself or a folder on the way to it is to blame.

use std::io::{Error, ErrorKind};
use std::path::Path;

/// `; …` to follow the reason, for a refusal that the file's group mends; nothing for any other.
pub fn way_out(path: &Path, error: &Error) -> String {
    if error.kind() != ErrorKind::PermissionDenied {
        return String::new();
    }
    let shut = path.ancestors().skip(1).find(|folder| folder.metadata().is_ok());
    match (path.metadata(), shut) {
        (Err(unseen), Some(folder)) if unseen.kind() == ErrorKind::PermissionDenied => {
            let folder = folder.display();
            format!("; for the service: chgrp replyd {folder} && chmod 750 {folder}; a person runs this as root")
        }
        _ => {
            let file = path.display();
            format!("; for the service: chgrp replyd {file} && chmod 640 {file}; a person runs this as root")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_is_mended_by_a_group() {
        let file = Path::new("/proc/version");
        let said = way_out(file, &Error::from(ErrorKind::PermissionDenied));
        assert!(said.contains("chgrp replyd /proc/version && chmod 640 /proc/version"), "{said}");
        assert_eq!(way_out(file, &Error::from(ErrorKind::NotFound)), "");
    }
}
