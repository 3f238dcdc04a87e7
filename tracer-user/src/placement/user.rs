//! `-u USER`: whom the command runs as. Only the user, its groups and nothing else change: HOME and the like stay (strace(1)).

use std::ffi::CString;

use nix::{
    errno::Errno,
    unistd::{self, Gid, Uid, geteuid, initgroups, setgid, setuid},
};

use super::error::LaunchError;

/// A user of this system, looked up before anything was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl User {
    /// Finds the user `name`, provided that this process may become it.
    pub fn by_name(name: &str) -> Result<Self, LaunchError> {
        let found = unistd::User::from_name(name)
            .map_err(|errno| LaunchError::System { what: "read the list of users", errno })?
            .ok_or_else(|| LaunchError::UnknownUser { name: name.to_owned() })?;
        if !geteuid().is_root() {
            return Err(LaunchError::UserNeedsRoot { name: name.to_owned() });
        }
        Ok(Self { name: found.name, uid: found.uid, gid: found.gid })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Becomes this user for good. On failure says which call failed; the process must then end.
    pub(super) fn assume(&self) -> Result<(), (BecomeCall, Errno)> {
        let name = CString::new(self.name.as_str()).map_err(|_| (BecomeCall::Initgroups, Errno::EINVAL))?;
        initgroups(&name, self.gid).map_err(|errno| (BecomeCall::Initgroups, errno))?;
        setgid(self.gid).map_err(|errno| (BecomeCall::Setgid, errno))?;
        setuid(self.uid).map_err(|errno| (BecomeCall::Setuid, errno))
    }
}

/// The calls that make a process another user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BecomeCall {
    Initgroups,
    Setgid,
    Setuid,
}

impl BecomeCall {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Initgroups => "initgroups",
            Self::Setgid => "setgid",
            Self::Setuid => "setuid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_does_not_exist_is_named() {
        let error = User::by_name("no-such-user-here").unwrap_err();
        assert_eq!(error.to_string(), "cannot run as user 'no-such-user-here': there is no such user");
        assert_eq!(error.exit_code(), 125);
    }
}
