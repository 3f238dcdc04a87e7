//! What a probe object promises its loader: programs, maps, and the layout of the types in its globals, read from its
//! ELF and BTF.
//!
//! Must not: depend on tracer-user, which does not build while the object is stale.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// The promise.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// Name of a program -> its section, which says type and hook.
    pub programs: BTreeMap<String, String>,
    /// Name of a map -> its definition: type, sizes of key and value, entries, flags.
    pub maps: BTreeMap<String, Vec<u8>>,
    /// Name of a struct or union within a global -> its layout.
    pub layouts: BTreeMap<String, Layout>,
}

/// Layout of a struct or union.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// In bytes.
    pub size: u32,
    /// Names and byte offsets of the members, in order.
    pub members: Vec<(String, u32)>,
}

/// Reads an object.
pub fn summary(bytes: &[u8]) -> anyhow::Result<Summary> {
    let file = object::File::parse(bytes).context("the object is not ELF")?;
    let mut summary = Summary { programs: BTreeMap::new(), maps: BTreeMap::new(), layouts: BTreeMap::new() };
    for symbol in file.symbols().filter(object::ObjectSymbol::is_global) {
        let Some(index) = symbol.section_index() else { continue };
        let section = file.section_by_index(index)?;
        let (name, place) = (symbol.name()?.to_owned(), section.name()?.to_owned());
        if symbol.kind() == SymbolKind::Text && place != ".text" {
            summary.programs.insert(name, place);
        } else if place == "maps" {
            let definition = section.data_range(symbol.address(), symbol.size())?;
            summary.maps.insert(name, definition.unwrap_or_default().to_vec());
        }
    }
    let section = file.section_by_name(".BTF").context("the object has no BTF")?;
    let btf = Btf::parse(section.data()?).context("the object's BTF is malformed")?;
    for id in btf.variables() {
        btf.collect(id, &mut summary.layouts).context("the object's BTF is malformed")?;
    }
    Ok(summary)
}

/// Names of all symbols.
pub fn symbol_names(bytes: &[u8]) -> anyhow::Result<Vec<String>> {
    let file = object::File::parse(bytes).context("the object is not ELF")?;
    file.symbols().map(|symbol| Ok(symbol.name()?.to_owned())).collect()
}

/// Says in which way two objects differ, or nothing.
pub fn compare(old: &Summary, new: &Summary) -> anyhow::Result<()> {
    if old.programs != new.programs {
        bail!("the programs differ:\ncommitted {:?}\nrebuilt   {:?}", old.programs, new.programs);
    }
    if old.maps != new.maps {
        bail!("the maps differ:\ncommitted {:?}\nrebuilt   {:?}", old.maps, new.maps);
    }
    if old.layouts != new.layouts {
        bail!("the types differ:\ncommitted {:?}\nrebuilt   {:?}", old.layouts, new.layouts);
    }
    Ok(())
}

/// Types by id, from 1 (Documentation/bpf/btf.rst).
struct Btf<'a> {
    types: Vec<Type<'a>>,
    strings: &'a [u8],
}

struct Type<'a> {
    name: u32,
    kind: u32,
    size_or_target: u32,
    rest: &'a [u8],
}

const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const VAR: u32 = 14;

