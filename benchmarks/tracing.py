"""What traces or profiles Python code while rounds run: switched off where it can be switched on again, else named."""

from __future__ import annotations

import bdb
import sys
from _lsprof import Profiler  # what cProfile.Profile is, also where cProfile is the main module
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import torch

from core.errors import InputError

#: How the modules of debuggers begin that are no `bdb.Bdb`: debugpy's, which VS Code and PyCharm attach.
DEBUGGERS = ("pydevd", "_pydevd")
#: The module `profile` of Python, which may run as the main module.
PROFILE_FILE = Path(bdb.__file__).with_name("profile.py")
#: `sys.monitoring.use_tool_id` takes numbers from 0 to 5; source: the documentation of Python 3.12.
MONITORING_TOOLS = range(6)


@contextmanager
def tracing_off() -> Iterator[None]:
    """Switch off what `sys.settrace` and `sys.setprofile` have set in this thread, and put it back whatever happens.

    A debugger is left alone: `tracers_left_on` names it. Raises `InputError` where a profiler could not be put back.
    """
    tracer, profiler = sys.gettrace(), sys.getprofile()
    with ExitStack() as put_back:
        if profiler is not None:
            put_back.callback(switch_off_profiler(profiler))
        if tracer is not None and not is_debugger(tracer):
            sys.settrace(None)
            put_back.callback(sys.settrace, tracer)
        yield


def switch_off_profiler(profiler: object) -> Callable[[], object]:
    """Switch off this thread's profiler and return the function that puts it back. Raises `InputError`.

    cProfile is no function that `sys.setprofile` could set again; others that are none, such as pyinstrument's, can be
    set by their own code in C alone; the module `profile` fails where a call ends that it has not seen begin.
    """
    if isinstance(profiler, Profiler):
        profiler.disable()
        return profiler.enable
    code = getattr(profiler, "__code__", None)
    if not callable(profiler) or (code is not None and Path(code.co_filename) == PROFILE_FILE):
        raise InputError(
            f"The profiler {name_of(profiler)} watches this session and cannot be switched off while rounds are timed. "
            "Run without it; `python -m cProfile -m pytest benchmarks` shows where a session's time goes."
        )
    sys.setprofile(None)
    return partial(sys.setprofile, profiler)


def tracers_left_on() -> tuple[str, ...]:
    """Return the names of debuggers, tools of `sys.monitoring` (Python 3.12) and PyTorch's profiler that are on."""
    tracer, names = sys.gettrace(), []
    if tracer is not None and is_debugger(tracer):
        names.append(f"the debugger {name_of(tracer)}")
    if hasattr(sys, "monitoring"):
        tools = map(sys.monitoring.get_tool, MONITORING_TOOLS)
        names += [f"{tool} (in sys.monitoring)" for tool in tools if tool is not None]
    if torch.autograd.profiler._is_profiler_enabled:
        names.append("PyTorch's profiler")
    return tuple(names)


def is_debugger(tracer: object) -> bool:
    """Tell whether a trace function is a debugger's."""
    return isinstance(owner_of(tracer), bdb.Bdb) or name_of(tracer).startswith(DEBUGGERS)


def name_of(tool: object) -> str:
    """Return the full name of a function, or of the class of what it is a method of or of an object."""
    owner = owner_of(tool)
    named = owner if hasattr(owner, "__qualname__") else type(owner)
    return f"{named.__module__}.{named.__qualname__}"


def owner_of(tool: object) -> object:
    """Return the object that a method belongs to, or anything else as it is."""
    return getattr(tool, "__self__", tool)
