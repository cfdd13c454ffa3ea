"""`impair`: delay, drop or slow down on purpose what an interface of a live topology sends."""

from __future__ import annotations

import argparse

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import LockOptions, add_end_options, add_lock_option, add_output_option
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.language.impairment import Impairment


class ImpairOptions(LockOptions):
    end: str
    """The interface, as NODE:IF."""
    values: list[str]
    """The keys of the impairment with their values, each `KEY=VALUE`."""
    clear: bool
    name: str | None
    """The topology of the node."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_lock_option(parser)
    add_end_options(parser)
    parser.add_argument(
        "values",
        nargs="*",
        metavar="KEY=VALUE",
        help="as `impair` in the file: delay=10ms jitter=2ms loss=1%% rate=10mbit … These replace "
        "the impairment in the file; delay=0ms turns it off",
    )
    parser.add_argument(
        "--clear", action="store_true", help="end it, so that the interface is as in the file"
    )
    # because values may stand after options: `r1:eth0 --name lab delay=10ms`
    parser.spreads = "values"  # type: ignore[attr-defined]


def run(options: ImpairOptions, output: Output) -> int:
    from netorch.cli.commands.link import report
    from netorch.converge import deviate
    from netorch.converge.named_interface import choose
    from netorch.kernel.linux import LinuxKernel, require_root
    from netorch.kernel.system.user import user_name

    if bool(options.values) == options.clear:
        return output.usage(
            "write what to impair, or --clear: netorch impair r1:eth0 delay=10ms loss=1%"
        )
    impairment = None if options.clear else _impairment(options.values)
    require_root()
    choice = choose(options.end, options.name)
    edit = deviate.set_impairment(choice.target, user_name(), impairment)
    words = "is as in the file" if impairment is None else _words(impairment)
    with LinuxKernel() as kernel:
        outcome = deviate.deviate(
            kernel,
            choice,
            edit,
            impairs=True,
            lock_timeout=options.lock_timeout,
            log=f"{choice.target.title} {words}",
        )
    report(outcome, words, output)
    return DONE


def _impairment(values: list[str]) -> Impairment:
    from netorch.errors import NetorchError, Problem
    from netorch.language.impair_model import parse_words

    words: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key or not text:
            remedy = "Write for example delay=10ms, and the interface as NODE:IF."
            what = f"{value!r} is not KEY=VALUE."
            raise NetorchError(Problem("bad-impairment", what, None, remedy, value))
        if key in words:
            what = f"{key!r} is given twice: {words[key]} and {text}."
            raise NetorchError(Problem("bad-impairment", what, object=value))
        words[key] = text
    return parse_words(words)


def _words(impairment: Impairment) -> str:
    values = impairment.normal().file_values()
    if not values:
        return "is not impaired"
    return f"has {', '.join(f'{key} {value}' for key, value in values.items())}"


COMMAND = Command(
    name="impair",
    summary="delay, drop or slow down on purpose what an interface of a live topology sends",
    group=CHANGE,
    examples=(
        ("impair r1:eth0 delay=10ms loss=1%", "make the line slow and lossy, in one direction"),
        ("impair r1:eth0 --clear", "let it be as in the file again"),
    ),
    page="docs/cli.md#impair",
    verbose="print what changes in the kernel",
    options=ImpairOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.converge.deviate",),
)
