# What this host is in its pool, and the settings' file that agent, guard and commands read.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    mkPackageOption
    types
    ;
  cfg = config.services.hafailover;
  toml = pkgs.formats.toml { };

  accountId = "([a-z0-9]+[-_])*[a-z0-9]+(\\.([a-z0-9]+[-_])*[a-z0-9]+)*";
  isAccount =
    text:
    builtins.match accountId text != null && lib.stringLength text >= 2 && lib.stringLength text <= 64;

  # Settings on which more depends than agent and guard, so that their options must be used.
  owned = {
    account_id = "accountId";
    node_name = "nodeName";
    promotion = "promotion";
    validator_key_file = "validatorKeyFile";
    validator_node_key_file = "validatorNodeKeyFile";
    "neard.validator_routing" = "neard.validatorRouting";
    "consul.token_file" = "consul.tokenFile";
    "notify.webhook_file" = "notify.webhookFile";
    "notify.webhook_secret_file" = "notify.webhookSecretFile";
    "notify.apprise_file" = "notify.appriseFile";
  };
  valueAt = path: lib.attrByPath (lib.splitString "." path) null;
  astray = lib.filterAttrs (
    setting: option:
    valueAt setting cfg.settings != null && valueAt setting cfg.settings != valueAt option cfg
  ) owned;

  # TOML has no null: what is not set is left out.
  given = lib.filterAttrsRecursive (_: value: value != null) cfg.settings;
  written = toml.generate "hafailover-settings.toml" given;
  checked = pkgs.runCommand "hafailover-config.toml" { nativeBuildInputs = [ cfg.package ]; } ''
    hafailover check settings --config ${written}
    cp ${written} $out
  '';
in
{
  options.services.hafailover = {
    enable = mkEnableOption "hafailover, automatic failover for a NEAR validator";

    package = mkPackageOption pkgs "hafailover" { };

    isHost = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = cfg.enable && !(cfg.consul.enable && cfg.consul.role == "witness");
      description = "Whether this machine runs neard; a witness does not.";
    };

    accountId = mkOption {
      type = types.str;
      default = "";
      example = "mypool.poolv1.near";
      description = "The pool's account. The same on all hosts of the pool.";
    };

    chainId = mkOption {
      type = types.str;
      default = "mainnet";
      example = "testnet";
      description = "The chain: `mainnet`, `testnet`, or the id of a private one.";
    };

    nodeName = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      description = "This host's name in the pool and in Consul. Each host has its own.";
    };

    priority = mkOption {
      type = types.ints.between (-100) 100;
      default = 0;
      description = "Which ready standby takes over first: the one with the highest number.";
    };

    promotion = mkOption {
      type = types.enum [
        "hot"
        "restart"
      ];
      default = "hot";
      description = ''
        How a standby gets the key: `hot` swaps it into the running neard, `restart` is for versions of neard
        that cannot do that.
      '';
    };

    settings = mkOption {
      type = types.submodule { freeformType = toml.type; };
      default = { };
      example = lib.literalExpression ''
        {
          timing.profile = "wide";
          standby.max_lag_blocks = 10;
        }
      '';
      description = ''
        Settings of agent and guard, as docs/configuration.md lists them, beside those that have an option here. The
        result is /etc/hafailover/config.toml, checked when the system is built. Secrets do not belong here: every
        user of the machine can read the file.
      '';
    };
  };

  config = lib.mkMerge [
    {
      services.hafailover.checks.assertions.node-name = {
        assertion = builtins.match "[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?" cfg.nodeName != null;
        message = ''
          services.hafailover.nodeName is "${cfg.nodeName}"; it must be letters, digits, '.', '_' and '-', at
          most 64. Set it, or networking.hostName.'';
      };
    }
    (mkIf cfg.isHost {
      services.hafailover.settings = {
        account_id = mkDefault cfg.accountId;
        node_name = mkDefault cfg.nodeName;
        priority = mkDefault cfg.priority;
        promotion = mkDefault cfg.promotion;
        guard_socket = mkDefault "/run/neard/guard.sock";
        state_dir = mkDefault "/run/hafailover";
      };

      environment.etc."hafailover/config.toml".source = checked;
      environment.systemPackages = [ cfg.package ];

      services.hafailover.checks.assertions = {
        account = {
          assertion = isAccount cfg.accountId;
          message = ''
            services.hafailover.accountId is "${cfg.accountId}", which is not a NEAR account; set it to the
            pool's account, such as "mypool.poolv1.near".'';
        };
        settings-astray = {
          assertion = astray == { };
          message = "services.hafailover.settings: ${
            lib.concatStringsSep "; " (
              lib.mapAttrsToList (
                setting: option: "take out ${setting} and set services.hafailover.${option}"
              ) astray
            )
          }.";
        };
      };
    })
  ];
}
