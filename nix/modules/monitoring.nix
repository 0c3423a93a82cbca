# Prometheus, its rules, Grafana and a node exporter, all on loopback, watching this host.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    optional
    types
    ;
  cfg = config.services.hafailover;
  cfgM = cfg.monitoring;
  enable = cfg.enable && cfgM.enable;

  # Where they listen, as the settings that they really use have it.
  listen = cfg.settings.listen or "127.0.0.1:2233";
  rpc = cfg.neard.settings.rpc.addr or "127.0.0.1:${toString cfg.neard.rpcPort}";
  consul = cfg.settings.consul or { };
  consulUrl = builtins.match "(https?)://([^/]+)/?" (consul.address or "http://127.0.0.1:8500");
  consulTokenFile = consul.token_file or cfg.consul.tokenFile;
  http = cfg.settings.http or { };
  httpTokenFile = http.token_file or null;
  hasHttpToken = httpTokenFile != null && targetsOf "hafailover" != [ ];
  hasConsulToken = consulTokenFile != null && targetsOf "consul" != [ ];

  inherit (config.services) prometheus;
  exporter = prometheus.exporters.node;
  own =
    optional cfg.isHost { hafailover = listen; }
    ++ optional cfg.isHost { neard = rpc; }
    ++ optional cfg.consul.enable { consul = lib.last consulUrl; }
    ++ [ { node = "${exporter.listenAddress}:${toString exporter.port}"; } ];

  # The rules join the jobs of a host by `instance`, so that is the host's name and not an address.
  target = name: address: {
    targets = [ address ];
    labels.instance = name;
  };
  targetsOf =
    job:
    map (target cfg.nodeName) (lib.catAttrs job own)
    ++ lib.concatLists (
      lib.mapAttrsToList (
        name: addresses: optional (addresses.${job} != null) (target name addresses.${job})
      ) cfgM.extraTargets
    );
  job =
    name: extra:
    optional (targetsOf name != [ ]) (
      {
        job_name = name;
        scrape_interval = "15s";
        static_configs = targetsOf name;
      }
      // extra
    );

  address =
    what:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Address and port of the host's ${what}.";
    };

  # The page that the alerts name lies on the host, for one who is woken there.
  runbook = "hafailover/runbook.md";
  rules = pkgs.writeText "hafailover-alerts.yml" (
    lib.replaceStrings [ "runbook_url: docs/runbook.md#" ] [ "runbook_url: /etc/${runbook}#" ] (
      lib.readFile ../../src/hafailover/monitoring/alerts.yml
    )
  );

  grafanaDir = config.services.grafana.dataDir;
  secretKeyFile = "${grafanaDir}/hafailover-secret-key";
  ownPasswordFile = "${grafanaDir}/hafailover-admin-password";
  givenPasswordFile = cfgM.grafana.adminPasswordFile;
  passwordFile =
    if givenPasswordFile == null then
      ownPasswordFile
    else
      "/run/credentials/grafana.service/admin_password";
  madeHere = [ secretKeyFile ] ++ optional (givenPasswordFile == null) ownPasswordFile;
