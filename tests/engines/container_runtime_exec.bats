# SPDX-License-Identifier: Apache-2.0
#
# Who joins a container gets no more than the container: capabilities, proxy environment, descriptors. And what has
# nothing to do with it (exit status, streams, terminal, pid file) is as the runtime behind does it.

source "$BATS_TEST_DIRNAME/runtime.bash"

setup_file()
{
    small_stage_up
    behind_us "$BEHIND"
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128 --keep
    engine_sleeper rt-exec agent
    engine_sleeper rt-dash dashboard
}

teardown_file()
{
    small_stage_down
}

# The bundle's capabilities without NET_RAW, as /proc/PID/status has them.
OWN=80404e3
NET_RAW=$((1 << 13))

# joined: what a process with $WORK/rt-exec.process is and can do; prints its sets of capabilities.
joined()
{
    process_change rt-exec '.args = ["/bin/sh", "-c", "cat /proc/self/status; /probe socket 17 3 0x0300
        /probe socket 2 3 1; /probe tcp 10.209.0.2 3128"]'
    run engine_exec rt-exec
    no_network_capabilities
    [[ $(grep -c 'socket result=failed error=EPERM' <<<"$output") -eq 2 ]] || fail "$output"
    [[ $output == *"tcp result=ok"* ]] || fail "$output"
    capability_sets
}

# joined_plain: the bounding set of the same process without us.
joined_plain()
{
    process_change rt-exec '.args = ["/bin/cat", "/proc/self/status"]'
    run "$RUNTIME" exec --process "$WORK/rt-exec.process" rt-exec
    sed -n 's/^CapBnd:\s*/0x/p' <<<"$output"
}

@test "capabilities of an engine's process file: what the container has not, nobody gets" {
    process_file rt-exec true
    [ "$(joined)" = "0 81 81 81 0" ] # CHOWN and SETUID, as the engine asked for; its NET_RAW is gone
    (($(joined_plain) & NET_RAW)) || fail "without us it would not have had it: $output"
    # All of them, as of `docker exec --privileged`.
    process_change rt-exec '.capabilities |= with_entries(.value = ["CAP_CHOWN", "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
        "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
        "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN",
        "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF"])
        | .capabilities.inheritable = [] | .capabilities.ambient = []'
    [ "$(joined)" = "0 $OWN $OWN $OWN 0" ]
}

@test "a process file without capabilities, or with empty ones" {
    process_file rt-exec true
    process_change rt-exec 'del(.capabilities)'
    [ "$(joined)" = "0 $OWN $OWN $OWN 0" ]
    process_change rt-exec '.capabilities = null'
    [ "$(joined)" = "0 $OWN $OWN $OWN 0" ]
    process_change rt-exec '.capabilities = {}'
    [ "$(joined)" = "0 0 0 0 0" ]
}

@test "each set counts: inheritable, ambient, permitted, effective and bounding alone" {
    for set in inheritable ambient permitted effective bounding; do
        process_file rt-exec true
        process_change rt-exec --arg set "$set" '.capabilities = {($set): ["CAP_NET_RAW", "CAP_NET_ADMIN"]}'
        [ "$(joined)" = "0 0 0 0 0" ]
    done
}

@test "capabilities in other spellings: by number, in small letters, with white space, without prefix" {
    for name in 13 0xd 015 cap_net_raw Cap_Net_Raw "CAP_NET_RAW " $'CAP_NET_RAW\t' NET_RAW net_raw "13 " ; do
        process_file rt-exec true
        process_change rt-exec --arg name "$name" '.capabilities |= with_entries(.value = [$name])'
        [ "$(joined)" = "0 0 0 0 0" ] || fail "$name: $output"
    done
    # That is not a precaution against nothing: crun takes the number.
    process_file rt-exec true
    process_change rt-exec '.capabilities |= with_entries(.value = ["13"])'
    [[ $RUNTIME == runc ]] || (($(joined_plain) & NET_RAW)) || fail "$output"
}

