# Agent, guard and commands; `withLocalnet` adds the stand-in for neard and what runs a localnet with it.
{ withLocalnet }:
{ lib, python3Packages }:

python3Packages.buildPythonApplication {
  pname = if withLocalnet then "localneard" else "hafailover";
  version = (lib.importTOML ../../pyproject.toml).project.version;
  pyproject = true;

  src = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.unions [
      ../../pyproject.toml
      ../../README.md
      ../../CHANGELOG.md
      ../../Makefile
      ../../docs
      ../../nix
      ../../scripts
      ../../src
      ../../tests
    ];
  };

  build-system = [ python3Packages.setuptools ];

  dependencies = [
    python3Packages.apprise
    python3Packages.base58
    python3Packages.cryptography
    python3Packages.h11
    python3Packages.prometheus-client
    python3Packages.pydantic
    python3Packages.pydantic-settings
    python3Packages.python-consul2
    python3Packages.requests
    python3Packages.rich
    python3Packages.tenacity
    python3Packages.typer
  ]
  ++ lib.optional withLocalnet python3Packages.aiohttp;

  # A validator's host has no use for something that looks like neard and is none.
  postInstall = lib.optionalString (!withLocalnet) ''
    rm "$out/bin/localneard"
  '';

  nativeCheckInputs = [
    python3Packages.aiohttp
    python3Packages.hypothesis
    python3Packages.jsonschema
    python3Packages.pytest
    python3Packages.pytest-timeout
  ];

  # The other tests need a Consul server, namespaces or minutes.
  checkPhase = ''
    runHook preCheck
    python -m pytest tests/unit
    runHook postCheck
  '';

  pythonImportsCheck = [ "hafailover" ];

  # No `license`: the project has not chosen one yet.
  meta = {
    description = "Automatic failover for NEAR validators: several synced machines, exactly one signer";
    mainProgram = if withLocalnet then "localneard" else "hafailover";
    platforms = lib.platforms.linux;
  };
}
