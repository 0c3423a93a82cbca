# Every test by name; `nix flake check` runs them all.
{ pkgs, self }:
{
}
