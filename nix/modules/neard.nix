# neard.service: the guard with its neard, neard's home and its config.json.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkIf
    mkOption
    types
    ;
  cfg = config.services.hafailover;
  inherit (cfg) neard;
  json = pkgs.formats.json { };
  unit = import ./unit.nix { inherit lib; };

  binary =
    if neard.binary != null then
      neard.binary
    else if neard.package != null then
      lib.getExe' neard.package "neard"
    else
      null;
  address = import ./address.nix;
  # What the units' sandbox hides (ProtectHome, PrivateTmp).
  hidden = path: builtins.match "/(home|root|tmp|var/tmp|run/user)(/.*)?" path != null;
  inStateDirectory = lib.hasPrefix "/var/lib/" neard.home;
  stop = cfg.settings.neard.stop_s or 240;

  overlay = json.generate "neard-settings.json" neard.settings;
  checked = pkgs.runCommand "neard-config.json" { nativeBuildInputs = [ cfg.package ]; } ''
    hafailover check neard-config ${overlay} --account-id ${lib.escapeShellArg cfg.accountId} \
      --chain-id ${lib.escapeShellArg cfg.chainId} --promotion ${cfg.promotion} \
      --routing ${neard.validatorRouting}
    cp ${overlay} $out
  '';

  prepare = [
    (lib.getExe cfg.package)
    "prepare-home"
    "--config"
    "/etc/hafailover/config.toml"
    "--chain-id"
    cfg.chainId
    "--overlay"
    checked
  ]
  ++ lib.optionals (neard.genesisFile != null) [
    "--genesis"
    neard.genesisFile
  ]
  ++ lib.optionals (neard.publicAddress != null) [
    "--public-address"
    neard.publicAddress
  ];
  shards = neard.settings.tracked_shards_config or null;
  loopback = builtins.match "(127\\.[0-9.]+|\\[::1]):[0-9]+" neard.settings.rpc.addr != null;
