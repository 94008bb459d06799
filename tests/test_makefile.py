"""The reader of Makefiles: what is written out is known, what only make knows isn't."""

from __future__ import annotations

import pytest

from msrefactor_transforms.ecosystems._makefile import Makefile, matching, read_makefile

FILES = ("src/a.c", "src/b.c", "src/sub/c.c", "main.c")


def read(text: str, **given: str) -> Makefile:
    return read_makefile(text, given, {"HOME": "/root", "MODE": "fast"}, lambda p: matching(FILES, p))


@pytest.mark.parametrize(
    ("text", "expression", "expected"),
    [
        ("A = x\nB = $(A)y\nA = z\n", "$(B)", "zy"),
        ("A = x\nB := $(A)y\nA = z\n", "${B}", "xy"),
        ("A = x\nA += y\n", "$(A)", "x y"),
        ("MODE ?= slow\n", "$(MODE)", "fast"),
        ("A = a \\\n  b\n", "$(A)", "a b"),
        ("A = x # comment\n", "$(A)", "x"),
        ("S = $(wildcard src/*.c)\n", "$(S:.c=.o)", "src/a.o src/b.o"),
        ("S = $(wildcard src/*.c)\n", "$(patsubst src/%.c,obj/%.o,$(S))", "obj/a.o obj/b.o"),
        ("", "$(addprefix bin/,a b) $(notdir x/y)", "bin/a bin/b y"),
        ("A = 1\nifeq ($(A),1)\nB = yes\nelse\nB = no\nendif\n", "$(B)", "yes"),
        ("ifdef X\nB = yes\nelse\nB = no\nendif\n", "$(B)", "no"),
        ("ifeq ($(shell uname),Linux)\nB = yes\nendif\n", "$(B)", "yes"),
        ("A = $$HOME\n", "$(A)", "$HOME"),
        ("", "$(UNSET)x", "x"),
        # what only make knows
        ("V = $(shell git describe)\n", "$(V)", None),
        ("include config.mk\n", "$(CFLAGS)", None),
        ("ifeq ($(shell ./probe),1)\nB = yes\nendif\n", "$(B)", None),
        ("A = $(A)\n", "$(A)", None),
        ("A = $(call f,x)\n", "$(A)", None),
    ],
)
def test_variables(text: str, expression: str, expected: str | None) -> None:
    assert read(text).expanded(expression) == expected


def test_the_command_line_wins() -> None:
    assert read("PREFIX = /usr/local\n", PREFIX="/opt").expanded("$(PREFIX)") == "/opt"


def test_rules() -> None:
    made = read(
        "all: app $(shell x)\n.PHONY: all\napp: main.o ; echo done\n\tcc -o $@ $^\n%.o: %.c\n\tcc -c $<\n"
    )
    assert made.first == "all"
    assert made.phony == {"all"}
    assert made.rules["all"].needs == ("app", None)
    assert made.rules["app"].recipe == ("echo done", "cc -o $@ $^")
    found = made.rule("main.o")
    assert found is not None
    assert found[1] == "main"
    assert made.is_whole


@pytest.mark.parametrize("text", ["include x.mk\n", "$(shell names): x\n", "define F\nx: y\nendef\n"])
def test_a_makefile_with_more_to_it(text: str) -> None:
    assert not read(text).is_whole
