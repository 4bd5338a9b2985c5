# SPDX-License-Identifier: Apache-2.0
#
# The programs under valgrind, with the real kernel and a real runtime: what they decide by, and what they give to the
# kernel and to the runtime, has been written by somebody (the sanitizers do not see that), and nothing is lost.

source "$BATS_TEST_DIRNAME/runtime.bash"

PROGRAMS=$SALLYPORT_BUILD_DIRECTORY/tests/valgrind

setup_file()
{
    rootfs_make
    policy_write "$NETWORK"
    behind_us "$BEHIND"
}

teardown_file()
{
    rm -f /etc/sallyport/runtime
    small_stage_down
}

# looked_at COMMAND...: runs it under valgrind, with all of its children but not what they execute. What is wrong is in
# $WORK/found.
looked_at()
{
    local status=0
    rm -f "$WORK"/valgrind.*
    valgrind --quiet --error-markers=wrong:,end --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --log-file="$WORK/valgrind.%p" "$@" 3>&- || status=$?
    cat "$WORK"/valgrind.* >"$WORK/found"
    return "$status"
}

# clean COMMAND...: it succeeds, and nothing is wrong.
clean()
{
    looked_at "$@" || fail "it failed: $*" || return
    ! grep -q 'wrong:' "$WORK/found" || fail "$(<"$WORK/found")"
}

# refused_clean COMMAND...: it fails with one line, and nothing is wrong.
refused_clean()
{
    run looked_at "$@"
    [[ $status -eq 1 && ${#lines[@]} -eq 1 ]] || fail "exit status $status: $output"
    ! grep -q 'wrong:' "$WORK/found" || fail "$(<"$WORK/found")"
}

@test "it would be seen if a byte were sent that nobody has written, and if memory were lost" {
    looked_at --trace-children=yes "$SALLYPORT_BUILD_DIRECTORY/tests/unit/planted" --filter 'planted/@(uninitialised|leak)'
    grep -A 1 'wrong:' "$WORK/found" | grep -q 'points to uninitialised byte(s)' || fail "$(<"$WORK/found")"
    grep -q 'definitely lost' "$WORK/found" || fail "$(<"$WORK/found")"
}

@test "network up, list, show, reload" {
    for verb in up list show reload; do
        clean "$SALLYPORT" network "$verb" $([[ $verb == list ]] || echo "$NETWORK") >"$WORK/$verb.out"
    done
}

# The valgrind that there is does not know pidfd_open(2): attach itself is looked at by the tests of its kernel's side,
# where Criterion loses memory of its own.
@test "members: attached, with foreign links, silenced" {
    clean --leak-check=no --trace-children=yes --trace-children-skip='/usr/*,/bin/*,/sbin/*' \
        "$SALLYPORT_BUILD_DIRECTORY/tests/kernel/test-kernel-member" \
        --filter 'member/@(link_is_named*|*keeps|foreign*after_attach)' >"$WORK/cases" 2>&1
    grep -a 'Tested: .*3 .*Passing: .*3' "$WORK/cases" || fail "$(<"$WORK/cases")"
}

@test "hook and runtime: precreate, create, what is refused" {
    bundle rt agent sleep 600
    clean "$PROGRAMS/sallyport-hook" <"$WORK/bundles/rt/config.json" >"$WORK/edited.json"
    jq -e .linux.seccomp "$WORK/edited.json" >"$WORK/profile.json"
    clean "$PROGRAMS/sallyport-runtime" create --bundle "$WORK/bundles/rt" --pid-file "$WORK/rt.pid" rt \
        </dev/null >"$WORK/rt.log" 2>&1
    [ "$(container_status rt)" = created ]
    container_delete rt
    refused_clean "$PROGRAMS/sallyport-runtime" start nobody
    refused_clean "$PROGRAMS/sallyport-hook" </dev/null
    configure rt '.linux.namespaces |= map(select(.type != "network"))'
    refused_clean "$PROGRAMS/sallyport-hook" <"$WORK/bundles/rt/config.json"
}

@test "network down" {
    clean "$SALLYPORT" network down "$NETWORK"
}
