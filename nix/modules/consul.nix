# A Consul cluster from the list of its servers alone, tuned for a lease: losing the leader costs seconds, a reboot
# nothing.
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
    optionalAttrs
    types
    ;
  cfg = config.services.hafailover;
  inherit (cfg) consul nodeName;
  enable = cfg.enable && consul.enable;

  isServer = consul.role != "client";
  servers = lib.attrNames consul.peers;
  others = removeAttrs consul.peers [ nodeName ];
  address = import ./address.nix;
  # An IPv6 address needs brackets, and with them a port.
  toJoin = text: if lib.hasInfix ":" text then "[${text}]:8301" else text;
  alone = isServer && consul.peers == { };
  bindAddr =
    if consul.bindAddr != null then
      consul.bindAddr
    else if alone then
      "127.0.0.1"
    else
      consul.peers.${nodeName} or consul.clients.${nodeName} or null;

  wrong = lib.filter (text: !address.is text) (lib.attrValues (consul.peers // consul.clients));

  # A package that is not allowed makes nixpkgs throw where it is used; this asks before.
  inherit (consul.package) meta;
  isFree = lib.all (license: license.free or true) (lib.toList (meta.license or [ ]));
  allowed = isFree || meta.available or true;
  secret = name: "/run/credentials/consul.service/${name}";
  secretFile = "/run/consul-secrets/secrets.json";
  # What Consul takes only as part of its configuration; the names are those of the credentials.
  written = lib.filterAttrs (_: file: file != null) {
    gossip_key = consul.gossip.keyFile;
    agent_token = if consul.acl.enable then consul.acl.agentTokenFile else null;
  };
  # With the credentials, Consul's user need not be able to read the operator's files.
  credentials =
    written
    // optionalAttrs consul.tls.enable {
      tls_ca = consul.tls.caFile;
      tls_cert = consul.tls.certFile;
      tls_key = consul.tls.keyFile;
    };

  httpsApi = consul.tls.enable && consul.tls.api;
  httpsPort = 8501;

  settings = {
    server = isServer;
    node_name = nodeName;
    inherit (consul) datacenter;
    client_addr = "127.0.0.1";
    retry_join = map toJoin (lib.attrValues others);
    retry_interval = "1s";
    # An election takes a second or two; with Consul's default of 5 it takes more than ten.
    performance.raft_multiplier = consul.raftMultiplier;
    # Stopping Consul is not leaving: the session, and with it the lease, outlives a restart.
    leave_on_terminate = false;
    skip_leave_on_interrupt = true;
    rejoin_after_leave = true;
    disable_update_check = true;
  }
  // optionalAttrs isServer {
    bootstrap_expect = lib.max 1 (lib.length servers);
    # A server that was away keeps its vote.
    autopilot.cleanup_dead_servers = false;
  }
  // optionalAttrs (consul.bindInterface == null && bindAddr != null) { bind_addr = bindAddr; }
  // optionalAttrs consul.tls.enable {
    # The names from before Consul 1.12, which newer versions take as well.
    ca_file = secret "tls_ca";
    cert_file = secret "tls_cert";
    key_file = secret "tls_key";
    verify_incoming_rpc = true;
    verify_outgoing = true;
    verify_server_hostname = true;
  }
  # Beside the plain one on loopback, which Consul's own commands and the scrape of other machines go by.
  // optionalAttrs httpsApi { ports.https = httpsPort; }
  // optionalAttrs consul.acl.enable {
    acl = {
      enabled = true;
      default_policy = "deny";
      enable_token_persistence = true;
    };
  };

  writeSecrets = ''
    (
      umask 0377
      rm -f ${secretFile}
      # jq reads the secrets from their files: none is on a command line.
      ${lib.getExe pkgs.jq} -n ${
        toString (
          lib.mapAttrsToList (name: _: ''--rawfile ${name} "$CREDENTIALS_DIRECTORY/${name}"'') written
        )
      } \
        '($ARGS.named | map_values(rtrimstr("\n"))) as $given
         | if any($given[]; . == "") then error("a file with a secret for Consul is empty") else . end
         | (if $given.gossip_key then {encrypt: $given.gossip_key} else {} end)
         + (if $given.agent_token then {acl: {tokens: {agent: $given.agent_token}}} else {} end)' \
        > ${secretFile}
      chown consul ${secretFile}
    )
  '';

  name = types.attrsOf types.str;
  runtimePath =
    description:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      inherit description;
    };
