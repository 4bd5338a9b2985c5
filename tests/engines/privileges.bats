# SPDX-License-Identifier: Apache-2.0
#
# Least privilege: what hook and runtime hold while they are at work, looked at from outside after each step; and whose
# word they take: in whatever environment and working directory an engine starts them, they do the same.

source "$BATS_TEST_DIRNAME/hook.bash"
source "$BATS_TEST_DIRNAME/runtime.bash"

# A step ends with one of these: capabilities go, a namespace is entered, init is stopped or changed, the kernel is asked
# or told, a hub is pinned.
STEPS=capset,setns,sendmsg,flock,mount
ALL=$(sed -n 's/^CapPrm:\t0*//p' /proc/self/status)
# SYS_ADMIN, SYS_PTRACE, SYS_CHROOT, NET_ADMIN, DAC_READ_SEARCH; and the first, second and fourth of them.
TO_LOOK=$(printf '%x' $((1 << 21 | 1 << 19 | 1 << 18 | 1 << 12 | 1 << 2)))
TO_LINK=$(printf '%x' $((1 << 21 | 1 << 19 | 1 << 12)))

setup_file()
{
    small_stage_up
    behind_us "$BEHIND"
    bundle c agent /bin/echo started
    container_waits
    hostile_make
}

teardown_file()
{
    containers_delete_all
    rm -f /etc/sallyport/runtime
    small_stage_down
}

teardown()
{
    [[ ! -s $WORK/stopped ]] || kill -CONT "$(<"$WORK/stopped")" 2>/dev/null || true
    container_delete rt
}

# It ends, and another one waits.
container_ends()
{
    kill -KILL "$(<"$WORK/c.pid")"
    eventually internet_gone "$(<"$WORK/c.pid")"
    state '.status = "stopped" | .pid = 0' >"$WORK/state.json"
    "$HOOK" <"$WORK/state.json"
    eventually no_hub_links # of a namespace that is ending the kernel takes it away, in its own time
    container_waits
    state >"$WORK/state.json"
}

# What is held, step by step.

# alone COMMAND...: with no descriptors but the three streams, whatever bats has open, and KEEP, if there is one.
alone()
{
    local fd
    for fd in "/proc/$BASHPID/fd"/*; do
        ((${fd##*/} <= 2 || ${fd##*/} == ${KEEP-0})) || eval "exec ${fd##*/}>&-"
    done
    exec "$@"
}

