# Whom the agent tells of changes. The files hold URLs, and whoever has one can write to its channel.
{ config, lib, ... }:
let
  inherit (lib) mkDefault mkIf mkOption;
  cfg = config.services.hafailover;
  inherit (cfg) notify;

  # Each with the setting, and the credential that it becomes.
  files = {
    webhook_file = {
      file = notify.webhookFile;
      credential = "notify_webhook";
    };
    webhook_secret_file = {
      file = notify.webhookSecretFile;
      credential = "notify_secret";
    };
    apprise_file = {
      file = notify.appriseFile;
      credential = "notify_apprise";
    };
  };
  given = lib.filterAttrs (_: one: one.file != null) files;
  path =
    about:
    mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "${about} A path on the running machine, as a string; never in the Nix store.";
    };
in
{
  options.services.hafailover.notify = {
    webhookFile = path "File with the URLs of webhooks, one a line (docs/notifications.md).";
    webhookSecretFile = path "File with the secret that webhooks are signed with.";
    appriseFile = path "File with the URLs of other services, as apprise has them, one a line.";
  };

  config = mkIf cfg.isHost {
    systemd.services.hafailover = {
      serviceConfig = mkIf (given != { }) (
        cfg.loadCredentials (lib.mapAttrs' (_: one: lib.nameValuePair one.credential one.file) given)
      );
      # The settings' file names the operator's own paths, for root's `hafailover notify test`.
      environment = lib.mapAttrs' (
        setting: one: lib.nameValuePair "HAFAILOVER_NOTIFY__${lib.toUpper setting}" "%d/${one.credential}"
      ) given;
    };

    # Nobody but the service can read an encrypted one.
    services.hafailover.settings = mkIf (given != { } && !cfg.encryptedCredentials) {
      notify = lib.mapAttrs (_: one: mkDefault one.file) given;
    };
  };
}
