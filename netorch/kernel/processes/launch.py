"""A program of its own, run by `spawn`: goes into namespaces, starts a command there, and stands for it outside.

Arguments: file descriptor to tell errors to, `KIND:FD,…` to enter in this order, working directory, command. Signals that somebody
sends to this process go to the command, and it ends as the command does. It loads nothing of netorch, which would take longer.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # of signal itself the enums alone take as long as all the rest
import ctypes
import os
import sys

KILL = signal.SIGRTMAX
"""What is sent here for a SIGKILL of the command."""

_PR_SET_PDEATHSIG = 1
_SI_KERNEL = 128


def main(errors: int, way: str, cwd: str, argv: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        os.set_inheritable(errors, False)
        fds = []
        for word in way.split(","):
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
    _stand_for(child)


def _become(libc: ctypes.CDLL, errors: int, mask: set[int], cwd: str, argv: list[str]) -> None:
    try:
        # whoever kills this one's parent means this one
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir(cwd)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(ignored, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # as it was given: Python adds LC_CTYPE to its own
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


def _stand_for(child: int) -> None:
    while True:
        told = signal.sigwaitinfo(signal.valid_signals())
        if told.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                break
        elif told.si_code != _SI_KERNEL:
            # a terminal sends its signals to the command too
            try:
                os.kill(child, signal.SIGKILL if told.si_signo == KILL else told.si_signo)
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
