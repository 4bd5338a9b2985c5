# SPDX-License-Identifier: Apache-2.0
#
# The whole report to Markdown: a table for each metric, then the goals.

def row: "| " + join(" | ") + " |";

# Three digits that say something.
def figure: if . == null then "-" elif . >= 100 or . <= -100 then round elif . >= 10 or . <= -10 then . * 10 | round / 10
    else . * 100 | round / 100 end | tostring;

def spread: "\(.p10 | figure) to \(.p90 | figure)";

def metric: .base as $base | [.peers[].name] as $names
    | (if $base == "" then [] else ["ratio to \($base)", "10 % to 90 %"] end) as $ratios
    | ([.title, "median \(.unit)", "10 % to 90 %"] + $ratios | row),
    ("|" + "---|" * (3 + ($ratios | length))),
    (.peers[] | ["\(.title)\(if .name == $base then " (\($base))" else "" end)", (.median | figure), spread]
        + if $base == "" then [] else [(.ratio.median | figure), (.ratio | spread)] end | row),
    "";

def goal: "- \(if .reached then "reached" else "MISSED" end): \(.metric), "
    + (if .over == "" then "\(.peer) / \(.other)" else "what \(.peer) adds to \(.over) / what \(.other) adds" end)
    + " \(.operator) \(.limit): \(.value | figure)";

"Measured on \(.date), sallyport \(.commit). \(.machine | to_entries | map("\(.key) \(.value)") | join(", ")).",
(.versions | to_entries | map("\(.key) \(.value)") | join(", ")) + ".",
"",
(.suites[]
    | "## \(.title)", "", "\(.rounds) rounds, in which all take turns; \(.seconds) s; load \(.load | join(" before, ")) after.", "",
    (.metrics[] | select(.peers != []) | metric),
    (.goals[] | goal),
    (.notes[] | "- " + .),
    "")
