#!/bin/sh
# Runs the test programs given, each under $EMU, and adds up the totals in their last lines. Fails if a test does, or if a
# program ends without such a line.
totals=$(mktemp)
trap 'rm -f "$totals" "$totals.one"' EXIT
for program; do
    $EMU "$program" | tr -d '\r' | tee "$totals.one"
    tail -n 1 "$totals.one" >> "$totals"
done
awk -v programs=$# '
    /: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
        passed += $(NF - 5); failed += $(NF - 3); skipped += $(NF - 1); ended += 1
    }
    END {
        printf "%d passed, %d failed, %d skipped", passed, failed, skipped
        if (ended < programs) printf "; %d of %d programs crashed", programs - ended, programs
        print ""
        exit failed > 0 || ended < programs
    }' "$totals"
