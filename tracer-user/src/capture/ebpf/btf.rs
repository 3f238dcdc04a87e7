//! A reader of BTF, the kernel's description of its own types (Documentation/bpf/btf.rst): where a member of a struct is,
//! and how many arguments a tracepoint has.
//!
//! Total: any bytes give a result or an error. Must not: know which fields the probes read.

use std::collections::HashMap;

/// Why bytes are not usable BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// The header is missing, of another byte order, or of a version this reader does not know.
    #[error("no BTF header of version 1 in host byte order")]
    Header,
    /// A section or a type reaches past the end.
    #[error("cut short at type {0}")]
    Truncated(u32),
    /// A type of unknown kind: its length is unknown, so nothing after it can be read.
    #[error("type {0} is of the unknown kind {1}")]
    UnknownKind(u32, u32),
}

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the struct; for a bit field, of the 4-byte word that holds it.
    pub offset: u32,
    /// For a bit field, its first bit in that word; else 0.
    pub bit: u32,
}

/// BTF that has been indexed: every type's place, and the named types that are looked up.
pub struct Btf<'a> {
    types: Vec<Type<'a>>,
    strings: &'a [u8],
    pub(super) structs: HashMap<&'a [u8], Vec<u32>>,
    typedefs: HashMap<&'a [u8], u32>,
    functions: HashMap<&'a [u8], u32>,
}

/// One type: `struct btf_type` and what follows it.
#[derive(Clone, Copy)]
pub(super) struct Type<'a> {
    pub(super) name: u32,
    pub(super) kind: u32,
    pub(super) has_bit_sizes: bool,
    /// The size, or the type that is pointed to, renamed, qualified or returned.
    pub(super) target: u32,
    pub(super) rest: &'a [u8],
}

/// `struct btf_member`.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) name: u32,
    pub(super) type_id: u32,
    bit_offset: u32,
    bit_size: u32,
}

pub(super) const PTR: u32 = 2;
pub(super) const STRUCT: u32 = 4;
const UNION: u32 = 5;
pub(super) const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
pub(super) const FUNC: u32 = 12;
pub(super) const FUNC_PROTO: u32 = 13;
const TYPE_TAG: u32 = 18;

/// Bytes that follow `struct btf_type`: a fixed part, and a part for each of its elements.
const fn rest_size(kind: u32) -> Option<(usize, usize)> {
    Some(match kind {
        1 | 14 | 17 => (4, 0),
        3 => (12, 0),
        STRUCT | UNION | 15 | 19 => (0, 12),
        6 | FUNC_PROTO => (0, 8),
        PTR | 7..=FUNC | 16 | TYPE_TAG => (0, 0),
        _ => return None,
    })
}

/// Chains of typedefs are shorter than this in any kernel; in hostile bytes they may be cycles.
const MAX_DEPTH: u32 = 32;
/// Anonymous structs and unions within one struct, at any depth, that are looked into for a member; no kernel has so many, and
/// hostile bytes may have more ways through a cycle than there is time.
const MAX_NESTED: u32 = 256;

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

