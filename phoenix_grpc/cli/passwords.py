"""Passwords for commands: from a prompt, from standard input, or generated."""

import sys

import click

from phoenix_grpc.cli.output import note

password_stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
random_password_option = click.option("--random-password", is_flag=True, help="Generate a password and print it once.")


def ask_password(from_stdin: bool, confirm: bool = False, prompt: str = "Password") -> str:
    """A password from the next line of standard input or, at a terminal, from a prompt that does not show it.

    Raises:
        click.UsageError: when there is none.
    """
    if not from_stdin:
        require_terminal("--password-stdin")
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("no password on standard input")
    return password


def new_password(from_stdin: bool, made_up: bool) -> str:
    """A password for another user: prompted for twice, from standard input, or generated.

    Raises:
        click.UsageError: when both options are given, or there is none.
    """
    if from_stdin and made_up:
        raise click.UsageError("--password-stdin and --random-password exclude each other")
    if not made_up:
        return ask_password(from_stdin, confirm=True)
    from phoenix_grpc.credentials import secrets

    return secrets.new_password()


def tell_password(password: str, made_up: bool) -> None:
    """Prints a generated password, alone on stdout; one that was typed is never printed."""
    if made_up:
        note("The password is shown only this once:")
        click.echo(password)


def require_terminal(instead: str) -> None:
    """Raises click.UsageError if there is no terminal; it names the option to use instead."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask at; use {instead}")
