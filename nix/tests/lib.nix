# runNixOSTest with the shared helpers in front of the script, and a limit on everything.
{ pkgs, self }:
{
  nodes = import ./nodes.nix { inherit pkgs self; };

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
