//! `--in-place` (the `-DDD` of strace): the process that the shell started becomes the command.

use super::{
    error::LaunchError,
    exec::{ExecFailure, Program, introduce},
    init_hook,
    protocol::{Channel, Preparation, ToCapture, ToWaiter},
};

/// Waits until the capture process follows this process, then becomes the command. Returns only if that fails.
pub(super) fn run(program: &Program, channel: &Channel) -> LaunchError {
    let mut wanted = Preparation::Nothing;
    loop {
        match channel.wait::<ToWaiter>() {
            Some((ToWaiter::Ready { capture, preparation, .. }, _)) => {
                wanted = preparation;
                if let Err(errno) = introduce(channel, capture, preparation) {
                    return program.explain(ExecFailure::Introduction(errno));
                }
            }
            Some((ToWaiter::Release, _)) => break,
            Some((ToWaiter::Failed { text, code }, _)) => return LaunchError::Capture { text, code },
            Some(_) => {}
            None => return LaunchError::CaptureVanished,
        }
    }
    init_hook::restore_signals();
    init_hook::restore_pending();
    let failure = program.exec(wanted);
    // A capture process that is gone has nothing to forget.
    let _ = channel.send(&ToCapture::NotStarted, None);
    program.explain(failure)
}
