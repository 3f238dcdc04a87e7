//! What every verb needs: how output may look, decided once from the flags, the environment and where it goes.

use std::{
    ffi::OsStr,
    io::{self, IsTerminal, Write},
    os::fd::{AsFd, AsRawFd as _},
    path::Path,
    rc::Rc,
};

use clap::ValueEnum;

use super::exit::ExpectedError;
use crate::{
    config::{Config, Date},
    filter::Filter,
    live::unix_now,
    sink::{Filtered, SINKS, Sink, Style, Suppressing},
};

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The variables that decide how output looks.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent variables of the environment")]
pub struct Look {
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set, and neither empty nor 0.
    pub force_color: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
    /// The locale's character set is UTF-8: the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set says so.
    pub utf8: bool,
}

impl Look {
    /// Reads the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from<V: AsRef<OsStr>>(variable: impl Fn(&str) -> Option<V>) -> Self {
        let is = |name: &str, word: &str| variable(name).is_some_and(|value| value.as_ref() == word);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name));
        // Without any of the three the locale is C, where every byte above 127 may come out as anything. Most such
        // environments (containers, services) are read by people on UTF-8 terminals all the same.
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.as_ref().to_string_lossy().to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Self {
            no_color: variable("NO_COLOR").is_some(),
            force_color: variable("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0"),
            dumb: is("TERM", "dumb"),
            utf8,
        }
    }

    /// The style for output that goes to a terminal of `width` columns, or (`None`) to something else.
    #[must_use]
    pub fn style(&self, choice: ColorChoice, width: Option<usize>) -> Style {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.no_color => false,
            ColorChoice::Auto if self.force_color => true,
            ColorChoice::Auto => width.is_some() && !self.dumb,
        };
        // A file is read later, elsewhere: it is UTF-8 whatever the locale is here.
        Style { color, width, ascii: width.is_some() && !self.utf8 }
    }
}

/// The style for what is written to `out`.
#[must_use]
pub fn style_for(choice: ColorChoice, out: &(impl AsFd + IsTerminal)) -> Style {
    let width = out.is_terminal().then(|| columns(out));
    Look::from_environment().style(choice, width)
}

/// Columns of a terminal; 80 when it does not say.
fn columns(out: &impl AsFd) -> usize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes a winsize, which `size` is.
    let result = unsafe { libc::ioctl(out.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    if result == 0 && size.ws_col > 0 { usize::from(size.ws_col) } else { 80 }
}

/// The sink of this name in [`SINKS`], writing to `out`.
#[must_use]
pub fn sink(name: &str, out: Box<dyn Write>, style: Style) -> Vec<Box<dyn Sink>> {
    let form = SINKS.iter().find(|form| form.name == name);
    form.map(|form| (form.make)(out, style)).into_iter().collect()
}

/// The filter, with the units that it names. One that this machine does not have is a usage error.
pub fn looked_up(filter: Option<&Filter>) -> Result<Option<Filter>, ExpectedError> {
    let Some(mut filter) = filter.cloned() else { return Ok(None) };
    let found = filter.look_up();
    found.map_err(|error| ExpectedError::usage(format!("--filter: {error}"), "systemd-cgls    shows the units"))?;
    Ok(Some(filter))
}

/// The sinks with a filter before them, if there is one.
#[must_use]
pub fn filtered(sinks: Vec<Box<dyn Sink>>, filter: Option<&Filter>) -> Vec<Box<dyn Sink>> {
    let Some(filter) = filter else { return sinks };
    sinks.into_iter().map(|sink| Box::new(Filtered::new(sink, filter.clone())) as Box<dyn Sink>).collect()
}

/// The sinks with the configuration before them, if it accepts anything.
#[must_use]
pub fn suppressing(sinks: Vec<Box<dyn Sink>>, config: &Rc<Config>) -> Vec<Box<dyn Sink>> {
    if config.suppressions.is_empty() {
        return sinks;
    }
    sinks.into_iter().map(|sink| Box::new(Suppressing::new(sink, Rc::clone(config))) as Box<dyn Sink>).collect()
}

/// The configuration. `named`: by `--config`.
pub fn config(named: Option<&Path>) -> Result<Rc<Config>, ExpectedError> {
    let config = Config::load(named, Date::of(unix_now()));
    config.map(Rc::new).map_err(|error| ExpectedError::usage(error.to_string(), error.hint()))
}

/// Standard output, line by line.
#[must_use]
pub fn stdout() -> Box<dyn Write> {
    Box::new(io::LineWriter::new(io::stdout()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(variables: &[(&str, &str)]) -> Look {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Look::from(|name| variables.iter().find(|row| row.0 == name).map(|row| row.1.clone()))
    }

    #[test]
    fn the_flag_wins_over_the_environment_and_the_environment_over_the_terminal() {
        let colors = |variables: &[(&str, &str)], choice, width| look(variables).style(choice, width).color;
        assert!(colors(&[], ColorChoice::Auto, Some(80)));
        assert!(!colors(&[], ColorChoice::Auto, None));
        assert!(!colors(&[("NO_COLOR", "1")], ColorChoice::Auto, Some(80)));
        assert!(colors(&[("NO_COLOR", "1")], ColorChoice::Always, None));
        assert!(colors(&[("CLICOLOR_FORCE", "1")], ColorChoice::Auto, None));
        assert!(!colors(&[("CLICOLOR_FORCE", "0")], ColorChoice::Auto, None));
        assert!(!colors(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], ColorChoice::Auto, Some(80)));
        assert!(!colors(&[("TERM", "dumb")], ColorChoice::Auto, Some(80)));
        assert!(!colors(&[], ColorChoice::Never, Some(80)));
    }

    #[test]
    fn a_terminal_without_utf8_gets_ascii_and_a_file_never_does() {
        let ascii = |variables: &[(&str, &str)], width| look(variables).style(ColorChoice::Auto, width).ascii;
        assert!(ascii(&[("LANG", "C")], Some(80)));
        assert!(!ascii(&[("LANG", "C")], None));
        assert!(!ascii(&[("LANG", "C"), ("LC_ALL", "C.UTF-8")], Some(80)));
        assert!(ascii(&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")], Some(80)));
        assert!(!ascii(&[], Some(80)));
    }
}