# held PID: its capabilities, whether it can gain any, and its descriptors but for the three streams; one that a program
# would have that it executes is marked with "!".
held()
{
    awk '/^Cap(Inh|Prm|Eff|Amb):/ { sub("^0*", "", $2); print tolower(substr($1, 4, 3)) "=" ($2 == "" ? 0 : $2) }
        /^NoNewPrivs:/ { print "nnp=" $2 }' "/proc/$1/status"
    {
        awk '/^flags:/ { sub(".*/", "", FILENAME); print FILENAME, $2 }' "/proc/$1/fdinfo"/*
        find "/proc/$1/fd" -type l -printf '%f %l\n'
    } | awk '$1 > 2 {
        if ($1 in flags) print "fd=" (int(flags[$1] / 1000000) % 10 % 4 >= 2 ? "" : "!") $2 # octal; O_CLOEXEC is 02000000
        else flags[$1] = $2 }'
}

is_stopped()
{
    [[ -s $WORK/status || $(grep -c -e '--- stopped by SIGSTOP ---' "$WORK/trace") -gt $1 ]]
}

# steps COMMAND...: runs it, with the state on standard input, and stops it at the end of each step. $WORK/steps then has a
# line for each: the call, and what was held; $WORK/trace, which sockets it made.
steps()
{
    local count=0 pid
    rm -f "$WORK/status" "$WORK/steps"
    : >"$WORK/trace"
    {
        local status=0
        (alone strace -f -qq --detach-on=execve -o "$WORK/trace" -e "trace=$STEPS,ptrace,socket" \
            -e "inject=$STEPS:signal=STOP" -e inject=ptrace:signal=STOP:when=1+9 "$@") \
            <"$WORK/state.json" >"$WORK/said" 2>&1 || status=$?
        echo "$status" >"$WORK/status"
    } 3>&- &
    disown
    while eventually is_stopped "$count" && [[ ! -s $WORK/status ]]; do
        pid=$(awk '/--- stopped by SIGSTOP ---/ { pid = $1 } END { print pid }' "$WORK/trace")
        echo "$pid" >"$WORK/stopped"
        {
            awk -v pid="$pid" '$1 == pid && $2 ~ /\(/ { sub("\\(.*", "", $2); call = $2 } END { printf "%s ", call }' "$WORK/trace"
            held "$pid" | tr '\n' ' '
            echo
        } >>"$WORK/steps"
        count=$((count + 1))
        kill -CONT "$pid"
    done
    rm "$WORK/stopped"
    [[ $(<"$WORK/status") -eq 0 ]] || fail "$(<"$WORK/said")"
}

# went CAPABILITIES...: through all the steps it had these, one after the other, and no others; could not gain any; and had
# no descriptor but those that it needs, none of which outlives an execve.
went()
{
    local strange
    [[ $(sed -E 's/^[a-z]+ inh=0 prm=([0-9a-f]+) eff=\1 amb=0 nnp=1 .*/\1/' "$WORK/steps" | uniq | paste -sd' ') == "$*" ]] ||
        fail "not $*: $(cut -d' ' -f1-6 "$WORK/steps" | uniq)" || return
    strange=$(tr ' ' '\n' <"$WORK/steps" | sed -n 's/^fd=//p' | sort -u | grep -vxE -e '/|/run/sallyport(/lock)?' \
        -e "/run/netns(/sallyport-$NETWORK)?|(net|mnt):\[[0-9]+\]" -e '(socket|pipe):\[[0-9]+\]|anon_inode:\[pidfd\]' \
        -e "/proc/([0-9]+(/task)?|sys/net/ipv[46]/conf)|$WORK/bundles/[a-z]+" || true)
    [[ -z $strange ]] || fail "strange: $strange" || return
    strange=$(sed -n 's/^[0-9]* *socket(//p' "$WORK/trace" | grep -v '^AF_NETLINK, .*SOCK_CLOEXEC' || true)
    [[ -z $strange ]] || fail "strange: $strange" || return
}

# took CALL...: there were steps that ended with these.
took()
{
    local call
    for call in "$@"; do
        grep -q "^$call " "$WORK/steps" || fail "no $call: $(cut -d' ' -f1 "$WORK/steps" | uniq -c)"
    done
}

@test "hook, step by step: five capabilities to look, three to link; what it opens is closed on exec" {
    state >"$WORK/state.json"
    steps "$HOOK"
    went "$TO_LOOK" "$TO_LINK"
    took capset setns ptrace sendmsg flock
    # Once init is sealed nothing of it is open but its namespace and its number.
    ! grep " prm=$TO_LINK " "$WORK/steps" | grep '/task' || fail "init's threads are still open"
    [ "$(hub_links)" -eq 1 ]
    container_ends
}

@test "hook, step by step: the first of its network, which makes the hub" {
    "$SALLYPORT" network down "$NETWORK"
    state >"$WORK/state.json"
    steps "$HOOK"
    went "$TO_LOOK" "$TO_LINK"
    took mount
    container_ends
}

@test "hook, step by step: poststop" {
    state >"$WORK/state.json"
    "$HOOK" <"$WORK/state.json"
    kill -KILL "$(<"$WORK/c.pid")"
    state '.status = "stopped" | .pid = 0' >"$WORK/state.json"
    steps "$HOOK"
    went "$TO_LOOK"
    took capset setns sendmsg
    container_waits
}

@test "runtime, step by step: its start is the seal, and only then a runtime" {
    bundle rt agent sleep 600
    engine_create rt
    steps "$PROGRAM" start rt
    went "$TO_LOOK" "$TO_LINK"
    took capset setns sendmsg
    [ "$(container_status rt)" = running ]
}

@test "it would be seen if the hook had more: before the first step it has, and a descriptor of its caller's" {
    state >"$WORK/state.json"
    STEPS=read KEEP=9 steps "$HOOK" 9<"$WORK/state.json"
    [[ $(head -n 1 "$WORK/steps") == "read inh=0 prm=$ALL eff=$ALL amb=0 nnp=0 "* ]] ||
        fail "$(head -n 1 "$WORK/steps")"
    grep -qF "fd=!$WORK/state.json" "$WORK/steps"
    run went "$TO_LOOK" "$TO_LINK"
    [ "$status" -ne 0 ]
    container_ends
}

# Whose word is taken.

# What an environment can lead a program to: a library that is loaded before all others, programs in front of others of
# their names, files named by the C library's variables; and a directory that looks like a bundle. What of it is run leaves
# a file in $WORK/hostile/used.
hostile_make()
{
    local program at=$WORK/hostile
    mkdir -p "$at"/{bin,cwd/rootfs,tmp,used}
    printf '#include <fcntl.h>\n__attribute__((constructor)) static void used(void) { open("%s", O_CREAT, 0600); }\n' \
        "$at/used/library" | gcc -x c -shared -fPIC -o "$at/library.so" -
    for program in runc crun nft ip iptables sh squid sysctl mount true; do
        printf '#!/bin/bash\n: >%q\n' "$at/used/program" >"$at/bin/$program"
        chmod 755 "$at/bin/$program"
    done
    : >"$at/zone"
    jq '.annotations["io.sallyport.role"] = "nested"' "$WORK/bundles/c/config.json" >"$at/cwd/config.json"
    local variables=(PATH="$at/bin" LD_PRELOAD="$at/library.so" LD_LIBRARY_PATH="$at" TMPDIR="$at/tmp" TZ=":$at/zone" TZDIR="$at"
        LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 LANGUAGE=tr LOCPATH="$at" NLSPATH="$at/%N" GCONV_PATH="$at" HOSTALIASES="$at/zone"
        HOME="$at" XDG_RUNTIME_DIR="$at" POSIXLY_CORRECT=1 NETWORK=other ROLE=nested SALLYPORT_ROLE=nested)
    printf -- '-E%s\n' "${variables[@]}" >"$WORK/hostile.options"
}

# traced DIRECTORY [-EVARIABLE=VALUE...] COMMAND...: runs it there, with that environment and no other and the state on
# standard input. Prints which files it named, each once, what it said, and its exit status. It is not followed into what
# it executes.
traced()
{
    local status=0
    (
        cd "$1"
        shift
        exec env -i /usr/bin/strace -f -qq --detach-on=execve -o "$WORK/trace" -e trace=%file,connect,bind "$@"
    ) <"$WORK/state.json" >"$WORK/said" 2>&1 3>&- || status=$?
    sed -E 's/^[0-9]+ +//; s/ = .*//; s/\{[^}]*\}|0x[0-9a-f]+|[0-9]+/N/g; s/(\.sallyport-)[0-9a-fN]+/\1N/' "$WORK/trace" | sort -u
    cat "$WORK/said"
    echo "status $status"
}

# twice FUNCTION: calls it with a harmless directory and environment, as arguments for traced, and with hostile ones. It
# must print the same; and nothing but whole paths, but for names in directories that are open. What others on this machine
# make and remove meanwhile (/var/lib/containerd) is no difference the next time.
twice()
{
    local options attempt
    mapfile -t options <"$WORK/hostile.options"
    for attempt in 1 2 3; do
        "$1" / >"$WORK/harmless.files"
        "$1" "$WORK/hostile/cwd" "${options[@]}" >"$WORK/hostile.files"
        ! cmp -s "$WORK/harmless.files" "$WORK/hostile.files" || break
    done
    diff "$WORK/harmless.files" "$WORK/hostile.files" || fail "they differ"
    ! grep -E '(AT_FDCWD, |^[a-z]+\()"[^/]' "$WORK/hostile.files" || fail "they depend on where it was started"
    ! grep -F "$WORK/hostile" "$WORK/hostile.files" || fail "it went where it was led"
}

unused()
{
    [[ -z $(find "$WORK/hostile"/{used,tmp} -type f) ]] || fail "used: $(find "$WORK/hostile"/{used,tmp})"
}

@test "it is hostile: other programs load its library, run its programs, read its files" {
    local options output
    mapfile -t options <"$WORK/hostile.options"
    state >"$WORK/state.json"
    output=$(traced "$WORK/hostile/cwd" "${options[@]}" /bin/date)
    grep -qF "\"$WORK/hostile/zone\"" <(sed -E 's/ = .*//' "$WORK/trace")
    grep -qF "\"$WORK/hostile/library.so\"" "$WORK/trace"
    traced "$WORK/hostile/cwd" "${options[@]}" /bin/bash -c 'runc; : >$(/bin/mktemp)' >/dev/null
    [ "$(find "$WORK/hostile"/{used,tmp} -type f | wc -l)" -eq 3 ]
    rm -f "$WORK/hostile"/{used,tmp}/*
}

# hook_life DIRECTORY [OPTION...]: refused, attached, ended, and as Podman's precreate.
hook_life()
{
    local before
    state '.status = "odd"' >"$WORK/state.json"
    traced "$@" "$HOOK"
    before=$(hub_links)
    state >"$WORK/state.json"
    traced "$@" "$HOOK"
    echo "members: $before, then $(hub_links)"
    kill -KILL "$(<"$WORK/c.pid")"
    eventually internet_gone "$(<"$WORK/c.pid")"
    state '.status = "stopped" | .pid = 0' >"$WORK/state.json"
    traced "$@" "$HOOK"
    cp "$WORK/bundles/c/config.json" "$WORK/state.json"
    traced "$@" "$HOOK"
    container_waits
}

@test "hook: whatever environment and directory it is started in, it does the same, and loads and runs nothing" {
    twice hook_life
    unused
    grep -qx 'members: 0, then 1' "$WORK/hostile.files"
    [ "$(grep -c '^status 0$' "$WORK/hostile.files")" -eq 3 ]
    [ "$(grep -c '^sallyport: ' "$WORK/hostile.files")" -eq 1 ]
}

# runtime_life DIRECTORY [OPTION...]: created, started, joined, refused.
runtime_life()
{
    bundle rt agent sleep 600
    traced "$@" "$PROGRAM" create --bundle "$WORK/bundles/rt" --pid-file "$WORK/rt.pid" rt
    traced "$@" "$PROGRAM" start rt
    echo "it is $(container_status rt), in role $("$SALLYPORT" network show "$NETWORK" --json |
        jq -r '.members[] | select(.id == "rt").role')"
    process_file rt /bin/echo joined
    traced "$@" "$PROGRAM" exec --process "$WORK/rt.process" rt
    traced "$@" "$PROGRAM" start rt
    container_delete rt
}

@test "runtime: whatever environment and directory it is started in, it does the same; the runtime behind gets it as it is" {
    local options
    mapfile -t options <"$WORK/hostile.options"
    twice runtime_life
    [ ! -e "$WORK/hostile/used/program" ]
    grep -qx 'it is running, in role agent' "$WORK/hostile.files"
    grep -qx joined "$WORK/hostile.files"
    [ "$(grep -c '^sallyport: .*not created$' "$WORK/hostile.files")" -eq 1 ]
    printf '#!/bin/bash\nexec /usr/bin/env\n' >"$WORK/prints"
    chmod 755 "$WORK/prints"
    (cd / && env -i "${options[@]#-E}" "$PROGRAM" --runtime "$WORK/prints" list) >"$WORK/environment"
    [ "$(grep -cxF "$(printf '%s\n' "${options[@]#-E}")" "$WORK/environment")" -eq "${#options[@]}" ]
}

@test "nothing of the host is inherited by the container: descriptors, environment, directory" {
    local options
    mapfile -t options <"$WORK/hostile.options"
    # shellcheck disable=SC2016 # for the shell inside
    bundle rt agent /bin/sh -c 'for each in /proc/$$/fd/*; do [ -L $each ] && set -- "$@" ${each##*/}; done; echo "fds: $@"
        echo "at: $PWD"; cat /proc/$$/environ | tr "\0" "\n"; cat /proc/$$/status'
    run bash -c 'cd "$1" && exec env -i "${@:2}"' bash "$WORK/hostile/cwd" "${options[@]#-E}" \
        "$PROGRAM" run --bundle "$WORK/bundles/rt" rt 9<"$WORK/state.json" 3>&-
    [[ $status -eq 0 && $output == *"fds: 0 1 2"*"at: /"* ]] || fail "$output"
    [[ $output != *"$WORK"* && $output != *tr_TR* && $output != *nested* ]] || fail "$output"
    [[ $(grep -c '^CapInh:\s*0*$\|^CapAmb:\s*0*$' <<<"$output") -eq 2 ]] || fail "$output"
}
