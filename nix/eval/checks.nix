# What the module says of a configuration. `of MODULES` gives { assertions, warnings }: the texts of those that fire, by
# name; and { names }: the names of all that there are.
#
# The module is evaluated without NixOS around it, which takes milliseconds instead of seconds: what it writes into
# NixOS's options is accepted unseen. That NixOS takes it is shown by ./systems.nix and by the tests in machines.
{ pkgs }:
let
  inherit (pkgs) lib;

  # The options that the module writes into.
  unseen = lib.genAttrs [
    "assertions"
    "boot"
    "environment"
    "networking.firewall"
    "services.consul"
    "services.grafana"
    "services.prometheus"
    "systemd"
    "users"
    "warnings"
  ] (_: lib.mkOption { type = lib.types.unspecified; });

  around = {
    options = lib.foldl' lib.recursiveUpdate {
      networking.hostName = lib.mkOption { default = "host1"; };
    } (lib.mapAttrsToList (name: lib.setAttrByPath (lib.splitString "." name)) unseen);
  };
  texts = lib.mapAttrs (_: check: check.message);
in
{
  of =
    modules:
    let
      evaluated = lib.evalModules {
        specialArgs = {
          inherit pkgs;
          utils = throw "nix/eval/checks.nix: a check uses NixOS's utils, which are not at hand here";
        };
        modules = [
          around
          ../modules
          { services.hafailover.package = lib.mkDefault pkgs.hafailover; }
        ]
        ++ modules;
      };
      inherit (evaluated.config.services.hafailover) checks;
    in
    {
      assertions = texts (lib.filterAttrs (_: check: !check.assertion) checks.assertions);
      warnings = texts (lib.filterAttrs (_: check: check.when) checks.warnings);
      names = lib.attrNames (checks.assertions // checks.warnings);
    };
}
