"""A separate program that `spawn` runs: it enters namespaces and starts a command there.

Arguments: the file descriptor for errors, the namespaces to enter in this order as `KIND:FD,…`, the
working directory, the command. Signals that this process gets are sent on to the command, and it
ends in the same way as the command. It imports nothing else of netorch, because that would take
longer.
"""

from __future__ import annotations

# _signal, because the enums of signal take as long to load as everything else here
import _signal as signal  # type: ignore[import-not-found]
import ctypes
import os
import sys

KILL = signal.SIGRTMAX
"""The signal that tells this process to send SIGKILL to the command."""

_PR_SET_PDEATHSIG = 1
_SI_KERNEL = 128


def main(errors: int, namespaces: str, cwd: str, argv: list[str]) -> None:
    """Enter the namespaces, start the command and wait for its end."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        os.set_inheritable(errors, False)
        fds = []
        for word in namespaces.split(","):
            kind, _, fd = word.partition(":")
            fds.append(int(fd))
            if libc.setns(fds[-1], int(kind)) != 0:
                raise OSError(ctypes.get_errno(), "", "")
        for opened in fds:
            os.close(opened)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        child = os.fork()
        if child == 0:
            _become(libc, errors, before, cwd, argv)
    except OSError as error:
        os.write(errors, f"{error.errno} {error.filename or ''}".encode())
        os._exit(126)
    os.close(errors)
    _forward_signals(child)


def _become(libc: ctypes.CDLL, errors: int, mask: set[int], cwd: str, argv: list[str]) -> None:
    try:
        # A SIGKILL to the parent cannot be forwarded, but has to end the command too.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir(cwd)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(ignored, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # /proc/self/environ, because Python adds LC_CTYPE to os.environ
        with open("/proc/self/environ", "rb") as file:
            lines = [line.partition(b"=") for line in file.read().split(b"\0") if line]
        os.execvpe(argv[0], argv, {name: value for name, _, value in lines})
    except OSError as error:
        name = (
            error.filename if isinstance(error.filename, str) and error.filename == cwd else argv[0]
        )
        os.write(errors, f"{error.errno} {name}".encode())
    finally:
        os._exit(127)


def _forward_signals(child: int) -> None:
    """Forward signals to the command until it ends, then end in the same way."""
    while True:
        received = signal.sigwaitinfo(signal.valid_signals())
        if received.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                break
        elif received.si_code != _SI_KERNEL:
            # signals of the terminal (SI_KERNEL) reach the command anyway
            try:
                os.kill(child, signal.SIGKILL if received.si_signo == KILL else received.si_signo)
            except ProcessLookupError:
                continue
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        _leave_no_core()
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _leave_no_core() -> None:
    from resource import RLIMIT_CORE, setrlimit

    setrlimit(RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
