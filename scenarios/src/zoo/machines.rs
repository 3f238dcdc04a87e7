//! What a service manager and a container runtime start, each in namespaces and a control group of its own, and display servers.
//!
//! The service manager is systemd itself, as the first process of a pid namespace, with its journal and its manager of a user.
//! It believes that it is in a container, which is made so that it can touch nothing of the machine.

use super::Animal;

/// Whoever starts it ends at once. The shell outside removes the control group when the manager has ended, and hears of no hangup,
/// and has neither a mark nor a path by which it would be ended with that.
const SYSTEMD: &str =
    "env -i PATH=\"$PATH\" ZOO_MARK=\"$ZOO\" setsid unshare -m sh <$ZOO_DIR/outside >/dev/null 2>&1 &";

const OUTSIDE: (&str, &str) = (
    "outside",
    "mount --make-rprivate /
mount -t cgroup2 cgroup2 /mnt || exit
group=/mnt/sesstrace-zoo-$$
mkdir $group || exit
echo $$ >$group/cgroup.procs || { rmdir $group; exit; }
unshare --pid --fork --kill-child --mount --cgroup --uts --ipc --net sh @DIR@/inside
echo $$ >/mnt/cgroup.procs
for try in $(seq 100); do
    find $group -depth -type d -exec rmdir {} + 2>/dev/null
    test -d $group || exit
    sleep 0.1
done
",
);

