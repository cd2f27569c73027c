"""Runs what the images of examples/containers run, without a container engine: in a folder that has the files of the
image `sandbox`, as its user, with its entry point, its health check, and the commands of the image and of compose.yaml.

Usage, as root: containers.py BINARIES, the folder with the programs of a build.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "examples/containers/Containerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "examples/containers/compose.yaml").read_text(encoding="utf-8")


def stages():
    """The instructions of each stage by its name, those of the stage that it begins with first."""
    found, lines = {}, re.sub(r"\\\n\s*", "", TEXT).splitlines()
    for line in (line for line in lines if line and not line.startswith("#")):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.split()
            stage = found[name] = list(found.get(base, []))
        else:
            stage.append((word, rest))
    return found


def last(stage, word):
    return next(rest for found, rest in reversed(stage) if found == word)


def with_libraries(program, folder, name):
    """Copies a program and the libraries that it is linked with."""
    target = folder / name.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        (folder / library.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, folder / library.lstrip("/"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fill(folder, stage, binaries, built):
    """Lays out the files of a stage as its instructions do."""
    owner = int(last(stage, "USER").split(":")[0])
    with_libraries("/bin/sh", folder, "/bin/sh")
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    for word, rest in stage:
        if word == "COPY":
            source, target = re.fullmatch(r"--from=build /src/target/release/(\S+) (\S+/)", rest).groups()
            assert f"--bin {source}" in built, f"{source} is not built"
            with_libraries(binaries / source, folder, target + source)
        for mode, path in re.findall(r"install --directory .* --mode (\d+) (\S+)", rest):
            (folder / path.lstrip("/")).mkdir(mode=int(mode, 8))
            os.chown(folder / path.lstrip("/"), owner, owner)


def check_compose(found):
    """Each stage, and each variable of the service, that compose.yaml names must exist."""
    settings = (ROOT / "examples/issuer-service/src/settings.rs").read_text(encoding="utf-8")
    for stage in re.findall(r"target: ([a-z-]+)$", COMPOSE, re.M):
        assert stage in found, stage
    for variable in re.findall(r"^      ([A-Z_]+): ", COMPOSE, re.M):
        assert f'env = "{variable}"' in settings, variable


def main(binaries):
    found = stages()
    check_compose(found)
    built = " ".join(rest for word, rest in found["build"] if word == "RUN")
    stage = found["sandbox"]
    user, path = last(stage, "USER"), last(stage, "VOLUME")
    ports = {port: str(free_port()) for port in last(stage, "EXPOSE").split()}
    entry = json.loads(last(stage, "ENTRYPOINT"))
    of_compose = re.findall(r"^      - (\S+)$", COMPOSE, re.M)
    commands = [json.loads(last(stage, "CMD")), of_compose]
    port = re.compile("|".join(rf"\b{port}$" for port in ports))
    commands = [[port.sub(lambda found: ports[found[0]], word) for word in command] for command in commands]
    health = json.loads(last(stage, "HEALTHCHECK").split(" CMD ")[1])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        fill(folder, stage, binaries, built)
        clean = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin"]
        enter = [*clean, shutil.which("chroot"), f"--userspec={user}", folder]
        authorities = set()
        for command in commands:
            sandbox = subprocess.Popen([*enter, *entry, *command], stdout=subprocess.PIPE, text=True)
            shown = iter(sandbox.stdout.readline, "")
            assert any("Ctrl-C" in line for line in shown), "it has not started"
            subprocess.run([*enter, *health], check=True)
            authorities.add((folder / path.lstrip("/") / "ca.pem").read_text())
            sandbox.send_signal(signal.SIGTERM)
            assert sandbox.wait() == 0
        assert len(authorities) == 1, "the second start has other keys"
        assert (folder / path.lstrip("/") / "state.json").exists()
        stopped = subprocess.run([*enter, *health], stderr=subprocess.DEVNULL, check=False)
        assert stopped.returncode == 1, "the health check must fail without a sandbox"
    print("The image's files, user, commands and health check work; building it needs a container engine.")


main(Path(sys.argv[1]))
