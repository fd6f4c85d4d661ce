"""Installs the pinned client libraries below compat/target/ and builds the client programs, each once per change of its files.

Every function returns the command that runs its client, and raises an AssertionError that names what the machine lacks.
The check `clients: install` calls them all, so that a later check's time is its own.
"""

import os
import shutil
import sys
from functools import cache

from build import alone, java_classes, maven_jars, need, once, run
from jvm import COMPAT, KAFKA_HOME, TARGET, java_command

CLIENTS = COMPAT / "clients"
KARAPACE = "3.16.0"


@cache
def rust():
    need("cargo", "cmake or make", "gcc")
    target = TARGET / "rust"
    # Always through cargo: it knows best what is up to date.
    with alone():
        run(["cargo", "build", "--release", "--locked", "--manifest-path", COMPAT / "Cargo.toml"], env={"CARGO_TARGET_DIR": str(target)})
    return [str(target / "release" / "rdkafka-client")]


@cache
def go():
    need("go")
    program = TARGET / "go-client"
    with alone():
        run(["go", "build", "-o", program, "."], cwd=CLIENTS / "go")
    return [str(program)]


@cache
def java():
    class_path = java_classes("java-client", CLIENTS / "java")
    return java_command("-Xmx256m", "-cp", class_path, "Main")


@cache
def java_consumer():
    shared = [CLIENTS / "java" / f"{name}.java" for name in ("Check", "Kafka")]
    class_path = java_classes("java-consumer-client", CLIENTS / "java-consumer", shared=shared)
    return java_command("-Xmx256m", "-cp", class_path, "ConsumerProtocol")


@cache
def java_transactions(version=None):
    """With the clients of Apache Kafka 4.3.1, or of 3.5, from before KIP-890."""
    shared = [CLIENTS / "java" / "Check.java"]
    name, jars = ("java-transactions-client", KAFKA_HOME / "libs")
    if version == "3.5":
        name, jars = f"{name}-3.5", maven_jars("kafka-3.5", COMPAT / "streams" / "kafka-3.5.pom.xml")
    return java_command("-Xmx128m", "-cp", java_classes(name, CLIENTS / "java-transactions", jars, shared), "Transactions")


@cache
def python(program):
    """The command for one program of clients/python, in a virtual environment of the pinned requirements."""
    venv = TARGET / "venv"
    requirements = CLIENTS / "python" / "requirements.txt"

    def install():
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", venv])
        run([venv / "bin" / "pip", "install", "--quiet", "--only-binary", ":all:", "-r", requirements])

    once("venv", [requirements], install)
    return [str(venv / "bin" / "python"), str(CLIENTS / "python" / program)]


@cache
def karapace():
    """Karapace lives in its own repository alone: $KARAPACE_SRC is a copy of its release, or pip fetches it from there."""
    venv, here = TARGET / "karapace", CLIENTS / "karapace"
    source = os.environ.get("KARAPACE_SRC", f"https://github.com/Aiven-Open/karapace/archive/refs/tags/{KARAPACE}.tar.gz")

    def install():
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", venv])
        run([venv / "bin" / "pip", "install", "--quiet", "-r", here / "requirements.txt"])
        run([venv / "bin" / "pip", "install", "--quiet", "--no-deps", source], env={"KARAPACE_VERSION": KARAPACE})

    once("karapace", [here / "requirements.txt"], install)
    return [str(venv / "bin" / "python"), "-m", "karapace.karapace_all"]


@cache
def kafkajs():
    need("node", "npm")
    home = TARGET / "kafkajs"
    manifests = [CLIENTS / "kafkajs" / name for name in ("package.json", "package-lock.json")]

    def install():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for manifest in manifests:
            shutil.copy(manifest, home)
        run(["npm", "ci", "--no-audit", "--no-fund"], cwd=home)

    once("kafkajs", manifests, install)
    os.environ["NODE_PATH"] = str(home / "node_modules")
    os.environ["KAFKAJS_NO_PARTITIONER_WARNING"] = "1"
    return ["node", str(CLIENTS / "kafkajs" / "client.js")]


@cache
def kcat():
    """kcat comes from the system's packages: there is no registry to pin it in."""
    with alone():
        if shutil.which("kcat") is None and os.geteuid() == 0 and shutil.which("apt-get"):
            run(["apt-get", "update", "-qq"])
            run(["apt-get", "install", "-y", "-qq", "kcat"], env={"DEBIAN_FRONTEND": "noninteractive"})
    need("kcat")
    return ["kcat"]
