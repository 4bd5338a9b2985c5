# SPDX-License-Identifier: Apache-2.0
#
# A sample of tests/faults/run: a system call of ours fails, or is the last before SIGKILL. The whole takes too long for
# every run.

bats_require_minimum_version 1.5.0

faults()
{
    rm -rf /etc/sallyport /run/leftover # this machine's own, of the test before
    "$SALLYPORT_BUILD_DIRECTORY/tests/faults/faults" "$@"
}

@test "a system call that fails, or is the last: sealed or not started, nothing left, and the next start works" {
    run --separate-stderr faults --every 97
    echo "$output" "$stderr"
    [[ $status -eq 0 ]]
    [[ $(grep -c ' 0 wrong$' <<<"$output") -eq 13 && ${#lines[@]} -eq 13 ]]
}

@test "a netlink request that the kernel refuses, also within a transaction: the same" {
    run --separate-stderr faults --only requests --every 5 attach up
    echo "$output" "$stderr"
    [[ $status -eq 0 && $(grep -c ' 0 wrong$' <<<"$output") -eq 2 && ${#lines[@]} -eq 2 ]]
}

@test "it would be seen if a program said that it had sealed and had not" {
    run faults --every 60 --pretend success attach
    echo "$output"
    [[ $status -eq 1 && $output == *": it succeeded, and the member is not sealed"* ]]
}

@test "it would be seen if a program left a file" {
    run faults --every 700 --pretend leftover attach
    echo "$output"
    [[ $status -eq 1 && $output == *": something is left"* && $output == *"+ /run/leftover"* ]]
}
