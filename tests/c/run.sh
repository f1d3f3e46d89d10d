#!/bin/sh
# Runs the test programs given, each under $EMU, and adds up the totals in their last lines. Fails if a test does, or if a
# program ends without such a line, or with another status than it has then: sanitizers have the last word.
totals=$(mktemp)
trap 'rm -f "$totals" "$totals.one" "$totals.status"' EXIT
for program; do
    { $EMU "$program"; echo $? > "$totals.status"; } | tr -d '\r' | tee "$totals.one"
    echo "$(cat "$totals.status") $(tail -n 1 "$totals.one")" >> "$totals"
done
awk -v programs=$# '
    /: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
        passed += $(NF - 5); failed += $(NF - 3); skipped += $(NF - 1)
        ended += $1 == 0 || $(NF - 3) > 0
    }
    END {
        printf "%d passed, %d failed, %d skipped", passed, failed, skipped
        if (ended < programs) printf "; %d of %d programs crashed", programs - ended, programs
        print ""
        exit failed > 0 || ended < programs
    }' "$totals"
