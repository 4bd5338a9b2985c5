# SPDX-License-Identifier: Apache-2.0
#
# Command lines as sallyport-runtime reads them against what runc and crun do with them: which config.json they open,
# which container's directory they look at, which --process file they read (strace). What is accepted must be taken
# alike; what is refused is shown to be taken differently, or by one of them only, or to undo what is edited.

source "$BATS_TEST_DIRNAME/common.bash"

TAKE=$SALLYPORT_BUILD_DIRECTORY/tests/unit/command-line-take
HERE=$WORK/here
RUNTIMES=(runc crun)

# Bundles for every name that a reading of the lines below can come to, and directories of containers with every id: a
# runtime that makes a container finds it there and stops.
setup_file()
{
    local name
    mkdir -p "$HERE"
    for name in . A B undle =A 'A ' -- --pid-file --bundle --keep start create; do
        mkdir -p "$HERE/$name/rootfs"
        jq -n '{ociVersion: "1.0.2", process: {user: {uid: 0, gid: 0}, args: ["/x"], cwd: "/"}, root: {path: "rootfs"},
            mounts: [], linux: {namespaces: [{type: "mount"}, {type: "pid"}]}}' >"$HERE/$name/config.json"
    done
    for name in x y create run start --keep; do
        mkdir -p "$HERE/state/$name" "$HERE/create/$name"
    done
    rootfs_make
    for RUNTIME in "${RUNTIMES[@]}"; do
        bundle "line-$RUNTIME" agent sleep 600
        container_start "line-$RUNTIME"
    done
    jq '.process' "$WORK/bundles/line-runc/config.json" | jq '.args = ["true"]' >"$HERE/P"
    cp "$HERE/P" "$HERE/Q"
    cp "$HERE/P" "$HERE/--process"
}

teardown_file()
{
    for RUNTIME in "${RUNTIMES[@]}"; do
        container_delete "line-$RUNTIME"
    done
}

# traced COMMAND...: the paths that it names in system calls, in order.
traced()
{
    (cd "$HERE" && strace -f -qq -s 400 -e trace=%file -o "$WORK/trace" timeout 20 "$@" </dev/null >"$WORK/said" 2>&1 3>&-) ||
        true
}

