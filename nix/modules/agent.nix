# hafailover.service: the agent. Restarting it never touches neard.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hafailover;
  unit = import ./unit.nix { inherit lib; };
  credentials = cfg.loadCredentials { consul_token = cfg.consul.tokenFile; };

  # What the agent takes over when it is told to reload; any other change restarts it.
  reloadable = [
    "log_level"
    "priority"
    "standby"
  ];
in
{
  config = lib.mkIf cfg.isHost {
    systemd.services.hafailover = lib.mkMerge [
      (unit ../../src/hafailover/units/hafailover.toml {
        hafailover = lib.getExe cfg.package;
        kill = "${pkgs.coreutils}/bin/kill";
        config = "/etc/hafailover/config.toml";
        watchdog_s = toString cfg.timing.watchdog_s;
      })
      {
        serviceConfig = credentials;
        environment = lib.mkIf (cfg.consul.tokenFile != null) {
          # The file names the operator's own path, for root's `hafailover status`; the agent gets a copy.
          HAFAILOVER_CONSUL__TOKEN_FILE = "%d/consul_token";
        };
        # One step, so that the session is still there.
        stopIfChanged = false;
        restartTriggers = [ (builtins.toJSON (removeAttrs cfg.settings reloadable)) ];
        reloadTriggers = [ config.environment.etc."hafailover/config.toml".source ];
      }
    ];

    services.hafailover.settings.consul.token_file = lib.mkIf (cfg.consul.tokenFile != null) (
      lib.mkDefault cfg.consul.tokenFile
    );

    users.users.hafailover = {
      isSystemUser = true;
      group = "hafailover";
      description = "hafailover agent";
    };
    users.groups.hafailover = { };
  };
}
