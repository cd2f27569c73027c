"""What report.py and footprint.py share: running programs, and tables between two marks of a page."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    """Runs a program that must succeed, and returns what it printed on both outputs."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    except FileNotFoundError:
        sys.exit(f"error: the program `{command[0]}` is missing")
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(str(word) for word in command)}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def cargo(*arguments, **options):
    return run("cargo", *arguments, **{"cwd": ROOT, **options})


def target_folder():
    printed = subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT)
    return pathlib.Path(json.loads(printed)["target_directory"])


def split(page, mark):
    """Returns what stands before, between and after the marks of a page."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, found, rest = page.partition(begin)
    between, found_too, after = rest.partition(end)
    if not (found and found_too):
        raise ValueError(f"the page lacks the lines {begin} and {end}")
    return before + begin, between, end + after


def replaced(page, mark, text):
    """Returns the page with `text` between its marks."""
    before, _, after = split(page, mark)
    return f"{before}\n\n{text.strip()}\n\n{after}"


def write(path, text):
    """Writes a file of the repository, unless it has this text."""
    path = ROOT / path
    if path.read_text() != text:
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        os.replace(temporary, path)
