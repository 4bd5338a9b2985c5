# SPDX-License-Identifier: Apache-2.0
#
# tests/bench/escapes, which compares Sallyport with others by the same probe, runs here with two of its systems: what it
# says of a plain link and of Sallyport is so, its table has the form that the README shows, and a system that cannot run
# is told.

ESCAPES=$BATS_TEST_DIRNAME/../bench/escapes
REPORT=$BATS_FILE_TMPDIR/out/escapes.json

fail()
{
    echo "$*" >&2
    return 1
}

setup_file()
{
    "$ESCAPES" --output "$BATS_FILE_TMPDIR/out" runc sallyport-runc >"$BATS_FILE_TMPDIR/table"
}

# of SYSTEM FILTER: the attempts of the system for which it holds, as lines.
of()
{
    jq -r --arg name "$1" ".systems[] | select(.name == \$name).attempts[] | select($2)
        | \"\(.group) \(.name): \(.detail) \(.arrived | join(\",\"))\"" "$REPORT"
}

@test "in Sallyport nothing is open and every allowed path works" {
    [[ -z $(of sallyport-runc '.verdict == "open" or .verdict == "broken"') ]] || fail "$(of sallyport-runc '.verdict == "open" or .verdict == "broken"')"
    [[ $(of sallyport-runc '.verdict == "works"' | wc -l) -eq 4 ]]
    [[ $(of sallyport-runc '.verdict == "closed"' | wc -l) -ge 200 ]]
}

@test "on a plain link the same attempts arrive, and it is known where" {
    local group
    for group in plain ipv6 dns metadata host members; do
        of runc ".verdict == \"open\" and .group == \"$group\" and .arrived != []" | grep -q "$group " || fail "$group"
    done
    [[ $(of runc '.arrived == ["internet"]' | wc -l) -ge 40 && $(of runc '.arrived == ["host"]' | wc -l) -ge 10 ]]
    [[ $(of runc '.verdict == "open" and .group == "raw"' | wc -l) -ge 5 ]]
    [[ $(of runc '.verdict == "works"') == "members tcp-203.0.113.10-443: connected " ]]
    # Sent by a socket that does not say so, and not taken for a leak: nothing routes there.
    [[ -n $(of runc '.saw == "open" and .verdict == "closed" and .arrived == []') ]]
}

@test "the table has a column for each system, a row for each group, and says how each was run" {
    local rows
    diff "$BATS_FILE_TMPDIR/table" "$BATS_FILE_TMPDIR/out/escapes.md"
    grep -Eq '^Measured on 20[0-9-]+, Linux [^,]+, [0-9]+ processors; .*runc 1.*sallyport [0-9]' "$BATS_FILE_TMPDIR/table"
    grep -qx '|  | runc | sallyport-runc |' "$BATS_FILE_TMPDIR/table"
    rows=$(jq '[.systems[].attempts[] | select(.verdict | IN("closed", "open")).group] | unique | length' "$REPORT")
    [[ $rows -ge 15 ]]
    [[ $(grep -Ec '^\| [a-z0-9]+ \| ([0-9*]+/[0-9]+|—) \| ([0-9]+)/\2 \|$' "$BATS_FILE_TMPDIR/table") -eq $rows ]]
    grep -Eq '^\| allowed paths that work \| 1/1 \| 4/4 \|$' "$BATS_FILE_TMPDIR/table"
    grep -Eq '^\| open, and arrived outside \| [1-9][0-9]+ \| 0 \|$' "$BATS_FILE_TMPDIR/table"
    # shellcheck disable=SC2016 # Markdown's
    grep -Eq '^- \*\*runc\*\*: .*`runc exec agent /probe battery .*[0-9]+ open, such as plain `' "$BATS_FILE_TMPDIR/table"
}

@test "a system that cannot run is in the table with its own error" {
    local runc
    runc=$(type -P runc)
    mount --bind /bin/false "$runc"
    run "$ESCAPES" --output "$BATS_TEST_TMPDIR" runc
    umount "$runc"
    [[ $status -eq 0 ]] || fail "$output"
    grep -qx '| \*\*all\*\* | n/a |' "$BATS_TEST_TMPDIR/escapes.md"
    grep -q '^- \*\*runc\*\*: .*Not measured: .*failed to create' "$BATS_TEST_TMPDIR/escapes.md" || fail "$output"
}

@test "nothing is left behind, and what is no system is refused" {
    [[ -z $(ip netns list) && -z $(ip -o link show | grep -v ': lo:') && -z $(nft list tables) ]]
    ! pgrep -f 'witness\.py|internet\.py' || fail "still running"
    run "$ESCAPES" nothing
    [[ $status -eq 2 && $output == "usage: "* ]] || fail "$status: $output"
}
