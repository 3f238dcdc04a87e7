//! JSON Lines: the interchange form of a recording, readable with nothing but a text editor.

mod line;
mod reader;

pub(super) use reader::{Reader, parse_header, recorder};
