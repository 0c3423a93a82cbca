# Every assertion and warning of the module is set off by a configuration that must set it off, with the words that it
# must have, and by no other. Whatever is wrong ends the evaluation with a list; the build only says that all is well.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  checks = import ../eval/checks.nix { inherit pkgs; };
  inherit (import ../eval/cases.nix { inherit lib pkgs; }) host cases peers;

  evaluate =
    set:
    checks.of [
      {
        services.hafailover = lib.mkMerge [
          host
          { consul.peers = lib.mkDefault peers; }
          set
        ];
      }
    ];
  oneLine = lib.replaceStrings [ "\n" ] [ " " ];
  list = lib.concatStringsSep ", ";

  # What is wrong with what a case brought about; `kind` is assertions or warnings.
  compare =
    case: found: kind:
    let
      expected = case.${kind};
      actual = lib.mapAttrs (_: oneLine) found.${kind};
      missing = lib.subtractLists (lib.attrNames actual) (lib.attrNames expected);
      needless = removeAttrs actual (lib.attrNames expected);
      lacking =
        name: words:
        map (word: "${case.what}: ${name} does not say '${word}': ${actual.${name}}") (
          lib.filter (word: !(lib.hasInfix word actual.${name})) ([ "services.hafailover" ] ++ words)
        );
    in
    map (name: "${case.what}: ${name} does not fire") missing
    ++ lib.mapAttrsToList (name: text: "${case.what}: ${name} fires: ${text}") needless
    ++ lib.concatLists (lib.mapAttrsToList lacking (lib.intersectAttrs actual expected));

  results = map (case: {
    inherit case;
    found = evaluate case.set;
  }) cases;
  wrong = lib.concatMap (
    { case, found }: compare case found "assertions" ++ compare case found "warnings"
  ) results;

  # hafailover.timing and nix/modules/timing.nix state the same rules.
  timingOf =
    { profile, changes, ... }:
    let
      found = evaluate {
        settings.timing = changes // {
          inherit profile;
        };
      };
      settingOf =
        text:
        let
          match = builtins.match "services\\.hafailover\\.settings\\.timing\\.([a-z_]+) .*" (oneLine text);
        in
        if match == null then text else lib.head match;
    in
    {
      names = lib.attrNames found.assertions;
      settings = lib.sort lib.lessThan (map settingOf (lib.attrValues found.assertions));
    };
  timingCases = lib.importJSON ../timing-cases.json;
  wrongTiming = lib.concatMap (
    case:
    let
      broken = lib.sort lib.lessThan case.broken;
      inherit (timingOf case) settings;
    in
    lib.optional (settings != broken) (
      "timing ${builtins.toJSON (removeAttrs case [ "broken" ])}: "
      + "the module refuses [${list settings}], hafailover.timing [${list broken}]"
    )
  ) timingCases;

  fired =
    lib.concatMap ({ found, ... }: lib.attrNames (found.assertions // found.warnings)) results
    ++ lib.concatMap (case: (timingOf case).names) timingCases;
  names = lib.unique (lib.concatMap ({ found, ... }: found.names) results);
  untested = map (name: "no case sets off ${name}") (lib.subtractLists fired names);

  systems = import ../eval/systems.nix { inherit pkgs self; };
  failures = wrong ++ wrongTiming ++ untested ++ systems.failures;
in
if failures == [ ] then
  pkgs.runCommand "hafailover-module-eval" { } ''
    echo "${
      toString (lib.length cases + lib.length timingCases)
    } configurations: each of ${toString (lib.length names)} checks fires where it must" | tee $out
  ''
else
  throw "module-eval:\n  ${lib.concatStringsSep "\n  " failures}"
