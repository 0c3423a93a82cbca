# Two validator hosts and a witness. Replace what is in capitals and what begins with 10.0.0.
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    hafailover.url = "git+ssh://git@YOUR-GIT-HOST/hafailover";
    hafailover.inputs.nixpkgs.follows = "nixpkgs";
    # The release of neard that your chain runs now, the same on both hosts.
    nearcore.url = "github:near/nearcore/2.13.3";
    nearcore.flake = false;
  };

  outputs =
    {
      nixpkgs,
      hafailover,
      nearcore,
      ...
    }:
    let
      inherit (nixpkgs) lib;

      # All Consul servers, by their addresses in a network that only these machines can reach.
      peers = {
        host1 = "10.0.0.1";
        host2 = "10.0.0.2";
        witness = "10.0.0.3";
      };

      machine =
        name: settings:
        lib.nixosSystem {
          system = "x86_64-linux";
          modules = [
            hafailover.nixosModules.default
            # One such file for each machine, once they differ.
            ./hardware-configuration.nix
            settings
            {
              networking.hostName = name;
              nixpkgs.config.allowUnfreePredicate = package: lib.getName package == "consul";

              services.hafailover = {
                enable = true;
                openFirewall = true;
                consul.enable = true;
                consul.peers = peers;
              };
            }
          ];
        };

      validator =
        priority:
        { pkgs, ... }:
        {
          services.hafailover = {
            inherit priority;
            accountId = "mypool.poolv1.near";
            validatorKeyFile = "/var/lib/secrets/validator_key.json";
            neard.package = hafailover.lib.mkNeard {
              inherit pkgs;
              src = nearcore;
              version = "2.13.3";
            };
          };
        };
    in
    {
      nixosConfigurations = {
        host1 = machine "host1" (validator 10);
        host2 = machine "host2" (validator 0);
        # No neard, no key: it only counts, so that the other two are a majority without each other.
        witness = machine "witness" { services.hafailover.consul.role = "witness"; };
      };
    };
}
