# runNixOSTest with the shared helpers in front of the script, and a limit on everything.
{
  pkgs,
  self,
  neard ? "${pkgs.localneard}/bin/localneard",
}:
{
  nodes = import ./nodes.nix { inherit pkgs self neard; };

  test =
    {
      name,
      nodes,
      script,
      timeout ? 900,
    }:
    pkgs.testers.runNixOSTest {
      name = "hafailover-${name}";
      inherit nodes;
      globalTimeout = timeout;
      testScript = builtins.readFile ./helpers.py + "\n" + builtins.readFile script;
    };
}