impl<'a> Btf<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = word(bytes, 4)? as usize;
        let section = |at| Some((word(bytes, at)? as usize, word(bytes, at + 4)? as usize));
        let (types_at, types_len) = section(8)?;
        let (strings_at, strings_len) = section(16)?;
        let mut types = bytes.get(header + types_at..)?.get(..types_len)?;
        let strings = bytes.get(header + strings_at..)?.get(..strings_len)?;
        let mut parsed = Vec::new();
        while !types.is_empty() {
            let info = word(types, 4)?;
            let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            let rest = match kind {
                1 | VAR | 17 => 4,
                ARRAY => 12,
                STRUCT | UNION | 15 | 19 => count * 12,
                6 | 13 => count * 8,
                _ => 0,
            };
            parsed.push(Type {
                name: word(types, 0)?,
                kind,
                size_or_target: word(types, 8)?,
                rest: types.get(12..12 + rest)?,
            });
            types = types.get(12 + rest..)?;
        }
        Some(Self { types: parsed, strings })
    }

    fn get(&self, id: u32) -> Option<&Type<'a>> {
        self.types.get((id as usize).checked_sub(1)?)
    }

    fn name(&self, at: u32) -> Option<String> {
        let bytes = self.strings.get(at as usize..)?.split(|byte| *byte == 0).next()?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// Types of the global variables.
    fn variables(&self) -> impl Iterator<Item = u32> {
        self.types.iter().filter(|one| one.kind == VAR).map(|one| one.size_or_target)
    }

    /// Adds the layouts of a type and of the types in it. Pointers are not followed.
    fn collect(&self, id: u32, layouts: &mut BTreeMap<String, Layout>) -> Option<()> {
        let one = self.get(id)?;
        match one.kind {
            STRUCT | UNION => {
                let mut members = Vec::new();
                for member in one.rest.chunks_exact(12) {
                    members.push((self.name(word(member, 0)?)?, (word(member, 8)? & 0xff_ffff) / 8));
                    self.collect(word(member, 4)?, layouts)?;
                }
                layouts.insert(self.name(one.name)?, Layout { size: one.size_or_target, members });
            }
            ARRAY => self.collect(word(one.rest, 0)?, layouts)?,
            _ => {}
        }
        Some(())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::{fs, mem::offset_of};

    use tracer_common::{
        control::Config,
        offsets::Offsets,
        record::{self, RECORDS},
    };

    use super::*;

    fn committed() -> Summary {
        summary(&fs::read(crate::root().unwrap().join(super::super::OBJECT)).unwrap()).unwrap()
    }

    fn layout(size: usize, fields: &[(&str, usize)]) -> Layout {
        let members = fields.iter().map(|(name, offset)| ((*name).to_owned(), u32::try_from(*offset).unwrap()));
        Layout { size: u32::try_from(size).unwrap(), members: members.collect() }
    }

    #[test]
    fn records_have_the_layout_of_the_rust_types() {
        let layouts = committed().layouts;
        macro_rules! compare {
            ($($name:ident)*) => {$(
                let rust = layout(size_of::<record::$name>(), record::$name::FIELDS);
                assert_eq!(layouts.get(stringify!($name)), Some(&rust), stringify!($name));
            )*};
        }
        compare!(TaskId Header State NewTask Exec Exit Dead Stopped Freed SignalGenerated SignalDelivered Enter Leave Snapshot);
        for (_, name, size) in RECORDS {
            assert_eq!(layouts.get(*name).map(|layout| layout.size as usize), Some(*size), "{name}");
        }
        let largest = RECORDS.iter().map(|(_, _, size)| *size).max().unwrap();
        let every = &layouts["AnyRecord"];
        assert_eq!((every.members.len(), every.size as usize), (RECORDS.len(), largest));
    }

    #[test]
    fn globals_have_the_layout_of_the_rust_types() {
        let layouts = committed().layouts;
        let offsets: Vec<_> = Offsets::FIELDS.iter().enumerate().map(|(row, field)| (field.0, row * 4)).collect();
        assert_eq!(layouts.get("Offsets"), Some(&layout(size_of::<Offsets>(), &offsets)));
        macro_rules! fields {
            ($($field:ident)*) => { [$((stringify!($field), offset_of!(Config, $field))),*] };
        }
        let config = fields!(abi_version exit_has_group_dead switch_has_prev_state subreaper_bit has_subreaper_bit
            capture_arguments tty_io descriptors dispositions blocked attribute_rate);
        assert_eq!(layouts.get("Config"), Some(&layout(size_of::<Config>(), &config)));
    }

    #[test]
    fn programs_have_the_names_and_hooks_that_the_loader_knows() {
        let programs = committed().programs;
        let programs: Vec<(&str, &str)> = programs.iter().map(|(name, hook)| (name.as_str(), hook.as_str())).collect();
        let expected = [
            ("attribute_enter_one", "tracepoint"),
            ("attribute_enter_three", "tracepoint"),
            ("attribute_leave", "tracepoint"),
            ("enter_four", "tracepoint"),
            ("enter_none", "tracepoint"),
            ("enter_setpgid", "tracepoint"),
            ("enter_three", "tracepoint"),
            ("enter_two", "tracepoint"),
            ("exec", "tp_btf/sched_process_exec"),
            ("exit", "tp_btf/sched_process_exit"),
            ("free", "tp_btf/sched_process_free"),
            ("leave_other", "tracepoint"),
            ("leave_setpgid", "tracepoint"),
            ("leave_wait", "tracepoint"),
            ("newtask", "tp_btf/task_newtask"),
            ("signal_deliver", "tp_btf/signal_deliver"),
            ("signal_generate", "tp_btf/signal_generate"),
            ("snapshot", "iter/task"),
            ("switch", "tp_btf/sched_switch"),
        ];
        assert_eq!(programs, expected);
    }

    #[test]
    fn a_changed_promise_is_told() {
        let (old, mut new) = (committed(), committed());
        compare(&old, &new).unwrap();
        new.layouts.get_mut("Leave").unwrap().members[3].1 += 4;
        assert!(compare(&old, &new).unwrap_err().to_string().starts_with("the types differ"));
        new.maps.remove("CALLS");
        assert!(compare(&old, &new).unwrap_err().to_string().starts_with("the maps differ"));
        new.programs.remove("leave_wait");
        assert!(compare(&old, &new).unwrap_err().to_string().starts_with("the programs differ"));
    }
}
