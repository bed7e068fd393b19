//! Mail that waits for its server: one file each, in a folder of this command's own. A file that stands under its last name
//! is on disk, with its name: the MTA may forget the mail. Names sort by time.

use crate::clock::Clock;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
}

/// Only one call at a time brings what waits.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

/// A mail in the folder that is not yet kept: dropped, it is gone.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: File,
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Spool {
    /// Opens or makes the folder: mail is nobody else's business.
    pub fn open(folder: &Path) -> io::Result<Spool> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Whoever may write there decides what is sent with our password, and what our lock and drafts are.
        if fs::metadata(folder)?.permissions().mode() & OTHERS_WRITE != 0 {
            return Err(io::Error::other("others than its owner may write there; chmod go-w it"));
        }
        Ok(Spool { folder: folder.to_owned() })
    }

    /// A mail that waits: the file itself, never what a link leads to, and never a pipe that nobody writes to.
    pub fn read(&self, mail: &Path) -> io::Result<(File, u64)> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", mail.display()));
        let file = OpenOptions::new().read(true).custom_flags(ITSELF).open(mail).map_err(named)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// `None` while another call has it.
    pub fn turn(&self) -> io::Result<Option<Turn>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(ITSELF);
        let lock = options.open(self.folder.join("lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                self.sweep();
                Ok(Some(Turn { _lock: lock }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Mails that wait, the oldest first.
    pub fn waiting(&self) -> io::Result<Vec<PathBuf>> {
        let is_mail = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "eml");
        let entries = fs::read_dir(&self.folder)?.collect::<io::Result<Vec<_>>>()?;
        let files = entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let mut mails: Vec<PathBuf> = files.map(|entry| entry.path()).filter(is_mail).collect();
        mails.sort();
        Ok(mails)
    }

    /// Writes the mail, without making sure that it is on disk.
    pub fn draft(&self, mail: &mut dyn Read) -> io::Result<Draft> {
        let path = self.folder.join(format!("{}.{}.draft", Clock::System.now().0, std::process::id()));
        let file = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(&path)?;
        let mut draft = Draft { path, file };
        io::copy(mail, &mut draft.file)?;
        Ok(draft)
    }

    /// The mail is on disk under its last name when this returns.
    pub fn keep(&self, draft: Draft) -> io::Result<()> {
        draft.file.sync_all()?;
        let waiting = self.waiting()?;
        if waiting.len() >= MAILS_MAX {
            return Err(io::Error::other(format!("{MAILS_MAX} mails wait in {}", self.folder.display())));
        }
        // A clock that was set back must not turn the order round.
        let last = waiting.last().and_then(|path| path.file_stem()?.to_str()?.split('-').next()?.parse::<i64>().ok());
        let now = Clock::System.now().0.max(last.map_or(0, |last| last.saturating_add(1)));
        let name = self.folder.join(format!("{now:015}-{}.eml", std::process::id()));
        // Never over another's: a link fails where a rename would replace.
        fs::hard_link(&draft.path, &name)?;
        File::open(&self.folder)?.sync_all()
    }

    /// How often a server that was there could not take the mail; this time is counted. The count stands in the file's name
    /// behind its time, so that the order stays.
    pub fn count_try(&self, mail: &Path) -> io::Result<u32> {
        let stem = mail.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let (name, tries) = stem.split_once('+').unwrap_or((stem, "0"));
        let tries = tries.parse::<u32>().unwrap_or(0).saturating_add(1);
        fs::rename(mail, self.folder.join(format!("{name}+{tries}.eml")))?;
        Ok(tries)
    }

    /// It was brought.
    pub fn remove(&self, mail: &Path) -> io::Result<()> {
        fs::remove_file(mail)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Out of the way of the others, for an operator to look at.
    pub fn set_aside(&self, mail: &Path) -> io::Result<()> {
        let aside = self.folder.join("refused");
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        let name = mail.file_name().ok_or_else(|| io::Error::other("a mail without a name"))?;
        fs::rename(mail, aside.join(name))?;
        File::open(&aside)?.sync_all()?;
        File::open(&self.folder)?.sync_all()
    }

    /// Drafts of calls that were killed: their MTA has the mail.
    fn sweep(&self) {
        let old = |path: &Path| {
            let made = path.file_name()?.to_str()?.strip_suffix(".draft")?.split('.').next()?.parse::<i64>().ok()?;
            Some(Clock::System.now().0 - made > DRAFT_LIFE_MS)
        };
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if old(&entry.path()) == Some(true) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Draft {
    /// From its beginning.
    pub fn read(&self) -> io::Result<(File, u64)> {
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }
}

const MAILS_MAX: usize = 10_000;
const OTHERS_WRITE: u32 = 0o022;
const ITSELF: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
const DRAFT_LIFE_MS: i64 = 24 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(spool: &Spool, mail: &str) {
        let draft = spool.draft(&mut mail.as_bytes()).expect("a draft");
        spool.keep(draft).expect("a synced mail");
    }

    #[test]
    fn what_is_kept_stands_in_the_order_in_which_it_came_and_drafts_leave_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(&dir.path().join("a/b")).expect("a spool");
        for mail in ["one", "two", "three"] {
            keep(&spool, mail);
        }
        drop(spool.draft(&mut "lost".as_bytes()).expect("a draft"));
        let mails: Vec<_> = spool.waiting().unwrap().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(mails, ["one", "two", "three"]);
        assert_eq!(fs::read_dir(&spool.folder).unwrap().count(), 3);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_turn_the_order_round() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(dir.path()).expect("a spool");
        fs::write(dir.path().join("900000000000000-1.eml"), "first").expect("a mail of the future");
        keep(&spool, "second");
        let last = fs::read_to_string(spool.waiting().unwrap().pop().unwrap()).unwrap();
        assert_eq!(last, "second");
    }

    #[test]
    fn what_is_no_file_of_the_folder_is_never_sent() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(&dir.path().join("spool")).expect("a spool");
        keep(&spool, "a mail");
        let mail = spool.waiting().expect("a list").remove(0);
        let secret = dir.path().join("secret");
        fs::write(&secret, "another's").expect("a file");
        let link = spool.folder.join("000000000000001-1.eml");
        std::os::unix::fs::symlink(&secret, &link).expect("a link");
        fs::create_dir(spool.folder.join("000000000000002-1.eml")).expect("a folder");
        assert_eq!(spool.waiting().expect("a list"), std::slice::from_ref(&mail));
        assert!(spool.read(&mail).is_ok_and(|(_, length)| length == 6));
        assert!(spool.read(&link).is_err_and(|error| error.to_string().contains("000000000000001-1.eml")));
        std::os::unix::fs::symlink(&secret, spool.folder.join("lock")).expect("a link");
        assert!(spool.turn().is_err());
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let dir = tempfile::tempdir().expect("a folder");
        for (mode, is_used) in [(0o700, true), (0o755, true), (0o770, false), (0o1777, false)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).expect("our folder");
            assert_eq!(Spool::open(dir.path()).is_ok(), is_used, "{mode:o}");
        }
    }

    #[test]
    fn one_call_has_its_turn_at_a_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(dir.path()).expect("a spool");
        let turn = spool.turn().expect("a lock");
        assert!(turn.is_some() && spool.turn().expect("a lock").is_none());
        drop(turn);
        assert!(spool.turn().expect("a lock").is_some());
    }
}
