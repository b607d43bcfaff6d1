#!/usr/bin/env bash
# One call on a borrowed machine with a GPU: takes over the text, computes for so many seconds, and leaves in OUT what is to
# go home. On the same machine the next call goes on from the last checkpoint.
#   workflow/gpu.sh PROFILE ARCHIVE SECONDS OUT
set -euo pipefail
[ $# -eq 4 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
profile=$1 archive=$2 seconds=$3 out=$4
cd "$(dirname "$0")/.."
limit=()
txray() { "${limit[@]}" "${PYTHON:-python3}" -m txray_lib.cli "$@"; }

mkdir -p "build/runs/$profile"
tar -C "build/runs/$profile" --skip-old-files -xzf "$archive"
status=0
limit=(timeout --signal=INT --kill-after=20 "$seconds")
txray run "$profile" --device "${DEVICE:-cuda}" || status=$?
limit=()
mkdir -p "$out"
for step in pretrain finetune; do
    for table in curve scores; do
        if [ -f "build/runs/$profile/$step/$table.parquet" ]; then
            cp "build/runs/$profile/$step/$table.parquet" "$out/$step-$table.parquet"
        fi
    done
done
if [ "$status" -eq 0 ]; then
    tar -C build/results -czf "build/$profile-tables.tar.gz" "$profile"
    split --bytes=15M "build/$profile-tables.tar.gz" "$out/$profile-tables.tar.gz."
    echo "finished: tables are in $out"
elif [ "$status" -eq 124 ] || [ "$status" -eq 130 ] || [ "$status" -eq 137 ]; then
    echo "not finished: the same command goes on, on this machine"
else
    exit "$status"
fi
