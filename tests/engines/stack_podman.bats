# SPDX-License-Identifier: Apache-2.0
#
# The stack with Podman, by the commands of packaging/compose/podman-stack.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/podman.bash"
source "$BATS_TEST_DIRNAME/stack.bash"

ENGINE=podman
unset DOCKER_CONFIG # Podman reads it, too

# Also podman-stack's: cgroups are shared with the real machine.
podman()
{
    local arguments=("$@")
    [[ ${3-} != run ]] || arguments=("${@:1:3}" --cgroup-parent "$PODMAN_CGROUPS" "${@:4}")
    /usr/bin/podman "${arguments[@]}" 3>&-
}
export -f podman
export PODMAN_CGROUPS

container_of()
{
    echo "hermes-$1"
}

setup_file()
{
    stack_internet_up
    mkdir -p /etc/systemd/system
    chmod 711 "$BATS_RUN_TMPDIR" "$WORK"
    podman_configure
    stack_images
    cp -r "$PACKAGED" "$STACK"
    follow podman-stack 1
    internet_poll 20 proxy_listens
}

teardown_file()
{
    podman_remove_all
    podman_down
    witnesses_end
    internet_stop "$WORK/host"
    ip route delete local "$HOST_NET.0/24" dev lo
    internet_down spt "$WORK/internet" ""
    network_down
    assert_nothing_left
}

@test "members find each other by name, and work together" {
    run on agent curl --silent http://gateway:8642/cgi-bin/dashboard
    says "the dashboard"
    run on agent curl --silent http://gateway:8642/cgi-bin/chat
    says "hello from api.telegram.org"
    run on agent curl --silent --show-error https://api.openai.com/
    says "hello from api.openai.com"
}

@test "each role reaches what the policy says, and is told at once what not" {
    local members="host=$HOST egress-proxy=$PROXY gateway=$GATEWAY dashboard=$DASHBOARD agent=$(address agent)"
    reaches agent "egress-proxy 3128" "gateway 8642"
    reaches gateway "egress-proxy 3128" "dashboard 9119"
    reaches dashboard "gateway 8642"
    reaches egress-proxy
}

address()
{
    netns_of "$1" ip -4 -o address show dev sp0 | awk '{ sub("/.*", "", $4); print $4 }'
}

# reaches SOURCE "TARGET PORT"...: of $members, but for itself, and of the ports that somebody listens at.
reaches()
{
    local source=$1 tried
    shift
    tried=$(on "$source" try-all "$(sed "s/\b$source=[0-9.]*//" <<<"$members")" "80 443 3128 8642 9119")
    [[ $(wc -l <<<"$tried") -eq 20 && $tried != *ETIMEDOUT* ]] || fail "$tried"
    [[ $(awk '/result=ok/ { print $1, $2 }' <<<"$tried") == "$(printf '%s\n' "$@")" ]] || fail "$tried"
}

@test "each role has its own list at the proxy, which follows the policy" {
    allowed agent api.openai.com
    denied agent api.telegram.org
    allowed gateway api.telegram.org
    denied gateway openrouter.ai
    stack_policy '.roles.agent.hosts = ["attacker.example"]'
    follow podman-stack 2
    eventually allowed agent attacker.example
    denied agent api.openai.com
    stack_policy
    follow podman-stack 2
    eventually allowed agent api.openai.com
}

@test "what the proxy refuses is told by role, from its container's log, by the commands of podman-stack" {
    denied gateway attacker.example
    run follow podman-stack 3
    [ "$status" -eq 0 ] || fail "$output"
    says "gateway: CONNECT attacker.example:443; proxy: \$.roles.gateway.hosts does not have the name; to allow it: add "
    [[ $output != *"not of the proxy's format"* ]] || fail "$output"
}

@test "nothing gets out of any member, and it does of the proxy's container" {
    run on agent /attempts agent 161 sp0
    all_tried
    nothing_arrived agent 161
    run on gateway /attempts gateway 162 sp0
    all_tried
    nothing_arrived gateway 162
    run on egress-proxy /attempts egress 163 eth0
    [[ $(arrived egress 163) == *curl*'internet 443'* ]] || fail "$(arrived egress 163)"
}

@test "published ports answer on 127.0.0.1 of the host and at no other address" {
    [ "$(curl --silent --noproxy '*' http://127.0.0.1:9119/)" = "the dashboard" ]
    run curl --silent --noproxy '*' http://127.0.0.1:8642/cgi-bin/dashboard
    says "the dashboard"
    run "$PROBE" tcp 198.51.100.1 9119
    [ "$status" -eq 1 ]
}

@test "the proxy is restarted: no link is interrupted, and the next request works" {
    before=$(podman inspect --format '{{.State.Pid}}' hermes-agent)
    link=$(netns_of agent ip -o link show sp0)
    podman exec --detach hermes-agent talk
    eventually on agent grep -q tock /tmp/talk
    podman restart --time 1 hermes-egress-proxy
    internet_poll 20 proxy_listens
    [ "$(pid_of agent)" = "$before" ]
    [ "$(netns_of agent ip -o link show sp0)" = "$link" ]
    run ! on agent grep -q ended /tmp/talk
    allowed agent api.openai.com
}

@test "down removes containers and network, and no link stays in the hub" {
    "$STACK/podman-stack" down
    [ -z "$(podman ps --all --quiet)" ]
    run ! podman network exists hermes-egress
    eventually no_hub_links
}
