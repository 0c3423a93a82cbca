# The rules of hafailover.timing, with its own numbers: nix/timing.json is made from the Python table by `make docs`.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.hafailover;
  table = lib.importJSON ../timing.json;
  inherit (table) bounds;

  timing = cfg.settings.timing or { };
  name = timing.profile or "default";
  known = table.profiles ? ${name};
  # An unknown profile is the settings' check to refuse; what follows is then about the default.
  p = table.profiles.${if known then name else "default"} // removeAttrs timing [ "profile" ];

  say = builtins.toJSON;
  attempts = p.beat_s + 2 * (p.call_deadline_s + p.retry_s) + bounds.min_grant_s;
  goneWithin = p.fence_after_s + p.drop_budget_s;
  feed = p.beat_s + p.call_deadline_s + p.retry_s;
  # hafailover.timing.sensible_fence_after_s: what rides out the loss of Consul's leader.
  election = 3 + 4 * cfg.consul.raftMultiplier;
  least = if cfg.consul.role == "client" then lib.max election 10 else election;
  setting = key: "services.hafailover.settings.timing.${key}";
  # Floating-point sums may be off in the last digit.
  atLeast = value: bound: value >= bound - 1.0e-9;
  positive = key: {
    assertion = p.${key} > 0;
    message = "${setting key} is ${say p.${key}} and must be above 0.";
  };
in
{
  options.services.hafailover.timing = mkOption {
    type = types.attrsOf types.number;
    internal = true;
    readOnly = true;
    description = "The profile with this host's changes, in seconds.";
    default = p // {
      gone_within_s = goneWithin;
      agent_watchdog_s = lib.max bounds.min_agent_watchdog_s ((p.check_ttl_s - p.beat_s) / 2.0);
      guard_watchdog_s = (p.fence_after_s - p.beat_s) / 2.0;
    };
  };

  config.services.hafailover.checks = lib.mkIf cfg.isHost {
    assertions = {
      timing-profile = {
        assertion = known;
        message = ''
          ${setting "profile"} is ${say name}; it must be one of
          ${lib.concatStringsSep ", " (lib.attrNames table.profiles)}.'';
      };
      timing-beat = positive "beat_s";
      timing-call-deadline = positive "call_deadline_s";
      timing-retry = positive "retry_s";
      timing-fence-after = {
        assertion = atLeast p.fence_after_s attempts;
        message = ''
          ${setting "fence_after_s"} is ${say p.fence_after_s}, less than one beat, two failed tries and the
          shortest grant (${say p.beat_s} + 2 x (${say p.call_deadline_s} + ${say p.retry_s}) +
          ${say bounds.min_grant_s}): raise it to ${say attempts} or more.'';
      };
      timing-drop-budget = {
        assertion = atLeast p.drop_budget_s bounds.min_drop_budget_s;
        message = ''
          ${setting "drop_budget_s"} is ${say p.drop_budget_s}; drop and SIGKILL need
          ${say bounds.min_drop_budget_s} or more.'';
      };
      timing-gone-within = {
        assertion = atLeast bounds.longest_gone_within_s goneWithin;
        message = ''
          ${setting "fence_after_s"} + drop_budget_s is ${say goneWithin}, above the
          ${say bounds.longest_gone_within_s} that other hosts assume of an unknown predecessor: lower one of
          them.'';
      };
      timing-margin = {
        assertion = atLeast p.margin_s bounds.min_margin_s;
        message = "${setting "margin_s"} is ${say p.margin_s} and must be ${say bounds.min_margin_s} or more.";
      };
      timing-margin-rate = {
        assertion = atLeast p.margin_rate bounds.min_margin_rate;
        message = "${setting "margin_rate"} is ${say p.margin_rate} and must be ${say bounds.min_margin_rate} or more.";
      };
      timing-session-ttl-min = {
        assertion = p.session_ttl_s >= bounds.consul_min_session_ttl_s;
        message = ''
          ${setting "session_ttl_s"} is ${say p.session_ttl_s}; Consul takes
          ${say bounds.consul_min_session_ttl_s} or more.'';
      };
      timing-session-ttl = {
        assertion = atLeast p.session_ttl_s p.fence_after_s;
        message = ''
          ${setting "session_ttl_s"} is ${say p.session_ttl_s}, below fence_after_s (${say p.fence_after_s}): the
          session would end before the active gives up.'';
      };
      timing-check-ttl = {
        assertion = p.check_ttl_s > feed;
        message = ''
          ${setting "check_ttl_s"} is ${say p.check_ttl_s} and must be above one beat and one failed call
          (${say feed}).'';
      };
    };
    warnings.timing-election = {
      when = cfg.consul.enable && p.fence_after_s < least;
      message = ''
        ${setting "fence_after_s"} is ${say p.fence_after_s}, but the loss of Consul's leader can take up to
        ${say least} s here: the active would fence for nothing. Use timing.profile = "wide".'';
    };
  };
}
