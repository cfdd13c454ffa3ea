"""The arguments of a command, read from left to right."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

IpInterface = IPv4Interface | IPv6Interface


class NotCarriedError(Exception):
    """A command, or a part of it, that a topology does not express."""

    def __init__(self, why: str, *, matters: bool = True, part: str = "") -> None:
        """`part` is the part of the command that is not carried over, "" for all of it."""
        super().__init__(why)
        self.why, self.matters, self.part = why, matters, part


def without_words(tool: str, words: list[str]) -> NotCarriedError:
    """Return the error for words of a command whose rest is carried over."""
    part = f"`{' '.join(words)}` of {tool}"
    return NotCarriedError("a topology has no word for it", matters=False, part=part)


class Arguments:
    """Words that are read one after the other."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = list(words)
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._words)

    def peek(self) -> str:
        """Return the next word, "" at the end."""
        return self._words[self._at] if self else ""

    def take(self, what: str = "word") -> str:
        """Return the next word. Raise NotCarriedError at the end."""
        if not self:
            raise NotCarriedError(f"the command is not complete: a {what} is missing")
        self._at += 1
        return self._words[self._at - 1]

    def take_if(self, *words: str) -> bool:
        """Return whether the next word is one of `words`, which is read then."""
        if self.peek() in words and self:
            self._at += 1
            return True
        return False

    def number(self) -> int:
        """Return the next word as a number, which may be hexadecimal."""
        word = self.take("number")
        try:
            return int(word, 0) if word.lower().startswith("0x") else int(word)
        except ValueError:
            raise NotCarriedError(f"`{word}` is not a number") from None

    def rest(self) -> list[str]:
        """Return all words that have not been taken yet, and take them."""
        words = self._words[self._at :]
        self._at = len(self._words)
        return words


def full_word(word: str, words: Iterable[str]) -> str:
    """Return the first of `words` that begins with `word`, "" if there is none.

    iproute2 abbreviates its words in this way.
    """
    return next((one for one in words if word and one.startswith(word)), "")


def address_of(text: str) -> IpInterface:
    """Return an address with its prefix length. Without one it is a single host."""
    try:
        return ip_interface(text)
    except ValueError:
        raise NotCarriedError(f"`{text}` is not an IP address") from None


def is_ipv6(text: str) -> bool:
    return ":" in text


def names(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())