in
{
  options.services.hafailover.monitoring = {
    enable = mkEnableOption "Prometheus, alert rules, Grafana and a node exporter on this host";

    prometheus.port = mkOption {
      type = types.port;
      default = 9090;
      description = "Port on which Prometheus listens on loopback.";
    };

    prometheus.retention = mkOption {
      type = types.strMatching "[0-9]+(h|d|w|y)";
      default = "30d";
      description = "How long Prometheus keeps what it has measured.";
    };

    alertmanagers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "10.0.0.9:9093" ];
      description = ''
        Alertmanagers to which Prometheus hands its alerts: address and port. Without one, alerts are seen in
        Prometheus and Grafana, and reach nobody.
      '';
    };

    extraTargets = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            hafailover = address "agent (its `settings.listen`)";
            neard = address "neard RPC";
            consul = address "Consul HTTP API";
            node = address "node exporter";
          };
        }
      );
      default = { };
      example = {
        host2 = {
          hafailover = "10.0.0.2:2233";
          node = "10.0.0.2:9100";
        };
      };
      description = ''
        Other hosts that this Prometheus scrapes too, by `nodeName`. They must listen there, on a private network:
        of these services only the agent can ask for a password. What this host's `settings.http` says of TLS and of
        the token goes for all hosts' agents. Name all hosts of the pool or none, since the rules on the pool as a
        whole count the hosts that are active.
      '';
    };

    grafana = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether Grafana runs beside Prometheus, with the dashboard.";
      };

      port = mkOption {
        type = types.port;
        default = 3000;
        description = "Port on which Grafana listens on loopback.";
      };

      adminPasswordFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = ''
          File with the password that Grafana's user `admin` gets at its very first start. A path on the running
          machine, as a string; never in the Nix store. Default: a random one, which root finds in
          `/var/lib/grafana/hafailover-admin-password`.
        '';
      };
    };
  };

  config = mkIf enable (
    lib.mkMerge [
      {
        services.prometheus = {
          enable = true;
          listenAddress = mkDefault "127.0.0.1";
          port = mkDefault cfgM.prometheus.port;
          retentionTime = mkDefault cfgM.prometheus.retention;
          # promtool would look for the tokens' files on the machine that builds.
          checkConfig = mkIf (hasConsulToken || hasHttpToken) (mkDefault "syntax-only");
          ruleFiles = [ rules ];
          alertmanagers = mkIf (cfgM.alertmanagers != [ ]) [
            { static_configs = [ { targets = cfgM.alertmanagers; } ]; }
          ];
          scrapeConfigs =
            # Often enough to see a lease run out.
            job "hafailover" (
              {
                scrape_interval = "5s";
                scheme = if http.tls_cert_file or null != null then "https" else "http";
              }
              // lib.optionalAttrs hasHttpToken {
                authorization.credentials_file = "/run/credentials/prometheus.service/http_token";
              }
            )
            ++ job "neard" { }
            ++ job "consul" (
              {
                metrics_path = "/v1/agent/metrics";
                params.format = [ "prometheus" ];
                scheme = lib.head consulUrl;
              }
              // lib.optionalAttrs hasConsulToken {
                authorization.credentials_file = "/run/credentials/prometheus.service/consul_token";
              }
              // lib.optionalAttrs (consul ? ca_file) { tls_config.ca_file = consul.ca_file; }
            )
            ++ job "node" { };

          exporters.node = {
            enable = true;
            listenAddress = mkDefault "127.0.0.1";
            enabledCollectors = [ "systemd" ];
          };
        };

        environment.etc.${runbook}.source = ../../docs/runbook.md;

        systemd.services.prometheus.serviceConfig = mkIf (hasConsulToken || hasHttpToken) (
          cfg.loadCredentials {
            consul_token = if hasConsulToken then consulTokenFile else null;
            http_token = if hasHttpToken then httpTokenFile else null;
          }
        );

        services.hafailover.checks.assertions.monitoring-consul-address = {
          assertion = consulUrl != null;
          message = ''
            services.hafailover.settings.consul.address is "${consul.address or ""}"; monitoring needs it as
            http://HOST:PORT or https://HOST:PORT.'';
        };
      }

      (mkIf cfg.consul.enable {
        services.consul.extraConfig.telemetry = {
          # Without it, Consul keeps nothing for Prometheus.
          prometheus_retention_time = "60s";
          # Otherwise the host's name is part of each metric's.
          disable_hostname = true;
        };
      })

      (mkIf cfgM.grafana.enable {
        services.grafana = {
          enable = true;
          settings = {
            server.http_addr = mkDefault "127.0.0.1";
            server.http_port = mkDefault cfgM.grafana.port;
            analytics = {
              reporting_enabled = mkDefault false;
              check_for_updates = mkDefault false;
            };
            security = {
              admin_password = mkDefault "$__file{${passwordFile}}";
              secret_key = mkDefault "$__file{${secretKeyFile}}";
            };
          };
          provision = {
            enable = true;
            datasources.settings.datasources = [
              {
                name = "hafailover";
                uid = "hafailover";
                type = "prometheus";
                url = "http://${prometheus.listenAddress}:${toString prometheus.port}";
                jsonData.timeInterval = "5s";
              }
            ];
            dashboards.settings.providers = [
              {
                name = "hafailover";
                options.path = "/etc/hafailover/grafana";
              }
            ];
          };
        };

        environment.etc."hafailover/grafana/hafailover.json".source =
          ../../src/hafailover/monitoring/dashboard.json;

        systemd.services.grafana = {
          serviceConfig.LoadCredential = mkIf (givenPasswordFile != null) [
            "admin_password:${givenPasswordFile}"
          ];
          # Made once on each machine, so that neither is a default that everybody knows.
          preStart = ''
            for file in ${toString madeHere}; do
              if [ ! -s "$file" ]; then
                (umask 0077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$file.new")
                mv "$file.new" "$file"
              fi
            done
          '';
        };

        services.hafailover.checks.assertions = {
          secret-absolute-monitoring-grafana-adminpasswordfile = {
            assertion = givenPasswordFile == null || lib.hasPrefix "/" givenPasswordFile;
            message = ''
              services.hafailover.monitoring.grafana.adminPasswordFile is "${toString givenPasswordFile}"; it
              must be an absolute path on the running machine.'';
          };
          secret-in-store-monitoring-grafana-adminpasswordfile = {
            assertion = givenPasswordFile == null || !(lib.hasPrefix builtins.storeDir givenPasswordFile);
            message = ''
              services.hafailover.monitoring.grafana.adminPasswordFile lies in the Nix store, which everybody can read.
              Put the secret on the machine by other means (scp, agenix, sops-nix) and give its path there as a
              string in quotes.'';
          };
        };
      })
    ]
  );
}
