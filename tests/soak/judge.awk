# SPDX-License-Identifier: Apache-2.0
#
# Whether a column of a soak's samples grows. Prints each column with its first and last value, its fit and the verdict, as
# a Markdown table; exit status 1 if one grows.
#
# A line is fitted to all samples but the first, which has what is made once (caches, the first neighbour): value = level +
# slope * n. A column grows if the line rises, from the first of them to the last, by more than its tolerance AND by more
# than three standard errors of the slope, so that noise is not growth. Tolerances:
#
#   counts       half an object in the whole run
#   kernel_kib   2 KiB for each container. The smallest thing that a container can leave, a link, has more
#   median_ms    a quarter of the level
#
# p95_ms, available_kib (of the whole machine) and the times of questions, which grow with the answer, are told, not
# judged. With live sandboxes, kernel_kib is what they cost: it is told by the fit.
#
# -v judge=counts leaves out time and memory.

BEGIN {
    FS = ","
}

NR == 1 {
    for (column = 1; column <= NF; column++)
        name[column] = $column
    columns = NF
    next
}

{
    for (column = 1; column <= columns; column++)
        value[NR - 1, column] = $column
}

# Fits column to the samples from `first` on: sets level, slope and error, all per unit of column 1.
function fit(column, first,    i, n, mean_x, mean_y, xx, xy, rest) {
    n = samples - first + 1
    for (i = first; i <= samples; i++) {
        mean_x += value[i, 1] / n
        mean_y += value[i, column] / n
    }
    for (i = first; i <= samples; i++) {
        xx += (value[i, 1] - mean_x) ^ 2
        xy += (value[i, 1] - mean_x) * (value[i, column] - mean_y)
    }
    slope = xy / xx
    level = mean_y - slope * mean_x
    for (i = first; i <= samples; i++)
        rest += (value[i, column] - level - slope * value[i, 1]) ^ 2
    error = sqrt(rest / (n - 2) / xx)
    if (error < 1e-9) # of arithmetic
        error = 0
}

# -1: not judged.
function tolerance(column, range) {
    if (name[column] == "median_ms")
        return judge == "counts" ? -1 : level / 4
    if (name[column] == "kernel_kib")
        return judge == "counts" || name[1] == "live" ? -1 : 2 * range
    return name[column] ~ /_ms$|^available_kib$/ ? -1 : 0.5
}

END {
    samples = NR - 1
    if (samples < 4) {
        print "judge: " samples " samples are too few for a verdict; at least 4 are needed" > "/dev/stderr"
        exit 1
    }
    print "| " name[1] " " value[1, 1] " to " value[samples, 1] " | first | middle | last | slope per 1000 | standard error | |"
    print "|---|---|---|---|---|---|---|"
    for (column = 2; column <= columns; column++) {
        fit(column, 2)
        range = value[samples, 1] - value[2, 1]
        allowed = tolerance(column, range)
        verdict = allowed < 0 ? "not judged" : "flat"
        if (allowed >= 0 && slope * range > allowed && slope > 3 * error) {
            verdict = "GROWS"
            growing++
        }
        printf "| %s | %g | %g | %g | %.3g | %.2g | %s |\n", name[column], value[1, column],
            value[int((samples + 1) / 2), column], value[samples, column], slope * 1000, error * 1000, verdict
    }
    exit growing > 0
}
