# The machines of the tests: `chain` runs the plain validators of a localnet, the others are hosts of one pool.
# `neard` is the path of the binary that all of them run.
{
  pkgs,
  self,
  neard,
}:
let
  chainId = "hafailover-test";
  basePort = 25000;
  # `neard localnet` makes a node's key of its name, so node0's is known before it exists.
  node0 = "ed25519:7PGseFbWxvYVgZ89K1uTJKYoKetWs7BJtbyXDzfbAcqX";
  duration = secs: {
    inherit secs;
    nanos = 0;
  };
  address = node: node.networking.primaryIPAddress;

  # Consul's servers, from the names of their machines; without any, a host has one of its own.
  consul =
    servers:
    { lib, nodes, ... }:
    {
      imports = [ self.nixosModules.default ];

      services.hafailover = {
        enable = true;
        openFirewall = true;
        consul = {
          enable = true;
          peers = lib.genAttrs servers (name: address nodes.${name});
        };
      };
    };
in
rec {
  # Where the test script puts what each host has to be given: the pool's key and the chain's genesis.
  secrets = "/var/lib/hafailover-secrets";
  genesis = "/var/lib/hafailover-genesis/genesis.json";

  # Four validators; the last one is the pool, whose key the hosts share.
  chain =
    { config, lib, ... }:
    {
      virtualisation = {
        memorySize = lib.mkDefault 2048;
        cores = lib.mkDefault 2;
      };
      environment.systemPackages = [
        pkgs.curl
        pkgs.jq
        pkgs.localneard
      ];
      networking.firewall.allowedTCPPortRanges = [
        {
          from = basePort;
          to = basePort + 200;
        }
      ];
      systemd.services.localnet = {
        description = "The plain validators of a localnet";
        wantedBy = [ "multi-user.target" ];
        after = [ "network-online.target" ];
        wants = [ "network-online.target" ];
        path = [ pkgs.localneard ];
        serviceConfig.StateDirectory = "localnet";
        script = ''
          if [ ! -e /var/lib/localnet/net/localnet.json ]; then
            hafailover localnet init --home /var/lib/localnet/net --neard ${neard} --hosts 1 \
              --address ${config.networking.primaryIPAddress} --base-port ${toString basePort} \
              --chain-id ${chainId}
          fi
          exec hafailover localnet up --foreground --home /var/lib/localnet/net
        '';
      };
    };

  # A third vote, and nothing else.
  witness =
    { servers }:
    { lib, ... }:
    {
      imports = [ (consul servers) ];

      virtualisation.memorySize = lib.mkDefault 1024;
      environment.systemPackages = [ pkgs.curl ];
      services.hafailover.consul.role = "witness";
    };

  # A host of the pool. `servers` names the machines with a Consul server.
  host =
    {
      servers ? [ ],
      settings ? { },
    }:
    {
      config,
      lib,
      nodes,
      ...
    }:
    {
      imports = [
        (consul servers)
        settings
      ];

      virtualisation = {
        memorySize = lib.mkDefault 1024;
        cores = lib.mkDefault 2;
      };
      environment.systemPackages = [
        pkgs.curl
        pkgs.jq
      ];

      services.hafailover = {
        accountId = "node3";
        inherit chainId;
        validatorKeyFile = "${secrets}/validator_key.json";
        neard = {
          binary = neard;
          genesisFile = genesis;
          publicAddress = address config;
          bootNodes = [ "${node0}@${address nodes.chain}:${toString basePort}" ];
          settings = {
            network.allow_private_ip_in_public_addrs = true;
            # As the localnet has them.
            consensus = {
              min_num_peers = 1;
              min_block_production_delay = duration 1;
              max_block_production_delay = duration 2;
              max_block_wait_delay = duration 6;
            };
          };
        };
        settings.neard.stop_s = 10;
      };

      systemd.services.keywatch = {
        description = "Notes when neard has a key loaded";
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.python3}/bin/python3 ${./keywatch.py} ${toString config.services.hafailover.neard.rpcPort}";
          StandardOutput = "append:/var/log/keywatch";
        };
      };
    };
}