@test "keys in other spellings, which Go takes for the same, are refused" {
    for key in Capabilities CAPABILITIES capabilitie$'\xc5\xbf' Env; do
        process_file rt-exec /bin/echo joined
        process_change rt-exec --arg key "$key" '.[$key] = .[$key | ascii_downcase | sub("\u017f"; "s")]
            | del(.capabilities, .env)'
        engine_refuses "is another spelling of" engine_exec rt-exec
    done
    process_file rt-exec /bin/echo joined
    process_change rt-exec '.capabilities.Bounding = ["CAP_NET_RAW"]'
    engine_refuses "is another spelling of" engine_exec rt-exec
}

@test "the proxy's environment is put in, whatever the engine's own says" {
    process_file rt-exec /bin/sh -c env
    for env in '["PATH=/bin"]' '["PATH=/bin", "HTTPS_PROXY=http://attacker.example:3128", "https_proxy=http://203.0.113.66"]' \
        'null' '["PATH=/bin", "HTTPS_PROXY=x", "HTTPS_PROXY=http://10.209.0.2:3128"]'; do
        process_change rt-exec ".env = $env"
        run engine_exec rt-exec
        for name in HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy; do
            [ "$(grep "^$name=" <<<"$output")" = "$name=http://$PROXY:3128" ] || fail "$env: $output"
        done
        [[ $output == *NO_PROXY=*gateway* ]] || fail "$output"
    done
}

@test "a role that does not reach the proxy gets no proxy's environment" {
    process_file rt-dash /bin/sh -c env
    run engine_exec rt-dash
    [[ $output != *HTTPS_PROXY* && $output == *NO_PROXY=* ]] || fail "$output"
}

@test "exec without a process file: the container's own capabilities and environment; --cap beyond them is refused" {
    run engine exec rt-exec /bin/sh -c 'cat /proc/self/status; env'
    no_network_capabilities
    [ "$(capability_sets | cut -d' ' -f2-4)" = "$OWN $OWN $OWN" ]
    [[ $output == *"HTTPS_PROXY=http://$PROXY:3128"* ]]
    run engine exec --env MINE=1 --user 65534 --cwd /tmp rt-exec /bin/sh -c 'echo $MINE $(cat /proc/self/loginuid) $PWD'
    [[ $output == "1 "*" /tmp" ]] || fail "$output"
    for name in CAP_NET_RAW CAP_NET_ADMIN CAP_SYS_ADMIN NET_RAW cap_net_raw 13 nonsense; do
        engine_refuses "--cap $name" engine exec --cap "$name" rt-exec /bin/echo joined
    done
    run engine exec --cap CAP_CHOWN rt-exec /bin/echo joined
    [[ $status -eq 0 && $output == joined ]] || fail "$output"
}

@test "the exit status is the command's: 0, 7, 255, killed; as of the runtime itself" {
    for command in "exit 0" "exit 7" "exit 255" 'kill -9 $$' 'kill -15 $$'; do
        process_file rt-exec /bin/sh -c "$command"
        run engine_exec rt-exec
        ours=$status
        run "$RUNTIME" exec --process "$WORK/rt-exec.process" rt-exec
        [ "$ours" -eq "$status" ] || fail "$command: $ours, without us $status"
        bundle rt-run agent /bin/sh -c "$command"
        run engine_run rt-run
        ours=$status
        container_delete rt-run
        run container_run rt-run
        [ "$ours" -eq "$status" ] || fail "run $command: $ours, without us $status"
        container_delete rt-run
    done
    process_file rt-exec /bin/sh -c "exit 7"
    run engine_exec rt-exec
    [ "$status" -eq 7 ]
}

@test "standard input, output and error are the runtime's, byte by byte" {
    process_file rt-exec /bin/sh -c 'cat; echo complaint >&2'
    head -c 1000000 /dev/urandom >"$WORK/data"
    "$PROGRAM" exec --process "$WORK/rt-exec.process" rt-exec <"$WORK/data" >"$WORK/copy" 2>"$WORK/complaint" 3>&-
    cmp "$WORK/data" "$WORK/copy"
    [ "$(<"$WORK/complaint")" = complaint ]
}

