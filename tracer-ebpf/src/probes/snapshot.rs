//! The task iterator: one record for each process, numbered like any other. It also fills the pid table.

use aya_ebpf::helpers::generated::bpf_seq_write;
use tracer_common::{
    control::{LOST, loss_slot},
    record::{Kind as _, Snapshot},
};

use crate::{
    emit,
    load::Ptr,
    pids,
    task::{self, Task},
};

/// `struct bpf_iter__task` (`kernel/bpf/task_iter.c`).
#[repr(C)]
pub struct IterTask {
    meta: *const IterMeta,
    task: Ptr,
}

/// The start of `struct bpf_iter_meta` (`include/linux/bpf.h`).
#[repr(C)]
struct IterMeta {
    seq_file: *mut core::ffi::c_void,
}

/// One call of the iterator. Threads other than leaders are passed over, and the null task at its end.
///
/// The kernel shows a task again that found no room in its buffer of 32 KiB. The number it had is then counted as lost,
/// so whoever reads the iterator asks for 16 KiB at most, and that never comes to pass.
#[inline(always)]
pub fn show(ctx: *const IterTask) {
    // SAFETY: the verifier knows this context and its types.
    let (meta, task) = unsafe { ((*ctx).meta, (*ctx).task) };
    if task.is_null() {
        return;
    }
    let id = task::id(task);
    let task = Task::new(task);
    if id.tid != id.tgid {
        return;
    }
    // SAFETY: made of integers, for which zero is a value.
    let mut record: Snapshot = unsafe { core::mem::zeroed() };
    emit::write_header(&mut record.header, emit::next_number(), Snapshot::KIND, task::current());
    record.header.flags = task.state(&mut record.state);
    // SAFETY: the record lives through the call; the verifier knows `seq_file`.
    let failed =
        unsafe { bpf_seq_write((*meta).seq_file.cast(), (&raw const record).cast(), size_of::<Snapshot>() as u32) };
    if failed != 0 {
        emit::count(LOST + loss_slot(Snapshot::KIND, None));
    }
    // Last, for the verifier's sake: see NEWTASK.
    pids::register(task, id.tgid, id.start);
}
