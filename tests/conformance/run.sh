#!/usr/bin/env bash
# Lets tools that others wrote judge the spec and what goes over the wire: run.sh [SUITE...], all suites by default.
# CONTRIBUTING.md describes the suites. The tools are installed into the build folder, in the versions that the lock
# files beside this script pin.
set -euo pipefail

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
document=$root/openapi/d1-card-operations.yaml
released=(-p d1-generated -p d1-transport -p d1-facade -p d1-sandbox)
export NO_COLOR=1

# How many tokens each JOSE library exchanges with the facade, and with the sandbox, in each direction.
tokens=1000
# How many cases schemathesis generates for each operation: more than 2,000 in all.
cases=260
# How many calls go through nginx.
calls=10000

# Fails unless the program $1 is installed; $2 is its Debian package.
need() {
  if ! command -v "$1" >/dev/null; then
    printf 'error: the program `%s` is missing: install the package %s\n' "$1" "$2" >&2
    exit 1
  fi
}

# Runs a command. What it prints goes to $said (and its standard output alone to $printed), its status to $status.
attempt() {
  status=0
  "$@" >"$printed" 2>"$said" || status=$?
  cat "$printed" >>"$said"
}

# Adds a row to the table: suite, check, count, 0 for a check that passed. $said explains one that failed.
row() {
  local verdict=ok
  if [ "$4" -ne 0 ]; then
    verdict=FAIL
    failed=$((failed + 1))
    printf '\n%s:\n%s\n' "$2" "$(cat "$said")" >>"$failures"
  fi
  printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$verdict" >>"$table"
}

# Runs a program that prints a line for each check: the check, a count, `ok` or what is wrong, separated by tabs.
peer() {
  local suite=$1 check count verdict rows=0
  shift
  attempt "$@"
  local ended=$status
  cp "$said" "$said.whole"
  while IFS=$'\t' read -r check count verdict; do
    if [ -n "$verdict" ]; then
      rows=$((rows + 1))
      printf '%s\n' "$verdict" >"$said"
      local failure=1
      [ "$verdict" != ok ] || failure=0
      row "$suite" "$check" "$count" "$failure"
    fi
  done <"$printed"
  cp "$said.whole" "$said"
  if [ "$ended" -ne 0 ] || [ "$rows" -eq 0 ]; then
    row "$suite" "${1##*/} succeeds" 1 1
  fi
}

# Builds a program of the workspace. With the whole workspace, or features differ and everything is built once more.
build() {
  cargo build --quiet --locked --workspace --bin "$1"
}

# Installs a subcommand of cargo into the build folder.
subcommand() {
  cargo install --quiet --locked --debug --version "$2" --root "$folder/cargo" "$1"
  PATH=$folder/cargo/bin:$PATH
}

install_tools() {
  cp "$sources"/{package.json,package-lock.json,jose.mjs,node-jose.cjs} "$folder"
  (cd "$folder" && npm ci --silent --no-fund --no-audit --ignore-scripts)
  python3 -m venv "$folder/python"
  "$python" -m pip install --quiet --require-hashes --no-deps -r "$sources/requirements.txt"
}

