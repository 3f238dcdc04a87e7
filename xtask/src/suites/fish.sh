# fish's tests of jobs, signals and terminals, typed at a pty, with the fish that is installed: as tests/interactive.fish does it.
root=$PWD
cd tests || exit
for name in cancel_event exit exit_handlers exit_nohang fg generic isatty job_summary nullterm pipeline postexec sigint signals \
    status stdin_nonblocking terminal tty_ownership wait; do
    home=$(mktemp -d) || exit
    mkdir -p "$home/config/fish" "$home/data" "$home/run"
    cp interactive.config "$home/config/fish/config.fish"
    env -i PATH="$PATH" PYTHONPATH="$root/build_tools" TERM=dumb LC_ALL=C.UTF-8 SHELL=/usr/bin/fish HOME="$home" TMPDIR="$home" \
        XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_RUNTIME_DIR="$home/run" FISH_UNIT_TESTS_RUNNING=1 \
        fish=/usr/bin/fish fish_key_reader=/usr/bin/fish_key_reader fish_test_helper="$root/fish_test_helper" \
        timeout 120 /usr/bin/python3.11 "pexpects/$name.py" >"$root/$name.log" 2>&1
    echo "$name status $?"
    rm -rf "$home"
done
