"""Kafka Connect in standalone mode: one process with its offsets in a file; the next one goes on where it was."""

from _lines import line, of_source
from _workers import WORKER, Worker
from harness import check, eventually, expect_eq


@check("connect: standalone, and once more from its offsets file")
def standalone(ctx):
    name, source, out = ctx.topic("standalone"), ctx.work_dir / "in", ctx.work_dir / "out"
    connectors = {
        "source": {"name": f"{name}-source", "connector.class": "FileStreamSource", "file": source, "topic": name},
        "sink": {"name": f"{name}-sink", "connector.class": "FileStreamSink", "file": out, "topics": name},
    }
    paths = [ctx.work_dir / f"{kind}.properties" for kind in connectors]
    for path, config in zip(paths, connectors.values()):
        path.write_text("".join(f"{key}={value}\n" for key, value in config.items()))
    settings = {"bootstrap.servers": ctx.broker.bootstrap, "offset.storage.file.filename": ctx.work_dir / "offsets", **WORKER}
    for start in (0, 2000):
        with source.open("a") as file:
            file.writelines(f"{line(name, n)}\n" for n in range(start, start + 2000))
        worker = Worker(ctx, f"worker-{start}", "connect-standalone", paths, settings)
        eventually(lambda: out.exists() and len(of_source(name, out.read_text().splitlines())) >= start + 2000, f"lines in the sink's file; the worker's log: {worker.process.err_path}", timeout_s=60)
        expect_eq(worker.process.stop().rc, 143, "exit code after SIGTERM")
    expect_eq(of_source(name, out.read_text().splitlines()), list(range(4000)), "lines in the sink's file")
    expect_eq(of_source(name, ctx.consume(name, 4000)), list(range(4000)), "lines in the topic")
