# What the rows are written in. SESSTRACE, RECORDING, DIR (empty, for this row), HERE (session.exp, Makefile) are set.

# Somebody works in the shell that a command has at its terminal in the end.
session() {
    dialect=$1
    shift
    expect "$HERE/session.exp" "$dialect" "$SESSTRACE" record -o "$RECORDING" -- "$@"
}

# A command without a terminal.
record() {
    setsid -w "$SESSTRACE" record -o "$RECORDING" -- "$@"
}

# What runs in a container: pipelines, and then something that lasts.
export CONTAINER='echo one | cat | wc -l; echo $(echo two | cat); sleep 0.05 & wait; echo >"$DIR/up"; exec sleep 1000'
# Ends the first process of a container from outside, when it is up: it is the child of the unshare that was started last.
export END='read up <"$DIR/up"; kill "$(cat /proc/$!/task/$!/children)"; wait'

ssh_server() {
    ssh-keygen -q -t ed25519 -N '' -f "$DIR/key"
    cp "$DIR/key.pub" "$DIR/authorized"
    mkdir -p /run/sshd
    printf '%s\n' "HostKey $DIR/key" "AuthorizedKeysFile $DIR/authorized" "ListenAddress 127.0.0.1" "Port $PORT" \
        "PidFile $DIR/pid" "StrictModes no" "PermitRootLogin yes" "UsePAM no" >"$DIR/conf"
    # However it ends, the server does not go on.
    trap 'kill "$(cat "$DIR/pid")"; wait' EXIT
    record "$(command -v sshd)" -D -e -f "$DIR/conf" &
    client="ssh -F /dev/null -i $DIR/key -p $PORT -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1"
    tries=0
    until $client true; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || return 1
        sleep 0.1
    done
    expect "$HERE/session.exp" posix $client -t bash --norc -i || return
    [ "$($client 'echo one | cat')" = one ]
}
