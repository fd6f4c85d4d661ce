"""Builds and installs what checks need below compat/target/, once per change of the files it comes from."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from jvm import KAFKA_HOME, TARGET, clip


def need(*programs):
    missing = [p for p in programs if not any(shutil.which(name) for name in p.split(" or "))]
    assert not missing, f"not on this machine: {', '.join(missing)}"


@contextmanager
def alone():
    """No other process builds or fetches anything meanwhile. Not to be nested."""
    with open(TARGET / "build.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def once(name, inputs, build):
    """Runs `build` unless it has already succeeded with the same inputs."""
    with alone():
        _once(name, inputs, build)


def _once(name, inputs, build):
    stamp = TARGET / f"{name}.stamp"
    digest = hashlib.sha256(b"".join(Path(p).read_bytes() for p in inputs)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    build()
    stamp.write_text(digest)


def java_classes(name, source_dir, jars=KAFKA_HOME / "libs", shared=()):
    """The class path of the Java program in `source_dir`: its classes and the jars it is compiled with, Apache Kafka's if no others.
    `shared` are sources of other programs that it needs too."""
    need("javac", "java")
    classes = TARGET / name
    sources = sorted([*source_dir.glob("*.java"), *shared])

    def build():
        shutil.rmtree(classes, ignore_errors=True)
        run(["javac", "-Xlint:all,-processing,-classfile,-serial,-path,-try", "-Werror", "-cp", f"{jars}/*", "-d", classes, *sources])

    once(name, sources, build)
    return f"{jars}/*:{classes}"


def maven_jars(name, pom):
    """The folder with the jars that a pom names, and theirs."""
    jars = TARGET / name

    def fetch():
        need("mvn")
        shutil.rmtree(jars, ignore_errors=True)
        run(["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime"])

    once(name, [pom], fetch)
    return jars


def run(command, cwd=None, env=None):
    done = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}\n{clip(done.stdout)}\n{clip(done.stderr)}"