in
{
  options.services.hafailover.neard = {
    package = mkOption {
      type = types.nullOr types.package;
      default = null;
      example = lib.literalExpression ''hafailover.lib.mkNeard { inherit pkgs; src = nearcore; version = "2.13.3"; }'';
      description = "The package that has neard's binary as bin/neard. Either this or `binary` must be set.";
    };
    binary = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/opt/neard/neard";
      description = "Path of a neard that you bring yourself. Either this or `package` must be set.";
    };
    home = mkOption {
      type = types.str;
      default = "/var/lib/neard";
      description = "neard's home folder, with its database. It is made if it is not there.";
    };
    settings = mkOption {
      type = types.submodule { freeformType = json.type; };
      default = { };
      example = lib.literalExpression "{ consensus.min_num_peers = 5; }";
      description = ''
        What neard's config.json says differently from what `neard init` writes: objects are merged, all else
        replaces. The defaults suit a failover pair. Checked when the system is built.
      '';
    };
    genesisFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = ''
        genesis.json of the chain, copied into neard's home. neard itself knows mainnet's and downloads
        testnet's; a private chain needs it.
      '';
    };
    publicAddress = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "192.0.2.10";
      description = ''
        This host's public address, or address and port, that neard tells the other validators. Of use with
        `validatorRouting = "direct"` alone: without it, neard asks public servers for it each time then, and the
        network learns of a new signer later.
      '';
    };
    validatorRouting = mkOption {
      type = types.enum [
        "relayed"
        "direct"
      ];
      default = "relayed";
      description = ''
        How the other validators' messages reach the pool's. `relayed`: over neard's ordinary connections (TIER1 off),
        so that the next holder of the key produces at once however the last one went. `direct`: over connections of
        their own, as neard does by default; they outlive a host that vanishes by some 15 min, in which the pool
        produces nothing. See docs/decisions/validator-routing.md.
      '';
    };
    port = mkOption {
      type = types.port;
      default = 24567;
      description = "Port on which neard talks to its peers.";
    };
    rpcPort = mkOption {
      type = types.port;
      default = 3030;
      description = "Port of neard's RPC, on loopback.";
    };
    bootNodes = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "ed25519:86EtEy7epneKyrcJwSWP7zsisTkfDRH5CFVszt4qiQYw@192.0.2.7:24567" ];
      description = "Peers to begin with, as `KEY@ADDRESS:PORT`.";
    };
    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Further arguments of `neard run`.";
    };
    restartIfChanged = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether a switch to a new configuration restarts neard where its service has changed. Off, since the neard
        that signs had better hand over first: `hafailover switchover`, then `systemctl restart neard`.
      '';
    };
  };

  config = mkIf cfg.isHost {
    services.hafailover = {
      neard.settings = {
        tracked_shards_config = mkDefault { ShadowValidator = cfg.accountId; };
        store.load_mem_tries_for_tracked_shards = mkDefault true;
        rpc.addr = mkDefault "127.0.0.1:${toString neard.rpcPort}";
        network.addr = mkDefault "0.0.0.0:${toString neard.port}";
        network.boot_nodes = mkIf (neard.bootNodes != [ ]) (
          mkDefault (lib.concatStringsSep "," neard.bootNodes)
        );
      };
      settings.neard = {
        home = mkDefault neard.home;
        binary = mkIf (binary != null) (mkDefault binary);
        # The agent's user has no business in neard's home.
        rpc_address = mkDefault neard.settings.rpc.addr;
        validator_routing = mkDefault neard.validatorRouting;
        args = mkIf (neard.extraArgs != [ ]) (mkDefault neard.extraArgs);
      };
    };

    systemd.services.neard = lib.mkMerge [
      (unit ../../src/hafailover/units/neard.toml {
        hafailover = lib.getExe cfg.package;
        kill = "${pkgs.coreutils}/bin/kill";
        tail = "${pkgs.coreutils}/bin/tail";
        config = "/etc/hafailover/config.toml";
        neard_home = neard.home;
        guard_watchdog_s = builtins.toJSON cfg.timing.guard_watchdog_s;
        guard_stop_s = builtins.toJSON (stop + 30);
      })
      {
        serviceConfig = {
          ExecStartPre = [ (utils.escapeSystemdExecArgs prepare) ];
          StateDirectory = mkIf inStateDirectory (lib.removePrefix "/var/lib/" neard.home);
          StateDirectoryMode = mkIf inStateDirectory "0750";
          # testnet's genesis has several GB: downloaded at the first start, and read and written anew where it is
          # at hand, then and with each new neard.
          TimeoutStartSec = mkIf (cfg.chainId == "testnet") (lib.mkOverride 900 3900);
        }
        // cfg.loadCredentials {
          validator_key = cfg.validatorKeyFile;
          node_key = cfg.nodeKeyFile;
          validator_node_key = if cfg.promotion == "restart" then cfg.validatorNodeKeyFile else null;
        };
        environment = mkIf (cfg.promotion == "restart") {
          HAFAILOVER_VALIDATOR_NODE_KEY_FILE = "%d/validator_node_key";
        };
        stopIfChanged = false;
        inherit (neard) restartIfChanged;
      }
    ];

    systemd.tmpfiles.settings = mkIf (!inStateDirectory) {
      hafailover.${neard.home}.d = {
        user = "neard";
        group = "neard";
        mode = "0750";
      };
    };

    users.users.neard = {
      isSystemUser = true;
      group = "neard";
      description = "neard and its guard";
    };
    users.groups.neard = { };

    services.hafailover.checks = {
      assertions = {
        neard-missing = {
          assertion = neard.package != null || neard.binary != null;
          message = ''
            services.hafailover.neard.package or neard.binary must be set: a package, such as the result of the
            flake's lib.mkNeard, or the path of a binary.'';
        };
        neard-twice = {
          assertion = neard.package == null || neard.binary == null;
          message = "services.hafailover.neard.package and neard.binary are both set; set one of them.";
        };
        neard-binary = {
          assertion = neard.binary == null || lib.hasPrefix "/" neard.binary && !hidden neard.binary;
          message = ''
            services.hafailover.neard.binary is "${toString neard.binary}"; it must be an absolute path, and not
            below /home, /root or /tmp, which the service does not see. /opt/neard/neard would do.'';
        };
        neard-genesis = {
          assertion =
            neard.genesisFile == null || lib.hasPrefix "/" neard.genesisFile && !hidden neard.genesisFile;
          message = ''
            services.hafailover.neard.genesisFile is "${toString neard.genesisFile}"; it must be an absolute
            path, and not below /home, /root or /tmp, which the service does not see.'';
        };
        neard-public-address = {
          assertion = neard.publicAddress == null || address.isWithOrWithoutPort neard.publicAddress;
          message = ''
            services.hafailover.neard.publicAddress is "${toString neard.publicAddress}"; it must be an IP
            address, or one with a port: 192.0.2.7:24567 or [2001:db8::7]:24567.'';
        };
        neard-settings-astray = {
          assertion = cfg.settings.neard.home == neard.home && cfg.settings.neard.binary or null == binary;
          message = ''
            services.hafailover.settings.neard: take out home and binary, and set services.hafailover.neard.home,
            and neard.package or neard.binary.'';
        };
        neard-home = {
          assertion = builtins.match "/[^/ %@]+(/[^/ %@]+)+" neard.home != null && !hidden neard.home;
          message = ''
            services.hafailover.neard.home is "${neard.home}"; it must be an absolute path below a folder,
            without blanks, '%' and '@', and not below /home, /root or /tmp, which the service does not see.
            /var/lib/neard would do.'';
        };
        neard-key-in-home = {
          assertion = cfg.validatorKeyFile == null || !(lib.hasPrefix "${neard.home}/" cfg.validatorKeyFile);
          message = ''
            services.hafailover.validatorKeyFile lies in neard.home (${neard.home}); keep it outside, where no
            start of neard finds it.'';
        };
        neard-ports = {
          assertion = neard.port != neard.rpcPort;
          message = ''
            services.hafailover.neard.port and neard.rpcPort are both ${toString neard.port}; give each its
            own.'';
        };
        neard-shards = {
          assertion = cfg.promotion != "hot" || shards == { ShadowValidator = cfg.accountId; };
          message = ''
            services.hafailover.neard.settings.tracked_shards_config is ${builtins.toJSON shards}; with
            promotion = "hot" it must be { ShadowValidator = "${cfg.accountId}"; }. A standby with NoShards has
            nothing to sign with, and neard ends itself when a validator's key is loaded beside AllShards.'';
        };
      };
      warnings.neard-rpc = {
        when = !loopback;
        message = ''
          services.hafailover.neard.settings.rpc.addr is ${neard.settings.rpc.addr}: others can reach neard's RPC.
          Keep it on 127.0.0.1.'';
      };
    };
  };
}
