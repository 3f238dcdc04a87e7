#!/bin/sh
# The guest's process 1. Says of each thing that is tried whether it went well, of all of them whether they did, and powers
# off. The console has all that was printed.
export PATH=/usr/bin:/usr/sbin HOME=/tmp XDG_STATE_HOME=/tmp/state LC_ALL=C.UTF-8 TERM=xterm RUST_BACKTRACE=0
if [ "$1" != main ]; then
    # What is here already is Debian's.
    /usr/bin/busybox --install -s /usr/bin 2>/dev/null
    mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
    mkdir -p /dev/pts; mount -t devpts -o mode=620 devpts /dev/pts
    # This process does nothing else than to reap what tests leave.
    setsid sh /init main </dev/console >/dev/console 2>&1 &
    wait $!
    poweroff -f
fi

failed=0
try() {
    name=$1; shift
    read -r begin _ </proc/uptime
    # Not through a pipe: what a test leaves behind would hold it.
    "$@" >/tmp/said 2>&1; status=$?
    read -r end _ </proc/uptime
    cat /tmp/said
    # What the tests say counts, whatever the status: it was seen to be 0 beside a test that had failed.
    if grep -q '^test result: FAILED' /tmp/said; then says=failed; else says=; fi
    if [ "$status$says" = 0 ]; then verdict=passed; else verdict=FAILED; failed=$((failed + 1)); fi
    echo "vm: $verdict: $name (status $status, ${begin%.*}–${end%.*} s)"
} 2>&1
# Tests of the project, one at a time: the emulator is slow.
tests() { binary=$1; shift; "/tests/$binary" --test-threads=1 --nocapture "$@"; }
yama() { echo "$1" >/proc/sys/kernel/yama/ptrace_scope && [ "$(cat /proc/sys/kernel/yama/ptrace_scope)" = "$1" ]; }
everything_attaches() {
    sesstrace doctor >/tmp/doctor && ! grep -E 'no capture without|events are missing|no --tty-io' /tmp/doctor
    attached=$?; cat /tmp/doctor; return $attached
}
storm='set -m; for i in {1..40}; do (/bin/true &); /bin/true & done; wait; sleep 0.2; :'

echo "vm: kernel $(uname -r)"
export SESSTRACE_REQUIRE=ebpf,ptrace
try "every program loads and attaches" everything_attaches
try "the limit of the verifier is far" tests capture_ebpf the_limit_of_the_verifier_is_far
try "events and state" tests capture_ebpf --skip the_limit
for scenario in SCENARIOS; do
    for backend in ebpf ptrace; do
        try "$scenario under $backend" golden try $backend $scenario
    done
done
try "verify, a storm" sesstrace verify -- bash -c "$storm"
try "verify, the machine" sesstrace verify --all --for 5s
# Of a storm the emulator is too slow for what may be in flight.
try "verify under ptrace" sesstrace verify -b ptrace -- bash -c 'set -m; (sleep 3 &); sleep 3 & wait; sleep 1; :'
# How soon after a loss all is well again is a matter of speed as well, and whether somebody looks in time at what is over soon.
try "verify, its tests" tests verify --skip after_a_loss --skip in_a_fork_storm --skip while_the_probes_are_attached --skip foreground_group_that_is_swallowed_is_reported_under_ptrace
for scope in 0 1 2 3; do
    try "Yama $scope is set" yama $scope
    case $scope in
    # How soon a signal is passed on is a matter of speed.
    0 | 1) try "ordinary users, Yama $scope" tests ordinary --skip signals:: ;;
    *) try "ordinary users, Yama $scope" tests ordinary yama:: ;;
    esac
done
[ $failed = 0 ] && echo "sesstrace-vm: passed" || echo "sesstrace-vm: $failed FAILED"
