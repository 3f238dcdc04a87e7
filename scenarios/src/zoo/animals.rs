//! The animals: how each is started, what it is in truth, what must be said.

/// One program.
#[derive(Clone, Copy, Debug)]
pub struct Animal {
    /// Its name.
    pub name: &'static str,
    /// What has to be there; the animal is left out, loudly, where it is not.
    pub program: &'static str,
    /// How it is started by `sh -c`; `$ZOO_DIR` is the scratch directory, `@BIN@` where the programs of this crate are.
    pub start: &'static str,
    /// Files in the scratch directory: name and text, in which `@DIR@` stands for it.
    pub files: &'static [(&'static str, &'static str)],
    /// The name of the process that is judged.
    pub survivor: &'static str,
    /// What `/proc` shows: new session, leader (S of its session, G of its group only, - neither), terminal, directory, umask,
    /// fd 0, fd 7, whether SIGUSR2 and SIGWINCH were reset.
    pub truth: &'static str,
    /// The rules that must be told when its launch was seen; letters are those of JC506. One with a `?` is told only where the
    /// process between it and who started all was looked at first.
    pub rules: &'static str,
    /// The verdict then. Behind a slash that of who has not seen the launch, where it cannot know.
    pub verdict: &'static str,
}

/// By which policy each is to be judged, in every form. Who is not here: by that for whom nobody else does anything.
const POLICIES: [(&str, &str); 16] = [
    ("nohup x &", "shell-job"),
    ("supervisord's child", "supervised"),
    ("runsv's child", "supervised"),
    ("s6-supervise's child", "supervised"),
    ("unshare -pf", "container-init"),
    ("tmux server", "multiplexer"),
    ("screen -dm", "multiplexer"),
    ("cron's job", "scheduled"),
    ("at's job", "scheduled"),
    ("ssh leftover", "ssh-leftover"),
    ("ssh leftover that keeps ssh", "ssh-leftover"),
    ("systemd, simple", "systemd-simple"),
    ("systemd, forking", "systemd-forking"),
    ("systemd, notify", "systemd-notify"),
    ("systemd, of a user", "user-service"),
    ("crun run, with a terminal", "container-terminal"),
];

impl Animal {
    /// The policy by which it must be judged.
    #[must_use]
    pub fn policy(&self) -> &'static str {
        POLICIES.iter().find(|row| row.0 == self.name).map_or("sysv", |row| row.1)
    }
}

const NONE: &[(&str, &str)] = &[];

