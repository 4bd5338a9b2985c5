#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The bootstrap of `sallyport proxy-config envoy`: the questions of squid.bats, answered by an evaluator of its own
# (envoy_decide.py) in place of an Envoy. tests/schemas/run holds the same bootstrap against Envoy's published schema.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/proxy_questions.bash"

BOOTSTRAP=$WORK/envoy.json
PUBLIC=203.0.113.10 # outside of the subnet

setup_file()
{
    mkdir -p "$POLICIES"
    policy >"$POLICIES/test.json"
    "$SALLYPORT" proxy-config envoy test >"$BOOTSTRAP"
}

teardown_file()
{
    rm "$POLICIES/test.json"
}

# decisions: of the questions on standard input, each once.
decisions()
{
    /usr/bin/python3 "$BATS_TEST_DIRNAME/envoy_decide.py" "${1:-$BOOTSTRAP}" | sort -u | paste -sd ,
}

# decided EXPECTED SOURCE AUTHORITY...: CONNECTs to names that lead to a public address.
decided()
{
    local expected=$1 source=$2 actual
    shift 2
    actual=$(printf "$source CONNECT %s $PUBLIC\n" "$@" | decisions)
    [[ $actual == "$expected" ]] || fail "$source: $*: $actual, expected $expected"
}

# changed FILTER: the bootstrap with a wall taken away, by jq on its connection manager.
changed()
{
    jq ".static_resources.listeners[0].filter_chains[0].filters[0].typed_config |= ($1)" "$BOOTSTRAP" >"$WORK/changed.json"
}

@test "envoy: each role has its own hosts, at their ports" {
    decided "200 asked" $AGENT allowed.example:443 ALLOWED.example:443 other.example:8443 v6.example:443 localhost:443
    decided "200 asked" $AGENT_LAST allowed.example:443
    decided "200 asked" $AGENT {sub,one.sub,deep.sub,deeper.sub,x.deeper.sub,X.Y.SUB,under_score.sub}.example:443
    decided "200 asked" $GATEWAY gateway.example:443 allowed.example:8443
    decided "403 -" $AGENT gateway.example:443 {xsub,example,sub.example.denied,sub-example,one.allowed}.example:443 \
        allowed.example:{8443,80,22,4430} other.example:443 allowed.example sub.example:443:443 .sub.example:443 \
        a..sub.example:443 allowedxexample:443 subxexample:443
    decided "403 -" $GATEWAY allowed.example:443 sub.example:443
    decided "403 -" $DASHBOARD gateway.example:443 allowed.example:443
    for source in $NOBODY $SUBNET_HOST $PROXY 203.0.113.191 203.0.114.192 2001:db8::1; do
        decided "403 -" "$source" allowed.example:443 gateway.example:443
    done
}

@test "envoy: addresses and authorities that two readers might read differently are no allowed host" {
    decided "403 -" $AGENT 203.0.113.10:443 '[2001:db8::10]:443' 3405803786:443 127.0.0.1:443 '[::1]:443' 0:443 \
        "$SUBNET_HOST:443" "$PROXY:3128" {allowed.example:443,allowed.example}@denied.example:443 \
        denied.example:443@allowed.example 'denied.example:443#allowed.example:443' \
        'denied.example/.sub.example:443' 'denied.example?.sub.example:443' denied.example%%00.sub.example:443 \
        denied.example,.sub.example:443 'x@a.sub.example:443' 'denied.example;.sub.example:443' allowed.example.:443
}

@test "envoy: everything but CONNECT is denied, and no name is asked for" {
    [[ $(printf "$AGENT %s allowed.example:443 $PUBLIC\n" GET HEAD POST PUT DELETE OPTIONS TRACE PRI connect | decisions) == "403 -" ]]
}

