# A fork storm on every processor: jobs in groups of their own, pipelines, orphans, daemons, kills of whole groups. It prints the
# same lines whoever watches.
if [ "$1" = one ]; then
    set -m
    for ((i = 0; i < 100; i++)); do
        /bin/true | /bin/cat | /bin/true &
        (sleep 0.01 & exec /bin/true) &
        (/bin/true &)
        setsid /bin/true &
        (sleep 2 & sleep 2 & wait) &
        kill -KILL -- -$!
        wait
    done 2>/dev/null
    echo "storm done"
else
    for ((cpu = 0; cpu < $(nproc); cpu++)); do
        bash "$0" one &
    done
    wait
fi
