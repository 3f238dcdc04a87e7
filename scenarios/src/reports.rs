//! Reports of others: what they saw, and the scenario that reproduces it, or why none does. `docs/REPORTS.md` is made from this.
//!
//! A scenario names the reports that it reproduces ([`crate::Scenario::cites`]); here is what cannot be, and why. Must not: run
//! anything.

use std::fmt::Write as _;

use crate::cases;

/// One report, or several of the same.
pub struct Report {
    /// Where: `owner/repository#number` is an issue or pull request of GitHub.
    pub cites: &'static [&'static str],
    /// What was seen.
    pub seen: &'static str,
    /// Why no scenario reproduces it; empty where one does.
    pub why_not: &'static str,
}

const fn shown(cites: &'static [&'static str], seen: &'static str) -> Report {
    Report { cites, seen, why_not: "" }
}

const fn not(cites: &'static [&'static str], seen: &'static str, why_not: &'static str) -> Report {
    Report { cites, seen, why_not }
}

/// Names of scenarios that reproduce one of these.
pub fn scenarios(report: &Report) -> impl Iterator<Item = &'static str> {
    cases::all().filter(|it| it.cites.iter().any(|cite| report.cites.contains(cite))).map(|it| it.name)
}

const OTHER_KERNEL: &str = "another operating system, whose calls do not run here";
const SETTINGS: &str = "it is about the settings of a terminal, which no event carries";
const SUDO_RS: &str =
    "a fault of versions of sudo-rs that are not packaged; what it did is told by the rules as of any program";
const SYSTEMD: &str = "a decision of systemd about a cgroup, which takes a machine that systemd runs; the kills are told with their sender";
const A_TOOL: &str = "about another tool that watches, and not about a program's job control";

/// Leaders, races and refusals of setpgid.
const GROUPS: &[Report] = &[
    shown(&["fish-shell/fish-shell#1245"], "tcsetpgrp and setpgid fail once in a while when a shell starts"),
    shown(&["fish-shell/fish-shell#333"], "the same for every wrapped function"),
    shown(&["crawshaw.io blog 2016-01-07"], "`echo hello | rev` fails now and then in a shell of one's own"),
    shown(&["andrewchambers/janetsh#9"], "setpgid: permission denied, and the shell gives up"),
    shown(&["andrewchambers/janetsh#195"], "tcsetpgrp is not permitted: the job has ended already"),
    shown(&["microsoft/WSL#2786"], "setpgid to a group whose leader is a zombie"),
    not(
        &["SerenityOS/serenity#3083", "SerenityOS/serenity#3085", "SerenityOS/serenity#3469"],
        "killpg finds no such process at Ctrl-Z and `bg`",
        OTHER_KERNEL,
    ),
    shown(&["sekiguchi-nagisa/arsh#179"], "setpgid and tcsetpgrp have to be called by both parent and child"),
    shown(&["ksh93/ksh#79"], "commands fail at random: they run before they have the terminal"),
    shown(&["saleyn/erlexec#203"], "setpgid is not permitted after setsid"),
    shown(&["creack/pty#35"], "fork and exec: operation not permitted, on one machine alone"),
    shown(&["att/ast#439"], "a login shell without job control"),
    shown(&["tphakala/agy-mcp#171"], "a group for a session leader is refused with EPERM"),
    shown(
        &["vanillagreencom/kendex#2574", "vanillagreencom/kendex#2582"],
        "kill says that a group does not exist which is about to",
    ),
    shown(&["pleaseai/shunt#325"], "a kill right after the start finds no group, and the child lives on"),
    shown(
        &["cooperative-computing-lab/cctools#1643", "cooperative-computing-lab/cctools#115"],
        "tcsetpgrp with the number of a process that leads no group",
    ),
    not(&["chef/mixlib-shellout#57"], "getpgid is not permitted across sessions", OTHER_KERNEL),
    shown(&["Univers42/hellish#27"], "Ctrl-Z does nothing at all"),
    shown(
        &["oils-for-unix/oils#1087", "oils-for-unix/oils#241", "oils-for-unix/oils#360"],
        "Ctrl-\\ in a child ends the shell, Ctrl-Z in a pipeline freezes it",
    ),
    not(&["SerenityOS/serenity#4345"], "Ctrl-C ends the background jobs too", OTHER_KERNEL),
];

