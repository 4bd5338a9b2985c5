# SPDX-License-Identifier: Apache-2.0
#
# Containers that start at the same time as something else happens: others of the same id, their network for the first
# time, its end, a reload, and the end of who had the address. Each is sealed or refused, never half of it.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128 --keep
}

teardown_file()
{
    small_stage_down
}

teardown()
{
    exec 7>&-
    containers_delete_all
    for number in 1 2 3 4; do
        "$RUNTIME" --root "$WORK/root$number" delete --force same 2>/dev/null || true
    done
    policy_write "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
    eventually no_hub_links
}

# nothing_wrong: what the kernel has is what the policy says, of every member.
nothing_wrong()
{
    run "$SALLYPORT" network show "$NETWORK" --json
    [[ $status -eq 0 && $(jq '.problems | length' <<<"$output") -eq 0 ]] || fail "$output"
}

# started COMMAND -- ID...: starts them at the same time as the command, and waits. Which of them runs is in `running`, and
# the command's success in `status`; who does not run has said why, in one line.
started()
{
    local id pids=() index=0 command=()
    while [[ $1 != -- ]]; do
        command+=("$1")
        shift
    done
    shift
    running=()
    for id in "$@"; do
        container_start "$id" 2>/dev/null 7<&- &
        pids+=($!)
    done
    status=0
    "${command[@]}" || status=$?
    for id in "$@"; do
        if wait "${pids[index++]}"; then
            running+=("$id")
        else
            eventually grep -q 'sallyport: ' "$WORK/$id.hook"
            [[ $(wc -l <"$WORK/$id.hook") -eq 1 ]] || fail "$id: $(cat "$WORK/$id.log" "$WORK/$id.hook")"
        fi
    done
}

# waiting ID ROLE [COMMAND...]: a bundle with our hooks, whose messages are in $WORK/ID.hook. Its process says what it
# could do first of all.
waiting()
{
    bundle "$1" "$2" sh -c "/probe socket 17 3 0x0300; /probe tcp $HOST 22; exec sleep 600"
    seal "$1"
    rm -f "$WORK/$1.hook"
    printf '#!/bin/bash\nexec %q "$@" 2> >(tee -a %q >&2)\n' "$HOOK" "$WORK/$1.hook" >"$WORK/bundles/$1/hook"
    chmod 755 "$WORK/bundles/$1/hook"
    configure "$1" --arg hook "$WORK/bundles/$1/hook" '.hooks |= with_entries(.value |= map(.path = $hook))'
}

# whole ID: it is behind the guard, has raw sockets no more, and the one link that it has leads into the hub that is there
# now, which knows it by its id; or it has none, and nothing can leave it.
whole()
{
    local links number
    network_of "$1" nft list table inet sallyport >"$WORK/guard" || return
    [[ $(grep -c 'policy drop' "$WORK/guard") -eq 3 ]] && grep -q '"sp0".* accept' "$WORK/guard" || return
    eventually grep -q '^tcp ' "$WORK/$1.log"
    grep -q '^socket result=failed' "$WORK/$1.log" && ! grep -q '^tcp result=ok' "$WORK/$1.log" || return
    links=$(network_of "$1" ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | grep -vx -e lo -e tunl0 -e sit0 -e gre0 || true)
    [[ -n $links ]] || return 0
    [[ $links == sp0 ]] || return
    number=$(network_of "$1" ip -o link show dev sp0 | sed 's/^[0-9]*: sp0@if\([0-9]*\): .*/\1/')
    hub ip -o link show | grep "^$number: " | grep -q "altname c-$1\b"
}

all_whole()
{
    local id
    for id in "$@"; do
        eventually whole "$id" || fail "$id is half: $(network_of "$id" ip link show; cat "$WORK/$id.log" "$WORK/guard")"
    done
}

@test "half of it would be seen: no guard, a guard that lets pass, another link, a link that the hub does not know" {
    for half in "nft flush ruleset" "nft chain inet sallyport output { policy accept ; }" "ip link add d0 type veth peer name d1" \
        "ip link set sp0 name sp1"; do
        waiting half agent
        started true -- half
        all_whole half
        # shellcheck disable=SC2086 # words
        network_of half $half
        ! whole half || fail "not seen: $half"
        container_delete half
    done
    waiting half agent
    started true -- half
    hub ip link property del dev "$(hub ip -o link show | sed -n 's/^[0-9]*: \([^@]*\)@.*altname c-half.*/\1/p')" altname c-half
    ! whole half || fail "not seen: a link that the hub does not know by its id"
}

