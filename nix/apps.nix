# `nix run .#demo` is the README's demo; both bring Consul and the stand-in for neard along.
{ pkgs }:
let
  inherit (pkgs) lib;
  command = name: text: {
    type = "app";
    program = lib.getExe (
      pkgs.writeShellApplication {
        inherit name text;
        runtimeInputs = [
          pkgs.localneard
          pkgs.consul
        ];
      }
    );
    meta.description = "hafailover ${name}";
  };
in
rec {
  hafailover = {
    type = "app";
    program = lib.getExe pkgs.hafailover;
    meta.description = pkgs.hafailover.meta.description;
  };
  default = hafailover;
  demo = command "demo" ''
    export HAFAILOVER_CONSUL_BINARY=${lib.getExe pkgs.consul}
    exec hafailover demo "$@"
  '';
  localnet = command "localnet" ''
    exec hafailover localnet "$@"
  '';
}
