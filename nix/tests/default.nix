# Every test by name; `nix flake check` runs them all. `real-neard.nix` is not among them: it builds neard.
{ pkgs, self }:
let
  inherit (import ./lib.nix { inherit pkgs self; }) nodes test;

  servers = [
    "host1"
    "host2"
    "host3"
  ];
  host = nodes.host { inherit servers; };
  cluster = {
    inherit (nodes) chain;
    host1 = host;
    host2 = host;
    host3 = host;
  };
in
{
  single = test {
    name = "single";
    nodes = {
      inherit (nodes) chain;
      host1 = nodes.host { };
    };
    script = ./single.py;
  };

  cluster-failover = test {
    name = "cluster-failover";
    nodes = cluster;
    script = ./cluster-failover.py;
    timeout = 1800;
  };

  partition = test {
    name = "partition";
    nodes = cluster;
    script = ./partition.py;
  };

  consul-outage = test {
    name = "consul-outage";
    nodes = cluster;
    script = ./consul-outage.py;
  };

  pair =
    let
      servers = [
        "host1"
        "host2"
        "witness"
      ];
      host = nodes.host { inherit servers; };
    in
    test {
      name = "pair";
      nodes = {
        inherit (nodes) chain;
        host1 = host;
        host2 = host;
        witness = nodes.witness { inherit servers; };
      };
      script = ./pair.py;
    };

  secrets = test {
    name = "secrets";
    nodes = cluster;
    script = ./secrets.py;
  };

  monitoring = import ./monitoring.nix { inherit nodes test; };

  security = test {
    name = "security";
    nodes.host1 =
      { lib, ... }:
      {
        imports = [ (nodes.host { }) ];
        services.hafailover.neard.bootNodes = lib.mkForce [ ];
      };
    script = ./security.py;
  };
}
