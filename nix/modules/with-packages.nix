# What the flake offers: the module, with the flake's own package where `pkgs` has none.
{ overlay }:
{ lib, pkgs, ... }:
{
  imports = [ ./. ];

  services.hafailover.package = lib.mkDefault (pkgs.hafailover or (pkgs.extend overlay).hafailover);
}
