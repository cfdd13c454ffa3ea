"""Codes for the text of a file: its encoding and YAML, its variables, ranges and profiles."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
TEXT = Area(
    "The text of a file",
    (
        Code(
            "file-not-found",
            "There is no such file",
            "The file or folder that you named does not exist, or you named none and there is no "
            "`topo.yaml` in the current folder.",
            "Check the path. If the command also accepts the name of a live topology, `netorch "
            "list` shows the names.",
        ),
        Code(
            "file-unreadable",
            "A file cannot be read",
            "Linux refused to open or read the file. The error contains the reason, such as "
            "`Permission denied` or `Is a directory`.",
            "Check the path and the permissions of the file with `ls -l FILE`.",
        ),
        Code(
            "file-unwritable",
            "A file cannot be written",
            "Linux refused to write the file that `--out` or `--to` names.",
            "Check that the folder exists, that you may write to it and that the disk is not full.",
        ),
        Code(
            "bad-file-name",
            "A file name is not valid",
            "The path contains a character that a file name cannot have, such as a NUL byte.",
            "Correct the path.",
        ),
        Code(
            "bad-source",
            "A program passed something that is not a topology",
            "`netorch.load` and similar functions take a path, a text or a `Topology`. A "
            "`Topology` already has a name and variables, so you cannot pass them again.",
            "Pass a path or a text, or set the variables when you make the `Topology`.",
        ),
        Code(
            "other-format",
            "The file belongs to another tool",
            "The file is one of Docker Compose, containerlab, netplan, Kathara, Mininet or another "
            "tool, or a shell script. netorch reads only its own language.",
            "The error says how to write it here. [From other tools](howto/migrate.md) compares "
            "the languages.",
        ),
        Code(
            "unknown-format",
            "netorch cannot import the file",
            "`netorch import` does not recognise the format of the file, or knows it and cannot "
            "read it.",
            "Name the format with `--from`. [From other tools](howto/migrate.md) lists what "
            "netorch reads.",
        ),
        Code(
            "bad-import",
            "The file of another tool is not valid",
            "`netorch import` recognised the tool of the file, but the file is not one that this "
            "tool would accept.",
            "Correct the file in the line that the error names.",
        ),
        Code(
            "script-failed",
            "A shell script has failed",
            "`netorch import --run` imports what a script makes. The script ended with an error, "
            "so it made only a part of it. It runs in an empty network, as root, without the "
            "interfaces of this machine.",
            "Correct the script, or leave out what needs the network of this machine.",
        ),
        Code(
            "file-exists",
            "The file to write exists already",
            "`netorch import` does not overwrite a file, because you may have changed it.",
            "Name another file, or add `--force`.",
        ),
        Code(
            "newer-language",
            "The file is in a newer version of the language",
            "The `version` of the file is greater than the version of the topology language that "
            "this netorch reads. So netorch reports nothing else about the file.",
            "Upgrade netorch. [Compatibility](compatibility.md) describes the versions.",
        ),
        Code(
            "bad-version",
            "`version` is not a version of the language",
            "`version` is the version of the topology language, a whole number, and not that of "
            "the topology or of another tool, such as the `3.8` of Docker Compose.",
            "Write `version: 1`, or leave it out.",
        ),
        Code(
            "file-too-large",
            "The file is too large",
            "A topology file can have at most 10 MB.",
            "Use ranges such as `h[1-100]`, profiles and defaults instead of repeated text.",
        ),
        Code(
            "too-many-values",
            "The file expands to too many values",
            "After its ranges, aliases and variables are expanded, the file has more than "
            "1,000,000 values or more than 10 MB of text, or one of its texts is too long.",
            "Check the ranges first: a range `[1-10000]` inside another one makes 100 million "
            "values.",
        ),
        Code(
            "too-deep",
            "Values are nested too deeply",
            "Mappings and lists, variables that use other variables, and profiles that use other "
            "profiles can be nested at most 64 levels deep.",
            "Use fewer levels.",
        ),
        Code(
            "too-many-problems",
            "The file has too many errors",
            "netorch stops reading after 1,000 errors.",
            "Correct the first ones: the others are often consequences of them.",
        ),
        Code(
            "bad-encoding",
            "The file is not text in UTF-8",
            "The bytes of the file are not valid in its encoding.",
            "Save the file as UTF-8.",
        ),
        Code(
            "control-character",
            "The text contains a control character",
            "YAML does not allow invisible control characters.",
            "Delete the character. The error shows its line and column.",
        ),
        Code(
            "not-yaml",
            "The file is not YAML",
            "The YAML parser cannot continue at this place. The usual reasons are wrong "
            "indentation, a tab, a missing quote, or an unquoted text that contains `: `.",
            "Look at the line, and at the line before it. Quote a text with special characters.",
        ),
        Code(
            "second-document",
            "The file has a second document",
            "A line `---` begins another YAML document, but a file contains only one topology.",
            "Put each topology into its own file.",
        ),
        Code(
            "duplicate-key",
            "A key appears twice",
            "Two entries of one mapping have the same key, or two ranges expand to the same name. "
            "Plain YAML would silently ignore one of them.",
            "Remove one of them, or change the ranges so that they do not overlap.",
        ),
        Code(
            "bad-key",
            "A key is not text",
            "The key is a mapping or a list, or a program passed a key that is neither a text nor "
            "a number.",
            "Quote the key if it is a text that looks like YAML.",
        ),
        Code(
            "unknown-alias",
            "An alias has no anchor",
            "`*name` refers to the anchor `&name`, and the text before it has no such anchor.",
            "Add the anchor. If `*` belongs to a plain text, quote the text.",
        ),
        Code(
            "circle",
            "Something refers to itself",
            "An alias, a variable or a profile uses itself, directly or through others.",
            "Remove one of the references that the error shows.",
        ),
        Code(
            "bad-merge",
            "The value of `<<` is wrong",
            "The merge key `<<` takes a mapping or a list of mappings.",
            "Give it an alias of a mapping, such as `<<: *base`.",
        ),
        Code(
            "yaml-tag",
            "A YAML tag is not allowed",
            "netorch supports only the tags of its own types, such as `!!str` and `!!int`, and the "
            "value has to fit the tag.",
            "Delete the tag.",
        ),
        Code(
            "bad-variable",
            "A variable has a wrong name or value",
            "The name of a variable consists of letters, digits and `_`, and does not begin with a "
            "digit. The name `i` is reserved for the value of a range. The value is a text, a "
            "number or a boolean.",
            "Rename the variable, or give it a text, a number or a boolean.",
        ),
        Code(
            "bad-setting",
            "`--set` is used wrongly",
            "`--set` takes `NAME=VALUE`, and works only with a file. A live topology that you name "
            "keeps the variables with which it was applied.",
            "Write for example `netorch apply topo.yaml --set count=3`.",
        ),
        Code(
            "unknown-variable",
            "There is no such variable",
            "`$(name)` uses a variable that neither `vars` nor `--set` nor the environment "
            "(`NETORCH_VAR_name`) defines. `$(i)` exists only inside an entry with a range. The "
            "same error occurs if `--set`, or `variables` in Python, sets a variable that the file "
            "neither declares nor uses.",
            "Declare the variable under `vars`, or write a default: `$(name:-default)`. If the "
            "name after `--set` is wrong, correct it.",
        ),
        Code(
            "bad-expression",
            "A `$(…)` is not a valid expression",
            "An expression can contain names, integers, `+ - * // %` and parentheses. A dollar "
            "sign itself is written `$$`.",
            "Correct the expression. Variables are written in parentheses: `$(name)`.",
        ),
        Code(
            "bad-arithmetic",
            "A `$(…)` cannot be computed",
            "The expression divides by zero, its result is too large, or it uses a value that is "
            "not an integer.",
            "Check the values of the variables in the expression.",
        ),
        Code(
            "bad-range",
            "A range is wrong",
            "A range goes from a smaller to a larger number or letter, such as `[1-10]`, "
            "`[01-10]` or `[a-f]`. A name can contain at most one range.",
            "Write the range as the error suggests.",
        ),
        Code(
            "uneven-ranges",
            "Ranges of one entry differ in length",
            "The ranges of one link or check advance together, value by value, so they need the "
            "same number of values.",
            "Make them equally long.",
        ),
        Code(
            "bad-profile",
            "`profile` has a wrong value",
            "`profile` takes the name of a profile, or a list of names.",
            "Write for example `profile: router` or `profile: [base, router]`.",
        ),
        Code(
            "unknown-profile",
            "There is no such profile",
            "A node, a profile or a default uses a profile that the file does not have.",
            "Declare it under `profiles`, or correct the name.",
        ),
    ),
)
