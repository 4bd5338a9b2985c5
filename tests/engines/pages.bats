# SPDX-License-Identifier: Apache-2.0
#
# The examples of the man pages and of docs, done as they stand there (examples.py), on a machine as its reader has it:
# Sallyport installed in /usr/local, the policy of sallyport.json(5), Docker, Podman and containerd's file, an image of an
# agent, a bundle, an internet.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/docker.bash"
source "$BATS_TEST_DIRNAME/podman.bash"
source "$BATS_TEST_DIRNAME/proxy_install.bash"

DOCKER=$WORK/docker
ROOT=$BATS_TEST_DIRNAME/../..
INSTALLED=$WORK/installed

setup_file()
{
    meson install -C "$SALLYPORT_BUILD_DIRECTORY" --no-rebuild --destdir "$INSTALLED" >"$WORK/install.log" ||
        fail "$(cat "$WORK/install.log")"
    mount --bind "$INSTALLED/usr/local" /usr/local
    mkdir -p "$WORK/internet" "$WORK/log" "$DOCKER"
    internet_up spt "$WORK/internet" "" api.openai.com=203.0.113.10 openrouter.ai=203.0.113.11 example.com=203.0.113.66
    cat "$WORK/internet/resolv.conf" >/etc/resolv.conf
    mount --bind "$WORK/log" /var/log/squid
    chmod 1777 "$WORK/log"
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mkdir -p /etc/sallyport
    cp -a /etc/containerd "$WORK/containerd"
    docker_up "$DOCKER" 'del(.runtimes)'
    podman_up
    podman_no_hooks
    rm -r /etc/sallyport
    agent_image
}

# my-agent, with both engines, and as a root file system for bundles.
agent_image()
{
    local root=$WORK/agent agent=(--change 'ENV PATH=/bin' --change 'ENV CURL_CA_BUNDLE=/etc/ca.pem')
    image_root "$root"
    echo '{}' >"$DOCKER_CONFIG/config.json" # Podman reads it, too
    cp "$WORK/internet/ca.pem" "$root/etc/ca.pem"
    echo "a tool" >"$root/data/index.html"
    tar -C "$root" --numeric-owner --owner=0 --group=0 -c . >"$WORK/agent.tar"
    docker import "${agent[@]}" "$WORK/agent.tar" my-agent >/dev/null
    docker import "${agent[@]}" --change 'CMD ["httpd", "-f", "-p", "8080", "-h", "/data"]' "$WORK/agent.tar" my-tools >/dev/null
    podman import --quiet "${agent[@]}" "$WORK/agent.tar" localhost/my-agent >/dev/null
}

teardown_file()
{
    podman_down
    docker_down "$DOCKER"
    internet_down spt "$WORK/internet" ""
    umount /dev/shm /var/log/squid /usr/local
    assert_nothing_left
}

# The policy that sallyport.json(5) has, and a bundle.
setup()
{
    export PATH=/usr/local/bin:$PATH
    mkdir -p "$POLICIES" "$BATS_TEST_TMPDIR/place"
    policy_of_the_page >"$POLICIES/$NETWORK.json"
    bundle my-agent agent sleep 600
    configure my-agent --arg root "$WORK/agent" 'del(.annotations) | .root.path = $root'
    cp -r "$WORK/bundles/my-agent" "$BATS_TEST_TMPDIR/place/bundle"
}

policy_of_the_page()
{
    sed -n "/hermes.json <<'END'/,/^> END/s/^> //p" "$ROOT/packaging/man/sallyport.json.5.scd" | sed '/^END/d'
}

teardown()
{
    local network
    containers_delete_all
    squid_end
    docker ps --quiet --all | xargs --no-run-if-empty docker rm --force >/dev/null
    for network in $("$SALLYPORT" network list --json | jq -r '.[] | select(.up).network'); do
        "$SALLYPORT" network down "$network"
    done
    "$SALLYPORT" install podman --undo >/dev/null
    "$SALLYPORT" install docker --undo >/dev/null
    cp "$WORK/containerd/config.toml" /etc/containerd/config.toml
    rm -rf /etc/sallyport "${SQUID_CONFIG%/*}" "$WORK"/log/*
}

# page PAGE: does what it says.
page()
{
    cd "$BATS_TEST_TMPDIR/place"
    python3 "$BATS_TEST_DIRNAME/examples.py" run "$ROOT/$1" "$BATS_TEST_TMPDIR/conversation" 3>&- || {
        tail -n 20 "$BATS_TEST_TMPDIR/conversation"
        return 1
    }
}

@test "what is installed: programs, pages, completions where shells look for them, the schema" {
    local file
    for file in bin/sallyport share/man/man8/sallyport{,-hook,-runtime,-verify}.8 share/man/man5/sallyport.json.5 \
        share/bash-completion/completions/sallyport{,-hook,-runtime} share/zsh/site-functions/_sallyport \
        share/fish/vendor_completions.d/sallyport{,-hook,-runtime}.fish share/sallyport/policy.schema.json; do
        [[ -s /usr/local/$file ]] || fail "not installed: $file"
    done
}

@test "sallyport(8)" {
    page packaging/man/sallyport.8.scd
}

@test "sallyport-bundle(8)" {
    page packaging/man/sallyport-bundle.8.scd
}

@test "sallyport-check(8)" {
    page packaging/man/sallyport-check.8.scd
}

@test "sallyport-explain(8)" {
    page packaging/man/sallyport-explain.8.scd
}

@test "sallyport-hook(8)" {
    page packaging/man/sallyport-hook.8.scd
}

@test "sallyport-install(8)" {
    page packaging/man/sallyport-install.8.scd
}

@test "sallyport-log(8)" {
    "$SALLYPORT" network up "$NETWORK"
    install_config
    squid_start -N
    page packaging/man/sallyport-log.8.scd
}

@test "sallyport-network(8)" {
    page packaging/man/sallyport-network.8.scd
}

@test "sallyport-proxy-config(8)" {
    page packaging/man/sallyport-proxy-config.8.scd
}

@test "sallyport-publish(8)" {
    page packaging/man/sallyport-publish.8.scd
}

@test "sallyport-runtime(8)" {
    page packaging/man/sallyport-runtime.8.scd
}

@test "sallyport-seccomp-profile(8)" {
    page packaging/man/sallyport-seccomp-profile.8.scd
}

@test "sallyport-verify(8)" {
    page packaging/man/sallyport-verify.8.scd
}

@test "sallyport.json(5)" {
    page packaging/man/sallyport.json.5.scd
}

# headings_were_printed PAGE: each message that it has for a heading is one that its examples printed.
headings_were_printed()
{
    local message count=0
    while read -r message; do
        grep -v '^# ' "$BATS_TEST_TMPDIR/conversation" | grep -qF -- "$message" || fail "$1: nothing printed: $message"
        count=$((count + 1))
    done < <(sed -n 's/^### `\(.*\)`$/\1/p' "$ROOT/$1")
    ((count >= 15)) || fail "$1 has $count messages"
}

@test "docs/tutorial.md" {
    rm "$POLICIES/$NETWORK.json"
    page docs/tutorial.md
}

@test "docs/troubleshooting.md" {
    page docs/troubleshooting.md
    headings_were_printed docs/troubleshooting.md
}