in
{
  options.services.hafailover.consul = {
    enable = mkEnableOption "Consul on this host, set up for hafailover";

    package = mkPackageOption pkgs "consul" { };

    role = mkOption {
      type = types.enum [
        "server"
        "client"
        "witness"
      ];
      default = "server";
      description = ''
        `server`: a Consul server beside neard. `witness`: a Consul server on a machine without neard, so that two
        validator hosts make a majority of three. `client`: an agent of servers on other machines.
      '';
    };

    peers = mkOption {
      type = name;
      default = { };
      example = {
        host1 = "10.0.0.1";
        host2 = "10.0.0.2";
        witness = "10.0.0.3";
      };
      description = ''
        All Consul servers, this host included if it is one: `nodeName` and address. The same on all hosts. Three
        is the number to have, each on a machine of its own.
      '';
    };

    clients = mkOption {
      type = name;
      default = { };
      example = {
        host4 = "10.0.0.4";
      };
      description = "The hosts with role `client`: `nodeName` and address. For the firewall.";
    };

    bindAddr = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Address that Consul listens on for the other hosts. Default: this host's in `peers` or `clients`.";
    };

    bindInterface = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "wg0";
      description = "Interface whose address Consul listens on, instead of `bindAddr`.";
    };

    datacenter = mkOption {
      type = types.str;
      default = "dc1";
      description = "Name of Consul's datacenter, the same on all hosts.";
    };

    raftMultiplier = mkOption {
      type = types.ints.between 1 10;
      default = 1;
      description = ''
        Consul's `performance.raft_multiplier`. Raise it only together with `settings.timing`: at 2 use the
        profile `wide`.
      '';
    };

    tokenFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "File with the ACL token that the agent shows to Consul. Never in the Nix store.";
    };

    gossip.keyFile = runtimePath ''
      File with the key that encrypts gossip (`consul keygen`), the same on all hosts. Never in the Nix store.
    '';

    tls = {
      enable = mkEnableOption "TLS between the Consul agents";
      caFile = runtimePath "Certificate of the authority that signed all agents' certificates.";
      certFile = runtimePath "This agent's certificate (`consul tls cert create`).";
      keyFile = runtimePath "The certificate's private key. Never in the Nix store.";
      api = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Whether agent and commands speak HTTPS with this host's Consul, on port 8501 of loopback, and believe it by
          its certificate. The certificate must be for 127.0.0.1, as `consul tls cert create` makes it, and `caFile`
          readable by all users: it is no secret. Without it they believe Consul by the user that it runs as.
        '';
      };
    };

    acl = {
      enable = mkEnableOption "Consul's access control: without a token, nothing may be read or written";
      agentTokenFile = runtimePath "File with the token of the Consul agent itself. Never in the Nix store.";
    };
  };

  config = lib.mkMerge [
    {
      services.hafailover.checks = {
        assertions = {
          consul-witness-off = {
            assertion = consul.role != "witness" || consul.enable;
            message = ''services.hafailover.consul.role is "witness", which does nothing unless consul.enable = true.'';
          };
          consul-witness-key = {
            assertion =
              consul.role != "witness" || cfg.validatorKeyFile == null && cfg.validatorNodeKeyFile == null;
            message = ''
              services.hafailover.validatorKeyFile or validatorNodeKeyFile is set on a witness, which never
              signs: take it out, and keep the key off this machine.'';
          };
        };
        warnings.consul-off = {
          when = consul.peers != { } && !consul.enable;
          message = "services.hafailover.consul.peers is set, but consul.enable is not: this host runs no Consul.";
        };
      };
    }
    (mkIf (enable && httpsApi) {
      services.hafailover.settings.consul = {
        address = mkDefault "https://127.0.0.1:${toString httpsPort}";
        ca_file = mkDefault consul.tls.caFile;
      };
    })
    (mkIf enable {
      services.consul = {
        enable = allowed;
        inherit (consul) package;
        interface.bind = consul.bindInterface;
        extraConfig = settings;
        extraConfigFiles = mkIf (written != { }) [ secretFile ];
      };

      systemd.services.consul = mkIf allowed {
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        # It fails until the address that it binds to is there, and is tried again until then.
        startLimitIntervalSec = 0;
        # A switch restarts it in one step: what takes longer than a few seconds costs the active its lease.
        stopIfChanged = false;
        preStart = mkIf (written != { }) (lib.mkAfter writeSecrets);
        serviceConfig = {
          Restart = lib.mkForce "always";
          RestartSec = mkDefault 1;
          # Memory that is short is not to be found here: without Consul nobody signs.
          OOMScoreAdjust = mkDefault (-920);
          CPUWeight = mkDefault 1000;
          LimitNOFILE = mkDefault 65536;
          LoadCredential = lib.mapAttrsToList (
            name: file: "${name}:${lib.replaceStrings [ "%" ] [ "%%" ] file}"
          ) (lib.filterAttrs (_: file: file != null) credentials);
          RuntimeDirectory = mkIf (written != { }) "consul-secrets";
          RuntimeDirectoryMode = mkIf (written != { }) "0700";

          # What a Consul server does without. Its preparation runs as root and writes below /etc.
          LockPersonality = mkDefault true;
          NoNewPrivileges = mkDefault true;
          PrivateDevices = mkDefault true;
          PrivateTmp = mkDefault true;
          ProtectClock = mkDefault true;
          ProtectControlGroups = mkDefault true;
          ProtectHome = mkDefault true;
          ProtectHostname = mkDefault true;
          ProtectKernelLogs = mkDefault true;
          ProtectKernelModules = mkDefault true;
          ProtectKernelTunables = mkDefault true;
          RestrictAddressFamilies = mkDefault "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
          RestrictNamespaces = mkDefault true;
          RestrictRealtime = mkDefault true;
          RestrictSUIDSGID = mkDefault true;
          SystemCallArchitectures = mkDefault "native";
          # Not 0077: nixpkgs' start script writes a file as root that Consul's user has to read.
          UMask = mkDefault "0022";
        };
      };

      services.hafailover.checks = {
        assertions = {
          consul-unfree = {
            assertion = allowed;
            message = ''
              services.hafailover.consul.enable needs Consul, whose licence (BSL) nixpkgs counts as unfree. Allow it:
              nixpkgs.config.allowUnfreePredicate = pkg: lib.getName pkg == "consul";
              or, with a nixpkgs that has it: nixpkgs.config.allowUnfreePackages = [ "consul" ];'';
          };
          consul-even = {
            assertion = !isServer || alone || lib.mod (lib.length servers) 2 == 1;
            message = ''
              services.hafailover.consul.peers names ${toString (lib.length servers)} servers; an even number survives
              no more losses than one server less. Add a witness (consul.role = "witness") or take one out.'';
          };
          consul-self = {
            assertion = !isServer || alone || consul.peers ? ${nodeName};
            message = ''
              services.hafailover.consul.peers does not name this host: add ${nodeName} = "ADDRESS"; the list is the
              same on all hosts. Or set services.hafailover.nodeName to this host's name in the list.'';
          };
          consul-client = {
            assertion = isServer || consul.peers != { };
            message = ''
              services.hafailover.consul.peers is empty; with role = "client" it must name the Consul
              servers.'';
          };
          consul-client-not-server = {
            assertion = isServer || !(consul.peers ? ${nodeName});
            message = ''
              services.hafailover.consul.role is "client", but consul.peers names ${nodeName} as a server: set the
              role to "server", or move the host to consul.clients.'';
          };
          consul-witness = {
            assertion = consul.role != "witness" || consul.peers != { };
            message = "services.hafailover.consul.peers is empty; a witness needs the servers that it stands beside.";
          };
          consul-addresses = {
            assertion = lib.allUnique (lib.attrValues (consul.peers // consul.clients));
            message = ''
              services.hafailover.consul.peers and consul.clients give one address to two hosts; each has its
              own.'';
          };
          consul-address-form = {
            assertion = wrong == [ ];
            message = ''
              services.hafailover.consul.peers and consul.clients need IP addresses; these are none:
              ${lib.concatStringsSep ", " wrong}.'';
          };
          consul-bind = {
            assertion = consul.bindAddr == null || consul.bindInterface == null;
            message = "services.hafailover.consul.bindAddr and consul.bindInterface are both set; set one of them.";
          };
          consul-bind-missing = {
            assertion = consul.bindInterface != null || bindAddr != null;
            message = ''
              services.hafailover.consul.bindAddr is not set, and consul.clients does not name ${nodeName}; say which
              address of this host Consul is to use.'';
          };
          consul-tls = {
            assertion =
              !consul.tls.enable
              || consul.tls.caFile != null && consul.tls.certFile != null && consul.tls.keyFile != null;
            message = "services.hafailover.consul.tls.enable needs tls.caFile, tls.certFile and tls.keyFile.";
          };
          consul-tls-api = {
            assertion = !consul.tls.api || consul.tls.enable;
            message = "services.hafailover.consul.tls.api is set, but consul.tls.enable is not: there is no certificate.";
          };
          consul-acl = {
            assertion = !(consul.acl.enable && cfg.isHost) || consul.tokenFile != null;
            message = ''
              services.hafailover.consul.acl.enable needs consul.tokenFile: the agent's token, with the policy in
              docs/tokens.md.'';
          };
        };
        warnings = {
          consul-single = {
            when = isServer && lib.length servers <= 1;
            message = ''
              services.hafailover.consul: a single Consul server is one point of failure, and a single host has nobody
              to fail over to. Name three servers in consul.peers.'';
          };
          consul-raft-multiplier = {
            when = consul.raftMultiplier > 2;
            message = ''
              services.hafailover.consul.raftMultiplier is ${toString consul.raftMultiplier}: an election takes longer
              than any timing profile waits, so the loss of Consul's leader stops signing.'';
          };
        };
      };
    })
  ];
}
