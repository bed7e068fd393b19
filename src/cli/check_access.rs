//! `replyd check` as root: can the service's user read what root wrote? Goes by owner, group and mode.

use super::check::Finding;
use super::users::User;
use crate::config::checked::Config;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Nobody but root has to ask; others see for themselves.
pub fn findings(config_file: &Path, config: &Config) -> Vec<Finding> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    let Some(user) = User::of_service(&config.server.data_dir) else { return Vec::new() };
    of_files(&user, &files(config_file, config))
}

fn of_files(user: &User, files: &[PathBuf]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = files.iter().filter_map(|file| refused(user, file)).collect();
    findings.dedup();
    findings
}

fn files(config_file: &Path, config: &Config) -> Vec<PathBuf> {
    let mut files = vec![config_file.to_owned()];
    files.extend(crate::config::secret_files(config_file).unwrap_or_default());
    files.extend(config.tls.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]));
    files.extend(config.accounts.iter().flat_map(|account| account.templates.iter().map(|file| file.path.clone())));
    files.extend(config.outbound.ca_file.clone());
    files.sort();
    files.dedup();
    files
}

fn refused(user: &User, file: &Path) -> Option<Finding> {
    let file = std::path::absolute(file).ok()?;
    let metadata = file.metadata().ok()?;
    let mut folders: Vec<&Path> = file.ancestors().skip(1).collect();
    folders.reverse();
    let shut = folders.into_iter().find(|folder| folder.metadata().is_ok_and(|found| !user.has(&found, SEARCH)));
    let name = &user.name;
    if let Some(folder) = shut {
        let folder = folder.display();
        return Some(Finding::warning(format!(
            "{folder}: the service's user {name} may not look into it; chgrp {name} {folder} && chmod g+x {folder}"
        )));
    }
    (!user.has(&metadata, READ)).then(|| {
        let file = file.display();
        Finding::warning(format!(
            "{file}: the service's user {name} may not read it; chgrp {name} {file} && chmod 640 {file}"
        ))
    })
}

impl User {
    /// path_resolution(7): of the three classes the first that fits counts, and no other.
    fn has(&self, file: &Metadata, bit: u32) -> bool {
        let class = match (file.uid() == self.uid, self.groups.contains(&file.gid())) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 0,
        };
        (file.mode() >> class) & bit != 0
    }
}

const READ: u32 = 4;
const SEARCH: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_the_services_user_may_not_read_is_found() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let folder = dir.path().join("etc");
        std::fs::create_dir(&folder).expect("a folder");
        let file = folder.join("replyd.toml");
        std::fs::write(&file, "").expect("a file");
        let gid = file.metadata().expect("it is there").gid();
        let check = |folder_mode: u32, mode: u32, groups: &[u32], says: Option<&str>| {
            let modes = [(&file, mode), (&folder, folder_mode), (&dir.path().to_owned(), 0o755)];
            for (path, mode) in modes {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
            }
            let user = User { name: "replyd".into(), uid: 4_000_000, groups: groups.to_vec() };
            let found = of_files(&user, std::slice::from_ref(&file));
            let line = found.first().map(|finding| finding.line.clone()).unwrap_or_default();
            assert_eq!(found.is_empty(), says.is_none(), "{folder_mode:o} {mode:o} {line}");
            assert!(says.is_none_or(|says| line.contains(says)), "{line}");
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        };
        check(0o755, 0o644, &[], None);
        check(0o750, 0o640, &[gid], None);
        check(0o755, 0o640, &[], Some("replyd.toml && chmod 640"));
        check(0o755, 0o604, &[gid], Some("may not read it"));
        check(0o750, 0o644, &[], Some("may not look into it"));
    }
}
