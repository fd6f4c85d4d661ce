"""A process that runs beside a check."""

import subprocess

# Times are written down for a quiet machine; a wait has failed only after so many times as long, because the machine may be a busy one.
PATIENCE = 3


class Beside:
    """Whoever has started it keeps it as `process`."""

    process = None

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s=20):
        """SIGTERM, as a user's Ctrl-C would end it; SIGKILL when that is not obeyed. One that has ended already is left as it is."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE * timeout_s)
            except subprocess.TimeoutExpired:
                self.kill9()
