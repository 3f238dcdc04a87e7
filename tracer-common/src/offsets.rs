//! Offsets of kernel fields that userspace resolves from the running kernel's BTF and hands to the probes as the
//! read-only global `OFFSETS`. One table: a row is a field of [`Offsets`], the BTF path it comes from, and whether the
//! probes can do without it.

/// Whether a kernel without this field can be traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it the model would be wrong: loading is refused, by the field's name.
    Required,
    /// Absent on some supported kernels: the offset is [`ABSENT`] and the probes leave the value zero.
    Optional,
}

/// An offset that means "this kernel has no such field".
pub const ABSENT: u32 = u32::MAX;

macro_rules! offsets {
    ($($(#[$doc:meta])* $field:ident: $need:ident $($path:literal)|+;)*) => {
        /// Byte offsets, or [`ABSENT`].
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Offsets { $($(#[$doc])* pub $field: u32,)* }

        impl Offsets {
            /// Every offset absent: what the object is built with.
            pub const NONE: Self = Self { $($field: ABSENT,)* };

            /// Number of fields.
            pub const COUNT: usize = Self::FIELDS.len();

            /// Field name, need, and the BTF paths to try in order. A path is `struct.member[.member…]`; anonymous structs
            /// and unions on the way are looked through.
            pub const FIELDS: &[(&'static str, Need, &'static [&'static str])] =
                &[$((stringify!($field), Need::$need, &[$($path),+]),)*];

            /// Builds the table by asking `resolve` for every field, in the order of [`Self::FIELDS`].
            pub fn resolve<E>(mut resolve: impl FnMut(&'static str, Need, &'static [&'static str]) -> Result<u32, E>) -> Result<Self, E> {
                Ok(Self { $($field: resolve(stringify!($field), Need::$need, &[$($path),+])?,)* })
            }
        }
    };
}

offsets! {
    /// `task_struct.pid`.
    task_pid: Required "task_struct.pid";
    /// `task_struct.tgid`.
    task_tgid: Required "task_struct.tgid";
    /// `task_struct.group_leader`.
    task_group_leader: Required "task_struct.group_leader";
    /// `task_struct.real_parent`.
    task_real_parent: Required "task_struct.real_parent";
    /// `task_struct.start_boottime`.
    task_start_boottime: Required "task_struct.start_boottime";
    /// `task_struct.signal`.
    task_signal: Required "task_struct.signal";
    /// `task_struct.sighand`.
    task_sighand: Required "task_struct.sighand";
    /// `task_struct.blocked`.
    task_blocked: Required "task_struct.blocked";
    /// `task_struct.comm`.
    task_comm: Required "task_struct.comm";
    /// `task_struct.flags`.
    task_flags: Required "task_struct.flags";
    /// `task_struct.jobctl`.
    task_jobctl: Required "task_struct.jobctl";
    /// `task_struct.exit_state`.
    task_exit_state: Required "task_struct.exit_state";
    /// `task_struct.exit_code`.
    task_exit_code: Required "task_struct.exit_code";
    /// `task_struct.cred`.
    task_cred: Required "task_struct.cred";
    /// `task_struct.mm`.
    task_mm: Required "task_struct.mm";
    /// `task_struct.cgroups`.
    task_cgroups: Optional "task_struct.cgroups";
    /// `signal_struct.curr_target`.
    signal_curr_target: Required "signal_struct.curr_target";
    /// `signal_struct.pids`.
    signal_pids: Required "signal_struct.pids";
    /// `signal_struct.leader`.
    signal_leader: Required "signal_struct.leader";
    /// `signal_struct.tty`.
    signal_tty: Required "signal_struct.tty";
    /// `signal_struct.tty_old_pgrp`.
    signal_tty_old_pgrp: Required "signal_struct.tty_old_pgrp";
    /// `signal_struct.flags`.
    signal_flags: Required "signal_struct.flags";
    /// `signal_struct.group_exit_code`.
    signal_group_exit_code: Required "signal_struct.group_exit_code";
    /// `signal_struct.live`.
    signal_live: Required "signal_struct.live";
    /// Byte offset of the word that holds the bit field `is_child_subreaper`.
    signal_subreaper: Required "signal_struct.is_child_subreaper";
    /// `signal_struct.nr_threads`.
    signal_nr_threads: Required "signal_struct.nr_threads";
    /// `sighand_struct.action`.
    sighand_action: Required "sighand_struct.action";
    /// `k_sigaction.sa.sa_handler`.
    k_sigaction_handler: Required "k_sigaction.sa.sa_handler";
    /// `k_sigaction.sa.sa_flags`.
    k_sigaction_flags: Required "k_sigaction.sa.sa_flags";
    /// `pid.level`.
    pid_level: Required "pid.level";
    /// `pid.numbers`.
    pid_numbers: Required "pid.numbers";
    /// `pid.tasks`.
    pid_tasks: Required "pid.tasks";
    /// 6.9 and later.
    pid_ino: Optional "pid.ino";
    /// `upid.nr`.
    upid_nr: Required "upid.nr";
    /// `upid.ns`.
    upid_ns: Required "upid.ns";
    /// `pid_namespace.ns.inum`.
    pid_namespace_inum: Required "pid_namespace.ns.inum";
    /// `tty_struct.driver`.
    tty_driver: Required "tty_struct.driver";
    /// `tty_struct.index`.
    tty_index: Required "tty_struct.index";
    /// `tty_struct.driver_data`.
    tty_driver_data: Required "tty_struct.driver_data";
    /// In `ctrl` since 5.14.
    tty_pgrp: Required "tty_struct.ctrl.pgrp" | "tty_struct.pgrp";
    /// `tty_struct.ctrl.session`.
    tty_session: Required "tty_struct.ctrl.session" | "tty_struct.session";
    /// `tty_driver.major`.
    tty_driver_major: Required "tty_driver.major";
    /// `tty_driver.minor_start`.
    tty_driver_minor_start: Required "tty_driver.minor_start";
    /// `dentry.d_sb`.
    dentry_sb: Required "dentry.d_sb";
    /// `super_block.s_dev`.
    super_block_dev: Required "super_block.s_dev";
    /// `cred.uid`.
    cred_uid: Required "cred.uid";
    /// `mm_struct.arg_start`.
    mm_arg_start: Required "mm_struct.arg_start";
    /// `mm_struct.arg_end`.
    mm_arg_end: Required "mm_struct.arg_end";
    /// `task_struct.fs`.
    task_fs: Required "task_struct.fs";
    /// `task_struct.files`.
    task_files: Required "task_struct.files";
    /// `fs_struct.umask`.
    fs_umask: Required "fs_struct.umask";
    /// `fs_struct.root.mnt`.
    fs_root_mount: Required "fs_struct.root.mnt";
    /// `fs_struct.root.dentry`.
    fs_root_dentry: Required "fs_struct.root.dentry";
    /// `fs_struct.pwd.mnt`.
    fs_pwd_mount: Required "fs_struct.pwd.mnt";
    /// `fs_struct.pwd.dentry`.
    fs_pwd_dentry: Required "fs_struct.pwd.dentry";
    /// `files_struct.fdt`.
    files_table: Required "files_struct.fdt";
    /// `fdtable.fd`.
    table_files: Required "fdtable.fd";
    /// `file.f_inode`.
    file_inode: Required "file.f_inode";
    /// `inode.i_mode`.
    inode_mode: Required "inode.i_mode";
    /// `inode.i_rdev`.
    inode_device: Required "inode.i_rdev";
    /// `inode.i_sb`.
    inode_super_block: Required "inode.i_sb";
    /// `kernel_siginfo.si_code`.
    siginfo_code: Required "kernel_siginfo.si_code";
    /// `css_set.dfl_cgrp`.
    css_set_dfl_cgroup: Optional "css_set.dfl_cgrp";
    /// `cgroup.kn`.
    cgroup_kn: Optional "cgroup.kn";
    /// `kernfs_node.id`.
    kernfs_node_id: Optional "kernfs_node.id";
}