impl<'a> Btf<'a> {
    /// Indexes BTF, such as the contents of `/sys/kernel/btf/vmlinux`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let (types, strings) = sections(bytes).ok_or(BtfError::Header)?;
        let mut btf = Self {
            types: Vec::new(),
            strings,
            structs: HashMap::new(),
            typedefs: HashMap::new(),
            functions: HashMap::new(),
        };
        let mut left = types;
        while !left.is_empty() {
            let id = btf.types.len() as u32 + 1;
            let (one, rest) = read_type(left, id)?;
            left = rest;
            btf.types.push(one);
            let Some(name) = btf.name(one.name) else { continue };
            match one.kind {
                STRUCT | UNION => btf.structs.entry(name).or_default().push(id),
                TYPEDEF if name.starts_with(b"btf_trace_") => _ = btf.typedefs.insert(name, id),
                FUNC => _ = btf.functions.insert(name, id),
                _ => {}
            }
        }
        Ok(btf)
    }

    /// Resolves `struct.member[.member…]`, through anonymous structs and unions. `None` when there is no such member.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<Field> {
        let (name, members) = path.split_once('.')?;
        // Two translation units may each have a private struct of one name: the one that has the member is meant.
        self.structs.get(name.as_bytes())?.iter().find_map(|&id| self.field_in(id, members))
    }

    /// Number of arguments of a tracepoint, without the probe's private pointer. `None` when the kernel lacks it.
    #[must_use]
    pub fn tracepoint_arguments(&self, name: &str) -> Option<u32> {
        let typedef = *self.typedefs.get(format!("btf_trace_{name}").as_bytes())?;
        let pointer = self.get(self.strip(typedef)?)?;
        let prototype = self.get(if pointer.kind == PTR { self.strip(pointer.target)? } else { return None })?;
        let parameters = (prototype.rest.len() / 8) as u32;
        (prototype.kind == FUNC_PROTO).then(|| parameters.saturating_sub(1))
    }

    /// Type id of a kernel function, as `attach_btf_id` takes it.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<u32> {
        self.functions.get(name.as_bytes()).copied()
    }

    fn field_in(&self, struct_id: u32, path: &str) -> Option<Field> {
        let (mut current, mut base) = (struct_id, 0_u32);
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let (member, bits) = self.member(current, name.as_bytes(), &mut { MAX_NESTED })?;
            let total = base.checked_add(bits)?;
            if names.peek().is_none() {
                return Some(if member.bit_size == 0 {
                    Field { offset: total / 8, bit: 0 }
                } else {
                    Field { offset: total / 32 * 4, bit: total % 32 }
                });
            }
            (current, base) = (self.strip(member.type_id)?, total);
        }
        None
    }

    /// The member of this name and its offset in bits, looking into anonymous members.
    fn member(&self, struct_id: u32, name: &[u8], left: &mut u32) -> Option<(Member, u32)> {
        *left = left.checked_sub(1)?;
        for member in self.get(struct_id)?.members() {
            match self.name(member.name) {
                Some(found) if found == name => return Some((member, member.bit_offset)),
                Some(_) => {}
                None => {
                    let inner = self.strip(member.type_id).and_then(|id| self.member(id, name, left));
                    if let Some((found, bits)) = inner {
                        return Some((found, member.bit_offset.checked_add(bits)?));
                    }
                }
            }
        }
        None
    }

    pub(super) fn get(&self, id: u32) -> Option<Type<'a>> {
        // Type 0 is void and has no entry.
        self.types.get(usize::try_from(id).ok()?.checked_sub(1)?).copied()
    }

    /// The type behind typedefs and qualifiers.
    pub(super) fn strip(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            match self.get(id)? {
                Type { kind: TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG, target, .. } => id = target,
                _ => return Some(id),
            }
        }
        None
    }

    /// A name; `None` for an anonymous thing.
    pub(super) fn name(&self, offset: u32) -> Option<&'a [u8]> {
        let rest = self.strings.get(usize::try_from(offset).ok()?..)?;
        let name = rest.split(|&byte| byte == 0).next()?;
        (!name.is_empty()).then_some(name)
    }
}

impl<'a> Type<'a> {
    pub(super) fn members(self) -> impl Iterator<Item = Member> + 'a {
        let rest = if matches!(self.kind, STRUCT | UNION) { self.rest } else { &[] };
        rest.chunks_exact(12).filter_map(move |bytes| {
            let offset = word(bytes, 8)?;
            let (bit_offset, bit_size) =
                if self.has_bit_sizes { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
            Some(Member { name: word(bytes, 0)?, type_id: word(bytes, 4)?, bit_offset, bit_size })
        })
    }
}

/// The types and the strings, as the header places them.
fn sections(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let magic = u16::from_ne_bytes(*bytes.first_chunk()?);
    if magic != 0xeb9f || *bytes.get(2)? != 1 {
        return None;
    }
    let header = |at| word(bytes, at).and_then(|value| usize::try_from(value).ok());
    let body = bytes.get(header(4)?..)?;
    let section = |at| body.get(header(at)?..)?.get(..header(at + 4)?);
    Some((section(8)?, section(16)?))
}

