"""Codes of the text of a file: how it is read, and its variables, ranges and profiles."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
TEXT = Area(
    "The text of a file",
    (
        Code(
            "file-not-found",
            "There is no such file",
            "A command was given a file or a folder that does not exist, or there is no "
            "`topo.yaml` in the current folder and no file was named.",
            "Check the path. Where a command takes the name of a live topology too, `netorch "
            "list` shows the names.",
        ),
        Code(
            "file-unreadable",
            "A file cannot be read",
            "Linux refused to open or read the file. The error has the reason of the system, such "
            "as `Permission denied` or `Is a directory`.",
            "Check the path and the rights of the file with `ls -l FILE`.",
        ),
        Code(
            "file-unwritable",
            "A file cannot be written",
            "Linux refused to write the file that `--out` or `--to` names.",
            "Check that the folder exists, that you may write to it and that the disk has room.",
        ),
        Code(
            "bad-file-name",
            "Not a name of a file",
            "The path has a character that no file name can have, such as a NUL byte.",
            "Correct the path.",
        ),
        Code(
            "bad-source",
            "A program gave something that is not a topology",
            "`netorch.load` and its relatives take a path, a text or a `Topology`. A `Topology` "
            "has its name and its variables already.",
            "Give a path or a text, and give the variables where the `Topology` is made.",
        ),
        Code(
            "file-too-large",
            "The file is too large",
            "A topology file can have 10 MB.",
            "Use ranges such as `h[1-100]`, profiles and defaults in place of repeated text.",
        ),
        Code(
            "too-many-values",
            "The file stands for too many values",
            "With its ranges, aliases and variables expanded, the file has more than 1,000,000 "
            "values, or more than 10 MB of text, or one of its texts grows too long.",
            "Check the ranges first: `[1-10000]` in two places of one name makes 100 million.",
        ),
        Code(
            "too-deep",
            "Something nests too deep",
            "Mappings and lists, variables or profiles that use one another can nest 64 levels "
            "deep.",
            "Write the file flatter.",
        ),
        Code(
            "too-many-problems",
            "The file has too many errors",
            "netorch stops after 1,000 errors.",
            "Correct the first ones: many others are often their consequence.",
        ),
        Code(
            "bad-encoding",
            "The file is not text in UTF-8",
            "The bytes of the file are not valid in its encoding.",
            "Save the file as UTF-8.",
        ),
        Code(
            "control-character",
            "The text has a control character",
            "YAML does not allow invisible control characters.",
            "Delete the character. The error has its line and column.",
        ),
        Code(
            "not-yaml",
            "The file is not YAML",
            "The YAML parser cannot read on at this place. The usual reasons are a wrong "
            "indentation, a tab, a missing quote, or a text with `: ` in it that is not quoted.",
            "Look at the line, and at the one before it. Quote a text that has special characters.",
        ),
        Code(
            "second-document",
            "The file has a second document",
            "A line `---` begins another YAML document, and a file holds one topology.",
            "Put each topology into a file of its own.",
        ),
        Code(
            "duplicate-key",
            "A key is there twice",
            "Two entries of one mapping have the same key, or two ranges stand for the same name. "
            "YAML would drop one of them without a word.",
            "Keep one of them, or make the ranges disjoint.",
        ),
        Code(
            "bad-key",
            "A key is not text",
            "A mapping or a list stands where a key is expected, or a program gave a key that is "
            "neither a text nor a number.",
            "Quote the key if it is a text that looks like YAML.",
        ),
        Code(
            "unknown-alias",
            "An alias has no anchor",
            "`*name` refers to `&name`, and there is no such anchor before it.",
            "Write the anchor, or quote the text if it only begins with `*`.",
        ),
        Code(
            "circle",
            "Something refers to itself",
            "An alias, a variable or a profile uses itself, directly or through others.",
            "Break the circle that the error shows.",
        ),
        Code(
            "bad-merge",
            "`<<` does not take this",
            "The merge key `<<` takes a mapping or a list of mappings.",
            "Give it an alias of a mapping, such as `<<: *base`.",
        ),
        Code(
            "yaml-tag",
            "A YAML tag is not understood",
            "Tags such as `!!int` or `!mine` are not part of the language, or the value does not "
            "fit the tag.",
            "Delete the tag.",
        ),
        Code(
            "bad-variable",
            "A variable has a wrong name or value",
            "Names of variables have letters, digits and `_`, and do not begin with a digit. `i` "
            "is the value of a range. Values are texts, numbers or booleans.",
            "Rename the variable, or give it a plain value.",
        ),
        Code(
            "bad-setting",
            "`--set` cannot be used so",
            "`--set` takes `NAME=VALUE` and goes with a file. A topology that is named as it was applied has the "
            "variables of then.",
            "Write for example `netorch apply topo.yaml --set count=3`.",
        ),
        Code(
            "unknown-variable",
            "There is no such variable",
            "`$(name)` uses a variable that neither `vars` nor `--set` nor the environment "
            "(`NETORCH_VAR_name`) defines. `$(i)` exists only inside an entry with a range. Or `--set`, or `variables` "
            "in Python, gives a value to a variable that the file neither declares nor uses.",
            "Declare the variable under `vars`, or write a default: `$(name:-default)`. Or correct its name "
            "behind `--set`.",
        ),
        Code(
            "bad-expression",
            "A `$(…)` cannot be read",
            "An expression takes names, integers, `+ - * // %` and brackets. A lone `$` has to be "
            "written `$$`.",
            "Correct the expression. Variables have round brackets: `$(name)`.",
        ),
        Code(
            "bad-arithmetic",
            "A `$(…)` cannot be computed",
            "The expression divides by zero, gets too large, or uses a value that is not an "
            "integer.",
            "Check the values of the variables in it.",
        ),
        Code(
            "bad-range",
            "A range is wrong",
            "A range goes from a smaller to a larger number or letter, such as `[1-10]`, "
            "`[01-10]` or `[a-f]`, and a name has one range at most.",
            "Write the range as the error proposes.",
        ),
        Code(
            "uneven-ranges",
            "Ranges of one entry differ in length",
            "The ranges of one link or check run together, value by value, so they need the same "
            "number of values.",
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
            "A node takes a profile that the file does not have.",
            "Declare it under `profiles`, or correct the name.",
        ),
    ),
)
