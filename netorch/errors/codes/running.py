"""Codes for commands and live topologies: their names, records, locks and saved plans."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
RUNNING = Area(
    "Live topologies and commands",
    (
        Code(
            "usage",
            "The command line is wrong",
            "An option or argument is unknown, is missing, or cannot be combined with another one.",
            "`netorch COMMAND --help` shows the options and arguments of the command.",
        ),
        Code(
            "interrupted",
            "The command was interrupted",
            "Ctrl-C or a signal ended the command. If an apply had begun, netorch rolled it back.",
            "Run it again.",
        ),
        Code(
            "not-live",
            "The topology is not live",
            "No object of this topology exists on this machine.",
            "Run `netorch apply FILE`. `netorch list` shows the live topologies.",
        ),
        Code(
            "not-confirmed",
            "You did not confirm `destroy --all`",
            "`destroy --all` asks on a terminal before it removes every topology of the machine.",
            "Answer `y`, or write `netorch destroy --all --yes`.",
        ),
        Code(
            "nothing-live",
            "No topology is live",
            "You did not name a file, the current folder has no `topo.yaml`, and no topology is "
            "live.",
            "Name a file.",
        ),
        Code(
            "several-live",
            "Several topologies are possible",
            "You did not name a topology, and the command could apply to more than one.",
            "Name one of the topologies that the error lists.",
        ),
        Code(
            "already-live",
            "The topology is live already",
            "A program wants to make a temporary topology, and one with this name is live. netorch "
            "does not let the program replace or remove it.",
            "Give it another `name`, use `private=True`, or run `netorch destroy NAME`.",
        ),
        Code(
            "wrong-topology",
            "The file describes another topology",
            "A live topology can be changed only by a file with the same topology name.",
            "Correct the `name` of the file.",
        ),
        Code(
            "locked",
            "Another netorch is changing the topology",
            "Only one netorch at a time can change a topology. The error names the process that "
            "holds the lock.",
            "Try again when that process has ended, or wait longer with `--lock-timeout`.",
        ),
        Code(
            "awaits-confirmation",
            "An apply waits for confirmation",
            "`apply --confirm-within` waits for `netorch confirm`. Until then, no other command "
            "can change the topology.",
            "Run `netorch confirm NAME` to keep the changes, or `netorch confirm --undo NAME` to "
            "roll them back.",
        ),
        Code(
            "nothing-to-confirm",
            "No apply waits for confirmation",
            "No `apply --confirm-within` is waiting, or its time is over and netorch rolled it "
            "back.",
            "`netorch diff` compares the file with the current state.",
        ),
        Code(
            "watcher-failed",
            "`--confirm-within` is not possible",
            "netorch could not start the process that would roll the changes back.",
            "Follow the advice in the error, and apply again.",
        ),
        Code(
            "cannot-listen",
            "The metrics cannot be served at this address",
            "`netorch watch --metrics` cannot listen at the address: it does not belong to this "
            "machine, or the system does not allow it.",
            "Write another address, or only a port: `--metrics 9753`.",
        ),
        Code(
            "no-record",
            "The record of a topology is missing",
            "Objects with the topology's marks exist, but `/run/netorch` has no record of the file "
            "that was applied.",
            "Name the file in the command.",
        ),
        Code(
            "record-damaged",
            "A record is damaged",
            "The record of a topology in `/run/netorch` is not readable or not valid.",
            "Move it away and apply the file again: `mv /run/netorch/NAME /run/netorch-damaged`. "
            "netorch recognises the objects that it made by their marks.",
        ),
        Code(
            "records-unreadable",
            "`/run/netorch` cannot be used",
            "The path of the records is not a folder, or netorch cannot read or write it.",
            "Follow the advice in the error. `netorch doctor` shows more details.",
        ),
        Code(
            "bad-plan",
            "The file is not a saved plan",
            "`netorch diff --out` did not write the file, or a version of netorch with another "
            "format did.",
            "Make it again: `netorch diff FILE --out PLAN`.",
        ),
        Code(
            "plan-outdated",
            "A saved plan is outdated",
            "The state of the kernel has changed since you saved the plan, so its steps would "
            "differ from those that you reviewed.",
            "Make it again: `netorch diff FILE --out PLAN`.",
        ),
        Code(
            "link-gone",
            "The interface does not exist in the kernel",
            "The topology has this interface, but somebody has deleted it.",
            "Run `netorch apply`, which makes it again.",
        ),
        Code(
            "not-own-link",
            "The interface is not one that netorch made",
            "`netorch link` and `netorch impair` change only interfaces that netorch made. A link "
            "of this name exists, but it is not that of the topology.",
            "Use `ip link` or `tc` for it.",
        ),
        Code(
            "link-down-in-file",
            "The file says that the link is down",
            "`netorch link NODE:IF up` ends what was done on purpose. The interface has "
            "`state: down` in the file.",
            "Delete `state: down`, and run `netorch apply`.",
        ),
        Code(
            "parent-down",
            "The parent of the link is down",
            "Linux does not bring up a VLAN whose parent is down.",
            "Set the parent up first.",
        ),
        Code(
            "flaps-already",
            "The link flaps already",
            "Another process changes the state of this link every few seconds.",
            "End that process first: the error has its number.",
        ),
        Code(
            "flap-ended",
            "Another command has ended the flap",
            "While `netorch link NODE:IF flap` was running, somebody ran `apply --reset` or "
            "`netorch link` for the same interface.",
            "Start the flap again if you still need it.",
        ),
        Code(
            "uplink-in-use",
            "The bridge carries the network of this machine",
            "The bridge has an `uplink`, so the addresses and routes of this machine are on it. "
            "Linux would delete the routes, and netorch does not know all of them.",
            "Set down the interface of a node instead.",
        ),
        Code(
            "no-systemd",
            "systemd does not run",
            "`netorch enable` and `netorch disable` work with systemd. It does not run here, as in "
            "most containers, or the machine has another init system.",
            "Let that init system run `netorch apply FILE` after the network.",
        ),
        Code(
            "systemctl-failed",
            "systemctl failed",
            "netorch asks systemd through `systemctl`, which reported an error.",
            "Run the command in the message, and `systemctl status` of the service.",
        ),
        Code(
            "file-in-the-way",
            "A file in /etc is in the way",
            "A file that `netorch enable` would write exists, and somebody else has made or edited "
            "it.",
            "Keep it or remove it, as the message says.",
        ),
        Code(
            "relative-path",
            "A path counts from the folder of the file",
            "`netorch enable` copies the file to /etc/netorch. A relative path in it would then "
            "lead elsewhere.",
            "Write the absolute path of the key file.",
        ),
        Code(
            "no-log",
            "The machine has no log",
            "`netorch history` reads the journal of systemd, or the files of syslog. This machine "
            "has neither, so the acts of netorch are not on record.",
            "Start the journal or syslog. Acts from then on are in it.",
        ),
        Code(
            "log-unreadable",
            "The log cannot be read",
            "The journal or the files of syslog exist, but reading them failed.",
            "Follow the reason in the message. `journalctl --verify` examines the journal.",
        ),
        Code(
            "plan-elsewhere",
            "A saved plan is for another machine",
            "The file has `hosts`, and the plan has the changes of another of these machines.",
            "Apply the plan there, or make one on this machine: `netorch diff FILE --out PLAN`.",
        ),
    ),
)