/// Who has the terminal.
const TERMINALS: &[Report] = &[
    shown(&["fish-shell/fish-shell#3345"], "tcsetpgrp: no such process, at start-up"),
    shown(&["fish-shell/fish-shell#5219"], "a crash: a job could not be put into the foreground"),
    shown(&["fish-shell/fish-shell#7060"], "a hang on leaving a shell within a shell"),
    shown(&["elves/elvish#314"], "tcsetpgrp fails with ENOTTY after `fg`, and then EIO for ever"),
    shown(&["golang/go#37217"], "a child that takes the foreground hangs before its exec"),
    shown(&["mattn/go-tty#26"], "opening the terminal suspends a background process"),
    not(
        &["go-delve/delve#1281"],
        "a debugger stops when it gives the terminal away for the second time",
        "it takes a Go toolchain to have a program for it to debug; the call that stops it is that of golang/go#37217",
    ),
    shown(&["android/ndk#627"], "a build script hangs after setpgrp"),
    shown(&["arighi/virtme-ng#453"], "restoring the terminal hangs under `set -m … &`"),
    shown(&["uutils/coreutils#13722"], "stty hangs for ever and says nothing"),
    shown(&["watchexec/watchexec#874"], "stty hangs below a program that runs it in a group of its own"),
    shown(&["nextest-rs/nextest#945"], "a test that sets raw mode freezes the run"),
    shown(&["nextest-rs/nextest#2878"], "an interactive shell in a test suspends who runs the tests"),
    shown(&["steipete/CodexBar#2074"], "a shell leaves the terminal to a group that has ended"),
    shown(&["xonsh/xonsh#2177", "xonsh/xonsh#2065"], "`ls | less` is stopped at once"),
    shown(
        &["xonsh/xonsh#3342", "xonsh/xonsh#3584", "xonsh/xonsh#2353"],
        "Ctrl-Z freezes the shell until somebody sends SIGCONT",
    ),
    shown(
        &["nushell/nushell#7335", "nushell/nushell#4104", "nushell/nushell#1038", "nushell/nushell#13741"],
        "a program that stops itself leaves the shell unusable",
    ),
    not(&["sudo-project/sudo#237"], "a background sudo leaves the terminal without echo", SETTINGS),
    not(&["sudo-project/sudo#466"], "output in a staircase while sudo runs", SETTINGS),
    not(&["trifectatechfoundation/sudo-rs#1598"], "a command stays stopped after its second SIGTTOU", SUDO_RS),
    not(
        &["trifectatechfoundation/sudo-rs#594", "trifectatechfoundation/sudo-rs#360"],
        "the foreground cannot be given to the command: ENOTTY",
        SUDO_RS,
    ),
    shown(&["trifectatechfoundation/sudo-rs#1263"], "a command gets the terminal when it has been stopped for it"),
    shown(
        &["sosreport/sos#559", "sosreport/sos#1909", "ClangBuiltLinux/boot-utils#16"],
        "`timeout 20 COMMAND` in a script hangs until the time is out",
    ),
    not(
        &["ninja-build/ninja#909"],
        "a build hangs because it waits for a process that is stopped",
        "the tool that opened the terminal is not named; a stopped process below a build is `make-ctrl-z`",
    ),
    shown(&["Yelp/dumb-init#10"], "a child that only SIGKILL ends: it is stopped in a background group"),
    shown(
        &[
            "Yelp/dumb-init#51",
            "krallin/tini#50",
            "savoirfairelinux/cqfd#62",
            "wurmlab/oswitch#3",
            "moby/moby#2780",
            "lxc/lxc#1804",
        ],
        "no job control in this shell",
    ),
    shown(&["att/ast#375"], "Ctrl-Z is discarded"),
    shown(&["python/cpython#135329", "python/cpython#138133"], "endless tracebacks when the wrapper has died"),
    shown(&["mawww/kakoune#2126"], "100 % CPU when the terminal is gone"),
    shown(&["util-linux/util-linux#1141"], "a program ends with EIO on `bg; fg`"),
];

