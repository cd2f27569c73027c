"""Drives the sandbox's page in headless Chromium, by keyboard where a person would.

Usage: page_test.py SANDBOX_BINARY [SCREENSHOT_FOLDER]. Exits non-zero with the first thing that is wrong.
"""

import os
import pathlib
import shlex
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from playwright.sync_api import expect, sync_playwright

WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}


class Sandbox:
    """A sandbox of its own, and calls to it over mutual TLS."""

    def __init__(self, binary, folder):
        command = [binary, "serve", "--control-port", "0", "--seed", "7", "--dir", folder]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # After it, the files are written.
        env = {}
        for line in pathlib.Path(folder, "d1.env").read_text().splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            env[name] = shlex.split(value)[0] if shlex.split(value) else ""
        self.url, self.control = env["D1_BASE_URL"], env["D1_CONTROL_URL"]
        self.tls = ssl.create_default_context(cafile=env["D1_CA"])
        self.tls.load_cert_chain(env["D1_CLIENT_CERT"], env["D1_CLIENT_KEY"])

    def suspend(self, card):
        """A call without a token: what it is answered is a 401, or a fault's status."""
        path = f"/banking/v1/issuers/ISSUER_A-1/cards/{card}/operations:suspend"
        headers = {"content-type": "application/json", "x-correlation-id": "browser-1"}
        request = urllib.request.Request(self.url + path, b"{}", headers, method="POST")
        try:
            return urllib.request.urlopen(request, context=self.tls, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code


def check(page, sandbox):
    page.goto(sandbox.control)
    expect(page.locator("#live")).to_have_text("on")
    expect(page.locator("#about")).to_contain_text(sandbox.url)
    expect(page.locator("#cards")).to_contain_text("ReplaceMe01")
    expect(page.locator("#cards")).not_to_contain_text("4111111111111111")

    # A request appears by itself.
    assert sandbox.suspend("ReplaceMe01") == 401
    expect(page.locator("#requests")).to_contain_text("browser-1")
    expect(page.locator("#requests")).to_contain_text("401")
    expect(page.locator("#requests")).to_contain_text("The Authorization header must be given once")

    # A card is changed by keyboard, and the focus stays where it was.
    button = page.get_by_role("button", name="Make card ReplaceMe01 INACTIVE")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_have_text("ReplaceMe01 was changed")
    back = page.get_by_role("button", name="Make card ReplaceMe01 ACTIVE")
    expect(back).to_be_visible()
    back.press("Space")
    expect(button).to_be_visible()

    # A fault is added by keyboard alone, and taken back.
    field = {name: page.locator(f"#fault [name={name}]") for name in ("kind", "status", "operation")}
    field["kind"].focus()
    page.keyboard.press("Tab")
    expect(field["status"]).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("429")
    page.keyboard.press("Tab")
    expect(field["operation"]).to_be_focused()
    page.keyboard.type("suspend")
    for _ in range(5):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add fault")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#faults")).to_contain_text("status 429")
    expect(page.locator("#faults")).to_contain_text("suspendCard")
    page.get_by_role("button", name="Take fault 1 back").press("Enter")
    expect(page.locator("#faults")).to_contain_text("No fault is waiting")

    # What cannot be is said.
    field["status"].evaluate("field => { field.max = 9999; field.value = 1000; }")
    page.get_by_role("button", name="Add fault").click()
    expect(page.locator("#notice")).to_contain_text("status")

    page.get_by_role("button", name="Clock an hour ahead").click()
    expect(page.locator("#about")).to_contain_text("3600 s off")
    page.get_by_role("button", name="Clock right again").click()
    expect(page.locator("#about")).not_to_contain_text("3600")

    # The reference comes from the spec.
    summaries = page.locator("#api summary")
    expect(summaries).to_have_count(7)
    summaries.nth(0).press("Enter")
    expect(page.locator("#api details[open]")).to_contain_text("issuerId")


def main():
    binary = sys.argv[1]
    shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    executable = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for name, (width, height) in WIDTHS.items():
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            sandbox = Sandbox(binary, folder)
            try:
                browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": width, "height": height})
                page.set_default_timeout(15_000)
                problems, hosts = [], set()
                page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
                page.on("pageerror", lambda error: problems.append(str(error)))
                page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
                check(page, sandbox)
                # The refused fault is the one error that the browser notes by itself.
                problems = [p for p in problems if "400 (Bad Request)" not in p]
                assert not problems, problems
                assert hosts == {sandbox.control.split("/")[2]}, hosts
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{name}: the page is {wide} wide"
                if shots:
                    page.screenshot(path=str(shots / f"{name}.png"), full_page=True)
                browser.close()
            finally:
                sandbox.process.terminate()
                sandbox.process.wait(10)
        print(f"page at {name} width: ok")


if __name__ == "__main__":
    main()
