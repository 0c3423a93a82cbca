# The module in whole NixOS systems: no assertion of NixOS or of ours fails, and what it makes of its options is what
# the options promise. `failures` lists what is not so.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  inherit (import ./cases.nix { inherit lib pkgs; }) host peers;

  system =
    nixpkgs: modules:
    (import (pkgs.path + "/nixos/lib/eval-config.nix") {
      inherit lib;
      system = null;
      modules = [
        self.nixosModules.default
        {
          inherit nixpkgs;
          boot.loader.grub.enable = false;
          fileSystems."/" = {
            device = "/dev/disk/by-label/nixos";
            fsType = "ext4";
          };
          system.stateVersion = lib.trivial.release;
          networking.hostName = "host1";
          services.hafailover = host;
        }
      ]
      ++ modules;
    }).config;
  good = set: system { inherit pkgs; } (lib.toList set);

  single = good { services.hafailover.openFirewall = true; };
  ranked = good {
    services.hafailover.priority = 7;
    services.hafailover.settings.standby.min_peers = 3;
  };
  wide = good { services.hafailover.settings.timing.profile = "wide"; };
  full = good {
    services.hafailover = {
      promotion = "restart";
      encryptedCredentials = true;
      validatorNodeKeyFile = "/var/lib/secrets/100%.json";
      notify.webhookFile = "/var/lib/secrets/hooks";
      nodeKeyFile = "/var/lib/secrets/own.json";
      openFirewall = true;
      neard = {
        home = "/data/neard";
        genesisFile = "/data/genesis.json";
        extraArgs = [ "--archive" ];
      };
      settings.timing.fence_after_s = 8;
      consul = {
        inherit peers;
        clients.host4 = "2001:db8::4";
        tokenFile = "/var/lib/secrets/token";
        gossip.keyFile = "/var/lib/secrets/gossip";
        acl.enable = true;
        acl.agentTokenFile = "/var/lib/secrets/agent";
        tls = {
          enable = true;
          api = true;
          caFile = "/var/lib/consul-tls/ca.pem";
          certFile = "/var/lib/consul-tls/cert.pem";
          keyFile = "/var/lib/consul-tls/key.pem";
        };
      };
    };
  };
  witness = good {
    networking.hostName = lib.mkForce "host3";
    networking.nftables.enable = true;
    services.hafailover = {
      openFirewall = true;
      accountId = "";
      validatorKeyFile = null;
      consul = {
        inherit peers;
        clients.host4 = "2001:db8::4";
        role = "witness";
      };
    };
  };
  overridden = good {
    systemd.services.neard.serviceConfig.OOMScoreAdjust = -500;
    systemd.services.hafailover.startLimitIntervalSec = 60;
    boot.kernel.sysctl."net.ipv4.tcp_congestion_control" = "cubic";
    services.hafailover = {
      settings.consul = {
        address = "https://127.0.0.1:8501";
        cert_file = "/etc/ssl/consul.pem";
        key_file = "/var/lib/secrets/consul.key";
      };
      consul.enable = lib.mkForce false;
      neard.settings.rpc.addr = "127.0.0.1:3333";
    };
  };
  reached = good {
    services.hafailover = {
      monitoring.enable = true;
      settings = {
        listen = "10.0.0.1:2233";
        http = {
          token_file = "/var/lib/secrets/http-token";
          tls_cert_file = "/etc/ssl/host1.pem";
          tls_key_file = "/var/lib/secrets/host1-key.pem";
        };
      };
    };
  };
  off = system { inherit pkgs; } [ { services.hafailover.enable = lib.mkForce false; } ];
  # A nixpkgs of its own, in which nobody has allowed an unfree licence.
  refused = system { hostPlatform = pkgs.stdenv.hostPlatform.system; } [ ];

  failed =
    config: map (check: check.message) (lib.filter (check: !check.assertion) config.assertions);
  sound = what: config: map (text: "${what}: ${text}") (failed config);

  agent = config: config.systemd.services.hafailover;
  neard = config: config.systemd.services.neard;
  consul = config: config.systemd.services.consul;
  has = part: whole: lib.hasInfix part (toString whole);

  # Every directive of a unit's file stands in the service, and where no placeholder is in it, with its value.
  saysUnit =
    what: service: file:
    let
      unit = lib.importTOML file;
      text = value: if lib.isBool value then lib.boolToString value else toString value;
      same =
        given: key: value:
        given ? ${key} && (lib.hasInfix "@" (text value) || text given.${key} == text value);
      absent =
        given: section: lib.attrNames (lib.filterAttrs (key: value: !(same given key value)) section);
      rest = removeAttrs unit.Unit [ "Description" ];
    in
    map (key: "${what}: ${key} is not what ${baseNameOf file} says") (
      absent service.serviceConfig unit.Service ++ absent service.unitConfig rest
    );

  facts = {
    "the agent pulls nothing along" =
      let
        inherit (agent single) requires bindsTo partOf;
      in
      requires ++ bindsTo ++ partOf == [ ];
    "the agent restarts in one step" = !(agent single).stopIfChanged;
    "another priority reloads the agent, another profile restarts it" =
      (agent ranked).restartTriggers == (agent single).restartTriggers
      && (agent wide).restartTriggers != (agent single).restartTriggers
      && (agent ranked).reloadTriggers != (agent single).reloadTriggers;
    "a switch leaves neard alone" = !(neard single).restartIfChanged && !(neard single).stopIfChanged;
    "a switch restarts Consul in one step" = !(consul single).stopIfChanged;
    "neard's home below /var/lib is made by systemd" =
      (neard single).serviceConfig.StateDirectory == "neard"
      && !(single.systemd.tmpfiles.settings ? hafailover);
    "neard's home elsewhere is made by tmpfiles" =
      !((neard full).serviceConfig ? StateDirectory)
      && full.systemd.tmpfiles.settings.hafailover."/data/neard".d.mode == "0750";
    "neard may write to its home" = (neard full).serviceConfig.ReadWritePaths == "/data/neard";
    "the home is made ready before neard" =
      has "prepare-home --config /etc/hafailover/config.toml" (
        lib.replaceStrings [ "\"" ] [ "" ] (toString (neard full).serviceConfig.ExecStartPre)
      )
      && has "/data/genesis.json" (neard full).serviceConfig.ExecStartPre;
    "the guard gets the key" =
      (neard single).serviceConfig.LoadCredential == [
        "validator_key:/var/lib/secrets/validator_key.json"
      ];
    "the guard gets encrypted keys" =
      (neard full).serviceConfig.LoadCredentialEncrypted == [
        "node_key:/var/lib/secrets/own.json"
        "validator_key:/var/lib/secrets/validator_key.json"
        "validator_node_key:/var/lib/secrets/100%%.json"
      ];
    "the agent gets no key" = (agent single).serviceConfig.LoadCredential == [ ];
    "the agent gets its token" =
      (agent full).serviceConfig.LoadCredentialEncrypted == [
        "consul_token:/var/lib/secrets/token"
        "notify_webhook:/var/lib/secrets/hooks"
      ]
      && (agent full).environment.HAFAILOVER_NOTIFY__WEBHOOK_FILE == "%d/notify_webhook"
      && (agent full).environment.HAFAILOVER_CONSUL__TOKEN_FILE == "%d/consul_token"
      && !(full.services.hafailover.settings ? consul.token_file);
    "agent and commands speak HTTPS with Consul where they are to" =
      full.services.hafailover.settings.consul.address == "https://127.0.0.1:8501"
      && full.services.hafailover.settings.consul.ca_file == "/var/lib/consul-tls/ca.pem"
      && full.services.consul.extraConfig.ports.https == 8501
      && !(single.services.hafailover.settings ? consul.address)
      && !(single.services.consul.extraConfig ? ports);
    "the agent gets its TLS key" =
      (agent overridden).serviceConfig.LoadCredential == [ "consul_key:/var/lib/secrets/consul.key" ]
      && (agent overridden).environment.HAFAILOVER_CONSUL__KEY_FILE == "%d/consul_key";
    "the agent gets what its HTTP needs, and Prometheus the token" =
      let
        inherit (lib.head reached.services.prometheus.scrapeConfigs) scheme authorization;
      in
      (agent reached).serviceConfig.LoadCredential == [
        "http_key:/var/lib/secrets/host1-key.pem"
        "http_token:/var/lib/secrets/http-token"
      ]
      && (agent reached).environment.HAFAILOVER_HTTP__TOKEN_FILE == "%d/http_token"
      && (agent reached).environment.HAFAILOVER_HTTP__TLS_KEY_FILE == "%d/http_key"
      && scheme == "https"
      && authorization.credentials_file == "/run/credentials/prometheus.service/http_token"
      && reached.systemd.services.prometheus.serviceConfig.LoadCredential == [
        "http_token:/var/lib/secrets/http-token"
      ];
    "the watchdog follows the timing" =
      lib.elem (agent single).serviceConfig.WatchdogSec [
        "2"
        "2.0"
      ]
      && (neard full).serviceConfig.WatchdogSec == "3.5";
    "neard's RPC is told to the agent" =
      overridden.services.hafailover.settings.neard.rpc_address == "127.0.0.1:3333";
    "a host has the last word" =
      (neard overridden).serviceConfig.OOMScoreAdjust == -500
      && toString (agent overridden).unitConfig.StartLimitIntervalSec == "60"
      && overridden.boot.kernel.sysctl."net.ipv4.tcp_congestion_control" == "cubic";

    "one server stays on loopback" =
      single.services.consul.extraConfig.bind_addr == "127.0.0.1"
      && single.services.consul.extraConfig.bootstrap_expect == 1
      && single.services.consul.extraConfig.retry_join == [ ];
    "three servers find each other" =
      full.services.consul.extraConfig.bind_addr == "10.0.0.1"
      && full.services.consul.extraConfig.bootstrap_expect == 3
      &&
        full.services.consul.extraConfig.retry_join == [
          "10.0.0.2"
          "10.0.0.3"
        ];
    "Consul's secrets are credentials" =
      (consul full).serviceConfig.LoadCredential == [
        "agent_token:/var/lib/secrets/agent"
        "gossip_key:/var/lib/secrets/gossip"
        "tls_ca:/var/lib/consul-tls/ca.pem"
        "tls_cert:/var/lib/consul-tls/cert.pem"
        "tls_key:/var/lib/consul-tls/key.pem"
      ];
    "Consul's configuration names no secret's file" =
      !(has "/var/lib/secrets" full.environment.etc."consul.json".text);
    "a witness has Consul alone" =
      witness.systemd.services ? consul
      && !(witness.systemd.services ? neard || witness.systemd.services ? hafailover)
      && !(witness.users.users ? neard)
      && !(witness.environment.etc ? "hafailover/config.toml");
    "a host without the module has nothing of it" =
      !(
        off.systemd.services ? neard || off.systemd.services ? hafailover || off.systemd.services ? consul
      );

    "neard's port is open to all" = single.networking.firewall.allowedTCPPorts == [ 24567 ];
    "a single host opens nothing for Consul" = !(has "8300" single.networking.firewall.extraCommands);
    "Consul's ports are open to its hosts (iptables)" =
      has "iptables -A nixos-fw -p tcp -s 10.0.0.2 " full.networking.firewall.extraCommands
      && has "ip6tables -A nixos-fw -p udp -s 2001:db8::4 " full.networking.firewall.extraCommands
      && !(has "10.0.0.1" full.networking.firewall.extraCommands);
    "Consul's ports are open to its hosts (nftables)" =
      has "ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport { 8300,8301 } accept" witness.networking.firewall.extraInputRules
      && has "ip6 saddr { 2001:db8::4 } udp dport" witness.networking.firewall.extraInputRules
      && witness.networking.firewall.allowedTCPPorts == [ ];

    "a Consul that is not allowed is explained" = lib.any (has "allowUnfreePredicate") (failed refused);
  };
in
{
  failures =
    sound "single" single
    ++ sound "full" full
    ++ sound "witness" witness
    ++ sound "overridden" overridden
    ++ sound "off" off
    ++ saysUnit "hafailover.service" (agent single) ../../src/hafailover/units/hafailover.toml
    ++ saysUnit "neard.service" (neard single) ../../src/hafailover/units/neard.toml
    ++ map (fact: "not so: ${fact}") (lib.attrNames (lib.filterAttrs (_: holds: !holds) facts));
}