/// Signals: who gets them, and who does not.
const SIGNALS: &[Report] = &[
    shown(
        &[
            "nodejs/node#46865",
            "nodejs/node#2098",
            "nodejs/node#40438",
            "nodejs/node#64406",
            "nodejs/node-v0.x-archive#1811",
        ],
        "kill() of a child with a shell ends the shell alone",
    ),
    shown(&["openclaw/openclaw#71681"], "a kill of a tree ends who sends it"),
    shown(&["nezhahq/agent#123"], "everything is killed: the number of the group was −1, negated"),
    not(
        &["Supervisor/supervisor#1707"],
        "one member that is stopped restarts all",
        "the user's own script chose whom to kill, by session; each of its kills is told with its sender",
    ),
    shown(
        &[
            "Supervisor/supervisor#1101",
            "Supervisor/supervisor#1396",
            "Supervisor/supervisor#1158",
            "Supervisor/supervisor#865",
        ],
        "a kill of the group leaves children",
    ),
    shown(
        &["npm/npm#4603", "npm/npm#10868", "npm/run-script#9", "npm/run-script#142", "npm/cli#6547"],
        "a signal that is passed on arrives twice, or never",
    ),
    not(
        &["oven-sh/bun#39729"],
        "who gets a signal cannot tell whether its group got it too",
        "a wish about siginfo_t, and nothing that happens; to whom a signal went is told of every signal",
    ),
    shown(&["astral-sh/uv#11009"], "a child in a group of its own misses Ctrl-C"),
    shown(
        &["ninja-build/ninja#1241", "ninja-build/ninja#2116", "ninja-build/ninja#744", "ninja-build/ninja#743"],
        "Ctrl-Z stops the build, and compilers go on",
    ),
    shown(&["ccache/ccache#1580"], "Ctrl-C does not end the compilers"),
    shown(&["rust-lang/cargo#14929"], "SIGKILL to the runner leaves the test"),
    shown(&["aaif-goose/goose#567", "dora-rs/dora#712", "terramate-io/terramate#415"], "a child must not get Ctrl-C"),
    shown(&["Yelp/dumb-init#136", "Yelp/dumb-init#174"], "a child dies of SIGHUP at the start"),
    shown(&["Yelp/dumb-init#25"], "SIGTSTP has no effect in a container"),
    shown(
        &[
            "containers/bubblewrap#692",
            "Tencent-Hunyuan/UniRL#276",
            "seveas/python-prctl#14",
            "dispatchrun/dispatch#68",
            "golang/go#27505",
        ],
        "a sandbox gets SIGKILL at random",
    ),
    shown(
        &["aristanetworks/bst#74", "util-linux/util-linux#1490", "containers/bubblewrap#730"],
        "a child misses the death of its parent",
    ),
    shown(
        &[
            "NousResearch/hermes-agent#43135",
            "gastownhall/gastown#1682",
            "generalaction/emdash#2592",
            "spec-kitty/spec-kitty#2575",
        ],
        "a cleanup kills a process that has got the number of another",
    ),
    shown(&["mheily/jobd#80", "openai/codex#26734"], "the same is feared"),
    not(
        &["util-linux/util-linux#2836"],
        "script outlives its ssh connection: SIGHUP is blocked",
        "it takes an ssh connection that times out; that a blocked SIGHUP ends nobody is told as of any signal",
    ),
    shown(
        &["kovidgoyal/kitty#1863", "kovidgoyal/kitty#8358", "fish-shell/fish-shell#1771", "fish-shell/fish-shell#6012"],
        "background programs die with the terminal, or do not",
    ),
    shown(
        &["att/ast#1377", "emersion/mrsh#123", "tmux/tmux#1243", "tmux/tmux#1536"],
        "which background jobs get SIGHUP",
    ),
    not(&["tmux/tmux#4405"], "a pane closes because another program ran out of memory", SYSTEMD),
];