@test "the same id four times at once, in four state directories: one is sealed, the others are refused" {
    pids=() winners=()
    for number in 1 2 3 4; do
        waiting "same$number" agent
    done
    for number in 1 2 3 4; do
        "$RUNTIME" --root "$WORK/root$number" run --detach --pid-file "$WORK/same$number.pid" \
            --bundle "$WORK/bundles/same$number" same </dev/null >"$WORK/same$number.log" 2>&1 3>&- &
        pids+=($!)
    done
    for number in 1 2 3 4; do
        if wait "${pids[number - 1]}"; then
            winners+=("$number")
        else
            grep -q 'attached already' "$WORK/same$number.hook" || fail "$(cat "$WORK/same$number".{log,hook})"
            ! grep '^tcp ' "$WORK/same$number.log" || fail "same$number was refused and ran"
        fi
    done
    hub ip -o link show >"$WORK/links"
    network_of "same${winners[0]}" "$PROBE" tcp "$PROXY" 3128
    [ "${#winners[@]}" -eq 1 ]
    [ "$(grep -c 'altname c-same' "$WORK/links")" -eq 1 ]
}

# up_at_once NETWORK...: each by four commands.
up_at_once()
{
    local network pids=()
    for network in "$@" "$@" "$@" "$@"; do
        "$SALLYPORT" network up "$network" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || return
    done
}

@test "two networks at once, each by four commands and by the first of its containers: one hub each, and all are in it" {
    "$SALLYPORT" network down "$NETWORK"
    policy_write spt-second '.subnet = "10.210.0.0/24" | .proxy.address = "10.210.0.2"
        | .roles = {agent: {addresses: "10.210.0.64/26", reach: ["proxy"]}}'
    waiting first agent
    waiting second agent
    waiting third agent
    configure third '.annotations["io.sallyport.network"] = "spt-second"'
    started up_at_once "$NETWORK" spt-second -- first second third
    [[ $status -eq 0 && ${#running[@]} -eq 3 ]] || fail "status $status, running: ${running[*]}"
    all_whole first second
    nothing_wrong
    [ "$(hub_links)" -eq 2 ]
    [ "$(ip rule show | grep -c '^900:')" -eq 2 ]
    run "$SALLYPORT" network show spt-second --json
    [ "$(jq -c '[.problems, [.members[] | select(.host | not).id]]' <<<"$output")" = '[[],["third"]]' ] || fail "$output"
    container_delete third
    "$SALLYPORT" network down spt-second
    rm "$POLICIES/spt-second.json"
}

@test "starts while the network is taken down: each is refused or whole, and what is up afterwards is in order" {
    for round in 1 2 3 4 5 6; do
        waiting "down1-$round" agent
        waiting "down2-$round" agent
        started "$SALLYPORT" network down "$NETWORK" -- "down1-$round" "down2-$round"
        [ "$status" -eq 0 ]
        all_whole "${running[@]}"
        "$SALLYPORT" network up "$NETWORK"
        nothing_wrong
        containers_delete_all
    done
}

# reload FILTER: a policy that is there in one step.
reload()
{
    policy_text | jq "$1" >"$POLICIES/new"
    chmod 644 "$POLICIES/new"
    mv "$POLICIES/new" "$POLICIES/$NETWORK.json"
    "$SALLYPORT" network reload "$NETWORK"
}

reload_twice()
{
    reload '.roles.agent.reach = ["proxy"]' && reload .
}

@test "starts while the policy changes: each is refused, with the way out, or in the network under the policy in force" {
    for round in 1 2 3 4 5 6; do
        waiting "reload1-$round" agent
        waiting "reload2-$round" agent
        started reload_twice -- "reload1-$round" "reload2-$round"
        [ "$status" -eq 0 ]
        all_whole "${running[@]}"
        nothing_wrong
        [ "$(hub_links)" -eq "${#running[@]}" ]
        for id in "reload1-$round" "reload2-$round"; do
            [[ " ${running[*]} " == *" $id "* ]] || grep -q 'network reload' "$WORK/$id.hook" || fail "$(<"$WORK/$id.hook")"
        done
        containers_delete_all
    done
}

# predecessor: whoever had the gateway's address has ended, without a poststop hook, and descriptor 7 holds his namespace
# with the link in it.
predecessor()
{
    waiting predecessor gateway
    configure predecessor 'del(.hooks.poststop)'
    started true -- predecessor
    exec 7<"/proc/$(<"$WORK/predecessor.pid")/ns/net"
    container_delete predecessor
    [ "$(hub_links)" -eq 1 ]
}

# let_go: once somebody has waited for it for a while.
let_go()
{
    eventually pgrep --exact sallyport-hook
    sleep 0.5
    pgrep --exact sallyport-hook
    exec 7<&-
}

@test "a fixed address whose last container is still dying: waited for" {
    predecessor
    waiting successor gateway
    started let_go -- successor
    [[ $status -eq 0 && ${running[*]} == successor ]] || fail "$(cat "$WORK/successor.log" "$WORK/successor.hook")"
    all_whole successor
    [ "$(address_of successor)" = "$GATEWAY" ]
    nothing_wrong
}

@test "a fixed address whose last container does not go: refused, naming it, and there when it has gone" {
    predecessor
    waiting successor gateway
    started true -- successor
    [[ -z ${running[*]} ]]
    grep -q "role gateway its address $GATEWAY: container predecessor has it" "$WORK/successor.hook" ||
        fail "$(<"$WORK/successor.hook")"
    container_delete successor
    exec 7<&-
    started true -- successor
    all_whole successor
}
