"""Answers questions about this machine: numbers of users and groups, contents of key files."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterable

from netorch.errors import did_you_mean
from netorch.kernel.files import key_files
from netorch.values.requests import Answer, GroupNumber, KeyFile, Question, UserNumber


def answer(questions: Iterable[Question], folder: str) -> dict[Question, Answer]:
    """Answer each question. Relative paths count from `folder`."""
    return {question: _answer(question, folder) for question in dict.fromkeys(questions)}


def _answer(question: Question, folder: str) -> Answer:
    match question:
        case KeyFile():
            return key_files.read(question, folder)
        case UserNumber(name):
            try:
                return Answer(pwd.getpwnam(name).pw_uid)
            except (KeyError, ValueError):
                known = (user.pw_name for user in pwd.getpwall())
                return Answer(
                    code="unknown-user",
                    problem=f"this machine has no user {name!r}",
                    remedy=did_you_mean(name, known),
                )
        case GroupNumber(name):
            try:
                return Answer(grp.getgrnam(name).gr_gid)
            except (KeyError, ValueError):
                known = (group.gr_name for group in grp.getgrall())
                return Answer(
                    code="unknown-group",
                    problem=f"this machine has no group {name!r}",
                    remedy=did_you_mean(name, known),
                )
