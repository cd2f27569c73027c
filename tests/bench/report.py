"""Measures what the facade costs beside hand-written code, and compares the verdicts with docs/src/performance.md.

Usage: report.py [--accept] [--full | --quick]

  --accept  write the new table into the page
  --full    renew a million cards in bulk in place of a hundred thousand
  --quick   a few calls of each kind: shows that everything works, its figures mean nothing

Valgrind counts instructions and allocations, which repeat to a fraction of a percent. Rates are compared in turns
within one run, because the speed of a machine changes: only their ratio counts. Needs valgrind, taskset and a machine
that does nothing else for five minutes. Exits with 1 when a verdict differs from the committed one.
"""

import collections
import contextlib
import os
import re
import shutil
import subprocess
import sys

import tables

PAGE, MARK = "docs/src/performance.md", "bench-report"
HEAD = ["what", "beside", "ours", "theirs", "ratio", "budget", "verdict"]
# How far beyond its budget the ratio of two rates must be to count as another verdict: what was seen between two runs
# on one machine.
NOISE = 0.03

# One comparison. The ratio of two rates is the median of many rounds. The budget is a text such as "≤ 1.15", or "-".
Row = collections.namedtuple("Row", "what beside ours theirs ratio budget")

# What is counted for one call: the unit, the call, its name in the table, what is beside it, the budget.
COUNTS = [
    ("instructions", "suspend", "suspend", "bare", "≤ 1.15"),
    ("instructions", "operations", "page of 100 operations", "generated", "≤ 1.10"),
    ("instructions", "secured suspend", "suspend, over mutual TLS", "bare", "-"),
    ("instructions", "operations", "page of 100 operations", "bare", "-"),
    ("instructions", "worst-page", "the worst page (1 MiB, read twice)", "bare", "-"),
    ("instructions", "renew", "renew, with its JWE", "bare", "-"),
    ("instructions", "Refused400", "suspend, refused with 400", "bare", "-"),
    ("instructions", "Refused403", "suspend, refused with 403", "bare", "-"),
    ("instructions", "Refused404", "suspend, refused with 404", "bare", "-"),
    ("instructions", "Refused500", "suspend, refused with 500", "bare", "-"),
    ("instructions", "Refused401", "suspend, refused with 401", "bare", "-"),
    ("allocations", "suspend", "suspend", "bare", "-"),
    ("allocations", "operations", "page of 100 operations", "generated", "-"),
    ("allocations", "operations", "page of 100 operations", "bare", "-"),
]
CALLERS = {"bare": "bare reqwest", "generated": "generated client"}
# Valgrind's tool for a unit, and what stands before the number in what it prints.
TOOLS = {"instructions": ("callgrind", "Collected : "), "allocations": ("dhat", " bytes in ")}

# The lines of the programs that measure rates: the first word, its name in the table, what is beside it, the budget.
CRYPTO = [("jwe", "JWE of card credentials", "raw josekit, encrypter built once", "≥ 0.95")]
TOKENS = [("tokens-64", "cached token, 64 tasks", "one task on each thread", "≥ 0.90")]
CALLS = [(f"suspend-{n}", f"suspend, {n} at once", "bare reqwest", "≥ 0.95") for n in (1, 16, 256)]
BULK = [("bulk", "bulk of renewals with JWE", "bare reqwest and josekit, at their best concurrency", "≥ 0.90")]
STALL = [("stall", "longest wait of a ready task, ms", "the same renewals without a bulk", "-")]


def compared(what, beside, ours, theirs, budget):
    return Row(what, beside, ours, theirs, ours / theirs, budget)


def verdict(value, budget):
    if budget == "-":
        return "-"
    sign, bound = budget.split()
    is_met = value <= float(bound) if sign == "≤" else value >= float(bound)
    return "met" if is_met else "short"


def figure(value):
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def lines_of(rows):
    """The rows as lines of the table, each a dictionary by column."""
    return [
        dict(zip(HEAD, [
            row.what, row.beside, figure(row.ours), figure(row.theirs), f"{row.ratio:.3f}", row.budget,
            verdict(row.ratio, row.budget),
        ]))
        for row in rows
    ]


def rendered(lines):
    rules = ["---:" if name in ("ours", "theirs", "ratio") else "---" for name in HEAD]
    body = [f"| {' | '.join(line[name] for name in HEAD)} |" for line in lines]
    return "\n".join([f"| {' | '.join(HEAD)} |", f"|{'|'.join(rules)}|", *body])


def committed(page):
    """The lines of the table that a page has."""
    _, table, _ = tables.split(page, MARK)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n") if line.startswith("|")]
    if len(rows) < 2:
        raise ValueError("the page lacks a table")
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def is_noise(line):
    """Whether the ratio of two rates is so near its budget that another run may judge otherwise."""
    is_counted = line["what"].startswith("instructions")
    return not is_counted and abs(float(line["ratio"]) - float(line["budget"].split()[1])) <= NOISE


def changes(lines, known):
    """What differs from the committed lines: each new row, and each verdict that changed."""
    known = {(line["what"], line["beside"]): line for line in known}
    found = []
    for line in lines:
        name = f"{line['what']}, beside {line['beside']}"
        before = known.get((line["what"], line["beside"]))
        if before is None:
            found.append(f"new: {name}")
        elif line["verdict"] != before["verdict"] and not is_noise(line):
            now, then = (f"{each['verdict']} at {each['ratio']}" for each in (line, before))
            found.append(f"{name}: {now}, was {then}")
    return found


def number_after(text, mark):
    """The first number after `mark`, which may have commas."""
    found = re.search(re.escape(mark) + r"([\d,]+)", text)
    if not found:
        raise ValueError(f"no number after `{mark}` in:\n{text}")
    return int(found[1].replace(",", ""))


