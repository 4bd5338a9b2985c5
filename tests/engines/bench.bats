# SPDX-License-Identifier: Apache-2.0
#
# tests/bench/run with as few rounds as there can be: every suite that needs no more than the tests do, every peer's link
# passes traffic, and the report says of its samples what is so. No time is judged.

BENCH=$BATS_TEST_DIRNAME/../bench/run
REPORT=$BATS_FILE_TMPDIR/out/bench.json
TABLE=$BATS_FILE_TMPDIR/table

fail()
{
    echo "$*" >&2
    return 1
}

setup_file()
{
    "$BENCH" --installed --rounds 1 --live "1 5" --output "$BATS_FILE_TMPDIR/out" attach path scale seccomp >"$TABLE"
}

# measured SUITE METRIC: the peers that have samples of it, all of them above zero.
measured()
{
    jq -r --arg suite "$1" --arg metric "$2" '.suites[] | select(.name == $suite).metrics[] | select(.name == $metric).peers
        | map(select((.samples | length > 0) and all(.samples[]; . > 0)).name) | join(" ")' "$REPORT"
}

# has SUITE METRIC PEER...
has()
{
    local peers peer
    peers=" $(measured "$1" "$2") "
    for peer in "${@:3}"; do
        [[ $peers == *" $peer "* ]] || fail "$1: $2 has not $peer:$peers"
    done
}

@test "each suite measures each of its peers" {
    local metric
    for metric in attach attach-work; do
        has attach "$metric" hook inject floor empty script netavark
    done
    has attach step "judge the mounts" "guard, link, routes"
    for metric in stream-1 stream-8 ask-p50 ask-p99 connect-p50 connect-p99; do
        has path "$metric" veth sallyport docker
    done
    for metric in attach quiet at-once at-once-quiet show reload log; do
        has scale "$metric" 1 5
    done
    for metric in getppid read socket; do
        has seccomp "$metric" none default composed ours
    done
}

@test "who is not installed is told, and machine, versions and load are in it" {
    local program
    for program in /usr/lib/cni/ptp pasta socat; do
        type -P "$program" || grep -q "not installed here: .* (${program##*/})" "$TABLE"
    done
    grep -Eq '^Measured on 20[0-9-]+, sallyport [0-9.]+.*\. Linux [^ ]+, processors [0-9]+, model ' "$TABLE"
    grep -Eq '^runc [0-9].*, Docker [0-9].*, netavark [0-9]' "$TABLE"
    [[ $(grep -Ec 'all take turns; [0-9]+ s; load [0-9.]+ before, [0-9.]+ after' "$TABLE") -eq 4 ]]
    diff "$TABLE" "$BATS_FILE_TMPDIR/out/bench.md"
}

# report: of peers a and b, of which b takes 2, 20 and 30 times as long in its rounds and c twice that.
report()
{
    printf '%s\n' '{"kind": "metric", "name": "m", "unit": "us", "title": "M", "base": "a"}' \
        '{"kind": "peer", "name": "a", "title": "A"}' '{"kind": "peer", "name": "b", "title": "B"}' \
        '{"kind": "goal", "metric": "m", "peer": "b", "other": "a", "operator": "<=", "limit": "20", "over": ""}' \
        '{"kind": "goal", "metric": "m", "peer": "b", "other": "a", "operator": "<", "limit": "20", "over": ""}' \
        '{"kind": "goal", "metric": "m", "peer": "c", "other": "b", "operator": ">=", "limit": "2.1", "over": "a"}' |
        jq -s --arg name s --arg title S --arg rounds 3 --arg seconds 1 -f "$BATS_TEST_DIRNAME/../bench/run.d/report.jq" \
            --arg samples $'m\ta\t1\nm\tb\t2\nm\tc\t4\nm\ta\t10\nm\tb\t200\nm\tc\t400\nm\ta\t100\nm\tb\t3000\nm\tc\t6000\n'
}

@test "medians, spread, ratios of the same round, and goals that are missed" {
    report >"$BATS_TEST_TMPDIR/report"
    [[ $(jq -c '.metrics[0].peers | map([.name, .title, .median, .p10, .p90, .ratio.median, .ratio.p90])' "$BATS_TEST_TMPDIR/report") == \
        '[["a","A",10,1,100,1,1],["b","B",200,2,3000,20,30],["c","c",400,4,6000,40,60]]' ]]
    [[ $(jq -c '.goals | map([(.value * 1000 | round), .reached])' "$BATS_TEST_TMPDIR/report") == \
        '[[20000,true],[20000,false],[2053,false]]' ]]
    jq -n --slurpfile suite "$BATS_TEST_TMPDIR/report" '{machine: {}, versions: {}, suites: [$suite[0] + {load: [1, 2]}]}' |
        jq -r -f "$BATS_TEST_DIRNAME/../bench/run.d/table.jq" >"$BATS_TEST_TMPDIR/table"
    grep -qx '| B | 200 | 2 to 3000 | 20 | 2 to 30 |' "$BATS_TEST_TMPDIR/table"
    [[ $(grep -c '^- MISSED: ' "$BATS_TEST_TMPDIR/table") -eq 2 && $(grep -c '^- reached: ' "$BATS_TEST_TMPDIR/table") -eq 1 ]]
}

@test "a peer whose link passes no traffic fails the benchmark, and is named" {
    cp /bin/true "$BATS_TEST_TMPDIR/hook"
    mount --bind "$BATS_TEST_TMPDIR/hook" "$SALLYPORT_BUILD_DIRECTORY/sallyport-hook"
    run "$BENCH" --installed --rounds 1 --output "$BATS_TEST_TMPDIR/out" attach
    umount "$SALLYPORT_BUILD_DIRECTORY/sallyport-hook"
    [[ $status -eq 1 && ! -e $BATS_TEST_TMPDIR/out/bench.json ]] || fail "$status: $output"
    [[ $output =~ bench:\ (hook|inject):\ no\ traffic\ passes\ its\ link ]] || fail "$output"
}

@test "nothing is left behind, and what is no suite is refused" {
    [[ -z $(ip netns list) && -z $(ip -o link show | grep -v ': lo:') && -z $(nft list tables) ]]
    ! pgrep -x 'traffic|pasta|socat|dockerd|live' || fail "still running"
    run "$BENCH" nothing
    [[ $status -eq 2 && $output == "usage: "* ]] || fail "$status: $output"
    run "$BENCH" --rounds none attach
    [[ $status -eq 2 ]] || fail "$status: $output"
}
