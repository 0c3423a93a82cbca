"""Runs the scripts of nix/tests without a virtual machine: ``make nixos-hosts``, as root.

What NixOS would run is evaluated (``evaluated``), put onto a small Debian with a real systemd (``image``),
booted in containers with a network of their own (``container``), and driven by the real NixOS test driver
(``driver``), which takes ``fake_qemu`` for a QEMU. docs/nixos-hosts.md says what that shows and what it
cannot.
"""