/// What is left behind.
const LEFTOVERS: &[Report] = &[
    shown(&["actions/runner#4601"], "a cleanup misses what is forked while it looks"),
    not(
        &["preloopdev/preloop#166"],
        "546 shells on a build host, the oldest 28 days old",
        "three faults of one service together, over weeks; each alone is `left-behind`, `group-one` and `stale-group`",
    ),
    shown(&["ClickHouse/ClickHouse#101888"], "tests in sessions of their own outlive the kill of their runner"),
    shown(
        &[
            "frstrtr/c2pool#1027",
            "digitaldrywood/detent#2081",
            "kunchenguid/no-mistakes#685",
            "Extra-Chill/homeboy#14326",
            "nuonco/nuon#1882",
        ],
        "a runner kills its direct child, and the rest runs for days",
    ),
    not(
        &[
            "jenkinsci/workflow-durable-task-step-plugin#39",
            "civicrm/civicrm-buildkit#877",
            "Percona-Lab/jenkins-pipelines#2224",
        ],
        "a cleanup that goes by a variable of the environment",
        "it takes Jenkins, which Debian does not package",
    ),
    shown(
        &["buildkite/agent#1763", "buildkite/agent#2748", "buildkite/agent#2250", "buildkite/agent#3534"],
        "two layers pass one signal on",
    ),
    shown(
        &[
            "microsoft/azure-pipelines-task-lib#389",
            "actions/runner#3587",
            "actions/runner#2684",
            "openai/codex-action#150",
            "cline/cline#13817",
            "Tencent/BrowserSkill#55",
        ],
        "a step does not end although its script did",
    ),
    shown(&["nextest-rs/nextest#359", "MatthewMckee4/karva#562"], "a test leaves a process that holds its output"),
    shown(
        &["python/cpython#14490", "python/cpython#74340", "python/cpython#23930"],
        "a timeout of subprocess ends the shell alone",
    ),
    shown(
        &["pytest-dev/pytest#2498", "pytest-dev/pytest#211", "pytest-dev/pytest-xdist#110"],
        "workers stay as zombies",
    ),
    shown(
        &[
            "moby/moby#47583",
            "kubernetes/kubernetes#81042",
            "containerd/containerd#4255",
            "containerd/containerd#9979",
            "paketo-buildpacks/health-checker#136",
            "gastownhall/gastown#2799",
        ],
        "zombies of health checks pile up",
    ),
    shown(
        &["krallin/tini#138", "krallin/tini#164"],
        "an init that does not reap, it seems: the zombies are not its own",
    ),
    shown(&["falcosecurity/libs#1577"], "descendants are lost when their parent has ended"),
    shown(&["termio-sh/termio#127", "Unitech/pm2#1036"], "a cleanup ends what was detached on purpose"),
    not(
        &[
            "systemd/systemd#13288",
            "systemd/systemd#37482",
            "systemd/systemd#8630",
            "systemd/systemd#31093",
            "OpenVPN/openvpn#28",
            "CollaboraOnline/online#8035",
        ],
        "a left-over process is found in a control group",
        SYSTEMD,
    ),
    not(
        &[
            "systemd/systemd#2975",
            "systemd/systemd#8486",
            "systemd/systemd#3005",
            "tmux/tmux#428",
            "Askannz/optimus-manager#108",
            "vmware/photon#977",
        ],
        "tmux and nohup end with the login",
        SYSTEMD,
    ),
];

/// Daemons and containers.
const DAEMONS: &[Report] = &[
    shown(&["libfuse/sshfs#141"], "a mount is gone after Ctrl-C in an editor"),
    shown(
        &["fiorix/go-daemon#16", "wangbin579/tcpburn#7", "Mellvik/TLVC#175"],
        "a daemon without setsid dies with its shell",
    ),
    shown(&["firecracker-microvm/firecracker#4259"], "a daemon could get a terminal again"),
    shown(
        &["shellinabox/shellinabox#213", "l3ib/fsniper#9", "vamseeachanta/digitalmodel#2058"],
        "a page loads for ever after it has started a daemon",
    ),
    shown(&["logos-co/scaffold#34"], "a daemon keeps its terminal from closing"),
    shown(&["michel-kraemer/zsh-patina#75"], "a terminal hangs on exit: which descriptor was inherited?"),
    shown(&["kovidgoyal/kitty#2007", "kovidgoyal/kitty#3223"], "a window stays until a background job ends"),
    shown(&["celery/celery#1058", "celery/celery#4200", "mozilla/minion-backend#253"], "workers live on below init"),
    shown(&["Yelp/dumb-init#191"], "what called setsid in a container is not signalled"),
    shown(
        &[
            "docker/cli#2607",
            "moby/moby#40815",
            "moby/moby#35703",
            "moby/moby#3793",
            "moby/moby#14391",
            "opencontainers/runc#3359",
        ],
        "Ctrl-C leaves the process in the container",
    ),
    shown(&["Yelp/dumb-init#294", "manticoresoftware/docker#68"], "process 1 ignores SIGTERM"),
    shown(
        &["rcore-os/tgoskits#2425", "rcore-os/tgoskits#262"],
        "a shell in a container compares numbers of two namespaces",
    ),
    not(
        &["google/gvisor#862", "google/gvisor#6148", "google/gvisor#6438"],
        "timeout hangs on a kernel that sends SIGTTOU wrongly",
        OTHER_KERNEL,
    ),
];

