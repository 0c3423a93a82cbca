# Every assertion and warning of this module has a name, so that a test can show each of them to fire.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.hafailover;

  named = condition: {
    options = {
      ${condition} = mkOption {
        type = types.bool;
        description = "The condition.";
      };
      message = mkOption {
        type = types.str;
        description = "What the operator reads.";
      };
    };
  };
in
{
  options.services.hafailover.checks = {
    assertions = mkOption {
      type = types.attrsOf (types.submodule (named "assertion"));
      default = { };
      internal = true;
      description = "Assertions by name.";
    };
    warnings = mkOption {
      type = types.attrsOf (types.submodule (named "when"));
      default = { };
      internal = true;
      description = "Warnings by name.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = map (check: { inherit (check) assertion message; }) (
      lib.attrValues cfg.checks.assertions
    );
    warnings = map (check: check.message) (
      lib.filter (check: check.when) (lib.attrValues cfg.checks.warnings)
    );
  };
}
