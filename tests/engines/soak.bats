# SPDX-License-Identifier: Apache-2.0
#
# A short tests/soak/run: what can be counted stays as it is while containers come and go, and while they live. The whole
# takes too long for every run.

bats_require_minimum_version 1.5.0

soak()
{
    rm -rf /etc/sallyport # this machine's own, of the test before
    OUTPUT=$BATS_TEST_TMPDIR LEAK=$LEAK JUDGE=$JUDGE "$BATS_TEST_DIRNAME/../soak/soak" "$@"
}

# verdicts: the columns of the table that `$output` has, each with what was found.
verdicts()
{
    sed -n 's/^| \([a-z_]*\) |.*| \([a-zA-Z ]*\) |$/\1 \2/p' <<<"$output"
}

@test "60 containers one after another, and 60 at once: nothing that can be counted grows" {
    LEAK='' JUDGE=counts run soak 60 60
    echo "$output"
    [[ $status -eq 0 ]]
    [[ $(verdicts | grep -c ' flat$') -eq 26 ]] # 13 columns of two tables
    [[ $(wc -l <"$BATS_TEST_TMPDIR/cycles.csv") -eq 13 && $(wc -l <"$BATS_TEST_TMPDIR/live.csv") -eq 13 ]]
}

@test "it would be seen if a cycle left a link, a mount, a file or a process" {
    for leak in link:hub_links mount:mounts file:run_files process:processes; do
        LEAK=${leak%:*} JUDGE=counts run soak 20 0
        echo "$output"
        [[ $status -eq 1 ]]
        verdicts | grep -qx "${leak#*:} GROWS"
    done
}

@test "it would be seen if a cycle left a namespace, in memory too" {
    LEAK=namespace JUDGE=all run soak 60 0
    echo "$output"
    [[ $status -eq 1 ]]
    verdicts | grep -qx "namespaces GROWS"
    verdicts | grep -qx "kernel_kib GROWS"
}
