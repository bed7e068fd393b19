//! The service's user and group, as `/etc/passwd` and `/etc/group` have them: what root writes, the daemon must read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whom the daemon runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub groups: Vec<u32>,
}

impl User {
    /// Who owns the data directory, or, before the first start, the user that the unit names. `None` for root, who may read all.
    pub fn of_service(data_dir: &Path) -> Option<User> {
        let (users, groups) = (std::fs::read_to_string(USERS).ok()?, std::fs::read_to_string(GROUPS).ok()?);
        let owner = data_dir.metadata().ok().map(|found| found.uid());
        User::read(&users, &groups, owner).filter(|user| user.uid != 0)
    }

    fn read(users: &str, groups: &str, owner: Option<u32>) -> Option<User> {
        let rows = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let is_meant = |row: &[&str]| match owner {
            Some(uid) => row.get(2).is_some_and(|found| *found == uid.to_string()),
            None => row.first() == Some(&SERVICE),
        };
        let row = rows.into_iter().find(|row| is_meant(row))?;
        let (name, uid, gid) = (*row.first()?, row.get(2)?.parse().ok()?, row.get(3)?.parse().ok()?);
        let of_user = |line: &str| {
            let row: Vec<&str> = line.split(':').collect();
            let is_member = row.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
            if is_member { row.get(2)?.parse().ok() } else { None }
        };
        let groups = std::iter::once(gid).chain(groups.lines().filter_map(of_user)).collect();
        Some(User { name: name.to_owned(), uid, groups })
    }
}

/// The service's group, if there is one yet.
pub fn service_group() -> Option<u32> {
    group(&std::fs::read_to_string(GROUPS).ok()?, SERVICE)
}

fn group(groups: &str, name: &str) -> Option<u32> {
    let mut rows = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    rows.find(|row| row.first() == Some(&name))?.get(2)?.parse().ok()
}

/// User and group of `systemd/replyd.sysusers`.
pub const SERVICE: &str = "replyd";
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_has_its_own_group_and_those_that_name_it() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\nreplyd:x:990:991::/var/lib/replyd:/bin/false\nben:x:1000:1000::/:/bin/sh\n";
        let groups = "root:x:0:\nreplyd:x:991:\nssl-cert:x:112:postgres,replyd\nadm:x:4:ben\n";
        let replyd = User { name: "replyd".into(), uid: 990, groups: vec![991, 112] };
        assert_eq!(User::read(users, groups, None), Some(replyd.clone()));
        assert_eq!(User::read(users, groups, Some(990)), Some(replyd));
        assert_eq!(User::read(users, groups, Some(1000)).map(|user| user.groups), Some(vec![1000, 4]));
        assert_eq!(User::read(users, groups, Some(7)), None);
        assert_eq!((group(groups, "replyd"), group(groups, "mail")), (Some(991), None));
    }
}
