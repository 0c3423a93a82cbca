# Only the ports that are needed, and Consul's to its own hosts only.
{ config, lib, ... }:
let
  cfg = config.services.hafailover;
  inherit (cfg) consul nodeName;

  isSix = lib.hasInfix ":";
  hosts = lib.attrValues (removeAttrs (consul.peers // consul.clients) [ nodeName ]);
  four = lib.filter (address: !isSix address) hosts;
  six = lib.filter isSix hosts;
  # 8300: Consul's servers; 8301: gossip.
  ports = "8300,8301";

  iptables =
    command: address:
    lib.concatMapStrings
      (protocol: ''
        ${command} -A nixos-fw -p ${protocol} -s ${address} -m multiport --dports ${ports} -j nixos-fw-accept
      '')
      [
        "tcp"
        "udp"
      ];
  nftables =
    family: addresses:
    lib.optionalString (addresses != [ ]) (
      lib.concatMapStrings
        (protocol: ''
          ${family} saddr { ${lib.concatStringsSep ", " addresses} } ${protocol} dport { ${ports} } accept
        '')
        [
          "tcp"
          "udp"
        ]
    );
  consulRules = consul.enable && hosts != [ ];
in
{
  options.services.hafailover.openFirewall = lib.mkOption {
    type = lib.types.bool;
    default = false;
    description = ''
      Whether to open the ports that hafailover needs: neard's (`neard.port`) to everybody, Consul's to the addresses
      in `consul.peers` and `consul.clients`. Nothing else is ever reached from outside.
    '';
  };

  config = lib.mkIf (cfg.enable && cfg.openFirewall) {
    networking.firewall = {
      allowedTCPPorts = lib.mkIf cfg.isHost [ cfg.neard.port ];
      extraCommands = lib.mkIf (consulRules && !config.networking.nftables.enable) (
        lib.concatMapStrings (iptables "iptables") four + lib.concatMapStrings (iptables "ip6tables") six
      );
      extraInputRules = lib.mkIf (consulRules && config.networking.nftables.enable) (
        nftables "ip" four + nftables "ip6" six
      );
    };
  };
}
