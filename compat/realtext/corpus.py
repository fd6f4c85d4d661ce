"""The real text: at least 200 MB of source code that every machine with the suite has, in five shares of whole lines.

It comes from the source jars of Apache Kafka and what Kafka depends on (by Maven, with the same pom as the jars), from Go's
and from Python's standard library. The list is sorted and files of the same content are taken once, so one machine always makes
the same text. Each share is written once to compat/target/realtext/, beside its sha256.
"""

import hashlib
import io
import json
import subprocess
import sysconfig
import zipfile
from pathlib import Path

from build import alone
from jvm import LIB, TARGET

SHARES = 5
SHARE_BYTES = 40_500_000
# Smaller than the smallest default limit of a record on the way (1 MB).
LINE_BYTES_MAX = 500_000
SUFFIXES = (".java", ".scala", ".go", ".py", ".s", ".c", ".h", ".md", ".txt", ".json", ".xml", ".properties", ".html", ".js", ".css")
CORPUS = TARGET / "realtext"


def shares():
    """The shares as {"path", "bytes", "sha256", "lines", ...}, made when they are not there yet.

    "filled_sha256" and "filled_lines" are of the share without its empty lines, which kcat does not send.
    """
    with alone():
        return _shares()


def _shares():
    index = CORPUS / "index.json"
    if index.exists():
        return [{**share, "path": Path(share["path"])} for share in json.loads(index.read_text())]
    CORPUS.mkdir(parents=True, exist_ok=True)
    texts, made = Texts(), []
    for number in range(SHARES):
        path = CORPUS / f"share-{number}.txt"
        made.append(write_share(path, texts))
    index.write_text(json.dumps(made, default=str, indent=1))
    return made


def write_share(path, texts):
    digest, filled_digest = hashlib.sha256(), hashlib.sha256()
    size = lines = filled_lines = 0
    with open(path, "wb") as out:
        while size < SHARE_BYTES:
            text = texts.next()
            if text is None:
                raise AssertionError(f"only {size} of {SHARE_BYTES} bytes are left for {path.name}: the machine has too few of the sources named in corpus.py")
            out.write(text)
            digest.update(text)
            size += len(text)
            lines += text.count(b"\n")
            filled = b"".join(line for line in io.BytesIO(text) if line != b"\n")
            filled_digest.update(filled)
            filled_lines += filled.count(b"\n")
    return {"path": path, "bytes": size, "sha256": digest.hexdigest(), "lines": lines,
            "filled_sha256": filled_digest.hexdigest(), "filled_lines": filled_lines}


class Texts:
    """Every usable file, once, as lines that end in a newline."""

    def __init__(self):
        self.files = all_files()
        self.seen = set()

    def next(self):
        for raw in self.files:
            text = as_lines(raw)
            digest = hashlib.sha256(text).digest() if text else None
            if text and digest not in self.seen:
                self.seen.add(digest)
                return text
        return None


def as_lines(raw):
    """The text, or None if it is none: a console producer reads characters and ends a line at any of CR, LF and CR LF."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text = raw.replace(b"\r\n", b"\n").replace(b"\r", b"")
    if b"\0" in text or any(len(line) > LINE_BYTES_MAX for line in text.split(b"\n")):
        return None
    return text if text.endswith(b"\n") else text + b"\n"


def all_files():
    # The libraries in turn rather than one after the other: each share then holds some of each.
    sources = [jar_files(), folder_files(go_root() / "src"), folder_files(Path(sysconfig.get_path("stdlib")))]
    while sources:
        for source in list(sources):
            for _ in range(100):
                raw = next(source, None)
                if raw is None:
                    sources.remove(source)
                    break
                yield raw


def jar_files():
    for jar in sorted(source_jars().glob("*.jar")):
        with zipfile.ZipFile(jar) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(SUFFIXES):
                    yield archive.read(name)


def source_jars():
    folder = TARGET / "source-jars"
    if not folder.exists():
        part = TARGET / "source-jars.part"
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(LIB / "kafka-home.pom.xml"), "dependency:copy-dependencies", "-Dclassifier=sources",
             "-Dmdep.failOnMissingClassifierArtifact=false", "-DincludeScope=runtime", f"-DoutputDirectory={part}"], check=True)
        part.rename(folder)
    return folder


def folder_files(folder):
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(SUFFIXES) and "site-packages" not in path.parts and path.is_file() and not path.is_symlink():
            yield path.read_bytes()


def go_root():
    return Path(subprocess.run(["go", "env", "GOROOT"], check=True, capture_output=True, text=True).stdout.strip())
