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
    structs: HashMap<&'a [u8], Vec<u32>>,
    typedefs: HashMap<&'a [u8], u32>,
    functions: HashMap<&'a [u8], u32>,
}

/// One type: `struct btf_type` and what follows it.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    kind: u32,
    has_bit_sizes: bool,
    /// The size, or the type that is pointed to, renamed, qualified or returned.
    target: u32,
    rest: &'a [u8],
}

/// `struct btf_member`.
#[derive(Clone, Copy)]
struct Member {
    name: u32,
    type_id: u32,
    bit_offset: u32,
    bit_size: u32,
}

const PTR: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
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

/// Chains of typedefs and nests of anonymous structs are shorter than this in any kernel; in hostile bytes they may be cycles.
const MAX_DEPTH: u32 = 32;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
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
            let (member, bits) = self.member(current, name.as_bytes(), MAX_DEPTH)?;
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
    fn member(&self, struct_id: u32, name: &[u8], depth: u32) -> Option<(Member, u32)> {
        let depth = depth.checked_sub(1)?;
        for member in self.get(struct_id)?.members() {
            match self.name(member.name) {
                Some(found) if found == name => return Some((member, member.bit_offset)),
                Some(_) => {}
                None => {
                    let inner = self.strip(member.type_id).and_then(|id| self.member(id, name, depth));
                    if let Some((found, bits)) = inner {
                        return Some((found, member.bit_offset.checked_add(bits)?));
                    }
                }
            }
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        // Type 0 is void and has no entry.
        self.types.get(usize::try_from(id).ok()?.checked_sub(1)?).copied()
    }

    /// The type behind typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            match self.get(id)? {
                Type { kind: TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG, target, .. } => id = target,
                _ => return Some(id),
            }
        }
        None
    }

    /// A name; `None` for an anonymous thing.
    fn name(&self, offset: u32) -> Option<&'a [u8]> {
        let rest = self.strings.get(usize::try_from(offset).ok()?..)?;
        let name = rest.split(|&byte| byte == 0).next()?;
        (!name.is_empty()).then_some(name)
    }
}

impl<'a> Type<'a> {
    fn members(self) -> impl Iterator<Item = Member> + 'a {
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
