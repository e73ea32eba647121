"""The command line: its parser, its messages, and one file for each command."""