/// About tools, and questions that were asked elsewhere.
const OTHERS: &[Report] = &[
    not(&["iovisor/bcc#1626"], "a group that is killed is shown as a huge number", A_TOOL),
    not(&["iovisor/bcc#3520"], "sigqueue is not seen", A_TOOL),
    not(&["iovisor/bcc#3592"], "a probe breaks with a kernel", A_TOOL),
    not(&["iovisor/bcc#5057"], "sender and target are confused", A_TOOL),
    not(
        &[
            "aquasecurity/tracee#2586",
            "aquasecurity/tracee#3054",
            "aquasecurity/tracee#1279",
            "cilium/tetragon#19",
            "cilium/tetragon#902",
        ],
        "a tree of processes loses exits and mistakes numbers",
        A_TOOL,
    ),
    shown(&["superuser.com/questions/5001"], "stopped jobs go on when their shell crashes"),
    shown(&["unix.stackexchange.com/questions/490986"], "why they get SIGHUP as well"),
    not(
        &["ibm.com/support/pages/node/887097"],
        "where does a signal come from?",
        "a question, and no program; each path of a signal has a scenario (docs/SCENARIOS.md)",
    ),
    not(&["charlie0129/killsnoop"], "who killed it, and what started that?", A_TOOL),
    shown(&["nextest-rs/nextest#470", "nextest-rs/nextest#627"], "Ctrl-Z at the wrong moment hangs the run"),
    not(
        &["joyent/libuv#934"],
        "a group of its own in the same session",
        "a wish for an option of a library, and nothing that happens",
    ),
];

/// All of them, by what they are about.
pub const REPORTS: &[(&str, &[Report])] = &[
    ("Groups and setpgid", GROUPS),
    ("The terminal", TERMINALS),
    ("Signals", SIGNALS),
    ("What is left behind", LEFTOVERS),
    ("Daemons and containers", DAEMONS),
    ("Tools and questions", OTHERS),
];

/// `docs/REPORTS.md`.
#[must_use]
pub fn document() -> String {
    let all = || REPORTS.iter().flat_map(|(_, reports)| *reports);
    let reproduced = all().filter(|report| report.why_not.is_empty()).count();
    let mut text = format!(
        "# Reports of others\n\nWhat people have reported about process groups, sessions and job control, each with the \
         scenario that reproduces it with programs of Debian or a small one of its own, or with the reason why none does. \
         `owner/repository#number` is an issue or pull request on GitHub. {reproduced} of {} are reproduced. This text is made \
         from `scenarios/src/reports.rs` and from what the scenarios name.\n",
        all().count()
    );
    for (about, reports) in REPORTS {
        let _ = writeln!(
            text,
            "\n## {about}\n\n| report | what was seen | scenario, or why there is none |\n|---|---|---|"
        );
        for report in *reports {
            let names: Vec<String> = scenarios(report).map(|name| format!("`{name}`")).collect();
            let shown = if report.why_not.is_empty() { names.join(", ") } else { format!("none: {}", report.why_not) };
            let seen = report.seen.replace('|', "\\|");
            let _ = writeln!(text, "| {} | {seen} | {shown} |", report.cites.join(", "));
        }
    }
    text
}
