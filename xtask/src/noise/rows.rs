//! What is recorded: ordinary sessions in each shell, the same behind what starts shells, and servers and inits at their work.
//!
//! A `run` is a shell script; `noise.sh` has `session` and `record`, which it calls.

/// A row.
pub struct Row {
    /// Its name on the command line, and of its recording.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Programs that it needs.
    pub needs: &'static [&'static str],
    /// The script.
    pub run: &'static str,
    /// It fetches something from elsewhere: it runs when it is named, and not with the others.
    pub network: bool,
}

const fn row(name: &'static str, about: &'static str, needs: &'static [&'static str], run: &'static str) -> Row {
    Row { name, about, needs, run, network: false }
}

/// All of them.
pub const ROWS: &[Row] = &[
    row("bash", "`bash --norc -i`", &["bash"], "session posix bash --norc -i"),
    row("dash", "`dash -i`", &["dash"], "session posix dash -i"),
    row("zsh", "`zsh -f -i`", &["zsh"], "session posix zsh -f -i"),
    row("fish", "`fish --no-config -i`", &["fish"], "session fish fish --no-config -i"),
    row("mksh", "`mksh -i`", &["mksh"], "session posix mksh -i"),
    row("yash", "`yash --norcfile -i`", &["yash"], "session posix yash --norcfile -i"),
    row("ksh", "`ksh -i`", &["ksh"], "session posix ksh -i"),
    row("su", "`su root`", &["su"], "session posix su root"),
    row("su-login", "`su - root`", &["su"], "session posix su - root"),
    row("runuser", "`runuser -u root bash`", &["runuser"], "session posix runuser -u root -- bash --norc -i"),
    row("sudo", "`sudo bash`", &["sudo"], "session posix sudo bash --norc -i"),
    row("script", "`script`", &["script"], "session posix script -qec 'bash --norc -i' /dev/null"),
    row(
        "tmux",
        "`tmux new-session bash`",
        &["tmux"],
        r#"session posix tmux -L "noise-$$" -f /dev/null new-session 'bash --norc -i'"#,
    ),
    row(
        "sshd",
        "`sshd -D` on loopback: a session at a terminal, a command without one, and SIGTERM",
        &["sshd", "ssh", "ssh-keygen"],
        "ssh_server",
    ),
    row(
        "cron",
        "`cron -f` with two `@reboot` jobs, one of them in the background, and SIGTERM",
        &["cron"],
        r#"record unshare -m sh -c '
            mount -t tmpfs none /var/spool/cron && mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /run || exit
            mkdir -m 1730 /var/spool/cron/crontabs
            printf "@reboot sleep 0.1 &\n@reboot echo one | cat >%s\n" "$DIR/up" >/var/spool/cron/crontabs/root
            chmod 600 /var/spool/cron/crontabs/root
            cron -f & read up <"$DIR/up"; kill $!; wait'"#,
    ),
    row(
        "dumb-init",
        "`dumb-init` with pipelines, and ended by SIGTERM",
        &["dumb-init"],
        r#"record sh -c 'dumb-init sh -c "$0" & read up <"$DIR/up"; kill $!; wait' "$CONTAINER""#,
    ),
    row(
        "dumb-init-1",
        "`dumb-init` as process 1, ended by SIGTERM",
        &["dumb-init"],
        r#"record sh -c 'unshare -pf --mount-proc dumb-init sh -c "$0" & eval "$END"' "$CONTAINER""#,
    ),
    row(
        "tini-1",
        "`tini` as process 1, ended by SIGTERM",
        &["tini"],
        r#"record sh -c 'unshare -pf --mount-proc tini -- sh -c "$0" & eval "$END"' "$CONTAINER""#,
    ),
    row(
        "tini-group",
        "`tini -g` as process 1, ended by SIGTERM",
        &["tini"],
        r#"record sh -c 'unshare -pf --mount-proc tini -g -- sh -c "$0" & eval "$END"' "$CONTAINER""#,
    ),
    row("su-command", "`su -c` without a terminal", &["su"], "record su root -c 'echo one | cat; echo $(echo two)'"),
    row(
        "runuser-command",
        "`runuser -- sh -c` without a terminal",
        &["runuser"],
        "record runuser -u root -- sh -c 'echo one | cat; echo $(echo two)'",
    ),
    Row {
        network: true,
        ..row(
            "apt-get",
            "`apt-get install --reinstall` under `script`",
            &["apt-get", "script"],
            "record script -qec 'apt-get install --reinstall -y hostname' /dev/null",
        )
    },
];
