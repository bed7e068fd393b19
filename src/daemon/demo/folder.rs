//! Whether a folder is a demo's: its `replyd.toml` begins with the demo's own line, and no symbolic link leads out of it. Only
//! such a folder, or one that is empty or not there, is written or removed: an installation's config has the same name.

use std::io::{self, Read};
use std::path::Path;

/// The first line of the config that the demo writes, before anything else is in the folder.
pub const MARK: &str =
    "# Written by replyd demo at each start, for commands such as replyd conversation list --config THIS.";

/// Why a folder is left alone.
#[derive(Debug, thiserror::Error)]
pub enum NotADemo {
    #[error(
        "this folder was not made by replyd demo, so nothing in it is written or removed, with or without --fresh; name an empty folder, or one that is not there, with --data"
    )]
    Foreign,
    #[error(
        "{0} is a symbolic link, which the demo does not follow, with or without --fresh; name a folder without one with --data"
    )]
    Link(String),
    #[error("{0}; name a folder of your own with --data")]
    Unreadable(#[from] io::Error),
}

/// Whether the demo may write here, and empty it.
pub fn may_be_used(folder: &Path) -> Result<(), NotADemo> {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(found) if found.is_symlink() => return Err(NotADemo::Link(folder.display().to_string())),
        Ok(_) => {}
    }
    if std::fs::read_dir(folder)?.next().is_none() {
        return Ok(());
    }
    no_links(folder)?;
    if begins_with_mark(&folder.join("replyd.toml")) { Ok(()) } else { Err(NotADemo::Foreign) }
}

/// What the demo writes lies in the folder and in `data`.
fn no_links(folder: &Path) -> Result<(), NotADemo> {
    let inside = folder.join("data");
    let folders = [Some(folder), inside.is_dir().then_some(inside.as_path())];
    for folder in folders.into_iter().flatten() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_symlink() {
                return Err(NotADemo::Link(entry.path().display().to_string()));
            }
        }
    }
    Ok(())
}

fn begins_with_mark(config: &Path) -> bool {
    let mut start = Vec::new();
    let mark = format!("{MARK}\n");
    let length = u64::try_from(mark.len()).unwrap_or(u64::MAX);
    let read = std::fs::File::open(config).and_then(|file| file.take(length).read_to_end(&mut start));
    read.is_ok() && start == mark.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_or_an_empty_folder_is_a_demos() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let folder = dir.path().join("demo");
        assert!(may_be_used(&folder).is_ok(), "not there");
        std::fs::create_dir(&folder).expect("a folder");
        assert!(may_be_used(&folder).is_ok(), "empty");
        let config = folder.join("replyd.toml");
        for (text, ours) in [
            (format!("{MARK}\n[server]\n"), true),
            ("[server]\nhostname = \"mx.acme.example\"\n".to_owned(), false),
            (format!("# mine\n{MARK}\n"), false),
            (String::new(), false),
        ] {
            std::fs::write(&config, &text).expect("a config");
            assert_eq!(may_be_used(&folder).is_ok(), ours, "{text}");
        }
        std::fs::remove_file(&config).expect("it is there");
        std::fs::write(folder.join("photo.jpg"), "x").expect("a file");
        assert!(matches!(may_be_used(&folder), Err(NotADemo::Foreign)), "no config");
    }

    #[test]
    fn no_symbolic_link_leads_out_of_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (folder, elsewhere) = (dir.path().join("demo"), dir.path().join("elsewhere"));
        let link = |from: &str| std::os::unix::fs::symlink(&elsewhere, dir.path().join(from)).expect("a link");
        for made in [&folder, &elsewhere, &folder.join("data")] {
            std::fs::create_dir(made).expect("a folder");
        }
        for place in [&folder, &elsewhere] {
            std::fs::write(place.join("replyd.toml"), format!("{MARK}\n")).expect("a config");
        }
        assert!(may_be_used(&folder).is_ok());
        for name in ["demo/kettle.example.r1.pem", "demo/data/replyd.db", "link"] {
            link(name);
            let place = if name == "link" { dir.path().join(name) } else { folder.clone() };
            let refused = may_be_used(&place).expect_err(name).to_string();
            assert!(refused.contains(name) && refused.contains("symbolic link"), "{refused}");
            std::fs::remove_file(dir.path().join(name)).expect("the link is there");
        }
    }
}
