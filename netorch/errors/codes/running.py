"""Codes of live topologies: their names, records, locks and saved plans."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
RUNNING = Area(
    "Live topologies and commands",
    (
        Code(
            "usage",
            "The command line is wrong",
            "An option or argument is unknown, is missing, or does not go with another one.",
            "`netorch COMMAND --help` shows what the command takes.",
        ),
        Code(
            "interrupted",
            "The command was interrupted",
            "Ctrl-C or a signal ended the command. An apply that had begun was rolled back.",
            "Run it again.",
        ),
        Code(
            "not-live",
            "The topology is not live",
            "Nothing of this topology is on this machine.",
            "Run `netorch apply FILE`. `netorch list` shows what is live.",
        ),
        Code(
            "not-confirmed",
            "The answer was no",
            "`destroy --all` asks on a terminal before it removes every topology of the machine.",
            "Answer `y`, or write `netorch destroy --all --yes`.",
        ),
        Code(
            "nothing-live",
            "No topology is live",
            "The command was given no file, there is no `topo.yaml` here, and no topology is live.",
            "Name a file.",
        ),
        Code(
            "several-live",
            "Several topologies are live",
            "The command was given no name, and more than one topology could be meant.",
            "Name one of those in the error.",
        ),
        Code(
            "already-live",
            "The topology is live already",
            "A program asked for a topology of its own, and one of this name exists. It is not "
            "the program's to take away.",
            "Give it another `name`, use `private=True`, or run `netorch destroy NAME`.",
        ),
        Code(
            "wrong-topology",
            "The file is of another topology",
            "A running topology can only change to another version of itself, with the same name.",
            "Correct the `name` of the file.",
        ),
        Code(
            "locked",
            "Another netorch is at work",
            "One netorch at a time changes a topology. The error says which process holds the "
            "lock.",
            "Try again when it is done, or wait longer with `--lock-timeout`.",
        ),
        Code(
            "awaits-confirmation",
            "The topology waits to be confirmed",
            "`apply --confirm-within` waits for `netorch confirm`. Until then nothing else may "
            "change the topology.",
            "Run `netorch confirm NAME` to keep what was applied, or wait for the rollback.",
        ),
        Code(
            "nothing-to-confirm",
            "Nothing waits to be confirmed",
            "No `apply --confirm-within` waits, or its time is over and it was rolled back.",
            "`netorch diff` shows what is there now.",
        ),
        Code(
            "watcher-failed",
            "`--confirm-within` cannot begin",
            "The process that would roll back could not be started.",
            "Do what the error says, and apply again.",
        ),
        Code(
            "no-record",
            "It is not on record what was applied",
            "The topology is live by its marks, but its record in `/run/netorch` is missing.",
            "Name the file.",
        ),
        Code(
            "record-damaged",
            "A record is damaged",
            "The record of a topology in `/run/netorch` cannot be used.",
            "Move it away and apply the file again: `mv /run/netorch/NAME /run/netorch-damaged`. "
            "netorch knows its objects by their marks.",
        ),
        Code(
            "records-unreadable",
            "`/run/netorch` cannot be used",
            "The folder of the records is not a folder, or cannot be read or written.",
            "Do what the error says. `netorch doctor` shows more.",
        ),
        Code(
            "bad-plan",
            "Not a saved plan",
            "The file was not written by `netorch diff --out`, or by another version of netorch.",
            "Make it again: `netorch diff FILE --out PLAN`.",
        ),
        Code(
            "plan-outdated",
            "A saved plan is outdated",
            "The kernel has changed since the plan was saved, so that it would not do any more "
            "what was read.",
            "Make it again: `netorch diff FILE --out PLAN`.",
        ),
    ),
)
