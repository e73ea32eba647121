"""Other systems, as far as Linux can be made to look like them: by taking away what it alone has.

Only the standard library is imported here, for this is loaded before anything else is.
"""

import builtins
import ctypes
import errno
import importlib
import importlib.abc
import importlib.machinery
import io
import multiprocessing
import multiprocessing.context
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

MODULES = ("fcntl", "resource", "grp", "pwd", "termios", "spwd", "crypt", "syslog")
OF_OS = """
    fork forkpty sysconf confstr getloadavg mkfifo mknod getuid geteuid getgid getegid setsid killpg
    getpgid getpgrp nice chown lchown fchmod fchown statvfs pipe2 sendfile splice copy_file_range
    wait3 O_DIRECT O_TMPFILE O_DIRECTORY O_NOFOLLOW O_SYNC
"""
# Lightning needs SIGKILL where sys.platform says Linux, NumPy os.uname.
OF_SIGNAL = {"SIGHUP", "SIGQUIT", "SIGALRM", "setitimer", "pthread_sigmask", "pause"}

NOT_IN_NAMES = set('<>:"\\|?*') | set(map(chr, range(32)))
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}


def run(*args, cwd, folder, **environment):
    """Runs Python in a process from which, and from all that it starts, those things are taken.

    Args:
        args: `main.py` and what follows, say.
        cwd: The working directory.
        folder: A folder for what the process needs to be so.
        environment: Variables of the environment; by default consoles and files are ASCII.
    """
    start = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport tests.elsewhere as e\n"
    (folder / "sitecustomize.py").write_text(f"{start}e.take_away()\n", encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    kept = {k: v for k, v in os.environ.items() if k not in ("PL_GLOBAL_SEED", "HOME")}
    kept["CUDA_VISIBLE_DEVICES"] = ""
    return subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        env=kept | ascii_only | {"PYTHONUTF8": "0", "PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        encoding="latin-1",
        timeout=300,
    )


def take_away():
    """Takes from this process, and leaves what Linux, macOS and Windows have in common."""
    importlib.import_module("asyncio")  # of Linux, which from Python 3.13 on asks os.sysconf
    for module in MODULES:
        sys.modules[module] = None  # whose import fails from now on
    for name in dir(os):
        if name in OF_OS.split() or name.startswith(("sched_", "eventfd", "memfd", "pidfd")):
            delattr(os, name)
    for name in OF_SIGNAL & set(dir(signal)):
        delattr(signal, name)
    take_away_forks()
    take_away_libc()
    take_away_proc()
    os.symlink = os.link = not_permitted
    os.replace = Replace(os.replace)
    os.mkdir = named(os.mkdir)
    builtins.open = io.open = named_to_write(io.open)
    sys.meta_path.insert(0, AppleGPU())
    platform.processor = lambda: "arm"


def take_away_forks():
    for method in ("fork", "forkserver"):
        multiprocessing.context._concrete_contexts.pop(method, None)
    multiprocessing.set_start_method("spawn", force=True)
    multiprocessing.get_all_start_methods = lambda: ["spawn"]


def take_away_libc():
    class Library(ctypes.CDLL):
        def __init__(self, name, *args, **kwargs):
            if name is None or os.path.basename(str(name)).startswith("libc."):
                raise OSError(f"{name}: cannot open shared object file")
            super().__init__(name, *args, **kwargs)

    ctypes.CDLL = Library


def take_away_proc():
    def without_proc(function):
        def checked(path=".", *args, **kwargs):
            if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path)[:5] == "/proc":
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path))
            return function(path, *args, **kwargs)

        return checked

    builtins.open = io.open = without_proc(io.open)
    for name in ("open", "stat", "listdir", "scandir", "readlink"):
        setattr(os, name, without_proc(getattr(os, name)))


def not_permitted(*_, **__):
    raise OSError(errno.EPERM, "A required privilege is not held by the client")


class Replace:
    """Windows cannot replace a file that is being read: here each is, the first time."""

    def __init__(self, replace):
        self.replace = replace
        self.read = set()

    def __call__(self, source, target, **kwargs):
        if os.path.exists(target) and os.fsdecode(target) not in self.read:
            self.read.add(os.fsdecode(target))
            raise PermissionError(errno.EACCES, "Access is denied", os.fsdecode(target))
        return self.replace(source, target, **kwargs)


def check_name(path):
    """Windows does not have all names."""
    name = os.path.basename(os.fsdecode(path))
    device = name.split(".")[0].lower() in DEVICES
    if device or NOT_IN_NAMES & set(name) or name.endswith((".", " ")):
        raise OSError(errno.EINVAL, "The filename is incorrect", os.fsdecode(path))


def named(mkdir):
    def checked(path, *args, **kwargs):
        check_name(path)
        return mkdir(path, *args, **kwargs)

    return checked


def named_to_write(opened):
    def checked(file, mode="r", *args, **kwargs):
        if isinstance(file, str | bytes | os.PathLike) and set(mode) & set("wax+"):
            check_name(file)
        return opened(file, mode, *args, **kwargs)

    return checked


class AppleGPU(importlib.abc.MetaPathFinder):
    """Makes torch say that there is one; what is sent to it fails."""

    def find_spec(self, name, path=None, target=None):
        if name != "torch.backends.mps":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.is_available = module.is_built = lambda: True

        spec.loader.exec_module = exec_module
        return spec
