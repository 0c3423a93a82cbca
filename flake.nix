{
  description = "hafailover: automatic failover for NEAR validators, exactly one signer";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      # The tests and the development shell run Consul, which is unfree (BSL); nothing else may be.
      pkgsFor =
        system:
        import nixpkgs {
          inherit system;
          overlays = [ self.overlays.default ];
          config.allowUnfreePredicate = package: lib.getName package == "consul";
        };
      eachSystem = make: lib.genAttrs systems (system: make (pkgsFor system));
    in
    {
      overlays.default = import ./nix/overlay.nix;

      nixosModules = {
        hafailover = import ./nix/modules/with-packages.nix { overlay = self.overlays.default; };
        default = self.nixosModules.hafailover;
      };

      lib = {
        mkNeard = import ./nix/packages/neard.nix;

        # The failover test with a real neard; it takes long to build, so it is not among the checks.
        realNeardTest =
          {
            system,
            src,
            version,
          }:
          import ./nix/tests/real-neard.nix {
            inherit self src version;
            pkgs = pkgsFor system;
          };
      };

      packages = eachSystem (pkgs: {
        inherit (pkgs) hafailover localneard;
        default = pkgs.hafailover;
      });

      apps = eachSystem (pkgs: import ./nix/apps.nix { inherit pkgs; });

      devShells = eachSystem (pkgs: {
        default = import ./nix/shell.nix { inherit pkgs; };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt);

      checks = eachSystem (
        pkgs: import ./nix/checks.nix { inherit pkgs self; } // import ./nix/tests { inherit pkgs self; }
      );

      templates = {
        single = {
          path = ./nix/templates/single;
          description = "One validator host with hafailover: the start of a failover pair";
        };
        cluster = {
          path = ./nix/templates/cluster;
          description = "Two validator hosts and a witness: a failover pair";
        };
        default = self.templates.cluster;
      };
    };
}
