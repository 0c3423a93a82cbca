# `nix develop`: everything that the Makefile's targets need besides their virtual environment.
{ pkgs }:

pkgs.mkShell {
  packages = [
    (pkgs.python3.withPackages (
      python:
      pkgs.hafailover.dependencies
      ++ [
        python.aiohttp
        python.hypothesis
        python.mypy
        python.pytest
        python.pytest-timeout
        python.setuptools
        python.types-requests
      ]
    ))
    pkgs.consul
    pkgs.deadnix
    pkgs.gnumake
    pkgs.nixfmt
    pkgs.ruff
    pkgs.statix
    pkgs.uv
  ];

  HAFAILOVER_CONSUL_BINARY = pkgs.lib.getExe pkgs.consul;
}
