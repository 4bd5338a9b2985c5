# SPDX-License-Identifier: Apache-2.0
#
# Ordinary programs notice nothing: curl, getaddrinfo, getifaddrs and python's asyncio, in a container that has the
# machine's /usr, sealed by config and, once more, by the hook alone.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    stage_up
    USR_ROOTFS=$WORK/usr-rootfs
    mkdir -p "$USR_ROOTFS"/{dev,etc,proc,sys,tmp,usr}
    local name
    for name in bin lib lib32 lib64 libx32 sbin; do
        [[ ! -L /$name ]] || ln -s "usr/$name" "$USR_ROOTFS/$name"
    done
    cp "$WORK/internet/ca.pem" /etc/passwd /etc/nsswitch.conf "$USR_ROOTFS/etc/"
    echo "127.0.0.1 localhost" >"$USR_ROOTFS/etc/hosts"
    : >"$USR_ROOTFS/etc/resolv.conf"
}

teardown_file()
{
    stage_down
}

# tool COMMAND...: runs it in a sealed container; $HOOKED: sealed by the hook alone.
tool()
{
    bundle tool agent "$@"
    configure tool --arg root "$WORK/usr-rootfs" '.root.path = $root
        | .process.env = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
        | .mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]},
                      {destination: "/tmp", type: "tmpfs", source: "tmpfs"}]'
    if [[ -n ${HOOKED-} ]]; then
        hook tool createRuntime poststop
        configure tool '.process.env += ["HTTPS_PROXY=http://10.209.0.2:3128"]'
    else
        seal tool
    fi
    run container_run tool
}

asyncio_program()
{
    cat <<'PYTHON'
import asyncio, concurrent.futures, ctypes, socket, subprocess

async def answer(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"loopback\n")
    print(await reader.readline())
    local = await asyncio.start_unix_server(answer, "/tmp/socket")
    reader, writer = await asyncio.open_unix_connection("/tmp/socket")
    writer.write(b"unix\n")
    print(await reader.readline())
    reader, writer = await asyncio.open_connection("10.209.0.2", 3128)
    writer.write(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
    print(await reader.readline())
    process = await asyncio.create_subprocess_exec("/bin/echo", "child", stdout=subprocess.PIPE)
    print((await process.communicate())[0])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(sum(await asyncio.gather(*[asyncio.get_running_loop().run_in_executor(pool, abs, -n) for n in range(9)])))
    print(await asyncio.get_running_loop().getaddrinfo("localhost", 80))
    print([name for _, name in socket.if_nameindex()])
    print("getifaddrs", ctypes.CDLL(None).getifaddrs(ctypes.byref(ctypes.c_void_p())))

asyncio.run(main())
print("done")
PYTHON
}

all_tools()
{
    tool curl --silent --show-error --max-time 10 --cacert /etc/ca.pem --output /dev/null \
        --write-out '%{http_connect} %{http_code}\n' https://api.openai.com/
    [[ $status -eq 0 ]] || fail "curl: $output"
    says "200 200"
    tool getent ahosts localhost
    [[ $status -eq 0 ]] || fail "getent: $output"
    says 127.0.0.1
    tool ip -o address
    [[ $status -eq 0 ]] || fail "ip: $output"
    says sp0
    tool python3 -c "$(asyncio_program)"
    [[ $status -eq 0 ]] || fail "python: $output"
    says "HTTP/1.1 200"
    says "'sp0'"
    says "getifaddrs 0"
    says done
}

@test "curl, getaddrinfo, getifaddrs and asyncio work in an edited bundle" {
    all_tools
    tool getent ahosts gateway
    [ "$status" -eq 0 ]
    says "$GATEWAY"
}

@test "curl, getaddrinfo, getifaddrs and asyncio work with the filter that the hook injects" {
    HOOKED=yes all_tools
}