def rates(text, known, prefix):
    """The rows of the known lines, which have the first word, ours, the reference and the ratio between tabs."""
    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in text.splitlines()}
    return [Row(prefix + what, beside, *map(float, lines[key]), budget) for key, what, beside, budget in known]


def memory(text):
    """Resident memory after each tenfold number of renewals, beside that after the first ten thousand."""
    lines = [line.split("\t")[1:] for line in text.splitlines() if line.startswith("renewals\t")]
    resident = [(int(line[0]), float(line[2])) for line in lines if int(line[0]) >= 10_000]
    if not resident:
        raise ValueError(f"no renewals in:\n{text}")
    what = "MB resident after {} renewals in bulk"
    return [compared(what.format(count), "after 10000", now, resident[0][1], "≤ 1.25") for count, now in resident]


class Programs:
    """The programs of d1-bench, and the servers that they call."""

    def __init__(self, quick, full):
        tables.cargo("build", "--quiet", "--release", "--locked", "-p", "d1-bench")
        self.target = tables.target_folder()
        self.quick = quick
        self.renewals = 10_000 if quick else 1_000_000 if full else 100_000

    def command(self, name, core=None):
        """A program, on one core alone if wanted: where the kernel moves caller and server about, the rates of the
        same program differ by a tenth from run to run."""
        program = self.target / "release" / name
        return [program] if core is None else ["taskset", "--cpu-list", str(core % os.cpu_count()), program]

    @contextlib.contextmanager
    def server(self, command):
        """Starts a server, whose first line says that it is ready."""
        command = [str(word) for word in command]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            line = process.stdout.readline().strip()
            if not line:
                sys.exit(f"error: {' '.join(command)} did not start")
            yield line
        finally:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def secured(self, protocol, core=None):
        """A server behind mutual TLS that does no more than answer; yields what a caller must have in its environment."""
        folder = self.target / f"bench-{protocol}"
        command = [*self.command("null_server", core), folder, protocol.lower()]
        with self.server(command):
            named = re.findall(r"^export (\w+)='?(.*?)'?$", (folder / "d1.env").read_text(), re.M)
            yield {**os.environ, **dict(named)}

    def count(self, unit, caller, call, url, environment):
        """How many for one call. A program makes few calls and then many: the difference has nothing of its start."""
        # A call that takes a thousand times as long is made less often.
        few, many = (2, 12) if call == "worst-page" or self.quick else (200, 1200)
        tool, mark = TOOLS[unit]
        valgrind = ["valgrind", f"--tool={tool}", f"--{tool}-out-file=/dev/null", *self.command("calls")]
        counts = [
            number_after(tables.run(*valgrind, url, caller, call, calls, env=environment), mark)
            for calls in (few, many)
        ]
        return (counts[1] - counts[0]) / (many - few)

    def counted(self):
        with self.server([*self.command("calls"), "serve"]) as plain, self.secured("Http1") as secured:
            for unit, call, what, beside, budget in COUNTS:
                *is_secured, call = call.split()
                url = "secured" if is_secured else plain
                ours, theirs = (self.count(unit, caller, call, url, secured) for caller in ("facade", beside))
                yield compared(f"{unit}: {what}", CALLERS[beside], ours, theirs, budget)

    def timed(self):
        crypto = tables.run(*self.command("rates"), "crypto")
        yield from rates(crypto, CRYPTO, "per second: ")
        yield from self.jwe_beside(crypto)
        yield from rates(tables.run(*self.command("rates"), "tokens"), TOKENS, "per second: ")
        for protocol, name in [("Http1", "HTTP/1.1"), ("Http2", "HTTP/2")]:
            with self.secured(protocol, core=0) as environment:
                calls = tables.run(*self.command("rates", core=1), "calls", env=environment)
            yield from rates(calls, CALLS, f"per second, {name}: ")
        with self.secured("Http2") as environment:
            def bulk(*arguments):
                return tables.run(*self.command("bulk"), *arguments, env=environment)
            yield from rates(bulk("rate", 10_000), BULK, "per second: ")
            yield from rates(bulk("stall", 4_000), STALL, "")
            yield from memory(bulk("memory", self.renewals))

    def jwe_beside(self, crypto):
        """Our JWE beside what bounds it, and beside npm's jose where `tests/conformance/run.sh jose` installed it."""
        rate = {line.split("\t")[0]: float(line.split("\t")[1]) for line in crypto.splitlines()}
        beside = [
            ("OpenSSL: a new key and one agreement on P-256", rate["ecdh-new-key"]),
            ("OpenSSL: one agreement on P-256", rate["ecdh"]),
        ]
        folder = self.target / "conformance"
        if (folder / "node_modules/jose").exists():
            script = shutil.copy(tables.ROOT / "tests/bench/jose-rate.mjs", folder)
            beside.append(("npm jose", float(tables.run("node", script))))
        return [compared("per second: JWE of card credentials", name, rate["jwe"], theirs, "-") for name, theirs in beside]


def main(arguments):
    if not set(arguments) <= {"--accept", "--full", "--quick"} or {"--full", "--quick"} <= set(arguments):
        sys.exit(__doc__)
    programs = Programs(quick="--quick" in arguments, full="--full" in arguments)
    lines = lines_of([*programs.counted(), *programs.timed()])
    print(rendered(lines))
    page = (tables.ROOT / PAGE).read_text()
    if "--accept" in arguments:
        tables.write(PAGE, tables.replaced(page, MARK, rendered(lines)))
        return 0
    found = changes(lines, committed(page))
    print(*found, sep="\n")
    if found:
        print(f"{len(found)} verdict(s) differ from {PAGE}; --accept writes these", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