@test "detached, with a pid file" {
    process_file rt-exec sleep 600
    engine exec --detach --pid-file "$WORK/exec.pid" --process "$WORK/rt-exec.process" rt-exec >"$WORK/exec.log" 2>&1
    pid=$(<"$WORK/exec.pid")
    [ "$(readlink "/proc/$pid/ns/net")" = "$(readlink "/proc/$(<"$WORK/rt-exec.pid")/ns/net")" ]
    run cat "/proc/$pid/status"
    no_network_capabilities
    kill -KILL "$pid"
}

# A shell's own descriptors, by nothing but builtins; the one that it lists them with is gone when it looks at them.
DESCRIPTORS='for each in /proc/$$/fd/*; do [ -L $each ] && set -- "$@" ${each##*/}; done; echo "$@"'

@test "no descriptor of the engine's or of ours is left open in the process" {
    process_file rt-exec /bin/sh -c "$DESCRIPTORS"
    exec 8<"$WORK/spec.json" 9>"$WORK/nine"
    run engine_exec rt-exec
    [[ $output == "0 1 2" ]] || fail "$output"
    bundle rt-run agent /bin/sh -c "$DESCRIPTORS"
    run engine_run rt-run
    exec 8<&- 9>&-
    [[ $output == "0 1 2" ]] || fail "$output"
}

@test "standard streams that are closed, and SIGCHLD ignored, by whoever starts us" {
    process_file rt-exec /bin/sh -c "$DESCRIPTORS"' >/dev/null; [ "$*" = "0 1 2" ] && exit 7'
    run bash -c 'exec "$@" <&- >&- 2>&- 3>&-' bash "$PROGRAM" exec --process "$WORK/rt-exec.process" rt-exec
    [ "$status" -eq 7 ]
    run bash -c 'trap "" CHLD; exec "$@"' bash "$PROGRAM" exec --process "$WORK/rt-exec.process" rt-exec
    [ "$status" -eq 7 ] || fail "$output"
    bundle rt-run agent sleep 600
    engine_create rt-run
    run bash -c 'trap "" CHLD; exec "$@"' bash "$PROGRAM" start rt-run
    [ "$status" -eq 0 ] || fail "$output"
    container_delete rt-run
}

# listening COMMAND...: with a socket-like descriptor 3 and an environment that speaks of it, as systemd makes them.
listening()
{
    LISTEN_FDS=1 LISTEN_FDNAMES=spare bash -c 'LISTEN_PID=$$ exec "$@"' bash "$@" </dev/null 3<"$WORK/spec.json"
}

@test "sockets that the engine was started with (LISTEN_FDS) are not handed on; runtimes alone do it" {
    process_file rt-exec /bin/sh -c "$DESCRIPTORS; env"
    bundle rt-run agent /bin/sh -c "$DESCRIPTORS; env"
    run listening "$PROGRAM" exec --process "$WORK/rt-exec.process" rt-exec
    [[ ${lines[0]} == "0 1 2" && $output != *LISTEN_* ]] || fail "$output"
    run listening "$RUNTIME" exec --process "$WORK/rt-exec.process" rt-exec
    [[ $RUNTIME == runc || ${lines[0]} == "0 1 2 3" ]] || fail "$output"
    run listening "$PROGRAM" run --bundle "$WORK/bundles/rt-run" rt-run
    [[ ${lines[0]} == "0 1 2" && $output != *LISTEN_* ]] || fail "$output"
    container_delete rt-run
    run listening "$RUNTIME" run --bundle "$WORK/bundles/rt-run" rt-run
    [[ ${lines[0]} == "0 1 2 3" ]] || fail "$output"
    container_delete rt-run
}

