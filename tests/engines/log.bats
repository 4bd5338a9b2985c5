# SPDX-License-Identifier: Apache-2.0
#
# `sallyport log`: what the hub refuses gets a line that says who tried what, once; what it allows gets none; and
# however much is refused, lines and rest add up to the hub's own count.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/log.bash"

setup_file()
{
    mount -t tmpfs tmpfs /var/log/squid # no proxy is here: what it refuses is in log_proxy.bats
    small_stage_up
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128 --keep
}

teardown_file()
{
    small_stage_down
    umount /var/log/squid
}

setup()
{
    sleeper attacker agent
    ATTACKER=$(address_of attacker)
}

teardown()
{
    log_kill
    containers_delete_all
    eventually no_hub_links
}

counted()
{
    "$SALLYPORT" log --json --network "$NETWORK" | jq .refused.packets
}

refuse()
{
    run ! inside attacker /probe tcp "$@"
}

@test "a refused connection is one line: who, what, and what is allowed instead" {
    log_start text
    log_start json --json
    refuse "$GATEWAY" 22
    log_end
    line="agent attacker: refused tcp $ATTACKER:[0-9]+ > $GATEWAY:22 \(gateway\); hub: [$].roles.agent.reach does not have "
    line+="\"gateway:22\"; allowed: proxy, gateway:8642; to allow it: add \"gateway:22\" to [$].roles.agent.reach, then run "
    line+="\`sallyport network reload hermes\`"
    [[ $(grep -Ec "T[0-9:.]+Z $NETWORK $line$" "$WORK/text.log") -eq 1 ]] || fail "$(cat "$WORK/text.log")"
    [[ $(wc -l <"$WORK/text.log") -eq 3 ]] || fail "$(cat "$WORK/text.log")"
    run jq -c 'select(.event == "refused") | .source_port |= type | .time |= type' "$WORK/json.log"
    [[ $output == '{"time":"string","network":"hermes","event":"refused","by":"hub","role":"agent","id":"attacker",'* ]]
    says '"host":false,"protocol":"tcp","source":"'"$ATTACKER"'","source_port":"number",'
    says '"destination":"10.209.0.3","port":22,"destination_role":"gateway","fragment":false,"truncated":false,'
    says '"method":"","target":"","status":null,"allowed":["proxy","gateway:8642"],'
    says '"rule":"hub: $.roles.agent.reach does not have \"gateway:22\"","allow":"add \"gateway:22\" to $.roles.agent.reach'
    [[ $(wc -l <"$WORK/json.log") -eq 3 ]] || fail "$(cat "$WORK/json.log")"
    of_schema log-line <"$WORK/json.log"
    "$SALLYPORT" log --json --network "$NETWORK" 2>/dev/null | of_schema log
}

@test "what is allowed is no line, nor are its answers" {
    log_start json --json
    inside attacker /probe tcp "$PROXY" 3128
    refuse "$PROXY" 3129
    log_end
    [[ $(lines json '.event == "refused"') -eq 1 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(lines json '.event == "refused" and .port == 3129 and .destination_role == "proxy"') -eq 1 ]]
}

@test "what only an attacker past guard and capabilities can send is seen, too; a forged source never gets there" {
    local mac
    mac=$(network_of attacker ip neigh show dev sp0 | awk '{ print $3; exit }')
    log_start json --json
    network_of attacker "$PROBE" packet sp0 udp --dest-mac "$mac" --dest-ip "$GATEWAY" --port 53 --marker one
    network_of attacker "$PROBE" packet sp0 icmp --dest-mac "$mac" --dest-ip "$DASHBOARD" --marker two
    network_of attacker "$PROBE" packet sp0 tcp --dest-mac "$mac" --dest-ip "$PROXY" --port 25 \
        --source-ip "$DASHBOARD" --marker forged
    refuse "$DASHBOARD" 9
    log_end
    [[ $(lines json '.protocol == "udp" and .port == 53 and .id == "attacker"') -eq 1 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(lines json '.protocol == "icmp" and .port == null and .destination_role == "dashboard"') -eq 1 ]]
    [[ $(lines json '.port == 9') -eq 1 ]]
    [[ $(lines json '.port == 25') -eq 0 ]]
    [[ $(lines json '.event == "refused"') -eq 3 ]]
    [[ $(lines json '.rule == "hub: UDP is never forwarded" and .allow == "nothing"') -eq 1 ]]
    [[ $(lines json '.rule == "hub: ICMP is never forwarded" and .allow == "nothing"') -eq 1 ]]
}

