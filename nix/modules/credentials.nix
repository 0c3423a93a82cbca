# Secrets: always paths that exist when the machine runs, handed to the services by systemd, never copied into the
# store.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.services.hafailover;

  secrets = {
    inherit (cfg) validatorKeyFile validatorNodeKeyFile nodeKeyFile;
    "consul.tokenFile" = cfg.consul.tokenFile;
    "settings.consul.key_file" = cfg.settings.consul.key_file or null;
    "settings.http.token_file" = cfg.settings.http.token_file or null;
    "settings.http.tls_key_file" = cfg.settings.http.tls_key_file or null;
    "consul.tls.keyFile" = cfg.consul.tls.keyFile;
    "consul.gossip.keyFile" = cfg.consul.gossip.keyFile;
    "consul.acl.agentTokenFile" = cfg.consul.acl.agentTokenFile;
    "notify.webhookFile" = cfg.notify.webhookFile;
    "notify.webhookSecretFile" = cfg.notify.webhookSecretFile;
    "notify.appriseFile" = cfg.notify.appriseFile;
  };
  id = name: lib.toLower (lib.replaceStrings [ "." ] [ "-" ] name);
  checks = name: value: {
    "secret-absolute-${id name}" = {
      assertion = value == null || lib.hasPrefix "/" value;
      message = ''
        services.hafailover.${name} is "${toString value}"; it must be an absolute path on the running
        machine.'';
    };
    "secret-in-store-${id name}" = {
      assertion = value == null || !(lib.hasPrefix builtins.storeDir value);
      message = ''
        services.hafailover.${name} lies in the Nix store, which everybody can read. Put the secret on the
        machine by other means (scp, agenix, sops-nix) and give its path there as a string in quotes.'';
    };
  };
  path =
    about:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "${about} A path on the running machine, as a string; never in the Nix store.";
    };
in
{
  options.services.hafailover = {
    validatorKeyFile = path "The pool's key (validator_key.json), the same on all hosts." // {
      example = "/var/lib/secrets/validator_key.json";
    };
    validatorNodeKeyFile = path ''
      With `promotion = "restart"`: the node key that goes with the validator key, the same on all
      hosts.'';
    nodeKeyFile = path "This host's own node key. Without it, neard makes one at its first start.";

    encryptedCredentials = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the files named by `validatorKeyFile`, `validatorNodeKeyFile`, `nodeKeyFile`, `consul.tokenFile`,
        `settings.consul.key_file`, `notify.webhookFile`, `notify.webhookSecretFile`, `notify.appriseFile`,
        `settings.http.token_file` and `settings.http.tls_key_file` are encrypted by systemd-creds(1), each under the
        name of the credential that it becomes: `validator_key`, `validator_node_key`, `node_key`, `consul_token`,
        `consul_key`, `notify_webhook`, `notify_secret`, `notify_apprise`, `http_token`, `http_key`.
      '';
    };

    loadCredentials = mkOption {
      type = types.functionTo types.attrs;
      internal = true;
      readOnly = true;
      description = "A service's settings for its credentials, of which those that are null are left out.";
      default = files: {
        ${if cfg.encryptedCredentials then "LoadCredentialEncrypted" else "LoadCredential"} =
          # '%' begins one of systemd's own placeholders.
          lib.mapAttrsToList (name: file: "${name}:${lib.replaceStrings [ "%" ] [ "%%" ] file}") (
            lib.filterAttrs (_: file: file != null) files
          );
      };
    };
  };

  config.services.hafailover.checks.assertions = lib.mkMerge [
    (lib.concatMapAttrs checks secrets)
    (mkIf cfg.isHost {
      validator-key = {
        assertion = cfg.validatorKeyFile != null;
        message = ''
          services.hafailover.validatorKeyFile must be set: the path of the pool's validator_key.json on this
          machine, outside of neard's home, such as "/var/lib/secrets/validator_key.json".'';
      };
      validator-node-key = {
        assertion = cfg.promotion != "restart" || cfg.validatorNodeKeyFile != null;
        message = ''
          services.hafailover.validatorNodeKeyFile must be set with promotion = "restart": the node key that goes
          with the validator key.'';
      };
    })
  ];
}
