//! Byte strings that are short nearly always: kept in place, so that making and copying one allocates nothing.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// As many are kept in place: `TASK_COMM_LEN` is 16, and the type is no larger than a `Vec`.
const IN_PLACE: usize = 22;

/// Bytes.
#[derive(Clone)]
pub struct Short(Kept);

#[derive(Clone)]
enum Kept {
    /// So many, and zeros.
    Few(u8, [u8; IN_PLACE]),
    Many(Box<[u8]>),
}

impl Default for Short {
    fn default() -> Self {
        Self(Kept::Few(0, [0; IN_PLACE]))
    }
}

impl Deref for Short {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::Few(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Many(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Short {
    fn from(bytes: &[u8]) -> Self {
        let mut few = [0; IN_PLACE];
        match few.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self(Kept::Few(bytes.len() as u8, few))
            }
            None => Self(Kept::Many(bytes.into())),
        }
    }
}

impl From<Vec<u8>> for Short {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<&str> for Short {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl PartialEq for Short {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kept::Few(length, bytes), Kept::Few(other_length, other_bytes)) => {
                length == other_length && bytes == other_bytes
            }
            _ => **self == **other,
        }
    }
}
impl Eq for Short {}

impl<const N: usize> PartialEq<&[u8; N]> for Short {
    fn eq(&self, other: &&[u8; N]) -> bool {
        **self == other[..]
    }
}

impl PartialOrd for Short {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Short {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}
impl Hash for Short {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_goes_in_comes_out() {
        for length in 0..64 {
            let bytes: Vec<u8> = (0..length).collect();
            let short = Short::from(bytes.clone());
            assert_eq!(*short, *bytes);
            assert_eq!(short, Short::from(bytes.as_slice()));
            assert_ne!(short, Short::from([bytes.as_slice(), b"\0"].concat()), "a zero more is another string");
        }
        assert_eq!(size_of::<Short>(), size_of::<Vec<u8>>());
    }
}
