//! What cron, at and a login over ssh start and leave behind, with these three. Each has directories of its own in a mount
//! namespace of its own, so that nothing of the machine's is touched, and an animal can be there twice.

use super::Animal;

/// Directories that `cron` finds where those of the machine are.
const CRON: (&str, &str) = (
    "inside",
    "set -e\nmount --make-rprivate /\nmount --bind @DIR@/spool /var/spool/cron\nmount --bind @DIR@/run /run\nmount --bind @DIR@/cron.d /etc/cron.d\nmount --bind @DIR@/crontab /etc/crontab\nexec /usr/sbin/cron\n",
);

/// The same for `atd`, with the job that there is, if any.
const AT: (&str, &str) = (
    "inside",
    "set -e\nmount --make-rprivate /\nmount --bind @DIR@/spool /var/spool/cron\nmount --bind @DIR@/run /run\ntest ! -e @DIR@/job || at now <@DIR@/job 2>/dev/null\nexec /usr/sbin/atd\n",
);

/// One job, a program with a name of its own, which is run when cron starts.
const CRON_JOB: &str = "mkdir -p spool/crontabs run cron.d && : >crontab && cp /bin/sleep errand && echo '@reboot exec @DIR@/errand 600' >spool/crontabs/root && chmod 600 spool/crontabs/root";

/// One job whose time has come when atd starts.
const AT_JOB: &str = "cp -a /var/spool/cron spool && rm -f spool/atjobs/[a-z]* && mkdir run && cp /bin/sleep errand && echo 'exec @DIR@/errand 600' >job";

/// An `sshd` for one login, with keys of its own for itself and for who comes; `ssh` speaks to it through a pipe.
const SSH: &[(&str, &str)] = &[
    ("prepare", "mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f @DIR@/key && cp /bin/sleep errand"),
    (
        "sshd_config",
        "HostKey @DIR@/key\nAuthorizedKeysFile @DIR@/key.pub\nStrictModes no\nPermitRootLogin yes\nUsePAM no\n",
    ),
    (
        "login",
        "exec ssh -q -F none -i @DIR@/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o 'ProxyCommand=/usr/sbin/sshd -i -f @DIR@/sshd_config' root@zoo \"$1\" </dev/null\n",
    ),
];

/// Them.
pub const ERRANDS: &[Animal] = &[
    Animal {
        name: "cron",
        program: "cron",
        start: "unshare -m sh $ZOO_DIR/inside",
        files: &[("prepare", "mkdir -p spool/crontabs run cron.d && : >crontab"), CRON],
        survivor: "cron",
        truth: "new S no other 027 null leak no/yes",
        rules: "JC502 JC505 JC506abd",
        verdict: "detached",
    },
    Animal {
        name: "cron's job",
        program: "cron",
        start: "unshare -m sh $ZOO_DIR/inside",
        files: &[("prepare", CRON_JOB), CRON],
        survivor: "errand",
        truth: "new S no other 027 pipe leak no/yes",
        rules: "JC505",
        verdict: "detached",
    },
    Animal {
        name: "atd",
        program: "atd",
        start: "unshare -m sh $ZOO_DIR/inside",
        files: &[("prepare", "cp -a /var/spool/cron spool && rm -f spool/atjobs/[a-z]* && mkdir run"), AT],
        survivor: "atd",
        truth: "new S no other 022 null leak no/yes",
        rules: "JC502 JC505 JC506ad",
        verdict: "detached",
    },
    Animal {
        name: "at's job",
        program: "atd",
        start: "unshare -m sh $ZOO_DIR/inside",
        files: &[("prepare", AT_JOB), AT],
        survivor: "errand",
        truth: "new - no kept 027 file leak no/yes",
        rules: "JC505",
        verdict: "detached",
    },
    Animal {
        name: "ssh leftover",
        program: "sshd",
        start: "sh $ZOO_DIR/login \"nohup $ZOO_DIR/errand 600 </dev/null >/dev/null 2>&1 &\"",
        files: SSH,
        survivor: "errand",
        truth: "new - no other 027 null closed no/yes",
        rules: "JC506bde",
        verdict: "detached",
    },
    Animal {
        name: "ssh leftover that keeps ssh",
        program: "sshd",
        start: "sh $ZOO_DIR/login \"$ZOO_DIR/errand 600 &\" >/dev/null 2>&1 &",
        files: SSH,
        survivor: "errand",
        truth: "new - no other 027 null closed no/yes",
        rules: "JC504? JC506bde",
        verdict: "partial/unknown",
    },
    Animal {
        name: "inetd",
        program: "inetd",
        start: "inetd $ZOO_DIR/inetd.conf",
        files: &[("inetd.conf", "127.0.0.1:47023 stream tcp nowait root /bin/cat cat\n")],
        survivor: "inetd",
        truth: "new S no / 022 null leak no/no",
        rules: "JC502 JC505 JC506cd",
        verdict: "detached",
    },
    Animal {
        name: "postgres, pg_ctl",
        program: "pg_ctl",
        start: "setpriv --reuid=postgres --regid=postgres --clear-groups pg_ctl -s -w -D $ZOO_DIR/db -l $ZOO_DIR/db/log -o \"-k $ZOO_DIR/db -h ''\" start",
        files: &[(
            "prepare",
            "chmod 755 @DIR@ && mkdir db && chown postgres db && setpriv --reuid=postgres --regid=postgres --clear-groups initdb -N -D @DIR@/db >initdb.log 2>&1",
        )],
        survivor: "postgres",
        truth: "new S no other 077 null leak yes/yes",
        rules: "JC502 JC505",
        verdict: "detached",
    },
];
