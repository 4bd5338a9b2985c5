#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""envoy_decide.py BOOTSTRAP: what an Envoy with this bootstrap would answer, by what its documentation says of it.

Reads questions from standard input, one a line: SOURCE METHOD AUTHORITY ADDRESS, where ADDRESS is what the authority's
host resolves to, "-" if it does not. Prints for each the status, and whether the name was resolved:

    200 asked           the tunnel is opened
    403 asked | 403 -   refused, after or before the name was resolved
    404 -               no route for the request
    503 asked           the name does not resolve

It shares nothing with the program that wrote the bootstrap, and knows only what is used here: whatever else it finds
is an error, not passed over.
"""

import ipaddress
import json
import re
import sys

TYPE = "type.googleapis.com/envoy."


class Request:
    def __init__(self, line):
        source, self.method, self.authority, address = line.split(" ")
        self.source = ipaddress.ip_address(source)
        self.leads_to = None if address == "-" else ipaddress.ip_address(address)
        self.asked = False
        self.saved = None  # the filter state envoy.stream.upstream_address

    def header(self, name):
        return {":method": self.method, ":authority": self.authority}[name]


def only(table, *keys):
    """The values of the keys, all of which are there, and no others."""
    if set(table) != set(keys):
        raise ValueError(f"expected {keys}, found {sorted(table)}")
    return [table[key] for key in keys]


def typed(extension, name):
    """The typed_config of an extension, which has to be of the type; without its @type."""
    configuration = dict(extension["typed_config"])
    if configuration.pop("@type") != TYPE + name:
        raise ValueError(f"expected {name}: {extension}")
    return configuration


def in_range(address, cidr):
    prefix, length = only(cidr, "address_prefix", "prefix_len")
    network = ipaddress.ip_network(f"{prefix}/{length}")
    return address.version == network.version and address in network


def matches_string(text, matcher):
    if "safe_regex" in matcher:
        (expression,) = only(matcher["safe_regex"], "regex")
        return re.fullmatch(expression, text) is not None
    if matcher.get("ignore_case"):
        text = text.lower()
        matcher = {key: value.lower() for key, value in matcher.items() if key != "ignore_case"}
    ((kind, value),) = matcher.items()
    return {"exact": text == value, "suffix": text.endswith(value)}[kind]


def permits(rule, request):
    ((kind, value),) = rule.items()
    if kind == "and_rules":
        return all(permits(inner, request) for inner in value["rules"])
    if kind == "or_rules":
        return any(permits(inner, request) for inner in value["rules"])
    if kind == "not_rule":
        return not permits(value, request)
    if kind == "header":
        name, matcher = only(value, "name", "string_match")
        return matches_string(request.header(name), matcher)
    if kind == "matcher":
        (cidr,) = only(typed(value, "extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher"), "upstream_ip")
        # Without the state it does not match.
        return request.saved is not None and in_range(request.saved, cidr)
    raise ValueError(f"unknown permission {kind}")


def is_principal(principal, request):
    ((kind, value),) = principal.items()
    if kind == "any":
        return value is True
    if kind == "direct_remote_ip":
        return in_range(request.source, value)
    raise ValueError(f"unknown principal {kind}")


def rbac(configuration, request):
    (rules,) = only(configuration, "rules")
    action, policies = only(rules, "action", "policies")
    matched = any(
        any(permits(rule, request) for rule in policy["permissions"])
        and any(is_principal(principal, request) for principal in policy["principals"])
        for policy in policies.values()
    )
    return None if matched == {"ALLOW": True, "DENY": False}[action] else 403


def resolve(configuration, request):
    request.asked = True
    if request.leads_to is None:
        return 503
    if configuration.get("save_upstream_address"):
        request.saved = request.leads_to
    return None


def manager(bootstrap):
    (listener,) = bootstrap["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    (network_filter,) = chain["filters"]
    return typed(network_filter, "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager")


def has_route(http, request):
    (host,) = http["route_config"]["virtual_hosts"]
    (route,) = host["routes"]
    if host["domains"] != ["*"] or route["match"] != {"connect_matcher": {}}:
        raise ValueError("unknown routes")
    return request.method == "CONNECT"


def decide(http, request):
    steps = {
        TYPE + "extensions.filters.http.rbac.v3.RBAC": rbac,
        TYPE + "extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig": resolve,
    }
    # An upgrade with filters of its own would go past these.
    if http["upgrade_configs"] != [{"upgrade_type": "CONNECT"}]:
        raise ValueError("unknown upgrades")
    *filters, router = http["http_filters"]
    typed(router, "extensions.filters.http.router.v3.Router")
    for item in filters:
        configuration = dict(item["typed_config"])
        step = steps[configuration.pop("@type")]
        # The name is only resolved for a route to the cluster that wants it.
        status = None if step is resolve and not has_route(http, request) else step(configuration, request)
        if status is not None:
            return status
    return 200 if has_route(http, request) else 404


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        http = manager(json.load(file))
    for line in sys.stdin:
        request = Request(line.rstrip("\n"))
        print(decide(http, request), "asked" if request.asked else "-")


main()
