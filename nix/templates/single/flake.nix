# One validator host under hafailover. It has nobody to fail over to yet, but from here to a pair is only the list of
# hosts: see the template `cluster`. Replace what is in capitals.
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    hafailover.url = "git+ssh://git@YOUR-GIT-HOST/hafailover";
    hafailover.inputs.nixpkgs.follows = "nixpkgs";
    # The release of neard that your chain runs now.
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
    {
      nixosConfigurations.validator = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          hafailover.nixosModules.default
          ./hardware-configuration.nix
          (
            { lib, pkgs, ... }:
            {
              networking.hostName = "validator";
              nixpkgs.config.allowUnfreePredicate = package: lib.getName package == "consul";

              services.hafailover = {
                enable = true;
                accountId = "mypool.poolv1.near";
                validatorKeyFile = "/var/lib/secrets/validator_key.json";
                neard.package = hafailover.lib.mkNeard {
                  inherit pkgs;
                  src = nearcore;
                  version = "2.13.3";
                };
                consul.enable = true;
                openFirewall = true;
              };
            }
          )
        ];
      };
    };
}
