//! Whether a command can be executed at all, said before anything is started for it.
//!
//! Must not: decide which file is executed; execvp does that later, as whoever runs the command. What is refused here would be
//! refused there, and the rest is left to it.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags},
    unistd::{AccessFlags, faccessat},
};

/// Where execvp looks when there is no PATH (confstr(3), `_CS_PATH` as glibc has it).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Fails as execvp(3) would: ENOENT when there is no such file in any directory of `path`, EACCES when there is and none can
/// be executed.
pub(super) fn look_up(name: &OsStr, path: Option<&OsStr>) -> Result<(), Errno> {
    if name.as_bytes().contains(&b'/') {
        return executable(Path::new(name));
    }
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut outcome = Err(Errno::ENOENT);
    for directory in path.unwrap_or(OsStr::new(DEFAULT_PATH)).as_bytes().split(|&byte| byte == b':') {
        // An empty one stands for the working directory.
        let file: PathBuf = [OsStr::from_bytes(directory), name].iter().collect();
        match executable(&file) {
            Ok(()) => return Ok(()),
            Err(Errno::EACCES) => outcome = Err(Errno::EACCES),
            Err(_) => {}
        }
    }
    outcome
}

fn executable(file: &Path) -> Result<(), Errno> {
    faccessat(AT_FDCWD, file, AccessFlags::X_OK, AtFlags::AT_EACCESS)?;
    // Directories have an x of another meaning.
    if file.is_dir() { Err(Errno::EACCES) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn it_finds_what_execvp_finds() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        for (directory, mode) in [(&one, 0o644), (&other, 0o755)] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("tool"), "").unwrap();
            fs::set_permissions(directory.join("tool"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = |directories: &[&PathBuf]| std::env::join_paths(directories).unwrap();
        let find = |name: &str, directories: &[&PathBuf]| look_up(OsStr::new(name), Some(&path(directories)));
        assert_eq!(find("tool", &[&one, &other]), Ok(()));
        assert_eq!(find("tool", &[&one]), Err(Errno::EACCES));
        assert_eq!(find("tool", &[]), Err(Errno::ENOENT));
        assert_eq!(find("other", &[&folder.path().to_owned()]), Err(Errno::EACCES), "a directory");
        assert_eq!(find("", &[&one]), Err(Errno::ENOENT));
        assert_eq!(find(other.join("tool").to_str().unwrap(), &[]), Ok(()));
        assert_eq!(find(other.join("tool/x").to_str().unwrap(), &[]), Err(Errno::ENOTDIR));
        assert_eq!(look_up(OsStr::new("sh"), None), Ok(()));
    }
}
