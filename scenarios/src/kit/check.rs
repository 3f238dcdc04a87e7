//! Checks of what the kernel did: a scenario whose kernel behaves otherwise has nothing to show.

use std::fmt::Debug;

use anyhow::{Result, bail, ensure};
use nix::errno::Errno;

/// The call must have been refused with this error.
pub fn refused<T: Debug>(result: nix::Result<T>, errno: Errno) -> Result<()> {
    match result {
        Err(got) if got == errno => Ok(()),
        Err(got) => bail!("refused with {got:?}, not {errno:?}"),
        Ok(value) => bail!("succeeded with {value:?}, and should have been refused with {errno:?}"),
    }
}

/// `got` must be `wanted`; `what` names it when it is not.
#[expect(clippy::needless_pass_by_value, reason = "reads best with plain values")]
pub fn same<T: PartialEq + Debug>(what: &str, got: T, wanted: T) -> Result<()> {
    ensure!(got == wanted, "{what} is {got:?}, not {wanted:?}");
    Ok(())
}
