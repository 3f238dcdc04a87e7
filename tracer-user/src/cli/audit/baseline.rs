//! The file that a baseline is kept in: readable by its owner only, and replaced whole.
//!
//! Must not: know what a judgement is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    cli::exit::{ExpectedError, INTERNAL, USAGE},
    sink::audit::known::Known,
    trace_file::{cause, how_to_create},
};

/// A baseline in its file.
pub(super) struct Baseline {
    path: PathBuf,
}

impl Baseline {
    /// What the file has; nothing, where there is none yet. That it can be written is made sure of at once.
    pub fn open(path: &Path) -> Result<(Self, Known), ExpectedError> {
        let baseline = Self { path: path.to_owned() };
        let fault = |what: String, fix: &str| ExpectedError { code: USAGE, ..ExpectedError::usage(what, fix) };
        let known = match fs::read_to_string(path) {
            Ok(text) => Known::parse(&text).map_err(|(line, what)| {
                fault(format!("{}:{line}: {what}", path.display()), "--baseline with another file")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Known::default(),
            Err(error) => {
                let what = format!("cannot read the baseline {}: {}", path.display(), cause(&error));
                return Err(fault(what, "--baseline with another file"));
            }
        };
        baseline.write(&known)?;
        Ok((baseline, known))
    }

    /// Replaces the file. Whoever reads it meanwhile has the old one or the new one, whole.
    pub fn write(&self, known: &Known) -> Result<(), ExpectedError> {
        self.replace(known.text().as_bytes()).map_err(|error| ExpectedError {
            what: format!("cannot write the baseline {}: {}", self.path.display(), cause(&error)),
            fix: Some(how_to_create(&self.path, &error)),
            code: INTERNAL,
            cause: None,
        })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(name);
        // What an earlier process of this number left there is in the way, and a link there is nobody's business.
        let _ = fs::remove_file(&part);
        let written = (|| {
            let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all(bytes)?;
            fs::rename(&part, &self.path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_its_owners_only_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline");
        let (baseline, known) = Baseline::open(&path).unwrap();
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
}