@test "a terminal: by --console-socket at exec and at create, and passed through with --tty" {
    process_file rt-exec /bin/sh -c '[ -t 0 ] && [ -t 1 ] && read -r line && echo "heard $line"'
    process_change rt-exec '.terminal = true'
    witness console "" python3 "$BATS_TEST_DIRNAME/terminal.py" receive "$WORK/console"
    engine exec --detach --console-socket "$WORK/console" --pid-file "$WORK/exec.pid" \
        --process "$WORK/rt-exec.process" rt-exec >"$WORK/exec.log" 2>&1 || fail "$(cat "$WORK/exec.log")"
    eventually saw console "heard typed"

    bundle rt-run agent /bin/sh -c '[ -t 0 ] && [ -t 1 ] && read -r line && echo "heard $line"'
    configure rt-run '.process.terminal = true'
    witness console2 "" python3 "$BATS_TEST_DIRNAME/terminal.py" receive "$WORK/console2"
    engine_create rt-run --console-socket "$WORK/console2"
    engine start rt-run
    eventually saw console2 "heard typed"
    container_delete rt-run

    run python3 "$BATS_TEST_DIRNAME/terminal.py" run "$PROGRAM" exec --tty rt-exec \
        /bin/sh -c '[ -t 0 ] && [ -t 1 ] && read -r line && echo "heard $line"; exit 7' 3>&-
    [[ $status -eq 7 && $output == *"heard typed"* ]] || fail "$output"
    run python3 "$BATS_TEST_DIRNAME/terminal.py" run "$PROGRAM" run --bundle "$WORK/bundles/rt-run" rt-run 3>&-
    [[ $status -eq 0 && $output == *"heard typed"* ]] || fail "$output"
    container_delete rt-run
}

@test "a process file that is missing, a link, no file, too large, or no process" {
    file=$WORK/rt-exec.process
    process_file rt-exec /bin/echo joined
    mv "$file" "$WORK/good"
    engine_refuses "$file: No such file" engine_exec rt-exec
    ln -s "$WORK/good" "$file"
    engine_refuses "$file" engine_exec rt-exec
    rm "$file"
    mkdir "$file"
    engine_refuses "not a regular file" engine_exec rt-exec
    rmdir "$file"
    mkfifo "$file"
    engine_refuses "not a regular file" timeout 20 "$PROGRAM" --log "$ENGINE_LOG" --log-format json \
        exec --process "$file" rt-exec
    rm "$file"
    : >"$file"
    engine_refuses "it is empty" engine_exec rt-exec
    head -c 100 "$WORK/good" >"$file"
    engine_refuses "parse $file" engine_exec rt-exec
    echo '[]' >"$file"
    engine_refuses "not a JSON object" engine_exec rt-exec
    sed 's/"args"/"args": ["true"], "args"/' "$WORK/good" >"$file"
    engine_refuses "duplicate" engine_exec rt-exec
    jq '.args += ["x" * 5000000]' "$WORK/good" >"$file"
    engine_refuses "more than 4194304 bytes" engine_exec rt-exec
    for filter in '.capabilities = []' '.capabilities.bounding = "CAP_NET_RAW"' '.capabilities.bounding = [13]' \
        '.env = "A=B"' '.env = [1]'; do
        jq "$filter" "$WORK/good" >"$file"
        engine_refuses "missing or has the wrong type" engine_exec rt-exec
    done
    mv "$WORK/good" "$file"
    run engine_exec rt-exec
    [[ $status -eq 0 && $output == joined ]] || fail "$output"
}

@test "who may not be joined: no such container, one that has ended; restore and --preserve-fds" {
    process_file rt-exec /bin/echo joined
    engine_refuses "state: exit status 1" engine exec --process "$WORK/rt-exec.process" rt-nobody
    engine_refuses "state: exit status 1" engine start rt-nobody
    bundle rt-run agent /bin/true
    engine_create rt-run
    engine start rt-run
    eventually ended rt-run
    run engine exec --process "$WORK/rt-exec.process" rt-run
    [[ $status -ne 0 && $output != *joined* ]]
    engine_refuses "the container is stopped, not created" engine start rt-run
    engine_refuses "the container is running, not created" engine start rt-exec
    container_delete rt-run
    engine_refuses "restore" engine restore --bundle "$WORK/bundles/rt-run" rt-run
    engine_refuses "drop --preserve-fds" engine exec --preserve-fds 1 --process "$WORK/rt-exec.process" rt-exec
    engine_refuses "drop --preserve-fds" engine run --preserve-fds 1 --bundle "$WORK/bundles/rt-run" rt-run
    engine_refuses "drop --preserve-fds" engine create --preserve-fds=1 --bundle "$WORK/bundles/rt-run" rt-run
    run engine exec --preserve-fds 0 --process "$WORK/rt-exec.process" rt-exec
    [[ $status -eq 0 && $output == joined ]] || fail "$output"
}
