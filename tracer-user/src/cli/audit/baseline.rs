//! The file that a baseline is kept in: readable by its owner only, replaced whole, and read again when somebody else changed
//! it.
//!
//! Must not: know what a judgement is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use crate::{
    cli::exit::{ExpectedError, INTERNAL, USAGE},
    sink::audit::known::Known,
    trace_file::{cause, how_to_create},
};

/// A baseline in its file.
pub(super) struct Baseline {
    path: PathBuf,
    /// What was written last, and the file that it made.
    written: String,
    file: Option<Identity>,
    /// What is being written.
    writing: Option<JoinHandle<(String, io::Result<Identity>)>>,
}

/// Which file, in which state: device, inode, size, and time of its last change in ns.
type Identity = (u64, u64, u64, i64, i64);

impl Baseline {
    /// What the file has; nothing, where there is none yet. That it can be written is made sure of at once.
    pub fn open(path: &Path) -> Result<(Self, Known), ExpectedError> {
        let mut baseline = Self { path: path.to_owned(), written: Known::default().text(), file: None, writing: None };
        let known = baseline.read()?.unwrap_or_default();
        baseline.write(&known)?;
        Ok((baseline, known))
    }

    /// What the file has; `None`: there is none.
    fn read(&self) -> Result<Option<Known>, ExpectedError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => self.parse(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(Self::fault(format!("cannot read the baseline {}: {}", self.path.display(), cause(&error))))
            }
        }
    }

    fn parse(&self, text: &str) -> Result<Known, ExpectedError> {
        Known::parse(text).map_err(|(line, what)| Self::fault(format!("{}:{line}: {what}", self.path.display())))
    }

    fn fault(what: String) -> ExpectedError {
        ExpectedError { code: USAGE, ..ExpectedError::usage(what, "--baseline with another file") }
    }

    /// What somebody changed since this was written last: before it, and now. An error leaves the file as it is.
    pub fn changed(&self) -> Result<Option<(Known, Known)>, ExpectedError> {
        if fs::metadata(&self.path).ok().as_ref().map(identity) == self.file {
            return Ok(None);
        }
        Ok(Some((self.parse(&self.written)?, self.read()?.unwrap_or_default())))
    }

    /// Replaces the file.
    pub fn write(&mut self, known: &Known) -> Result<(), ExpectedError> {
        self.begin(known);
        self.finish()
    }

    /// Begins to replace the file: a disk may take its time. Whoever reads it meanwhile, or after the machine has failed, has the
    /// old one or the new one, whole.
    pub fn begin(&mut self, known: &Known) {
        let (path, text) = (self.path.clone(), known.text());
        self.writing = Some(thread::spawn(move || {
            let written = replace(&path, text.as_bytes());
            (text, written)
        }));
    }

    /// It is being written, and will be for a while.
    pub fn is_busy(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| !writing.is_finished())
    }

    /// Waits until what was begun is done.
    pub fn finish(&mut self) -> Result<(), ExpectedError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let panicked = |_| (String::new(), Err(io::Error::other("a thread panicked")));
        let (text, written) = writing.join().unwrap_or_else(panicked);
        let file = written.map_err(|error| ExpectedError {
            what: format!("cannot write the baseline {}: {}", self.path.display(), cause(&error)),
            fix: Some(how_to_create(&self.path, &error)),
            code: INTERNAL,
            cause: None,
        })?;
        (self.written, self.file) = (text, Some(file));
        Ok(())
    }
}

/// The identity is that of what was written, whoever replaces that right afterwards.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<Identity> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    // What an earlier process of this number left there is in the way, and a link there is nobody's business.
    let _ = fs::remove_file(&part);
    let written = (|| {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        // A name may reach the disk before what it names.
        file.sync_all()?;
        let identity = identity(&file.metadata()?);
        fs::rename(&part, path).map(|()| identity)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&part);
        return written;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Who may write into a folder may not be allowed to open it.
    File::open(folder.unwrap_or(Path::new("."))).map_or(Ok(()), |folder| folder.sync_all())?;
    written
}

fn identity(data: &fs::Metadata) -> Identity {
    (data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_its_owners_only_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline");
        let (mut baseline, known) = Baseline::open(&path).unwrap();
        assert!(known.is_empty());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let reader = File::open(&path).unwrap();
        let before = fs::read_to_string(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        baseline.write(&known).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(io::read_to_string(reader).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_is_no_baseline_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        fs::write(&path, "mine\n").unwrap();
        let error = Baseline::open(&path).map(drop).unwrap_err();
        assert!(error.what.contains("precious:1: this is no baseline"), "{}", error.what);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine\n");
        let nowhere = Baseline::open(&folder.path().join("none/baseline")).map(drop).unwrap_err();
        assert!(nowhere.what.contains("ENOENT") || nowhere.what.contains("No such"), "{}", nowhere.what);
    }

    #[test]
    fn what_an_editor_did_is_read_and_what_it_broke_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline");
        let (baseline, _) = Baseline::open(&path).unwrap();
        assert!(baseline.changed().unwrap().is_none());
        let text = fs::read_to_string(&path).unwrap();
        let line = r#"{"program":"/x","name":"x","unit":"","uid":0,"policy":"sysv","verdict":"partial","first":1,"last":1,"times":1,"rules":[]}"#;
        fs::write(&path, format!("{text}{line}\n")).unwrap();
        let (before, now) = baseline.changed().unwrap().unwrap();
        assert_eq!((before.len(), now.len()), (0, 1));
        fs::write(&path, "").unwrap();
        let error = baseline.changed().map(drop).unwrap_err();
        assert!(error.what.contains("baseline:1: it is empty"), "{}", error.what);
        fs::remove_file(&path).unwrap();
        assert!(baseline.changed().unwrap().unwrap().1.is_empty(), "who deletes it wants everything told again");
    }
}
