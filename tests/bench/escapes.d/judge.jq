# SPDX-License-Identifier: Apache-2.0
#
# The lines of one battery, slurped, to verdicts. $seen is what the witnesses saw ({"NUMBER": [PLACE...]}), $control the
# lines of the same battery outside of any sandbox: what this kernel does not have is closed by nobody, and what it has
# and a system denies to have is closed.
#
#   closed      refused, or sent and arrived nowhere
#   open        arrived somewhere, or the kernel allowed it (a socket opened, a connection made, a file to write)
#   impossible  this machine, or this system, has nothing to try it with, or the attempt came to no end
#   works, broken   of what must work
#   told        what a proxy makes of it is its own affair

def no_such_thing: .saw == "impossible" and (.detail | test("the kernel has no such|the kernel was built|the kernel cannot"));

($control | map(select(no_such_thing) | {(.group + " " + .name): true}) | add) as $lacking |

# The kernel took it and nobody refused it: only a witness knows what became of it.
def only_sent: .detail | test("^(sent|asked), and nobody refused it$");

# A question is answered by many who do not pass it on.
def only_asked: .group == "dns" and (.detail | startswith("asked"));

def judge:
    if .expect == "open" then (if .saw == "open" then "works" else "broken" end)
    elif .expect == "either" then "told"
    elif .arrived != [] then "open"
    elif $lacking[.group + " " + .name] then "impossible"
    elif no_such_thing then "closed"
    elif .saw | IN("impossible", "failed") then "impossible"
    elif .saw == "open" and ((only_sent or only_asked) | not) then "open"
    else "closed" end;

.[:-1] | to_entries | map(.key as $key | .value
    | .arrived = ($seen[$key + 1 | tostring] // [])
    | .verdict = judge
    | {group, name, tried, expect, saw, detail, ms, arrived, verdict})
