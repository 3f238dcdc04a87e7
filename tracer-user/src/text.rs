//! Bytes from traced processes and from recordings, made safe to look at on a terminal.
//!
//! A process can name itself `\e]0;…` or hide what it is behind a right-to-left override. Nothing that came from outside may
//! reach a terminal other than through here. What is escaped looks like Rust's and C's escapes: `\x1b`, `\u{202e}`, `\n`.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a terminal acts on this character, or it changes what its neighbours look like, or it cannot be seen.
///
/// Controls (C0, DEL, C1), bidirectional controls, zero-width and invisible format characters, line separators, tags and
/// variation selectors (Unicode categories Cc, Cf, Zl, Zp and the invisible fillers).
#[must_use]
pub fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}'
        | '\u{70f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `bytes` for a UTF-8 terminal: hostile characters and invalid bytes are escaped.
#[must_use]
pub fn sanitize(bytes: &[u8]) -> Cow<'_, str> {
    escape(bytes, is_hostile)
}

/// `bytes` for a terminal that may know ASCII only: everything else is escaped, for in an 8-bit character set a byte of a
/// UTF-8 sequence can be a control.
#[must_use]
pub fn sanitize_ascii(bytes: &[u8]) -> Cow<'_, str> {
    escape(bytes, |c| !c.is_ascii() || c.is_ascii_control())
}

fn escape(bytes: &[u8], hostile: impl Fn(char) -> bool) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && !text.contains(&hostile)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if hostile(c) { escape_char(c, &mut out) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

fn escape_char(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => {
            let code = u32::from(c);
            let _ = if code < 0x80 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:x}}}") };
        }
    }
}

/// Columns that `text` takes on a terminal.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `columns` columns: what does not fit is cut off, and `mark` (`…`) says so.
#[must_use]
pub fn fit<'a>(text: &'a str, columns: usize, mark: &str) -> Cow<'a, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns < width(mark) {
        return Cow::Borrowed("");
    }
    let mut room = columns - width(mark);
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let wide = c.width().unwrap_or(0);
        if wide > room {
            break;
        }
        room -= wide;
        end = at + c.len_utf8();
    }
    Cow::Owned(format!("{}{mark}", text.get(..end).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_is_not_touched() {
        for text in ["bash", "", "naïve (sd-pam)", "日本語", "a\\b", "e\u{301}"] {
            assert!(matches!(sanitize(text.as_bytes()), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn hostile_bytes_are_escaped() {
        for (bytes, shown) in [
            (&b"\x1b[31mred\x1b]0;title\x07"[..], r"\x1b[31mred\x1b]0;title\x07"),
            (b"two\nlines\r\tand\0nul\x7f", r"two\nlines\r\tand\x00nul\x7f"),
            ("c1 \u{9b}31m \u{85}".as_bytes(), r"c1 \u{9b}31m \u{85}"),
            ("txt.\u{202e}exe.\u{2066}\u{200b}\u{feff}".as_bytes(), r"txt.\u{202e}exe.\u{2066}\u{200b}\u{feff}"),
            (b"\xff\xfe half \xe2\x82", r"\xff\xfe half \xe2\x82"),
            (b"8-bit csi \x9b31m", r"8-bit csi \x9b31m"),
            ("tag \u{e0041}".as_bytes(), r"tag \u{e0041}"),
        ] {
            assert_eq!(sanitize(bytes), shown);
        }
        assert_eq!(sanitize_ascii("caf\u{e9}\n".as_bytes()), r"caf\u{e9}\n");
    }

    #[test]
    fn every_character_that_a_terminal_acts_on_is_hostile() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            if c.is_control() {
                assert!(is_hostile(c), "{c:?}");
            }
        }
    }

    #[test]
    fn text_is_cut_by_columns_and_not_by_bytes() {
        assert_eq!(fit("signal-catcher", 14, "…"), "signal-catcher");
        assert_eq!(fit("signal-catcher", 10, "…"), "signal-ca…");
        assert_eq!(fit("日本語", 6, "…"), "日本語");
        assert_eq!(fit("日本語", 5, "…"), "日本…");
        assert_eq!(fit("日本語", 4, "…"), "日…");
        assert_eq!(fit("abc", 0, "…"), "");
        assert_eq!(fit("abcdef", 5, "..."), "ab...");
        assert_eq!(fit("abcdef", 2, "..."), "");
    }
}
