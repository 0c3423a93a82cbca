"""The systemd units of a host, as data: one source for NixOS and for every other system.

``hafailover.toml`` is the agent's unit, ``neard.toml`` the guard's. Each table is a section, a list is a
directive given several times. Texts hold these placeholders:

* ``@hafailover@``: absolute path of the command; ``@kill@`` and ``@tail@``: those of kill(1) and
  of coreutils' tail(1)
* ``@config@``: the settings' file
* ``@neard_home@``: neard's home folder
* ``@agent_watchdog_s@``, ``@guard_watchdog_s@``: those of the host's :class:`hafailover.timing.Profile`, in
  seconds
* ``@guard_stop_s@``: setting ``neard.stop_s`` and half a minute more, in seconds
"""
