# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What is asked of every proxy's configuration (squid.bats, envoy.bats): one policy, and where no allowed name may lead.
#
# The subnet is a part of TEST-NET-3: no list of private addresses covers it, only the rule made for it.

AGENT=203.0.113.192
AGENT_LAST=203.0.113.254
GATEWAY=203.0.113.131
DASHBOARD=203.0.113.132
NOBODY=203.0.113.140
SUBNET_HOST=203.0.113.129
PROXY=203.0.113.130

# Addresses that no allowed name may lead to: those that do arrive somewhere without the walls...
FORBIDDEN=(
    10.1.2.3 172.16.0.1 172.31.255.254 192.168.1.1 100.64.0.1 100.127.255.254 169.254.169.254 192.0.0.192 192.88.99.1
    198.18.0.1 198.19.255.254 240.0.0.1 127.0.0.1 127.255.0.1 0.0.0.0 0.1.2.3 203.0.113.129 203.0.113.130
    ::1 :: ::ffff:10.1.2.3 ::ffff:127.0.0.1 ::a01:203 64:ff9b::a01:203 64:ff9b:1::1 100::1 1fff:ffff::1 2001::1 2001:10::1
    2002:a01:203::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fec0::1
)
# ... and those that Linux refuses to connect to anyway.
UNREACHABLE=(224.0.0.1 239.255.255.250 255.255.255.255 fe80::1 ff02::1)

policy()
{
    cat <<EOF
{
  "version": 1,
  "subnet": "203.0.113.128/25",
  "proxy": { "address": "$PROXY", "port": 3128, "at": "host" },
  "roles": {
    "agent": {
      "addresses": "203.0.113.192/26",
      "reach": ["proxy"],
      "hosts": ["Allowed.Example", ".sub.example", "deep.sub.example", ".deeper.sub.example", "other.example:8443",
                ".forbidden.example", ".rebind.example", "mixed.example", "v6.example", "missing.example", "localhost"]
    },
    "gateway":   { "addresses": "$GATEWAY", "reach": ["proxy"], "hosts": ["gateway.example", "allowed.example:8443"] },
    "dashboard": { "addresses": "$DASHBOARD", "reach": ["proxy"] }
  }
}
EOF
}