/// Nothing of the machine can be written there but the scratch directory, or nothing is started; its network is its own; and no unit can be found that is not one of the
/// animal's: what the distribution brings would set up the machine, which is none of its own.
const INSIDE: (&str, &str) = (
    "inside",
    "set -e
mount --bind @DIR@ @DIR@
cut -d' ' -f2 /proc/self/mounts | while read where; do mount -o remount,bind,ro $where || true; done
mount -o remount,bind,rw @DIR@
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount --bind /dev/null /dev/console
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/zoo /run/user/0
cp @DIR@/zoo.target @DIR@/*.service @DIR@/*.socket /run/zoo
for place in / /tmp /var /var/tmp /etc /usr /root /dev /dev/shm /sys /proc/sys /proc/sys/kernel/pid_max; do
    if test -w $place; then exit 1; fi
done
exec env -i PATH=$PATH ZOO=$ZOO_MARK container=zoo SYSTEMD_UNIT_PATH=/run/zoo /lib/systemd/systemd --system --unit=zoo.target --show-status=no --log-target=null
",
);

/// What is there beside the service: the journal.
const TARGET: (&str, &str) =
    ("zoo.target", "[Unit]\nDefaultDependencies=no\nWants=journal.socket journal.service zoo.service user@0.service\n");
const JOURNAL: (&str, &str) = (
    "journal.service",
    "[Unit]\nDefaultDependencies=no\nRequires=journal.socket\nAfter=journal.socket\n[Service]\nType=notify\nSockets=journal.socket\nExecStart=/lib/systemd/systemd-journald\n",
);
const JOURNAL_SOCKET: (&str, &str) = (
    "journal.socket",
    "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/systemd/journal/stdout\nListenDatagram=/run/systemd/journal/socket\nService=journal.service\n",
);

/// A program with a name of its own.
const ERRAND: (&str, &str) = ("prepare", "cp /bin/sleep errand");

/// Beginning of a unit. What it writes goes to the journal, so that has to be there.
macro_rules! unit {
    ($service:literal) => {
        concat!("[Unit]\nDefaultDependencies=no\nAfter=journal.socket\n[Service]\n", $service)
    };
}

/// A service that is there.
macro_rules! service {
    ($service:literal) => {
        &[ERRAND, OUTSIDE, INSIDE, TARGET, JOURNAL, JOURNAL_SOCKET, ("zoo.service", unit!($service))]
    };
}

/// Them.
pub const MACHINES: &[Animal] = &[
    Animal {
        name: "systemd, simple",
        program: "systemd",
        start: SYSTEMD,
        files: service!("ExecStart=@DIR@/errand 600\n"),
        survivor: "errand",
        truth: "new S no / 022 null closed yes/yes",
        rules: "",
        verdict: "detached",
    },
    Animal {
        name: "systemd, forking",
        program: "systemd",
        start: SYSTEMD,
        files: service!(
            "Type=forking\nExecStart=/usr/bin/perl -e 'use POSIX; fork && exit; POSIX::setsid(); open STDIN, \"</dev/null\"; open STDOUT, \">/dev/null\"; open STDERR, \">&STDOUT\"; exec \"@DIR@/errand\", 600'\n"
        ),
        survivor: "errand",
        truth: "new S no / 022 null closed yes/yes",
        rules: "",
        verdict: "detached",
    },
    Animal {
        name: "systemd, notify",
        program: "systemd",
        start: SYSTEMD,
        files: service!(
            "Type=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --ready; exec @DIR@/errand 600'\n"
        ),
        survivor: "errand",
        truth: "new S no / 022 null closed yes/yes",
        rules: "",
        verdict: "detached",
    },
    Animal {
        name: "systemd, of a user",
        program: "systemd",
        start: SYSTEMD,
        files: &[
            ("prepare", "cp /bin/sleep errand && mkdir units && mv of-user.service units"),
            OUTSIDE,
            INSIDE,
            TARGET,
            JOURNAL,
            JOURNAL_SOCKET,
            (
                "user@0.service",
                unit!(
                    "Type=notify\nSlice=user-0.slice\nDelegate=yes\nEnvironment=XDG_RUNTIME_DIR=/run/user/0 HOME=@DIR@ SYSTEMD_UNIT_PATH=@DIR@/units\nExecStart=/lib/systemd/systemd --user --unit=of-user.service\n"
                ),
            ),
            ("of-user.service", "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=@DIR@/errand 600\n"),
        ],
        survivor: "errand",
        truth: "new S no kept 022 null closed yes/yes",
        rules: "",
        verdict: "detached",
    },
    Animal {
        name: "crun run, with a terminal",
        program: "crun",
        start: "unshare -m script -qfc \"sh $ZOO_DIR/inside\" /dev/null </dev/null >/dev/null 2>&1 &",
        files: &[
            ("prepare", "cp /bin/sleep errand && mkdir rootfs"),
            (
                "inside",
                "set -e
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --rbind / @DIR@/rootfs
exec crun --root @DIR@/state --cgroup-manager=disabled run -b @DIR@ zoo
",
            ),
            (
                "config.json",
                r#"{"ociVersion": "1.0.2", "process": {"terminal": true, "args": ["@DIR@/errand", "600"], "cwd": "/"},
"root": {"path": "@DIR@/rootfs"}, "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]},
"mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}]}"#,
            ),
        ],
        survivor: "errand",
        truth: "new S tty / 027 tty closed yes/yes",
        rules: "",
        verdict: "attached",
    },
    Animal {
        name: "Xvfb",
        program: "Xvfb",
        start: "setsid -f Xvfb -displayfd 1 -screen 0 64x64x24 -nolisten tcp </dev/null >$ZOO_DIR/display 2>&1",
        files: &[],
        survivor: "Xvfb",
        truth: "new S no kept 027 null leak no/no",
        rules: "JC502 JC505 JC506abcd",
        verdict: "detached",
    },
    Animal {
        name: "Xorg without a console",
        program: "Xorg",
        start: "setsid -f Xorg -config $ZOO_DIR/xorg.conf -logfile $ZOO_DIR/log -displayfd 1 -nolisten tcp </dev/null >$ZOO_DIR/display 2>&1",
        files: &[(
            "xorg.conf",
            "Section \"Device\"\nIdentifier \"device\"\nDriver \"dummy\"\nEndSection\nSection \"Screen\"\nIdentifier \"screen\"\nDevice \"device\"\nEndSection\nSection \"ServerFlags\"\nOption \"AutoAddDevices\" \"false\"\nOption \"DontVTSwitch\" \"true\"\nEndSection\n",
        )],
        survivor: "Xorg",
        truth: "new S no kept 022 null leak no/no",
        rules: "JC502 JC505 JC506acd",
        verdict: "detached",
    },
];