# bundle_of_trace: the directory whose config.json was opened, as a name in $HERE.
bundle_of_trace()
{
    awk -v here="$HERE" '
        function quoted() { match($0, /"[^"]*"/); return substr($0, RSTART + 1, RLENGTH - 2) }
        /chdir\(/ && / = 0$/ { where = quoted(); sub("^" here "/?", "", where) }
        /openat\(.*config.json"/ {
            file = quoted()
            if (sub("/config.json$", "", file)) { sub("^" here "/?", "", file); where = file }
            print where == "" ? "-" : where
            exit
        }' "$WORK/trace"
}

# id_of_trace ROOT: the container below $HERE/ROOT that was looked at.
id_of_trace()
{
    grep -o "\"\($HERE/\)\?$1/[^/\"]*" "$WORK/trace" | sed 's,.*/,,' | grep -v '^\.' | head -n 1
}

# taken RUNTIME ROOT ARGUMENT...: "ID BUNDLE", or nothing if it refuses the line.
taken()
{
    local runtime=$1 root=$2 id bundle
    shift 2
    traced "$runtime" "$@"
    bundle=$(bundle_of_trace)
    id=$(id_of_trace "$root")
    [[ -z $bundle || -z $id ]] || echo "$id $bundle"
}

# started RUNTIME ARGUMENT...: the container that start or exec looks at.
started()
{
    local runtime=$1
    shift
    traced "$runtime" "$@"
    id_of_trace state
}

# same ROOT ARGUMENT...: both runtimes take the id and bundle that we take.
same()
{
    local root=$1 runtime ours theirs
    shift
    read -r _ ours < <("$TAKE" "$@") || fail "refused: $*"
    ours=${ours% *}
    for runtime in "${RUNTIMES[@]}"; do
        theirs=$(taken "$runtime" "$root" "$@")
        [[ $theirs == "$ours" ]] || fail "$runtime $*: \`$theirs\`, not \`$ours\`: $(cat "$WORK/said")"
    done
}

# differ RUNC CRUN ARGUMENT...: we refuse the line, runc and crun take these ("" for nothing).
differ()
{
    local runc=$1 crun=$2 theirs
    shift 2
    run "$TAKE" "$@"
    [[ $status -eq 1 ]] || fail "accepted: $*: $output"
    theirs=$(taken runc state "$@")
    [[ $theirs == "$runc" ]] || fail "runc $*: \`$theirs\`, not \`$runc\`: $(cat "$WORK/said")"
    theirs=$(taken crun state "$@")
    [[ $theirs == "$crun" ]] || fail "crun $*: \`$theirs\`, not \`$crun\`: $(cat "$WORK/said")"
}

@test "create and run: id and bundle are those that runc and crun take" {
    local root=(--root "$HERE/state")
    same state "${root[@]}" create --bundle A x
    same state "${root[@]}" create --bundle=A x
    same state "${root[@]}" create -b A x
    same state "${root[@]}" create x
    same state "${root[@]}" run -d -b A x
    same state "${root[@]}" --debug --log-format json create --no-pivot --no-new-keyring --bundle A x
    same state --rootless false --log "$WORK/log" "--root=$HERE/state" create --pid-file p --bundle A x
    same state "--root=$HERE/state" --systemd-cgroup create --bundle A x
    same state "${root[@]}" create --preserve-fds 0 --bundle A x
    same state "${root[@]}" create --bundle A --preserve-fds=0 x
}

@test "create and run: what looks like a verb or an option is taken as what its place says" {
    local root=(--root "$HERE/state")
    same create --root "$HERE/create" create --bundle start run
    same state "${root[@]}" create --bundle create start
    same state "${root[@]}" create --bundle -- x
    same state "${root[@]}" create --bundle --pid-file x
    same state "${root[@]}" create --bundle --bundle x
    same state "${root[@]}" create --bundle --pid-file -- x
    same state "${root[@]}" create --bundle=--pid-file x
    same state "${root[@]}" create --pid-file --help --bundle A x
    same state "${root[@]}" create --pid-file --bundle --bundle A x
    same state "${root[@]}" create --pid-file --config=B x
    same state "${root[@]}" create --no-pivot -- x
    same state "${root[@]}" create --no-pivot --bundle A -- x
    same state "${root[@]}" create --bundle 'A ' x
    same state --log --root "${root[@]}" create --bundle A create
}

@test "create: every spelling that runc and crun take differently is refused" {
    local root=(--root "$HERE/state")
    differ "x A" "" "${root[@]}" create -bundle A x
    differ "" "x undle" "${root[@]}" create -bundle x
    differ "x A" "x =A" "${root[@]}" create -b=A x
    differ "" "x A" "${root[@]}" create -bA x
    differ "" "x A" "${root[@]}" create --bund A x
    differ "x A" "x A" "${root[@]}" create --bundle B --bundle A x
    differ "x A" "" "${root[@]}" create x --bundle A
    differ "x A" "" "${root[@]}" create --help=false --bundle A x
    differ "x A" "" "${root[@]}" create --help --bundle A --help=false x
    differ "x A" "" "${root[@]}" create --help --bundle A x --help=false
    differ "x A" "" --version=false "${root[@]}" create --bundle A x
    differ "x A" "" --version "${root[@]}" -version=false create --bundle A x
    differ "x A" "x A" "${root[@]}" -- create --bundle A x
    differ "x A" "" -root "$HERE/state" create --bundle A x
    differ "" "x B" "${root[@]}" create --config B/config.json --bundle A x
    differ "" "x A" "${root[@]}" create --preserve-fds 08 --bundle A x
    differ "" "" "${root[@]}" create --bundle A x y
    differ "" "" "${root[@]}" create --no-such --bundle A x
}

@test "start and exec: the id is the one that runc and crun take" {
    local runtime line id
    for line in "start x" "start -- x" "start create" "exec x true" "exec -- x --process P" "exec x --process P" \
        "exec --process P x" "exec -p P x" "exec --env start --env x=y --cwd exec y true" "exec --cap x --cap y create true"; do
        # shellcheck disable=SC2086
        read -r _ id _ < <("$TAKE" $line) || fail "refused: $line"
        for runtime in "${RUNTIMES[@]}"; do
            # shellcheck disable=SC2086
            [[ $(started "$runtime" --root "$HERE/state" $line) == "$id" ]] ||
                fail "$runtime $line: $(cat "$WORK/said")"
        done
    done
}

# process_read RUNTIME ARGUMENT...: which file in $HERE exec reads first.
process_read()
{
    local runtime=$1
    shift
    traced "$runtime" exec "$@"
    sed -n 's/.*openat(AT_FDCWD, "\([^/"]*\)", .*/\1/p' "$WORK/trace" | grep -x -e P -e Q -e --process | head -n 1
}

@test "exec: the --process file is the one that runc and crun read" {
    local runtime line file
    for line in "--process P ID" "--process=P ID" "-p P ID" "--process P -- ID" "--process --process ID" \
        "--env --process=Q --process P ID" "--cwd -p -p P ID" "--process P ID --process Q" "--process=P ID -p Q"; do
        for runtime in "${RUNTIMES[@]}"; do
            # shellcheck disable=SC2086
            read -r _ _ _ file < <("$TAKE" exec ${line/ID/line-$runtime}) || fail "refused: $line"
            # shellcheck disable=SC2086
            [[ $(process_read "$runtime" ${line/ID/line-$runtime}) == "$file" ]] ||
                fail "$runtime exec $line: not $file: $(cat "$WORK/said")"
        done
    done
}

@test "exec: spellings of --process that runc and crun take differently are refused" {
    local line runc crun
    while read -r runc crun line; do
        # shellcheck disable=SC2086
        run "$TAKE" exec ${line/ID/x}
        [[ $status -eq 1 ]] || fail "accepted: $line: $output"
        # shellcheck disable=SC2086
        [[ $(process_read runc ${line/ID/line-runc}) == "${runc#none}" ]] || fail "runc $line: $(cat "$WORK/said")"
        # shellcheck disable=SC2086
        [[ $(process_read crun ${line/ID/line-crun}) == "${crun#none}" ]] || fail "crun $line: $(cat "$WORK/said")"
    done <<'LINES'
none P -pP ID
P none -p=P ID
P none --process Q -process P ID
Q Q --process P --process Q ID
none P -dp P ID
LINES
}
