# services.hafailover: one file a concern.
{
  imports = [
    ./checks.nix
    ./settings.nix
    ./timing.nix
    ./credentials.nix
    ./agent.nix
    ./neard.nix
    ./consul.nix
    ./firewall.nix
    ./host.nix
    ./monitoring.nix
    ./notify.nix
  ];
}
