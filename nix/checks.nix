# The checks that need no machine: packages, what the module says of wrong configurations, and the form of the .nix
# files.
{ pkgs, self }:
let
  sources = pkgs.lib.fileset.toSource {
    root = ../.;
    fileset = pkgs.lib.fileset.unions [
      ../flake.nix
      ../nix
    ];
  };
  lint =
    name: tools: script:
    pkgs.runCommand "hafailover-${name}" { nativeBuildInputs = tools; } ''
      cd ${sources}
      ${script}
      touch $out
    '';
in
{
  package = pkgs.hafailover;
  stand-in = pkgs.localneard;
  shell = self.devShells.${pkgs.stdenv.hostPlatform.system}.default;
  module-eval = import ./tests/module-eval.nix { inherit pkgs self; };

  nixfmt = lint "nixfmt" [ pkgs.nixfmt ] ''
    find . -name '*.nix' -exec nixfmt --check {} +
  '';
  statix = lint "statix" [ pkgs.statix ] ''
    statix check .
  '';
  deadnix = lint "deadnix" [ pkgs.deadnix ] ''
    deadnix --fail .
  '';
}