@test "a flood: few lines, and with the rest they are the hub's count to the packet, for each of two readers" {
    local before
    before=$(counted)
    log_start first --json
    log_start second --json
    run ! inside attacker /probe ports "$GATEWAY" --first 10000 --last 29999
    says "refused=20000 "
    log_end
    for reader in first second; do
        shown=$(lines "$reader" '.event == "refused"')
        more=$(jq -s 'map(select(.event == "more").packets) | add' "$WORK/$reader.log")
        ((shown >= 50 && shown < 15000)) || fail "$reader: $shown lines"
        ((shown + more == 20000)) || fail "$reader: $shown lines and $more more"
    done
    [[ $(counted) -eq $((before + 20000)) ]]
    jq -c 'select(.event != "refused")' "$WORK/first.log" | of_schema log-line
}

@test "four readers at a time, the fifth is told so, and one that ends makes room" {
    log_start one
    log_start two
    log_start three
    log_start four
    refused "$SALLYPORT" log -f --network "$NETWORK"
    says "end one of them"
    log_end
    log_start five
    log_end
}

@test "after a reload what is allowed is what is in force; a file that is not in force says nothing" {
    log_start json --json
    policy_write "$NETWORK" '.roles.agent.reach = ["proxy"]'
    log_start late --json
    grep -q "run .sallyport network reload $NETWORK" "$WORK/late.errors"
    refuse "$GATEWAY" 1
    eventually grep -q '"port":1,' "$WORK/json.log"
    eventually grep -q '"port":1,' "$WORK/late.log"
    "$SALLYPORT" network reload "$NETWORK"
    refuse "$GATEWAY" 8642
    eventually grep -q '"port":8642,' "$WORK/json.log"
    log_end
    policy_write "$NETWORK"
    "$SALLYPORT" network reload "$NETWORK"
    [[ $(lines late '.port == 1 and .allowed == null') -eq 1 ]] || fail "$(cat "$WORK/late.log")"
    [[ $(lines late '.port == 8642 and .allowed == ["proxy"]') -eq 1 ]] || fail "$(cat "$WORK/late.log")"
    [[ $(lines json '.port == 1 and .allowed == ["proxy", "gateway:8642"]') -eq 1 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(lines json '.port == 8642 and .allowed == ["proxy"]') -eq 1 ]] || fail "$(cat "$WORK/json.log")"
}

@test "a reader has one capability left, and is not in the hub" {
    log_start text
    [[ $(awk '$1 == "CapEff:" { print $2 }' "/proc/${LOGS[0]}/status") == 0000000000001000 ]]
    [[ $(readlink "/proc/${LOGS[0]}/ns/net") == "$(readlink /proc/self/ns/net)" ]]
    log_end
}

@test "it ends with the network, which it does not hold up" {
    local other=other
    policy_write "$other" '.subnet = "10.210.0.0/24" | walk(if type == "string" then sub("^10.209"; "10.210") else . end)'
    "$SALLYPORT" network up "$other"
    "$SALLYPORT" log -f --network "$other" </dev/null >"$WORK/other.log" 2>&1 3>&- &
    LOGS+=($!)
    eventually grep -q begin "$WORK/other.log"
    "$SALLYPORT" network down "$other"
    rm "$POLICIES/$other.json"
    wait "${LOGS[0]}"
    LOGS=()
    grep -q "ends: the network was taken down" "$WORK/other.log"
    [[ ! -e /run/netns/sallyport-$other ]]
    run ! ip link show "sp-$other"
}

@test "without -f it tells the count; words that it does not know end it" {
    run --separate-stderr "$SALLYPORT" log --network "$NETWORK"
    [[ $status -eq 0 && $output == "$NETWORK: "*" packets, "*" bytes refused since the hub was made;"* ]] || fail "$output"
    [[ $stderr == *"what the proxy refused is not known: read /var/log/squid/sallyport-hermes.access: No such file"* ]]
    [[ $("$SALLYPORT" log --json --network "$NETWORK" 2>/dev/null | jq .proxy) == null ]]
    refused "$SALLYPORT" log --network nothing
    says "the network is not up; run"
    refused "$SALLYPORT" log --lines
    says "unexpected argument"
    refused "$SALLYPORT" log --network
}
