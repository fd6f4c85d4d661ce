"""Work in several processes side by side, each of which takes the next piece when it is done with one."""

import multiprocessing
from multiprocessing import connection

FORKED = multiprocessing.get_context("fork")


def side_by_side(work, pieces, workers):
    """Yields what `work(index, some of the pieces)` yields in each of the workers, as it comes. A worker that dies just says no more."""
    taken = FORKED.Value("i", 0)
    readers, processes = [], []
    for index in range(workers):
        reader, writer = FORKED.Pipe(duplex=False)
        process = FORKED.Process(target=_tell, args=(writer, work, index, _next_of(pieces, taken)))
        process.start()
        writer.close()
        readers.append(reader)
        processes.append(process)
    try:
        while readers:
            for reader in connection.wait(readers):
                try:
                    yield reader.recv()
                except EOFError:
                    readers.remove(reader)
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join()


def _next_of(pieces, taken):
    """Runs in the workers: `taken` is what they share."""
    while True:
        with taken.get_lock():
            index = taken.value
            taken.value += 1
        if index >= len(pieces):
            return
        yield pieces[index]


def _tell(writer, work, index, pieces):
    for said in work(index, pieces):
        writer.send(said)
    writer.close()
