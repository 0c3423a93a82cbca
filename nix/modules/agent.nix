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
  token = cfg.consul.tokenFile;
  key = cfg.settings.consul.key_file or null;
  httpToken = cfg.settings.http.token_file or null;
  httpKey = cfg.settings.http.tls_key_file or null;

  # What the agent takes over when it is told to reload, and what only the guard goes by; any other change restarts it.
  atStart =
    removeAttrs cfg.settings [
      "log_level"
      "priority"
      "standby"
    ]
    // {
      neard = removeAttrs cfg.settings.neard [
        "args"
        "binary"
      ];
    };
in
{
  config = lib.mkIf cfg.isHost {
    systemd.services.hafailover = lib.mkMerge [
      (unit ../../src/hafailover/units/hafailover.toml {
        hafailover = lib.getExe cfg.package;
        kill = "${pkgs.coreutils}/bin/kill";
        config = "/etc/hafailover/config.toml";
        agent_watchdog_s = builtins.toJSON cfg.timing.agent_watchdog_s;
      })
      {
        serviceConfig = cfg.loadCredentials {
          consul_token = token;
          consul_key = key;
          http_token = httpToken;
          http_key = httpKey;
        };
        # The settings' file names the operator's own paths, for root's `hafailover status`; the agent gets copies.
        environment = {
          HAFAILOVER_CONSUL__TOKEN_FILE = lib.mkIf (token != null) "%d/consul_token";
          HAFAILOVER_CONSUL__KEY_FILE = lib.mkIf (key != null) "%d/consul_key";
          HAFAILOVER_HTTP__TOKEN_FILE = lib.mkIf (httpToken != null) "%d/http_token";
          HAFAILOVER_HTTP__TLS_KEY_FILE = lib.mkIf (httpKey != null) "%d/http_key";
        };
        # One step, so that the session is still there.
        stopIfChanged = false;
        restartTriggers = [ (builtins.toJSON atStart) ];
        reloadTriggers = [ config.environment.etc."hafailover/config.toml".source ];
      }
    ];

    # Nobody but the service can read an encrypted one.
    services.hafailover.settings.consul = lib.mkIf (token != null && !cfg.encryptedCredentials) {
      token_file = lib.mkDefault token;
    };

    users.users.hafailover = {
      isSystemUser = true;
      group = "hafailover";
      description = "hafailover agent";
    };
    users.groups.hafailover = { };
  };
}
