//! A program of 32 bits, written as its bytes: no 32-bit compiler is needed, only a kernel that runs such programs
//! (`CONFIG_IA32_EMULATION`).

use std::{ffi::CString, io::Write as _, os::fd::AsFd as _};

use anyhow::{Context as _, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Where it is loaded: where such programs are.
const BASE: u32 = 0x0804_8000;
/// Of the ELF header and its one program header (elf(5)).
const HEADERS: usize = 52 + 32;
/// Calls of i386 (`arch/x86/entry/syscalls/syscall_32.tbl`).
const EXIT: u32 = 1;
const READ: u32 = 3;
const KILL: u32 = 37;
const SETPGID: u32 = 57;
const GETPPID: u32 = 64;
const PRCTL: u32 = 172;

/// Executes a 32-bit program that names itself, makes itself the leader of a group, sends SIGTERM to its parent, waits for a
/// number at its stdin and exits with 3.
pub fn execute(role: &str) -> Result<()> {
    let name = CString::new(role)?;
    let program = memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC).context("memfd_create")?;
    std::fs::File::from(program.try_clone()?).write_all(&elf(&code(&name))).context("memfd")?;
    nix::unistd::fexecve(program.as_fd(), &[name.as_c_str()], &[c""; 0])
        .context("fexecve of a 32-bit program, which needs CONFIG_IA32_EMULATION")?;
    Ok(())
}

/// Its instructions, and behind them its name.
fn code(name: &CString) -> Vec<u8> {
    let mut code = Vec::new();
    call(&mut code, PRCTL, &[]);
    // mov ebx, PR_SET_NAME; mov ecx, the name
    code.extend([0xbb, libc::PR_SET_NAME as u8, 0, 0, 0, 0xb9]);
    let name_at = code.len();
    code.extend([0; 4]);
    trap(&mut code);
    // xor ebx, ebx; xor ecx, ecx
    call(&mut code, SETPGID, &[0x31, 0xdb, 0x31, 0xc9]);
    trap(&mut code);
    call(&mut code, GETPPID, &[]);
    trap(&mut code);
    // mov ebx, eax
    code.extend([0x89, 0xc3]);
    // mov ecx, SIGTERM
    call(&mut code, KILL, &[0xb9, libc::SIGTERM as u8, 0, 0, 0]);
    trap(&mut code);
    // xor ebx, ebx; mov ecx, esp; mov edx, 4
    call(&mut code, READ, &[0x31, 0xdb, 0x89, 0xe1, 0xba, 4, 0, 0, 0]);
    trap(&mut code);
    // mov ebx, 3
    call(&mut code, EXIT, &[0xbb, 3, 0, 0, 0]);
    trap(&mut code);
    let address = BASE + (HEADERS + code.len()) as u32;
    code.splice(name_at..name_at + 4, address.to_le_bytes());
    code.extend(name.as_bytes_with_nul());
    code
}

/// mov eax, the number of a call; then what sets its arguments.
fn call(code: &mut Vec<u8>, number: u32, arguments: &[u8]) {
    code.push(0xb8);
    code.extend(number.to_le_bytes());
    code.extend(arguments);
}

/// int 0x80
fn trap(code: &mut Vec<u8>) {
    code.extend([0xcd, 0x80]);
}

/// An executable of one segment.
fn elf(code: &[u8]) -> Vec<u8> {
    let length = (HEADERS + code.len()) as u32;
    // Class 32, little endian, version 1; the rest is zero.
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |elf: &mut Vec<u8>, values: &[u16]| elf.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let words = |elf: &mut Vec<u8>, values: &[u32]| elf.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    // ET_EXEC, EM_386; version, entry, where the program header is, no sections, no flags.
    halves(&mut elf, &[2, 3]);
    words(&mut elf, &[1, BASE + HEADERS as u32, 52, 0, 0]);
    halves(&mut elf, &[52, 32, 1, 0, 0, 0]);
    // PT_LOAD of everything, readable and executable, in pages.
    words(&mut elf, &[1, 0, BASE, BASE, length, length, 5, 0x1000]);
    elf.extend(code);
    elf
}