/// Everyone. The first ten are those of the project's test material.
pub const ANIMALS: &[Animal] = &[
    Animal {
        name: "nohup x &",
        program: "nohup",
        start: "nohup sleep 600 &",
        files: NONE,
        survivor: "sleep",
        truth: "old - tty kept 027 null leak no/no",
        rules: "JC501 JC505 JC506abcd",
        verdict: "attached",
    },
    Animal {
        name: "setsid -f x",
        program: "setsid",
        start: "setsid -f sleep 600",
        files: NONE,
        survivor: "sleep",
        truth: "new S no kept 027 tty leak no/no",
        rules: "JC502 JC504 JC505 JC506abcd",
        verdict: "partial",
    },
    Animal {
        name: "daemonize(1)",
        program: "daemonize",
        start: "daemonize /bin/sleep 600",
        files: NONE,
        survivor: "sleep",
        truth: "new S no / 027 null leak no/no",
        rules: "JC502 JC505 JC506bcd",
        verdict: "detached",
    },
    Animal {
        name: "daemon(1)",
        program: "daemon",
        start: "daemon --name=zoo$$ --pidfiles=$ZOO_DIR -- sleep 600",
        files: NONE,
        survivor: "daemon",
        truth: "new - no / 022 null closed no/no",
        rules: "JC506cd",
        verdict: "detached",
    },
    Animal {
        name: "start-stop-daemon -b",
        program: "start-stop-daemon",
        start: "start-stop-daemon -S -b -m -p $ZOO_DIR/pid -x /bin/sleep -- 600",
        files: NONE,
        survivor: "sleep",
        truth: "new - no / 027 null closed no/no",
        rules: "JC506bcd",
        verdict: "detached",
    },
    Animal {
        name: "daemon(3)",
        program: "python3",
        start: "python3 -c 'import ctypes,time; ctypes.CDLL(None).daemon(0,0); time.sleep(600)'",
        files: NONE,
        survivor: "python3",
        truth: "new S no / 027 null leak no/no",
        rules: "JC502 JC505 JC506bcd",
        verdict: "detached",
    },
    Animal {
        name: "python-daemon",
        program: "python3-daemon",
        start: "/usr/bin/python3 -c 'import daemon,time
with daemon.DaemonContext(): time.sleep(600)'",
        files: NONE,
        survivor: "python3",
        truth: "new - no / 000 null closed no/no",
        rules: "JC506cd",
        verdict: "detached",
    },
    Animal {
        name: "start_new_session=True",
        program: "python3",
        start: "python3 -c 'import subprocess; subprocess.Popen([\"sleep\",\"600\"], start_new_session=True)'",
        files: NONE,
        survivor: "sleep",
        truth: "new S no kept 027 tty closed no/no",
        rules: "JC502 JC504 JC506abcd",
        verdict: "partial",
    },
    Animal {
        name: "supervisord",
        program: "supervisord",
        start: "supervisord -c $ZOO_DIR/supervisord.conf",
        files: &[(
            "supervisord.conf",
            "[supervisord]\nlogfile=@DIR@/log\npidfile=@DIR@/pid\nchildlogdir=@DIR@\n[program:child]\ncommand=sleep 600\n",
        )],
        survivor: "supervisord",
        truth: "new S no kept 022 null leak yes/no",
        rules: "JC502 JC505 JC506ac",
        verdict: "detached",
    },
    Animal {
        name: "supervisord's child",
        program: "supervisord",
        start: "supervisord -c $ZOO_DIR/supervisord.conf",
        files: &[(
            "supervisord.conf",
            "[supervisord]\nlogfile=@DIR@/log\npidfile=@DIR@/pid\nchildlogdir=@DIR@\n[program:child]\ncommand=sleep 600\n",
        )],
        survivor: "sleep",
        truth: "new G no kept 022 pipe closed yes/no",
        rules: "",
        verdict: "detached",
    },
    Animal {
        name: "busybox start-stop-daemon -b",
        program: "busybox",
        // It starts no program that runs already, whoever started that.
        start: "busybox start-stop-daemon -S -b -x $ZOO_DIR/sleep -- 600",
        files: &[("prepare", "cp /bin/sleep @DIR@/sleep")],
        survivor: "sleep",
        truth: "new - no kept 027 null leak no/no",
        rules: "JC505 JC506abcd",
        verdict: "detached",
    },
    Animal {
        name: "busybox setsid &",
        program: "busybox",
        start: "busybox setsid sleep 600 &",
        files: NONE,
        survivor: "sleep",
        truth: "new S no kept 027 null leak no/no",
        rules: "JC502 JC504 JC505 JC506abcd",
        verdict: "partial",
    },
    Animal {
        name: "posix_spawn SETSID",
        program: "python3",
        start: "python3 -c 'import os; os.posix_spawn(\"/bin/sleep\", [\"sleep\",\"600\"], os.environ, setsid=True)'",
        files: NONE,
        survivor: "sleep",
        truth: "new S no kept 027 tty leak no/no",
        rules: "JC502 JC504 JC505 JC506abcd",
        verdict: "partial",
    },
    Animal {
        name: "node detached",
        program: "node",
        start: "node -e 'require(\"child_process\").spawn(\"sleep\",[\"600\"],{detached:true,stdio:\"ignore\"}).unref()'",
        files: NONE,
        survivor: "sleep",
        truth: "new S no kept 027 null closed yes/yes",
        rules: "JC502 JC506ab",
        verdict: "detached",
    },
    Animal {
        name: "redis",
        program: "redis-server",
        start: "redis-server --daemonize yes --dir $ZOO_DIR --port 0 --unixsocket $ZOO_DIR/redis.sock --save '' >/dev/null",
        files: NONE,
        survivor: "redis-server",
        truth: "new S no kept 027 null leak no/no",
        rules: "JC502 JC505 JC506abcd",
        verdict: "detached",
    },
    Animal {
        name: "memcached -d",
        program: "memcached",
        start: "memcached -d -u root -s $ZOO_DIR/memcached.sock",
        files: NONE,
        survivor: "memcached",
        truth: "new S no / 027 null leak no/no",
        rules: "JC502 JC505 JC506bcd",
        verdict: "detached",
    },
    Animal {
        name: "dnsmasq",
        program: "dnsmasq",
        start: "dnsmasq -C /dev/null --port=0 --user=root --pid-file=$ZOO_DIR/pid",
        files: NONE,
        survivor: "dnsmasq",
        truth: "new - no / 022 null closed yes/no",
        rules: "JC506c",
        verdict: "detached",
    },
    Animal {
        name: "nginx",
        program: "nginx",
        start: "nginx -p $ZOO_DIR -c $ZOO_DIR/nginx.conf",
        files: &[(
            "nginx.conf",
            "pid @DIR@/pid;\nerror_log @DIR@/log;\nevents {}\nhttp { access_log off; server { listen unix:@DIR@/nginx.sock; } }\n",
        )],
        survivor: "nginx",
        truth: "new S no kept 000 null leak yes/yes",
        rules: "JC502 JC505 JC506a",
        verdict: "detached",
    },
    Animal {
        name: "lighttpd",
        program: "lighttpd",
        start: "lighttpd -f $ZOO_DIR/lighttpd.conf",
        files: &[(
            "lighttpd.conf",
            "server.document-root = \"@DIR@\"\nserver.bind = \"@DIR@/lighttpd.sock\"\nserver.pid-file = \"@DIR@/pid\"\n",
        )],
        survivor: "lighttpd",
        truth: "new - no / 027 null leak no/no",
        rules: "JC505 JC506bcd",
        verdict: "detached",
    },
    Animal {
        name: "busybox crond",
        program: "busybox",
        start: "busybox crond -c $ZOO_DIR",
        files: NONE,
        survivor: "busybox",
        truth: "new S no kept 027 null leak no/no",
        rules: "JC502 JC505 JC506abcd",
        verdict: "detached",
    },
    Animal {
        name: "tmux server",
        program: "tmux",
        start: "tmux -S $ZOO_DIR/tmux.sock -f /dev/null new-session -d 'sleep 600'",
        files: NONE,
        survivor: "tmux: server",
        truth: "new S no kept 027 null leak yes/no",
        rules: "JC505",
        verdict: "detached",
    },
    Animal {
        name: "screen -dm",
        program: "screen",
        start: "HOME=$ZOO_DIR SCREENDIR=$ZOO_DIR/screens screen -dmS zoo sleep 600",
        files: NONE,
        survivor: "screen",
        truth: "new S no kept 027 null closed no/no",
        rules: "",
        verdict: "detached",
    },
];
