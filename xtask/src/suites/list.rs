//! The suites: what they need, where they come from, how they are built and run.
//!
//! A `run` prints what its suite found, a line for each result, without times and numbers of processes: two runs that went
//! alike print the same lines, in any order.

/// A suite.
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Debian packages that it needs.
    pub packages: &'static [&'static str],
    /// The Debian source package whose upstream archive is unpacked.
    pub source: Option<&'static str>,
    /// Files of ours that are put beside it.
    pub files: &'static [(&'static str, &'static str)],
    /// A shell script that builds it, in its folder.
    pub build: &'static str,
    /// A shell script that runs it, in its folder.
    pub run: &'static str,
    /// How often it is run in one go: starting a tracer for each run of a short one would take longer than the runs.
    pub times: usize,
}

/// The Debian packages that every suite needs.
pub const PACKAGES: &[&str] = &["bpftrace", "util-linux", "mount"];

/// All of them.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "bash",
        about: "bash's tests of job control, tests/run-jobs",
        packages: &["bash", "dpkg-dev"],
        source: Some("bash"),
        files: &[],
        build: "",
        run: "cd tests && THIS_SH=/bin/bash BASH_TSTOUT=../outcome sh run-jobs; echo status $?",
        times: 1,
    },
    Suite {
        name: "cpython",
        about: "CPython's test_subprocess, test_os, test_pty, test_signal, test_posix, test_wait3, test_wait4, test_fork1, test_openpty",
        packages: &["libpython3.11-testsuite"],
        source: None,
        files: &[("junit.py", include_str!("junit.py"))],
        build: "",
        run: "/usr/bin/python3.11 -m test --junit-xml junit.xml test_subprocess test_os test_pty test_signal test_posix \
              test_wait3 test_wait4 test_fork1 test_openpty >&2; echo status $?; /usr/bin/python3.11 junit.py junit.xml",
        times: 1,
    },
    Suite {
        name: "dumb-init",
        about: "dumb-init's tests: an init that passes signals on to a session or a process",
        packages: &["dpkg-dev", "gcc", "libc6-dev", "python3-pytest", "python3-mock", "procps"],
        source: Some("dumb-init"),
        files: &[],
        build: "cc -std=gnu99 -O2 -o dumb-init dumb-init.c",
        run: "PATH=$PWD:$PATH /usr/bin/python3.11 -m pytest -c /dev/null --rootdir . -rA -q -p no:cacheprovider tests >pytest.log; \
              echo status $?; cat pytest.log >&2; grep -E '^(PASSED|FAILED|ERROR|SKIPPED) ' pytest.log | sed 's/ - .*//'",
        times: 1,
    },
    Suite {
        name: "zsh",
        about: "zsh's tests of execution, traps, process substitution, kill, ptys and jobs",
        packages: &["zsh", "dpkg-dev"],
        source: Some("zsh"),
        files: &[],
        build: "",
        run: "cd Test && for test in A05 B11 C03 C05 D03 D08 V08 V14 W02 W03; do \
              ZTST_exe=/bin/zsh ZTST_srcdir=$PWD ZTST_testdir=$PWD zsh +Z -f ./ztst.zsh $PWD/$test*.ztst >../$test.log 2>&1; \
              echo $test status $?; cat ../$test.log >&2; grep -E 'success|Was testing|^Test .* (failed|was expected)' ../$test.log; done",
        times: 2,
    },
    Suite {
        name: "mksh",
        about: "mksh's whole test suite",
        packages: &["mksh", "dpkg-dev", "perl", "ed"],
        source: Some("mksh"),
        files: &[],
        build: "",
        run: "rm -rf work; mkdir work; perl check.pl -s check.t -p /bin/mksh -T $PWD/work -v >check.log 2>&1; echo status $?; cat check.log >&2; \
              grep -E '^(pass|FAIL|skip|Total)' check.log",
        times: 3,
    },
    Suite {
        name: "fish",
        about: "fish's tests of jobs, signals and terminals, typed at a pty",
        packages: &["fish", "dpkg-dev", "g++", "python3-pexpect"],
        source: Some("fish"),
        files: &[("fish.sh", include_str!("fish.sh"))],
        build: "c++ -O1 -pthread -o fish_test_helper src/fish_test_helper.cpp",
        run: "sh ./fish.sh",
        times: 4,
    },
    Suite {
        name: "expect",
        about: "expect's own tests",
        packages: &["expect", "dpkg-dev"],
        source: Some("expect"),
        files: &[],
        build: "",
        run: "cd tests && expect all.tcl >../all.log 2>&1; echo status $?; cat ../all.log >&2; grep -E '^(====|\\+\\+\\+\\+|all.tcl)' ../all.log",
        times: 4,
    },
    Suite {
        name: "storm",
        about: "a fork storm: pipelines, groups, orphans, kills of groups, on every processor",
        packages: &["bash"],
        source: None,
        files: &[("storm.sh", include_str!("storm.sh"))],
        build: "",
        run: "bash ./storm.sh",
        times: 4,
    },
    Suite {
        name: "interactive",
        about: "shells at ptys: Ctrl-Z, fg, bg, Ctrl-C, kill %1, disown, stopped jobs at exit, hangup",
        packages: &["bash", "zsh", "mksh", "fish", "expect"],
        source: None,
        files: &[("interactive.exp", include_str!("interactive.exp"))],
        build: "",
        run: "expect ./interactive.exp",
        times: 8,
    },
    Suite {
        name: "terminals",
        about: "tmux, script, setsid, nohup, timeout: who makes ptys and sessions for others",
        packages: &["tmux", "bsdutils", "util-linux", "coreutils", "bash"],
        source: None,
        files: &[("terminals.sh", include_str!("terminals.sh"))],
        build: "",
        run: "bash ./terminals.sh",
        times: 20,
    },
];
