# SPDX-License-Identifier: Apache-2.0
#
# Programs that people fetch things with, unconfigured: the environment of a sealed container leads them to the proxy,
# and past it to the members. README.md has the table of what was tried besides.

source "$BATS_TEST_DIRNAME/clients.bash"

GET_BY_URLLIB='import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read())'

setup_file()
{
    clients_stage_up
}

teardown_file()
{
    clients_stage_down
}

@test "curl goes through the proxy" {
    served curl --silent --show-error --max-time 10 "$SITE/page"
}

@test "wget goes through the proxy" {
    served wget --quiet --tries 1 --timeout 10 --output-document - "$SITE/page"
}

@test "python's urllib goes through the proxy" {
    served python3 -c "$GET_BY_URLLIB" "$SITE/page"
}

@test "git clones through the proxy" {
    served sh -c "git clone --quiet $SITE/repository.git /tmp/clone && git -C /tmp/clone log"
}

@test "apt updates and downloads through the proxy" {
    served sh -c "mkdir -p /var/lib/dpkg /var/lib/apt/lists/partial /var/cache/apt/archives/partial
        : >/var/lib/dpkg/status
        cd /tmp
        apt-get --quiet --option APT::Sandbox::User=root update &&
            apt-get --quiet --option APT::Sandbox::User=root download sallyport-test &&
            test -e sallyport-test_1_all.deb && echo $PAGE"
}

@test "curl, wget and python reach a member by name and by address, not through the proxy" {
    local member
    for member in gateway "$GATEWAY"; do
        direct "$member" curl --silent --show-error --fail --max-time 10
        direct "$member" wget --quiet --tries 1 --timeout 10 --output-document -
        direct "$member" python3 -c "$GET_BY_URLLIB"
    done
}

@test "curl reaches a member of a pool by its address: it reads the subnet in NO_PROXY" {
    direct "$(address_of pair)" curl --silent --show-error --fail --max-time 10
}

@test "git clones from a member" {
    client sh -c "git clone --quiet http://gateway:8642/repository.git /tmp/clone && git -C /tmp/clone log"
    [ "$status" -eq 0 ]
    says "$PAGE"
}

@test "a host that is not allowed is refused in so many words" {
    client curl --silent --show-error --max-time 10 https://attacker.example/
    [ "$status" -ne 0 ]
    says 403
}

@test "programs that read other variables have them, beside what they had" {
    bundle others agent /bin/sh -c 'echo "java: $JAVA_TOOL_OPTIONS"; echo "node: $NODE_USE_ENV_PROXY yarn: $YARN_HTTPS_PROXY"'
    configure others '.process.env += ["JAVA_TOOL_OPTIONS=-Xmx1g"]'
    seal others
    run container_run others
    [ "$status" -eq 0 ]
    says "java: -Xmx1g -Dhttp.proxyHost=$PROXY -Dhttp.proxyPort=3128 -Dhttps.proxyHost=$PROXY -Dhttps.proxyPort=3128"
    says "|gateway|10.209.0.*"
    says "node: 1 yarn: http://$PROXY:3128"
}

@test "a role without the proxy has none of them" {
    bundle none dashboard /bin/sh -c env
    seal none
    run container_run none
    [ "$status" -eq 0 ]
    run grep -iE '^(http|https|all|yarn_https)_proxy=|JAVA_TOOL|NODE_USE' <<<"$output"
    [ "$status" -ne 0 ]
}
