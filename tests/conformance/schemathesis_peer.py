"""Lets schemathesis try a sandbox out: schemathesis_peer.py SANDBOX DOCUMENT CASES FOLDER.

Prints a row for each check, with the number of responses that were checked; exits with 1 when one failed.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import requests

CARDS = [f"CARD{number:04}" for number in range(2000)]
# By name, so that one which a new version brings is looked at before it counts.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
    "object_level_authorization",
]


def environment_of(folder):
    text = (folder / "d1.env").read_text()
    return dict(re.findall(r"^export (\w+)='(.*)'$", text, re.M))


def token(environment, sandbox):
    signed = subprocess.run([sandbox, "assertion"], check=True, capture_output=True, text=True)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": signed.stdout.strip(),
    }
    session = requests.Session()
    session.trust_env = False
    answer = session.post(
        environment["D1_BASE_URL"] + "/authz/v1/oauth2/token",
        data=form,
        verify=environment["D1_CA"],
        cert=(environment["D1_CLIENT_CERT"], environment["D1_CLIENT_KEY"]),
    )
    return answer.json()["access_token"]


def run(document, cases, folder):
    here = pathlib.Path(__file__).parent
    config = folder / "schemathesis.toml"
    config.write_text(
        'hooks = "schemathesis_hooks"\n[parameters]\n'
        f'"path.issuerId" = "{os.environ["D1_ISSUER_ID"]}"\n'
    )
    report = folder / "report.ndjson"
    report.unlink(missing_ok=True)
    command = [
        str(pathlib.Path(sys.executable).parent / "schemathesis"),
        "--config-file", str(config),
        "run", document,
        "--url", os.environ["D1_BASE_URL"],
        "--tls-verify", os.environ["D1_CA"],
        "--request-cert", os.environ["D1_CLIENT_CERT"],
        "--request-cert-key", os.environ["D1_CLIENT_KEY"],
        "--header", "Authorization: " + os.environ["D1_AUTHORIZATION"],
        "--checks", ",".join(CHECKS),
        "--max-examples", cases,
        "--seed", "1",
        "--continue-on-failure",
        "--no-shrink",
        "--report", "ndjson",
        "--report-ndjson-path", str(report),
    ]  # fmt: skip
    environment = dict(os.environ, PYTHONPATH=str(here), NO_COLOR="1")
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=folder
    )
    return done, report


def main(sandbox, document, cases, folder):
    folder = pathlib.Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    fixtures = folder / "cards.json"
    fixtures.write_text(json.dumps({"cards": [{"id": card} for card in CARDS]}))
    command = [sandbox, "serve", "--dir", str(folder), "--cards", str(fixtures)]
    quiet = dict(os.environ, RUST_LOG="warn")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet) as server:
        try:
            for line in server.stdout:
                if "Ctrl-C" in line:
                    break
            os.environ.update(environment_of(folder))
            os.environ["D1_SANDBOX"] = sandbox
            os.environ["D1_CARDS"] = json.dumps(CARDS)
            os.environ["D1_AUTHORIZATION"] = "Bearer " + token(os.environ, sandbox)
            done, report = run(document, cases, folder)
        finally:
            server.terminate()
    text = report.read_text() if report.exists() else ""
    return tell(done, text)


def tell(done, report):
    counts, failures = collections.Counter(), collections.Counter()
    cases = 0
    by_status = collections.Counter()
    for line in report.splitlines():
        finished = json.loads(line).get("ScenarioFinished")
        if not finished:
            continue
        recorder = finished["recorder"]
        for interaction in recorder["interactions"].values():
            by_status[(interaction.get("response") or {}).get("status_code")] += 1
        cases += len(recorder["cases"])
        for checks in recorder["checks"].values():
            for check in checks:
                counts[check["name"]] += 1
                failures[check["name"]] += check["status"] != "success"
    row("cases, at least 2,000", cases, cases >= 2000 and done.returncode == 0)
    row("cases that D1 carried out, at least 200", by_status[200], by_status[200] >= 200)
    for check in CHECKS:
        if counts[check]:
            row(check, counts[check], not failures[check])
    if done.returncode:
        print(done.stdout[-20000:], file=sys.stderr)
    return done.returncode


def row(check, count, passed):
    print(check, count, "ok" if passed else "failed", sep="\t")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