@test "envoy: an allowed name leads to public addresses only" {
    local address
    [[ $(printf "$AGENT CONNECT x.forbidden.example:443 %s\n" "${FORBIDDEN[@]}" "${UNREACHABLE[@]}" | decisions) == "403 asked" ]]
    [[ $(printf "$AGENT CONNECT v6.example:443 %s\n" $PUBLIC 1.1.1.1 172.15.255.255 172.32.0.0 100.63.255.255 2001:db8::10 \
        2606:4700::1111 3fff::1 | decisions) == "200 asked" ]]
    [[ $(decisions <<<"$AGENT CONNECT missing.example:443 -") == "503 asked" ]]
}

@test "envoy: each wall that is taken away is noticed" {
    changed 'del(.http_filters[0])'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT CONNECT denied.example:443 $PUBLIC") == "200 asked" ]]
    changed '.http_filters |= [.[1], .[0], .[2], .[3]]'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT CONNECT denied.example:443 $PUBLIC") == "403 asked" ]]
    changed 'del(.http_filters[2])'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT CONNECT sub.example:443 10.1.2.3") == "200 asked" ]]
    changed '.http_filters[2].typed_config.rules.policies.public.permissions[0].and_rules.rules[1].not_rule.or_rules.rules |=
        map(select(.matcher.typed_config.upstream_ip.address_prefix != "203.0.113.128"))'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT CONNECT sub.example:443 $PROXY") == "200 asked" ]]
    changed '.http_filters[0].typed_config.rules.policies.agent.permissions[0].and_rules.rules |= [.[0], .[2]]'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT CONNECT x@a.sub.example:443 $PUBLIC") == "200 asked" ]]
    # What is no CONNECT has no route behind that wall, and so no address to be allowed.
    changed '.http_filters[0].typed_config.rules.policies.agent.permissions[0].and_rules.rules |= .[1:] | del(.http_filters[2])'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT GET sub.example:443 $PUBLIC") == "404 -" ]]
    # An address that was not saved is not public: nothing passes.
    changed '.http_filters[1].typed_config.save_upstream_address = false'
    [[ $(decisions "$WORK/changed.json" <<<"$AGENT CONNECT sub.example:443 $PUBLIC") == "403 asked" ]]
}

@test "envoy: one listener at the proxy's address, no admin, filter and cluster of one cache, refusals in the log" {
    jq -e --arg proxy "$PROXY" '
        keys == ["node", "overload_manager", "static_resources"] and (.node.metadata.state | startswith("experimental"))
        and (.static_resources.listeners | length == 1)
        and .static_resources.listeners[0].address.socket_address == {address: $proxy, port_value: 3128}
        and (.static_resources.listeners[0].filter_chains[0].filters[0].typed_config |
            .codec_type == "HTTP1" and (.upgrade_configs | all(has("filters") | not))
            and .access_log[0].filter.status_code_filter.comparison.value.default_value == 400
            and (.route_config.virtual_hosts[0].routes[0].route | .upgrade_configs[0].connect_config == {}
                and .timeout == "0s" and .cluster == "internet"))
        and .static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[1].typed_config.dns_cache_config
            == .static_resources.clusters[0].cluster_type.typed_config.dns_cache_config' "$BOOTSTRAP"
    "$SALLYPORT" proxy-config envoy test | cmp - "$BOOTSTRAP"
    # A policy that allows nothing.
    "$SALLYPORT" proxy-config envoy default >"$WORK/default.json"
    [[ $(decisions "$WORK/default.json" <<<"10.208.8.1 CONNECT allowed.example:443 $PUBLIC") == "403 -" ]]
}

@test "envoy: it says that it is experimental, and what it does not enforce; it is not installed" {
    run -0 "$SALLYPORT" proxy-config --help
    says EXPERIMENTAL
    says "after its"
    refused "$SALLYPORT" proxy-config envoy test --install
    says "only printed"
    refused "$SALLYPORT" proxy-config nginx test
    says "known: squid, haproxy, envoy"
    run bash -c '"$1" proxy-config envoy test >/dev/full' bash "$SALLYPORT"
    [[ $status -eq 1 && $output == *"write"* ]]
}
