# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The stage for programs that know no proxy: packages.example at port 443, with a page, a git repository, an npm
# registry, WebSockets and what Docker's client asks for; squid and the pass-through on the host; and containers that
# run direct_programs.

source "$BATS_TEST_DIRNAME/clients.bash"

SITE_NAME=packages.example
SITE_ADDRESS=203.0.113.20
DIRECT_POLICY='.proxy.sni = 443 | .roles.agent.hosts = ["packages.example"] | .roles.gateway.hosts = ["other.example"]'

# Docker's client does not take the proxy's variables: it refuses ALL_PROXY=http://...
WITH_VARIABLES=(curl_alone openssl_alone python_requests python_websockets python_asyncio node_fetch node_ws npm_install
    git_clone)

direct_internet_up()
{
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" $SITE_NAME=$SITE_ADDRESS other.example=203.0.113.21 attacker.example=203.0.113.66
    # Port 443 is the internet's own everywhere.
    ip netns exec spt-internet nft -f - <<NFT
table ip site {
    chain prerouting {
        type nat hook prerouting priority dstnat
        ip daddr $SITE_ADDRESS tcp dport 443 redirect to :8444
    }
}
NFT
    site_make
    registry_make "$WORK/site/npm"
    mkdir -p "$WORK/site/v1.24"
    echo "{\"Version\": \"$PAGE\", \"ApiVersion\": \"1.24\", \"MinAPIVersion\": \"1.12\", \"Os\": \"linux\", \"Arch\": \"amd64\"}" \
        >"$WORK/site/v1.24/version"
    echo OK >"$WORK/site/_ping"
    server site "ip netns exec spt-internet" 8444 "$WORK/internet/server.pem"
}

# registry_make DIRECTORY: what npm asks a registry for, for one package.
registry_make()
{
    local package=$WORK/package
    mkdir -p "$package/package" "$1"
    echo '{"name": "sallyport-test", "version": "1.0.0", "main": "index.js"}' >"$package/package/package.json"
    echo "module.exports = \"$PAGE\";" >"$package/package/index.js"
    tar -C "$package" -czf "$1/test.tgz" package
    jq -n --arg tarball "https://$SITE_NAME/npm/test.tgz" \
        --arg integrity "sha512-$(openssl dgst -sha512 -binary "$1/test.tgz" | base64 -w 0)" \
        '{name: "sallyport-test", "dist-tags": {latest: "1.0.0"}, versions: {"1.0.0": {name: "sallyport-test", version: "1.0.0",
            main: "index.js", dist: {tarball: $tarball, integrity: $integrity}}}}' >"$1/sallyport-test"
}

# direct_proxies_up [NETNS]: squid and the pass-through, with what the policy in force makes.
direct_proxies_up()
{
    "$SALLYPORT" proxy-config squid "$NETWORK" >"$WORK/squid.conf"
    "$SALLYPORT" proxy-config haproxy "$NETWORK" >"$WORK/haproxy.cfg"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "${1-}" "$PROXY" 3128
    internet_haproxy "$WORK/internet" "$WORK/haproxy.cfg" "${1-}" "$PROXY" 443
}

direct_proxies_down()
{
    internet_haproxy_stop "$WORK/internet"
    internet_squid_stop "$WORK/internet"
}

# In the containers' root: the programs, beside the machine's /usr.
direct_rootfs_make()
{
    usr_rootfs_make
    cp "$BATS_TEST_DIRNAME/direct_programs" "$USR_ROOTFS/programs"
}

# all_ok: of the lines of `$output`, which there have to be COUNT of (by default, one of each program).
all_ok()
{
    local count=${1:-10}
    [[ $(grep -c '^[a-z_]* ok$' <<<"$output") -eq $count && ${#lines[@]} -eq $count ]] || fail "$output"
}

# passed NAME: how many connections for it the pass-through has passed on; denied the same for those it refused.
passed()
{
    grep -c "TCP_TUNNEL/200 .* - TLS $1:443$" "$WORK/internet/squid/haproxy" || true
}
