"""Become an unprivileged account, ask the kernel for a signal when our parent dies, then become the server.

Run as a script between our process and an embedded server: a fresh interpreter may change its own identity safely,
whatever threads the parent has. The order matters: the kernel forgets the death signal on a change of uid.

Arguments: ``uid gid signal parent program arguments…``; a uid of -1 keeps the account, a signal of 0 asks for none.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Replace this process by the program named in the arguments."""
    uid, gid, death_signal, parent = (int(argument) for argument in sys.argv[1:5])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if death_signal and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            sys.exit(1)
    os.umask(0o077)
    os.execvp(sys.argv[5], sys.argv[5:])  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main()
