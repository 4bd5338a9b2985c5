# SPDX-License-Identifier: Apache-2.0
#
# The whole report to Markdown: groups by systems, then how each system was run and what is open in it.

# In the order in which the probe has them; those of which nothing was made anywhere are not shown.
def groups: reduce (.systems[].attempts[] | select(.verdict == "closed" or .verdict == "open").group) as $group
    ([]; if any(.[]; . == $group) then . else . + [$group] end);

def row: "| " + join(" | ") + " |";

def count(filter): map(select(filter)) | length;

def closed: count(.verdict == "closed");
def made: count(.verdict == "closed" or .verdict == "open");
def paths: count(.expect == "open");

def share($some; $all): if $all == 0 then "—" elif $some == $all then "\($some)/\($all)" else "**\($some)**/\($all)" end;

# Whatever came out of it, by a packet or by the proxy.
def came_out: .verdict == "open" and (.arrived != [] or .group == "proxy");

def cells(filter): [.systems[] | if .failed then "n/a" else (.attempts | filter) end];

def body:
    . as $report
    | (groups[] as $group | [$group] + ($report | cells(map(select(.group == $group)) | share(closed; made)))),
    (["**all**"] + cells(share(closed; made))),
    (["allowed paths that work"] + cells(share(count(.verdict == "works"); paths))),
    (["open, and arrived outside"] + cells(count(came_out) | tostring)),
    (["impossible there, not counted"] + cells(count(.verdict == "impossible") | tostring));

# The first open attempt of each group, those that arrived before those that the kernel only allowed.
def telling: to_entries | map(.value + {key} | select(.verdict == "open")) | group_by(.group)
    | map(sort_by([(came_out | not), .key])[0]) | sort_by([(came_out | not), .key]) | .[:4]
    | map("\(.group) `\(.name)` (\(if .arrived != [] then "arrived: \(.arrived | join(", "))" else .detail end))") | join("; ");

def broken: map(select(.verdict == "broken") | "\(.group) `\(.name)` (\(.detail))") | join("; ");

def findings:
    if .failed then "Not measured: \(.failed)"
    else ((.attempts | count(.verdict == "open")) as $open
        | if $open == 0 then "Nothing is open." else "\($open) open, such as \(.attempts | telling)." end),
        (.attempts | broken | select(. != "") | "Broken: \(.).")
    end;

def note: ["- **\(.name)**: \(.title).", (.command | select(. != "") | "`\(.)`"), findings, (.remark | select(. != ""))] | join(" ");

"Measured on \(.date), Linux \(.kernel), \(.processors) processors; \(.versions | to_entries | map("\(.key) \(.value)") | join(", ")).",
"",
([""] + [.systems[].name] | row),
([.systems[] | "---"] + ["---"] | row),
(body | row),
"",
"A cell is attempts closed / attempts made; — where a system has nothing of the kind. An attempt is open if it arrived (at the",
"internet, the host or another container) or if the kernel allowed it; a datagram that arrived nowhere is closed. What this",
"kernel does not have, or a system leaves nothing to try with, is not counted.",
"",
(.systems[] | note)
