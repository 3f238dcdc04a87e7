//! The shells, and a test for each: all topics in one session inside an interactive bash.

use std::fs;

use crate::{
    matrix::check,
    mode::{Mode, User},
    observation::Observation,
    session::{INNER, Session},
    stage::Stage,
    topics::{self, CORE, TOPICS},
};

/// An interactive shell.
pub struct Shell {
    pub name: &'static str,
    /// The command that starts it without anybody's start-up files.
    command: &'static str,
    /// Expands to the status of the last command.
    pub status: &'static str,
    /// Stops the shell itself.
    pub suspend: &'static str,
    /// What it does not have.
    lacks: &'static [&'static str],
}

pub const ALL: [Shell; 6] = [
    Shell {
        name: "bash",
        command: "exec bash --norc --noprofile -i",
        status: "$?",
        suspend: "suspend",
        lacks: &[],
    },
    Shell { name: "dash", command: "exec dash -i", status: "$?", suspend: "kill -STOP $$", lacks: &["disown"] },
    Shell {
        name: "zsh",
        // The end of a job is said at the next prompt, not in the middle of a line, as the others do.
        command: "exec zsh -f -i +o notify",
        status: "$?",
        suspend: "suspend",
        lacks: &[],
    },
    Shell {
        name: "fish",
        command: "TERM=xterm exec fish --private --no-config -i -C 'set -g fish_greeting; set -g fish_autosuggestion_enabled 0
            function fish_prompt; printf \"inner>\"; end; function fish_mode_prompt; end'",
        status: "$status",
        suspend: "kill -STOP $fish_pid",
        lacks: &["kill %1"],
    },
    Shell { name: "mksh", command: "ENV=$HOME/prompt exec mksh -i", status: "$?", suspend: "suspend", lacks: &["disown"] },
    Shell { name: "yash", command: "exec yash --rcfile=$HOME/prompt --noprofile -i", status: "$?", suspend: "suspend", lacks: &[] },
];

impl Shell {
    fn named(name: &str) -> &'static Self {
        ALL.iter().find(|shell| shell.name == name).unwrap()
    }

    /// A stage on which `inner` is this shell.
    fn stage(&self) -> Stage {
        let stage = Stage::new();
        let prompt = format!("export PS1='{INNER}'\n");
        // For those that as root do not take one from the environment.
        fs::write(stage.home().join("prompt"), &prompt).unwrap();
        stage.tool("inner", "/bin/sh", &(prompt + self.command));
        stage
    }

    /// Started by an interactive bash.
    fn within_bash(&self, user: User, mode: Mode) -> Session {
        let stage = self.stage();
        if user == User::Ordinary {
            stage.open_to_all();
        }
        let mut session = Session::in_bash_as(user, mode, stage);
        session.line("$T inner");
        session.prompts_with(INNER);
        session.prompt();
        session.attach();
        session
    }

    /// What the manual calls it when an ordinary user types in it.
    pub fn of_an_ordinary_user(&self) -> String {
        format!("{} of an ordinary user", self.name)
    }
}

/// All topics that are wanted, in a job of an interactive bash.
fn topics(shell: &Shell, user: User, mode: Mode, wanted: impl Fn(&str) -> bool) -> Observation {
    let mut session = shell.within_bash(user, mode);
    for (name, body) in TOPICS.iter().filter(|(name, _)| wanted(name) && !shell.lacks.contains(name)) {
        session.topic(name);
        body(&mut session, shell);
    }
    topics::leave(&mut session, shell);
    session.ended()
}

fn test(name: &str) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: what root sees of a shell; an ordinary user's shells are tests of their own");
        return;
    }
    let shell = Shell::named(name);
    check(name, name, |mode| {
        let mut seen = topics(shell, User::Oneself, mode, |_| true);
        for hangup in [topics::hangup_of_a_leader, topics::hangup_of_jobs] {
            seen.extend(hangup(Session::leading(mode, shell.stage())));
        }
        seen.extend(topics::hangup_within_a_shell(shell.within_bash(User::Oneself, mode)));
        seen
    });
}

fn test_as_an_ordinary_user(name: &str) {
    let shell = Shell::named(name);
    let core = |mode| topics(shell, User::Ordinary, mode, |topic| CORE.contains(&topic));
    check(&shell.of_an_ordinary_user(), name, core);
}

macro_rules! shells {
    ($($shell:ident)*) => {
        $(
            #[test]
            fn $shell() {
                test(stringify!($shell));
            }
        )*

        mod of_an_ordinary_user {
            $(
                #[test]
                fn $shell() {
                    super::test_as_an_ordinary_user(stringify!($shell));
                }
            )*
        }

        #[test]
        fn every_shell_is_tested() {
            assert_eq!(ALL.map(|shell| shell.name), [$(stringify!($shell)),*]);
        }
    };
}

shells! { bash dash zsh fish mksh yash }
