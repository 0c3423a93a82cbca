# Configurations, and what the module has to say to each: the assertions that fail and the warnings, by name, with words
# that their texts must hold. Nothing else may fire. `set` goes over the host below.
{ lib, pkgs }:
let
  three = {
    host1 = "10.0.0.1";
    host2 = "10.0.0.2";
    host3 = "10.0.0.3";
  };
  key = "/var/lib/secrets/validator_key.json";
  stored = "${builtins.storeDir}/00000000000000000000000000000000-secret";

  fails = name: words: { assertions.${name} = words; };
  warns = name: words: { warnings.${name} = words; };
  case =
    what: set: expected:
    {
      assertions = { };
      warnings = { };
      inherit what set;
    }
    // expected;

  # Each option that names a secret, and what else it takes for the option to count.
  secrets = {
    validatorKeyFile = { };
    validatorNodeKeyFile = { };
    nodeKeyFile = { };
    "consul.tokenFile" = { };
    "consul.tls.keyFile" = { };
    "consul.gossip.keyFile" = { };
    "consul.acl.agentTokenFile" = { };
    "notify.webhookFile" = { };
    "notify.webhookSecretFile" = { };
    "notify.appriseFile" = { };
    "settings.consul.key_file" = { };
    "settings.http.token_file" = { };
    "settings.http.tls_key_file" = { };
    "monitoring.grafana.adminPasswordFile".monitoring.enable = true;
  };
  secretCases =
    option: also:
    let
      id = lib.toLower (lib.replaceStrings [ "." ] [ "-" ] option);
      with' = value: lib.recursiveUpdate also (lib.setAttrByPath (lib.splitString "." option) value);
    in
    [
      (case "${option}: relative" (with' "secrets/key") (
        fails "secret-absolute-${id}" [
          "services.hafailover.${option} is \"secrets/key\""
          "absolute path"
        ]
      ))
      (case "${option}: in the store" (with' stored) (
        fails "secret-in-store-${id}" [
          "services.hafailover.${option} lies in the Nix store"
          "sops-nix"
        ]
      ))
      (case "${option}: fine" (with' "/run/secrets/key") { })
    ];
in
{
  # A sound validator host.
  host = lib.mapAttrsRecursive (_: lib.mkDefault) {
    enable = true;
    accountId = "mypool.poolv1.near";
    validatorKeyFile = key;
    neard.binary = "/opt/neard/neard";
    consul.enable = true;
  };

  cases = [
    (case "a sound host" { } { })
    (case "every option that may be set" {
      chainId = "testnet";
      nodeName = "host2";
      priority = -100;
      promotion = "restart";
      validatorNodeKeyFile = "/var/lib/secrets/node_key.json";
      encryptedCredentials = true;
      neard = {
        home = "/data/neard";
        genesisFile = "/data/genesis.json";
        publicAddress = "[2001:db8::7]:24567";
        validatorRouting = "direct";
        bootNodes = [ "ed25519:86EtEy7epneKyrcJwSWP7zsisTkfDRH5CFVszt4qiQYw@192.0.2.7:24567" ];
        extraArgs = [ "--unsafe-fast-startup" ];
      };
      openFirewall = true;
      consul = {
        clients.host4 = "2001:db8::4";
        tokenFile = "/var/lib/secrets/token";
        gossip.keyFile = "/var/lib/secrets/gossip";
        acl.enable = true;
        acl.agentTokenFile = "/var/lib/secrets/agent";
        tls = {
          enable = true;
          caFile = "/var/lib/consul-tls/ca.pem";
          certFile = "/var/lib/consul-tls/cert.pem";
          keyFile = "/var/lib/consul-tls/key.pem";
        };
      };
    } { })
    (case "a host whose Consul is run by other means" {
      consul.enable = false;
      consul.peers = { };
    } { })
    (case "a client" {
      nodeName = "host4";
      consul.role = "client";
      consul.clients.host4 = "10.0.0.4";
      settings.timing.profile = "wide";
    } { })

    # The pool and this host.
    (case "no account" { accountId = ""; } (
      fails "account" [
        "services.hafailover.accountId is \"\""
        "mypool.poolv1.near"
      ]
    ))
    (case "no account id" { accountId = "My.Pool"; } (fails "account" [ "\"My.Pool\"" ]))
    (case "an account id that is too long" {
      accountId = lib.concatStrings (lib.genList (_: "a") 65);
    } (fails "account" [ "not a NEAR account" ]))
    (case "an implicit account" { accountId = lib.concatStrings (lib.genList (_: "0f") 32); } { })
    (case "a name with a blank" {
      nodeName = "host 1";
      consul.peers = removeAttrs three [ "host1" ] // {
        "host 1" = "10.0.0.1";
      };
    } (fails "node-name" [ "services.hafailover.nodeName is \"host 1\"" ]))
    (case "settings beside their options"
      {
        settings = {
          account_id = "other.poolv1.near";
          validator_key_file = "/root/validator_key.json";
        };
      }
      (
        fails "settings-astray" [
          "account_id and set services.hafailover.accountId"
          "validator_key_file and set services.hafailover.validatorKeyFile"
        ]
      )
    )
    (case "notifications beside their option" { settings.notify.apprise_file = "/root/chat"; } (
      fails "settings-astray" [ "notify.apprise_file and set services.hafailover.notify.appriseFile" ]
    ))
    (case "the routing beside its option" { settings.neard.validator_routing = "direct"; } (
      fails "settings-astray" [ "neard.validator_routing and set services.hafailover.neard.validatorRouting" ]
    ))
    (case "settings as their options" { settings.account_id = "mypool.poolv1.near"; } { })

    # Keys.
    (case "no key" { validatorKeyFile = null; } (
      fails "validator-key" [
        "services.hafailover.validatorKeyFile must be set"
        key
      ]
    ))
    (case "restart without a node key" { promotion = "restart"; } (
      fails "validator-node-key" [ "services.hafailover.validatorNodeKeyFile must be set" ]
    ))
    (case "the key in neard's home" { validatorKeyFile = "/var/lib/neard/validator_key.json"; } (
      fails "neard-key-in-home" [
        "services.hafailover.validatorKeyFile lies in neard.home (/var/lib/neard)"
      ]
    ))
    (case "the key beside neard's home" {
      validatorKeyFile = "/var/lib/neard-keys/validator_key.json";
    } { })

    # neard.
    (case "no neard" { neard.binary = null; } (
      fails "neard-missing" [ "services.hafailover.neard.package or neard.binary must be set" ]
    ))
    (case "two neards" { neard.package = pkgs.hello; } (
      fails "neard-twice" [ "services.hafailover.neard.package and neard.binary are both set" ]
    ))
    (case "a packaged neard" {
      neard.binary = null;
      neard.package = pkgs.hello;
    } { })
    (case "a neard by name" { neard.binary = "neard"; } (
      fails "neard-binary" [ "services.hafailover.neard.binary is \"neard\"" ]
    ))
    (case "a neard out of sight" { neard.binary = "/root/neard"; } (
      fails "neard-binary" [
        "/root/neard"
        "does not see"
      ]
    ))
    (case "a genesis by name" { neard.genesisFile = "genesis.json"; } (
      fails "neard-genesis" [ "services.hafailover.neard.genesisFile is \"genesis.json\"" ]
    ))
    (case "a home at the top" { neard.home = "/neard"; } (
      fails "neard-home" [ "services.hafailover.neard.home is \"/neard\"" ]
    ))
    (case "a home out of sight" { neard.home = "/home/near/.near"; } (
      fails "neard-home" [ "does not see" ]
    ))
    (case "a public name" { neard.publicAddress = "host1.example.org"; } (
      fails "neard-public-address" [
        "services.hafailover.neard.publicAddress is \"host1.example.org\""
        "192.0.2.7:24567"
      ]
    ))
    (case "brackets without a port" { neard.publicAddress = "[2001:db8::7]"; } (
      fails "neard-public-address" [ "[2001:db8::7]:24567" ]
    ))
    (case "one port for two things" { neard.rpcPort = 24567; } (
      fails "neard-ports" [ "services.hafailover.neard.port and neard.rpcPort are both 24567" ]
    ))
    (case "settings of neard beside their options" { settings.neard.home = "/srv/neard"; } (
      fails "neard-settings-astray" [ "services.hafailover.neard.home" ]
    ))
    (case "all shards" { neard.settings.tracked_shards_config = "AllShards"; } (
      fails "neard-shards" [
        "services.hafailover.neard.settings.tracked_shards_config is \"AllShards\""
        "{ ShadowValidator = \"mypool.poolv1.near\"; }"
      ]
    ))
    (case "another's shards" { neard.settings.tracked_shards_config.ShadowValidator = "other.near"; } (
      fails "neard-shards" [ "other.near" ]
    ))
    (case "all shards, and a restart" {
      promotion = "restart";
      validatorNodeKeyFile = "/var/lib/secrets/node_key.json";
      neard.settings.tracked_shards_config = "AllShards";
    } { })
    (case "an open RPC" { neard.settings.rpc.addr = "0.0.0.0:3030"; } (
      warns "neard-rpc" [ "services.hafailover.neard.settings.rpc.addr is 0.0.0.0:3030" ]
    ))

    # Consul.
    (case "Consul not allowed"
      {
        consul.package = pkgs.consul // {
          meta = pkgs.consul.meta // {
            license.free = false;
            available = false;
          };
        };
      }
      (
        fails "consul-unfree" [
          "services.hafailover.consul.enable"
          "nixpkgs.config.allowUnfreePredicate = pkg: lib.getName pkg == \"consul\";"
          "nixpkgs.config.allowUnfreePackages"
        ]
      )
    )
    (case "two servers" { consul.peers = removeAttrs three [ "host3" ]; } (
      fails "consul-even" [
        "services.hafailover.consul.peers names 2 servers"
        "consul.role = \"witness\""
      ]
    ))
    (case "one server" { consul.peers = { }; } (warns "consul-single" [ "one point of failure" ]))
    (case "one server by name" {
      consul.peers = removeAttrs three [
        "host2"
        "host3"
      ];
    } (warns "consul-single" [ "Name three servers in consul.peers" ]))
    (case "a host that is not in its list" { nodeName = "host9"; } {
      assertions = {
        consul-self = [
          "services.hafailover.consul.peers does not name this host"
          "host9 = \"ADDRESS\""
        ];
        consul-bind-missing = [ "services.hafailover.consul.bindAddr" ];
      };
    })
    (case "one address for two" {
      consul.peers = three // {
        host3 = "10.0.0.1";
      };
    } (fails "consul-addresses" [ "services.hafailover.consul.peers" ]))
    (case "names for addresses" {
      consul.peers = three // {
        host3 = "host3.example.org";
      };
    } (fails "consul-address-form" [ "need IP addresses; these are none: host3.example.org" ]))
    (case "an address and an interface" {
      consul.bindAddr = "10.0.0.1";
      consul.bindInterface = "wg0";
    } (fails "consul-bind" [ "services.hafailover.consul.bindAddr and consul.bindInterface" ]))
    (case "an interface" { consul.bindInterface = "wg0"; } { })
    (case "a client without servers"
      {
        consul = {
          role = "client";
          peers = { };
          bindAddr = "10.0.0.4";
        };
        settings.timing.profile = "wide";
      }
      (
        fails "consul-client" [
          "services.hafailover.consul.peers is empty"
          "role = \"client\""
        ]
      )
    )
    (case "a client among the servers" {
      consul.role = "client";
      settings.timing.profile = "wide";
    } (fails "consul-client-not-server" [ "consul.peers names host1 as a server" ]))
    (case "a client without an address" {
      nodeName = "host4";
      consul.role = "client";
      settings.timing.profile = "wide";
    } (fails "consul-bind-missing" [ "consul.clients does not name host4" ]))
    (case "TLS without files" { consul.tls.enable = true; } (
      fails "consul-tls" [ "services.hafailover.consul.tls.enable needs tls.caFile, tls.certFile" ]
    ))
    (case "HTTPS without TLS" { consul.tls.api = true; } (
      fails "consul-tls-api" [ "services.hafailover.consul.tls.api is set, but consul.tls.enable is not" ]
    ))
    (case "HTTPS" {
      consul.tls = {
        enable = true;
        api = true;
        caFile = "/var/lib/consul-tls/ca.pem";
        certFile = "/var/lib/consul-tls/cert.pem";
        keyFile = "/var/lib/consul-tls/key.pem";
      };
    } { })
    (case "ACL without a token" { consul.acl.enable = true; } (
      fails "consul-acl" [ "services.hafailover.consul.acl.enable needs consul.tokenFile" ]
    ))
    (case "a slow Consul"
      {
        consul.raftMultiplier = 5;
        settings.timing.profile = "wide";
      }
      {
        warnings = {
          consul-raft-multiplier = [ "services.hafailover.consul.raftMultiplier is 5" ];
          timing-election = [ "23 s" ];
        };
      }
    )
    (case "peers without Consul" { consul.enable = false; } (
      warns "consul-off" [ "services.hafailover.consul.peers is set, but consul.enable is not" ]
    ))

    # A witness.
    (case "a witness" {
      nodeName = "host3";
      consul.role = "witness";
      accountId = "";
      validatorKeyFile = null;
      neard.binary = null;
    } { })
    (case "a witness alone"
      {
        consul.role = "witness";
        consul.peers = { };
        accountId = "";
        validatorKeyFile = null;
        neard.binary = null;
      }
      {
        assertions.consul-witness = [ "services.hafailover.consul.peers is empty; a witness" ];
        warnings.consul-single = [ "one point of failure" ];
      }
    )
    (case "a witness with the key" { consul.role = "witness"; } (
      fails "consul-witness-key" [ "services.hafailover.validatorKeyFile" ]
    ))
    (case "a witness without Consul"
      {
        consul = {
          role = "witness";
          enable = false;
          peers = { };
        };
        validatorKeyFile = null;
      }
      {
        assertions = {
          consul-witness-off = [ "unless consul.enable = true" ];
          # It would run neard, then, and that needs a key.
          validator-key = [ ];
        };
      }
    )

    # Timing; the rules themselves are in ../timing-cases.json.
    (case "no such profile" { settings.timing.profile = "slow"; } (
      fails "timing-profile" [
        "services.hafailover.settings.timing.profile is \"slow\""
        "default, fast, wide"
      ]
    ))
    (case "too short to elect" { settings.timing.profile = "fast"; } (
      warns "timing-election" [
        "services.hafailover.settings.timing.fence_after_s is 5"
        "7 s"
        "timing.profile = \"wide\""
      ]
    ))
    (case "a client with the servers' timing" {
      nodeName = "host4";
      consul.role = "client";
      consul.clients.host4 = "10.0.0.4";
    } (warns "timing-election" [ "10 s" ]))

    (case "monitoring cannot read the address" {
      monitoring.enable = true;
      settings.consul.address = "consul.example.org";
    } (fails "monitoring-consul-address" [ "consul.example.org" ]))
  ]
  ++ lib.concatLists (lib.mapAttrsToList secretCases secrets);

  # Where a case says nothing else.
  peers = three;
}
