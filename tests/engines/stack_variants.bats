# SPDX-License-Identifier: Apache-2.0
#
# The stack with its proxy on the host, with members on a network of Docker's, and, to see what all this is for, without
# Sallyport: as plain Compose, with an internal network.

source "$BATS_TEST_DIRNAME/stack.bash"

setup_file()
{
    stack_machine_up
}

teardown_file()
{
    stack_down
}

teardown()
{
    compose down --timeout 1
    internet_squid_stop "$WORK/internet"
    witnesses_end
    network_down
}

# addresses SERVICE: in Docker's networks.
addresses()
{
    docker inspect --format '{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}' "$(container_of "$1")" |
        grep .
}

# bridges SERVICE: the addresses that the host has in these networks.
bridges()
{
    addresses "$1" | sed 's/[0-9]*$/1/'
}

# Counter-test of the next, and of stack_reach.bats.
@test "plain Compose with an internal network leaks" {
    export COMPOSE_FILE=$BATS_TEST_DIRNAME/stack_plain.yml COMPOSE_PROJECT_NAME=plain
    compose up --detach --scale agent=2
    on agent /attempts plainagent 151 eth0
    # The host asks for the names that the embedded name server is asked for, and is there with everything that listens
    # on it, at every address that it has.
    [ "$(arrived plainagent 151)" = "$(printf '%s\n' configured curl embedded 'host 443' 'host 8443')" ] ||
        fail "$(arrived plainagent 151)"
    on agent /probe tcp "$(bridges agent)" 443
    # Everybody reaches everybody, at every port.
    docker exec --detach "$(container_of agent.2)" /probe listen tcp 0.0.0.0 8000
    eventually on agent /probe tcp "$(addresses agent.2)" 8000 --greeting
    on agent /probe tcp "$(addresses dashboard)" 9119
    # Who is on two networks needs no proxy.
    on gateway /attempts plaingateway 152 eth0 eth1
    [[ $(arrived plaingateway 152) == *curl*direct*embedded*'internet 443'* ]] || fail "$(arrived plaingateway 152)"
}

@test "members on a network of Docker's are as sealed as without" {
    cat >"$STACK/networks.yml" <<'YML'
services:
  agent: {network_mode: compose_egress}
  dashboard: {network_mode: compose_egress}
  gateway: {network_mode: compose_egress}
YML
    export COMPOSE_FILE=docker-compose.yml:networks.yml
    follow docker-compose.yml 1
    proxy_ready
    [ -n "$(addresses agent)" ]
    works_as_a_stack
    run on agent /attempts networkagent 153 sp0
    all_tried
    nothing_arrived networkagent 153
    run on gateway /attempts networkgateway 154 sp0
    all_tried
    nothing_arrived networkgateway 154
    for address in $(bridges agent); do
        "$PROBE" tcp "$address" 443
        run on agent /probe tcp "$address" 443
        says EHOSTUNREACH
    done
}

@test "the proxy on the host" {
    stack_policy '.proxy.at = "host"'
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" install docker --network "$NETWORK" --reload
    follow docker-compose.host-proxy.yml 1
    [ -z "$(container_of egress-proxy)" ]
    works_as_a_stack
    run on agent /attempts hostagent 155 sp0
    all_tried
    nothing_arrived hostagent 155
    run on agent /probe tcp "$PROXY" 22
    says ECONNREFUSED
}

works_as_a_stack()
{
    run on agent curl --silent http://gateway:8642/cgi-bin/dashboard
    says "the dashboard"
    run on agent curl --silent http://gateway:8642/cgi-bin/chat
    says "hello from api.telegram.org"
    allowed agent api.openai.com
    denied agent api.telegram.org
    allowed gateway api.telegram.org
    denied gateway openrouter.ai
}
