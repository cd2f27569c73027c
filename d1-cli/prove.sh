#!/usr/bin/env bash
# Kills d1 bulk with SIGKILL at random points and resumes it, against a sandbox of its own; fails when a card
# was changed twice, a line was lost, or the journal and the sandbox's books disagree.
#
# prove.sh [LINES] [KILLS] [SEED]
#
# PROFILE=release builds and runs what is optimized.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-dev}
cargo build --quiet --locked --profile "$profile" --workspace --bin d1 --example sigkill
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=$target/${profile/#dev/debug}
exec "$programs/examples/sigkill" "$programs/d1" "$@"