# The OpenAPI file in three linters, its descriptions and its examples.
suite_spec() {
  attempt "$npm/redocly" lint --max-problems=1000 --config "$sources/redocly.yaml" "$document"
  # It exits with 0 on warnings.
  ! grep -q warning "$said" || status=1
  row spec "redocly, recommended and examples" 1 "$status"
  attempt "$npm/spectral" lint --fail-severity=hint -r "$sources/spectral.yaml" "$document"
  row spec "spectral, recommended" 1 "$status"
  attempt "$python" -W ignore -m openapi_spec_validator "$document"
  row spec "openapi-spec-validator" 1 "$status"
  attempt "$python" -W ignore "$sources/descriptions.py" "$document"
  [ "$status" -eq 0 ] || row spec "descriptions.py finds nothing" 1 1
  local line kind count
  while IFS= read -r line; do
    kind=${line%%: *} count=${line#*: }
    row spec "$kind are described, examples are there and valid" "$count" "$status"
  done < <(grep -v '^FINDING' "$printed" | grep ': ')
}

# Tokens between the facade, the sandbox and JOSE libraries that others wrote.
suite_jose() {
  build jose_peers
  build jose_vectors
  cd "$folder"
  peer jose "$programs/jose_peers" "$tokens" "node jose.mjs" "node node-jose.cjs" \
    "$python $sources/jwcrypto_peer.py"
  peer jose "$programs/jose_vectors" "$python" "$sources/jwe_cases.py"
  cd "$root"
}

# Tests that do not go through Prism: they are about what the document does not say, or break it on purpose.
not_through_prism=(
  # They send what the document forbids.
  --skip=error_400_of_each_operation
  # The other readings of open questions: responses without the body that the document has.
  --skip=what_is_not_documented_about_success_makes_no_difference
  --skip=error_404_without_a_code_or_a_body
  # Prism replaces an empty body by one of its own, which is then not D1's.
  --skip=error_500_of_each_operation
  # It is about TLS, which Prism does not speak.
  --skip=without_a_client_certificate_of_d1s_nothing_gets_through
)

# The end-to-end tests through Prism's validating proxy, and the facade with what Prism generates from the document.
suite_prism() {
  export D1_TESTS_PRISM=$npm/prism D1_TESTS_PRISM_LOG=$folder/prism.log
  : >"$D1_TESTS_PRISM_LOG"
  attempt cargo test --locked --workspace --test=it -- end_to_end "${not_through_prism[@]}"
  local passed forwarded
  passed=$(awk '/^test result: ok\. / { n += $4 } END { print n + 0 }' "$printed")
  forwarded=$(wc -l <"$D1_TESTS_PRISM_LOG")
  at_least 10 "$passed" "end-to-end tests through the proxy"
  at_least 50 "$forwarded" "requests that it found nothing wrong with"
  unset D1_TESTS_PRISM D1_TESTS_PRISM_LOG
  build prism_mock
  peer prism "$programs/prism_mock" "$npm/prism"
}

at_least() {
  local verdict=$status
  [ "$2" -ge "$1" ] || verdict=1
  row prism "$3, at least $1" "$2" "$verdict"
}

# Schemathesis tries the sandbox.
suite_schemathesis() {
  build d1-sandbox
  peer schemathesis "$python" "$sources/schemathesis_peer.py" "$programs/d1-sandbox" "$document" "$cases" \
    "$folder/schemathesis"
}

# OpenSSL's client calls the sandbox, the facade calls OpenSSL's server.
suite_tls() {
  build tls_peers
  peer tls "$programs/tls_peers" "$folder/tls"
}

# The facade through nginx.
suite_http() {
  build http_peers
  peer http "$programs/http_peers" "$calls" "$folder/http"
}

# What a release promises. One build folder for all of it: most of what is compiled is the same.
suite_api() {
  export CARGO_TARGET_DIR=$folder/released
  subcommand cargo-hack 0.6.44
  attempt cargo hack check --each-feature --locked "${released[@]}"
  row api "builds, each feature by itself" "$(grep -c 'info: running' "$said" || true)" "$status"

  copy_workspace "$folder/least"
  cd "$folder/least"
  # Cargo's own resolver has an option for it, which is not yet stable.
  RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
  attempt cargo check --locked "${released[@]}"
  row api "builds with the least versions that are asked for" 1 "$status"
  cd "$root"

  local version
  version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  if rustup toolchain list 2>/dev/null | grep -q "^$version"; then
    attempt rustup run "$version" cargo check --locked "${released[@]}"
    row api "builds with Rust $version" 1 "$status"
  else
    row api "builds with Rust $version" "not installed here" 0
  fi

  export RUSTDOCFLAGS="-D warnings --cfg docsrs"
  attempt cargo doc --no-deps --locked -p d1-facade --features schemars
  row api "documentation as docs.rs builds it" 1 "$status"
  unset RUSTDOCFLAGS CARGO_TARGET_DIR

  local tag
  if tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    subcommand cargo-semver-checks 0.45.0
    CARGO_TARGET_DIR=$folder/semver attempt cargo semver-checks -p d1-facade --baseline-rev "$tag"
    row api "no break since the last release" "$tag" "$status"
  else
    row api "no break since the last release" "no release yet" 0
  fi
}

# Copies the files that git knows or would add, with the text of the work tree.
copy_workspace() {
  git ls-files --cached --others --exclude-standard | while IFS= read -r name; do
    if [ -f "$name" ]; then
      mkdir -p "$1/$(dirname "$name")"
      cp "$name" "$1/$name"
    fi
  done
}

# The clients of examples/clients, each beside a sandbox of its own that refuses what D1 may refuse.
suite_clients() {
  build d1-sandbox
  local code=$root/examples/clients
  # It looks for its module beside itself.
  cp "$code/client.mjs" "$folder"
  export GO111MODULE=off GOCACHE=$folder/go
  client "Python" "$python" "$code/client.py"
  client "Node" node "$folder/client.mjs"
  client "Java" java "$code/Client.java"
  client "Go" go run "$code/client.go"
}

# Runs a client: it prints the operations of its card, and leaves no warning.
client() {
  local language=$1 files=$work/clients sandbox
  shift
  rm -rf "$files"
  RUST_LOG=warn "$programs/d1-sandbox" serve --strict --dir "$files" >"$files.out" 2>"$files.err" &
  sandbox=$!
  until grep -qs Ctrl-C "$files.out"; do
    kill -0 "$sandbox" || break
  done
  attempt with_environment "$files/d1.env" "$@"
  kill "$sandbox"
  wait "$sandbox" || status=1
  cat "$files.err" >>"$said"
  [ "$(cat "$printed")" = $'RENEW SUCCESSFUL\nRESUME SUCCESSFUL\nSUSPEND SUCCESSFUL' ] || status=1
  [ ! -s "$files.err" ] || status=1
  row clients "the client in $language changes a card" 1 "$status"
}

with_environment() (
  . "$1"
  "${@:2}"
)

all=(spec jose prism schemathesis tls http clients api)
[ $# -gt 0 ] || set -- "${all[@]}"
tools=()
for suite in "$@"; do
  case $suite in
    spec | jose | prism | schemathesis)
      need npm npm && need node nodejs && need python3 "python3 and python3-venv"
      tools=(install_tools)
      ;;
    clients)
      need npm npm && need node nodejs && need python3 "python3 and python3-venv"
      need java default-jdk-headless && need go golang-go
      tools=(install_tools)
      ;;
    tls) need openssl openssl ;;
    http) need nginx nginx-light ;;
    api) need git git ;;
    *) printf 'error: there is no suite %s; there are: %s\n' "$suite" "${all[*]}" >&2; exit 2 ;;
  esac
done

cd "$root"
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
folder=$target/conformance
programs=$target/debug
npm=$folder/node_modules/.bin
python=$folder/python/bin/python
mkdir -p "$folder"
"${tools[@]}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
table=$work/table failures=$work/failures said=$work/said printed=$work/printed
failed=0
: >"$failures"
printf '| suite | check | count | verdict |\n|---|---|---|---|\n' >"$table"
for suite in "$@"; do
  "suite_$suite"
done
cat "$table" "$failures"
if [ "$failed" -gt 0 ]; then
  echo "error: $failed check(s) failed" >&2
  exit 1
fi
