# SPDX-License-Identifier: Apache-2.0
#
# A member that wants to do harm, with all that it is left: root, sockets, processes. It floods proxy, members, hub, guard
# and kernel; meanwhile another member's requests through the proxy are answered, every one, and the host's logs do not
# fill. How fast they are answered is told, not judged: tests/soak/hostile prints it as a table.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/log.bash"

FLOOD_MS=4000

setup_file()
{
    stage_up
    bundle gateway gateway sleep 600
    bundle victim agent sleep 600
    bundle attacker agent sleep 600
    # Nobody there collects the processes that it leaves: with them its limit is used up for ever.
    bundle forker agent sleep 600
    configure forker '.linux.resources.pids.limit = 100'
    for id in gateway victim attacker forker; do
        seal "$id"
        container_start "$id"
    done
    witness member gateway "$PROBE" listen tcp "$GATEWAY" 8642
}

teardown_file()
{
    stage_down
}

teardown()
{
    log_kill
}

# requests COUNT [PID]: of the other member, while the process lives.
requests()
{
    network_of victim python3 "$BATS_TEST_DIRNAME/proxy_latency.py" "$PROXY" api.openai.com:443 "$@"
}

# all_answered: `$output` is what requests printed, and none has failed.
all_answered()
{
    [[ $output == *"answered="*" failed=0 "* ]] || fail "$output"
}

# during KIND ADDRESS PORT: all requests of the other member are answered while the attacker floods (ATTACKER: another
# one). What the flood says of itself is in $WORK/flood.
during()
{
    inside "${ATTACKER:-attacker}" /probe flood "$@" --milliseconds "$FLOOD_MS" </dev/null >"$WORK/flood" 3>&- &
    run requests 20 $!
    echo "$1 $2:$3: $output; $(cat "$WORK/flood")"
    all_answered
    grep -q "result=ok" "$WORK/flood" || fail "no flood"
}

# flooded FIELD AT-LEAST: what the last flood did, so that a flood that never was is no success.
flooded()
{
    local count
    count=$(sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$WORK/flood")
    ((count >= $2)) || fail "$(cat "$WORK/flood")"
}

# kernel_lines: of the kernel's log, which the whole machine shares, those about what is flooded here.
kernel_lines()
{
    dmesg | grep -Ec 'sp0|sp-|TCP|martian|nf_|nft|suppressed' || true
}

@test "quiet: all requests are answered" {
    run requests 50
    echo "$output"
    all_answered
}

@test "new connections to the proxy, as many as it can make" {
    during connect "$PROXY" 3128
    flooded done 1000
}

@test "new connections to another member's open port" {
    during connect "$GATEWAY" 8642
    flooded done 1000
}

@test "connections to the proxy that stay open: all the descriptors that it has" {
    during hold "$PROXY" 3128
    flooded done 512
}

@test "ping of every address of the network: there is no socket for it" {
    # shellcheck disable=SC2016 # for the shell inside
    run inside attacker sh -c 'i=0; while [ $i -lt 256 ]; do /probe icmp "10.209.0.$i"; i=$((i + 1)); done'
    [[ $(grep -c "^icmp result=failed error=EPERM " <<<"$output") -eq 256 && ${#lines[@]} -eq 256 ]] || fail "$output"
}

@test "packets that the guard refuses, dumps of the kernel's tables, sockets and processes without end" {
    during udp "$GATEWAY" 53
    flooded refused 10000
    during udp 203.0.113.66 53
    flooded refused 10000
    during netlink 0.0.0.0 0
    flooded done 1000
    during unix 0.0.0.0 0
    flooded exhausted 2
    ATTACKER=forker during fork 0.0.0.0 0
    flooded exhausted 1
}

@test "100,000 refused connections: few lines, an exact count, and next to nothing in the kernel's log" {
    local before kernel
    kernel=$(kernel_lines)
    log_start first --json
    before=$("$SALLYPORT" log --json --network "$NETWORK" 2>/dev/null | jq .refused.packets)
    inside attacker /probe flood connect "$GATEWAY" 22 --count 100000 --milliseconds 120000 </dev/null >"$WORK/flood" 3>&- &
    run requests 20 $!
    echo "$output; $(cat "$WORK/flood")"
    all_answered
    flooded tried 100000
    log_end
    shown=$(lines first '.event == "refused" and .by == "hub"')
    more=$(jq -s 'map(select(.event == "more").packets) | add' "$WORK/first.log")
    refused=$(($("$SALLYPORT" log --json --network "$NETWORK" 2>/dev/null | jq .refused.packets) - before))
    echo "$shown lines, $more more, $refused refused, $(wc -c <"$WORK/first.log") bytes"
    ((refused == shown + more && refused >= 100000 && shown < 20000)) || fail "not exact, or not few"
    (($(kernel_lines) - kernel < 10)) || fail "$(dmesg | tail -n 5)"
}

# squid_with SED-SCRIPT: squid anew, with a changed configuration and few descriptors.
squid_with()
{
    internet_squid_stop "$WORK/internet"
    sed "$1" "$WORK/squid.conf" >"$WORK/few.conf"
    echo "max_filedescriptors 700" >>"$WORK/few.conf"
    internet_squid "$WORK/internet" "$WORK/few.conf" "" "$PROXY" 3128
}

# held: how many of the attacker's connections squid has.
held()
{
    ss -Htn state established "src $PROXY and sport = :3128 and dst $(address_of attacker)" | wc -l
}

holds()
{
    (($(held) >= $1))
}

# The rest that it has opened was closed.
holds_no_more()
{
    (($(held) <= 512))
}

nobody_is_answered()
{
    PATIENCE=3 run requests 1
    echo "$output"
    [[ $output == *"answered=0 failed=1 "* ]]
}

@test "one member cannot use up squid's descriptors; without the limit for each client it does" {
    squid_with ''
    inside attacker /probe flood hold "$PROXY" 3128 --milliseconds $((2 * FLOOD_MS)) </dev/null >"$WORK/flood" 3>&- &
    eventually holds 500
    eventually holds_no_more
    run requests 20 $!
    echo "$output; $(cat "$WORK/flood")"
    all_answered
    flooded done 1000

    squid_with '/^client_ip_max_connections /d'
    inside attacker /probe flood hold "$PROXY" 3128 --milliseconds 15000 </dev/null >"$WORK/flood" 3>&- &
    eventually holds 513
    eventually nobody_is_answered
}
