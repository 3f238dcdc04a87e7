# Programs that make ptys and sessions for others. Prints the same lines whoever watches.
export SHELL=/bin/bash TERM=screen
for ((round = 0; round < 5; round++)); do
    tmux="tmux -L sesstrace-suite-$$ -f /dev/null"
    $tmux new-session -d -s one 'bash --norc --noprofile -i'
    $tmux split-window -t one 'sleep 100'
    $tmux send-keys -t one.0 'sleep 100' Enter
    $tmux send-keys -t one.0 C-z
    $tmux send-keys -t one.0 'bg; tmux wait-for -S done' Enter
    $tmux new-window -t one "sh -c 'tmux -L sesstrace-suite-$$ wait-for -S window; exec cat'"
    $tmux wait-for window && echo "tmux: a window"
    $tmux kill-window -t one:1
    $tmux kill-server && echo "tmux: gone"
    script -qec 'bash --norc --noprofile -ic "sleep 0.01 | cat; tty >/dev/null && echo script: a terminal"' /dev/null </dev/null | tr -d '\r' | grep '^script'
    setsid -w sh -c 'sleep 0.01 & wait; echo setsid: a session'
    setsid -f sleep 0.05
    nohup sleep 0.01 >/dev/null 2>&1 && echo "nohup: ended"
    timeout 0.05 sleep 100
    echo "timeout: status $?"
    timeout -k 0.05 0.05 sh -c 'trap "" TERM; sleep 100 & wait; wait; sleep 100'
    echo "timeout -k: status $?"
done
