"""Commands of other tools, each with what it is here. Only an error reads this table."""

from __future__ import annotations

_APPLY = "`netorch apply FILE` makes the network that the file declares, and changes what differs."
_DIFF = "`netorch diff FILE` shows what `apply` would change."
_DESTROY = "`netorch destroy NAME` removes everything that the topology made."
_LIST = "`netorch list` lists the live topologies, and `netorch show NAME` what one has."
_SHELL = "`netorch shell NODE` opens a shell in a node, and `netorch exec NODE COMMAND` runs one."
_CHECK = "`netorch check` tries the `checks` of the file with real packets."

WORDS = {
    word: sentence
    for words, sentence in (
        ("up deploy create start run make add sync converge reconcile set new init", _APPLY),
        ("update reload restart redeploy replace patch", _APPLY),
        ("plan preview dry-run dryrun compare drift whatif", _DIFF),
        ("down rm remove delete del stop undeploy clean cleanup purge kill teardown", _DESTROY),
        ("ls ps status state get nodes topologies", _LIST),
        ("inspect describe info dump cat view tree", "`netorch show NAME` prints what is live."),
        ("export save backup", "`netorch show NAME -o yaml` writes what is live as a file."),
        ("attach connect enter console login ssh sh bash exec-it", _SHELL),
        ("test verify ping probe", _CHECK),
        ("lint fmt format parse syntax", "`netorch validate FILE` checks a file."),
        ("trace traceroute path why", "`netorch explain A B` follows a packet between two nodes."),
        ("script render show-commands", "`netorch explain FILE` prints the shell commands."),
        ("draw plot diagram picture topo visualize", "`netorch graph FILE` draws the topology."),
        ("rollback undo revert", "A failed `apply` rolls back by itself; see also `confirm`."),
        ("commit accept", "`netorch confirm NAME` keeps the changes of `apply --confirm-within`."),
        ("convert migrate", "docs/howto/migrate.md compares the languages of other tools."),
        ("version", "`netorch --version` prints the version."),
    )
    for word in words.split()
}
"""Command of another tool → a sentence with the command of netorch."""
