//! A filter from its text, by recursive descent. Errors point at the character.
//!
//! Must not: panic or recurse without bound on any text.

use std::fmt;

use super::{
    Expression, KEYS,
    test::{Glob, Number, Operator, Test, Word},
    words,
};
use crate::text::{sanitize, width};

/// Parentheses and `not` within each other.
const DEEPEST: usize = 64;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    /// Columns before the character.
    column: usize,
    what: String,
}

impl FilterError {
    /// At this byte of a filter.
    pub(super) fn new(text: &str, at: usize, what: String) -> Self {
        let clean = |text: &str| sanitize(text.as_bytes()).into_owned();
        let before = text.get(..at).unwrap_or_default();
        Self { text: clean(text), column: width(&clean(before)), what }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, column, what } = self;
        write!(f, "{what}\n    {text}\n    {:column$}^", "")
    }
}

impl std::error::Error for FilterError {}

/// The expression that `text` is.
pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.any()?;
    if parser.rest().is_empty() { Ok(expression) } else { Err(parser.error("a ( before this is missing")) }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, what: impl Into<String>) -> FilterError {
        FilterError::new(self.text, self.at, what.into())
    }

    fn error_at(&self, at: usize, what: impl Into<String>) -> FilterError {
        Parser { at, ..*self }.error(what)
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// A word that no letter goes on.
    fn take_word(&mut self, word: &str) -> bool {
        let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = self.rest().strip_prefix(word).is_some_and(|rest| !goes_on(rest));
        if found {
            self.at += word.len();
        }
        found
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.take_word("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.not()?];
        loop {
            let joined = self.take_word("and");
            let ends = self.rest().is_empty() || self.rest().starts_with(')');
            let next_is_or = Parser { ..*self }.take_word("or");
            if !joined && (ends || next_is_or) {
                return Ok(one_or(parts, Expression::All));
            }
            parts.push(self.not()?);
        }
    }

    fn not(&mut self) -> Result<Expression, FilterError> {
        self.space();
        let begin = self.at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("too many parentheses within each other"));
        }
        let part = if self.take_word("not") {
            Expression::Not(Box::new(self.not()?))
        } else if self.take("(") {
            let inner = self.any()?;
            if !self.take(")") {
                return Err(self.error_at(begin, "this ( is not closed"));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        self.space();
        Ok(part)
    }

    fn test(&mut self) -> Result<Expression, FilterError> {
        let begin = self.at;
        let key: String = self.rest().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !KEYS.iter().any(|row| row.0 == key) {
            return Err(self.error(self.no_key(&key)));
        }
        self.at += key.len();
        self.space();
        let operator = self.operator()?;
        let mut tests = Vec::new();
        loop {
            self.space();
            tests.push(Expression::Test(self.value(&key, operator)?));
            if !self.take(",") {
                break;
            }
            if matches!(operator, Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual) {
                return Err(self.error_at(begin, "several values can only be compared by = or !="));
            }
        }
        // None of the values, where they must differ.
        let join = if operator == Operator::NotEqual { Expression::All } else { Expression::Any };
        Ok(one_or(tests, join))
    }

    /// What is wrong here, where a test does not begin with a key.
    fn no_key(&self, key: &str) -> String {
        const WORDS: [&str; 3] = ["and", "or", "not"];
        for (sign, word) in [("&", "and"), ("|", "or"), ("!", "not")] {
            if self.rest().starts_with(sign) {
                return format!("{sign} is no word of a filter; write {word}");
            }
        }
        let keys: Vec<&str> = KEYS.iter().map(|row| row.0).collect();
        let all = keys.join(", ");

        if key.is_empty() || WORDS.contains(&key) {
            return format!("a test must stand here; the keys are {all}");
        }
        let nearest = words::nearest(key, keys.into_iter().chain(WORDS)).unwrap_or_default();
        format!("there is no such key, the nearest is {nearest}; the keys are {all}")
    }

    fn operator(&mut self) -> Result<Operator, FilterError> {
        for (token, operator) in [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessEqual),
            (">=", Operator::GreaterEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ] {
            if self.take(token) {
                return if self.rest().starts_with(['=', '<', '>', '!']) {
                    Err(self.error("an operator is =, !=, <, <=, > or >=; equality is a single ="))
                } else {
                    Ok(operator)
                };
            }
        }
        Err(self.error("=, !=, <, <=, > or >= must stand here"))
    }

    /// One value: up to a space, a comma or a parenthesis, or between quotation marks.
    fn word(&mut self) -> Result<String, FilterError> {
        let begin = self.at;
        if self.take("\"") {
            let word: String = self.rest().chars().take_while(|c| *c != '"').collect();
            self.at += word.len();
            return if self.take("\"") { Ok(word) } else { Err(self.error_at(begin, "this \" is not closed")) };
        }
        let word: String =
            self.rest().chars().take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ')' | '(')).collect();
        self.at += word.len();
        if word.is_empty() { Err(self.error("a value must stand here")) } else { Ok(word) }
    }

    fn value(&mut self, key: &str, operator: Operator) -> Result<Test, FilterError> {
        let begin = self.at;
        let word = self.word()?;
        let number = || word.parse::<u64>().map_err(|_| self.error_at(begin, "this is no number"));
        let is_ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        let field = match key {
            "pid" => return Ok(Test::Number(Number::Pid, operator, number()?)),
            "group" => return Ok(Test::Number(Number::Group, operator, number()?)),
            "session" => return Ok(Test::Number(Number::Session, operator, number()?)),
            "uid" => return Ok(Test::Number(Number::Uid, operator, number()?)),
            "cgroup" => return Ok(Test::Number(Number::Cgroup, operator, number()?)),
            "time" => {
                let at = word
                    .parse()
                    .map_err(|error: crate::cli::at::AtError| self.error_at(begin + error.offset(), error.what()))?;
                return Ok(Test::Time { operator, at, limit: None });
            }
            _ if is_ordered => return Err(self.error_at(begin, "this key knows only = and !=")),
            "under" => return Ok(Test::Under(operator, number()?)),
            "unit" => return Ok(Test::Unit { operator, name: word, place: begin, ids: Vec::new() }),
            "name" => Word::Name,
            "exe" => Word::Executable,
            "tty" => Word::Tty,
            "kind" => Word::Kind,
            "signal" => Word::Signal,
            _ => Word::Rule,
        };
        if let Some(what) = words::unknown(field, &word) {
            return Err(self.error_at(begin, what));
        }
        Ok(Test::Word(field, operator, Glob::new(&word)))
    }
}

fn one_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}