/// Splits off the first type.
fn read_type(bytes: &[u8], id: u32) -> Result<(Type<'_>, &[u8]), BtfError> {
    let field = |at| word(bytes, at).ok_or(BtfError::Truncated(id));
    let info = field(4)?;
    let (kind, elements) = (info >> 24 & 0x1f, info as usize & 0xffff);
    let (fixed, each) = rest_size(kind).ok_or(BtfError::UnknownKind(id, kind))?;
    let end = 12 + fixed + each * elements;
    let rest = bytes.get(12..end).ok_or(BtfError::Truncated(id))?;
    let one = Type { name: field(0)?, kind, has_bit_sizes: info >> 31 != 0, target: field(8)?, rest };
    Ok((one, bytes.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURES: [&[u8]; 3] =
        [include_bytes!("fixtures/6.1.btf"), include_bytes!("fixtures/6.12.btf"), include_bytes!("fixtures/6.18.btf")];

    /// Builds BTF from types given as words; strings are `\0a\0b\0s\0`: a at 1, b at 3, s at 5.
    fn btf(types: &[&[u32]]) -> Vec<u8> {
        let length = types.concat().len() as u32 * 4;
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        for value in [24, 0, length, length, 7].iter().chain(types.concat().iter()) {
            bytes.extend_from_slice(&value.to_ne_bytes());
        }
        bytes.extend_from_slice(b"\0a\0b\0s\0");
        bytes
    }
    const INT: &[u32] = &[0, 1 << 24, 4, 32];

    #[test]
    fn members_are_found_through_anonymous_and_embedded_structs() {
        // 2: union { int b at 32 }; 3: const 2; 4: struct s { int a at 0; const union at 64 }; 5: struct a { struct s b at 128 }
        let bytes = btf(&[
            INT,
            &[0, UNION << 24 | 1, 8, 3, 1, 32],
            &[0, CONST << 24, 2],
            &[5, STRUCT << 24 | 2, 16, 1, 1, 0, 0, 3, 64],
            &[1, STRUCT << 24 | 1, 32, 3, 4, 128],
        ]);
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.field("s.a"), Some(Field { offset: 0, bit: 0 }));
        assert_eq!(btf.field("s.b"), Some(Field { offset: 12, bit: 0 }));
        assert_eq!(btf.field("a.b.b"), Some(Field { offset: 28, bit: 0 }));
        for absent in ["s.s", "b.a", "s", "a.b.a.a", "", "."] {
            assert_eq!(btf.field(absent), None, "{absent}");
        }
    }

    #[test]
    fn a_bit_field_is_its_word_and_bit() {
        let bit = |start: u32| 1 << 24 | start;
        let bytes = btf(&[INT, &[5, 1 << 31 | STRUCT << 24 | 2, 8, 1, 1, bit(33), 3, 1, bit(63)]]);
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.field("s.a"), Some(Field { offset: 4, bit: 1 }));
        assert_eq!(btf.field("s.b"), Some(Field { offset: 4, bit: 31 }));
    }

    #[test]
    fn tracepoints_are_counted_without_the_private_pointer() {
        let counts = |name| FIXTURES.map(|bytes| Btf::parse(bytes).unwrap().tracepoint_arguments(name));
        assert_eq!(counts("sched_process_exit"), [Some(1), Some(1), Some(2)]);
        assert_eq!(counts("sched_switch"), [Some(4), Some(4), Some(4)]);
        assert_eq!(counts("signal_generate"), [Some(5), Some(5), Some(5)]);
        assert_eq!(counts("no_such_tracepoint"), [None, None, None]);
    }

    #[test]
    fn cycles_end() {
        // 1: typedef of 2, 2: typedef of 1; 3: struct s { anonymous 3 }
        let bytes = btf(&[&[1, TYPEDEF << 24, 2], &[1, TYPEDEF << 24, 1], &[5, STRUCT << 24 | 1, 4, 0, 3, 0]]);
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.strip(1), None);
        assert_eq!(btf.field("s.a"), None);
    }

    #[test]
    fn a_cycle_with_many_ways_through_it_ends() {
        // 1: struct s { anonymous 1; anonymous 1; anonymous 1 }
        let bytes = btf(&[&[5, STRUCT << 24 | 3, 4, 0, 1, 0, 0, 1, 0, 0, 1, 0]]);
        assert_eq!(Btf::parse(&bytes).unwrap().field("s.a"), None);
    }

    #[test]
    fn what_is_no_btf_is_refused_in_words() {
        let refused = |bytes: &[u8]| Btf::parse(bytes).err();
        assert_eq!(refused(&[]), Some(BtfError::Header));
        assert_eq!(refused(b"\x7fELF and more bytes than a header has"), Some(BtfError::Header));
        assert_eq!(refused(&btf(&[INT, &[0, 31 << 24, 0]])), Some(BtfError::UnknownKind(2, 31)));
        assert_eq!(refused(&btf(&[INT, &[0, STRUCT << 24 | 9, 0]])), Some(BtfError::Truncated(2)));
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let whole = FIXTURES[2];
        for end in 0..whole.len() {
            exercise(&whole[..end]);
        }
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % below
        };
        for _ in 0..3000 {
            let mut bytes = whole.to_vec();
            for _ in 0..=random(8) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            exercise(&bytes);
        }
    }

    /// Asks everything of bytes that may be anything.
    fn exercise(bytes: &[u8]) {
        let Ok(btf) = Btf::parse(bytes) else { return };
        for path in
            ["task_struct.pid", "tty_struct.ctrl.pgrp", "signal_struct.is_child_subreaper", "k_sigaction.sa.sa_flags"]
        {
            let _ = btf.field(path);
        }
        let _ = (btf.tracepoint_arguments("sched_switch"), btf.function_id("ksys_setsid"));
    }
}
