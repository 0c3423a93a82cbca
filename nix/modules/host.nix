# What neard looks at in the kernel when it starts, and complains of (neard/src/cli.rs, scripts/set_kernel_params.sh).
{ config, lib, ... }:
let
  inherit (lib) mkDefault;
  cfg = config.services.hafailover;
in
{
  options.services.hafailover.kernelTuning.enable =
    lib.mkEnableOption "the network settings of the kernel that neard asks for"
    // {
      default = true;
    };

  config = lib.mkIf (cfg.isHost && cfg.kernelTuning.enable) {
    boot.kernelModules = [ "tcp_bbr" ];
    boot.kernel.sysctl = {
      "net.core.rmem_max" = mkDefault 8388608;
      "net.core.wmem_max" = mkDefault 8388608;
      "net.ipv4.tcp_rmem" = mkDefault "4096 87380 8388608";
      "net.ipv4.tcp_wmem" = mkDefault "4096 16384 8388608";
      "net.ipv4.tcp_slow_start_after_idle" = mkDefault 0;
      "net.ipv4.tcp_mtu_probing" = mkDefault 1;
      "net.ipv4.tcp_max_syn_backlog" = mkDefault 8096;
      "net.ipv4.tcp_congestion_control" = mkDefault "bbr";
      "net.core.default_qdisc" = mkDefault "fq";
    };
  };
}
