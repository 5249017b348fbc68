# SPDX-License-Identifier: GPL-2.0-or-later
"""The command lines of ``twinsan``, a module for each subject: names, help and options, and what each then calls.

Each module has `declare`, which adds its commands to the parser. What a command does is imported when it runs.
"""
