# SPDX-License-Identifier: Apache-2.0
#
# The lines of a suite's outline, slurped, and $samples (the file's text: METRIC, PEER and VALUE by tabs) to its part of
# the report. A ratio is the median of ratios of samples that were taken in the same round; so is what a peer adds.

def quantile($part): sort | .[((length - 1) * $part + 0.5) | floor];
def spread: {median: quantile(0.5), p10: quantile(0.1), p90: quantile(0.9)};

($samples | split("\n") | map(select(. != "") | split("\t")) | reduce .[] as [$metric, $peer, $value] ({};
    .[$metric][$peer] += [$value | tonumber])) as $values |

def pairs($metric; $peer; $other): [$values[$metric][$peer], $values[$metric][$other]] | transpose
    | map(select(all(. != null)));
def ratio($metric; $peer; $other): pairs($metric; $peer; $other) | map(.[0] / .[1]);
def added($metric; $peer; $over): pairs($metric; $peer; $over) | map(.[0] - .[1]) | quantile(0.5);

def reached: .value as $value | .limit as $limit
    | {"<": ($value < $limit), "<=": ($value <= $limit), ">=": ($value >= $limit)}[.operator];

def kind($kind): map(select(.kind == $kind) | del(.kind));

# Those that were declared, in that order; then whatever else was measured, as a step is.
def taking_part($peers; $metric): ($values[$metric] // {}) as $values
    | [$peers[] | select($values[.name])] + [($values | keys_unsorted) - [$peers[].name] | .[] | {name: ., title: .}];

kind("peer") as $peers | {
    name: $name,
    title: $title,
    rounds: ($rounds | tonumber),
    seconds: ($seconds | tonumber),
    notes: kind("note") | map(.text),
    metrics: kind("metric") | map(. as {$name, $base} | . + {
        peers: [taking_part($peers; $name)[] | . as {name: $peer} | . + {
            samples: $values[$name][$peer]} + ($values[$name][$peer] | spread)
            + if $base == "" then {} else {ratio: (ratio($name; $peer; $base) | spread)} end]}),
    goals: kind("goal") | map(. as {$metric, $peer, $other, $over} | .limit |= tonumber
        | .value = if $over == "" then ratio($metric; $peer; $other) | quantile(0.5)
            else added($metric; $peer; $over) / added($metric; $other; $over) end
        | .reached = reached)
}
